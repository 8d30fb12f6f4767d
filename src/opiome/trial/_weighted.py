"""Estimates in which patients stand for unlike numbers of people.

Intervals are those of an unweighted sample of the effective size (Kish, Survey Sampling 1965); of a mean the
variance is that of a ratio of sums. No test: weights are estimates themselves.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from opiome.trial._estimates import LEVEL, Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["effective", "survival", "weighted_mean", "weighted_median", "weighted_share", "weighted_time"]


def effective(weights: Array) -> float:
    """Kish's effective sample size."""
    squares = float((weights * weights).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def weighted_share(values: Array, weights: Array) -> Estimate:
    """A share with Wilson's interval at the effective size."""
    from scipy.stats import norm

    size = effective(weights)
    if not size:
        return Estimate(math.nan, math.nan, math.nan, len(values), 0.0)
    share, z = float((weights * values).sum() / weights.sum()), float(norm.ppf((1 + LEVEL) / 2))
    centre = (share + z * z / (2 * size)) / (1 + z * z / size)
    reach = z / (1 + z * z / size) * math.sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    return Estimate(share, max(centre - reach, 0.0), min(centre + reach, 1.0), len(values), size)


def weighted_mean(values: Array, weights: Array) -> Estimate:
    """A mean with the t interval of a ratio of sums."""
    from scipy.stats import t

    size = effective(weights)
    if size <= 1:
        return Estimate(math.nan, math.nan, math.nan, len(values), size)
    mean = float((weights * values).sum() / weights.sum())
    squares = float((weights**2 * (values - mean) ** 2).sum()) / float(weights.sum()) ** 2
    reach = float(t.ppf((1 + LEVEL) / 2, size - 1)) * math.sqrt(squares * size / (size - 1))
    return Estimate(mean, mean - reach, mean + reach, len(values), size)


def weighted_median(values: Array, weights: Array, levels: tuple[float, ...] | None = None) -> Estimate:
    """A median with Woodruff's interval (J Am Stat Assoc 1952;47:635); ``levels`` replace its two ends."""
    from scipy.stats import norm

    size = effective(weights)
    if not size:
        return Estimate(math.nan, math.nan, math.nan, len(values), 0.0)
    reach = float(norm.ppf((1 + LEVEL) / 2)) * 0.5 / math.sqrt(size)
    low, high = levels or (0.5 - reach, 0.5 + reach)
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order]) / weights.sum()
    ends = [_quantile(values[order], below, level) for level in (0.5, low, high)]
    return Estimate(ends[0], ends[1], ends[2], len(values), size)


def _quantile(ordered: Array, below: Array, level: float) -> float:
    place = int(np.searchsorted(below, min(max(level, 0.0), 1.0) - 1e-12))  # rounding of the sum
    return float(ordered[min(place, len(ordered) - 1)])


def survival(times: Array, events: NDArray[np.bool_], weights: Array) -> tuple[Array, Array, Array]:
    """The weighted Kaplan-Meier curve: times of events, survival after each, variance of its logarithm.

    The variance is Greenwood's with the weights scaled to the effective size.
    """
    scaled = weights * (effective(weights) / weights.sum())
    at = np.unique(times[events])
    order = np.argsort(times, kind="stable")
    remaining = np.concatenate([np.cumsum(scaled[order][::-1])[::-1], [0.0]])
    risk = remaining[np.searchsorted(times[order], at)]
    place = np.searchsorted(at, times[events])
    died = np.bincount(place, weights=scaled[events], minlength=len(at))
    left = np.maximum(risk - died, 0.0)
    left[left < risk * 1e-12] = 0.0  # rounding of the sum
    with np.errstate(divide="ignore"):
        variance = np.cumsum(died / (risk * left))
    return at, np.cumprod(left / risk), variance


def weighted_time(times: Array, events: NDArray[np.bool_], weights: Array) -> Estimate:
    """The Kaplan-Meier median with its log-log interval."""
    from scipy.stats import norm

    size = effective(weights)
    if not size:
        return Estimate(math.nan, math.nan, math.nan, len(times), 0.0)
    at, alive, variance = survival(times, events, weights)
    z = float(norm.ppf((1 + LEVEL) / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.exp(z * np.sqrt(variance) / np.abs(np.log(alive)))
        low, high = alive**spread, alive ** (1 / spread)
    ends = [_first(at, curve) for curve in (alive, low, high)]
    return Estimate(ends[0], ends[1], ends[2], len(times), size)


def _first(at: Array, curve: Array) -> float:
    with np.errstate(invalid="ignore"):
        below = np.flatnonzero(curve <= 0.5 + 1e-12)  # rounding of the product
    return float(at[below[0]]) if len(below) else math.inf
