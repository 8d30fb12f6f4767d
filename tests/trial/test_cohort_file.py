"""A table of stool profiles through `opiome profile` into a trial whose patients carry those bacteria."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from opiome import cohort, engine, model, trial
from opiome.cli import main
from opiome.cohort import Profiles
from opiome.errors import CohortError, StudyError
from opiome.trial._fields import Condition
from opiome.trial._screen import screen
from opiome.trial._setting import settle

GUILDS = tuple(f"G{k}" for k in range(1, 8))
TABLE = """\
genus	a	b	c	d	e
Bacteroides	4000	5500	2000	3500	3000
Faecalibacterium	3500	2500	5200	4200	4000
Bifidobacterium	900	300	1300	700	1000
Akkermansia	200	100	300	150	250
Enterococcus	150	120	60	200	90
Escherichia	200	80	60	100	40
Bilophila	100	60	50	80	70
"""
TOLD = """\
sample	subject	age	sex	weight	ecog
a	p1	61	F	80	1
b	p2	47	M		0
c	p3	70	F	55	2
d	p3	70	F	56	2
e	p4	12	M	40	0
"""
STUDY = """\
opiome: 1
name: own-people
title: Own people
population: profiles/cohort.parquet
background:
  duration: 4 weeks
  opioid: {choices: [{regimen: morphine CR 30 mg every 12 h}]}
run_in: {duration: 1 week}
arms:
  naldemedine: {label: Naldemedine, regimen: [naldemedine 0.2 mg daily]}
  placebo: {label: Placebo, regimen: [placebo]}
treatment: {duration: 1 week}
endpoints:
  - {id: sbm, label: Change, rule: mean_change, window: week 1, unit: per week}
patients: 3
"""


@pytest.fixture(scope="module")
def shipped():
    return model.load()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a study and, under ``profiles``, what `opiome profile` makes of the table."""
    made = tmp_path_factory.mktemp("own")
    (made / "table.tsv").write_text(TABLE, encoding="utf-8")
    (made / "told.tsv").write_text(TOLD, encoding="utf-8")
    (made / "study.yaml").write_text(STUDY, encoding="utf-8")
    asked = ["profile", made / "table.tsv", "--metadata", made / "told.tsv", "--out", made / "profiles"]
    assert main([str(word) for word in asked]) == 0
    return made


@pytest.fixture(scope="module")
def file(folder):
    return folder / "profiles" / "cohort.parquet"


@pytest.fixture(scope="module")
def results(folder, shipped):
    study = trial.load_study(folder / "study.yaml", shipped)
    return trial.run(study, model=shipped, threads=2)


def test_the_trial_takes_the_people_of_the_file(results):
    """Nine candidates for six places, in the order of the rows; the child of 12 is never taken."""
    people = results.patients.sort("patient")
    assert people["patient"].to_list() == [0, 1, 2, 3, 5, 6]
    assert people["sample"].to_list() == ["a", "b", "c", "d", "a", "b"]
    assert people["subject"].to_list() == ["p1", "p2", "p3", "p3", "p1", "p2"]
    assert people["age"].to_list() == [61, 47, 70, 70, 61, 47]
    assert people["female"].to_list() == [1, 0, 1, 1, 1, 0]
    assert people["ecog"].to_list() == ["1", "0", "2", "2", "1", "0"]
    weight = people["weight"].to_list()
    assert [weight[k] for k in (0, 2, 3, 4)] == [80, 55, 56, 80]
    assert weight[1] != weight[5], "where the file is silent each patient is drawn"
    assert results.manifest["counts"]["excluded"] == {"age of the profile outside 18 to 95": 1}
    assert results.manifest["cohort_file"]["file"] == "profiles/cohort.parquet"
    assert results.manifest["cohort_file"]["people"] == 5
    assert results.manifest["study"]["population"]["cohort"] == "profiles/cohort.parquet"


def test_the_untreated_flora_is_that_of_the_profile(folder, file, shipped):
    setting = settle(trial.load_study(folder / "study.yaml", shipped), None, 1, shipped, 64)
    accepted = screen(setting, 6, lambda _: None)
    states = [setting.program.states.index(f"rectosigmoid_{guild}") for guild in GUILDS]
    mass = accepted.cohort.start[:, states]
    table = pl.read_parquet(file)
    stated = table.select(f"composition_{guild}" for guild in GUILDS).to_numpy()[[0, 1, 2, 3, 0, 1]]
    np.testing.assert_allclose(mass / mass.sum(axis=1, keepdims=True), stated, rtol=1e-9)
    assert not np.array_equal(accepted.cohort.start[0], accepted.cohort.start[4]), "a new person"


def test_chunks_and_threads_change_nothing(folder, shipped, results):
    study = trial.load_study(folder / "study.yaml", shipped)
    again = trial.run(study, model=shipped, threads=1, chunk=3)
    for name in ("patients", "bands", "diary", "movements", "endpoints", "contrasts", "nodes"):
        assert getattr(again, name).equals(getattr(results, name)), name


