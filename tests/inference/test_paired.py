"""Changes in the same people, against closed forms and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from opiome.inference._paired import _medians, change
from opiome.trial import Answers


def shares(values):
    return Answers("proportion", np.asarray(values, dtype=float))


def test_shares_have_the_interval_of_agresti_and_min():
    gained, lost, same = 9, 3, 28
    before = shares([0] * gained + [1] * lost + [1] * same)
    after = shares([1] * gained + [0] * lost + [1] * same)
    found = change([before], [after], 1)
    n = gained + lost + same
    centre = (gained - lost) / (n + 2)
    reach = stats.norm.ppf(0.975) * math.sqrt(gained + lost + 1 - (gained - lost) ** 2 / (n + 2)) / (n + 2)
    assert found.change == pytest.approx((gained - lost) / n)
    assert found.moved == gained + lost
    assert (found.low, found.high) == pytest.approx((centre - reach, centre + reach))


def test_means_have_the_paired_t_interval_and_missing_people_count_on_neither_side():
    before = Answers("mean", np.array([1.0, 2.0, 3.0, 4.0, np.nan]))
    after = Answers("mean", np.array([2.0, 2.5, 4.5, 4.0, 9.0]))
    found = change([before], [after], 1)
    test = stats.ttest_rel(after.values[:4], before.values[:4]).confidence_interval(0.95)
    assert found.n == 4
    assert (found.before, found.after, found.change) == pytest.approx((2.5, 3.25, 0.75))
    assert (found.low, found.high) == pytest.approx((test.low, test.high))


def test_a_contrast_is_the_difference_of_each_person_s_own_differences():
    arm, reference = (Answers("mean", np.array(v, dtype=float)) for v in ([5, 6, 9], [1, 3, 4]))
    new_arm, new_reference = (Answers("mean", np.array(v, dtype=float)) for v in ([3, 3, 4], [2, 3, 4]))
    found = change([arm, reference], [new_arm, new_reference], 1)
    assert (found.before, found.after, found.change) == pytest.approx((4, 1 / 3, -11 / 3))


def test_medians_are_those_of_kaplan_and_meier():
    rng = np.random.default_rng(3)
    values = np.round(rng.exponential(20, 41), 0)  # with ties
    event = rng.random(41) < 0.7
    answers = Answers("time", values, event)
    curve = stats.ecdf(stats.CensoredData.right_censored(values, ~event)).sf
    expected = curve.quantiles[np.flatnonzero(curve.probabilities <= 0.5 + 1e-12)[0]]
    assert _medians(answers, np.ones((1, 41)))[0] == expected
    twice = np.zeros((1, 41))
    twice[0, :20] = 2  # some people twice, the others not at all
    doubled = Answers("time", np.repeat(values[:20], 2), np.repeat(event[:20], 2))
    alone, both = _medians(answers, twice), _medians(doubled, np.ones((1, 40)))
    assert np.array_equal(alone, both, equal_nan=True)


def test_a_median_that_is_not_reached_has_no_change():
    never = Answers("time", np.full(6, 100.0), np.zeros(6, dtype=bool))
    soon = Answers("time", np.arange(6.0), np.ones(6, dtype=bool))
    found = change([never], [soon], 1)
    assert math.isnan(found.change)
    assert math.isnan(found.low)
    assert found.after == 2


def test_nobody_gives_nothing():
    empty = shares([])
    assert change([empty], [empty], 1).n == 0
