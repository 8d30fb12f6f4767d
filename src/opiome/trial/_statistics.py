"""Estimates, predictive intervals and contrasts of the four kinds of endpoint.

Proportions: Wilson interval, Newcombe's interval of the difference, score test. Means: t and Welch. Medians:
order statistics, Mann-Whitney test. Times: Kaplan-Meier median with the log-log interval, log-rank test. All
from scipy: others take seconds to load.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opiome.trial._endpoints import Answers

__all__ = ["Contrast", "Estimate", "contrast", "estimate", "predicted_difference", "predictive"]

_LEVEL = 0.95
_PREDICTIVE = 0.90
_MEASURES = {
    "proportion": "risk difference",
    "mean": "mean difference",
    "median": "difference of medians",
    "time": "difference of medians",
}


@dataclass(frozen=True)
class Estimate:
    """A point estimate with its 95 % interval and the number of patients behind it; NaN where undefined.

    Proportions are fractions, times hours; the median of a time is inf when fewer than half had the event.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Contrast:
    """An arm minus the reference: the measure, its estimate, 95 % interval and two-sided p value."""

    measure: str
    value: float
    low: float
    high: float
    p: float


def estimate(answers: Answers) -> Estimate:
    """The estimate of one arm."""
    if answers.kind == "proportion":
        return _proportion(answers.values)
    if answers.kind == "mean":
        return _mean(answers.values)
    if answers.kind == "median":
        return _middle(answers.values)
    return _median(answers)


def predictive(answers: Answers, n: int) -> tuple[float, float]:
    """Where 90 % of repetitions of the trial with ``n`` patients in this arm would find their estimate.

    Both the repetition's and the simulation's finite size count: beta-binomial for proportions, t for means,
    and, for medians, order statistics (of the Kaplan-Meier curve where they are times).
    """
    tail = (1 - _PREDICTIVE) / 2
    if answers.kind == "proportion":
        from scipy.stats import betabinom

        size, count = len(answers.values), float(answers.values.sum())
        low, high = betabinom.ppf([tail, 1 - tail], n, count + 0.5, size - count + 0.5)
        return float(low) / n, float(high) / n
    if answers.kind == "mean":
        from scipy.stats import t

        known = answers.values[~np.isnan(answers.values)]
        if len(known) < 2:  # noqa: PLR2004  # a spread needs two
            return math.nan, math.nan
        reach = float(t.ppf(1 - tail, len(known) - 1) * known.std(ddof=1) * math.sqrt(1 / n + 1 / len(known)))
        return float(known.mean()) - reach, float(known.mean()) + reach
    from scipy.stats import norm

    reach = float(norm.ppf(1 - tail)) * math.sqrt(0.25 / n + 0.25 / max(len(answers.values), 1))
    if answers.kind == "median":
        known = answers.values[~np.isnan(answers.values)]
        if not len(known):
            return math.nan, math.nan
        low, high = np.quantile(known, [max(0.5 - reach, 0.0), min(0.5 + reach, 1.0)])
        return float(low), float(high)
    times, survival = _kaplan_meier(answers)
    return _reaches(times, survival, 0.5 + reach), _reaches(times, survival, 0.5 - reach)


def contrast(arm: Answers, reference: Answers) -> Contrast:
    """The contrast of an arm with the reference."""
    measure = _MEASURES[arm.kind]
    if arm.kind == "proportion":
        return _risk_difference(arm.values, reference.values)
    if arm.kind == "mean":
        return _welch(arm.values, reference.values)
    if arm.kind == "median":
        return _medians(arm.values, reference.values)
    from scipy.stats import logrank

    medians = [_median(answers).value for answers in (arm, reference)]
    value = medians[0] - medians[1] if all(map(math.isfinite, medians)) else math.nan
    events = any(bool(answers.event is not None and answers.event.any()) for answers in (arm, reference))
    p = float(logrank(_censored(arm), _censored(reference)).pvalue) if events else math.nan
    return Contrast(measure, value, math.nan, math.nan, p)


def predicted_difference(
    arm: Answers, reference: Answers, n_arm: int, n_reference: int
) -> tuple[float, float]:
    """The 90 % predictive interval of the difference in a trial of these sizes; NaN for medians."""
    if arm.kind in {"time", "median"}:
        return math.nan, math.nan
    from scipy.stats import norm

    value, variance = 0.0, 0.0
    for answers, n, sign in ((arm, n_arm, 1), (reference, n_reference, -1)):
        known = answers.values[~np.isnan(answers.values)]
        if len(known) < 2:  # noqa: PLR2004  # a spread needs two
            return math.nan, math.nan
        value += sign * float(known.mean())
        variance += float(known.var(ddof=1)) * (1 / n + 1 / len(known))
    reach = float(norm.ppf((1 + _PREDICTIVE) / 2)) * math.sqrt(variance)
    return value - reach, value + reach


def _proportion(values: NDArray[np.float64]) -> Estimate:
    n, count = len(values), int(values.sum())
    if not n:
        return Estimate(math.nan, math.nan, math.nan, 0)
    return Estimate(count / n, *_wilson(count, n), n)


