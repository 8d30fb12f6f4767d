"""The shipped model and a shipped study through the whole trial, small."""

from __future__ import annotations

import polars as pl
import pytest

from opiome import model, trial


@pytest.fixture(scope="module")
def shipped():
    return model.load()


@pytest.fixture(scope="module")
def compose(shipped):
    return trial.run(trial.load_study("compose-4"), patients=6, model=shipped, threads=2)


def test_the_trial_runs_and_nobody_is_lost(compose):
    assert compose.patients["outcome"].to_list() == ["OK"] * 12
    assert compose.endpoints["n"].min() >= 1
    assert compose.endpoints.filter(pl.col("published").is_not_null())["hit"].null_count() == 0
    assert set(compose.nodes["node"]) == {f"N{k}" for k in range(1, 19)}


def test_patients_arrive_constipated_on_their_opioid(compose):
    """Entry is at most five movements in two weeks; the antagonist then reaches the gut and not the pain."""
    signal = compose.bands.filter(pl.col("observable") == "enteric_signal")
    weeks = (pl.col("time_h") < 0, pl.col("time_h") > 24 * 7)
    before, after = (
        dict(signal.filter(when).group_by("arm").agg(pl.col("mean").mean()).iter_rows()) for when in weeks
    )
    assert min(before.values()) > 0.1
    assert after["naldemedine"] < 0.6 * before["naldemedine"]
    assert after["placebo"] == pytest.approx(before["placebo"], rel=0.1)
    pain = compose.bands.filter((pl.col("observable") == "nrs") & (pl.col("arm") == "naldemedine"))
    first, last = (pain.filter(when)["mean"].mean() for when in weeks)
    assert abs(last - first) < 0.3


def test_one_patient_again(shipped, compose):
    row = compose.patients.row(3, named=True)
    alone = trial.patient(trial.load_study("compose-4"), row["patient"], row["arm"], model=shipped)
    mine = (pl.col("patient") == row["patient"]) & (pl.col("arm") == row["arm"])
    assert alone.diary.equals(compose.diary.filter(mine))
    assert alone.movements.equals(compose.movements.filter(mine))


def test_doses_go_on_across_randomisation(shipped):
    """A patch worn at randomisation goes on: on placebo the concentration is steady, hour by hour."""
    study = trial.load_study("compose-1")
    short = study.model_copy(update={"treatment": study.treatment.model_copy(update={"duration": 7 * 24.0})})
    course = trial.patient(short, 0, "placebo", model=shipped)
    hours = course.hourly.filter(pl.col("time_h").abs() < 72)["opioid_concentration"]
    assert course.taking["opioid"].startswith("fentanyl")
    assert hours.max() < 1.05 * hours.min()
    assert hours.min() > 0


def test_chunks_and_threads_change_nothing(shipped, compose):
    again = trial.run(trial.load_study("compose-4"), patients=6, model=shipped, threads=1, chunk=17)
    for name in ("patients", "bands", "diary", "movements", "endpoints", "contrasts", "nodes"):
        assert getattr(again, name).equals(getattr(compose, name)), name
