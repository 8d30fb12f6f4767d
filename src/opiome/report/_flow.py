"""Flow of participants, as trial reports give it: screened, failed by reason, randomised, what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opiome.report._tables import Tables

__all__ = ["ArmFlow", "Flow", "flow"]

_COMPLETED = ("completed", "complete", "ok", "")


@dataclass(frozen=True)
class ArmFlow:
    """What became of the patients of one arm: ``left`` counts by reason those who did not complete."""

    arm: str
    label: str
    randomised: int
    completed: int
    left: dict[str, int]


@dataclass(frozen=True)
class Flow:
    """Counts of a trial's participants; None or empty where the results do not say."""

    screened: int | None
    failed: dict[str, int]
    excluded: dict[str, int]
    randomised: int
    arms: tuple[ArmFlow, ...]


def flow(tables: Tables) -> Flow:
    """Return the flow of participants, from the manifest's counts and the table of patients."""
    counts = tables.manifest.get("counts")
    counts = counts if isinstance(counts, dict) else tables.manifest
    failed = _by_reason(_first(counts, "screen_failures", "failed", "screening_failures"))
    screened = _first(counts, "screened")
    return Flow(
        screened=int(screened) if isinstance(screened, (int, float)) else None,
        failed=failed,
        excluded=_by_reason(_first(counts, "excluded", "failures")),
        randomised=tables.patients.height,
        arms=tuple(_arm(tables, arm) for arm in tables.arms) if tables.patients.height else (),
    )


def _arm(tables: Tables, arm: str) -> ArmFlow:
    outcomes = tables.patients.filter(pl.col("arm") == arm)["outcome"].fill_null("")
    counted = {row[0]: row[1] for row in outcomes.value_counts(sort=True).sort("count", descending=True).iter_rows()}
    completed = sum(count for name, count in counted.items() if name.casefold() in _COMPLETED)
    left = {_plain(name): count for name, count in counted.items() if name.casefold() not in _COMPLETED}
    return ArmFlow(arm, tables.labels[arm], len(outcomes), completed, left)


def _first(counts: Mapping[str, Any], *names: str) -> object:
    return next((counts[name] for name in names if counts.get(name) is not None), None)


def _by_reason(given: object) -> dict[str, int]:
    if isinstance(given, dict):
        pairs = [(str(name), value) for name, value in given.items() if isinstance(value, (int, float)) and value]
        return {_plain(name): int(value) for name, value in sorted(pairs, key=lambda pair: -pair[1])}
    return {"for any reason": int(given)} if isinstance(given, (int, float)) and given else {}


def _plain(name: str) -> str:
    return name.replace("_", " ").casefold() if name.isupper() else name.replace("_", " ")
