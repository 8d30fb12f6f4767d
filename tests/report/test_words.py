"""Numbers as text, and the sentences of the answer."""

from __future__ import annotations

import math
from types import SimpleNamespace

import polars as pl
import pytest

from opiome.report._rows import Row, contrast_rows, endpoint_rows, primary
from opiome.report._tables import read_tables
from opiome.report._words import (
    _held,
    agreement,
    answer,
    fold,
    interval,
    joined,
    lower,
    number,
    quantity,
    verdict,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (47.6, "47.6"),
        (4.666, "4.67"),
        (0.0512, "0.051"),
        (123.4, "123"),
        (-2.5, "\N{MINUS SIGN}2.50"),
        (12345.0, "12 345"),
        (0.00002, "2.0e\N{MINUS SIGN}05"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert number(value).replace("\N{NARROW NO-BREAK SPACE}", " ") == text


def test_intervals_and_units():
    assert interval(-1.0, 2.0, 1) == "\N{MINUS SIGN}1.0 to 2.0"
    assert interval(None, None) == ""
    assert interval(None, 2.0, 1) == "– to 2.0"
    assert quantity(3.0, "h", 1) == "3.0\N{NO-BREAK SPACE}h"
    assert quantity(None, "h") == "–"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (0.0, "×1.00"),
        (1.0, "×2.00"),
        (-1.0, "×0.50"),
        (4.0, "×16.0"),
        (-20.0, "< ×0.01"),
        (None, "no value"),
        (900.0, "> ×100"),
    ],
)
def test_folds(change, text):
    assert fold(change) == text


def test_verdicts_are_words():
    assert [verdict(*cell) for cell in ((True, 1.0), (False, 1.0), (None, 1.0), (True, None))] == [
        "hit",
        "miss",
        "not judged",
        "not published",
    ]


def test_lists_and_labels_read_as_sentences():
    assert joined(["a"]) == "a"
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert joined(["a, x", "b"]) == "a, x; and b"
    assert joined(["a and b", "c"]) == "a and b; and c"
    assert _held(2, 2, "published value", "here") == "Of 2 published values, all lie here"
    assert _held(0, 1, "published value", "here") == "The one published value does not lie here"
    assert _held(1, 3, "published difference between arms", "here") == (
        "Of 3 published differences between arms, 1 lies here"
    )
    assert lower("Placebo") == "placebo"
    assert lower("SBM per week") == "SBM per week"


def sentences(results) -> str:
    tables = read_tables(results)
    return " ".join(answer(tables, primary(tables), endpoint_rows(tables), contrast_rows(tables)))


def test_the_answer_says_what_the_numbers_say(results):
    text = sentences(results).replace("\N{NO-BREAK SPACE}", " ")
    assert "antagonist 0.2 mg daily to 60 virtual patients and placebo to 60 virtual patients" in text
    assert "50.2 % with antagonist 0.2 mg daily (95 % interval 43.9 to 56.1, published 47.6 %)" in text
    assert "is 25.9 percentage points (17.4 to 34.3), which tells the arms apart" in text
    assert "Of 6 published values, 5 lie in the model’s predictive interval" in text
    assert "of the 4 that calibration does not use, 4 do." in text
    assert "with placebo (model 24.3, published 36.6 %)" in text


def test_an_interval_over_zero_does_not_tell_arms_apart(results):
    contrasts = results.contrasts.with_columns(low=pl.lit(-3.0))
    assert "which does not tell the arms apart" in sentences(
        SimpleNamespace(**vars(results) | {"contrasts": contrasts})
    )


def test_all_misses_are_counted_and_four_named(results):
    endpoints = results.endpoints.with_columns(hit=pl.when(pl.col("published").is_not_null()).then(False))  # noqa: FBT003
    text = sentences(SimpleNamespace(**vars(results) | {"endpoints": endpoints}))
    assert "Of 6 published values, none lies in" in text
    assert "4 more, marked in the table" in text


def test_hits_with_a_large_error_are_told(results):
    endpoints = results.endpoints.with_columns(error=pl.lit(50.0), hit=pl.col("published").is_not_null())
    assert "Of those inside, 6 miss this project’s second rule" in sentences(
        SimpleNamespace(**vars(results) | {"endpoints": endpoints})
    )


def test_a_median_that_was_not_reached_is_told(results):
    endpoints = results.endpoints.with_columns(kind=pl.lit("time"), estimate=pl.lit(None, dtype=pl.Float64))
    rows = endpoint_rows(read_tables(SimpleNamespace(**vars(results) | {"endpoints": endpoints})))
    assert {row.model_text for row in rows} == {"median not reached"}


def test_an_easy_hit_is_told(results):
    assert "Fewer patients were simulated than the trial had" in sentences(results)
    many = results.endpoints.with_columns(n=pl.lit(500))
    assert "Fewer patients" not in sentences(SimpleNamespace(**vars(results) | {"endpoints": many}))


def test_a_trial_that_published_a_difference_alone():
    known = {"endpoint": "e", "label": "Pain", "arm": "a", "arm_label": "A", "unit": "NRS"}
    arm = Row(**known, estimate=4.0, low=3.0, high=5.0)
    between = Row(
        **known,
        estimate=-0.1,
        low=-0.5,
        high=0.3,
        published=-0.3,
        hit=True,
        reference="B",
        measure="difference",
    )
    assert agreement([arm], [between]) == ["The one published value lies in the model’s predictive interval."]
    assert agreement([arm], [])[0].startswith("No published value")
