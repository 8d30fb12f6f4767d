"""The map of mechanisms as SVG: hand-placed nodes, arrows with sign and grade, coloured by change in each arm."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import polars as pl

from opiome.report._layout_tables import read_rows
from opiome.report._palette import arm_styles, diverging, ink_on
from opiome.report._routes import Box, Route, route
from opiome.report._svg import INK, MUTED
from opiome.report._words import fold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opiome.report._biology import Biology
    from opiome.report._palette import ArmStyle
    from opiome.report._tables import Tables

__all__ = ["ARMS_PER_MAP", "MAP_HEIGHT", "MAP_WIDTH", "Arrow", "arrows", "changes_by_arm", "draw_map"]

MAP_WIDTH, _HEIGHT = 1080.0, 700.0
MAP_HEIGHT = _HEIGHT + 92.0
"""Size of the picture in pixels, its key included."""
_HALF_WIDTH, _HALF_HEIGHT = 68.0, 28.0
_CHIP = 21.0
_LIMIT = 2.0
"""Log2 fold change at which the colour scale ends: fourfold up or down."""
ARMS_PER_MAP = 3
_GRADES = {"A": (3.0, "#2b313b"), "B": (2.1, "#474e59"), "C": (1.4, "#646b76"), "D": (1.0, "#7c838d")}
_SIGNS = {"+": "raises", "-": "lowers"}
_TIP = 8.0
_DASH = "7 4"


@dataclass(frozen=True)
class Arrow:
    """All mechanisms of one sign from one node to another, drawn as one arrow.

    ``grade`` is the best of them; ``contested`` where every one of that grade is contested; ``notes`` say what
    each is.
    """

    start: str
    end: str
    sign: str
    grade: str
    contested: bool
    notes: tuple[str, ...]


def arrows(edges: pl.DataFrame) -> list[Arrow]:
    """Return the arrows of an edge table, one per (from, to, sign), in the order of the table."""
    found = []
    for (start, end, sign), rows in edges.group_by(["from", "to", "sign"], maintain_order=True):
        best = min(rows["grade"].to_list())
        of_best = rows.filter(pl.col("grade") == best)
        notes = tuple(
            f"{row['id'].replace('_', ' ')}, grade {row['grade']}{', contested' if row['contested'] == 'yes' else ''}"
            for row in rows.iter_rows(named=True)
        )
        contested = bool((of_best["contested"] == "yes").all())
        found.append(Arrow(str(start), str(end), str(sign), best, contested, notes))
    return found


def changes_by_arm(tables: Tables, column: str) -> dict[str, dict[str, float | None]]:
    """Return log2 fold changes by arm and node; ``column`` is ``change`` or ``change_untreated``."""
    return {
        arm: dict(tables.nodes.filter(pl.col("arm") == arm).select("node", column).iter_rows())
        for arm in tables.arms
    }


def draw_map(
    biology: Biology,
    changes: Mapping[str, Mapping[str, float | None]],
    labels: Mapping[str, str],
    key: str = "map",
) -> str:
    """Return the map as inline SVG.

    Args:
        biology: Nodes and edges.
        changes: Log2 fold change by arm and node id; up to :data:`ARMS_PER_MAP` arms.
        labels: What each arm is called.
        key: Prefix of ids, unique in the page.
    """
    nodes = list(biology.nodes.iter_rows(named=True))
    boxes = {
        node["id"]: Box(float(node["x"]) * MAP_WIDTH, float(node["y"]) * _HEIGHT, _HALF_WIDTH, _HALF_HEIGHT)
        for node in nodes
    }
    names = {node["id"]: node["label"] for node in nodes}
    drawn = [arrow for arrow in arrows(biology.edges) if arrow.start in boxes and arrow.end in boxes]
    routes = route([(arrow.start, arrow.end) for arrow in drawn], boxes, (MAP_WIDTH, _HEIGHT), _TIP)
    order = sorted(range(len(drawn)), key=lambda index: drawn[index].grade, reverse=True)
    styles = arm_styles(list(labels))
    parts = [_region(row) for row in read_rows("map_regions.tsv")]
    parts += [_arrow(drawn[index], routes[index], names) for index in order]
    parts += [_node(node, boxes[node["id"]], changes, labels, styles) for node in nodes]
    parts.append(_legend(list(changes), labels, styles, key))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="map" role="img" viewBox="0 0 {MAP_WIDTH:g} {MAP_HEIGHT:g}" '
        f'aria-labelledby="{key}-title"><title id="{key}-title">{escape(_described(nodes, drawn, changes, labels))}'
        f"</title>{''.join(parts)}</svg>"
    )


def _region(row: Mapping[str, str]) -> str:
    """Return the tinted ground of a part of the body, with its name in a corner on the right."""
    left, right = float(row["left"]) * MAP_WIDTH, float(row["right"]) * MAP_WIDTH
    top, bottom = float(row["top"]) * _HEIGHT, float(row["bottom"]) * _HEIGHT
    name = top + 20 if row["label_at"] == "top" else bottom - 10
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" rx="12" '
        f'fill="#f4f5f7"/><text x="{right - 10:.1f}" y="{name:.1f}" text-anchor="end" font-size="14" '
        f'font-weight="600" fill="{MUTED}">{escape(row["label"])}</text>'
    )


def _arrow(arrow: Arrow, way: Route, names: Mapping[str, str]) -> str:
    width, colour = _GRADES.get(arrow.grade, _GRADES["D"])
    (x0, y0), (cx, cy), (x1, y1), (dx, dy) = way.start, way.control, way.end, way.heading
    dash = f' stroke-dasharray="{_DASH}"' if arrow.contested else ""
    title = f"{names[arrow.start]} {_SIGNS.get(arrow.sign, arrow.sign)} {names[arrow.end]}: {'; '.join(arrow.notes)}"
    return (
        f'<g fill="none" stroke="{colour}" stroke-width="{width}"><title>{escape(title)}</title>'
        f'<path d="M{x0:.1f} {y0:.1f}Q{cx:.1f} {cy:.1f} {x1:.1f} {y1:.1f}"{dash}/>'
        f"{_head(arrow.sign, (x1, y1), (dx, dy), width, colour)}</g>"
    )


def _head(sign: str, end: tuple[float, float], way: tuple[float, float], width: float, colour: str) -> str:
    """Return an arrowhead for ``+``, a bar for ``-``, at the end of a line."""
    (x, y), (dx, dy) = end, way
    half = 3.6 + width
    if sign == "-":
        x, y = x + 3 * dx, y + 3 * dy
        bar = f"M{x - half * dy:.1f} {y + half * dx:.1f}L{x + half * dy:.1f} {y - half * dx:.1f}"
        return f'<path d="{bar}" stroke-width="{max(width, 2.0) + 0.6:.1f}"/>'
    tip = f"{x + (_TIP - 1) * dx:.1f} {y + (_TIP - 1) * dy:.1f}"
    left = f"{x - 2 * dx - half * dy:.1f} {y - 2 * dy + half * dx:.1f}"
    right = f"{x - 2 * dx + half * dy:.1f} {y - 2 * dy - half * dx:.1f}"
    return f'<path d="M{tip}L{left}L{right}Z" fill="{colour}" stroke="none"/>'


def _node(
    node: Mapping[str, str],
    box: Box,
    changes: Mapping[str, Mapping[str, float | None]],
    labels: Mapping[str, str],
    styles: Mapping[str, ArmStyle],
) -> str:
    left, top = box.x - box.half_width, box.y - box.half_height
    told = "; ".join(
        f"{labels.get(arm, arm)} {fold(change.get(node['id']))}" for arm, change in changes.items()
    )
    chip_top = top + 2 * box.half_height - _CHIP
    lines = textwrap.wrap(node["label"], 19)[:2] or [""]
    centre = top + (2 * box.half_height - _CHIP) / 2
    parts = [
        f"<g><title>{escape(node['label'])}: {escape(told or 'no values')}</title>",
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{2 * box.half_width:g}" height="{2 * box.half_height:g}" rx="7" '
        'fill="#fff" stroke="#fff" stroke-width="5"/>',
    ]
    width = 2 * box.half_width / max(len(changes), 1)
    for place, (arm, change) in enumerate(changes.items()):
        value = change.get(node["id"])
        fill = diverging(value, _LIMIT) if value is not None else "#e3e5e8"
        x = left + place * width
        colour = styles[arm].colour
        parts += [
            f'<rect x="{x:.1f}" y="{chip_top:.1f}" width="{width:.1f}" height="{_CHIP - 4:g}" fill="{fill}"/>',
            f'<rect x="{x:.1f}" y="{chip_top + _CHIP - 4:.1f}" width="{width:.1f}" height="4" fill="{colour}"/>',
            f'<text x="{x + width / 2:.1f}" y="{chip_top + 13:.1f}" text-anchor="middle" font-size="12" '
            f'font-weight="600" fill="{ink_on(fill)}">{fold(value) if value is not None else "–"}</text>',
        ]
    parts.append(
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{2 * box.half_width:g}" height="{2 * box.half_height:g}" rx="4" '
        f'fill="none" stroke="{INK}" stroke-width="1.1"/>'
    )
    for step, line in enumerate(lines):
        y = centre + 4.5 + (step - (len(lines) - 1) / 2) * 14
        parts.append(
            f'<text x="{box.x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="13" font-weight="600" '
            f'fill="{INK}">{escape(line)}</text>'
        )
    return "".join(parts) + "</g>"


def _legend(arms: Sequence[str], labels: Mapping[str, str], styles: Mapping[str, ArmStyle], key: str) -> str:
    """Return the key under the map: colours, arms, grades, contested, signs."""
    y = _HEIGHT + 26
    stops = "".join(
        f'<stop offset="{step / 8:g}" stop-color="{diverging(-_LIMIT + step * _LIMIT / 4, _LIMIT)}"/>'
        for step in range(9)
    )
    parts = [
        f'<g font-size="12.5" fill="{MUTED}"><defs><linearGradient id="{key}-scale">{stops}</linearGradient></defs>',
        f'<text x="20" y="{y}">Change to the end of treatment</text>',
        f'<rect x="20" y="{y + 8}" width="250" height="12" fill="url(#{key}-scale)" stroke="{INK}" stroke-width="0.5"/>',
    ]
    for place, text in enumerate(("≤ ×¼", "×½", "×1", "×2", "≥ ×4")):
        anchor = ("start", "middle", "middle", "middle", "end")[place]
        parts.append(f'<text x="{20 + place * 62.5:g}" y="{y + 35}" text-anchor="{anchor}">{text}</text>')
    parts.append(f'<text x="330" y="{y}">Arms, from left to right in a node</text>')
    for place, arm in enumerate(arms):
        colour = styles[arm].colour
        text = textwrap.shorten(labels.get(arm, arm), 30, placeholder="…")
        parts.append(
            f'<rect x="330" y="{y + 11 + place * 18}" width="22" height="5" fill="{colour}"/>'
            f'<text x="360" y="{y + 18 + place * 18}" fill="{colour}">{escape(text)}</text>'
        )
    parts.append(f'<text x="590" y="{y}">Evidence, A (strong) to D (weak)</text>')
    for place, (grade, (width, colour)) in enumerate(_GRADES.items()):
        x = 590 + place * 52
        parts.append(
            f'<path d="M{x} {y + 15}h28" stroke="{colour}" stroke-width="{width}"/>'
            f'<text x="{x + 14}" y="{y + 34}" text-anchor="middle">{grade}</text>'
        )
    parts.append(
        f'<path d="M590 {y + 48}h44" stroke="{INK}" stroke-width="2" stroke-dasharray="{_DASH}"/>'
        f'<text x="642" y="{y + 52}">contested: studies disagree</text>'
    )
    for place, sign in enumerate("+-"):
        line = y + 13 + place * 20
        head = _head(sign, (898.0, line), (1.0, 0.0), 2.1, INK)
        parts.append(
            f'<g stroke="{INK}" fill="none"><path d="M860 {line}h38" stroke-width="2.1"/>{head}</g>'
            f'<text x="916" y="{line + 4}">{_SIGNS[sign]}</text>'
        )
    return "".join(parts) + "</g>"


def _described(
    nodes: Sequence[Mapping[str, str]],
    drawn: Sequence[Arrow],
    changes: Mapping[str, Mapping[str, float | None]],
    labels: Mapping[str, str],
) -> str:
    arms = ", ".join(labels.get(arm, arm) for arm in changes) or "no arm"
    return (
        f"Map of mechanisms: {len(nodes)} parts of the body joined by {len(drawn)} arrows, each part with its change in "
        f"{arms}. The values are in the table under the map."
    )
