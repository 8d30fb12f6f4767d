"""The figures of the cohort report: inline SVG with text, titles and no scripts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from opiome.microbiome._profile import GUILDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "COLOURS",
    "GROUPS",
    "NO_GUILD",
    "coverage",
    "guild_bars",
    "guild_quantiles",
    "ordination",
    "strips",
]

COLOURS = {
    "G1": "#2f6db5",
    "G2": "#1f9474",
    "G3": "#e3b23c",
    "G4": "#8a63b8",
    "G5": "#c8434f",
    "G6": "#ef8a3c",
    "G7": "#75553f",
}
NO_GUILD = "#d5d9de"
GROUPS = ("#0a5ea8", "#b04a00", "#00755a", "#8c3576", "#7a6200", "#3d3d9e", "#5b616b")
INK, MUTED, RULE = "#1b2028", "#565d68", "#c9cdd3"
_LABELLED = 60
_NAMED = 12
_TENS, _TENTHS = 10.0, 0.1
_FLAT = 1e-9
_SHORT = 1e-4


@dataclass
class _Canvas:
    """An SVG picture under construction."""

    width: float
    height: float
    title: str
    parts: list[str] = field(default_factory=list)

    def rect(  # noqa: PLR0917 (the order of SVG)
        self, x: float, y: float, w: float, h: float, fill: str, tip: str = ""
    ) -> None:
        inside = f"<title>{escape(tip)}</title>" if tip else ""
        self.parts.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{w:.2f}" height="{h:.2f}" fill="{fill}">{inside}</rect>'
        )

    def line(  # noqa: PLR0917 (the order of SVG)
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        colour: str = RULE,
        width: float = 1.0,
        more: str = "",
    ) -> None:
        self.parts.append(
            f'<line x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}" '
            f'stroke="{colour}" stroke-width="{width}" {more}/>'
        )

    def text(
        self,
        x: float,
        y: float,
        content: str,
        *,
        anchor: str = "start",
        colour: str = MUTED,
        size: float = 12.5,
        more: str = "",
    ) -> None:
        self.parts.append(
            f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}" {more}>'
            f"{escape(content)}</text>"
        )

    def dot(  # noqa: PLR0917 (the order of SVG)
        self, x: float, y: float, r: float, fill: str, tip: str = "", more: str = ""
    ) -> None:
        inside = f"<title>{escape(tip)}</title>" if tip else ""
        self.parts.append(f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{r}" fill="{fill}" {more}>{inside}</circle>')

    def render(self) -> str:
        return (
            f'<svg role="img" viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}" '
            f'aria-label="{escape(self.title)}">{"".join(self.parts)}</svg>'
        )


def _percent(value: float) -> str:
    """A fraction for people."""
    if value <= 0:
        return "0 %"
    percent = 100.0 * value
    digits = ".0f" if percent >= _TENS else ".1f" if percent >= _TENTHS else ".2g"
    return f"{percent:{digits}} %"


def guild_bars(
    samples: Sequence[str],
    fractions: NDArray[np.float64],
    groups: Sequence[str] | None,
    names: dict[str, str],
) -> str:
    """Stacked bars, one per sample: groups side by side, in each ordered from G1-rich to G1-poor."""
    n = len(samples)
    left, top, height, width = 46.0, 30.0, 300.0, 1080.0
    labelled = n <= _LABELLED
    ordered = list(dict.fromkeys(sorted(groups))) if groups else [""]
    rows: list[list[int]] = []
    for group in ordered:
        own = [i for i in range(n) if not groups or groups[i] == group]
        rows.append(sorted(own, key=lambda i: (-fractions[i, 0], samples[i])))
    gap = 14.0 if len(ordered) > 1 else 0.0
    step = min(46.0, (width - left - gap * (len(ordered) - 1)) / n)
    bottom = 92.0 if labelled else 14.0
    picture = _Canvas(width, top + height + bottom, f"Guild fractions of {n} samples as stacked bars")
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = top + height * (1.0 - tick)
        picture.line(left - 5, y, left - 1, y)
        picture.text(left - 9, y + 4, f"{100 * tick:.0f}", anchor="end", size=12)
    picture.text(0, top - 14, "% of classified abundance")
    x = left
    pad = 0.0 if step < 4 else min(3.0, step * 0.12)  # noqa: PLR2004
    for group, own in zip(ordered, rows, strict=True):
        if group:
            picture.line(x, top - 6, x + step * len(own), top - 6, INK, 1.4)
            picture.text(
                x + step * len(own) / 2,
                top - 12,
                f"{group} ({len(own)})",
                anchor="middle",
                colour=INK,
                size=13,
            )
        for i in own:
            y = top + height
            for k, guild in enumerate(GUILDS):
                h = height * fractions[i, k]
                y -= h
                if h > 0.05:  # noqa: PLR2004 (thinner than a line can show)
                    picture.rect(
                        x,
                        y,
                        max(step - pad, 0.4),
                        h,
                        COLOURS[guild],
                        f"{samples[i]}: {names[guild]} {_percent(fractions[i, k])}",
                    )
            if y - top > 0.05:  # noqa: PLR2004
                picture.rect(
                    x,
                    top,
                    max(step - pad, 0.4),
                    y - top,
                    NO_GUILD,
                    f"{samples[i]}: in no guild {_percent((y - top) / height)}",
                )
            if labelled:
                at = x + step / 2
                picture.text(
                    at,
                    top + height + 12,
                    samples[i][:16],
                    anchor="end",
                    size=11.5,
                    more=f'transform="rotate(-50 {at:.1f} {top + height + 12:.1f})"',
                )
            x += step
        x += gap
    return picture.render()


def ordination(
    points: NDArray[np.float64],
    explained: NDArray[np.float64],
    *,
    samples: Sequence[str],
    subjects: Sequence[str],
    groups: Sequence[str] | None,
    outliers: set[str],
) -> str:
    """The first two principal coordinates; samples of one person are joined, outliers ringed."""
    width, left, bottom = 500.0, 24.0, 30.0
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2.0
    span = np.maximum(high - low, 1e-9)
    unit = min(width / (float(span[0]) * 1.06), width / (float(span[1]) * 1.06))
    height = float(np.clip(unit * span[1] * 1.06, 0.5 * width, width))
    picture = _Canvas(
        width + left, height + bottom, "Principal coordinates of Aitchison distances between genera"
    )
    place = np.empty_like(points)
    place[:, 0] = left + width / 2.0 + unit * (points[:, 0] - middle[0])
    place[:, 1] = height / 2.0 - unit * (points[:, 1] - middle[1])
    zero_x, zero_y = left + width / 2.0 - unit * middle[0], height / 2.0 + unit * middle[1]
    picture.line(zero_x, 0, zero_x, height, "#e8eaed")
    picture.line(left, zero_y, left + width, zero_y, "#e8eaed")
    picture.line(left, height, left + width, height)
    picture.line(left, 0, left, height)
    picture.text(
        left + width, height + 20, f"first coordinate, {100 * explained[0]:.0f} % of variation", anchor="end"
    )
    picture.text(
        14,
        0,
        f"second coordinate, {100 * explained[1]:.0f} %",
        anchor="end",
        more='transform="rotate(-90 14 0)"',
    )
    order = list(dict.fromkeys(sorted(groups))) if groups else []
    by_person: dict[str, list[int]] = {}
    for i, subject in enumerate(subjects):
        by_person.setdefault(subject, []).append(i)
    for own in by_person.values():
        for a, b in pairwise(own):
            picture.line(
                place[a, 0], place[a, 1], place[b, 0], place[b, 1], "#9aa1ab", 0.6, 'stroke-opacity="0.45"'
            )
    radius = 4.6 if len(samples) < 150 else 3.4  # noqa: PLR2004
    for i, sample in enumerate(samples):
        colour = GROUPS[order.index(groups[i]) % len(GROUPS)] if groups else GROUPS[0]
        tip = (
            sample
            + (f", {subjects[i]}" if subjects[i] != sample else "")
            + (f", {groups[i]}" if groups else "")
        )
        picture.dot(
            place[i, 0],
            place[i, 1],
            radius,
            colour,
            tip,
            'fill-opacity="0.78" stroke="#fff" stroke-width="0.7"',
        )
        if sample in outliers:
            picture.dot(
                place[i, 0],
                place[i, 1],
                radius + 3.2,
                "none",
                f"{tip}: outlier",
                f'stroke="{INK}" stroke-width="1.3"',
            )
        if len(samples) <= _NAMED:
            inward = place[i, 0] > left + 0.75 * width  # a name at the right edge stands left of its dot
            x = place[i, 0] + (-8 if inward else 8)
            picture.text(x, place[i, 1] + 4, sample[:18], size=11.5, anchor="end" if inward else "start")
    if len(order) > 1:
        for k, group in enumerate(order):
            x, y = place[[g == group for g in groups or ()]].mean(axis=0)
            picture.dot(
                x,
                y,
                9.0,
                "#fff",
                f"centre of {group}",
                f'stroke="{GROUPS[k % len(GROUPS)]}" stroke-width="2.6"',
            )
            picture.text(
                x, y + 4, group[:1], anchor="middle", colour=INK, size=11.5, more='font-weight="700"'
            )
    return picture.render()


def strips(
    label: str,
    values: Sequence[float | None],
    samples: Sequence[str],
    groups: Sequence[str] | None,
    *,
    logarithmic: bool = False,
    marks: Sequence[tuple[float, str]] = (),
    fraction: bool = False,
) -> str:
    """One measure by group: every sample a dot, the box from quartile to quartile, the median a line."""
    order = list(dict.fromkeys(sorted(groups))) if groups else [""]
    left, width, row, top = (118.0 if groups else 14.0), 500.0, 62.0, 12.0
    picture = _Canvas(width, top + row * len(order) + 44, f"Distribution of {label}")
    known = np.array([v for v in values if v is not None and np.isfinite(v)], dtype=float)
    floor = max(_SHORT / 10, float(known[known > 0].min()) / 2) if logarithmic and (known > 0).any() else 0.0
    scale = (lambda v: float(np.log10(max(v, floor)))) if logarithmic and floor else float
    low, high = scale(float(known.min())), scale(float(known.max()))
    low, high = (
        (low - 0.5, high + 0.5)
        if high - low < _FLAT
        else (low - 0.03 * (high - low), high + 0.03 * (high - low))
    )

    def at(value: float) -> float:
        return left + (width - left - 12) * (scale(value) - low) / (high - low)

    foot = top + row * len(order)
    for k, group in enumerate(order):
        own = [
            (v, s)
            for v, s, g in zip(values, samples, groups or [""] * len(samples), strict=True)
            if g == group and v is not None and np.isfinite(v)
        ]
        centre = top + row * (k + 0.5) + 4
        if group:
            picture.text(left - 12, centre, group[:16], anchor="end", colour=INK, size=13)
            picture.text(left - 12, centre + 15, f"{len(own)} samples", anchor="end", size=11.5)
        if not own:
            continue
        numbers = np.array([v for v, _ in own])
        q25, q50, q75 = np.quantile(numbers, [0.25, 0.5, 0.75])
        colour = GROUPS[k % len(GROUPS)]
        picture.rect(at(q25), centre - 15, max(at(q75) - at(q25), 1.0), 30, "#eceef1")
        for j, (value, sample) in enumerate(sorted(own)):
            offset = ((j * 7) % 11 - 5) * 2.3
            picture.dot(
                at(value),
                centre + offset,
                2.7,
                colour,
                f"{sample}: {_percent(value) if fraction else f'{value:.3g}'}",
                'fill-opacity="0.6"',
            )
        picture.line(at(q50), centre - 17, at(q50), centre + 17, INK, 2.2)
    for value, text in marks:
        if low <= scale(value) <= high:
            picture.line(at(value), top, at(value), foot, INK, 1.0, 'stroke-dasharray="4 3"')
            picture.text(at(value) + 4, top + 2, text, size=11.5)
    picture.line(left, foot + 4, width - 12, foot + 4)
    for tick in _ticks(low, high, logarithmic=bool(floor)):
        value = 10**tick if floor else tick
        x = at(value)
        zero = floor and tick <= np.log10(floor) + 1e-9
        picture.line(x, foot + 4, x, foot + 8)
        picture.text(
            x,
            foot + 22,
            ("0" if zero else _percent(value)) if fraction else f"{value:g}",
            anchor="middle",
            size=12,
        )
    if floor and (known <= 0).any():
        picture.text(at(0), foot + 38, "not seen", anchor="middle", size=11.5)
    return picture.render()


def _ticks(low: float, high: float, *, logarithmic: bool) -> list[float]:
    if logarithmic:
        return [float(t) for t in range(int(np.ceil(low)), int(np.floor(high)) + 1)]
    raw = (high - low) / 5.0
    power = 10.0 ** np.floor(np.log10(raw))
    step = float(min((m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0)), key=lambda s: abs(s - raw)))
    return [round(float(t), 10) + 0.0 for t in np.arange(np.ceil(low / step) * step, high, step)]


def coverage(by_level: dict[str, NDArray[np.float64]], inherited: NDArray[np.float64]) -> str:
    """How much of each sample was placed, by which rank, samples ordered by what is missing."""
    width, height, left, top = 500.0, 180.0, 40.0, 8.0
    shares = {
        "species or genus": by_level["species"] + by_level["genus"] - inherited,
        "genus, guild taken over from its family": inherited,
        "family only": by_level["family"],
    }
    colours = ("#1d5c8f", "#6ea3cf", "#c9dbea")
    n = len(inherited)
    order = np.argsort(-(by_level["species"] + by_level["genus"] + by_level["family"]), kind="stable")
    picture = _Canvas(width, top + height + 26, "Share of abundance placed in guilds, per sample")
    step = (width - left) / n
    for k, i in enumerate(order):
        y = top + height
        for (name, values), colour in zip(shares.items(), colours, strict=True):
            h = height * float(values[i])
            y -= h
            picture.rect(left + step * k, y, step + 0.3, h, colour, f"{name}: {_percent(float(values[i]))}")
        picture.rect(
            left + step * k,
            top,
            step + 0.3,
            max(y - top, 0.0),
            "#e8b4a8",
            f"in no guild: {_percent((y - top) / height)}",
        )
    for tick in (0.0, 0.5, 0.9, 1.0):
        y = top + height * (1.0 - tick)
        picture.line(left - 5, y, left - 1, y)
        picture.text(left - 9, y + (4 if tick != 1.0 else 6), f"{100 * tick:.0f} %", anchor="end", size=11.5)
    picture.line(left, top + height * 0.1, width, top + height * 0.1, INK, 1.0, 'stroke-dasharray="4 3"')
    picture.text(left, top + height + 18, "samples, from the best to the least placed")
    return picture.render()


def guild_quantiles(rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Fitted people against drawn people: per guild a pair of bars from the 5th to the 95th percentile.

    ``rows`` holds (guild, quantile, fitted, drawn) for the quantiles 0.05, 0.25, 0.5, 0.75, 0.95.
    """
    width, left, row, top = 620.0, 44.0, 34.0, 6.0
    picture = _Canvas(
        width, top + row * len(GUILDS) + 40, "Guild fractions of the people fitted and of the people drawn"
    )
    floor = 1e-5

    def at(value: float) -> float:
        return left + (width - left - 20) * (1.0 - math.log10(max(value, floor)) / math.log10(floor))

    for k, guild in enumerate(GUILDS):
        y = top + row * k + row / 2
        picture.text(left - 12, y + 5, guild, anchor="end", colour=INK, size=13)
        found = {q: (a, b) for g, q, a, b in rows if g == guild}
        for j, colour in enumerate((INK, "#b04a00")):
            level = y - 5 + 10 * j
            picture.line(at(found[0.05][j]), level, at(found[0.95][j]), level, colour, 1.3)
            picture.line(at(found[0.25][j]), level, at(found[0.75][j]), level, colour, 6.0)
            picture.dot(
                at(found[0.5][j]),
                level,
                3.0,
                "#fff",
                f"{guild}: median {_percent(found[0.5][j])}",
                f'stroke="{colour}" stroke-width="1.6"',
            )
    foot = top + row * len(GUILDS) + 4
    picture.line(left, foot, width - 20, foot)
    for tick in range(-5, 1):
        picture.line(at(10.0**tick), foot, at(10.0**tick), foot + 4)
        picture.text(at(10.0**tick), foot + 20, _percent(10.0**tick), anchor="middle", size=12)
    return picture.render()
