"""Symbolic sparse LU without pivoting: elimination order, fill, and the operations row by row.

The matrix is ``D - J`` with D > 0 on the diagonal (1/(gamma h) in a Rosenbrock method), so diagonal pivots
are kept; the order is Markowitz's (least (r - 1)(c - 1), Management Science 1957;3:255), which keeps fill
low.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nsmallest


@dataclass(frozen=True)
class SparseLU:
    r"""An elimination plan.

    ``order``: the pivots. ``lower[i]``: the columns of row i eliminated, in pivot order. ``upper[i]``: the
    columns right of the diagonal in row i. ``slot[i, j]``: where an entry of L\\U lies in memory; ``slot[i,
    i]`` holds 1/pivot.
    """

    order: tuple[int, ...]
    lower: dict[int, list[int]]
    upper: dict[int, list[int]]
    slot: dict[tuple[int, int], int]
    operations: int


def plan(n: int, pattern: set[tuple[int, int]], candidates: int = 1) -> SparseLU:
    """Plan the elimination of an n x n matrix with the given entries (the diagonal is always one).

    Of the ``candidates`` pivots that are best by Markowitz's count, the one that fills in least is taken.
    """
    rows: list[set[int]] = [{i} for i in range(n)]
    columns: list[set[int]] = [{i} for i in range(n)]
    for i, j in pattern:
        rows[i].add(j)
        columns[j].add(i)
    left = set(range(n))
    order: list[int] = []
    full_rows = [set(r) for r in rows]
    operations = 0

    def count(i: int) -> tuple[int, int, int]:
        return (len(rows[i]) - 1) * (len(columns[i]) - 1), len(rows[i]), i

    def fill(i: int) -> tuple[int, tuple[int, int, int]]:
        right = rows[i] - {i}
        return sum(len(right - rows[below]) for below in columns[i] - {i}), count(i)

    while left:
        k = min(left, key=count) if candidates == 1 else min(nsmallest(candidates, left, key=count), key=fill)
        order.append(k)
        left.discard(k)
        below, right = columns[k] - {k}, rows[k] - {k}
        operations += len(below) * len(right)
        for i in below:
            rows[i] |= right
            full_rows[i] |= right
            rows[i].discard(k)
        for j in right:
            columns[j] |= below
            columns[j].discard(k)
    position = {k: at for at, k in enumerate(order)}
    lower = {
        i: sorted((j for j in full_rows[i] if position[j] < position[i]), key=lambda j: position[j])
        for i in order
    }
    upper = {
        i: sorted((j for j in full_rows[i] if position[j] > position[i]), key=lambda j: position[j])
        for i in order
    }
    slot: dict[tuple[int, int], int] = {}
    for i in order:
        for j in (*lower[i], i, *upper[i]):
            slot[i, j] = len(slot)
    return SparseLU(tuple(order), lower, upper, slot, operations)
