"""Small panels of a quantity over time: median, 50 % and 90 % of patients, by arm, with phases."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

import polars as pl
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from opiome.report._courses import QUANTILES
from opiome.report._svg import MUTED, RULE, figure, inline, quiet
from opiome.report._words import number, quantity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from opiome.report._courses import Course
    from opiome.report._palette import ArmStyle
    from opiome.report._phases import Phase

__all__ = ["PANEL_HEIGHT", "PANEL_WIDTH", "band_panel"]

PANEL_WIDTH, PANEL_HEIGHT = 350.0, 226.0
"""Size of a panel in pixels."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 42.0, 104.0, 20.0, 36.0
_DOSE = re.compile(r"(\d) (?=\w)")
_LINE = 13.0
_FEW = 8
"""A course of so few points shows each of them."""
_TICKS = 6
_VISIT = 0.018
"""Height of the mark of a visit over the time axis, as a share of the panel."""
_GAP = 4.0
"""Pixels between the end labels of two arms."""
_DAY, _WEEK = 24.0, 168.0
_SHADES = {"background": "#eceae4", "run-in": "#f6f4ee", "before randomisation": "#eceae4"}
_LETTER = 5.8
"""Width of a letter of phase labels in pixels."""


def band_panel(
    course: Course, styles: Mapping[str, ArmStyle], labels: Mapping[str, str], found: Sequence[Phase]
) -> str:
    """Return the panel of one course as inline SVG."""
    drawn = figure(PANEL_WIDTH, PANEL_HEIGHT)
    axes = drawn.add_axes(
        (
            _LEFT / PANEL_WIDTH,
            _BOTTOM / PANEL_HEIGHT,
            (PANEL_WIDTH - _LEFT - _RIGHT) / PANEL_WIDTH,
            (PANEL_HEIGHT - _TOP - _BOTTOM) / PANEL_HEIGHT,
        )
    )
    quiet(axes)
    size, unit = _weeks_or_days(found)
    first = min(frame["time_h"][0] for frame in course.by_arm.values()) / size
    last = max(frame["time_h"][-1] for frame in course.by_arm.values()) / size
    ends = [phase.end / size for phase in found]
    last = max([last, *ends])
    axes.set_xlim(first, last if last > first else first + 1)
    alpha = 1.0 if len(course.by_arm) <= 3 else 0.55  # noqa: PLR2004  (more arms overlap too much to shade as deep)
    for arm, frame in course.by_arm.items():
        style = styles[arm]
        times = (frame["time_h"] / size).to_numpy()
        for low, high, shade in (("q05", "q95", 0.13), ("q25", "q75", 0.25)):
            band = (frame[low].to_numpy(), frame[high].to_numpy())
            axes.fill_between(times, *band, color=style.colour, alpha=shade * alpha, linewidth=0)
        dash = (0, style.dash) if style.dash else "solid"
        points = "o" if len(times) <= _FEW else ""
        median = frame["q50"].to_numpy()
        axes.plot(
            times, median, color=style.colour, linewidth=1.9, linestyle=dash, marker=points, markersize=4
        )
    _limits(axes, course)
    _phases(axes, found, size, first)
    axes.yaxis.set_major_locator(MaxNLocator(5, min_n_ticks=3, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g}".replace("-", "\N{MINUS SIGN}"))
    )
    axes.grid(axis="y", color=RULE, linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MultipleLocator(_step(last - first, unit)))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g}".replace("-", "\N{MINUS SIGN}"))
    )
    axes.set_xlabel(f"{unit} from randomisation", fontsize=11.5, color=MUTED, labelpad=3)
    _end_labels(axes, course, styles, labels)
    return inline(drawn, f"band-{course.key}", _described(course, labels, size, unit), "panel")


def _weeks_or_days(found: Sequence[Phase]) -> tuple[float, str]:
    """Return hours per unit of the time axis, and its name: days for up to three weeks of treatment."""
    treatment = max((phase.end for phase in found), default=_WEEK * 12)
    return (_DAY, "days") if treatment <= 3 * _WEEK else (_WEEK, "weeks")


def _step(span: float, unit: str) -> float:
    """Return the distance of ticks of which a handful fit, by whole weeks where a week fits."""
    steps = (1, 2, 7, 14, 28, 56) if unit == "days" else (1, 2, 4, 8, 12, 26, 52)
    return next((step for step in steps if span / step <= _TICKS), 2 * steps[-1])


