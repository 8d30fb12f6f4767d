"""How the map is drawn and read: lines by grade, heads by sign, the colour scale, and the key to them."""

from __future__ import annotations

import textwrap
from html import escape
from typing import TYPE_CHECKING

from opiome.report._palette import diverging
from opiome.report._svg import INK, MUTED, element

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opiome.report._palette import ArmStyle

__all__ = ["DASH", "GRADES", "LIMIT", "SIGNS", "TIP", "arrowhead", "map_key"]

LIMIT = 2.0
"""Log2 fold change at which the colour scale ends: fourfold up or down."""
GRADES = {"A": (3.0, "#2b313b"), "B": (2.1, "#474e59"), "C": (1.4, "#646b76"), "D": (1.0, "#7c838d")}
"""Line width and colour by grade of evidence."""
SIGNS = {"+": "raises", "-": "lowers"}
TIP = 8.0
"""Pixels that an arrowhead needs between the line's end and the node."""
DASH = "7 4"
"""Dashes of a contested arrow."""
_SCALE = ("≤ ×¼", "×½", "×1", "×2", "≥ ×4")
_ANCHORS = ("start", "middle", "middle", "middle", "end")
_SCALE_WIDTH = 250.0


def arrowhead(
    sign: str, end: tuple[float, float], way: tuple[float, float], width: float, colour: str
) -> str:
    """Return an arrowhead for ``+``, a bar for ``-``, at the ``end`` of a line that runs ``way``."""
    (x, y), (dx, dy) = end, way
    half = 3.6 + width
    if sign == "-":
        x, y = x + 3 * dx, y + 3 * dy
        bar = f"M{x - half * dy:.1f} {y + half * dx:.1f}L{x + half * dy:.1f} {y - half * dx:.1f}"
        return element("path", d=bar, stroke_width=max(width, 2.0) + 0.6)
    tip = f"{x + (TIP - 1) * dx:.1f} {y + (TIP - 1) * dy:.1f}"
    left = f"{x - 2 * dx - half * dy:.1f} {y - 2 * dy + half * dx:.1f}"
    right = f"{x - 2 * dx + half * dy:.1f} {y - 2 * dy - half * dx:.1f}"
    return element("path", d=f"M{tip}L{left}L{right}Z", fill=colour, stroke="none")


def map_key(
    arms: Sequence[str], labels: Mapping[str, str], styles: Mapping[str, ArmStyle], key: str, y: float
) -> str:
    """Return the key under the map, its first line at ``y``: colours, arms, grades, contested, signs."""
    parts = []
    if arms:
        parts += [_scale(key, y), element("text", "Arms, from left to right in a node", x=330, y=y)]
    for place, arm in enumerate(arms):
        text = textwrap.shorten(labels.get(arm, arm), 30, placeholder="…")
        colour = styles[arm].colour
        parts += [
            element("rect", x=330, y=y + 11 + place * 18, width=22, height=5, fill=colour),
            element("text", escape(text), x=360, y=y + 18 + place * 18, fill=colour),
        ]
    parts.append(element("text", "Evidence, A (strong) to D (weak)", x=590, y=y))
    for place, (grade, (width, colour)) in enumerate(GRADES.items()):
        x = 590 + place * 52
        parts += [
            element("path", d=f"M{x} {y + 15:g}h28", stroke=colour, stroke_width=width),
            element("text", grade, x=x + 14, y=y + 34, text_anchor="middle"),
        ]
    parts += [
        element("path", d=f"M590 {y + 48:g}h44", stroke=INK, stroke_width=2, stroke_dasharray=DASH),
        element("text", "contested: studies disagree", x=642, y=y + 52),
    ]
    for place, (sign, name) in enumerate(SIGNS.items()):
        line = y + 13 + place * 20
        shaft = element("path", d=f"M860 {line:g}h38", stroke_width=2.1)
        head = arrowhead(sign, (898.0, line), (1.0, 0.0), 2.1, INK)
        parts += [
            element("g", shaft, head, stroke=INK, fill="none"),
            element("text", name, x=916, y=line + 4),
        ]
    return element("g", *parts, font_size=12.5, fill=MUTED)


def _scale(key: str, y: float) -> str:
    """Return the colour scale with its ticks."""
    steps = 8
    stops = [
        element("stop", offset=step / steps, stop_color=diverging(LIMIT * (2 * step / steps - 1), LIMIT))
        for step in range(steps + 1)
    ]
    ticks = [
        element("text", text, x=20 + place * _SCALE_WIDTH / 4, y=y + 35, text_anchor=anchor)
        for place, (text, anchor) in enumerate(zip(_SCALE, _ANCHORS, strict=True))
    ]
    return "".join(
        (
            element("defs", element("linearGradient", *stops, id=f"{key}-scale")),
            element("text", "Change to the end of treatment", x=20, y=y),
            element(
                "rect",
                x=20,
                y=y + 8,
                width=_SCALE_WIDTH,
                height=12,
                fill=f"url(#{key}-scale)",
                stroke=INK,
                stroke_width=0.5,
            ),
            *ticks,
        )
    )
