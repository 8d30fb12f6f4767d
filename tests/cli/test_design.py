"""``opiome design`` on a small file and on files that cannot be used."""

from __future__ import annotations

import json

import polars as pl

from opiome.cli import main

FILE = """
opiome: 1
name: sizes
title: How many patients?
study: poulsen-2016
pool: 20
replicates: 100
candidates:
  - label: two doses
    arms: {one: [macrogol 17 g daily]}
    patients: [10, 20]
"""


def test_tables_and_page(capsys, tmp_path):
    file, out = tmp_path / "sizes.yaml", tmp_path / "out"
    file.write_text(FILE, encoding="utf-8")
    assert main(["design", str(file), "--out", str(out), "--threads", "1"]) == 0
    told = capsys.readouterr().out
    assert "How many patients?" in told
    assert "Page: " in told
    table = pl.read_parquet(out / "design.parquet")
    assert table["patients_per_arm"].to_list() == [10, 20]
    facts = json.loads((out / "design.json").read_text(encoding="utf-8"))
    assert facts["pool"] == 20
    assert "<svg" in (out / "design.html").read_text(encoding="utf-8")


def test_a_file_with_problems(capsys, tmp_path):
    file = tmp_path / "sizes.yaml"
    file.write_text(FILE.replace("pool: 20", "pol: 20"), encoding="utf-8")
    assert main(["design", str(file)]) == 2
    assert "unknown key 'pol'" in capsys.readouterr().err
    assert main(["design", str(tmp_path / "nothing.yaml")]) == 2
    assert "there is no such file" in capsys.readouterr().err
