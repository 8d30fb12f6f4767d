"""The linear system of a Rosenbrock stage: its unknowns, its entries as graph nodes, its elimination plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opiome.engine._cut import kept
from opiome.engine._derivatives import TIME, Derivatives
from opiome.engine._lu import SparseLU, plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opiome.engine._system import System

SLACKS = (-1, 0, 6, 10, 50)
CANDIDATES = (1, 4, 8)
DYNAMIC = 2  # the level of what changes in time


@dataclass(frozen=True)
class LinearSystem:
    """Rows and columns are the states, then the kept results; ``entries[i, j]`` are derivatives."""

    kept: list[int]
    entries: dict[tuple[int, int], int]
    lu: SparseLU
    operations: int  # that compute the entries
    unseen: float = 0.0  # per hour: states whose rates have no row are slower; 0 where all have one

    @property
    def rows(self) -> int:
        """The number of unknowns."""
        return len(self.lu.order)

    def cost(self, stages: int) -> int:
        """Operations of one step: the entries, one elimination, ``stages`` solves."""
        return self.operations + self.lu.operations + stages * len(self.lu.slot)


def build(system: System, stages: int, rows: Sequence[int] | None = None) -> LinearSystem:
    """The cheapest of a few ways to choose unknowns and pivots; small systems need no search.

    Only the rates of ``rows`` (states; all by default) have entries.
    """
    graph, n = system.graph, len(system.states)
    chosen = range(n) if rows is None else rows
    rates = [system.rates[i] for i in chosen]
    best: LinearSystem | None = None
    tried: set[tuple[int, ...]] = set()
    for slack in SLACKS:
        keep = kept(graph, rates, slack)
        if tuple(keep) in tried:
            continue
        tried.add(tuple(keep))
        slopes = Derivatives(graph, n, keep)
        entries = {
            (i, variable - 1): node
            for i, root in zip([*chosen, *range(n, n + len(keep))], [*rates, *keep], strict=True)
            for variable, node in slopes.row(root).items()
            if variable != TIME
        }
        trial = plan_entries(system, stages, LinearSystem(keep, entries, plan(0, set()), 0))
        if best is None or trial.cost(stages) < best.cost(stages):
            best = trial
    return best or LinearSystem([], {}, plan(n, set()), 0)


def plan_entries(system: System, stages: int, linear: LinearSystem) -> LinearSystem:
    """The same unknowns and entries with the cheapest of a few elimination plans."""
    graph, n = system.graph, len(system.states) + len(linear.kept)
    operations = sum(graph.level[node] == DYNAMIC for node in graph.order(linear.entries.values()))
    plans = [plan(n, set(linear.entries), candidates) for candidates in CANDIDATES]
    trials = [LinearSystem(linear.kept, linear.entries, lu, operations) for lu in plans]
    return min(trials, key=lambda trial: trial.cost(stages))
