"""Estimates and predictive intervals of the four kinds of endpoint; what contrasts are made of.

Proportions: Wilson interval. Means: t. Medians: order statistics. Times: Kaplan-Meier median with the log-log
interval. Where patients stand for unlike numbers of people, the weighted counterparts. All from scipy: others
take seconds to load.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from opiome.trial._estimates import LEVEL, Contrast, Estimate, recovered, undefined
from opiome.trial._survival import kaplan_meier, median, reaches
from opiome.trial._weighted import (
    effective,
    survival,
    weighted_mean,
    weighted_median,
    weighted_share,
    weighted_time,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opiome.trial._answers import Answers

    Array = NDArray[np.float64]

__all__ = [
    "difference_of_medians",
    "estimate",
    "predicted_difference",
    "predictive",
    "risk_difference",
    "welch",
]

_PREDICTIVE = 0.90
_RISK, _MEAN, _MEDIAN = "risk difference", "mean difference", "difference of medians"


def estimate(answers: Answers) -> Estimate:
    """The estimate of one arm; patients whose answer is missing are not in it."""
    values, weights = _known(answers)
    if answers.kind == "time":
        return median(answers) if weights is None else weighted_time(values, _events(answers), weights)
    if weights is not None:
        rules = {"proportion": weighted_share, "mean": weighted_mean, "median": weighted_median}
        return rules[answers.kind](values, weights)
    if answers.kind == "proportion":
        return _proportion(values)
    return _mean(values) if answers.kind == "mean" else _middle(values)


def predictive(answers: Answers, n: int) -> tuple[float, float]:
    """Where 90 % of repetitions of the trial with ``n`` patients in this arm would find their estimate.

    Both the repetition's and the simulation's finite size count: beta-binomial for proportions, t for means,
    and, for medians, order statistics (of the Kaplan-Meier curve where they are times).
    """
    values, weights = _known(answers)
    size = float(len(values)) if weights is None else effective(weights)
    if answers.kind in {"proportion", "mean"}:
        rule = _next_share if answers.kind == "proportion" else _next_mean
        return rule(values, weights, size, n)
    from scipy.stats import norm

    reach = float(norm.ppf((1 + _PREDICTIVE) / 2)) * math.sqrt(0.25 / n + 0.25 / max(size, 1))
    if answers.kind == "median":
        return _quantiles(values, weights, (max(0.5 - reach, 0.0), min(0.5 + reach, 1.0)))
    if weights is not None:
        times, curve, _ = survival(values, _events(answers), weights)
    else:
        times, curve = kaplan_meier(answers)
    return reaches(times, curve, 0.5 + reach), reaches(times, curve, 0.5 - reach)


def _next_share(values: Array, weights: Array | None, size: float, n: int) -> tuple[float, float]:
    from scipy.stats import betabinom

    count = float(values.sum() if weights is None else size * (weights * values).sum() / weights.sum())
    tail = (1 - _PREDICTIVE) / 2
    low, high = betabinom.ppf([tail, 1 - tail], n, count + 0.5, size - count + 0.5)
    return float(low) / n, float(high) / n


def _next_mean(values: Array, weights: Array | None, size: float, n: int) -> tuple[float, float]:
    from scipy.stats import t

    if size < 2:  # noqa: PLR2004  # a spread needs two
        return math.nan, math.nan
    mean, variance = _moments(values, weights)
    reach = float(t.ppf((1 + _PREDICTIVE) / 2, size - 1)) * math.sqrt(variance * (1 / n + 1 / size))
    return mean - reach, mean + reach


def _quantiles(values: Array, weights: Array | None, ends: tuple[float, float]) -> tuple[float, float]:
    if not len(values):
        return math.nan, math.nan
    if weights is not None:
        found = weighted_median(values, weights, ends)
        return found.low, found.high
    low, high = np.quantile(values, ends)
    return float(low), float(high)


def predicted_difference(
    arm: Answers, reference: Answers, n_arm: int, n_reference: int
) -> tuple[float, float]:
    """The 90 % predictive interval of the difference in a trial of these sizes.

    Of medians it is recovered from the predictive intervals of both arms.
    """
    if arm.kind in {"time", "median"}:
        sides = [
            Estimate(estimate(answers).value, *predictive(answers, n), n)
            for answers, n in ((arm, n_arm), (reference, n_reference))
        ]
        return recovered(*sides)[1:]
    from scipy.stats import norm

    value, variance = 0.0, 0.0
    for answers, n, sign in ((arm, n_arm, 1), (reference, n_reference, -1)):
        known, weights = _known(answers)
        size = len(known) if weights is None else effective(weights)
        if size < 2:  # noqa: PLR2004  # a spread needs two
            return math.nan, math.nan
        mean, spread = _moments(known, weights)
        value += sign * mean
        variance += spread * (1 / n + 1 / size)
    reach = float(norm.ppf((1 + _PREDICTIVE) / 2)) * math.sqrt(variance)
    return value - reach, value + reach


def risk_difference(arm: Answers, reference: Answers) -> Contrast:
    """Newcombe's hybrid score interval (Stat Med 1998;17:873, method 10) and the score (chi-square) test."""
    from scipy.stats import chi2_contingency

    sides = [_known(answers) for answers in (arm, reference)]
    sizes = [len(values) if weights is None else effective(weights) for values, weights in sides]
    if not min(sizes):
        return undefined(_RISK)
    found = [estimate(answers) for answers in (arm, reference)]
    value, low, high = recovered(*found)
    counts = [one.value * size for one, size in zip(found, sizes, strict=True)]
    same = sum(counts) in (0, sum(sizes))  # the test has no variance when all agree
    table = [[count, n - count] for count, n in zip(counts, sizes, strict=True)]
    p = 1.0 if same else float(chi2_contingency(table, correction=False).pvalue)
    return Contrast(_RISK, value, low, high, p)