def _limits(axes: Axes, course: Course) -> None:
    drawn = pl.concat([frame.select(QUANTILES) for frame in course.by_arm.values()])
    values = drawn.unpivot()["value"].drop_nulls().sort()
    low, high = float(values[0]), float(values[-1])
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    bottom = course.floor if course.floor is not None and low >= course.floor else low - room
    top = course.ceiling if course.ceiling is not None and high <= course.ceiling else high + room
    axes.set_ylim(bottom, top)


def _phases(axes: Axes, found: Sequence[Phase], size: float, first: float) -> None:
    """Shade what comes before randomisation, and name each phase; upright where its stretch is narrow."""
    left, right = axes.get_xlim()
    pixels = (PANEL_WIDTH - _LEFT - _RIGHT) / (right - left)
    for phase in found:
        start, end = max(phase.start / size, first), phase.end / size
        if end <= start:
            continue
        if phase.name in _SHADES:
            axes.axvspan(start, end, color=_SHADES[phase.name], linewidth=0, zorder=0)
        width = (end - start) * pixels
        if width >= len(phase.name) * _LETTER * 0.8:
            _name_phase(axes, (start + end) / 2, phase.name, upright=False)
        elif width >= _LINE:
            _name_phase(axes, (start + end) / 2, phase.name, upright=True)
        ticks = [visit / size for visit in phase.visits if visit / size <= right]
        axes.plot(
            ticks, [_VISIT] * len(ticks), "^", color=MUTED, markersize=4, transform=axes.get_xaxis_transform()
        )
    if left < 0 < right:
        axes.axvline(0, color=MUTED, linewidth=0.8)


def _name_phase(axes: Axes, x: float, name: str, *, upright: bool) -> None:
    axes.text(
        x,
        0.98 if upright else 1.02,
        name,
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="top" if upright else "bottom",
        rotation=90 if upright else 0,
        fontsize=11,
        color=MUTED,
        parse_math=False,
    )


def _end_labels(
    axes: Axes, course: Course, styles: Mapping[str, ArmStyle], labels: Mapping[str, str]
) -> None:
    """Write each arm's last median and name at the right, moved apart where they would touch."""
    height = PANEL_HEIGHT - _TOP - _BOTTOM
    bottom, top = axes.get_ylim()
    wanted = []
    for arm, frame in course.by_arm.items():
        lines = [number(frame["q50"][-1]), *_wrapped(labels.get(arm, arm))]
        place = (frame["q50"][-1] - bottom) / (top - bottom) * height
        wanted.append((place, len(lines) * _LINE + _GAP, lines, styles[arm].colour))
    wanted.sort(key=lambda item: item[0])
    places = _apart([item[0] for item in wanted], [item[1] for item in wanted], height)
    for place, (_, _, lines, colour) in zip(places, wanted, strict=True):
        for step, line in enumerate(lines):
            axes.annotate(
                line,
                (1.0, place / height),
                xycoords="axes fraction",
                textcoords="offset points",
                xytext=(6, ((len(lines) - 1) / 2 - step) * _LINE),
                va="center",
                ha="left",
                fontsize=11.5,
                color=colour,
                fontweight="bold" if step == 0 else "normal",
                parse_math=False,
                annotation_clip=False,
            )


def _wrapped(label: str) -> list[str]:
    # A dose and its unit stay on one line.
    label = _DOSE.sub("\\1\N{NO-BREAK SPACE}", label)
    return textwrap.wrap(label, width=17, max_lines=3, placeholder="…") or [""]


def _apart(places: Sequence[float], heights: Sequence[float], room: float) -> list[float]:
    """Return ``places`` (ascending centres) moved so that blocks of these heights do not overlap."""
    moved: list[float] = []
    edge = -_BOTTOM
    for place, height in zip(places, heights, strict=True):
        moved.append(max(place, edge + height / 2))
        edge = moved[-1] + height / 2
    edge = room + _TOP
    for index in range(len(moved) - 1, -1, -1):
        moved[index] = min(moved[index], edge - heights[index] / 2)
        edge = moved[index] - heights[index] / 2
    return moved


def _described(course: Course, labels: Mapping[str, str], size: float, unit: str) -> str:
    ends = "; ".join(
        f"{labels.get(arm, arm)}: median {quantity(frame['q50'][-1], course.unit)}, 90 % of patients "
        f"{number(frame['q05'][-1])} to {number(frame['q95'][-1])}"
        for arm, frame in course.by_arm.items()
    )
    at = max(frame["time_h"][-1] for frame in course.by_arm.values()) / size
    return f"{course.title} over time by arm. At {number(at)} {unit} from randomisation, {ends}."
