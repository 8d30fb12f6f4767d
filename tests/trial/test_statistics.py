"""Estimates and contrasts against published and textbook numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_ind as scipy_test

from opiome.trial import Answers
from opiome.trial._analyses import contrast
from opiome.trial._statistics import estimate, predicted_difference, predictive


def share(count, n):
    return Answers("proportion", np.repeat([1.0, 0.0], [count, n - count]))


def times(values, events):
    return Answers("time", np.asarray(values, dtype=float), np.asarray(events, dtype=bool))


# 6-mercaptopurine v placebo, remission in weeks (Freireich 1963, Blood 21:699), a standard survival example
DRUG = times(
    [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35],
    [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0],
)
PLACEBO = times([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23], [1] * 21)


def test_wilson_interval():
    # Newcombe 1998, Stat Med 17:857: 81/263 has the Wilson interval 0.2553 to 0.3662
    found = estimate(share(81, 263))
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_risk_difference():
    # Newcombe 1998, Stat Med 17:873: 56/70 v 48/80, hybrid score interval 0.0524 to 0.3339
    found = contrast(share(56, 70), share(48, 80))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    assert found.measure == "risk difference"


def test_arms_that_agree_in_everyone():
    assert contrast(share(5, 5), share(7, 7)).p == 1.0
    assert contrast(share(0, 5), share(0, 7)).p == 1.0


def test_welch():
    a, b = Answers("mean", np.array([1.0, 2, 3, 4, np.nan])), Answers("mean", np.array([2.0, 4, 6, 8]))
    found = contrast(a, b)
    # t = -2.5 / sqrt(1.667/4 + 6.667/4) = -1.7321 with 4.41 degrees of freedom
    assert found.value == pytest.approx(-2.5)
    assert found.p == pytest.approx(0.1515, abs=1e-3)
    assert estimate(a).n == 4
    same = scipy_test(a.values[:4], b.values, equal_var=False)
    assert found.p == pytest.approx(same.pvalue)
    assert (found.low, found.high) == pytest.approx(same.confidence_interval())


def test_arms_without_spread():
    found = contrast(Answers("mean", np.full(3, 2.0)), Answers("mean", np.full(3, 1.0)))
    assert found.value == 1
    assert math.isnan(found.p)


def test_kaplan_meier_median():
    assert estimate(DRUG).value == 23
    assert estimate(PLACEBO).value == 8
    low, high = estimate(PLACEBO).low, estimate(PLACEBO).high
    assert (low, high) == (4, 11)  # log-log interval, as in R's survfit(conf.type = "log-log")


def test_log_rank():
    found = contrast(DRUG, PLACEBO)
    assert found.p == pytest.approx(4.17e-5, rel=0.01)  # chi-square 16.79
    assert found.value == 15


def test_median_that_is_not_reached():
    found = estimate(times([10, 10, 10], [True, False, False]))
    assert math.isinf(found.value)
    assert math.isnan(contrast(times([1, 2], [0, 0]), times([1, 2], [0, 0])).p)


@pytest.mark.parametrize("n", [50, 270])
def test_predictive_intervals_cover_repetitions(n):
    rng = np.random.default_rng(1)
    low, high = predictive(share(3000, 10000), n)
    repeats = rng.binomial(n, 0.3, 4000) / n
    assert np.mean((repeats >= low) & (repeats <= high)) == pytest.approx(0.92, abs=0.03)
    sample = Answers("mean", rng.normal(2, 3, 20000))
    low, high = predictive(sample, n)
    repeats = rng.normal(2, 3, (4000, n)).mean(axis=1)
    assert np.mean((repeats >= low) & (repeats <= high)) == pytest.approx(0.9, abs=0.02)
    sample = times(rng.exponential(20, 20000), np.ones(20000))
    low, high = predictive(sample, n)
    repeats = np.median(rng.exponential(20, (4000, n)), axis=1)
    assert np.mean((repeats >= low) & (repeats <= high)) == pytest.approx(0.9, abs=0.03)


def test_predicted_difference_covers_repetitions():
    rng = np.random.default_rng(2)
    low, high = predicted_difference(share(4760, 10000), share(3460, 10000), 273, 272)
    repeats = rng.binomial(273, 0.476, 4000) / 273 - rng.binomial(272, 0.346, 4000) / 272
    assert np.mean((repeats >= low) & (repeats <= high)) == pytest.approx(0.9, abs=0.02)


def test_a_small_simulation_predicts_less():
    narrow, wide = predictive(share(3000, 10000), 100), predictive(share(30, 100), 100)
    assert wide[1] - wide[0] > 1.2 * (narrow[1] - narrow[0])


def test_median_and_its_interval():
    # Conover 1999, Practical Nonparametric Statistics: for n = 10 the interval is that of ranks 2 and 9
    ten = Answers("median", np.array([9.0, 1, 8, 2, 7, 3, 6, 4, 5, 10, np.nan]))
    found = estimate(ten)
    assert (found.value, found.low, found.high, found.n) == (5.5, 2, 9, 10)
    assert math.isnan(estimate(Answers("median", np.arange(3.0))).low)  # too few for an interval


def test_predictive_interval_of_a_median_narrows_with_the_trial():
    values = Answers("median", np.arange(10_001.0))
    low, high = predictive(values, 100)
    assert (low, high) == pytest.approx((5000 - 826.6, 5000 + 826.6), abs=10)  # 1.645 x 0.5 / 10 of 10,000
    assert predictive(values, 10_000)[0] > low


def test_medians_differ():
    a, b = Answers("median", np.array([4.0, 5, 6])), Answers("median", np.array([1.0, 2, 3, np.nan]))
    found = contrast(a, b)
    assert (found.measure, found.value) == ("difference of medians", 3)
    assert found.p == pytest.approx(0.1)  # exact Mann-Whitney, complete separation of 3 and 3
    assert predicted_difference(a, b, 300, 300)[0] < 3 < predicted_difference(a, b, 300, 300)[1]