def test_one_patient_again(folder, shipped, results):
    row = results.patients.row(4, named=True)
    study = trial.load_study(folder / "study.yaml", shipped)
    alone = trial.patient(study, row["patient"], row["arm"], model=shipped)
    mine = (pl.col("patient") == row["patient"]) & (pl.col("arm") == row["arm"])
    assert alone.diary.equals(results.diary.filter(mine))
    assert alone.cohort.covariates["subject"][0] == row["subject"]
    with pytest.raises(CohortError, match=r"patient 4 cannot be .*age of the profile outside 18 to 95"):
        trial.patient(study, 4, row["arm"], model=shipped)


def test_rows_can_be_used_once(folder, shipped):
    text = STUDY.replace(
        "population: profiles/cohort.parquet", "population: {cohort: profiles/cohort.parquet, reuse: false}"
    )
    (folder / "once.yaml").write_text(text, encoding="utf-8")
    study = trial.load_study(folder / "once.yaml", shipped)
    with pytest.raises(CohortError, match=r"holds 5 people; the trial needs 6.*--patients"):
        trial.run(study, model=shipped)
    older = study.population.model_copy(update={"eligibility": (Condition("age", ((">=", 50.0),)),)})
    strict = study.model_copy(update={"population": older})
    with pytest.raises(CohortError, match=r"of the 4 patients needed .*among 5 candidates") as caught:
        trial.run(strict, patients=2, model=shipped)
    assert "age >= 50" in str(caught.value)


def test_refused_baselines_say_why(shipped, file, monkeypatch):
    """A flora that cannot stay as it is makes a screening failure with its reason."""
    program = engine.compile(shipped.sbml)
    profiles = Profiles.read(file, shipped)
    real = type(shipped).baseline

    def refusing(self, program, parameters, composition=None):
        solved, start, outcome = real(self, program, parameters, composition)
        return solved, start, np.where(np.arange(len(outcome)) == 1, 4, outcome)

    monkeypatch.setattr(type(shipped), "baseline", refusing)
    made = cohort.build(shipped, {}, 3, 1, program=program, profiles=profiles)
    assert made.outcome.tolist() == [0, 4, 0]
    assert len(made.reasons) == 3


@pytest.mark.parametrize(("population", "message"), [
    ("population: nowhere/cohort.parquet", "nowhere/cohort.parquet cannot be used: is not there"),
    ("population: profiles", "cannot be used: is a folder.*[Nn]ame .*profiles/cohort.parquet"),
    ("population: table.tsv", "table.tsv cannot be used: cannot be read.*Make it with `opiome profile"),
    ("population: profiles/changed.parquet", "has no column patient, composition_G1"),
    ("population: {cohort: profiles/empty.parquet}", "holds no patient"),
    ("population: {cohort: profiles/text.parquet}", "the column 'age' is a covariate.*not a number"),
    ("population: {cohort: profiles/sums.parquet}", "in row 2: the composition of patient 1 sums to"),
    ("population: {cohort: ''}", "'' is not the path of a file"),
    ("population: {cohort: [a, b]}", "is not the path of a file"),
    ("population: {reuse: false}", "there is no 'cohort'"),
    ("population: 7", "'7' does not fit; expected a mapping"),
])  # fmt: skip
def test_files_that_are_no_cohort_are_refused_with_their_line(folder, file, shipped, population, message):
    table = pl.read_parquet(file)
    profiles = folder / "profiles"
    pl.DataFrame({"subject": ["a"]}).write_parquet(profiles / "changed.parquet")
    table.clear().write_parquet(profiles / "empty.parquet")
    table.with_columns(age=pl.lit("old")).write_parquet(profiles / "text.parquet")
    wrong = pl.when(pl.col("patient") == 1).then(0.9).otherwise(pl.col("composition_G1"))
    table.with_columns(composition_G1=wrong).write_parquet(profiles / "sums.parquet")
    study = folder / "wrong.yaml"
    study.write_text(STUDY.replace("population: profiles/cohort.parquet", population), encoding="utf-8")
    with pytest.raises(StudyError, match=message) as caught:
        trial.load_study(study, shipped)
    assert [(p.file, p.line) for p in caught.value.problems] == [(study, 4)]


def test_what_the_file_says_of_a_person_stands_before_the_study(file, shipped):
    """The study's distribution is for those of whom the file says nothing."""
    profiles = Profiles.read(file, shipped)
    codes, frame = cohort.people(
        shipped, {"weight": {"distribution": "fixed", "median": 90.0}}, range(7), 1, profiles=profiles
    )
    assert codes["weight"].tolist() == [80, 90, 55, 56, 40, 80, 90]
    assert frame["subject"].to_list() == ["p1", "p2", "p3", "p3", "p4", "p1", "p2"]
