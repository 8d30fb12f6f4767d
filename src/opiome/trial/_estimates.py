"""What a statistic gives: an estimate with its interval, or a contrast of two arms."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["LEVEL", "Contrast", "Estimate", "recovered", "undefined"]

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A point estimate with its 95 % interval and the number of patients behind it; NaN where undefined.

    Proportions are fractions, times hours; the median of a time is inf when fewer than half had the event.
    ``effective`` is the effective number of patients, smaller than ``n`` where their weights differ.
    """

    value: float
    low: float
    high: float
    n: int
    effective: float = math.nan


@dataclass(frozen=True)
class Contrast:
    """An arm against the reference: the measure, its estimate, 95 % interval and two-sided p value.

    Every measure is a difference (arm minus reference) but the hazard ratio, which is 1 where arms agree.
    """

    measure: str
    value: float
    low: float
    high: float
    p: float


def undefined(measure: str) -> Contrast:
    """A contrast that the data cannot tell."""
    return Contrast(measure, math.nan, math.nan, math.nan, math.nan)


def recovered(arm: Estimate, reference: Estimate) -> tuple[float, float, float]:
    """A difference and its interval, recovered from the intervals of both sides.

    The method of variance estimates recovery (Zou and Donner, Stat Med 2008;27:1693), which for proportions
    with Wilson's interval is Newcombe's. An open end of a side opens the end that it bears on.
    """
    value = arm.value - reference.value
    if not math.isfinite(value):
        return math.nan, math.nan, math.nan
    low = value - math.hypot(arm.value - arm.low, reference.high - reference.value)
    high = value + math.hypot(arm.high - arm.value, reference.value - reference.low)
    return value, low, high
