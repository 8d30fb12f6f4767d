"""Which intermediate results to keep as unknowns of the linear system, so that it stays sparse.

A model in which many states act on many rates through few quantities (a transit time, a cytokine sum) has a
dense Jacobian, but the same system with those quantities as extra unknowns is sparse: J = F_y + F_z (I -
G_z)^-1 G_y. Seen on the graph of the computation, eliminating a vertex replaces its edges by all pairs of
predecessors and successors (Griewank & Walther, Evaluating Derivatives, 2nd ed., ch. 10). Vertices go while
that does not add edges; what is left is kept, and the sparse LU chooses when to eliminate it.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opiome.engine._graph import Graph


def predecessors(graph: Graph, node: int) -> set[int]:
    """The arguments through which a node depends on the states."""
    op, args = graph.op[node], graph.args[node]
    if op in ("num", "par", "state", "time", "bool", "floor", "lt", "le", "eq", "and", "or", "not"):
        return set()
    values = args[1:] if op == "select" else args
    return {a for a in values if graph.deps[a] >> 1}


def kept(graph: Graph, rates: list[int], slack: int) -> list[int]:  # noqa: C901 - one loop of the algorithm
    """The intermediate nodes worth keeping, in the order in which they are computed.

    A vertex goes while that adds at most ``slack`` edges.
    """
    order = [v for v in graph.order(rates) if graph.deps[v] >> 1 and not graph.is_boolean(v)]
    into = {v: predecessors(graph, v) for v in order}
    out: dict[int, set[int]] = {v: set() for v in order}
    for v in order:
        for a in into[v]:
            out[a].add(v)
    for row, rate in enumerate(rates):  # a row of the system is one more user of its rate
        if rate in into:
            into[-1 - row] = {rate}
            out[rate].add(-1 - row)
    heap = [(len(into[v]) * len(out[v]), v) for v in order if graph.op[v] != "state"]
    heapq.heapify(heap)
    left = {v for _, v in heap}
    while heap:
        price, v = heapq.heappop(heap)
        if v not in left or price != len(into[v]) * len(out[v]):
            continue
        new = sum(len(into[v] - into[s]) for s in out[v])
        if new > len(into[v]) + len(out[v]) + slack:
            continue
        left.discard(v)
        before, after = into.pop(v), out.pop(v)
        for a in before:
            out[a].discard(v)
            out[a] |= after
        for s in after:
            into[s].discard(v)
            into[s] |= before
        for u in before | after:
            if u in left:
                heapq.heappush(heap, (len(into[u]) * len(out[u]), u))
    return [v for v in order if v in left]