def _wilson(count: int, n: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    interval = binomtest(count, n).proportion_ci(_LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def _risk_difference(arm: NDArray[np.float64], reference: NDArray[np.float64]) -> Contrast:
    """Newcombe's hybrid score interval (Stat Med 1998;17:873, method 10) and the score (chi-square) test."""
    from scipy.stats import chi2_contingency

    sizes, counts = (len(arm), len(reference)), (int(arm.sum()), int(reference.sum()))
    if not min(sizes):
        return Contrast(_MEASURES["proportion"], *[math.nan] * 4)
    shares = [count / n for count, n in zip(counts, sizes, strict=True)]
    limits = [_wilson(count, n) for count, n in zip(counts, sizes, strict=True)]
    value = shares[0] - shares[1]
    low = value - math.hypot(shares[0] - limits[0][0], limits[1][1] - shares[1])
    high = value + math.hypot(limits[0][1] - shares[0], shares[1] - limits[1][0])
    table = [[count, n - count] for count, n in zip(counts, sizes, strict=True)]
    same = sum(counts) in (0, sum(sizes))  # the test has no variance when all agree
    p = 1.0 if same else float(chi2_contingency(table, correction=False).pvalue)
    return Contrast(_MEASURES["proportion"], value, low, high, p)


def _welch(arm: NDArray[np.float64], reference: NDArray[np.float64]) -> Contrast:
    """Welch's interval and test (Biometrika 1947;34:28) over the patients whose value is known."""
    from scipy.stats import t

    measure = _MEASURES["mean"]
    a, b = (values[~np.isnan(values)] for values in (arm, reference))
    value = float(a.mean() - b.mean()) if len(a) and len(b) else math.nan
    if min(len(a), len(b)) < 2:  # noqa: PLR2004  # a spread needs two
        return Contrast(measure, value, math.nan, math.nan, math.nan)
    parts = [float(values.var(ddof=1)) / len(values) for values in (a, b)]
    error = math.sqrt(sum(parts))
    if error == 0:
        return Contrast(measure, value, value, value, math.nan)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
    reach = float(t.ppf((1 + _LEVEL) / 2, freedom)) * error
    return Contrast(
        measure, value, value - reach, value + reach, 2 * float(t.sf(abs(value) / error, freedom))
    )


def _mean(values: NDArray[np.float64]) -> Estimate:
    from scipy.stats import t

    known = values[~np.isnan(values)]
    if len(known) < 2:  # noqa: PLR2004  # a spread needs two
        return Estimate(float(known.mean()) if len(known) else math.nan, math.nan, math.nan, len(known))
    reach = float(t.ppf((1 + _LEVEL) / 2, len(known) - 1) * known.std(ddof=1) / math.sqrt(len(known)))
    return Estimate(float(known.mean()), float(known.mean()) - reach, float(known.mean()) + reach, len(known))


def _middle(values: NDArray[np.float64]) -> Estimate:
    """The median and its distribution-free interval (order statistics at the binomial quantiles)."""
    from scipy.stats import binom

    known = np.sort(values[~np.isnan(values)])
    n = len(known)
    if not n:
        return Estimate(math.nan, math.nan, math.nan, 0)
    rank = int(binom.ppf((1 - _LEVEL) / 2, n, 0.5))
    ends = (float(known[rank - 1]), float(known[n - rank])) if rank else (math.nan, math.nan)
    return Estimate(float(np.median(known)), *ends, n)


def _medians(arm: NDArray[np.float64], reference: NDArray[np.float64]) -> Contrast:
    """The difference of two medians, with the Mann-Whitney test."""
    from scipy.stats import mannwhitneyu

    a, b = (values[~np.isnan(values)] for values in (arm, reference))
    if not (len(a) and len(b)):
        return Contrast(_MEASURES["median"], *[math.nan] * 4)
    value = float(np.median(a) - np.median(b))
    return Contrast(_MEASURES["median"], value, math.nan, math.nan, float(mannwhitneyu(a, b).pvalue))


def _censored(answers: Answers) -> object:
    from scipy.stats import CensoredData

    return CensoredData.right_censored(answers.values, ~np.asarray(answers.event, dtype=bool))


def _kaplan_meier(answers: Answers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.stats import ecdf

    curve = ecdf(_censored(answers)).sf
    return curve.quantiles, curve.probabilities


def _reaches(times: NDArray[np.float64], survival: NDArray[np.float64], level: float) -> float:
    """The first time at which the curve is at or below a level; inf if it never is."""
    with np.errstate(invalid="ignore"):
        below = np.flatnonzero(survival <= level)
    return float(times[below[0]]) if len(below) else math.inf


def _median(answers: Answers) -> Estimate:
    from scipy.stats import ecdf

    n = len(answers.values)
    if not n:
        return Estimate(math.nan, math.nan, math.nan, 0)
    curve = ecdf(_censored(answers)).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # undefined where the curve is at 0 or 1
        band = curve.confidence_interval(_LEVEL, method="log-log")
    times = curve.quantiles
    return Estimate(
        _reaches(times, curve.probabilities, 0.5),
        _reaches(times, band.low.probabilities, 0.5),
        _reaches(times, band.high.probabilities, 0.5),
        n,
    )
