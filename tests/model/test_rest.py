"""The numbers of the model that follow from the others: the tables are what the generator writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from opiome import engine, model
from opiome.cli import main

SHIPPED = Path(model.__file__).parent


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped model's tables and fragments."""
    made = tmp_path / "model"
    shutil.copytree(SHIPPED, made, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return made


def test_the_shipped_tables_are_what_the_generator_writes():
    assert model.write_rest(model.load(), check=True) == []


def test_spoilt_numbers_are_written_again_and_nothing_else(folder):
    """Only the cells of stale numbers change."""
    table = folder / "parameters" / "untreated.tsv"
    gut = folder / "parameters" / "gut.tsv"
    before = {file: file.read_text(encoding="utf-8") for file in (table, gut)}
    spoilt = before[table].splitlines(keepends=True)
    wrong = ("left_water_start", "right_G2_limit", "amp_baseline")
    rows = [k for k, line in enumerate(spoilt) if line.startswith(wrong)]
    assert len(rows) == 3
    for k in rows:
        cells = spoilt[k].split("\t")
        spoilt[k] = "\t".join([cells[0], f"{1.3 * float(cells[1]):.4g}", *cells[2:]])
    table.write_text("".join(spoilt), encoding="utf-8")
    gut.write_text(before[gut].replace("healthy_flora_signal\t", "healthy_flora_signal\t1"), encoding="utf-8")
    loaded = model.load(folder, strict=False)
    stale = sorted([*wrong, "healthy_flora_signal"])
    program = engine.compile(model.load().sbml)
    assert sorted(model.write_rest(loaded, program, check=True)) == stale
    assert sorted(model.write_rest(loaded, program)) == stale
    after = {file: file.read_text(encoding="utf-8") for file in (table, gut)}
    for file, text in before.items():
        for one, other in zip(text.split("\n"), after[file].split("\n"), strict=True):
            if one != other:
                old, new = one.split("\t"), other.split("\t")
                assert old[0] in stale
                assert (old[0], *old[2:]) == (new[0], *new[2:])
                assert float(new[1]) == pytest.approx(float(old[1]), rel=1e-9)


def test_the_command_says_that_nothing_is_to_do(capsys):
    assert main(["model", "rest", str(SHIPPED), "--check"]) == 0
    assert "up to date" in capsys.readouterr().out
