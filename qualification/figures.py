"""A picture per situation, a strip per case: published value or range beside the model's, hits and misses.

Verdicts are told by word, by mark and by a filled or hollow dot, never by colour alone.
"""

from __future__ import annotations

import math
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from rules import ALL
from svg import BAND, BLUE, INK, MUTED, ORANGE, RULE, WHITE, line, picture, shape, short, text, ticks, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from xml.etree import ElementTree as ET

    from rules import Judged

__all__ = ["board", "slug", "strips"]

HOLDS, MISSES = BLUE, ORANGE
WIDTH, LEFT, RIGHT, TEXT = 920.0, 356.0, 672.0, 690.0
HEAD, ROW, AXIS, LETTERS = 44.0, 46.0, 26.0, 54
SQUARE, GAP, NAMES = 15.0, 3.0, 255.0
BOARD = 78.0
"""Where the rows of the board begin."""
KEY = {
    ("check", "holds"): "check, hold",
    ("check", "miss"): "check, missed",
    ("fit", "holds"): "fit (calibrated), hold",
    ("fit", "miss"): "fit (calibrated), missed",
    ("", "no experiment"): "no experiment",
}
SIGNS = {"->": "\N{RIGHTWARDS ARROW}", ">=": "\N{GREATER-THAN OR EQUAL TO}"}
APART = 50.0
"""Values further apart than this factor do not share an axis."""


def colour(judged: Judged) -> str:
    """The colour of a verdict."""
    return {"holds": HOLDS, "miss": MISSES}.get(judged.verdict, MUTED)


def slug(situation: str) -> str:
    """The name of a situation's file."""
    words = "".join(c if c.isalnum() else " " for c in situation.lower()).split()
    return "-".join(words)


def strips(situation: str, judged: Sequence[Judged]) -> str:
    """Draw a situation: a strip per case, an axis under each run of cases with the same unit."""
    groups = _runs(judged)
    height = HEAD + sum(len(g) * ROW + AXIS for g in groups)
    good = sum(j.holds for j in judged)
    root = picture(WIDTH, height, f"{situation}: {good} of {len(judged)} cases hold")
    write(root, 10, 27, situation, size=16, weight="600")
    _key(root, 27)
    top = HEAD
    for group in groups:
        _group(root, group, top)
        top += len(group) * ROW + AXIS
    return text(root)


