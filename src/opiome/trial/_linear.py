"""Means adjusted for what was known before treatment: ANCOVA and the mixed model for repeated measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opiome.trial._estimates import LEVEL, Contrast, undefined
from opiome.trial._mmrm import fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opiome.trial._answers import Answers

    Array = NDArray[np.float64]

__all__ = ["ancova", "mmrm"]

_ADJUSTED = "mean difference, adjusted"
_LAST_VISIT = "mean difference at the last visit, adjusted"


def ancova(arm: Answers, reference: Answers) -> Contrast:
    """The difference of means adjusted for baseline and strata, by least squares.

    Patients whose answer or baseline is missing are left out.
    """
    from statsmodels.regression.linear_model import OLS

    y = np.concatenate([arm.values, reference.values])
    x = np.column_stack([_arms(arm, reference), np.ones(len(y)), _covariates(arm, reference)])
    known = ~np.isnan(y) & ~np.isnan(x).any(axis=1)
    y, x = y[known], x[known]
    if x[:, 0].all() or not x[:, 0].any() or len(y) <= np.linalg.matrix_rank(x):
        return undefined(_ADJUSTED)
    fitted = OLS(y, x).fit()
    if not fitted.ssr > 0:
        value = float(fitted.params[0])
        return Contrast(_ADJUSTED, value, value, value, float("nan"))
    low, high = fitted.conf_int(1 - LEVEL)[0]
    return Contrast(_ADJUSTED, float(fitted.params[0]), float(low), float(high), float(fitted.pvalues[0]))


def mmrm(arm: Answers, reference: Answers) -> Contrast:
    """The difference at the last visit, missing visits being missing at random.

    Fixed effects are arm, visit and baseline, each with visit, and strata; the covariance over visits is
    unstructured, degrees of freedom after Kenward and Roger.
    """
    from scipy.stats import t

    if arm.visits is None or reference.visits is None:
        return undefined(_LAST_VISIT)
    y = np.concatenate([arm.visits, reference.visits])
    arms, own = _arms(arm, reference), _covariates(arm, reference)
    known = (~np.isnan(y)).any(axis=1) & ~np.isnan(own).any(axis=1)
    y, arms, own = y[known], arms[known], own[known]
    n, visits = y.shape
    marks = np.broadcast_to(np.eye(visits), (n, visits, visits))
    baseline, strata = own[:, :1], own[:, 1:]
    parts = [marks, arms[:, None, None] * marks]
    if len(baseline) and np.ptp(baseline) > 0:
        centred = baseline - baseline.mean()
        parts.append(centred[:, :, None] * marks)
    parts.append(np.broadcast_to(strata[:, None, :], (n, visits, strata.shape[1])))
    x = np.concatenate(parts, axis=2)
    fitted = fit(y, x) if n else None  # None where the data cannot tell it
    if fitted is None:
        return undefined(_LAST_VISIT)
    weights = np.zeros(x.shape[2])
    weights[2 * visits - 1] = 1.0
    value, error, freedom = fitted.contrast(weights)
    if not error > 0:
        return undefined(_LAST_VISIT)
    reach = float(t.ppf((1 + LEVEL) / 2, freedom)) * error
    return Contrast(
        _LAST_VISIT, value, value - reach, value + reach, 2 * float(t.sf(abs(value) / error, freedom))
    )


def _arms(arm: Answers, reference: Answers) -> Array:
    return np.repeat([1.0, 0.0], [len(arm.values), len(reference.values)])


def _covariates(arm: Answers, reference: Answers) -> Array:
    """The baseline in the first column (0 where there is none), then one column for each stratum but one."""
    baseline = np.concatenate(
        [np.zeros(len(side.values)) if side.baseline is None else side.baseline for side in (arm, reference)]
    )
    strata = np.concatenate(
        [
            np.zeros(len(side.values), dtype=np.int64) if side.stratum is None else side.stratum
            for side in (arm, reference)
        ]
    )
    names = np.unique(strata)[1:]
    return np.column_stack([baseline, *(strata == name for name in names)]).astype(np.float64)
