"""The whole way, once: a study file in, tables and a report out."""

from __future__ import annotations

import json
import shutil

import polars as pl
import pytest

import opiome
from opiome.cli import main

STUDY = """\
opiome: 1
name: mini
title: A week of naldemedine or placebo
sources: {me: Nobody 2026}
background: {duration: 4 weeks, opioid: {choices: [{regimen: oxycodone CR 20 mg every 12 h}]}}
run_in: {duration: 1 week}
arms:
  one: {label: One, regimen: [naldemedine 0.2 mg daily]}
  two: {label: Two, regimen: [placebo]}
treatment: {duration: 1 week}
endpoints:
  - {id: sbm, label: SBM per week, rule: mean, unit: per week}
published:
  - {endpoint: sbm, arm: two, value: 3.21, n: 50, unit: per week, source: me, role: check}
"""
TABLES = {"patients", "bands", "diary", "movements", "endpoints", "contrasts", "nodes"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a finished run of two patients per arm."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "mini.yaml").write_text(STUDY, encoding="utf-8")
    out = folder / "out"
    arguments = ["run", folder / "mini.yaml", "--patients", 2, "--seed", 7, "--threads", 1, "--out", out]
    assert main([str(argument) for argument in arguments]) == 0
    return folder


def test_tables_manifest_and_report_are_there(finished):
    out = finished / "out"
    assert {file.stem for file in out.glob("*.parquet")} == TABLES
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["seed"] == 7
    assert manifest["study"]["name"] == "mini"
    assert manifest["study_sha256"]
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")[:500].lower()
    endpoints = pl.read_parquet(out / "endpoints.parquet")
    assert endpoints.filter(pl.col("arm") == "two")["published"].to_list() == [3.21]


def test_the_door_gives_what_the_command_gives(finished):
    study = opiome.load_study(finished / "mini.yaml")
    results = opiome.simulate(study, patients=2, seed=7, threads=2)
    stored = opiome.Results.read(finished / "out")
    assert results.manifest["model"] == stored.manifest["model"]
    for name in TABLES:
        assert getattr(results, name).equals(getattr(stored, name)), name


def test_a_second_run_into_the_folder_needs_force(finished, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    study = str(finished / "mini.yaml")
    before = (out / "manifest.json").read_text(encoding="utf-8")
    assert main(["run", study, "--patients", "1", "--out", str(out)]) == 2
    assert (out / "manifest.json").read_text(encoding="utf-8") == before
    capsys.readouterr()
    assert main(["run", study, "--patients", "1", "--out", str(out), "--force"]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == f"Report: {out / 'report.html'}"
    assert "not advice for a patient" in shown.out
    assert "3.2" in shown.out  # the published value, in as many digits as the estimate has
    assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["counts"]["randomised"] == 2
