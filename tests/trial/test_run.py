"""A whole trial on a tiny model: the same whatever runs beside it, and behaving as trials do."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest

from opiome import trial
from opiome.errors import CohortError, ResultsError, StudyError
from opiome.trial import _screen

FRAMES = ("patients", "bands", "diary", "movements", "endpoints", "contrasts", "nodes")


@pytest.fixture(scope="module")
def results(tiny, study):
    return trial.run(study, model=tiny, threads=1)


def same(one, other):
    for name in FRAMES:
        assert getattr(one, name).equals(getattr(other, name)), name


def test_threads_and_chunks_change_nothing(tiny, study, results):
    same(results, trial.run(study, model=tiny, threads=2, chunk=13))
    same(results, trial.run(study, model=tiny, threads=2, chunk=64))


def test_a_larger_trial_holds_the_smaller_one(tiny, study, results):
    larger = trial.run(study, patients=60, model=tiny, threads=2)
    diary = larger.diary.join(results.patients.select("patient", "arm"), on=["patient", "arm"], how="semi")
    assert diary.equals(results.diary)
    assert larger.patients.height == 120


def test_another_seed_is_another_trial(tiny, study, results):
    other = trial.run(study, seed=6, model=tiny, threads=1)
    assert not other.endpoints["estimate"].equals(results.endpoints["estimate"])
    assert other.manifest["seed"] == 6


def test_who_takes_part(results):
    patients = results.patients
    assert patients.group_by("arm").len().sort("arm")["len"].to_list() == [40, 40]
    assert patients["patient"].n_unique() == 80
    assert patients["age"].is_between(18, 80).all()
    assert set(patients["opioid"]) == {"morphine every 12 h", "oxycodone every 12 h"}
    assert patients["ome"].is_between(30, 400).all()
    counts = results.manifest["counts"]
    assert counts["screened"] == patients["screened_attempts"].sum()
    assert counts["screened"] == 80 + sum(counts["excluded"].values())
    assert set(counts["excluded"]) == {"age 18 to 80", "sbm_per_week < 3"}


def test_entry_was_judged_on_the_diary(results):
    before = results.diary.filter(pl.col("day") < 0).group_by("patient").agg(pl.col("spontaneous").mean() * 7)
    assert before["spontaneous"].max() < 3
    assert before.height == 80


def test_regression_to_the_mean_and_the_drug(results):
    """Placebo patients rise because they were chosen low; antagonist patients rise more."""
    change = dict(
        results.endpoints.filter(pl.col("endpoint") == "change").select("arm", "estimate").iter_rows()
    )
    assert change["placebo"] > 0
    assert change["naldemedine"] > change["placebo"] + 0.3


def test_nothing_is_recorded_after_leaving(results):
    left = results.patients.filter(~pl.col("completed"))
    assert 0 < left.height < 40
    last = results.diary.group_by("patient").agg(pl.col("day").max())
    both = left.join(last, on="patient")
    assert (both["day"] * 24 <= both["followed_h"]).all()


def test_rescue_follows_three_days_without_a_movement(results):
    days = results.diary.filter(pl.col("rescue") > 0)
    assert days.height > 20
    moves = results.movements
    for row in days.head(20).iter_rows(named=True):
        hour = 24.0 * (row["day"] - 1 if row["day"] > 0 else row["day"])
        own = moves.filter((pl.col("patient") == row["patient"]) & (pl.col("time_h") < hour))
        missed = results.diary.filter(pl.col("patient") == row["patient"])["day"].len() < 42
        if own.height and not missed:
            assert hour - own["time_h"].max() >= 72
        soon = moves.filter(
            (pl.col("patient") == row["patient"])
            & pl.col("time_h").is_between(hour, hour + 24, closed="left")
        )
        assert not soon["spontaneous"].any()


def test_twins_differ_by_treatment_only(tiny, study):
    made = trial.run(study, patients=15, model=tiny, threads=2, twins=True)
    arms = made.patients.partition_by("arm", include_key=False)
    assert arms[0].select("patient", "age", "ome").equals(arms[1].select("patient", "age", "ome"))
    run_in = made.diary.filter(pl.col("day") < 0)
    one, two = run_in.partition_by("arm", include_key=False)
    assert one.equals(two)
    after = made.diary.filter(pl.col("day") > 0).group_by("arm").agg(pl.col("bowel_movements").sum())
    assert after["bowel_movements"].n_unique() == 2


def test_twins_on_the_same_regimen_are_the_same(tiny, study_of):
    arms = {name: {"label": name, "regimen": ["placebo"]} for name in ("a", "b")}
    made = trial.run(study_of(arms=arms, published=[]), patients=10, model=tiny, threads=2, twins=True)
    one, two = made.diary.partition_by("arm", include_key=False)
    assert one.equals(two)


def test_one_patient_again(tiny, study, results):
    row = results.patients.row(57, named=True)
    alone = trial.patient(study, row["patient"], row["arm"], model=tiny)
    mine = (pl.col("patient") == row["patient"]) & (pl.col("arm") == row["arm"])
    assert alone.diary.equals(results.diary.filter(mine))
    assert alone.movements.equals(results.movements.filter(mine))
    assert alone.followed_h == row["followed_h"]
    assert alone.taking["opioid"] == row["opioid"]
    assert alone.cohort.covariates["age"][0] == row["age"]
    assert alone.hourly.height == 42 * 24
    assert alone.hourly["time_h"][14 * 24] == 0.5
    other = next(arm for arm in study.arms if arm != row["arm"])
    assert trial.patient(study, row["patient"], other, model=tiny).cohort.covariates.equals(
        alone.cohort.covariates
    )
    with pytest.raises(CohortError, match="Did you mean 'placebo'"):
        trial.patient(study, 3, "plazebo", model=tiny)


def test_public_names():
    assert trial.__all__ == [
        "ANALYSES",
        "QUANTITIES",
        "RULES",
        "Answers",
        "Course",
        "Designs",
        "Diary",
        "LoadedDesign",
        "Movements",
        "Progress",
        "Replicate",
        "Results",
        "Study",
        "Twins",
        "Validation",
        "answers",
        "code_sha256",
        "compare_designs",
        "contrast",
        "lint",
        "load_design",
        "load_study",
        "patient",
        "quantity",
        "replicates",
        "run",
        "shipped_studies",
        "validate",
    ]
    assert all(getattr(trial, name) is not None for name in trial.__all__)


def test_published_results_are_judged(results):
    rows = results.endpoints.filter(pl.col("published").is_not_null())
    assert rows["arm"].to_list() == ["naldemedine", "placebo"]
    for row in rows.iter_rows(named=True):
        assert row["hit"] == (row["predictive_low"] <= row["published"] <= row["predictive_high"])
        assert row["error"] == pytest.approx(row["estimate"] - row["published"])
        assert row["error_allowed"] == max(5, 0.2 * row["published"])
        assert row["source"] == "A source"
    assert results.endpoints.filter(pl.col("published").is_null())["hit"].null_count() == 4
    contrast = results.contrasts.row(0, named=True)
    assert contrast["published"] == 40
    assert contrast["source"] == "A source"
    estimands = dict(results.endpoints.select("endpoint", "estimand").iter_rows())
    assert estimands["responder"].startswith("while in the trial")  # an average, not a count of weeks
    assert "censored" in estimands["first"]


def test_estimates_are_those_of_the_diary(results):
    """The responder share and the change, counted again from the written tables."""
    weekly = (
        results.diary.with_columns(
            period=pl.when(pl.col("day") < 0).then(pl.lit("before")).otherwise(pl.lit("after"))
        )
        .group_by("arm", "patient", "period")
        .agg(pl.col("spontaneous").mean() * 7)
        .pivot("period", index=["arm", "patient"], values="spontaneous")
    )
    share = weekly.with_columns(yes=(pl.col("after") >= 3) & (pl.col("after") >= pl.col("before") + 1))
    counted = dict(share.group_by("arm").agg(100 * pl.col("yes").fill_null(value=False).mean()).iter_rows())
    told = dict(
        results.endpoints.filter(pl.col("endpoint") == "responder").select("arm", "estimate").iter_rows()
    )
    assert counted == pytest.approx(told)


def test_bands_are_quantiles_of_patients(results):
    rows = results.bands.filter((pl.col("arm") == "placebo") & (pl.col("observable") == "nrs"))
    assert rows.height == 42
    assert rows["time_h"].to_list()[13:15] == [-12.0, 12.0]
    assert (rows["q05"] <= rows["q50"]).all()
    assert (rows["q50"] <= rows["q95"]).all()
    assert rows["n"].is_sorted(descending=True)


def test_written_results_come_back(tmp_path, results):
    folder = results.write(tmp_path / "out")
    back = trial.Results.read(folder)
    same(results, back)
    files = back.manifest.pop("files")
    assert set(files) == {f"{name}.parquet" for name in FRAMES}
    assert back.manifest == json.loads(json.dumps(results.manifest))
    with pytest.raises(ResultsError, match="something here already"):
        results.write(folder)
    results.write(folder, overwrite=True)
    (folder / "bands.parquet").unlink()
    (folder / "nodes.parquet").write_bytes(b"garbage")
    with pytest.raises(ResultsError) as caught:
        trial.Results.read(folder)
    assert len(caught.value.problems) == 2


def test_a_file_in_the_way_is_left_alone(tmp_path, results):
    (tmp_path / "out").write_text("precious", encoding="utf-8")
    with pytest.raises(ResultsError):
        results.write(tmp_path / "out")
    assert (tmp_path / "out").read_text(encoding="utf-8") == "precious"


def test_the_manifest_says_what_was_run(results):
    manifest = results.manifest
    assert len(manifest["study_sha256"]) == 64
    assert manifest["model"]["sha256"] == "tiny"
    tables = {"diary.tsv", "clock.tsv", "events.tsv", "correlations.tsv", "equivalence.tsv"}
    assert set(manifest["tables_sha256"]) == tables
    assert set(manifest["seconds"]) == {"compile", "screening", "treatment", "endpoints"}
    assert manifest["study"]["name"] == "tiny"


def test_nobody_qualifies(tiny, study_of):
    population = {"entry": ["sbm_per_week < 3", "sbm_per_week > 5"]}
    study = study_of(population=population, screening={"attempts": 2}, patients=10)
    with pytest.raises(CohortError, match=r"0 of the 20 patients .* 40 candidates.*sbm_per_week"):
        trial.run(study, model=tiny, threads=2)


def test_criteria_on_what_nobody_knows(tiny, study_of):
    population = {"eligibility": ["agee > 3"], "entry": ["sbm_per_wek < 3", "enteric_signal < 1"]}
    with pytest.raises(StudyError) as caught:
        trial.run(study_of(population=population), model=tiny, patients=2)
    assert len(caught.value.problems) == 3
    assert "Did you mean 'age'" in str(caught.value)
    assert "Did you mean 'sbm_per_week'" in str(caught.value)


def test_allocation(tiny, study_of):
    arms = {
        "low": {"label": "Low", "regimen": ["naldemedine 0.1 mg daily"], "allocation": 2},
        "placebo": {"label": "Placebo", "regimen": ["placebo"]},
    }
    made = trial.run(study_of(arms=arms, published=[]), patients=8, model=tiny, threads=2)
    sizes = dict(made.patients.group_by("arm").len().iter_rows())
    assert sizes == {"low": 16, "placebo": 8}


def test_open_opioid_without_a_dose(tiny, study_of):
    background = {"duration": "4 weeks", "opioid": {"choices": [{"regimen": "morphine every 12 h"}]}}
    with pytest.raises(StudyError, match="has no dose"):
        trial.run(study_of(background=background), model=tiny, patients=2)


def test_unknown_drug_is_told_with_its_field(tiny, study_of):
    arms = {"a": {"label": "A", "regimen": ["nadlemedine 0.2 mg daily"]}}
    with pytest.raises(StudyError, match=r"arms.a.regimen.*naldemedine"):
        trial.run(study_of(arms=arms, published=[]), model=tiny, patients=2)


def test_progress_goes_up(tiny, study):
    told = []
    trial.run(study, patients=3, model=tiny, progress=lambda *news: told.append(news))
    assert list(dict.fromkeys(phase for phase, _, _ in told)) == [
        "compile",
        "screening",
        "treatment",
        "endpoints",
    ]
    for phase in ("screening", "treatment"):
        done = [(d, total) for p, d, total in told if p == phase]
        assert done == sorted(done)
        assert done[-1][0] == done[-1][1]


def test_stopping_the_opioid_stops_it(tiny, study_of):
    arms = {
        "stop": {"label": "Stop", "regimen": ["stop morphine on day 1", "stop oxycodone on day 1"]},
        "go on": {"label": "Go on", "regimen": ["placebo"]},
    }
    arms["on"] = arms.pop("go on")
    made = trial.run(study_of(arms=arms, published=[]), patients=6, model=tiny, threads=2)
    end = made.bands.filter((pl.col("observable") == "enteric_signal") & (pl.col("time_h") == 660.0))
    found = dict(end.select("arm", "mean").iter_rows())
    assert found["stop"] < 1e-3
    assert found["on"] > 0.1


def test_background_goes_on_across_randomisation(tiny, study_of):
    """Daily means of a patient on placebo do not jump when the ensemble is restarted."""
    made = trial.run(study_of(rules={}), patients=20, model=tiny, threads=2)
    rows = made.bands.filter((pl.col("arm") == "placebo") & (pl.col("observable") == "enteric_signal"))
    means = rows.filter(pl.col("time_h").abs() < 100)["mean"].to_numpy()
    assert np.ptp(means) < 0.02 * means.mean()


def test_run_in_must_be_whole_days(tiny, study_of):
    with pytest.raises(StudyError, match="whole number of days"):
        trial.run(study_of(run_in={"duration": "30 h"}), model=tiny)


def test_medians_that_are_not_reached_are_empty(tiny, study_of):
    made = trial.run(
        study_of(
            endpoints=[
                {"id": "first", "label": "F", "rule": "time_to_first", "unit": "h", "window": "day 1",
                 "params": {"movement": "csbm"}},
            ],
            published=[],
        ),
        patients=8,
        model=tiny,
    )  # fmt: skip
    assert all(value is None or math.isfinite(value) for value in made.endpoints["estimate"])
    assert made.endpoints["estimate"].null_count() > 0


def test_only_the_first_patients_are_kept_day_by_day(tiny, study_of, results, monkeypatch):
    """Diaries and endpoints are everybody's; bands are those of a trial of the first patients alone."""
    monkeypatch.setattr(_screen, "PICTURED", 15)
    study = study_of()
    lean = trial.run(study, model=tiny, threads=1, chunk=17)
    for name in ("patients", "diary", "movements", "endpoints", "contrasts"):
        assert getattr(lean, name).equals(getattr(results, name)), name
    monkeypatch.undo()
    small = trial.run(study, 15, model=tiny, threads=1)
    assert lean.bands.equals(small.bands)
    assert lean.nodes.equals(small.nodes)
