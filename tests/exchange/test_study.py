"""A study's archive holds one patient in every arm, and other simulators live the same treatment from it."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree as ET

import COPASI
import libsbml
import numpy as np
import polars as pl
import pytest

from opiome import engine, exchange, model, trial
from opiome.errors import InputError

DAYS = 2
HOURS = np.arange(24 * DAYS) + 0.5  # between doses
SED = {"sed": "http://sed-ml.org/sed-ml/level1/version3"}


@pytest.fixture(scope="module")
def loaded():
    return model.load()


@pytest.fixture(scope="module")
def study():
    return trial.load_study("compose-4")


@pytest.fixture(scope="module")
def archive(study, loaded, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "study.omex"
    return exchange.write_study(path, study, days=DAYS, model=loaded)


def opened(archive):
    """The entries of an archive as text, and the number of its person."""
    with zipfile.ZipFile(archive) as file:
        entries = {name: file.read(name).decode() for name in file.namelist()}
    return entries, int(pl.read_csv(io.StringIO(entries["patient.tsv"]), separator="\t")["patient"][0])


@pytest.fixture(scope="module")
def entries(archive):
    return opened(archive)[0]


def replayed(course, program, hours):
    """What the engine computes with small errors: a column for each output."""
    start = np.array([[course.replay.start[name] for name in program.states]])
    events = course.replay.events
    run = program.ensemble(course.replay.parameters, n=1, start=start, events=events, rtol=1e-8)
    values = run.advance(hours[-1], at=hours).values[0]
    return pl.DataFrame(dict(zip(program.outputs, values.T, strict=True)))


@pytest.fixture(scope="module")
def lived(study, loaded, archive):
    """Each arm as the engine lives it, and the course of the trial."""
    program = engine.compile(loaded.sbml)
    _, person = opened(archive)
    courses = {arm: trial.patient(study, person, arm, model=loaded) for arm in study.arms}
    return {arm: (replayed(course, program, HOURS), course) for arm, course in courses.items()}


def agree(ours, theirs, allowed):
    """Whether curves agree, relative to the larger of each value and a thousandth of the curve's height."""
    size = np.abs(theirs) + 1e-3 * np.abs(theirs).max(axis=0) + 1e-12
    return bool((np.abs(ours - theirs) <= allowed * size).all())


def test_every_arm_is_a_model_of_the_archive(entries, study):
    assert {f"{arm}.xml" for arm in study.arms} < entries.keys()
    assert {"manifest.xml", "simulation.sedml", "patient.tsv"} < entries.keys()
    simulation = ET.fromstring(entries["simulation.sedml"])  # noqa: S314 - written by us
    course = simulation.find(".//sed:uniformTimeCourse", SED)
    assert (course.get("outputEndTime"), course.get("numberOfPoints")) == ("48.0", "48")
    for arm in study.arms:
        document = libsbml.readSBMLFromString(entries[f"{arm}.xml"])
        assert document.getNumErrors() == 0
        events = document.getModel().getListOfEvents()
        assert events.size()
        assert all("time" in libsbml.formulaToL3String(e.getTrigger().getMath()) for e in events)


def test_copasi_opens_the_archive(archive):
    data = COPASI.CRootContainer.addDatamodel()
    try:
        assert data.openCombineArchive(str(archive))
        course = data.getTask("Time-Course").getProblem()
        assert (course.getDuration(), course.getStepNumber()) == (24.0 * DAYS, 24 * DAYS)
        assert data.getModel().getNumModelValues() > 1000
    finally:
        COPASI.CRootContainer.removeDatamodel(data)


def test_the_arms_differ_by_their_drug_alone(entries):
    doses = {
        arm: pl.read_csv(io.StringIO(entries[f"doses_{arm}.tsv"]), separator="\t")
        for arm in ("naldemedine", "placebo")
    }
    states = {arm: set(table["CMT"]) for arm, table in doses.items()}
    assert states["naldemedine"] - states["placebo"] == {"antagonist_depot"}
    assert not states["placebo"] - states["naldemedine"]


def test_the_replay_is_what_the_trial_lived(lived):
    for again, course in lived.values():
        hourly = course.hourly.filter((pl.col("time_h") > 0) & (pl.col("time_h") < 24 * DAYS))
        names = [name for name in hourly.columns if name in again.columns]
        assert len(names) > 20
        assert agree(hourly.select(names).to_numpy(), again.select(names).to_numpy(), 2e-3)


@pytest.fixture
def simulators(copasi, libroadrunner):
    """SBML text, variables and times (h) to their values, in each of two programs."""

    def in_copasi(text, names, hours):
        return copasi(text, names, [0.0, *hours])[1:]

    def in_libroadrunner(text, names, hours):
        other = libroadrunner(text)
        other.integrator.relative_tolerance = 1e-9
        other.integrator.absolute_tolerance = 1e-12
        other.timeCourseSelections = list(names)
        return np.array(other.simulate(times=[0.0, *hours]))[1:]

    return {"COPASI": in_copasi, "libRoadRunner": in_libroadrunner}


@pytest.mark.parametrize("arm", ["naldemedine", "placebo"])
def test_copasi_lives_the_same_treatment(simulators, entries, lived, loaded, arm):
    ours, _ = lived[arm]
    names = list(loaded.observables["id"])
    theirs = simulators["COPASI"](entries[f"{arm}.xml"], names, HOURS)
    assert agree(ours.select(names).to_numpy(), theirs, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arm"),
    [
        ("fentanyl-mucositis", "fentanyl"),  # a patch
        ("imanaka-2013", "tapentadol"),  # doses raised by pain, rescue doses
        ("kamm-2011", "bisacodyl"),
        ("fmt-tian-2017", "fmt"),
    ],
)
def test_both_live_other_kinds_of_treatment(simulators, name, arm, loaded, tmp_path):
    days = 4
    hours = np.arange(24 * days) + 0.5
    study = trial.load_study(name)
    archive = exchange.write_study(tmp_path / "study.omex", study, days=days, model=loaded)
    entries, person = opened(archive)
    course = trial.patient(study, person, arm, model=loaded)
    names = list(loaded.observables["id"])
    ours = replayed(course, engine.compile(loaded.sbml), hours).select(names).to_numpy()
    for title, simulate in simulators.items():
        assert agree(ours, simulate(entries[f"{arm}.xml"], names, hours), 1e-5), title


def test_libroadrunner_lives_the_same_treatment(simulators, entries, lived, loaded):
    ours, _ = lived["naldemedine"]
    names = list(loaded.observables["id"])
    theirs = simulators["libRoadRunner"](entries["naldemedine.xml"], names, HOURS)
    assert agree(ours.select(names).to_numpy(), theirs, 1e-5)


def test_an_archive_is_not_overwritten_unasked(study, loaded, tmp_path):
    (tmp_path / "a.omex").touch()
    with pytest.raises(InputError, match="exists already"):
        exchange.write_study(tmp_path / "a.omex", study, model=loaded)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"days": 15}, "15 days cannot be simulated"),
        ({"days": 0}, "0 days cannot be simulated"),
        ({"days": -1}, "-1 days cannot be simulated"),
        ({"days": float("nan")}, "nan days cannot be simulated"),
        ({"variables": ["nrs", "pian"]}, "no variable 'pian'"),
    ],
)
def test_bad_questions_are_refused_before_anything_runs(study, loaded, tmp_path, changes, words):
    with pytest.raises(InputError) as caught:
        exchange.write_study(tmp_path / "a.omex", study, model=loaded, **changes)
    assert words in str(caught.value)
    assert caught.value.problems[0].remedy
