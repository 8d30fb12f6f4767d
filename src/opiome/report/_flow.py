"""Flow of participants, as trial reports give it: screened, left out and why, what became of the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from opiome.report._tables import Tables

__all__ = ["ArmFlow", "Flow", "flow"]

_CONDITION = re.compile(r"[<>=]|\d to \d")
_SPELT = {"<=": "≤", ">=": "≥", "egfr": "eGFR"} | {
    word: word.upper() for word in ("bfi", "bm", "csbm", "ecog", "nrs", "ome", "sbm")
}
_COMPUTED = ("ok", "completed", "")
"""Outcomes of a patient whose simulation ran to the end."""


@dataclass(frozen=True)
class ArmFlow:
    """What became of the patients of one arm; ``completed`` and ``left`` are None where that is not known.

    ``failed`` counts by outcome those whose simulation failed; they are in no estimate.
    """

    arm: str
    label: str
    randomised: int
    completed: int | None
    left: int | None
    failed: dict[str, int]


@dataclass(frozen=True)
class Flow:
    """Counts of a trial's participants; None or empty where the results do not say."""

    screened: int | None
    excluded: dict[str, int]
    randomised: int
    arms: tuple[ArmFlow, ...]


def flow(tables: Tables) -> Flow:
    """Return the flow of participants, from the manifest's counts and the table of patients."""
    counts = tables.manifest.get("counts")
    counts = counts if isinstance(counts, dict) else {}
    screened = counts.get("screened")
    return Flow(
        screened=int(screened) if isinstance(screened, (int, float)) else None,
        excluded=_by_reason(counts.get("excluded")),
        randomised=tables.patients.height,
        arms=tuple(_arm(tables, arm) for arm in tables.arms) if tables.patients.height else (),
    )


def _arm(tables: Tables, arm: str) -> ArmFlow:
    patients = tables.patients.filter(pl.col("arm") == arm)
    computed = pl.col("outcome").fill_null("").str.to_lowercase().is_in(_COMPUTED)
    well = patients.filter(computed)
    known = well["completed"].null_count() < max(well.height, 1)
    completed = int(well["completed"].sum()) if known else None
    return ArmFlow(
        arm=arm,
        label=tables.labels[arm],
        randomised=patients.height,
        completed=completed,
        left=None if completed is None else well.height - completed,
        failed=_by_reason(dict(patients.filter(~computed)["outcome"].value_counts().iter_rows())),
    )


def _by_reason(given: object) -> dict[str, int]:
    """Return counts by reason in plain words, the commonest first."""
    if not isinstance(given, dict):
        return {}
    pairs = [(str(name), value) for name, value in given.items() if isinstance(value, (int, float)) and value]
    return {_plain(name): int(value) for name, value in sorted(pairs, key=lambda pair: (-pair[1], pair[0]))}


def _plain(name: str) -> str:
    """Return a reason as people read it; a condition of the study becomes what was not met."""
    if name.isupper():
        return name.replace("_", " ").casefold()
    text = " ".join(_SPELT.get(word, word) for word in name.replace("_", " ").split(" "))
    return f"did not meet {text}" if _CONDITION.search(name) else text
