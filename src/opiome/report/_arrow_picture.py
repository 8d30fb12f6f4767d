"""A part of the map: the nodes that some edges join, causes on the left, what they act on on the right."""

from __future__ import annotations

import textwrap
from html import escape
from typing import TYPE_CHECKING, Any

from opiome.report._map_key import DASH, GRADES, SIGNS, TIP, arrowhead
from opiome.report._svg import INK, MUTED, element

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["arrow_picture"]

_WIDTH, _BOX, _TALL, _GAP, _APART = 700.0, 170.0, 40.0, 14.0, 13.0


def arrow_picture(edges: Sequence[Mapping[str, Any]], names: Mapping[str, str], key: str) -> str:
    """Return the edges as inline SVG, empty without edges.

    Args:
        edges: rows of ``edges.tsv``.
        names: labels of the nodes.
        key: prefix of ids, unique in the page.
    """
    if not edges:
        return ""
    ends = [
        {node: [e for e in edges if e[side] == node] for node in dict.fromkeys(edge[side] for edge in edges)}
        for side in ("from", "to")
    ]
    tall = [{node: max(_TALL, _APART * len(own) + 10) for node, own in column.items()} for column in ends]
    height = max(sum(column.values()) + _GAP * len(column) for column in tall)
    at = [_places(column, height) for column in tall]
    leaving, coming = ends
    parts = []
    for edge in edges:
        start = (_BOX, at[0][edge["from"]] + _spread(leaving[edge["from"]], edge))
        end = (_WIDTH - _BOX - TIP, at[1][edge["to"]] + _spread(coming[edge["to"]], edge))
        parts.append(_arrow(edge, start, end, names))
    parts += [_box(names.get(node, node), 0.0, y, tall[0][node]) for node, y in at[0].items()]
    parts += [_box(names.get(node, node), _WIDTH - _BOX, y, tall[1][node]) for node, y in at[1].items()]
    told = "; ".join(
        f"{names.get(e['from'], e['from'])} {SIGNS.get(e['sign'], e['sign'])} {names.get(e['to'], e['to'])}"
        for e in edges
    )
    title = element("title", escape(f"Arrows: {told}."), id=f"{key}-title")
    return element(
        "svg",
        title + "".join(parts),
        xmlns="http://www.w3.org/2000/svg",
        class_="arrows",
        role="img",
        viewBox=f"0 0 {_WIDTH:g} {height:g}",
        aria_labelledby=f"{key}-title",
    )


def _places(column: Mapping[str, float], height: float) -> dict[str, float]:
    """The middles of a column's nodes, the free height shared out evenly between them."""
    room = (height - sum(column.values())) / len(column)
    found, y = {}, room / 2
    for node, own in column.items():
        found[node] = y + own / 2
        y += own + room
    return found


def _spread(together: Sequence[Mapping[str, Any]], edge: Mapping[str, Any]) -> float:
    """How far from a node's middle an edge ends, so that several do not lie on each other."""
    place = [e["id"] for e in together].index(edge["id"])
    return (place - (len(together) - 1) / 2) * _APART


def _arrow(
    edge: Mapping[str, Any], start: tuple[float, float], end: tuple[float, float], names: Mapping[str, str]
) -> str:
    width, colour = GRADES.get(edge["grade"], GRADES["D"])
    (x0, y0), (x1, y1) = start, end
    middle = (x0 + x1) / 2
    path = f"M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
    words = edge["id"].replace("_", " ")
    told = f"{words}: {names.get(edge['from'], '')} {SIGNS.get(edge['sign'], '')} {names.get(edge['to'], '')}"
    return element(
        "g",
        element("title", escape(told)),
        element("path", d=path, stroke_dasharray=DASH if edge["contested"] == "yes" else None),
        arrowhead(edge["sign"], end, (1.0, 0.0), width, colour),
        fill="none",
        stroke=colour,
        stroke_width=width,
    )


def _box(label: str, x: float, y: float, tall: float) -> str:
    lines = textwrap.wrap(label, 22)[:2]
    texts = [
        element(
            "text",
            escape(line),
            x=x + _BOX / 2,
            y=y + 4.5 + (place - (len(lines) - 1) / 2) * 15,
            text_anchor="middle",
            font_size=13.5,
            fill=INK,
        )
        for place, line in enumerate(lines)
    ]
    box = element(
        "rect", x=x + 1, y=y - tall / 2, width=_BOX - 2, height=tall, rx=5, fill="#fff", stroke=MUTED
    )
    return element("g", box, *texts)
