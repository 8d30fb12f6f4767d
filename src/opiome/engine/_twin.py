"""The slow, obvious twin of the lanes: one patient, plain Python, dense linear algebra, no generated code.

It takes the same steps by the same rules, so that a test can compare the two step for step. Doses are
boluses only.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from opiome.engine._derivatives import TIME, Derivatives
from opiome.engine._graph import UNARY, Graph
from opiome.engine._tableaux import Explicit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opiome.engine._system import System
    from opiome.engine._tableaux import Rosenbrock

Array = NDArray[np.float64]


def evaluate(  # noqa: C901, PLR0912 - one case per operation
    graph: Graph, roots: list[int], time: float, states: Array, parameters: Array
) -> list[float]:
    """Walk the graph and compute the value of each root."""
    value: dict[int, float] = {}
    for node in graph.order(roots):
        op, args = graph.op[node], graph.args[node]
        match op:
            case "num" | "bool":
                value[node] = args[0]
            case "par":
                value[node] = float(parameters[args[0]])
            case "state":
                value[node] = float(states[args[0]])
            case "time":
                value[node] = time
            case "add":
                value[node] = value[args[0]] + value[args[1]]
            case "mul":
                value[node] = value[args[0]] * value[args[1]]
            case "lt":
                value[node] = value[args[0]] < value[args[1]]
            case "le":
                value[node] = value[args[0]] <= value[args[1]]
            case "eq":
                value[node] = value[args[0]] == value[args[1]]
            case "and":
                value[node] = value[args[0]] and value[args[1]]
            case "or":
                value[node] = value[args[0]] or value[args[1]]
            case "not":
                value[node] = not value[args[0]]
            case "select":
                value[node] = value[args[1]] if value[args[0]] else value[args[2]]
            case _:
                value[node] = UNARY[op](value[args[0]])
    return [value[root] for root in roots]


class Twin:
    """One patient of a system, integrated by a Rosenbrock method whose matrix has the rates of ``rows``."""

    def __init__(
        self,
        system: System,
        method: Rosenbrock | Explicit,
        parameters: Array,
        rows: Sequence[int] | None = None,
    ) -> None:
        self.system, self.method, self.graph = system, method, system.graph
        g, n = system.graph, len(system.states)
        slopes = Derivatives(g, n)
        implicit = range(n) if rows is None else rows
        self.jacobian_nodes = [
            slopes.diff(rate, j + 1) if i in implicit else g.zero
            for i, rate in enumerate(system.rates)
            for j in range(n)
        ]
        self.slope_nodes = [slopes.diff(rate, TIME) for rate in system.rates]
        free = np.concatenate([parameters, np.full(len(system.derived), math.nan)])
        nothing = np.zeros(0)
        derived = evaluate(g, system.derived_start, 0.0, nothing, free)
        self.parameters = np.concatenate([parameters, derived])
        self.start = np.array(evaluate(g, system.start, 0.0, nothing, self.parameters))

    def rhs(self, t: float, y: Array) -> Array:
        """Time derivatives."""
        return np.array(evaluate(self.graph, self.system.rates, t, y, self.parameters))

    def step(self, t: float, h: float, y: Array) -> tuple[Array, Array, list[Array]]:
        """One step: the new state, the error estimate, the stages."""
        m, n = self.method, len(y)
        if isinstance(m, Explicit):
            return self._explicit(m, t, h, y)
        jacobian = np.array(evaluate(self.graph, self.jacobian_nodes, t, y, self.parameters)).reshape(n, n)
        slope = np.array(evaluate(self.graph, self.slope_nodes, t, y, self.parameters))
        matrix = np.eye(n) / (m.gamma * h) - jacobian
        u: list[Array] = []
        trial = y
        for k in range(m.stages):
            trial = y + sum((a * v for a, v in zip(m.a[k], u, strict=True)), np.zeros(n))
            right = self.rhs(t + m.alpha[k] * h, trial)
            right = right + sum((c * v for c, v in zip(m.c[k], u, strict=True)), np.zeros(n)) / h
            u.append(np.linalg.solve(matrix, right + m.gamma_sum[k] * h * slope))
        return trial + u[-1], u[-1], u

    def _explicit(self, m: Explicit, t: float, h: float, y: Array) -> tuple[Array, Array, list[Array]]:
        u: list[Array] = []
        trial = y
        for k in range(m.stages):
            trial = y + sum((a * v for a, v in zip(m.a[k], u, strict=True)), np.zeros(len(y)))
            u.append(h * self.rhs(t + m.alpha[k] * h, trial))
        return trial, sum((b * v for b, v in zip(m.error, u, strict=True)), np.zeros(len(y))), u

    def run(self, until: float, at: Array, rtol: float, atol: Array) -> tuple[Array, int]:
        """States at the times ``at`` and the number of steps; no events."""
        t, y = 0.0, self.start
        peak = np.abs(y)
        h, rejected, steps = 1e-3 * until, False, 0
        result = np.empty((len(at), len(y)))
        result[at <= 0.0] = y
        while t < until:
            rest = until - t
            step = rest if h >= rest * (1.0 - 1e-10) else (0.5 * rest if 2.0 * h > rest else h)
            new, error, u = self.step(t, step, y)
            scale = atol + 0.01 * rtol * peak + rtol * np.maximum(np.abs(y), np.abs(new))
            size = float(np.mean((error / scale) ** 2))
            if (new < -100.0 * (atol + 0.01 * rtol * peak)).any():
                size = max(size, 16.0)
            factor = 0.9 * max(size, 1e-12) ** (-0.5 / self.method.order)
            steps += 1
            if size > 1.0:
                h, rejected = step * max(factor, 0.1), True
                continue
            later = until if step >= rest * (1.0 - 1e-10) else t + step
            k3, k4, k5 = (sum(d * v for d, v in zip(row, u, strict=True)) for row in self.method.interpolant)
            for i in np.flatnonzero((at > t) & (at <= later)):
                s = 1.0 if at[i] == later else (at[i] - t) / step
                result[i] = (1.0 - s) * y + s * (new + (1.0 - s) * (k3 + s * (k4 + s * k5)))
            h, rejected = step * min(max(factor, 0.2), 1.0 if rejected else 5.0), False
            t, y, peak = later, new, np.maximum(peak, np.abs(new))
        return result, steps
