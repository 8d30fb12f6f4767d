"""Cohorts that were observed: who is given what follows from the patient; published hazard ratios."""

from __future__ import annotations

import math
import re

import numpy as np
import polars as pl
import pytest

from opiome import trial
from opiome.errors import StudyError
from opiome.trial import _collect
from opiome.trial._answers import Answers
from opiome.trial._survival import predicted_ratio

INDICATION = {"arm": "naldemedine", "share": 0.3, "odds": [{"when": "age > 65", "times": 20}]}
SURVIVAL = {
    "endpoints": [{"id": "os", "label": "O", "rule": "survival", "unit": "months", "analysis": "cox"}],
    "published": [],
}


def test_those_with_the_condition_are_given_it(tiny, study_of):
    found = trial.run(study_of(indication=INDICATION), patients=100, threads=1, model=tiny).patients
    given = found.group_by(pl.col("age") > 65, maintain_order=True).agg(
        (pl.col("arm") == "naldemedine").mean()
    )
    shares = dict(given.iter_rows())
    assert len(found) == 200
    assert 0.2 < shares[False] < 0.4
    assert shares[True] > 0.8


def test_without_odds_apart_arms_are_alike_and_twins_always_are(tiny, study_of):
    flat = INDICATION | {"odds": [{"when": "age > 65", "times": 1}]}
    found = trial.run(study_of(indication=flat), patients=100, threads=1, model=tiny).patients
    share = (found["arm"] == "naldemedine").mean()
    assert abs(share - 0.3) < 3 * math.sqrt(0.21 / len(found))
    twins = trial.run(
        study_of(indication=INDICATION), patients=20, threads=1, model=tiny, twins=True
    ).patients
    ages = twins.group_by("arm").agg(pl.col("age").mean())["age"].to_list()
    assert ages[0] == ages[1]


def test_a_place_keeps_its_arm_in_a_larger_cohort(tiny, study_of):
    study = study_of(indication=INDICATION)
    small, large = (trial.run(study, patients=n, threads=1, model=tiny).patients for n in (10, 25))
    both = small.join(large.select("patient", other="arm"), on="patient")
    assert len(both) == 20
    assert (both["arm"] == both["other"]).all()


def test_nobody_in_an_arm_is_told(tiny, study_of):
    all_of_them = INDICATION | {"odds": [{"when": "age > 0", "times": 1e6}]}
    with pytest.raises(StudyError, match="nobody is in placebo: 20 patients; expected several patients"):
        trial.run(study_of(indication=all_of_them), patients=10, threads=1, model=tiny)


TEXT = """
indication:
  arm: naldemedin
  share: 0.3
  odds:
    - {when: agee > 65, times: 2}
    - {when: cows > 5, times: 2}
    - {when: nrs > 50, times: 2}
strata: [age > 65]
"""


def test_what_is_wrong_with_an_indication_is_told(tmp_path):
    file = tmp_path / "observed.yaml"
    text = trial.shipped_studies()["compose-1"].file.read_text(encoding="utf-8")
    text = text.replace("regimen: [placebo]", "allocation: 2, regimen: [placebo]")
    file.write_text(text.replace("strata: [ome > 100]", TEXT), encoding="utf-8")
    told = [(problem.field, problem.message) for problem in trial.lint(file)]
    assert ("indication.arm", "unknown arm 'naldemedin'") in told
    assert any(field == "indication.odds[0].when" for field, _ in told)
    assert any(field == "indication.odds[1].when" and "randomisation" in message for field, message in told)
    assert ("indication.odds[2].when", "'nrs > 50' never holds") in told
    assert any(field == "arms.placebo.allocation" for field, _ in told)
    assert any(field == "strata" and "indication" in message for field, message in told)


def times(median, n, seed):
    rng = np.random.default_rng(seed)
    values = rng.exponential(median / math.log(2), n)
    return Answers("time", np.minimum(values, 24.0), values < 24.0)


def rate(answers):
    """Events by time at risk: the hazard of exponential times."""
    return answers.event.sum() / answers.values.sum()


def test_hazard_ratios_of_many_trials_lie_in_the_predicted_interval():
    low, high = predicted_ratio(times(6, 1500, 1), times(12, 1500, 2), 80, 120)
    found = np.array([rate(times(6, 80, 10 + k)) / rate(times(12, 120, 5000 + k)) for k in range(1000)])
    inside = ((found > low) & (found < high)).mean()
    assert 0.87 < inside < 0.95


def test_a_published_hazard_ratio_is_judged(tiny, study_of):
    published = {
        "endpoint": "first",
        "arm": "naldemedine",
        "against": "placebo",
        "value": 1.5,
        "unit": "ratio",
    }
    study = study_of(
        endpoints=[{"id": "first", "label": "F", "rule": "time_to_first", "unit": "h", "analysis": "cox"}],
        published=[published | {"source": "source", "role": "check", "n": 100, "n_against": 100}],
    )
    row = trial.run(study, threads=1, model=tiny).contrasts.row(0, named=True)
    assert row["predictive_low"] < row["estimate"] < row["predictive_high"]
    assert row["unit"] == ""
    assert row["hit"] == (row["predictive_low"] <= 1.5 <= row["predictive_high"])
    assert row["error"] == pytest.approx(row["estimate"] - 1.5)


@pytest.mark.parametrize("value", [-0.5, 0])
def test_a_hazard_ratio_is_above_0(tmp_path, value):
    file = tmp_path / "observed.yaml"
    text = trial.shipped_studies()["ici-opioids-375"].file.read_text(encoding="utf-8")
    assert "unit: ratio" in text
    file.write_text(re.sub(r"value: [\d.]+, low: [\d.]+", f"value: {value}", text, count=1), encoding="utf-8")
    (problem,) = trial.lint(file)
    assert problem.message == "a hazard ratio of 0 or below"


def test_a_large_trial_is_compressed_and_the_same(tiny, study_of, monkeypatch):
    study = study_of()
    plain = trial.run(study, patients=12, threads=1, model=tiny)
    monkeypatch.setattr(_collect, "_MANY", 1)
    packed = trial.run(study, patients=12, threads=1, model=tiny, chunk=5)
    for name in ("patients", "diary", "movements", "endpoints", "contrasts", "bands", "nodes"):
        assert getattr(plain, name).equals(getattr(packed, name)), name
