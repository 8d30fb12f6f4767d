"""What is left of a drug's effect without each arrow: one row per arrow, one column per endpoint."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

from svg import BAND, BLUE, INK, MUTED, ORANGE, RULE, WHITE, line, shape, text, write
from svg import picture as blank

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree import ElementTree as ET

    Row = dict[str, Any]
    Share = tuple[float, float, float]

__all__ = ["picture"]

COLUMNS = ("responder", "sbm_change", "csbm_change", "first_sbm")
LEFT, WIDE, GAP, ROW, HEAD, FOOT = 332.0, 168.0, 32.0, 38.0, 92.0, 28.0
LOW, STEP, MOST = 0.0, 50.0, 200.0
"""The axis in percent of the effect: it ends at a multiple of STEP, at MOST at the latest."""
LETTERS = 26
TIP = 5.0
"""An arrow at the end of the axis: the interval goes on."""


def picture(rows: Sequence[Row], nodes: dict[str, str]) -> str:
    """Draw the arrows that move some difference between arms beyond chance, the strongest first.

    Every column has the same scale: the difference without the arrow in percent of that with it.
    """
    columns = [name for name in COLUMNS if any(row["endpoint"] == name for row in rows)]
    found = {(row["endpoint"], row["edge"]): row for row in rows}
    edges = _strongest(rows, columns)
    scale = Scale([_share(found[name, edge]) for name in columns for edge in edges if (name, edge) in found])
    width = LEFT + len(columns) * (WIDE + GAP)
    height = HEAD + len(edges) * ROW + FOOT
    root = blank(width, height, f"What is left of the effect without each of {len(edges)} arrows")
    write(root, 10, 26, "What is left of naldemedine's effect without an arrow", size=16, weight="600")
    write(
        root,
        10,
        46,
        "difference to placebo, % of that with every arrow; 95 % interval of pairs",
        size=12,
        ink=MUTED,
    )
    key = "filled: beyond chance; orange: less is left, blue: more"
    write(root, 10, 64, key, size=12, ink=MUTED)
    for place, name in enumerate(columns):
        left = LEFT + place * (WIDE + GAP)
        label = next(row["label"] for row in rows if row["endpoint"] == name)
        for k, part in enumerate(textwrap.wrap(label, LETTERS)[:2]):
            write(root, left, HEAD - 24 + 15 * k, part, size=12.5, weight="600")
        _axis(root, scale, left, HEAD + 4, height - FOOT)
    for place, edge in enumerate(edges):
        y = HEAD + (place + 0.5) * ROW
        row = next(found[name, edge] for name in columns if (name, edge) in found)
        contested = ", contested" if row["contested"] == "yes" else ""
        write(root, 10, y - 2, edge.replace("_", " "), size=12.5, weight="600")
        ends = " \N{RIGHTWARDS ARROW} ".join(nodes.get(row[end], row[end]) for end in ("from", "to"))
        about = f"{ends}, {row['grade']}{contested}"
        write(root, 10, y + 13, textwrap.shorten(about, 58, placeholder="…"), size=11.5, ink=MUTED)
        for column, name in enumerate(columns):
            if (name, edge) in found:
                _cell(root, found[name, edge], scale, LEFT + column * (WIDE + GAP), y)
    return text(root)


class Scale:
    """The axis that all columns share: from 0 to the first multiple of STEP above what is shown, or MOST."""

    def __init__(self, shares: Sequence[Share | None]) -> None:
        last = max((share[2] for share in shares if share is not None), default=100.0)
        self.high = min(max(math.ceil(last / STEP), 3) * STEP, MOST)

    @property
    def ticks(self) -> list[float]:
        """Multiples of STEP."""
        return [k * STEP for k in range(round(self.high / STEP) + 1)]

    def at(self, value: float, left: float) -> float:
        """The place of a value in the column that begins at ``left``."""
        return left + (min(max(value, LOW), self.high) - LOW) / (self.high - LOW) * WIDE


def _strongest(rows: Sequence[Row], columns: Sequence[str]) -> list[str]:
    """Arrows that move some column beyond chance, by the largest share of the effect that they carry."""
    size: dict[str, float] = {}
    for row in rows:
        share = _share(row)
        if row["endpoint"] in columns and share is not None and _beyond(share):
            size[row["edge"]] = max(size.get(row["edge"], 0.0), abs(share[0] - 100.0))
    return sorted(size, key=lambda edge: -size[edge])


def _share(row: Row) -> Share | None:
    """What is left of the difference, and the ends of its interval, in percent."""
    if row["change"] is None or row["low"] is None or not row["before"]:
        return None
    ends = sorted(100.0 * (1.0 + row[k] / row["before"]) for k in ("low", "high"))
    return 100.0 * (1.0 + row["change"] / row["before"]), ends[0], ends[1]


def _beyond(share: Share) -> bool:
    return share[1] > 100.0 or share[2] < 100.0


def _axis(root: ET.Element, scale: Scale, left: float, top: float, foot: float) -> None:
    whole = scale.at(100.0, 0.0)
    shape(root, "rect", x=left, y=top, width=whole, height=foot - top, fill=BAND, opacity="0.35")
    for tick in scale.ticks:
        x = scale.at(tick, left)
        line(root, (x, top), (x, foot), INK if tick == 100 else RULE, 1.2 if tick == 100 else 0.6)
        words = f"{tick:g} %" if tick == 100 else f"{tick:g}"
        write(root, x, foot + 16, words, size=11, ink=MUTED, anchor="middle")


def _cell(root: ET.Element, row: Row, scale: Scale, left: float, y: float) -> None:
    share = _share(row)
    if share is None:
        return
    ink = MUTED if not _beyond(share) else ORANGE if share[0] < 100 else BLUE
    line(root, (scale.at(share[1], left), y), (scale.at(share[2], left), y), ink, 2.6)
    for beyond, end, way in ((share[1] < LOW, LOW, -1.0), (share[2] > scale.high, scale.high, 1.0)):
        if beyond:
            x = scale.at(end, left)
            tip = f"M{x:g} {y - TIP:g}L{x + way * 1.6 * TIP:g} {y:g}L{x:g} {y + TIP:g}Z"
            shape(root, "path", d=tip, fill=ink)
    fill = ink if _beyond(share) else WHITE
    shape(root, "circle", cx=scale.at(share[0], left), cy=y, r=4.8, fill=fill, stroke=ink, stroke_width=1.8)
