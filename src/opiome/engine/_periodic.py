"""Steady state of repeated dosing where the drug's own states are not linear: shooting, solved by Newton.

The state x at the beginning of an interval is sought for which the state P(x) at its end is x again. P is the
engine's own integration; the columns of its Jacobian come from lanes that start a little beside x (Ascher,
Mattheij & Russell, Numerical Solution of Boundary Value Problems, SIAM 1995, 4.1-4.2). The model is
integrated as a whole, but only the drug's own states are sought; the others begin each interval where the
patient's start has them, and by the choice of the block nothing of it depends on them.
"""
# ruff: noqa: SLF001 - runs the machine code of a program

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from opiome.engine._events import EventTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opiome.engine._program import Program
    from opiome.engine._steady_dose import Repeated

Array = NDArray[np.float64]
RTOL = 1e-10  # of the integration
CLOSE = 1e-8  # least relative change of a Newton step, and of a state over an interval
ASIDE = 1e-5  # how far beside x the lanes for the Jacobian start, relative to the state's peak
WARM_UP = 3  # intervals simulated before the first Newton step
BUDGET = 40  # Newton steps


@dataclass(frozen=True)
class Shots:
    """A program with the patients whose steady states are sought; arrays have one row per patient."""

    program: Program
    block: NDArray[np.int64]
    values: Array  # (k, slots)
    origin: Array  # (k, states)

    def solve(self, doses: Sequence[Repeated]) -> Array:
        """The block's state (k, m) at phase 0 of each dose's steady state; NaN where there is none.

        All doses have the same interval.
        """
        x = np.maximum(self.origin[:, self.block], 0.0)
        for _ in range(WARM_UP):
            x = self._end(x[:, None], doses)[0][:, 0]
        open_ = _rows(np.isfinite(x))
        found = np.full_like(x, np.nan)
        for _ in range(BUDGET):
            rows = np.flatnonzero(open_)
            if not len(rows):
                break
            better, near = self._take(rows)._newton(x[rows], [doses[int(r)] for r in rows])
            x[rows] = better
            found[rows[near]] = better[near]
            open_[rows[near | ~np.isfinite(better).all(axis=1)]] = False
        return found

    def _take(self, rows: NDArray[np.int64]) -> Shots:
        return Shots(self.program, self.block, self.values[rows], self.origin[rows])

    def _newton(self, x: Array, doses: Sequence[Repeated]) -> tuple[Array, NDArray[np.bool_]]:
        """One Newton step for P(x) = x: the new x (k, m), and who has arrived."""
        m = x.shape[1]
        end, peak = self._end(x[:, None], doses)
        size = np.maximum(peak[:, 0], 1e-300)
        starts = x[:, None] + np.concatenate([np.zeros((1, m)), np.eye(m)])[None] * (ASIDE * size)[:, None]
        ends, _ = self._end(starts, doses)
        slopes = (ends[:, 1:] - ends[:, :1]).transpose(0, 2, 1) / (ASIDE * size)[:, None]
        gap = end[:, 0] - x
        step = np.full_like(x, np.nan)
        for p in np.flatnonzero(np.isfinite(slopes).all(axis=(1, 2))):
            try:
                step[p] = np.linalg.solve(np.eye(m) - slopes[p], gap[p])
            except np.linalg.LinAlgError:
                continue
        near = _rows((np.abs(step) <= CLOSE * size) & (np.abs(gap) <= CLOSE * size))
        return np.maximum(x + step, 0.1 * x), near

    def _end(self, starts: Array, doses: Sequence[Repeated]) -> tuple[Array, Array]:
        """States after one interval and their largest size on the way, both like ``starts`` (k, lanes, m)."""
        from opiome.engine._ensemble import Ensemble

        k, lanes, m = starts.shape
        program, interval = self.program, doses[0].interval
        states = np.repeat(self.origin, lanes, axis=0)
        states[:, self.block] = starts.reshape(-1, m)
        run = Ensemble(
            program,
            np.repeat(self.values, lanes, axis=0),
            states,
            self._events(doses, lanes),
            rtol=RTOL,
            atol=np.full(states.shape[1], 1e-4 * RTOL),
            threads=1,
            signed=np.ones(states.shape[1], bool),
            budget=20_000,
        )
        run.advance(interval)
        ends, peak = run.states[:, self.block], run._peak[:, self.block]
        return ends.reshape(k, lanes, m), peak.reshape(k, lanes, m)

    def _events(self, doses: Sequence[Repeated], lanes: int) -> EventTable:
        """One interval of each dose, for every lane."""
        rows = []
        for p, dose in enumerate(doses):
            who = np.arange(p * lanes, (p + 1) * lanes)
            state = self.program.states[self.block[dose.entry]]
            if dose.duration:
                pulses = [(a, dose.level(0.5 * (a + b)), b - a) for a, b in dose.phases()]
            else:
                pulses = [(dose.lag % dose.interval, 0.0, 0.0)]
            for begin, rate, length in pulses:
                amount = rate * length if length else dose.amount
                if amount > 0.0:
                    rows.append(
                        EventTable(ID=who, TIME=begin, AMT=amount, CMT=state, DUR=length)  # type: ignore[arg-type]
                    )
        return EventTable.concat(rows)


def _rows(each: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows in which all hold."""
    return np.asarray(each.all(axis=1), dtype=bool)
