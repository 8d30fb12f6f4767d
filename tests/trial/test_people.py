"""Strata, weights and a study's own correlations, through whole trials."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from opiome import trial
from opiome.cohort import Cohort
from opiome.errors import CohortError, StudyError
from opiome.trial._randomise import randomise
from opiome.trial._run import check_weights

ARMS = {"a": 1.0, "b": 1.0}


def test_each_stratum_is_balanced_and_a_place_keeps_its_arm():
    rng = np.arange(400) * 7919 % 13
    labels = ["rare" if k < 2 else "common" for k in rng]
    arms = randomise(ARMS, 200, 5, labels)
    for label in ("rare", "common"):
        own = arms[[name == label for name in labels]]
        assert abs((own == 0).sum() - (own == 1).sum()) <= 1
    assert (randomise(ARMS, 100, 5, labels[:200]) == arms[:200]).all()


def test_without_strata_it_is_as_before():
    assert (randomise(ARMS, 50, 5, [""] * 100) == randomise(ARMS, 50, 5)).all()


def test_strata_on_dose_covariate_and_diary(tiny, study_of):
    study = study_of(strata=["ome > 90", "age >= 60", "sbm_per_week < 2"])
    results = trial.run(study, 30, model=tiny, threads=1)
    table = results.patients
    assert (table["stratum"].str.contains("not ome > 90") == (table["ome"] <= 90)).all()
    assert (table["stratum"].str.contains("not age >= 60") == (table["age"] < 60)).all()
    sizes = table.group_by("stratum").agg((pl.col("arm") == "placebo").sum().alias("p"), pl.len().alias("n"))
    assert np.abs(sizes["n"].to_numpy().astype(int) - 2 * sizes["p"].to_numpy().astype(int)).max() <= 1
    assert table["arm"].value_counts()["count"].sum() == 60


def test_an_arm_that_strata_leave_empty_is_refused(tiny, study_of):
    study = study_of(
        strata=["ome > 90"],
        population={"eligibility": ["age 18-80"]},
        published=[],
        treatment={"duration": "1 week"},
        endpoints=[{"id": "f", "label": "F", "rule": "time_to_first", "unit": "h"}],
    )
    found = [_refused(tiny, study, seed) for seed in range(8)]
    assert any(found)
    assert all("strata" in message for message in found if message)


def _refused(tiny, study, seed):
    try:
        trial.run(study, 1, seed, model=tiny, threads=1)
    except StudyError as error:
        return str(error)
    return ""


def test_weights_are_those_of_the_conditions(tiny, study_of):
    population = {
        "represents": [{"when": "age >= 60", "weight": 3}, {"when": "ome > 100", "weight": 0.5}],
        "entry": ["sbm_per_week < 3"],
    }
    results = trial.run(study_of(population=population), 15, model=tiny, threads=1)
    table = results.patients
    expected = pl.when(pl.col("age") >= 60).then(3.0).otherwise(1.0) * pl.when(pl.col("ome") > 100).then(
        0.5
    ).otherwise(1.0)
    assert table["represents"].to_list() == table.select(expected.alias("w"))["w"].to_list()
    w = table["represents"].to_numpy()
    assert results.manifest["counts"]["effective"] == pytest.approx(w.sum() ** 2 / (w**2).sum(), abs=1e-3)


def test_weights_on_few_patients_are_refused(study):
    """One of 50 who stands for a million leaves a trial of one."""
    weights = np.ones(50)
    weights[7] = 1e6
    with pytest.raises(CohortError, match=r"50 count as 1\.0"):
        check_weights(study, Entered(weights))


def test_weights_of_an_arm_that_an_indication_fills_are_its_own(study_of):
    """Six who are given the drug count as one, and nobody sees it among sixty who are not."""
    arm_of, weights = np.repeat([0, 1], [60, 6]), np.ones(66)
    weights[60] = 100.0
    weights[:60] = 20.0
    check_weights(study_of(), Entered(weights), arm_of)
    cause = {"arm": "placebo", "share": 0.1, "odds": [{"when": "age > 65", "times": 2}]}
    with pytest.raises(CohortError, match=rf"of arm '{cause['arm']}': 6 count as 1\.1"):
        check_weights(study_of(indication=cause), Entered(weights), arm_of)


class Entered:
    """Those who entered, as far as their weights."""

    def __init__(self, weights):
        n = len(weights)
        self.cohort = Cohort(
            ids=np.arange(n),
            covariates=pl.DataFrame({"age": np.full(n, 60.0)}),
            codes={},
            parameters={},
            start=np.empty((n, 0)),
            states=(),
            weights=weights,
            outcome=np.zeros(n, dtype=np.int64),
            seed=1,
        )

    def __len__(self):
        return len(self.cohort)


def test_a_study_has_its_own_correlations(tiny, study_of):
    """Heavy people are young here; the same patient numbers otherwise."""
    population = {"correlations": [{"a": "age", "b": "weight", "rho": -0.9}]}
    short = {"treatment": {"duration": "1 week"}, "published": [], "run_in": {"duration": "1 week"}}
    short["endpoints"] = [{"id": "f", "label": "F", "rule": "time_to_first", "unit": "h"}]
    own = trial.run(study_of(population=population, **short), 40, model=tiny, threads=1).patients
    free = trial.run(study_of(population={}, **short), 40, model=tiny, threads=1).patients
    assert np.corrcoef(own["age"].to_numpy(), own["weight"].to_numpy())[0, 1] < -0.75
    assert abs(np.corrcoef(free["age"].to_numpy(), free["weight"].to_numpy())[0, 1]) < 0.3
    row = own.row(0, named=True)
    alone = trial.patient(study_of(population=population, **short), row["patient"], "placebo", model=tiny)
    assert alone.cohort.covariates["weight"][0] == row["weight"]
