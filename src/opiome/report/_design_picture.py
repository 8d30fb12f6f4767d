"""Candidate designs in one picture: power and assurance beside the error under the null, row by row."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FuncFormatter

from opiome.report._palette import arm_styles
from opiome.report._svg import INK, MUTED, RULE, beside, figure, inline, quiet
from opiome.report._words import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Rows = Sequence[Mapping[str, Any]]

__all__ = ["candidate_rows", "size_curves"]

_WIDTH, _ROW, _TOP, _FOOT = 1080.0, 46.0, 30.0, 48.0
_POWER, _ERROR = (430.0, 850.0), (890.0, 1062.0)
_POWER_INK, _ASSURED_INK = "#0a5ea8", "#b04a00"
_WANTED = (0.8, 0.9)
_LETTERS = 70
_MOST_ERROR = 0.12


def candidate_rows(rows: Rows, alpha: float, key: str) -> str:
    """One row for each candidate and size, as inline SVG.

    Args:
        rows: the rows of the table of :class:`opiome.trial.Designs`.
        alpha: the nominal error.
        key: prefix of ids, unique in the page.
    """
    height = _TOP + _ROW * len(rows) + _FOOT
    drawn = figure(_WIDTH, height)
    power = _axes(drawn, _POWER, height, len(rows))
    error = _axes(drawn, _ERROR, height, len(rows))
    power.set_xlim(0.0, 1.0)
    power.set_xticks([0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0])
    most = max([_MOST_ERROR, 2.4 * alpha, *(1.05 * row["type1_high"] for row in rows)])
    error.set_xlim(0.0, min(most, 1.0))
    error.set_xticks([0.0, alpha, 2 * alpha])
    for axes, name in (
        (power, "Share of trials that find the difference"),
        (error, "Found where there is none"),
    ):
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        axes.set_xlabel(name, fontsize=11.5, color=MUTED, labelpad=2)
    for level in _WANTED:
        power.axvline(level, color=RULE, linewidth=1.2)
    error.axvline(alpha, color=INK, linewidth=1.0)
    heads = [
        (0.0, "Design", MUTED),
        (_POWER[0], "● Power", _POWER_INK),
        (_ERROR[0], "Error under the null", MUTED),
    ]
    if any(row["assurance"] is not None for row in rows):
        heads.append((_POWER[0] + 76, "◆ Assurance", _ASSURED_INK))
    for x, text, ink in heads:
        drawn.text(x / _WIDTH, 1 - 11 / height, text, fontsize=12.5, color=ink, va="center", parse_math=False)
    for place, row in enumerate(rows):
        _row(power, error, row, place + 0.5)
    told = "; ".join(f"{row['label']}, {_told(row)}" for row in rows)
    return inline(drawn, key, f"Power of {len(rows)} designs: {told}.", "designs")


def _axes(drawn: Figure, span: tuple[float, float], height: float, rows: int) -> Axes:
    left, right = span
    box = (left / _WIDTH, _FOOT / height, (right - left) / _WIDTH, _ROW * rows / height)
    axes = drawn.add_axes(box)
    axes.set_ylim(rows, 0)
    quiet(axes)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    for place in range(rows + 1):
        axes.axhline(place, color=RULE, linewidth=0.5, alpha=0.6)
    return axes


def _row(power: Axes, error: Axes, row: Mapping[str, Any], y: float) -> None:
    assured = row["assurance"] is not None
    upper = y - 0.14 if assured else y
    _mark(power, (row["power"], row["power_low"], row["power_high"]), upper, (_POWER_INK, "o"))
    if assured:
        ends = (row["assurance"], row["assurance_low"], row["assurance_high"])
        _mark(power, ends, y + 0.2, (_ASSURED_INK, "D"))
    _mark(error, (row["type1"], row["type1_low"], row["type1_high"]), y, (INK, "o"))
    title = textwrap.shorten(f"{row['label']} · {row['patients_per_arm']} per arm", 48, placeholder="…")
    about = f"{row['arms']}; {row['endpoint_label']}; {row['duration_days']} d"
    _write(power, 0.0, y - 0.19, title, INK, bold=True)
    _write(power, 0.0, y + 0.21, textwrap.shorten(about, _LETTERS, placeholder="…"), MUTED, size=11.5)


def _mark(axes: Axes, ends: tuple[float, float, float], y: float, look: tuple[str, str]) -> None:
    value, low, high = ends
    colour, marker = look
    axes.plot([low, high], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt", clip_on=False)
    axes.plot(value, y, marker=marker, markersize=7.0, color=colour, markeredgecolor="white", clip_on=False)


def _write(
    axes: Axes, x: float, y: float, text: str, colour: str, *, bold: bool = False, size: float = 13.0
) -> None:
    """Write ``x`` pixels from the picture's left edge, ``y`` rows from the top."""
    weight = "bold" if bold else "normal"
    beside(axes, _POWER, (x, y), text, color=colour, fontsize=size, fontweight=weight)


def size_curves(rows: Rows, key: str) -> str:
    """Power against patients per arm for the candidates that have several sizes; empty where none has."""
    candidates: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        candidates.setdefault(row["candidate"], []).append(row)
    several = [own for own in candidates.values() if len(own) > 1]
    if not several:
        return ""
    width, height = 720.0, 330.0
    drawn = figure(width, height)
    axes = drawn.add_axes((56 / width, 48 / height, (width - 66) / width, (height - 62) / height))
    quiet(axes)
    styles = list(arm_styles([str(k) for k in range(len(several))]).values())
    for own, style in zip(several, styles, strict=True):
        sizes, power = [row["patients_per_arm"] for row in own], [row["power"] for row in own]
        low, high = [row["power_low"] for row in own], [row["power_high"] for row in own]
        axes.fill_between(sizes, low, high, color=style.colour, alpha=0.13, linewidth=0)
        dash = (0.0, style.dash) if style.dash else "-"
        axes.plot(sizes, power, color=style.colour, linestyle=dash, linewidth=2.0, label=own[0]["label"])
        axes.plot(sizes, power, color=style.colour, linestyle="", marker="o", markersize=5.5)
    for level in _WANTED:
        axes.axhline(level, color=RULE, linewidth=1.2, zorder=0)
    axes.set_ylim(0.0, 1.02)
    axes.set_xlim(left=0)
    axes.set_yticks([0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axes.set_xlabel("Patients per arm", fontsize=11.5, color=MUTED)
    axes.legend(loc="lower right", fontsize=12, frameon=False, labelcolor=INK)
    told = "; ".join(f"{own[0]['label']}: " + ", ".join(_told(row) for row in own) for own in several)
    return inline(drawn, key, f"Power by patients per arm. {told}.", "curves")


def _told(row: Mapping[str, Any]) -> str:
    return f"{row['patients_per_arm']} per arm {number(100 * row['power'], 0)} %"
