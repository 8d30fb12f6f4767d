"""The forest plot: estimates with intervals, published values beside them, hit or miss in words."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, MaxNLocator

from opiome.report._svg import INK, MUTED, RULE, beside, figure, inline, quiet
from opiome.report._words import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from opiome.report._palette import ArmStyle
    from opiome.report._rows import Row

__all__ = ["VERDICT_COLOURS", "forest"]

VERDICT_COLOURS = {"hit": "#00694f", "miss": "#ad2318", "not judged": MUTED, "not published": MUTED}
_MARKS = {"hit": "✓ hit", "miss": "✗ miss"}
_ALL = 100.0
"""Percent of patients."""
_AXIS = 46.0
"""Room in pixels under each group for its axis."""


@dataclass(frozen=True)
class _Layout:
    """Where things stand, in pixels: the plot between ``left`` and ``right``, ``row`` and ``head`` heights.

    ``columns`` are the x places of the arm, the model's numbers, the published ones and the verdict; in the
    ``stacked`` layout, for narrow screens, a row's text stands above and below its mark instead.
    """

    width: float
    left: float
    right: float
    row: float
    head: float
    columns: tuple[float, float, float, float]
    letters: int
    stacked: bool


_WIDE = _Layout(1080, 318, 706, 26, 26, (14, 726, 912, 984), 48, stacked=False)
_NARROW = _Layout(350, 12, 338, 64, 20, (0, 0, 0, 350), 46, stacked=True)


def forest(rows: Sequence[Row], styles: Mapping[str, ArmStyle], *, narrow: bool = False) -> str:
    """Return the forest plot as inline SVG, empty without estimates; rows of one unit share an axis."""
    told = [row for row in rows if row.estimate is not None]
    if not told:
        return ""
    layout = _NARROW if narrow else _WIDE
    kinds: dict[tuple[bool, str, float | None], list[Row]] = {}
    for row in told:
        kinds.setdefault((bool(row.reference), row.unit, row.neutral), []).append(row)
    groups = list(kinds.values())
    top = 0.0 if narrow else 30.0
    height = top + sum(_height(group, layout) for group in groups)
    drawn = figure(layout.width, height)
    if not narrow:
        _headings(drawn, layout, height)
    for group in groups:
        _group(drawn, group, styles, layout, (top, height))
        top += _height(group, layout)
    key = "forest-narrow" if narrow else "forest"
    return inline(drawn, key, _described(told), "forest narrow" if narrow else "forest wide")


def _height(group: Sequence[Row], layout: _Layout) -> float:
    heads = sum(len(_head(row, layout)) for row in _firsts(group))
    return heads * layout.head + len(group) * layout.row + _AXIS + 8


def _firsts(group: Sequence[Row]) -> list[Row]:
    return [next(rows) for _, rows in groupby(group, key=lambda row: (row.endpoint, row.measure))]


def _head(row: Row, layout: _Layout) -> list[str]:
    text = f"{row.label} ({row.measure})" if row.reference else row.label
    return textwrap.wrap(text, width=layout.letters, max_lines=3, placeholder="…") or [""]


def _headings(drawn: Figure, layout: _Layout, height: float) -> None:
    """Write the heads of the columns; over the plot, what its marks mean."""
    marks = "● model, line 95 %, band 90 % predicted    ◇ published"
    heads = ("Endpoint and arm", marks, "Model (95 % interval)", "Published", "Verdict")
    for x, text in zip((0.0, layout.left, *layout.columns[1:]), heads, strict=True):
        drawn.text(
            x / layout.width, 1 - 12 / height, text, fontsize=12.5, color=MUTED, va="center", parse_math=False
        )


def _group(
    drawn: Figure,
    group: Sequence[Row],
    styles: Mapping[str, ArmStyle],
    layout: _Layout,
    span: tuple[float, float],
) -> None:
    """Draw the rows of one axis, ``span`` = pixels from the top of the picture, and the picture's height."""
    top, height = span
    room = _height(group, layout) - _AXIS
    axes = drawn.add_axes(
        (
            layout.left / layout.width,
            1 - (top + room) / height,
            (layout.right - layout.left) / layout.width,
            room / height,
        )
    )
    axes.set_ylim(room, 0)
    axes.set_xlim(*_range(group))
    quiet(axes)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(5 if layout.stacked else 6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g}".replace("-", "\N{MINUS SIGN}"))
    )
    axes.grid(axis="x", color=RULE, linewidth=0.5, alpha=0.55)
    axes.set_axisbelow(True)
    axes.set_xlabel(_axis_name(group[0]), fontsize=11.5, color=MUTED, labelpad=2)
    if group[0].neutral is not None:
        axes.axvline(group[0].neutral, color=MUTED, linewidth=0.9)
    y = 0.0
    for _, of_one in groupby(group, key=lambda row: (row.endpoint, row.measure)):
        rows = list(of_one)
        for line in _head(rows[0], layout):
            _write(axes, layout, (0, y + layout.head / 2), line, INK, bold=True)
            y += layout.head
        for row in rows:
            _row(axes, row, styles, layout, y)
            y += layout.row


