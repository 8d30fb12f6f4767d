"""Random regimens over the whole drug table, written in the dosing language and read by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opiome import regimen, streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opiome.model import Model
    from opiome.regimen import Dosing

__all__ = ["SEED", "pick", "random_regimen"]

SEED = 1
FOR_MICE = ("pellet", "injection")
BY_CLASS = {"antagonist": 24, "chemotherapy": 336, "checkpoint inhibitor": 504, "antibiotic": 8}
BY_FORMULATION = {"TD": 72, "CR": 12, "IR": 4, "SC": 6, "IV": 6}
"""Hours between doses; a day for all others."""
OTHERS = 0.15
"""How likely each drug beside opioids and antagonists is."""


def pick(purpose: str, who: np.ndarray | int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Uniform draws between two ends, one for each of ``who``."""
    return low + (high - low) * streams.uniform(SEED, f"standing/{purpose}", who)


def random_regimen(model: Model, number: int, days: int) -> list[Dosing]:
    """The regimen of a number: one or two opioids, perhaps an antagonist, and some of everything else.

    Doses are drawn between the drug table's least and largest, evenly in their logarithms; each course
    begins and ends on some day.
    """
    rows = [row for row in model.drugs.iter_rows(named=True) if row["formulation"] not in FOR_MICE]
    opioids = [row for row in rows if row["class"] == "opioid"]
    antagonists = [row for row in rows if row["class"] == "antagonist"]
    chosen = [_one_of(opioids, "opioid", number)]
    combined = bool(chosen[0]["parameters_key"])
    if not combined and pick("second", number) < 1 / 3:
        other = _one_of([r for r in opioids if not r["parameters_key"]], "other opioid", number)
        chosen += [other] if other["drug"] != chosen[0]["drug"] else []
    if not combined and pick("antagonist", number) < 1 / 2:
        chosen.append(_one_of(antagonists, "which antagonist", number))
    for row in rows:
        if row["class"] not in {"opioid", "antagonist"} and pick(f"take {row['drug']}", number) < OTHERS:
            chosen.append(row)
    return [regimen.parse(_words(row, number, days), model) for row in chosen]


def _one_of(rows: Sequence[dict[str, object]], purpose: str, number: int) -> dict[str, object]:
    return rows[int(pick(purpose, number) * len(rows))]


def _words(row: dict[str, object], number: int, days: int) -> str:
    drug = f"{row['drug']} {row['formulation']}".strip()
    low, high = (np.log(float(str(row[k]))) for k in ("min_dose", "max_dose"))
    dose = float(np.exp(pick(f"dose {drug}", number, low, high)))
    first = 1 + int(pick(f"first {drug}", number) ** 2 * days / 2)
    last = min(first + int(pick(f"length {drug}", number, 1, days)), days)
    hours = BY_CLASS.get(str(row["class"])) or BY_FORMULATION.get(str(row["formulation"])) or 24
    return f"{drug} {dose:.4g} {row['dose_unit']} every {hours} h from day {first} to day {last}"