def welch(arm: Answers, reference: Answers) -> Contrast:
    """Welch's interval and test (Biometrika 1947;34:28) over the patients whose value is known."""
    from scipy.stats import t

    sides = [_known(answers) for answers in (arm, reference)]
    sizes = [len(values) if weights is None else effective(weights) for values, weights in sides]
    if min(sizes) < 2:  # noqa: PLR2004  # a spread needs two
        value = estimate(arm).value - estimate(reference).value
        return Contrast(_MEAN, value, math.nan, math.nan, math.nan)
    moments = [_moments(*side) for side in sides]
    value = moments[0][0] - moments[1][0]
    parts = [spread / size for (_, spread), size in zip(moments, sizes, strict=True)]
    error = math.sqrt(sum(parts))
    if error == 0:
        return Contrast(_MEAN, value, value, value, math.nan)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (sizes[0] - 1) + parts[1] ** 2 / (sizes[1] - 1))
    reach = float(t.ppf((1 + LEVEL) / 2, freedom)) * error
    return Contrast(_MEAN, value, value - reach, value + reach, 2 * float(t.sf(abs(value) / error, freedom)))


def difference_of_medians(arm: Answers, reference: Answers) -> Contrast:
    """The difference of two medians with its interval, and the Mann-Whitney test (none with weights)."""
    from scipy.stats import mannwhitneyu

    (a, weights), (b, others) = _known(arm), _known(reference)
    if not (len(a) and len(b)):
        return undefined(_MEDIAN)
    tested = arm.kind == "median" and weights is None and others is None
    p = float(mannwhitneyu(a, b).pvalue) if tested else math.nan
    value, low, high = recovered(estimate(arm), estimate(reference))
    return Contrast(_MEDIAN, value, low, high, p)


def _known(answers: Answers) -> tuple[Array, Array | None]:
    """The answers that are not missing, and their weights (None where all are alike)."""
    known = ~np.isnan(answers.values)
    weights = None if answers.weights is None else answers.weights[known]
    return answers.values[known], weights


def _events(answers: Answers) -> NDArray[np.bool_]:
    return np.asarray(answers.event, dtype=bool)


def _moments(values: Array, weights: Array | None) -> tuple[float, float]:
    """Mean and variance of single answers; the variance of the mean is that over the (effective) size."""
    if weights is None:
        return float(values.mean()), float(values.var(ddof=1))
    size, mean = effective(weights), float((weights * values).sum() / weights.sum())
    squares = float((weights**2 * (values - mean) ** 2).sum()) / float(weights.sum()) ** 2
    return mean, squares * size * size / (size - 1)


def _proportion(values: Array) -> Estimate:
    from scipy.stats import binomtest

    n, count = len(values), int(values.sum())
    if not n:
        return Estimate(math.nan, math.nan, math.nan, 0, 0.0)
    interval = binomtest(count, n).proportion_ci(LEVEL, method="wilson")
    return Estimate(count / n, float(interval.low), float(interval.high), n, float(n))


def _mean(values: Array) -> Estimate:
    from scipy.stats import t

    n = len(values)
    if n < 2:  # noqa: PLR2004  # a spread needs two
        return Estimate(float(values.mean()) if n else math.nan, math.nan, math.nan, n, float(n))
    mean = float(values.mean())
    reach = float(t.ppf((1 + LEVEL) / 2, n - 1) * values.std(ddof=1) / math.sqrt(n))
    return Estimate(mean, mean - reach, mean + reach, n, float(n))


def _middle(values: Array) -> Estimate:
    """The median and its distribution-free interval (order statistics at the binomial quantiles)."""
    from scipy.stats import binom

    ordered = np.sort(values)
    n = len(ordered)
    if not n:
        return Estimate(math.nan, math.nan, math.nan, 0, 0.0)
    rank = int(binom.ppf((1 - LEVEL) / 2, n, 0.5))
    ends = (float(ordered[rank - 1]), float(ordered[n - rank])) if rank else (math.nan, math.nan)
    return Estimate(float(np.median(ordered)), *ends, n, float(n))
