"""Event rows across a boundary in time: dose trains cut, continued and thinned without any loss of drug.

Rows are dictionaries with NONMEM names as in ``opiome.engine.EventTable``. A train is one row with ``II`` and
``ADDL``: a dose at ``TIME`` and ``ADDL`` more, ``II`` hours apart.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from opiome import streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["Row", "after", "before", "evened", "thinned"]

Row = dict[str, Any]
_SLACK = 1e-9  # h; rounding of TIME + k II


def before(rows: Iterable[Row], boundary: float) -> list[Row]:
    """The doses that start before a time (h)."""
    kept = []
    for row in rows:
        count = _count_before(row, boundary)
        if count:
            kept.append({**row, "ADDL": count - 1, "II": row["II"] if count > 1 else 0.0})
    return kept


def after(rows: Iterable[Row], boundary: float) -> list[Row]:
    """What is left to come at a time (h), counted from it: later doses, and those still under way.

    A dose given earlier that has not arrived yet (``LAG``) keeps the rest of its lag; an infusion that runs
    keeps the rest of its amount and duration.
    """
    kept = []
    for row in rows:
        gone = _count_before(row, boundary)
        interval = float(row.get("II") or 0.0)
        for k in range(_first_pending(row, gone), gone):
            kept += _pending(row, float(row["TIME"]) + k * interval, boundary)
        left = int(row.get("ADDL") or 0) + 1 - gone
        if left > 0:
            start = max(float(row["TIME"]) + gone * interval - boundary, 0.0)
            kept.append({**row, "TIME": start, "ADDL": left - 1, "II": interval if left > 1 else 0.0})
    return kept


def evened(rows: Iterable[Row], boundary: float) -> list[Row]:
    """The same amounts: the single doses of a train before a time (h) are spread over its intervals."""
    kept = []
    for row in rows:
        interval, gone = float(row.get("II") or 0.0), _count_before(row, boundary)
        if not gone or interval <= 0 or _duration(row) > 0:
            kept.append(row)
            continue
        spread = {"AMT": float(row["AMT"]) * gone, "DUR": interval * gone}
        kept.append({**row, **spread, "ADDL": 0, "II": 0.0})
        left = int(row.get("ADDL") or 0) + 1 - gone
        if left > 0:
            start = float(row["TIME"]) + gone * interval
            kept.append({**row, "TIME": start, "ADDL": left - 1, "II": interval if left > 1 else 0.0})
    return kept


def thinned(rows: Sequence[Row], patients: NDArray[np.int64], seed: int, missed: float) -> list[Row]:
    """The same trains without the doses that patients forget.

    Each dose is forgotten with probability ``missed``, by the patient's number and the minute at which it is
    due, so that all parts of one dose (two compartments of a tablet) are forgotten together.
    """
    if missed <= 0:
        return list(rows)
    kept = []
    for row in rows:
        count = int(row.get("ADDL") or 0) + 1
        interval = float(row.get("II") or 0.0)
        times = float(row["TIME"]) + interval * np.arange(count)
        minutes = np.rint(times * 60).astype(np.int64)
        taken = streams.uniform(seed, "missed dose", patients[int(row["ID"])], minutes) >= missed
        for first, last in _runs(taken):
            length = last - first
            kept.append(
                {
                    **row,
                    "TIME": float(times[first]),
                    "ADDL": length - 1,
                    "II": interval if length > 1 else 0.0,
                }
            )
    return kept


def _count_before(row: Row, boundary: float) -> int:
    """How many doses of a train start before the boundary."""
    start, interval = float(row["TIME"]), float(row.get("II") or 0.0)
    total = int(row.get("ADDL") or 0) + 1
    if start >= boundary - _SLACK:
        return 0
    if interval <= 0 or total == 1:
        return total
    return min(total, math.ceil((boundary - start) / interval - _SLACK))


def _duration(row: Row) -> float:
    if float(row.get("DUR") or 0.0) > 0:
        return float(row["DUR"])
    rate = float(row.get("RATE") or 0.0)
    return float(row["AMT"]) / rate if rate > 0 else 0.0


def _first_pending(row: Row, gone: int) -> int:
    """The first dose of a train that can still be under way at the boundary."""
    reach = float(row.get("LAG") or 0.0) + _duration(row)
    interval = float(row.get("II") or 0.0)
    if reach <= 0:
        return gone
    return 0 if interval <= 0 else max(0, gone - math.ceil(reach / interval) - 1)


def _pending(row: Row, given: float, boundary: float) -> list[Row]:
    lag, duration = float(row.get("LAG") or 0.0), _duration(row)
    arrives = given + lag
    single = {**row, "TIME": 0.0, "ADDL": 0, "II": 0.0}
    if arrives >= boundary - _SLACK:
        return [{**single, "LAG": max(arrives - boundary, 0.0)}]
    rest = arrives + duration - boundary
    if rest <= _SLACK:
        return []
    share = rest / duration
    timing = {"DUR": rest} if float(row.get("DUR") or 0.0) > 0 else {}
    return [{**single, "LAG": 0.0, "AMT": float(row["AMT"]) * share, **timing}]


def _runs(taken: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open ranges of consecutive True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], taken, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
