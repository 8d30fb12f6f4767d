"""Bowel movements as a renewal process."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from opiome.trial import Movements
from opiome.trial._bowel import Bowel
from opiome.trial._numbers import diary_numbers

FLAT = replace(diary_numbers(), day_sd=0.0, week_sd=0.0, spell_sd=0.0, rhythm=(1.0,) * 24)


def signs(n, per_week, *, completeness=0.7, straining=0.3, bristol=3.5):
    rate = np.broadcast_to(np.asarray(per_week, dtype=float) / 168, (n,))
    return {
        "bm_rate": np.repeat(rate[:, None], 24, axis=1),
        "completeness": np.full((n, 24), completeness),
        "straining": np.full((n, 24), straining),
        "bristol": np.full((n, 24), bristol),
    }


def simulate(n, days=28, *, per_week=7.0, numbers=FLAT, first=0, **more):
    patients = np.arange(first, first + n)
    given = signs(n, per_week, **more)
    bowel = Bowel.start(patients, given["bm_rate"][:, 0], 0.0, numbers, 3)
    return Movements.join([bowel.day(day, 24.0 * day, given) for day in range(days)]), bowel


def counts(moves, n):
    return np.bincount(moves.row, minlength=n)


def test_the_long_run_number_is_the_integral_of_the_rate():
    moves, _ = simulate(n=2000, days=28)
    assert len(moves) / 2000 == pytest.approx(28, rel=0.01)


def test_movements_are_more_regular_than_poisson():
    moves, _ = simulate(n=4000, days=56)
    found = counts(moves, 4000)
    # renewal process: the variance of a count tends to the mean over the shape
    assert found.var() / found.mean() == pytest.approx(1 / FLAT.interval_shape, rel=0.1)


def test_the_start_is_in_equilibrium():
    # a stationary renewal process has the same rate on its first day as on any other
    moves, _ = simulate(n=20000, days=1)
    assert len(moves) / 20000 == pytest.approx(1.0, rel=0.02)


def test_days_and_weeks_differ_but_the_mean_stays():
    numbers = diary_numbers()
    moves, _ = simulate(n=4000, days=56, numbers=numbers)
    found = counts(moves, 4000)
    assert found.mean() == pytest.approx(56, rel=0.02)
    assert found.var() > 1.5 * 56 / numbers.interval_shape


def test_the_rhythm_puts_movements_into_the_morning():
    moves, _ = simulate(n=2000, days=7, numbers=replace(FLAT, rhythm=diary_numbers().rhythm))
    hour = (moves.time % 24 + diary_numbers().clock_at_zero) % 24
    assert np.mean((hour >= 6) & (hour < 12)) > 0.4
    assert np.mean(hour < 5) < 0.05


def test_regression_to_the_mean_arises_by_itself():
    n = 4000
    rate = np.full(n, 4.0)
    given = signs(n, rate)
    bowel = Bowel.start(np.arange(n), given["bm_rate"][:, 0], 0.0, diary_numbers(), 5)
    weeks = [
        counts(Movements.join([bowel.day(7 * w + d, 24.0 * (7 * w + d), given) for d in range(7)]), n)
        for w in range(10)
    ]
    low = weeks[0] < 3
    assert 0.1 < low.mean() < 0.5
    # most of the way back at once, the rest when the spell has passed
    assert weeks[0][low].mean() + 1 < weeks[1][low].mean() < 3.9
    assert weeks[9][low].mean() == pytest.approx(4.0, abs=0.15)


def test_a_patient_is_the_same_in_any_company():
    alone, _ = simulate(n=1, first=17, per_week=9)
    crowd, _ = simulate(n=40, per_week=9)
    own = crowd.select(crowd.row == 17)
    for name in ("time", "complete", "bristol", "straining", "blockage", "manual"):
        assert np.array_equal(getattr(alone, name), getattr(own, name)), name


def test_signs_follow_their_probabilities():
    moves, _ = simulate(n=3000, days=28, completeness=0.25, straining=0.6, bristol=2.0)
    assert moves.complete.mean() == pytest.approx(0.25, abs=0.02)
    assert moves.straining.mean() == pytest.approx(0.6, abs=0.02)
    assert moves.bristol.mean() == pytest.approx(2.0, abs=0.2)
    assert moves.blockage.mean() < moves.straining.mean()
    assert 0 < moves.manual.mean() < moves.blockage.mean()


def test_signs_agree_within_a_person():
    moves, _ = simulate(n=3000, days=28, straining=0.5)
    own = np.bincount(moves.row, moves.straining) / counts(moves, 3000)
    assert own.std() > 1.5 * np.sqrt(0.25 / 28)


def test_rescue_makes_a_day_of_movements_not_spontaneous():
    n = 50
    given = signs(n, 40.0)
    bowel = Bowel.start(np.arange(n), given["bm_rate"][:, 0], 0.0, FLAT, 1)
    bowel.rescued[:25] = 0.0
    day = bowel.day(0, 0.0, given)
    assert not day.spontaneous[day.row < 25].any()
    assert day.spontaneous[day.row >= 25].all()
    assert bowel.day(1, 24.0, given).spontaneous.all()


def test_no_rate_no_movement():
    given = signs(3, [0.0, np.nan, 7.0])
    bowel = Bowel.start(np.arange(3), np.nan_to_num(given["bm_rate"][:, 0]), 0.0, FLAT, 1)
    moves = Movements.join([bowel.day(day, 24.0 * day, given) for day in range(30)])
    assert set(moves.row.tolist()) == {2}


def test_movements_are_ordered_and_inside_their_day():
    given = signs(20, 60.0)
    bowel = Bowel.start(np.arange(20), given["bm_rate"][:, 0], 0.0, diary_numbers(), 1)
    for day in range(5):
        moves = bowel.day(day, 24.0 * day, given)
        assert np.all((moves.time >= 24.0 * day) & (moves.time <= 24.0 * day + 24))
        assert np.array_equal(np.lexsort((moves.time, moves.row)), np.arange(len(moves)))


def test_the_numbers_are_read_with_their_sources():
    numbers = diary_numbers()
    assert sum(numbers.rhythm) == pytest.approx(24)
    assert numbers.rhythm[0] > numbers.rhythm[16]  # model hour 0 is 8 in the morning, hour 16 midnight


def test_what_follows_within_a_sitting_is_the_same_movement():
    moves, bowel = simulate(n=200, days=7, per_week=7 * 60.0)
    gaps = np.diff(moves.time)[np.diff(moves.row) == 0]
    assert gaps.min() >= FLAT.sitting
    assert counts(moves, 200).max() <= 7 * 24 / FLAT.sitting
    # the rate is used up all the same: what is not counted is passed, and does not come again later
    assert bowel.passed.mean() == pytest.approx(7 * 60, rel=0.01)
    ordinary, _ = simulate(n=2000, days=28)
    apart, _ = simulate(n=2000, days=28, numbers=replace(FLAT, sitting=0.0))
    assert len(ordinary) == pytest.approx(len(apart), rel=1e-3)
