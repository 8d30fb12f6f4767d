"""The page and the figure of the library of published trials."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import polars as pl
import pytest

from opiome import report
from opiome.errors import ResultsError

ROW = {
    "study": "one", "title": "A | trial", "endpoint": "e", "label": "Responders", "arm": "a",
    "arm_label": "Active", "against": None, "kind": "proportion", "unit": "%", "role": "check",
    "evidence": "seen", "source": "S", "published": 40.0, "published_low": None, "published_high": None,
    "estimate": 45.0, "predictive_low": 35.0, "predictive_high": 55.0, "published_n": 100, "simulated": 60,
    "covered": True,
}  # fmt: skip
HOURS = ROW | {"study": "two", "unit": "h"}


@pytest.fixture
def table():
    return pl.DataFrame(
        [
            ROW,
            ROW | {"arm": "p", "arm_label": "Placebo", "published": 60.0, "role": "fit", "covered": False},
            HOURS | {"published": 30.0, "predictive_high": None, "evidence": "recalled"},
            HOURS | {"against": "p", "published": -3.0, "covered": None},
            ROW | {"study": "two", "unit": "points", "against": "p", "published": -3.0},
        ],
        infer_schema_length=None,
    )  # fmt: skip


def test_the_page_tells_every_value_and_the_score(table, tmp_path):
    path = report.validation_page(
        table,
        "4 of 5 lie",
        tmp_path / "page.md",
        facts={"Model": "`abc`"},
        failed={"three": "nobody qualified"},
    )
    text = path.read_text(encoding="utf-8")
    assert "4 of 5 lie." in text
    assert "- Model: `abc`" in text
    assert "| one | 1 of 1 | 0 of 1 | A \\| trial |" in text
    assert "| one | Responders | Active | % | 45.0 (35.0 to 55.0) | 40.0 | 100 | check | yes |" in text
    assert "| 60.0 | 100 | fit | **no** |" in text
    assert "(recalled)" in text
    assert "Active minus p" in text
    assert "not judged" in text
    assert "- three: nobody qualified" in text
    assert text.count("\n| one |") == 3  # the study, and its two values
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert links == ["validation.svg"]  # the page is written into any folder


def test_the_figure_has_a_row_for_each_value_and_an_axis_for_each_unit(table, tmp_path):
    path = report.validation_picture(table, tmp_path / "figure.svg")
    text = " ".join(ET.parse(path).getroot().itertext())  # noqa: S314  # our own file
    assert text.count("Responders · Active") == 4
    assert text.count("Responders · Placebo") == 1
    for heading in ("Per cent", "Hours", "Difference between arms: Bowel Function Index, points"):
        assert heading in text
    assert text.count("✓ check") == 3
    assert text.count("✗ fit") == 1
    assert "3 of 4 lie inside" in text


def test_nothing_to_draw_or_nowhere_to_write(table, tmp_path):
    with pytest.raises(ResultsError, match="no rows"):
        report.validation_picture(table.clear(), tmp_path / "figure.svg")
    with pytest.raises(ResultsError, match="cannot be written"):
        report.validation_picture(table, tmp_path / "missing" / "figure.svg")
