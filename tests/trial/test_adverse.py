"""Adverse events, progression and death on hand-made days, and with the shipped model."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from opiome import model, trial
from opiome.trial._adverse import AdverseEvents, event_numbers
from opiome.trial._diary import Diary

N = 4000
NUMBERS = event_numbers()


def people(n=N, cancer=1.0, *, mortal=True):
    return AdverseEvents.start(np.arange(n), 3, np.full(n, cancer), mortal=mortal)


def test_episodes_are_proportional_to_pain_among_those_who_have_any():
    """Poisson numbers with mean 3 at a pain of 5, for 60 % of people, whoever is asked beside them."""
    events = people()
    five, ten = events.breakthrough(4, np.full(N, 5.0)), events.breakthrough(4, np.full(N, 10.0))
    share = NUMBERS.breakthrough_share
    assert five.mean() == pytest.approx(share * 3.0, rel=0.06)
    assert ten.mean() == pytest.approx(2 * five.mean(), rel=0.06)
    none = (five == 0).mean()
    assert none == pytest.approx(1 - share + share * math.exp(-3.0), abs=0.02)
    assert five[17] == AdverseEvents.start(np.array([17]), 3, np.ones(1), mortal=True).breakthrough(
        4, np.array([5.0])
    )
    assert not people(cancer=0.0).breakthrough(4, np.full(N, 9.0)).any()


def test_scores_follow_the_index_and_stop_at_the_ends():
    diary = Diary.blank(np.arange(N), 0, 1)
    index = np.repeat([0.0, 0.3, 1.0, 0.3], N // 4)
    filled = np.arange(N) % 2 == 0
    people().write(diary, 0, {"nausea": index, "cows": 20 * index, "delirium": index}, filled)
    nausea = diary.daily["nausea"][:, 0]
    assert np.isnan(nausea[~filled]).all()
    groups = nausea.reshape(4, -1)
    assert (groups[0][filled[: N // 4]] == 0).all()
    assert np.nanmean(groups[1]) == pytest.approx(3.0, abs=0.15)
    assert np.nanmax(nausea) == 10
    assert np.nanmean(diary.daily["delirium"][: N // 2 : 2, 0]) == pytest.approx(0.15, abs=0.03)
    assert np.nanmean(diary.daily["cows"].reshape(4, -1)[1]) == pytest.approx(6.0, abs=0.15)
    assert np.isnan(diary.daily["sedation"]).all()


def test_delirium_comes_in_spells():
    diary = Diary.blank(np.arange(N), 0, 6)
    events = people()
    for column in range(6):
        events.write(diary, column, {"delirium": np.full(N, 0.2)}, np.ones(N, dtype=bool))
    days = diary.daily["delirium"]
    assert (days[:, 0] == days[:, 2]).all()
    assert (days[:, 2] != days[:, 3]).any()


def test_progression_is_seen_on_the_day_of_an_image():
    """Burden 1 at the start, 0.8 on day 56, then 1.38 and 1.39 on day 112: 1.73 times the least."""
    diary = Diary.blank(np.arange(3), 7, 7 + 140)
    events = AdverseEvents.start(np.arange(3), 3, np.array([1.0, 1.0, 0.0]), mortal=True)
    present = np.ones(3, dtype=bool)
    for column in range(7 + 140):
        day = column - 7
        burden = np.array([0.8, 0.8, 0.8]) if day >= 56 else np.ones(3)
        burden = np.array([1.38, 1.39, 5.0]) if day >= 100 else burden
        events.progress(diary, column, {"tumour": burden}, present)
    assert np.isnan(diary.progression_day[0])
    assert diary.progression_day[1] == 113.0
    assert np.isnan(diary.progression_day[2])


def test_deaths_follow_the_hazard_and_nobody_dies_before_randomisation():
    diary = Diary.blank(np.arange(N), 0, 100)
    events, present = people(), np.ones(N, dtype=bool)
    for column in range(100):
        present &= ~events.die(diary, column, {"death_hazard": np.full(N, 0.002 / 24)}, present)
    daily = 0.002 + NUMBERS.other_death / 365.25
    assert present.mean() == pytest.approx(math.exp(-100 * daily), abs=0.02)
    died = diary.death_day[~present]
    assert died.min() >= 1
    assert died.max() <= 100
    assert np.isnan(diary.death_day[present]).all()
    early = people(mortal=False)
    assert not early.die(diary, 0, {"death_hazard": np.ones(N)}, present).any()


@pytest.fixture(scope="module")
def lived():
    """A short part of CERP with all its rules, on the shipped model."""
    study = trial.load_study("cerp")
    part = {"arms": {"morphine": study.arms["morphine"]}, "published": ()}
    return trial.run(study.model_copy(update=part), 12, model=model.load(), threads=2)


def test_the_shipped_model_gives_every_event(lived):
    table = lived.diary.filter(pl.col("day") > 0)
    assert lived.patients["outcome"].to_list() == ["OK"] * 12
    for name in ("nausea", "sedation", "delirium", "cows", "breakthrough", "rescue_opioid", "ome"):
        assert table[name].null_count() == 0
    assert table["nausea"].max() > 0
    assert table["rescue_opioid"].sum() > 0
    before = lived.diary.filter(pl.col("day") < 0)
    assert before["nausea"].max() == 0
    assert before["ome"].max() == 0


def test_doses_are_raised_and_exposure_rises_with_them(lived):
    day = lived.diary.pivot("day", index=["patient", "arm"], values="ome")
    assert day["28"].mean() > 1.2 * day["3"].mean()
    exposure = lived.bands.filter(pl.col("observable") == "opioid_exposure")
    mean = dict(exposure.select("time_h", "mean").iter_rows())
    assert mean[24 * 27 + 12.0] > 1.1 * mean[24 * 2 + 12.0]
