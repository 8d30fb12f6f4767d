"""The map of mechanisms as SVG: hand-placed nodes, arrows with sign and grade, coloured by change per arm."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

import polars as pl

from opiome.report._layout_tables import read_rows
from opiome.report._map_key import DASH, GRADES, LIMIT, SIGNS, TIP, arrowhead, map_key
from opiome.report._palette import arm_styles, diverging, ink_on
from opiome.report._routes import Box, Route, route
from opiome.report._svg import INK, MUTED, element
from opiome.report._words import ABSENT, fold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opiome.report._biology import Biology
    from opiome.report._palette import ArmStyle
    from opiome.report._tables import Tables

__all__ = ["ARMS_PER_MAP", "MAP_HEIGHT", "MAP_WIDTH", "Arrow", "arrows", "changes_by_arm", "draw_map"]

MAP_WIDTH, _HEIGHT = 1080.0, 700.0
MAP_HEIGHT = _HEIGHT + 92.0
"""Size of the picture in pixels, its key included."""
ARMS_PER_MAP = 3
_HALF_WIDTH, _HALF_HEIGHT, _CHIP = 68.0, 28.0, 21.0
_GROUND, _NO_VALUE = "#f4f5f7", "#e3e5e8"
_CONTESTED = {"yes": ", contested"}


@dataclass(frozen=True)
class Arrow:
    """All mechanisms of one sign from one node to another, drawn as one arrow.

    ``grade`` is the best of them; ``contested`` where every one of that grade is contested; ``notes`` name
    each.
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
            f"{row['id'].replace('_', ' ')}, grade {row['grade']}{_CONTESTED.get(row['contested'], '')}"
            for row in rows.iter_rows(named=True)
        )
        contested = bool((of_best["contested"] == "yes").all())
        found.append(Arrow(str(start), str(end), str(sign), best, contested, notes))
    return found


