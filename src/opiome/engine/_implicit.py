"""Which rates a W-method treats implicitly: a smaller matrix, whose elimination costs less.

A W-method keeps its order whatever matrix stands in its linear systems (Steihaug & Wolfbrandt, Math Comp
1979;33:521), so only the rates that would limit the step need to be in it. A row of the Jacobian stays where
it has few entries, where its state is fast, or where a state feeds it fast with a fixed coefficient (a
compartment behind a depot). What goes are slow states that depend on many others: the dearest rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from opiome.engine._derivatives import TIME, Derivatives
from opiome.engine._tableaux import LARGE
from opiome.engine._twin import evaluate

if TYPE_CHECKING:
    from opiome.engine._system import System

FEW = 4  # entries of a row that is cheap
SLOW = 1.0 / 128.0  # of the fastest rate: a slower state is integrated explicitly
FIXED = 1  # the level of what does not change in time


def implicit_rows(system: System) -> list[int]:
    """The states whose rates stay in the matrix, judged at the start with the model's own parameters.

    All of them where the system is small or its rates cannot be judged.
    """
    graph, n = system.graph, len(system.states)
    if n < LARGE:
        return list(range(n))
    slopes = Derivatives(graph, n)
    rows = [
        {variable - 1: node for variable, node in slopes.row(rate).items() if variable != TIME}
        for rate in system.rates
    ]
    telling = [
        [row.get(i, graph.zero), *(node for node in row.values() if graph.level[node] <= FIXED)]
        for i, row in enumerate(rows)
    ]
    nodes = [node for row in telling for node in row]
    nothing = np.zeros(0)
    parameters = np.array([*system.parameters.values(), *[math.nan] * len(system.derived)])
    try:
        parameters[len(system.parameters) :] = evaluate(graph, system.derived_start, 0.0, nothing, parameters)
        start = np.array(evaluate(graph, system.start, 0.0, nothing, parameters))
        values = iter(np.abs(evaluate(graph, nodes, 0.0, start, parameters)))
    except ArithmeticError:
        return list(range(n))
    sizes = [[next(values) for _ in row] for row in telling]
    limit = SLOW * max(row[0] for row in sizes)
    return [i for i, row in enumerate(sizes) if len(rows[i]) <= FEW or not max(row) < limit]
