"""The summary on the terminal."""

from __future__ import annotations

import io
from types import SimpleNamespace

import polars as pl
from rich.console import Console

from opiome import report


def printed(results, width=140) -> str:
    console = Console(file=io.StringIO(), width=width, no_color=True, force_terminal=False)
    console.print(report.summary(results))
    return console.file.getvalue()


def test_verdicts_are_words_without_colour(results):
    lines = printed(results).splitlines()
    assert sum(line.rstrip().endswith(" hit") for line in lines) == 6
    assert sum(line.rstrip().endswith(" miss") for line in lines) == 2
    assert sum(line.rstrip().endswith("not published") for line in lines) == 3


def test_the_published_value_stands_beside_the_estimate(results):
    line = next(line for line in printed(results).splitlines() if "43.9 to 56.1" in line)
    assert "50.2" in line
    assert "47.6" in line
    assert line.index("50.2") < line.index("47.6")


def test_names_are_not_read_as_markup(results):
    manifest = results.manifest | {"arms": {"active": {"label": "[bold]x[/nothing]"}}}
    manifest["study"] = manifest["study"] | {"arms": {}}
    assert "[bold]x[/nothing]" in printed(SimpleNamespace(**vars(results) | {"manifest": manifest}))


def test_nothing_to_tell_is_told(results):
    empty = SimpleNamespace(endpoints=results.endpoints.clear())
    assert "No published value" in printed(empty)


def test_a_narrow_terminal_keeps_the_verdict(results):
    assert printed(results, width=80).count("miss") >= 2


def test_no_published_values(results):
    none = {c: pl.lit(None) for c in ("published", "hit", "predictive_low", "predictive_high")}
    bare = {name: getattr(results, name).with_columns(**none) for name in ("endpoints", "contrasts")}
    text = printed(SimpleNamespace(**vars(results) | bare))
    assert "hit" not in text
    assert "90 % predicted" not in text