def changes_by_arm(tables: Tables, biology: Biology, column: str) -> dict[str, dict[str, float | None]]:
    """Return log2 fold changes by arm and node; ``column`` is ``change`` or ``change_untreated``.

    A change of another observable than the model has at that node now is left out.
    """
    nodes = tables.nodes
    if "observable" in nodes.columns:
        now = biology.nodes.select(node="id", now="observable")
        same = (pl.col("observable") == pl.col("now")).fill_null(value=True)
        nodes = nodes.join(now, on="node", how="left", maintain_order="left").filter(same)
    return {
        arm: dict(nodes.filter(pl.col("arm") == arm).select("node", column).iter_rows())
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
    pairs = tuple((arrow.start, arrow.end) for arrow in drawn)
    routes = _routes(pairs, tuple(boxes.items()))
    order = sorted(range(len(drawn)), key=lambda index: drawn[index].grade, reverse=True)
    styles = arm_styles(list(labels))
    title = element("title", escape(_described(nodes, drawn, changes, labels)), id=f"{key}-title")
    parts = [_region(row) for row in read_rows("map_regions.tsv")]
    parts += [_arrow(drawn[index], routes[index], names) for index in order]
    parts += [_node(node, boxes[node["id"]], changes, labels, styles) for node in nodes]
    parts.append(map_key(list(changes), labels, styles, key, _HEIGHT + 26))
    return element(
        "svg",
        title + "".join(parts),
        xmlns="http://www.w3.org/2000/svg",
        class_="map",
        role="img",
        viewBox=f"0 0 {MAP_WIDTH:g} {MAP_HEIGHT:g}",
        aria_labelledby=f"{key}-title",
    )


@lru_cache(maxsize=8)
def _routes(pairs: tuple[tuple[str, str], ...], boxes: tuple[tuple[str, Box], ...]) -> list[Route]:
    """Return the routes of the arrows, found once for all maps of a page."""
    return route(pairs, dict(boxes), (MAP_WIDTH, _HEIGHT), TIP)


def _region(row: Mapping[str, str]) -> str:
    """Return the tinted ground of a part of the body, with its name in a corner on the right."""
    left, right = float(row["left"]) * MAP_WIDTH, float(row["right"]) * MAP_WIDTH
    top, bottom = float(row["top"]) * _HEIGHT, float(row["bottom"]) * _HEIGHT
    y = top + 20 if row["label_at"] == "top" else bottom - 10
    return element(
        "rect", x=left, y=top, width=right - left, height=bottom - top, rx=12, fill=_GROUND
    ) + element(
        "text",
        escape(row["label"]),
        x=right - 10,
        y=y,
        text_anchor="end",
        font_size=14,
        font_weight=600,
        fill=MUTED,
    )


def _arrow(arrow: Arrow, way: Route, names: Mapping[str, str]) -> str:
    width, colour = GRADES.get(arrow.grade, GRADES["D"])
    (x0, y0), (cx, cy), (x1, y1) = way.start, way.control, way.end
    told = f"{names[arrow.start]} {SIGNS.get(arrow.sign, arrow.sign)} {names[arrow.end]}"
    line = element(
        "path",
        d=f"M{x0:.1f} {y0:.1f}Q{cx:.1f} {cy:.1f} {x1:.1f} {y1:.1f}",
        stroke_dasharray=DASH if arrow.contested else None,
    )
    return element(
        "g",
        element("title", escape(f"{told}: {'; '.join(arrow.notes)}")),
        line,
        arrowhead(arrow.sign, way.end, way.heading, width, colour),
        fill="none",
        stroke=colour,
        stroke_width=width,
    )


def _node(
    node: Mapping[str, str],
    box: Box,
    changes: Mapping[str, Mapping[str, float | None]],
    labels: Mapping[str, str],
    styles: Mapping[str, ArmStyle],
) -> str:
    """Return a node: its name, and under it one chip per arm, coloured by the arm's change."""
    left, top = box.x - box.half_width, box.y - box.half_height
    outline = {"x": left, "y": top, "width": 2 * box.half_width, "height": 2 * box.half_height}
    told = "; ".join(
        f"{labels.get(arm, arm)} {fold(change.get(node['id']))}" for arm, change in changes.items()
    )
    parts = [
        element("title", f"{escape(node['label'])}: {escape(told or 'no values')}"),
        element("rect", **outline, rx=7, fill="#fff", stroke="#fff", stroke_width=5),
    ]
    width = 2 * box.half_width / max(len(changes), 1)
    for place, (arm, change) in enumerate(changes.items()):
        at = (left + place * width, top + 2 * box.half_height - _CHIP)
        parts.append(_chip(change.get(node["id"]), at, width, styles[arm].colour))
    parts.append(element("rect", **outline, rx=4, fill="none", stroke=INK, stroke_width=1.1))
    lines = textwrap.wrap(node["label"], 19)[:2] or [""]
    middle = top + (2 * box.half_height - _CHIP) / 2
    for step, line in enumerate(lines):
        y = middle + 4.5 + (step - (len(lines) - 1) / 2) * 14
        parts.append(
            element(
                "text",
                escape(line),
                x=box.x,
                y=y,
                text_anchor="middle",
                font_size=13,
                font_weight=600,
                fill=INK,
            )
        )
    return element("g", *parts)


def _chip(value: float | None, at: tuple[float, float], width: float, arm: str) -> str:
    """Return one arm's change as a coloured field with its number, underlined in the arm's colour."""
    x, y = at
    fill = _NO_VALUE if value is None else diverging(value, LIMIT)
    text = ABSENT if value is None else fold(value)
    return (
        element("rect", x=x, y=y, width=width, height=_CHIP - 4, fill=fill)
        + element("rect", x=x, y=y + _CHIP - 4, width=width, height=4, fill=arm)
        + element(
            "text",
            text,
            x=x + width / 2,
            y=y + 13,
            text_anchor="middle",
            font_size=12,
            font_weight=600,
            fill=ink_on(fill),
        )
    )


def _described(
    nodes: Sequence[Mapping[str, str]],
    drawn: Sequence[Arrow],
    changes: Mapping[str, Mapping[str, float | None]],
    labels: Mapping[str, str],
) -> str:
    arms = ", ".join(labels.get(arm, arm) for arm in changes) or "no arm"
    return (
        f"Map of mechanisms: {len(nodes)} parts of the body joined by {len(drawn)} arrows, each part with "
        f"its change in {arms}. The values are in a table as well."
    )
