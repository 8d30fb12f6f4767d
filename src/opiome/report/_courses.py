"""What is shown over time: the panels of ``panels.tsv``, filled from bands, or counted in the diary."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from io import StringIO
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from opiome.report._biology import Biology
    from opiome.report._tables import Tables

__all__ = ["Course", "courses", "expected"]

QUANTILES = ("q05", "q25", "q50", "q75", "q95")
_POINTS = 260
"""Points per arm at most; finer courses are averaged over equal stretches of time."""


@dataclass(frozen=True)
class Course:
    """One panel: quantiles over time by arm.

    ``by_arm`` maps an arm to a frame of ``time_h`` (hours from randomisation) and :data:`QUANTILES`, in ``unit``.
    """

    key: str
    section: str
    title: str
    unit: str
    by_arm: dict[str, pl.DataFrame]
    floor: float | None = None
    ceiling: float | None = None
    note: str = ""


def courses(tables: Tables, biology: Biology, start: float | None = None) -> list[Course]:
    """Return the panels for which there are numbers, from hour ``start`` on."""
    found = [_main(row, tables, biology, start) for row in _listed().iter_rows(named=True)]
    return [course for course in found if course is not None]


def expected() -> list[tuple[str, str]]:
    """Return key and title of the panels that a complete result fills."""
    return list(_listed().filter(pl.col("section") == "main").select("panel", "title").iter_rows())


def _listed() -> pl.DataFrame:
    text = files("opiome.report").joinpath("panels.tsv").read_text(encoding="utf-8")
    return pl.read_csv(StringIO(text), separator="\t", infer_schema=False, quote_char=None)


def _main(row: dict[str, str | None], tables: Tables, biology: Biology, start: float | None) -> Course | None:
    for source in (row["source"] or "").split("|"):
        name, _, factor = source.partition("*")
        kind, _, column = name.partition(":")
        if column:
            bands = _counted(tables.diary, column) if kind == "diary" else None
        else:
            bands = tables.bands.filter(pl.col("observable") == name)
        by_arm = _by_arm(bands, tables.arms, float(factor or 1.0), start) if bands is not None else {}
        if by_arm:
            return Course(
                key=row["panel"] or "",
                section=row["section"] or "",
                title=row["title"] or biology.label(name),
                unit=row["unit"] or biology.unit(name),
                by_arm=by_arm,
                floor=float(row["floor"]) if row["floor"] else None,
                ceiling=float(row["ceiling"]) if row["ceiling"] else None,
                note=row["note"] or "",
            )
    return None


def _by_arm(
    bands: pl.DataFrame, arms: tuple[str, ...], factor: float, start: float | None
) -> dict[str, pl.DataFrame]:
    kept = bands.filter(pl.col("q50").is_not_null() & pl.col("time_h").is_not_null())
    if start is not None:
        kept = kept.filter(pl.col("time_h") >= start)
    found = {}
    for arm in arms:
        course = kept.filter(pl.col("arm") == arm).sort("time_h")
        if course.height:
            found[arm] = _thinned(course.select("time_h", *(pl.col(name) * factor for name in QUANTILES)))
    return found


def _thinned(course: pl.DataFrame) -> pl.DataFrame:
    if course.height <= _POINTS:
        return course
    first, last = course["time_h"][0], course["time_h"][-1]
    stretch = ((pl.col("time_h") - first) / (last - first) * _POINTS).floor().clip(0, _POINTS - 1)
    return course.group_by(stretch.alias("stretch"), maintain_order=True).mean().drop("stretch")


def _counted(diary: pl.DataFrame, column: str) -> pl.DataFrame | None:
    """Return quantiles of a diary column's weekly sums, at mid-week, of the patients with seven days in that week.

    Day 1 is the first day after randomisation, day 0 the last before it.
    """
    if column not in diary.columns or diary[column].null_count() == diary.height:
        return None
    weeks = (
        diary.with_columns(week=((pl.col("day") - 1) / 7).floor())
        .group_by("arm", "patient", "week")
        .agg(pl.col(column).cast(pl.Float64).sum().alias("count"), pl.col(column).is_not_null().sum().alias("days"))
        .filter(pl.col("days") == 7)  # noqa: PLR2004  (days of a week)
    )
    levels = {name: int(re.sub(r"\D", "", name)) / 100 for name in QUANTILES}
    return (
        weeks.group_by("arm", "week")
        .agg(*(pl.col("count").quantile(level, "linear").alias(name) for name, level in levels.items()))
        .with_columns(time_h=(pl.col("week") + 0.5) * 168.0)
    )
