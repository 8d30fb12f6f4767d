"""A study's archive holds one patient in every arm, and other simulators live the same treatment from it."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree as ET

import basico
import COPASI
import libsbml
import numpy as np
import polars as pl
import pytest
import roadrunner

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


@pytest.fixture(scope="module")
def entries(archive):
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name).decode() for name in opened.namelist()}


@pytest.fixture(scope="module")
def person(entries):
    return int(pl.read_csv(io.StringIO(entries["patient.tsv"]), separator="\t")["patient"][0])


@pytest.fixture(scope="module")
def lived(study, loaded, person):
    """Each arm as the engine lives it, with small errors: outputs (hours, variables) and their names."""
    program = engine.compile(loaded.sbml)
    found = {}
    for arm in study.arms:
        course = trial.patient(study, person, arm, model=loaded)
        start = np.array([[course.replay.start[name] for name in program.states]])
        run = program.ensemble(
            course.replay.parameters, n=1, start=start, events=course.replay.events, rtol=1e-8
        )
        values = run.advance(HOURS[-1], at=HOURS).values[0]
        found[arm] = pl.DataFrame(dict(zip(program.outputs, values.T, strict=True))), course
    return found


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


@pytest.mark.parametrize("arm", ["naldemedine", "placebo"])
def test_copasi_lives_the_same_treatment(entries, lived, loaded, arm):
    ours, _ = lived[arm]
    other = basico.load_model_from_string(entries[f"{arm}.xml"])
    try:
        frame = basico.run_time_course(
            values=[0.0, *HOURS], method="lsoda", r_tol=1e-10, a_tol=1e-12, use_sbml_id=True, model=other
        )
    finally:
        basico.remove_datamodel(other)
    names = list(loaded.observables["id"])
    assert agree(ours.select(names).to_numpy(), frame[names].to_numpy()[1:], 1e-5)


@pytest.mark.slow
def test_libroadrunner_lives_the_same_treatment(entries, lived, loaded):
    ours, _ = lived["naldemedine"]
    names = list(loaded.observables["id"])
    other = roadrunner.RoadRunner(entries["naldemedine.xml"])
    other.integrator.relative_tolerance = 1e-9
    other.integrator.absolute_tolerance = 1e-12
    other.timeCourseSelections = names
    theirs = np.array(other.simulate(times=[0.0, *HOURS]))[1:]
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
