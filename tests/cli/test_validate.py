"""``opiome validate`` on one shipped study."""

from __future__ import annotations

import json

import polars as pl

from opiome.cli import main


def test_one_study_with_table_page_and_figure(capsys, tmp_path):
    code = main(["validate", "exheal", "--patients", "4", "--out", str(tmp_path), "--threads", "1"])
    out = capsys.readouterr().out
    assert code == 0
    assert "of 1 published values lie in the model's 90 % predictive interval (check: " in out
    names = {"studies", "validation.json", "validation.md", "validation.parquet", "validation.svg"}
    assert {file.name for file in tmp_path.iterdir()} == names
    assert pl.read_parquet(tmp_path / "validation.parquet")["study"].to_list() == ["exheal"]
    assert list(json.loads((tmp_path / "validation.json").read_text(encoding="utf-8"))["studies"]) == [
        "exheal"
    ]
    page = (tmp_path / "validation.md").read_text(encoding="utf-8")
    assert "- Patients: 4 per arm" in page
    assert "](validation.svg)" in page


def test_a_study_that_is_not_there(capsys, tmp_path):
    assert main(["validate", "exhale", "--out", str(tmp_path / "out")]) == 2
    assert "Did you mean 'exheal'" in capsys.readouterr().err
