"""What being in a trial does to bowel movements, whatever the treatment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from opiome.trial._bowel import Bowel
from opiome.trial._numbers import diary_numbers

FLAT = replace(diary_numbers(), day_sd=0.0, week_sd=0.0, spell_sd=0.0, rhythm=(1.0,) * 24)
LATE = 24.0 * 300


def passed(per_week, start, factor, *, n=4000, days=28, numbers=FLAT):
    """Movements a week per person over some days from ``start`` on (h since randomisation)."""
    signs = {
        "bm_rate": np.full((n, 24), per_week / 168),
        "completeness": np.full((n, 24), 0.7),
        "straining": np.full((n, 24), 0.3),
        "bristol": np.full((n, 24), 3.5),
    }
    bowel = Bowel.start(np.arange(n), signs["bm_rate"][:, 0], start, numbers, 5)
    return sum(len(bowel.day(d, start + 24.0 * d, signs, factor)) for d in range(days)) / n / days * 7


def test_it_helps_those_who_have_few_movements():
    few = passed(0.5, LATE, 2.0) / passed(0.5, LATE, 1.0)
    half = passed(FLAT.nonspecific_half, LATE, 2.0) / passed(FLAT.nonspecific_half, LATE, 1.0)
    many = passed(14.0, LATE, 2.0) / passed(14.0, LATE, 1.0)
    assert few == pytest.approx(1 + 1 / (1 + (0.5 / FLAT.nonspecific_half) ** 2), rel=0.03)
    assert half == pytest.approx(1.5, rel=0.02)
    assert 1 < many < 1.1


def test_it_builds_up_with_its_time_constant():
    slow = replace(FLAT, nonspecific_onset=14.0, nonspecific_at_once=0.0)
    first, later, last = (passed(1.5, start, 2.0, days=2, numbers=slow) for start in (0.0, 24.0 * 14, LATE))
    plain = passed(1.5, 0.0, 1.0, days=2, numbers=slow)
    assert 0 <= first - plain < 0.3 * (last - plain)
    assert later - plain == pytest.approx((1 - np.exp(-15 / 14)) * (last - plain), rel=0.15)


def test_a_share_of_it_is_there_on_the_first_day():
    numbers = replace(FLAT, nonspecific_onset=1000.0, nonspecific_at_once=0.4)
    plain, partly = (passed(1.5, 0.0, factor, days=7, numbers=numbers) for factor in (1.0, 2.0))
    whole = 1.5 / (1 + (1.5 / FLAT.nonspecific_half) ** 2)
    assert partly - plain == pytest.approx(0.4 * whole, rel=0.1)


def test_it_is_absent_from_the_run_in_and_where_it_is_one():
    assert passed(2.0, -24.0 * 28, 2.0) == passed(2.0, -24.0 * 28, 1.0)
    assert passed(2.0, LATE, 1.0) == passed(2.0, LATE, np.ones(4000))
