"""Doses that can be handed out: rounding to what tablets make, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from opiome import model as models
from opiome import regimen, trial
from opiome.errors import StudyError
from opiome.trial._strengths import rounded, stepped

TITRATION = {
    "every": "3 days",
    "over": "1 day",
    "steps": [{"when": "nrs >= 6", "change": 50}, {"when": "nrs >= 3", "change": 33}],
    "ceiling": 200,
}
FILE = """
opiome: 1
name: tablets
title: Doses that can be handed out
background:
  duration: 4 weeks
  opioid:
    ome: {{distribution: lognormal, median: 60, cv: 0.4, lower: 40, upper: 200}}
    choices: [{{weight: 1, regimen: {choice}}}]
arms:
  one: {{label: One, regimen: [{own}]}}
  two: {{label: Two, regimen: [placebo]}}
treatment: {{duration: 2 weeks}}
rules:
  strengths: marketed
  titration: {{every: 3 days, steps: [{{when: nrs >= 4, change: 25}}], ceiling: {ceiling}}}
endpoints: [{{id: pain, label: Pain, rule: mean, params: {{quantity: nrs}}, window: week 2, unit: score}}]
"""


@pytest.fixture(scope="module")
def model():
    return models.load()


@pytest.fixture
def morphine():
    return SimpleNamespace(drug="morphine", formulation="CR")


def test_what_tablets_make(morphine):
    assert regimen.doses_made(morphine, 22.0) == pytest.approx((5, 10, 15, 20, 25))
    assert regimen.doses_made(morphine, 20.0) == pytest.approx((5, 10, 15, 20))
    assert regimen.doses_made(SimpleNamespace(drug="morphine", formulation="?"), 20.0) == ()


def test_the_nearest_dose_and_the_lower_of_two(morphine):
    doses = np.array([1.0, 6.0, 7.5, 7.6, 12.4, 43.0])
    assert rounded(morphine, doses).tolist() == pytest.approx([5, 5, 5, 10, 10, 45])


@pytest.mark.parametrize(
    ("now", "wanted", "most", "given"),
    [
        (10.0, 13.3, np.inf, 15.0),  # the nearest
        (10.0, 11.0, np.inf, 15.0),  # a raise stays one
        (10.0, 15.0, 14.9, 10.0),  # but not above the ceiling
        (10.0, 30.0, 22.0, 20.0),
        (20.0, 30.0, 15.0, 20.0),  # nobody is lowered to the ceiling
        (20.0, 18.0, np.inf, 15.0),  # a reduction stays one
        (5.0, 3.0, np.inf, 5.0),  # there is no less
        (87.0, 87.0, np.inf, 87.0),
        (87.0, 100.0, np.inf, 100.0),
    ],
)
def test_a_change_stays_a_change(morphine, now, wanted, most, given):
    assert stepped(morphine, np.array([now]), np.array([wanted]), most)[0] == pytest.approx(given)


def test_everybody_takes_what_tablets_make(tiny, study_of):
    """Morphine 10, 20 and 50 mg and oxycodone 5, 10 and 20 mg twice a day; rescue doses as well."""
    rules = {
        "strengths": "marketed",
        "titration": TITRATION,
        "rescue_opioid": {"regimen": "morphine IR as needed"},
        "rotation": {"every": "7 days", "triggers": [{"when": "nrs >= 5"}], "to": ["oxycodone every 12 h"]},
    }
    people = {"covariates": {"cancer": 1, "age": {"median": 50.0}}, "entry": ["nrs >= 4"]}
    study = study_of(rules=rules, population=people)
    found = trial.run(study, patients=15, threads=1, model=tiny)
    doses = found.diary.filter(pl.col("day") > 0)["ome"].to_numpy()
    known = doses[~np.isnan(doses)]
    morphine, oxycodone = np.round(known / 20, 6), np.round(known / (1.5 * 10), 6)
    assert ((morphine % 1 == 0) | (oxycodone % 1 == 0)).all()
    assert known.max() <= 200 + 1e-4 or known.max() == pytest.approx(found.patients["ome"].max())
    changed = found.diary.filter(pl.col("day") > 0).group_by("patient", "arm").agg(pl.col("ome").n_unique())
    assert (changed["ome"] > 1).sum() > 5
    free = trial.run(
        study_of(rules=rules | {"strengths": "any"}, population=people), patients=15, threads=1, model=tiny
    )
    other = free.diary["ome"].drop_nulls().to_numpy() / 20
    assert (np.round(other, 6) % 1 != 0).any()


def check(tmp_path, model, **given):
    file = tmp_path / "tablets.yaml"
    words = {"choice": "morphine CR every 12 h", "own": "naldemedine 0.2 mg daily", "ceiling": 300} | given
    file.write_text(FILE.format(**words), encoding="utf-8")
    return trial.load_study(file, model)


def test_what_cannot_be_rounded_is_refused_by_name(tmp_path, model):
    assert check(tmp_path, model).rules.strengths == "marketed"
    with pytest.raises(StudyError, match=r"strengths of methadone .*are not known"):
        check(tmp_path, model, choice="methadone every 12 h")
    with pytest.raises(StudyError, match="33 mg is not made of the strengths of morphine CR"):
        check(tmp_path, model, choice="morphine CR 33 mg every 12 h")
    with pytest.raises(StudyError, match="2 lines of opioid are titrated together"):
        check(tmp_path, model, own="oxycodone CR 10 mg every 12 h")


def test_a_ceiling_below_every_first_dose_is_told(tmp_path, model):
    with pytest.raises(StudyError, match="nobody is ever raised: the first dose is worth 40 mg"):
        check(tmp_path, model, ceiling=30)
    with pytest.raises(StudyError, match="worth 120 mg a day or more, above the ceiling of 100"):
        check(tmp_path, model, choice="morphine CR 60 mg every 12 h", ceiling=100)
    assert check(tmp_path, model, choice="morphine CR 60 mg every 12 h", ceiling=120)
