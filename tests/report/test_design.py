"""The page, picture and summary of a comparison of designs, from tables made by hand."""

from __future__ import annotations

import re

import polars as pl
import pytest
from rich.console import Console

from opiome.errors import ResultsError
from opiome.report import design_html, design_summary

FACTS = {"study": "compose-1", "alpha": 0.05, "replicates": 2000, "pool": 400, "draws": 16, "refused": 2,
         "lost": 3, "seed": 1, "model_sha256": "0123456789abcdef"}  # fmt: skip


def row(candidate, label, per_arm, power, **more):
    return {
        "candidate": candidate,
        "label": label,
        "arms": "Naldemedine 0.2 mg",
        "endpoint": "responder",
        "endpoint_label": "Responders <9 of 12 weeks>",
        "unit": "%",
        "kind": "proportion",
        "analysis": "risk difference (Newcombe), score test",
        "measure": "risk difference",
        "duration_days": 84,
        "patients_per_arm": per_arm,
        "patients": 2 * per_arm,
        "power": power,
        "power_low": max(power - 0.04, 0),
        "power_high": min(power + 0.04, 1),
        "opposite": 0.001,
        "nominal": 0.05,
        "type1": 0.048,
        "type1_low": 0.04,
        "type1_high": 0.058,
        "assurance": None,
        "assurance_low": None,
        "assurance_high": None,
        "effect": 13.0,
        "effect_low": 6.0,
        "effect_high": 20.0,
    } | more


@pytest.fixture
def table():
    assured = {"assurance": 0.61, "assurance_low": 0.45, "assurance_high": 0.77}
    rows = [
        row(0, "as published", n, power, **assured) for n, power in ((100, 0.55), (200, 0.83), (273, 0.92))
    ]
    rows.append(row(1, "shorter & cheaper", 150, 0.71, duration_days=28, **assured))
    rows.append(row(2, "two doses", 150, 0.64, type1=0.09, type1_low=0.08, type1_high=0.1))
    return pl.DataFrame(rows, infer_schema_length=None)


def written(table, tmp_path, **more):
    page = design_html(table, tmp_path / "design.html", "How many patients?", FACTS, **more)
    return page.read_text(encoding="utf-8").replace("\u00a0%", " %")


def test_the_page_says_what_the_table_says(table, tmp_path):
    draws = pl.DataFrame({"candidate": [0] * 4, "patients_per_arm": [273] * 4, "power": [0.0, 0.5, 0.9, 1.0]})
    text = written(table, tmp_path, draws=draws)
    assert "the smallest of them is “as published” with 400 patients in all (83.0 %)" in text
    assert "The error under the null is off the nominal one in “two doses” (9.0 %)" in text
    assert "in 2 of them the trial cannot recruit" in text
    assert "3 people could not be simulated" in text
    assert "shorter &amp; cheaper" in text
    assert "Responders &lt;9 of 12 weeks&gt;" in text
    assert text.count("<svg") == 2
    assert "<script" not in text
    assert "http" not in re.sub(r'xmlns[^"]*"[^"]*"', "", text)
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_one_size_has_no_curve(table, tmp_path):
    text = written(table.tail(2), tmp_path)
    assert text.count("<svg") == 1
    assert "No design has a power of 80 %; “shorter &amp; cheaper” with 300 patients in all comes" in text


def test_without_assurance_nothing_is_said_of_it(table, tmp_path):
    text = written(table.tail(1), tmp_path)
    assert "Assurance, %" not in text
    assert "draws of a model" not in text


def test_a_page_that_cannot_be_written(table, tmp_path):
    with pytest.raises(ResultsError, match="cannot be written"):
        design_html(table, tmp_path / "nowhere" / "design.html", "x", FACTS)


def test_summary_for_the_terminal(table):
    console = Console(width=160)
    with console.capture() as captured:
        console.print(design_summary(table, "How many patients?"))
    text = captured.get()
    assert "83.0 (79.0 to 87.0)" in text
    assert "61.0" in text
    assert "Research tool" in text
