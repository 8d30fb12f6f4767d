"""The tornado of a knock-out: how far one difference between arms moves when each edge is switched off."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FuncFormatter, MaxNLocator

from opiome.report._map_key import SIGNS
from opiome.report._svg import INK, MUTED, RULE, beside, figure, inline, quiet
from opiome.report._words import decimals, interval, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

__all__ = ["MOST", "arrow_words", "moves", "numbers_of", "tornado"]

MOST = 10
"""Edges in one picture, those that move the answer most."""
_WIDTH, _LEFT, _RIGHT, _ROW, _TOP, _AXIS = 1080.0, 372.0, 760.0, 40.0, 26.0, 46.0
_FALLS, _RISES, _UNSURE = "#5e3c99", "#b35806", "#9aa0a8"
_LETTERS = 52


def moves(row: Mapping[str, Any]) -> bool:
    """Whether the interval of a change leaves 0 out."""
    low, high = row["low"], row["high"]
    return low is not None and high is not None and bool(low > 0 or high < 0)


def arrow_words(row: Mapping[str, Any], nodes: Mapping[str, str]) -> str:
    """An edge as a sentence without a full stop: what does what to what."""
    start, end = (nodes.get(row[end], row[end]) for end in ("from", "to"))
    return f"{start} {SIGNS.get(row['sign'], row['sign'])} {end[:1].lower()}{end[1:]}"


def numbers_of(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Before, after, change and its interval as text with common decimals."""
    digits = decimals(row["unit"], row["before"], row["after"])
    change = number(row["change"], digits)
    if not change.strip("0.\N{MINUS SIGN}"):
        change = change.lstrip("\N{MINUS SIGN}")
    elif row["change"] is not None and row["change"] > 0:
        change = f"+{change}"
    spread = interval(row["low"], row["high"], digits) if row["low"] is not None else ""
    return number(row["before"], digits), number(row["after"], digits), change, spread


def tornado(rows: Sequence[Mapping[str, Any]], nodes: Mapping[str, str], key: str, title: str) -> str:
    """Return the picture as inline SVG.

    Args:
        rows: the rows of one endpoint and comparison, in the order of their ranks.
        nodes: names of the nodes of the map.
        key: prefix of ids, unique in the page.
        title: what the numbers are, for the axis and for those who cannot see it.
    """
    shown = [row for row in rows if row["change"] is not None and row["moved"]][:MOST]
    if not shown:
        return ""
    height = _TOP + _ROW * len(shown) + _AXIS
    drawn = figure(_WIDTH, height)
    axes = drawn.add_axes(
        (_LEFT / _WIDTH, _AXIS / height, (_RIGHT - _LEFT) / _WIDTH, 1 - (_TOP + _AXIS) / height)
    )
    axes.set_ylim(len(shown), 0)
    ends = [value for row in shown for value in (row["change"], row["low"], row["high"]) if value is not None]
    room = 0.05 * (max(*ends, 0.0) - min(*ends, 0.0)) or 1.0
    axes.set_xlim(min(*ends, 0.0) - room, max(*ends, 0.0) + room)
    quiet(axes)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "\N{MINUS SIGN}") if value else "0")
    )
    axes.grid(axis="x", color=RULE, linewidth=0.5, alpha=0.55)
    axes.set_axisbelow(True)
    axes.axvline(0.0, color=INK, linewidth=1.0)
    axes.set_xlabel(title, fontsize=11.5, color=MUTED, labelpad=2)
    heads = (
        (0.0, "Switched off"),
        (_LEFT, "Change, 95 % interval of pairs"),
        (_RIGHT + 18, "With → without the arrow"),
    )
    for x, text in heads:
        drawn.text(
            x / _WIDTH, 1 - 10 / height, text, fontsize=12.5, color=MUTED, va="center", parse_math=False
        )
    for place, row in enumerate(shown):
        _row(axes, row, nodes, place + 0.5)
    told = f"{title}: {len(shown)} arrows of the map, by how far switching each off moves it, most first."
    return inline(drawn, key, told, "tornado")


def _row(axes: Axes, row: Mapping[str, Any], nodes: Mapping[str, str], y: float) -> None:
    colour = (_FALLS if row["change"] < 0 else _RISES) if moves(row) else _UNSURE
    axes.barh(y, row["change"], height=0.52, color=colour, alpha=0.45, linewidth=0)
    if row["low"] is not None:
        axes.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt")
    axes.plot(row["change"], y, marker="o", markersize=6.5, color=colour, markeredgecolor="white")
    contested = ", contested" if row["contested"] == "yes" else ""
    before, after, change, _ = numbers_of(row)
    unit = {"percentage points": "points", "%": "points"}.get(row["unit"], row["unit"])
    _write(axes, 0.0, y - 0.19, row["edge"].replace("_", " "), INK, bold=True)
    about = f"{arrow_words(row, nodes)}; {row['grade']}{contested}"
    _write(axes, 0.0, y + 0.2, textwrap.shorten(about, _LETTERS + 12, placeholder="…"), MUTED, size=11.0)
    _write(axes, _RIGHT + 18, y - 0.19, f"{before} → {after} {unit}", INK)
    _write(axes, _RIGHT + 18, y + 0.2, change, colour if moves(row) else MUTED, size=11.5, bold=moves(row))


def _write(
    axes: Axes, x: float, y: float, text: str, colour: str, *, bold: bool = False, size: float = 12.5
) -> None:
    """Write ``x`` pixels from the picture's left edge, ``y`` rows from the top."""
    weight = "bold" if bold else "normal"
    beside(axes, (_LEFT, _RIGHT), (x, y), text, color=colour, fontsize=size, fontweight=weight)
