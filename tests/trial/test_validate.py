"""The library of published trials: every study can be run, and what was done is not done again."""

from __future__ import annotations

import polars as pl
import pytest

from opiome import model, trial
from opiome.errors import StudyError
from opiome.trial import _validate

# One of each kind of design: crossover in health, one dose, one arm, three arms with laxatives, a difference.
CHOSEN = ("poulsen-2016", "mntx-301-cancer", "nacasy", "okuda-2025", "exheal")


@pytest.fixture(scope="module")
def shipped():
    return model.load()


@pytest.fixture
def runs(monkeypatch, study_of):
    """The library is the tiny study and one that nobody qualifies for; the names of those that were run."""
    hopeless = study_of(
        name="hopeless",
        population={"entry": ["sbm_per_week > 50"]},
        screening={"attempts": 1},
    )
    studies = {"tiny": study_of(), "hopeless": hopeless}
    done = []

    def load(name, _model):
        return studies[name]

    def run(study, *args, **options):
        done.append(study.name)
        return trial.run(study, *args, **options)

    monkeypatch.setattr(_validate, "load_study", load)
    monkeypatch.setattr(_validate, "run", run)
    monkeypatch.setattr(_validate, "shipped_studies", lambda: studies)
    return done


def test_a_finished_study_is_not_run_again(tmp_path, tiny, runs):
    first = trial.validate(["tiny"], tmp_path, 8, model=tiny, threads=1)
    again = trial.validate(["tiny"], tmp_path, 8, model=tiny, threads=1)
    assert runs == ["tiny"]
    assert again.table.equals(first.table)
    trial.validate(["tiny"], tmp_path, 9, model=tiny, threads=1)  # another size is another file
    assert runs == ["tiny", "tiny"]
    assert len(list((tmp_path / "studies").iterdir())) == 2


def test_a_damaged_file_is_made_again(tmp_path, tiny, runs):
    first = trial.validate(["tiny"], tmp_path, 8, model=tiny, threads=1)
    file = next((tmp_path / "studies").iterdir())
    file.write_bytes(file.read_bytes()[:100])
    assert trial.validate(["tiny"], tmp_path, 8, model=tiny, threads=1).table.equals(first.table)
    assert runs == ["tiny", "tiny"]


def test_one_study_that_fails_does_not_stop_the_others(tmp_path, tiny, runs):
    told = []
    found = trial.validate(
        None, tmp_path, 8, model=tiny, threads=1, progress=lambda *state: told.append(state)
    )
    assert runs == ["tiny", "hopeless"]
    assert set(found.failed) == {"hopeless"}
    assert "sbm_per_week > 50" in found.failed["hopeless"]
    assert found.table["study"].unique().to_list() == ["tiny"]
    assert told == [("tiny", 0, 2), ("hopeless", 1, 2), ("", 2, 2)]


def test_what_is_told_of_a_published_value(tmp_path, tiny, runs):
    found = trial.validate(["tiny"], tmp_path, 8, model=tiny, threads=1)
    assert runs
    row = found.table.row(0, named=True)
    results = trial.run(_validate.load_study("tiny", None), 8, model=tiny, threads=1)
    own = results.endpoints.row(0, named=True)
    assert (row["study"], row["endpoint"], row["arm"]) == ("tiny", "responder", "naldemedine")
    assert row["role"] == "check"
    assert (row["published"], row["published_n"], row["simulated"]) == (70, 100, 8)
    assert (row["estimate"], row["covered"]) == (own["estimate"], own["hit"])
    covered = found.table["covered"].sum()
    assert found.summary == (
        f"{covered} of 2 published values lie in the model's 90 % predictive interval"
        f" (check: {covered} of 2; fit: 0 of 0)"
    )


def test_an_interval_without_an_upper_end():
    """A median time that the pessimistic half of trials does not reach."""
    assert _validate._inside(30.0, 12.0, None)
    assert not _validate._inside(10.0, 12.0, None)


def test_a_published_difference_stands_beside_the_contrast(tiny, study_of):
    given = {"endpoint": "change", "arm": "naldemedine", "against": "placebo", "value": 2.0}
    given |= {"n": 50, "n_against": 40, "unit": "per week", "source": "source", "role": "check"}
    results = trial.run(study_of(published=[given]), 10, model=tiny, threads=1)
    row = results.contrasts.filter(pl.col("endpoint") == "change").row(0, named=True)
    assert results.endpoints["published"].null_count() == len(results.endpoints)
    assert row["published"] == 2.0
    assert row["error"] == pytest.approx(row["estimate"] - 2.0)
    assert row["hit"] is (row["predictive_low"] <= 2.0 <= row["predictive_high"])


def test_a_difference_is_from_the_reference(tmp_path, shipped):
    text = (
        trial.shipped_studies()["exheal"]
        .file.read_text(encoding="utf-8")
        .replace("against: oxycodone", "against: morphine")
    )
    file = tmp_path / "wrong.yaml"
    file.write_text(text.replace("name: exheal", "name: wrong"), encoding="utf-8")
    problems = [str(problem) for problem in trial.lint(file, shipped)]
    assert len(problems) == 1
    assert "'morphine' is not the reference arm; expected 'oxycodone'" in problems[0]


def test_an_observable_that_is_not_there(tmp_path, shipped):
    text = trial.shipped_studies()["poulsen-2016"].file.read_text(encoding="utf-8")
    file = tmp_path / "wrong.yaml"
    file.write_text(
        text.replace("observable: colonic_transit", "observable: colonic_transits"), encoding="utf-8"
    )
    with pytest.raises(StudyError, match="Did you mean 'colonic_transit'"):
        trial.load_study(file, shipped)


def test_chosen_studies_of_the_library_run(tmp_path, shipped):
    found = trial.validate(CHOSEN, tmp_path, 4, model=shipped, threads=2)
    assert found.failed == {}
    assert set(found.table["study"]) == set(CHOSEN)
    assert found.table["estimate"].null_count() == 0


@pytest.mark.slow
def test_the_whole_library_runs(tmp_path, shipped):
    found = trial.validate(None, tmp_path, 4, model=shipped, threads=2)
    assert found.failed == {}
    assert found.table["study"].n_unique() == len(trial.shipped_studies())
