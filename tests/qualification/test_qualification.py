"""The qualification at a hundredth of its size: the rules, and the cheap experiments on a few people."""

import math
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

HERE = Path(__file__).parents[2] / "qualification"
sys.path.insert(0, str(HERE))

import experiments  # noqa: E402
import figures  # noqa: E402
import page  # noqa: E402
import table  # noqa: E402
from bench import Bench  # noqa: E402
from rules import Judged  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
CASES = {case["id"]: case for case in table.read(HERE / "cases.tsv")}


def answer(value, low=None, high=None):
    low, high = (value if x is None else x for x in (low, high))
    return {"value": str(value), "low": str(low), "high": str(high), "model": "m", "date": "d"}


@pytest.mark.parametrize(
    ("case", "given", "expected"),
    [
        ({"rule": "value", "published": "40", "unit": "%"}, answer(44, 35, 50), True),
        ({"rule": "value", "published": "40", "unit": "%"}, answer(50, 35, 60), False),  # error above 8
        (
            {"rule": "value", "published": "40", "unit": "%"},
            answer(41, 40.5, 42),
            False,
        ),  # outside the interval
        ({"rule": "value", "published": "2", "unit": "h"}, answer(2.3, 1, 4), True),
        ({"rule": "value", "published": "2", "unit": "h"}, answer(2.5, 1, 4), False),
        ({"rule": "range", "low": "1", "high": "2"}, answer(1.5), True),
        ({"rule": "range", "low": "1", "high": "2"}, answer(2.5), False),
        ({"rule": "direction"}, answer(0.95), True),
        ({"rule": "direction"}, answer(0.85), False),
    ],
)
def test_a_rule_is_applied_as_written(case, given, expected):
    assert Judged(case, given).holds is expected


def test_the_table_of_cases_is_large_enough_and_every_row_can_be_judged():
    assert len(CASES) >= 40
    assert sum(case["tag"] == "check" for case in CASES.values()) >= 25
    for case in CASES.values():
        assert case["source"]
        if case["rule"] == "value":
            float(case["published"])
        elif case["rule"] == "range":
            assert float(case["low"]) < float(case["high"])
        else:
            assert case["rule"] == "direction"


@pytest.mark.parametrize("function", [experiments.untreated, experiments.endotoxin, experiments.restoration])
def test_an_experiment_answers_its_cases(function):
    found = dict(function(Bench(8)))
    assert found
    assert found.keys() <= CASES.keys()
    assert all(math.isfinite(x) for values in found.values() for x in values)


def test_the_page_opens_with_the_score_and_counts_what_is_missing_as_a_miss():
    text = page.render([Judged(case) for case in CASES.values()], {})
    assert text.splitlines()[2].startswith("**0 of ")
    assert "no experiment" in text


def test_a_miss_is_explained_below_its_table():
    name = next(case["id"] for case in CASES.values() if case["rule"] == "range")
    missed = [Judged(case, answer(1e9) if name == case["id"] else None) for case in CASES.values()]
    measure = CASES[name]["measure"]
    assert f"- **{measure}**: because" in page.render(missed, {name: "because"})
    assert f"- **{measure}**: not explained yet" in page.render(missed, {})


def test_the_standing_checks_are_on_the_page():
    row = {"check": "drift", "people": "1000", "refused": "2", "failed": "0", "broken": "0"}
    text = page.render([], {}, [row | {"worst": "2e-11", "where": "right_G6", "model": "m", "date": "d"}])
    assert "random untreated people | 1000 | 2 | 0 | 0 | 2e-11 (right_G6) | m, d |" in text


def test_reasons_belong_to_cases():
    reasons = table.read(HERE / "misses.tsv")
    assert {row["id"] for row in reasons} <= CASES.keys()
    assert len({row["id"] for row in reasons}) == len(reasons)
    assert all(row["reason"] for row in reasons)


def test_every_case_has_a_strip_in_a_picture_and_a_square_on_the_board(tmp_path):
    judged = [Judged(case, answer(0.5, 0.1, 0.9)) for case in CASES.values()]
    judged[0] = Judged(judged[0].case)
    files = page.draw(judged, tmp_path)
    text = page.render(judged, {})
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert all(f"({page.PICTURES}/{file.name})" in text for file in files)
    drawn = [ET.fromstring(file.read_text(encoding="utf-8")) for file in files]  # noqa: S314 - written by us
    squares = [item for item in drawn[0].iter(f"{SVG}rect") if item.get("width") == "15"]
    assert len(squares) == len(CASES) + 5  # and the key
    words = [item.text for picture in drawn[1:] for item in picture.iter(f"{SVG}text")]
    verdicts = [word for word in words if word in {"\u2713 holds", "\u2717 miss", "\u2013 no experiment"}]
    assert len(verdicts) == len(CASES)


def test_a_strip_shows_value_interval_and_what_the_rule_takes():
    case = {"measure": "m", "situation": "s", "tag": "fit", "rule": "value", "unit": "h", "published": "40"}
    root = ET.fromstring(figures.strips("s", [Judged(case, answer(44, 10, 50))]))  # noqa: S314 - written by us
    dot = list(root.iter(f"{SVG}circle"))[-1]
    assert dot.get("fill") == figures.HOLDS
    scale = (float(dot.get("cx")) - figures.LEFT) / 44  # pixels an hour; the axis begins at 0
    (line,) = [item for item in root.iter(f"{SVG}line") if item.get("stroke") == figures.HOLDS][1:]
    assert float(line.get("x1")) == pytest.approx(figures.LEFT + 10 * scale, abs=0.2)
    assert float(line.get("x2")) == pytest.approx(figures.LEFT + 50 * scale, abs=0.2)
    band = list(root.iter(f"{SVG}rect"))[-1]
    assert float(band.get("x")) == pytest.approx(figures.LEFT + 32 * scale, abs=0.2)
    assert float(band.get("width")) == pytest.approx(16 * scale, abs=0.2)
    missed = ET.fromstring(figures.strips("s", [Judged(case, answer(60, 50, 70))]))  # noqa: S314
    assert list(missed.iter(f"{SVG}circle"))[-1].get("fill") == "#ffffff"
