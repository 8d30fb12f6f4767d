"""Responders in strata: the Cochran-Mantel-Haenszel test and the Mantel-Haenszel risk difference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from opiome.trial._estimates import LEVEL, Contrast, undefined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opiome.trial._answers import Answers

    Counts = NDArray[np.float64]

__all__ = ["cochran_mantel_haenszel", "common_risk_difference", "counts"]

_MEASURE = "risk difference, stratified"


def counts(arm: Answers, reference: Answers) -> Counts:
    """Responders and others by arm and stratum, shape (2, 2, strata); without strata there is one.

    Strata in which one of the arms has nobody compare nothing and are left out.
    """
    sides = []
    for answers in (arm, reference):
        known = ~np.isnan(answers.values)
        stratum = np.zeros(len(known), dtype=np.int64) if answers.stratum is None else answers.stratum
        sides.append((answers.values[known], stratum[known]))
    names = np.unique(np.concatenate([stratum for _, stratum in sides]))
    table = np.zeros((2, 2, len(names)))
    for row, (values, stratum) in enumerate(sides):
        place = np.searchsorted(names, stratum)
        table[row, 0] = np.bincount(place, weights=values, minlength=len(names))
        table[row, 1] = np.bincount(place, weights=1 - values, minlength=len(names))
    return table[:, :, (table.sum(axis=1) > 0).all(axis=0)]


def common_risk_difference(table: Counts) -> tuple[float, float]:
    """The Mantel-Haenszel risk difference and its standard error (Sato, Biometrics 1989;45:1323).

    No library has it with this variance. NaN where no stratum has both arms.
    """
    (a, b), (n, m) = table[:, 0], table.sum(axis=1)
    total = n + m
    weight = n * m / total
    if not weight.sum():
        return math.nan, math.nan
    value = float((weight * (a / n - b / m)).sum() / weight.sum())
    p = (n**2 * b - m**2 * a + n * m * (m - n) / 2) / total**2
    q = (a * (m - b) + b * (n - a)) / (2 * total)
    variance = (value * p.sum() + q.sum()) / weight.sum() ** 2
    return value, math.sqrt(max(float(variance), 0.0))


def cochran_mantel_haenszel(arm: Answers, reference: Answers) -> Contrast:
    """The risk difference over strata with its interval, and the test without continuity correction."""
    from scipy.stats import norm
    from statsmodels.stats.contingency_tables import StratifiedTable

    table = counts(arm, reference)
    value, error = common_risk_difference(table)
    if math.isnan(value):
        return undefined(_MEASURE)
    reach = float(norm.ppf((1 + LEVEL) / 2)) * error
    informative = table[:, :, (table.sum(axis=0) > 0).all(axis=0)]
    same = not informative.size  # everybody in each stratum agrees: the test has no variance
    p = 1.0 if same else float(StratifiedTable(informative).test_null_odds().pvalue)
    return Contrast(_MEASURE, value, value - reach, value + reach, p)
