"""The qualification at a hundredth of its size: the rules, and the cheap experiments on a few people."""

import math
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "qualification"
sys.path.insert(0, str(HERE))

import experiments  # noqa: E402
import page  # noqa: E402
import run  # noqa: E402
from bench import Bench  # noqa: E402

CASES = {case["id"]: case for case in run.read(HERE / "cases.tsv")}


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
    assert run.holds(case, given) is expected


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
    text = page.render(list(CASES.values()), {}, run.holds)
    assert text.splitlines()[2].startswith("**0 of ")
    assert "no experiment" in text
