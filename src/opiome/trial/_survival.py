"""Times to an event: Kaplan-Meier medians, log-rank tests with and without strata, Cox's hazard ratio."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from opiome.trial._estimates import LEVEL, Contrast, Estimate, recovered, undefined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opiome.trial._answers import Answers

    Array = NDArray[np.float64]

__all__ = ["cox", "kaplan_meier", "log_rank", "median", "predicted_ratio", "reaches", "stratified_log_rank"]

_MEDIANS = "difference of medians"
_HAZARDS = "hazard ratio"
_PREDICTIVE = 0.90


def kaplan_meier(answers: Answers) -> tuple[Array, Array]:
    """Times and the share still without the event after each."""
    from scipy.stats import ecdf

    curve = ecdf(_censored(answers)).sf
    return curve.quantiles, curve.probabilities


def reaches(times: Array, survival: Array, level: float) -> float:
    """The first time at which the curve is at or below a level; inf if it never is."""
    with np.errstate(invalid="ignore"):
        below = np.flatnonzero(survival <= level)
    return float(times[below[0]]) if len(below) else math.inf


def median(answers: Answers) -> Estimate:
    """The Kaplan-Meier median and its interval from the log-log interval of the curve."""
    from scipy.stats import ecdf

    n = len(answers.values)
    if not n:
        return Estimate(math.nan, math.nan, math.nan, 0)
    curve = ecdf(_censored(answers)).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # undefined where the curve is at 0 or 1
        band = curve.confidence_interval(LEVEL, method="log-log")
    times = curve.quantiles
    return Estimate(
        reaches(times, curve.probabilities, 0.5),
        reaches(times, band.low.probabilities, 0.5),
        reaches(times, band.high.probabilities, 0.5),
        n,
        float(n),
    )


def log_rank(arm: Answers, reference: Answers) -> Contrast:
    """The difference of the medians with its interval, and the log-rank test."""
    from scipy.stats import logrank

    if not (_any_event(arm, reference) and len(arm.values) and len(reference.values)):
        return undefined(_MEDIANS)
    return _medians(arm, reference, float(logrank(_censored(arm), _censored(reference)).pvalue))


def stratified_log_rank(arm: Answers, reference: Answers) -> Contrast:
    """The difference of the medians with its interval, and the log-rank test summed over strata."""
    from statsmodels.duration.survfunc import survdiff

    if not (_any_event(arm, reference) and len(arm.values) and len(reference.values)):
        return undefined(_MEDIANS)
    times, events, arms, strata = _stacked(arm, reference)
    both = np.isin(strata, np.intersect1d(strata[arms == 1], strata[arms == 0]))
    if not events[both].any():
        return undefined(_MEDIANS)
    _, p = survdiff(times[both], events[both], arms[both], strata=strata[both])
    return _medians(arm, reference, float(p))


def cox(arm: Answers, reference: Answers) -> Contrast:
    """The hazard ratio (Cox, ties after Efron), stratified where there are strata; Wald interval and test."""
    from scipy.stats import norm
    from statsmodels.duration.hazard_regression import PHReg

    times, events, arms, strata = _stacked(arm, reference)
    if not _compared(times, events, arms, strata):
        return undefined(_HAZARDS)  # the ratio would be 0 or without bound
    times = np.maximum(times, np.finfo(np.float64).tiny)  # PHReg drops patients who are at risk for no time
    fitted = PHReg(times, arms[:, None], status=events, strata=strata, ties="efron").fit()
    value, error = float(fitted.params[0]), float(fitted.bse[0])
    reach = float(norm.ppf((1 + LEVEL) / 2)) * error
    p = 2 * float(norm.sf(abs(value) / error)) if error > 0 else math.nan
    return Contrast(_HAZARDS, math.exp(value), math.exp(value - reach), math.exp(value + reach), p)


def predicted_ratio(arm: Answers, reference: Answers, n_arm: int, n_reference: int) -> tuple[float, float]:
    """The 90 % predictive interval of the hazard ratio in a trial of these sizes.

    The variance of its logarithm is that of the prediction and 1 / events in both arms of the trial, which
    has events as often as the prediction.
    """
    from scipy.stats import norm

    own = cox(arm, reference)
    if not (own.value > 0 and math.isfinite(own.high) and own.low > 0):
        return math.nan, math.nan
    error = math.log(own.high / own.low) / (2 * float(norm.ppf((1 + LEVEL) / 2)))
    events = [
        n * float(np.mean(np.asarray(side.event, dtype=bool)))
        for side, n in ((arm, n_arm), (reference, n_reference))
    ]
    reach = float(norm.ppf((1 + _PREDICTIVE) / 2)) * math.sqrt(error**2 + sum(1 / count for count in events))
    return own.value * math.exp(-reach), own.value * math.exp(reach)


def _compared(times: Array, events: Array, arms: Array, strata: NDArray[np.int64]) -> bool:
    """Whether each arm has an event while the other has somebody at risk, so that the ratio has a bound."""
    seen = np.zeros(2, dtype=bool)
    for stratum in np.unique(strata):
        own = strata == stratum
        last = min(times[own & (arms == k)].max(initial=-np.inf) for k in (0, 1))
        both = own & (events > 0) & (times <= last)
        seen |= [bool((both & (arms == k)).any()) for k in (0, 1)]
    return bool(seen.all())


def _medians(arm: Answers, reference: Answers, p: float) -> Contrast:
    return Contrast(_MEDIANS, *recovered(median(arm), median(reference)), p)


def _stacked(arm: Answers, reference: Answers) -> tuple[Array, Array, Array, NDArray[np.int64]]:
    """Times, events (0 or 1), arms (0 or 1) and strata of both arms."""
    sides = (arm, reference)
    strata = [
        np.zeros(len(side.values), dtype=np.int64) if side.stratum is None else side.stratum for side in sides
    ]
    return (
        np.concatenate([side.values for side in sides]),
        np.concatenate([np.asarray(side.event, dtype=np.float64) for side in sides]),
        np.repeat([1.0, 0.0], [len(side.values) for side in sides]),
        np.concatenate(strata),
    )


def _any_event(*sides: Answers) -> bool:
    return any(bool(side.event is not None and side.event.any()) for side in sides)


def _censored(answers: Answers) -> object:
    from scipy.stats import CensoredData

    return CensoredData.right_censored(answers.values, ~np.asarray(answers.event, dtype=bool))
