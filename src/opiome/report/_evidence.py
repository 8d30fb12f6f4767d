"""Where the numbers and the arrows of the model come from, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from opiome.report._words import joined

if TYPE_CHECKING:
    from opiome.report._biology import Biology

__all__ = ["Assumption", "Share", "assumptions", "evidence_shares", "grades_text"]

_MEANINGS = {
    "seen": ("The value was read in the source that is named.", "#00755a"),
    "derived": ("Computed from values that were read; the note says how.", "#5aa08e"),
    "recalled": ("Known, but its source was not read again: to be checked.", "#d9a441"),
    "assumed": ("A judgement, because no source was found; the note says why.", "#b04a00"),
    "not stated": ("The table gives no grade.", "#9aa0a8"),
}


@dataclass(frozen=True)
class Share:
    """How many numbers have one grade of evidence; ``share`` is text in percent."""

    name: str
    count: int
    share: str
    meaning: str
    colour: str


@dataclass(frozen=True)
class Assumption:
    """One assumed number."""

    name: str
    value: str
    unit: str
    note: str


def _numbers(biology: Biology) -> pl.DataFrame:
    """Return parameters and drug quantities as one table of name, value, unit, evidence and note."""
    parameters = biology.parameters.with_columns(name=pl.col("id"))
    drugs = biology.pharmacology.with_columns(
        name=pl.concat_str("drug", "formulation", "quantity", separator=" ").str.replace_all("  ", " ")
    )
    columns = ["name", "value", "unit", "evidence", "note"]
    return pl.concat([parameters.select(columns), drugs.select(columns)])


def evidence_shares(biology: Biology) -> list[Share]:
    """Return the grades of evidence with their counts, best first; empty if the model has no such table."""
    graded = _numbers(biology)["evidence"].str.to_lowercase().replace("", "not stated")
    if graded.is_empty():
        return []
    counted = dict(graded.value_counts().iter_rows())
    names = [*_MEANINGS, *sorted(set(counted) - set(_MEANINGS))]
    return [
        Share(
            name,
            counted[name],
            f"{100 * counted[name] / len(graded):.0f}\N{NO-BREAK SPACE}%",
            *_meaning(name),
        )
        for name in names
        if counted.get(name)
    ]


def _meaning(name: str) -> tuple[str, str]:
    return _MEANINGS.get(name, ("", "#9aa0a8"))


def assumptions(biology: Biology) -> list[Assumption]:
    """Return the numbers that are graded as assumed, by name."""
    found = _numbers(biology).filter(pl.col("evidence").str.to_lowercase() == "assumed").sort("name")
    labels = dict(biology.units.select("id", "label").iter_rows())
    return [
        Assumption(row["name"], _short(row["value"]), labels.get(row["unit"]) or row["unit"], row["note"])
        for row in found.iter_rows(named=True)
    ]


def _short(value: str) -> str:
    try:
        return f"{float(value):g}"
    except ValueError:
        return value


def grades_text(biology: Biology) -> tuple[str, int]:
    """Return how many arrows have each grade, in words, and how many are contested."""
    counted = sorted(biology.edges["grade"].value_counts().iter_rows())
    text = joined([f"{count} rest on evidence of grade {grade}" if place == 0 else f"{count} on grade {grade}"
                   for place, (grade, count) in enumerate(counted)])  # fmt: skip
    return text, int((biology.edges["contested"] == "yes").sum())
