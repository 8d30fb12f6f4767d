"""What a W-method treats implicitly: a smaller matrix, whose entries and elimination cost less.

A W-method keeps its order whatever matrix stands in its linear systems (Steihaug & Wolfbrandt, Math Comp
1979;33:521), so only what would limit the step needs to be in it. A row of the Jacobian stays where it has
few entries, where its state is fast, or where a state feeds it fast with a fixed coefficient (a compartment
behind a depot). What goes are slow states that depend on many others: the dearest rows. Of the rows that
stay, entries go through which one state moves another, relative to the sizes of both, much more slowly than
the fastest state moves.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from opiome.engine._derivatives import TIME, Derivatives
from opiome.engine._linear_system import build, plan_entries
from opiome.engine._tableaux import LARGE
from opiome.engine._twin import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from opiome.engine._linear_system import LinearSystem
    from opiome.engine._system import System

FEW = 4  # entries of a row that is cheap
SLOW = 1.0 / 128.0  # of the fastest rate: a slower state is integrated explicitly
WEAK = 1.0 / 512.0  # of the fastest rate: what acts more slowly through an entry is left out of it
FIXED = 1  # the level of what does not change in time


def sizes_at_start(system: System, nodes: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sizes of nodes, and of the states, at the start with the model's own parameters.

    Raises:
        ArithmeticError: something cannot be computed there.
    """
    nothing = np.zeros(0)
    parameters = np.array([*system.parameters.values(), *[math.nan] * len(system.derived)])
    derived = evaluate(system.graph, system.derived_start, 0.0, nothing, parameters)
    parameters[len(system.parameters) :] = derived
    start = np.array(evaluate(system.graph, system.start, 0.0, nothing, parameters))
    values = evaluate(system.graph, list(nodes), 0.0, start, parameters)
    return np.abs(np.array(values, dtype=np.float64)), np.abs(start)


def implicit_rows(system: System) -> tuple[list[int], float]:
    """The states whose rates stay in the matrix, and the fastest rate, judged at the start.

    All of them where the system is small or its rates cannot be judged; the fastest is then 0.
    """
    graph, n = system.graph, len(system.states)
    everything = list(range(n)), 0.0
    if n < LARGE:
        return everything
    slopes = Derivatives(graph, n)
    rows = [
        {variable - 1: node for variable, node in slopes.row(rate).items() if variable != TIME}
        for rate in system.rates
    ]
    telling = [
        [row.get(i, graph.zero), *(node for node in row.values() if graph.level[node] <= FIXED)]
        for i, row in enumerate(rows)
    ]
    try:
        values = iter(sizes_at_start(system, [node for row in telling for node in row])[0])
    except ArithmeticError:
        return everything
    sizes = [[next(values) for _ in row] for row in telling]
    fastest = max(row[0] for row in sizes)
    limit = SLOW * fastest
    return [i for i, row in enumerate(sizes) if len(rows[i]) <= FEW or not max(row) < limit], fastest


def implicit_part(system: System, stages: int, full: LinearSystem) -> LinearSystem:
    """The linear system of a W-method: ``full`` without slow rows and weak entries."""
    rows, fastest = implicit_rows(system)
    if len(rows) == len(system.states):
        return full
    linear = build(system, stages, rows)
    places = list(linear.entries)
    values, start = sizes_at_start(system, [*linear.entries.values(), *linear.kept])
    size = np.concatenate([start, values[len(places) :]])
    n = len(start)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = {(i, j): v * size[j] / size[i] for (i, j), v in zip(places, values, strict=False)}
    known = {
        place: rate for place, rate in rates.items() if size[list(place)].min() > 0.0 and rate < math.inf
    }
    reach = np.ones(n + len(linear.kept))  # how fast a row moves a state: 1 for a state's own rate
    for k in reversed(range(n, len(reach))):  # a kept result uses earlier ones only
        reach[k] = max((rate * reach[i] for (i, j), rate in known.items() if j == k), default=0.0)
    weak = {place for place, rate in known.items() if rate * reach[place[0]] < WEAK * fastest}
    strong = {place: node for place, node in linear.entries.items() if place not in weak}
    return replace(plan_entries(system, stages, replace(linear, entries=strong)), unseen=SLOW * fastest)
