"""Steady state of repeated dosing, solved and not simulated into, for a drug whose own states are linear.

Over one interval the block obeys x' = A x + b + v(t) e with v piecewise constant, so the state after an
interval is an affine map of the state before it, x -> P x + q, and the steady state solves x = P x + q.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Repeated:
    """A dose into state ``entry`` of the block every ``interval`` h, over ``duration`` h (0: a bolus).

    ``lag`` shifts the dose inside the interval; an infusion may last longer than the interval.
    """

    entry: int
    amount: float
    duration: float
    interval: float
    lag: float

    def level(self, phase: float) -> float:
        """The infusion rate at a phase of the interval (overlapping infusions add up)."""
        if not self.duration:
            return 0.0
        age = (phase - self.lag) % self.interval
        running = max(0, int(np.ceil((self.duration - age) / self.interval - 1e-12)))
        return running * self.amount / self.duration

    def phases(self) -> list[tuple[float, float]]:
        """Pieces (begin, end) of the interval on which the rate is constant."""
        cuts = {0.0, self.interval, self.lag % self.interval}
        if self.duration:
            cuts.add((self.lag + self.duration) % self.interval)
        times = sorted(cuts)
        return [(a, b) for a, b in pairwise(times) if b - a > 1e-12 * self.interval]


def _flow(matrix: Array, drive: Array, time: float) -> tuple[Array, Array]:
    """The map x -> E x + g of x' = A x + drive over ``time``."""
    from scipy.linalg import expm

    m = len(drive)
    augmented = np.zeros((m + 1, m + 1))
    augmented[:m, :m], augmented[:m, m] = matrix, drive
    whole = expm(augmented * time)
    return whole[:m, :m], whole[:m, m]


def repeated(matrix: Array, constant: Array, dose: Repeated) -> Array:
    """The block's state at phase 0 of the steady state; NaN where nothing removes the drug."""
    m = len(constant)
    total, shift = np.eye(m), np.zeros(m)
    unit = np.zeros(m)
    unit[dose.entry] = 1.0
    for begin, end in dose.phases():
        if not dose.duration and abs(begin - dose.lag % dose.interval) < 1e-12 * dose.interval:
            shift = shift + dose.amount * unit
        e, g = _flow(matrix, constant + dose.level(0.5 * (begin + end)) * unit, end - begin)
        total, shift = e @ total, e @ shift + g
    return _solve(np.eye(m) - total, shift)


def constant(matrix: Array, drive: Array) -> Array:
    """The block's state under a constant input."""
    return _solve(-matrix, drive)


def _solve(matrix: Array, right: Array) -> Array:
    """Solve with rows equilibrated; NaN where the matrix is singular."""
    if not (np.isfinite(matrix).all() and np.isfinite(right).all()):
        return np.full(len(right), np.nan)
    if np.linalg.cond(matrix) > 1e14:  # noqa: PLR2004 - beyond it no digit is left
        return np.full(len(right), np.nan)
    return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
