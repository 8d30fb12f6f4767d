"""A COMBINE archive holds all that another simulator needs to draw the same curves."""

from __future__ import annotations

import zipfile
from xml.etree import ElementTree as ET

import COPASI
import numpy as np
import pytest

from opiome import engine, exchange, model
from opiome.errors import InputError


@pytest.fixture
def toy(folder):
    return model.load(folder.path)


@pytest.fixture
def events():
    rows = [{"TIME": 1.0, "AMT": 1e5, "CMT": "opioid_depot", "II": 8.0, "ADDL": 2}]
    return engine.EventTable.from_rows(rows)


@pytest.fixture
def archive(toy, events, tmp_path):
    arms = {"untreated": exchange.sbml_text(toy), "treated": exchange.sbml_text(toy, events=events)}
    tables = {"events": events.to_polars().write_csv(separator="\t")}
    return exchange.write_archive(tmp_path / "study.omex", arms, ["effect"], 24.0, 48, tables=tables)


def test_manifest_names_every_entry(archive):
    with zipfile.ZipFile(archive) as opened:
        names = set(opened.namelist())
        manifest = ET.fromstring(opened.read("manifest.xml"))  # noqa: S314 - written by us
    located = {content.attrib["location"].removeprefix("./") for content in manifest} - {"."}
    assert located | {"manifest.xml"} == names
    assert names == {"manifest.xml", "untreated.xml", "treated.xml", "simulation.sedml", "events.tsv"}
    assert [c.attrib["location"] for c in manifest if c.attrib.get("master")] == ["./simulation.sedml"]


def test_same_content_is_the_same_archive(archive, toy, events, tmp_path):
    arms = {"untreated": exchange.sbml_text(toy), "treated": exchange.sbml_text(toy, events=events)}
    tables = {"events": events.to_polars().write_csv(separator="\t")}
    again = exchange.write_archive(tmp_path / "again.omex", arms, ["effect"], 24.0, 48, tables=tables)
    assert again.read_bytes() == archive.read_bytes()


def test_copasi_opens_and_simulates_it(toy, events, tmp_path):
    arms = {"treated": exchange.sbml_text(toy, events=events)}
    path = exchange.write_archive(tmp_path / "study.omex", arms, ["effect"], 24.0, 48)
    data = COPASI.CRootContainer.addDatamodel()
    try:
        assert data.openCombineArchive(str(path))
        task = data.getTask("Time-Course")
        assert (task.getProblem().getDuration(), task.getProblem().getStepNumber()) == (24.0, 48)
        task.getMethod().getParameter("Relative Tolerance").setDblValue(1e-10)
        assert task.process(True)  # noqa: FBT003 - COPASI's signature
        series = task.getTimeSeries()
        titles = [series.getTitle(i) for i in range(series.getNumVariables())]
        label = dict(toy.observables.select("id", "label").iter_rows())["effect"]
        column = next(i for i, title in enumerate(titles) if title in {f"Values[{label}]", "Values[effect]"})
        theirs = np.array([series.getConcentrationData(i, column) for i in range(series.getRecordedSteps())])
        times = np.array([series.getConcentrationData(i, 0) for i in range(series.getRecordedSteps())])
    finally:
        COPASI.CRootContainer.removeDatamodel(data)
    program = engine.compile(toy.sbml)
    ours = program.ensemble({}, n=1, events=events, rtol=1e-8).advance(24.0, at=times).values[0]
    keep = ~np.isin(times, [1.0, 9.0, 17.0])
    ours = ours[keep, program.outputs.index("effect")]
    np.testing.assert_allclose(ours, theirs[keep], rtol=1e-5, atol=1e-8)


def test_an_arm_needs_a_name(toy, tmp_path):
    with pytest.raises(InputError, match="'10 mg' cannot name an arm"):
        exchange.write_archive(tmp_path / "a.omex", {"10 mg": exchange.sbml_text(toy)}, ["effect"], 24.0)


def test_an_archive_is_not_overwritten_unasked(archive, toy):
    with pytest.raises(InputError, match="exists already"):
        exchange.write_archive(archive, {"arm": exchange.sbml_text(toy)}, ["effect"], 24.0)


def test_unwritable_place(toy, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        exchange.write_archive(tmp_path / "no" / "a.omex", {"arm": exchange.sbml_text(toy)}, ["effect"], 24.0)