def board(judged: Sequence[Judged]) -> str:
    """Draw all cases on one board: a square per case, by situation."""
    situations = [(name, list(g)) for name, g in groupby(judged, key=lambda j: j.case["situation"])]
    half = math.ceil(len(situations) / 2)
    line = SQUARE + 9
    height = BOARD + half * line + 10
    good = sum(j.holds for j in judged)
    root = picture(WIDTH, height, f"All {len(judged)} cases, {good} of which hold, a square for each")
    write(root, 10, 27, f"{good} of {len(judged)} published behaviours hold", size=16, weight="600")
    x = 10.0
    for (tag, verdict), name in KEY.items():
        these = [j for j in judged if j.verdict == verdict and tag in {"", j.case["tag"]}]
        if not these:
            continue
        edge = {"holds": HOLDS, "miss": MISSES}.get(verdict, MUTED)
        fill = edge if tag == "check" else WHITE
        _square(root, x, 42, edge, fill, missed=verdict == "miss", empty=not tag)
        write(root, x + SQUARE + 6, 54, f"{len(these)} {name}", size=12.5, ink=MUTED)
        x += 34 + 6.6 * len(f"{len(these)} {name}") + 16
    for place, (name, cases) in enumerate(situations):
        left = 10.0 + (WIDTH / 2) * (place // half)
        top = BOARD + (place % half) * line
        write(root, left, top + 12, textwrap.shorten(name, 46, placeholder="…"), size=12.5)
        for k, j in enumerate(cases):
            fill = colour(j) if j.case["tag"] == "check" and j.answer is not None else WHITE
            at = left + NAMES + k * (SQUARE + GAP)
            _square(root, at, top, colour(j), fill, missed=j.verdict == "miss", empty=j.answer is None)
    return text(root)


def _square(root: ET.Element, x: float, y: float, edge: str, fill: str, *, missed: bool, empty: bool) -> None:
    """A case on the board: a cross marks a miss, dashes a case without experiment."""
    box = shape(root, "rect", x=x, y=y, width=SQUARE, height=SQUARE, rx=2, fill=fill, stroke=edge)
    box.set("stroke-width", "1.6")
    if empty:
        box.set("stroke-dasharray", "3 2")
    if missed:
        ink = WHITE if fill == edge else edge
        a, b = 4.0, SQUARE - 4.0
        path = f"M{x + a:g} {y + a:g}L{x + b:g} {y + b:g}M{x + a:g} {y + b:g}L{x + b:g} {y + a:g}"
        shape(root, "path", d=path, stroke=ink, fill="none").set("stroke-width", "1.8")


def _key(root: ET.Element, y: float) -> None:
    """What the marks mean."""
    shape(root, "rect", x=LEFT, y=y - 11, width=16, height=14, fill=BAND)
    write(root, LEFT + 22, y, "taken by the rule", size=11.5, ink=MUTED)
    line(root, (LEFT + 128, y - 12), (LEFT + 128, y + 4), INK, 2.0)
    write(root, LEFT + 136, y, "published", size=11.5, ink=MUTED)
    line(root, (LEFT + 206, y - 4), (LEFT + 230, y - 4), HOLDS, 3.0)
    shape(root, "circle", cx=LEFT + 218, cy=y - 4, r=4.6, fill=HOLDS)
    write(root, LEFT + 238, y, "model, 90 % interval", size=11.5, ink=MUTED)


def _shown(judged: Judged) -> tuple[float, float]:
    """What the rule takes; a share of people ends at 0 and at 100 %."""
    low, high = judged.expected()
    published = judged.case["published"]
    share = judged.case["unit"] == "%" and published and 0 <= float(published) <= ALL and low <= ALL
    return (max(low, 0.0), min(high, ALL)) if share and judged.case["rule"] == "value" else (low, high)


def _runs(judged: Sequence[Judged]) -> list[list[Judged]]:
    """Cases that follow each other and can share an axis: same unit, sizes not far apart."""
    runs: list[list[Judged]] = []
    for item in judged:
        last = runs[-1] if runs else []
        alike = last and (item.sign, item.case["unit"]) == (last[-1].sign, last[-1].case["unit"])
        sizes = [max(map(abs, (*_shown(j), *(j.model() or ())))) for j in (*last, item)]
        if alike and max(sizes) < APART * min(sizes):
            last.append(item)
        else:
            runs.append([item])
    return runs


def _group(root: ET.Element, group: Sequence[Judged], top: float) -> None:
    """Cases that share an axis."""
    low, high = (0.0, ALL) if group[0].sign else _ends(group)

    def at(value: float) -> float:
        return LEFT + (min(max(value, low), high) - low) / (high - low) * (RIGHT - LEFT)

    foot = top + len(group) * ROW
    for tick in ticks(low, high):
        line(root, (at(tick), top + 4), (at(tick), foot), RULE, 0.6)
        write(root, at(tick), foot + 14, short(tick), size=11, ink=MUTED, anchor="middle")
    unit = "% agree" if group[0].sign else group[0].case["unit"]
    write(root, RIGHT + 18, foot + 14, unit, size=11, ink=MUTED)
    line(root, (LEFT, foot), (RIGHT, foot), RULE, 1.0)
    for place, judged in enumerate(group):
        _strip(root, judged, top + place * ROW + ROW / 2, at)


def _strip(root: ET.Element, judged: Judged, y: float, at: Callable[[float], float]) -> None:
    measure = judged.case["measure"]
    for plain, sign in SIGNS.items():
        measure = measure.replace(plain, sign)
    lines = textwrap.wrap(measure, LETTERS)[:2]
    for k, part in enumerate(lines):
        write(root, 10, y + 4 + 15 * (k - (len(lines) - 1) / 2), part, size=12.5)
    start, end = (at(x) for x in _shown(judged))
    shape(root, "rect", x=start, y=y - 12, width=max(end - start, 1.5), height=24, fill=BAND)
    if judged.case["published"] and not judged.sign:
        x = at(float(judged.case["published"]))
        line(root, (x, y - 14), (x, y + 14), INK, 2.0)
    found = judged.model()
    if found is not None:
        value, low, high = found
        if high > low:
            line(root, (at(low), y), (at(high), y), colour(judged), 3.0)
        fill = colour(judged) if judged.holds else WHITE
        dot = shape(root, "circle", cx=at(value), cy=y, r=5.2, fill=fill, stroke=colour(judged))
        dot.set("stroke-width", "2")
    mark = {"holds": "✓ ", "miss": "✗ "}.get(judged.verdict, "– ")
    write(root, TEXT, y - 3, f"{mark}{judged.verdict}", size=12.5, ink=colour(judged), weight="600")
    write(root, WIDTH - 10, y - 3, judged.case["tag"], size=12, ink=MUTED, anchor="end")
    write(root, TEXT, y + 13, _numbers(judged), size=11.5, ink=INK)


def _numbers(judged: Judged) -> str:
    """The model's value beside what was published, in words."""
    found = judged.model()
    model = "" if found is None else f"{short(found[0])}"
    if judged.sign:
        return f"{model} % agree, 90 asked" if model else "sign"
    case = judged.case
    asked = (
        f"{short(float(case['low']))} to {short(float(case['high']))}"
        if case["rule"] == "range"
        else short(float(case["published"]))
    )
    return f"{model} v {asked} {case['unit']}" if model else f"published {asked} {case['unit']}"


def _ends(group: Sequence[Judged]) -> tuple[float, float]:
    values = [x for j in group for x in (*_shown(j), *(j.model() or ()))]
    low, high = min(values), max(values)
    if 0 <= low < high / 2:
        return 0.0, min(1.05 * high, ALL) if group[0].case["unit"] == "%" and high <= ALL else 1.05 * high
    room = 0.08 * (high - low) or 1.0
    return low - room, high + room
