"""How the arrows of the map run: one curve per arrow, bent to keep clear of nodes and of other arrows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Box", "Route", "route"]

_BENDS = (0.0, 0.1, -0.1, 0.2, -0.2, 0.32, -0.32, 0.46, -0.46, 0.62, -0.62)
_SAMPLES = 41
_OUTSIDE = 9.0
"""Cost of each sample outside the picture."""
_CLEAR = 7.0
"""Pixels that an arrow keeps from a node that it does not touch."""


@dataclass(frozen=True)
class Box:
    """A node: centre and half sizes in pixels."""

    x: float
    y: float
    half_width: float
    half_height: float


@dataclass(frozen=True)
class Route:
    """A quadratic Bezier curve from ``start`` to ``end``; ``heading`` is the unit direction at the end."""

    start: tuple[float, float]
    control: tuple[float, float]
    end: tuple[float, float]
    heading: tuple[float, float]


def route(
    pairs: Sequence[tuple[str, str]], boxes: Mapping[str, Box], room: tuple[float, float], tip: float
) -> list[Route]:
    """Return a route for every (from, to), shortest first so that the long ones give way.

    Args:
        pairs: Node ids; the same pair twice gives two separate curves, a node with itself a loop.
        boxes: Where the nodes are.
        room: Width and height of the picture, which no arrow leaves.
        tip: Pixels between the end of the curve and the node that it points to, room for an arrowhead.
    """
    lengths = [np.hypot(boxes[b].x - boxes[a].x, boxes[b].y - boxes[a].y) for a, b in pairs]
    routes: dict[int, Route] = {}
    drawn: list[tuple[tuple[str, str], NDArray[np.float64]]] = []
    for index in np.argsort(lengths, kind="stable").tolist():
        pair = pairs[index]
        if pair[0] == pair[1]:
            routes[index] = _loop(boxes[pair[0]])
            continue
        curves = [_curve(boxes[pair[0]], boxes[pair[1]], bend) for bend in _BENDS]
        costs = [
            _cost(curve, bend, pair, boxes, drawn) + _OUTSIDE * _strays(curve, room)
            for curve, bend in zip(curves, _BENDS, strict=True)
        ]
        best = int(np.argmin(costs))
        routes[index] = _trimmed(curves[best], boxes[pair[0]], boxes[pair[1]], tip)
        drawn.append((pair, _points(curves[best])))
    return [routes[index] for index in range(len(pairs))]


def _curve(a: Box, b: Box, bend: float) -> NDArray[np.float64]:
    """Return the three points of the curve between two centres; ``bend`` is its height per length."""
    start, end = np.array([a.x, a.y]), np.array([b.x, b.y])
    across = np.array([start[1] - end[1], end[0] - start[0]])
    return np.stack([start, (start + end) / 2 + 2 * bend * across, end])


def _points(curve: NDArray[np.float64], count: int = _SAMPLES) -> NDArray[np.float64]:
    t = np.linspace(0.0, 1.0, count)[:, None]
    points: NDArray[np.float64] = (1 - t) ** 2 * curve[0] + 2 * t * (1 - t) * curve[1] + t**2 * curve[2]
    return points


def _inside(points: NDArray[np.float64], box: Box, margin: float) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (np.abs(points[:, 0] - box.x) < box.half_width + margin) & (
        np.abs(points[:, 1] - box.y) < box.half_height + margin
    )
    return inside


def _cost(
    curve: NDArray[np.float64],
    bend: float,
    pair: tuple[str, str],
    boxes: Mapping[str, Box],
    drawn: Sequence[tuple[tuple[str, str], NDArray[np.float64]]],
) -> float:
    points = _points(curve)
    through = sum(_inside(points, box, _CLEAR).sum() for name, box in boxes.items() if name not in pair)
    free = points[~(_inside(points, boxes[pair[0]], 0) | _inside(points, boxes[pair[1]], 0))]
    length = float(np.hypot(*(curve[2] - curve[0])))
    cost = 9.0 * float(through) + abs(bend) * (4.0 + length / 60.0)
    for other, line in drawn:
        near = np.hypot(free[:, None, 0] - line[None, :, 0], free[:, None, 1] - line[None, :, 1])
        touching = (near.min(axis=1) < 8.0).sum() if len(free) else 0  # noqa: PLR2004  (pixels: reads as one line)
        shared = bool(set(other) & set(pair))
        cost += (
            0.35 * float(touching)
            if shared
            else 0.9 * float(touching > 0) + 0.35 * float(max(touching - 3, 0))
        )
        if set(other) == set(pair) and touching > len(free) / 2:
            cost += 50.0
    return cost


def _strays(curve: NDArray[np.float64], room: tuple[float, float]) -> int:
    """Return how many samples of the curve leave the picture."""
    points = _points(curve)
    return int(((points < _CLEAR) | (points > np.array(room) - _CLEAR)).sum())


def _trimmed(curve: NDArray[np.float64], a: Box, b: Box, tip: float) -> Route:
    """Return the part of the curve between the edges of its two nodes."""
    points = _points(curve, 401)
    outside = ~_inside(points, a, 1.0)
    first = int(np.argmax(outside)) if outside.any() else 0
    reached = _inside(points, b, tip)
    last = int(np.argmax(reached)) if reached.any() else 400
    last = max(last, first + 1) if last <= first else last
    t0, t1 = first / 400, last / 400
    start, end = points[first], points[last]
    control = (1 - t0) * (1 - t1) * curve[0] + (t0 + t1 - 2 * t0 * t1) * curve[1] + t0 * t1 * curve[2]
    heading = end - control
    heading = heading / (np.hypot(*heading) or 1.0)
    return Route(_pair(start), _pair(control), _pair(end), _pair(heading))


def _loop(box: Box) -> Route:
    """Return a small loop at the upper right corner of a node."""
    x, y = box.x + box.half_width, box.y - box.half_height
    return Route((x - 26.0, y), (x + 6.0, y - 46.0), (x - 4.0, y - 8.0), (-0.26, 0.966))


def _pair(point: NDArray[np.float64]) -> tuple[float, float]:
    return float(point[0]), float(point[1])
