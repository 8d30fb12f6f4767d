"""What is shown over time: the panels of ``panels.tsv``, filled from bands, or counted in the diary."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from opiome.report._layout_tables import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opiome.report._biology import Biology
    from opiome.report._tables import Tables

__all__ = ["Course", "courses", "expected"]

QUANTILES = ("q05", "q25", "q50", "q75", "q95")
_POINTS = 260
"""Points per arm at most; finer courses are averaged over equal stretches of time."""


@dataclass(frozen=True)
class Course:
    """One panel: quantiles over time by arm.

    ``by_arm`` maps an arm to a frame of ``time_h`` (hours from randomisation) and quantiles, in ``unit``.
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
    """Return the panels for which there are numbers, from hour ``start`` on.

    A panel's ``source`` in ``panels.tsv`` lists alternatives; the first that the results hold is drawn:
    ``observable``, with a factor and a unit of its own as in ``observable*100@%``, or ``diary:column`` for
    counts per week. ``{id}`` and ``{name}`` stand for each guild of the model.
    """
    found = [_course(row, tables, biology, start) for row in _rows(biology)]
    return [course for course in found if course is not None]


def expected() -> list[tuple[str, str]]:
    """Return key and title of the panels that a complete result fills."""
    return [(row["panel"], row["title"]) for row in read_rows("panels.tsv") if row["section"] == "main"]


def _rows(biology: Biology) -> Iterator[dict[str, str]]:
    for row in read_rows("panels.tsv"):
        if "{id}" not in row["source"]:
            yield row
            continue
        for guild in biology.guilds.iter_rows(named=True):
            yield {
                key: text.replace("{id}", guild["id"]).replace("{name}", guild["name"])
                for key, text in row.items()
            } | {
                "panel": f"{row['panel']}-{guild['id']}",
                "note": guild["members"].replace(";", ", "),
            }


def _course(row: dict[str, str], tables: Tables, biology: Biology, start: float | None) -> Course | None:
    for source in row["source"].split("|"):
        text, _, unit = source.partition("@")
        name, _, factor = text.partition("*")
        kind, _, column = name.partition(":")
        if column:
            bands = _counted(tables.diary, column) if kind == "diary" else None
        else:
            bands = tables.bands.filter(pl.col("observable") == name)
        by_arm = _by_arm(bands, tables.arms, float(factor or 1.0), start) if bands is not None else {}
        if by_arm:
            return Course(
                key=row["panel"],
                section=row["section"],
                title=row["title"] or biology.label(name),
                unit=row["unit"] or unit or biology.unit(name),
                by_arm=by_arm,
                floor=float(row["floor"]) if row["floor"] else None,
                ceiling=float(row["ceiling"]) if row["ceiling"] else None,
                note=row["note"],
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


def _parts(diary: pl.DataFrame, column: str) -> Iterator[pl.DataFrame]:
    """The days of each arm, of which a column is asked."""
    for arm in diary["arm"].unique(maintain_order=True):
        own = pl.col("arm") == arm if arm is not None else pl.col("arm").is_null()
        yield diary.lazy().filter(own).select("arm", "patient", "day", column).collect()


def _weeks(days: pl.DataFrame, column: str) -> pl.DataFrame:
    """The sums of the whole weeks of an arm: arm, week, count."""
    week = (pl.col("day") - (pl.col("day") > 0).cast(pl.Int32)).floordiv(7).cast(pl.Int32).alias("week")
    arm = days["arm"].head(1)
    sums = (
        days.lazy()
        .select("patient", week, pl.col(column))
        .group_by("patient", "week")
        .agg(
            pl.col(column).cast(pl.Float64).sum().alias("count"),
            pl.col(column).is_not_null().sum().alias("days"),
        )
        .filter(pl.col("days") == 7)  # noqa: PLR2004  (days of a week)
        .select("week", "count")
        .collect()
    )
    return sums.select(pl.lit(arm[0], dtype=pl.String).alias("arm"), "week", "count")


def _counted(diary: pl.DataFrame, column: str) -> pl.DataFrame | None:
    """Return quantiles of a diary column's weekly sums, at mid-week, of patients with all seven days.

    Day 1 is the first after randomisation, day -1 the last before it; there is no day 0.
    """
    if column not in diary.columns or diary[column].null_count() == diary.height:
        return None
    # an arm at a time, and no other column: a long trial has millions of days
    arms = [_weeks(part, column) for part in _parts(diary, column)]
    weeks = pl.concat(arms)
    levels = {name: int(re.sub(r"\D", "", name)) / 100 for name in QUANTILES}
    return (
        weeks.group_by("arm", "week")
        .agg(*(pl.col("count").quantile(level, "linear").alias(name) for name, level in levels.items()))
        .with_columns(time_h=(pl.col("week") + 0.5) * 168.0)
    )