def _row(axes: Axes, row: Row, styles: Mapping[str, ArmStyle], layout: _Layout, y: float) -> None:
    style = styles.get(row.arm)
    colour = style.colour if style else INK
    mark = y + layout.row / 2
    _marks(axes, row, colour, mark)
    who = f"{row.arm_label} v {row.reference}" if row.reference else row.arm_label
    verdict = _MARKS.get(row.verdict, row.verdict)
    unit = {"percentage points": "points"}.get(row.unit, row.unit)
    spread = f" ({row.interval_text})" if row.interval_text else ""
    model = f"{number(row.estimate, row.digits)}{spread} {unit}"
    published = number(row.published, row.digits)
    ink = VERDICT_COLOURS[row.verdict]
    if layout.stacked:
        _write(axes, layout, (layout.columns[0], y + 10), _cut(who, 38), colour)
        _write(
            axes,
            layout,
            (layout.columns[3], y + 10),
            verdict,
            ink,
            bold=row.hit is not None,
            flush_right=True,
        )
        text = f"model {model}" + (f", published {published}" if row.published is not None else "")
        _write(axes, layout, (layout.columns[0], y + layout.row - 12), text, MUTED)
        return
    _write(axes, layout, (layout.columns[0], mark), _cut(who, 50), colour)
    _write(axes, layout, (layout.columns[1], mark), model, INK)
    _write(axes, layout, (layout.columns[2], mark), published, INK)
    _write(axes, layout, (layout.columns[3], mark), verdict, ink, bold=row.hit is not None)


def _marks(axes: Axes, row: Row, colour: str, y: float) -> None:
    if row.predictive_low is not None and row.predictive_high is not None:
        ends = [row.predictive_low, row.predictive_high]
        axes.plot(ends, [y, y], color=colour, linewidth=9, alpha=0.28, solid_capstyle="butt")
    if row.low is not None and row.high is not None:
        axes.plot([row.low, row.high], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt")
    if row.estimate is not None:
        axes.plot(row.estimate, y, marker="o", markersize=7.5, color=colour, markeredgecolor="white")
    if row.published is None:
        return
    if row.published_low is not None and row.published_high is not None:
        axes.plot([row.published_low, row.published_high], [y, y], color=INK, linewidth=1.0)
    axes.plot(
        [row.published], [y], marker="D", markersize=7, markerfacecolor="none", markeredgecolor=INK,
        markeredgewidth=1.5,
    )  # fmt: skip


def _write(
    axes: Axes,
    layout: _Layout,
    at: tuple[float, float],
    text: str,
    colour: str,
    *,
    bold: bool = False,
    flush_right: bool = False,
) -> None:
    """Write ``at`` pixels from the picture's left edge and from the top of the group."""
    weight = "bold" if bold else "normal"
    side = "right" if flush_right else "left"
    span = (layout.left, layout.right)
    beside(axes, span, at, text, color=colour, fontsize=12.5, fontweight=weight, ha=side)


def _cut(text: str, letters: int) -> str:
    return textwrap.shorten(text, letters, placeholder="…") if len(text) > letters else text


def _range(group: Sequence[Row]) -> tuple[float, float]:
    """Return the ends of a group's axis: all its values; 0 to 100 at most for shares of patients."""
    values = [
        value
        for row in group
        for value in (
            row.estimate,
            row.low,
            row.high,
            row.predictive_low,
            row.predictive_high,
            row.published,
            row.published_low,
            row.published_high,
            row.neutral,
        )
        if value is not None
    ]
    low, high = min(values), max(values)
    if not group[0].reference and low >= 0:
        low = 0.0
    room = 0.05 * (high - low) or 1.0
    share = group[0].unit == "%" and not group[0].reference
    end = min(high + room, _ALL) if share and high <= _ALL else high + room
    return (low if low == 0 else low - room), end


def _axis_name(row: Row) -> str:
    if not row.reference:
        return {"%": "% of patients"}.get(row.unit, row.unit)
    return f"{row.measure}, {row.unit}" if row.unit else row.measure


def _described(rows: Sequence[Row]) -> str:
    published = [row for row in rows if row.published is not None]
    hits = sum(bool(row.hit) for row in published)
    return (
        f"Forest plot of {len(rows)} estimates of the model with intervals, {len(published)} of them beside "
        f"a published value, {hits} of these marked as hits. The same numbers are in the tables that follow."
    )
