"""The numbers of the diary (``diary.tsv``) and the daily rhythm of bowel movements (``clock.tsv``)."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from opiome.errors import ModelError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DiaryNumbers", "diary_numbers", "table_rows"]


@dataclass(frozen=True)
class DiaryNumbers:
    """The values of ``diary.tsv``, which gives each one's unit, range, source and grade."""

    clock_at_zero: float
    interval_shape: float
    sitting: float
    day_sd: float
    week_sd: float
    spell_sd: float
    nonspecific_median: float
    nonspecific_sd: float
    nonspecific_half: float
    nonspecific_onset: float
    nonspecific_at_once: float
    person_share: float
    bristol_sd: float
    hard_form: float
    blockage_ratio: float
    manual_ratio: float
    nrs_sd: float
    missing_day: float
    missed_dose: float
    bfi_untroubled: float
    pac_sym_abdominal: float
    pac_sym_rectal: float
    pac_qol_burden: float
    rescue_window: float
    rescue_uptake: float
    rescue_uptake_sd: float
    rhythm: tuple[float, ...] = field(default=(1.0,) * 24)
    """Relative evacuation rate in each hour of model time (hour 0 first), with mean 1."""


def table_rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of one of this room's tables of numbers."""
    text = resources.files("opiome.trial").joinpath(name).read_text(encoding="utf-8")
    return csv.DictReader(text.splitlines(), delimiter="\t")


@cache
def diary_numbers() -> DiaryNumbers:
    """The shipped numbers; raises ModelError if a row is missing or unknown."""
    values = {row["id"]: float(row["value"]) for row in table_rows("diary.tsv")}
    expected = {item.name for item in fields(DiaryNumbers)} - {"rhythm"}
    if set(values) != expected:
        names = ", ".join(sorted(set(values) ^ expected))
        raise ModelError(
            Problem(f"missing or unknown rows: {names}", file="diary.tsv", remedy="restore the shipped table")
        )
    weights = [float(row["weight"]) for row in table_rows("clock.tsv")]
    mean = sum(weights) / len(weights)
    shift = round(values["clock_at_zero"])
    rhythm = tuple(weights[(hour + shift) % 24] / mean for hour in range(24))
    return DiaryNumbers(**values, rhythm=rhythm)
