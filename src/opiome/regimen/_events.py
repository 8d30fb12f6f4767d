"""From dosings to the rows of an event table (NONMEM columns)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import DoseError, Problem
from opiome.regimen._dosing import Dosing
from opiome.regimen._slots import slots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from opiome.engine import EventTable
    from opiome.model import Model
    from opiome.regimen._catalogue import Product

__all__ = ["dose_now", "events", "stops"]

_DAY = 24.0
_SLACK = 1e-9  # h; rounding of days and intervals
EVERYONE = -1
GIVE = 1


def events(
    dosing: Dosing | Sequence[Dosing],
    model: Model,
    start_h: float,
    end_h: float,
    *,
    patients: ArrayLike = EVERYONE,
    doses: ArrayLike | None = None,
    slot: Mapping[tuple[str, str], str] | None = None,
    stopped: Mapping[str, float] | None = None,
) -> EventTable:
    """Return the dose events of regimens in a phase, from ``start_h`` up to but not including ``end_h``.

    Day 1 of a regimen is the first 24 h of the phase. As-needed regimens give no events: they are for the
    trial's rules (:func:`dose_now`). A ``stop`` in the sequence ends the courses of its drug that began
    before it; one that begins on its day or later, at another dose, is a new course.

    Args:
        dosing: one dosing or several.
        model: a loaded model.
        start_h: model time (h) of the start of the phase.
        end_h: model time (h) of its end.
        patients: patient rows that take it, shape (k,); -1 for every patient.
        doses: their doses in the product's unit, shape (k,), of a single dosing; its own by default.
        slot: (drug, formulation) to slot, from :func:`slots` over everything that the patients take; found
            from these dosings alone when left out.
        stopped: drug to the model time (h) from which on it is no longer given.

    Raises:
        DoseError: a dosing without a dose, or more drugs than slots.
    """
    from opiome.engine import EventTable

    lines = [dosing] if isinstance(dosing, Dosing) else list(dosing)
    if doses is not None and len(lines) != 1:
        raise DoseError(Problem("'doses' go with one dosing", expected="one call for each dosing"))
    where = slots(lines, model) if slot is None else slot
    ends = stopped or {}
    rows: list[dict[str, float | int | str]] = []
    for line in lines:
        if line.is_active and not line.as_needed and line.product is not None:
            end = min(end_h, ends.get(line.drug, math.inf), start_h + _stop(line, lines))
            given = _given(patients, doses, line)
            rows += _rows(line, line.product, model, span=(start_h, end), given=given, where=where)
    return EventTable.from_rows(rows)


def stops(dosings: Sequence[Dosing]) -> dict[str, float]:
    """Drug to the hour after the start of the phase from which on a regimen stops it."""
    found: dict[str, float] = {}
    for dosing in dosings:
        if dosing.action == "stop":
            hour = (dosing.first_day - 1) * _DAY
            found[dosing.drug] = min(found.get(dosing.drug, math.inf), hour)
    return found


def _stop(line: Dosing, lines: Sequence[Dosing]) -> float:
    """The hour after the start of the phase at which a course is stopped: the first stop after it begins."""
    began = (line.first_day - 1) * _DAY
    hours = ((d.first_day - 1) * _DAY for d in lines if d.action == "stop" and d.drug == line.drug)
    return min((hour for hour in hours if hour > began), default=math.inf)


def dose_now(
    dosing: Dosing,
    model: Model,
    time_h: ArrayLike,
    patients: ArrayLike,
    slot: Mapping[tuple[str, str], str] | None = None,
) -> EventTable:
    """Return one dose of a regimen for each patient row at its own time (h): what an as-needed rule gives."""
    from opiome.engine import EventTable

    if dosing.product is None:
        return EventTable.from_rows([])
    where = slots([dosing], model) if slot is None else slot
    times, rows = np.broadcast_arrays(np.asarray(time_h, dtype=np.float64), np.asarray(patients))
    amount = dosing.amount()
    timing: dict[str, float | int] = {}
    if dosing.rate:
        duration = dosing.over or dosing.every or 1.0
        amount, timing = amount * duration, {"DUR": duration}
    elif dosing.over:
        timing = {"DUR": dosing.over}
    lag = _lag(dosing.product, model)
    return EventTable.from_rows(
        [
            {
                "ID": int(row),
                "TIME": float(time),
                "AMT": amount * share,
                "EVID": GIVE,
                "CMT": state,
                **timing,
                **lag,
            }
            for time, row in zip(times.ravel(), rows.ravel(), strict=True)
            for state, share in _states(dosing.product, where)
        ]
    )


def _given(patients: ArrayLike, doses: ArrayLike | None, line: Dosing) -> list[tuple[int, float]]:
    """Pairs of patient row and amount of one dose (or rate) in the unit of the states."""
    rows = np.atleast_1d(np.asarray(patients, dtype=np.int64))
    if doses is None:
        amount = line.amount()
        return [(int(row), amount) for row in rows]
    one = line.amount(1.0)
    each = np.broadcast_to(np.asarray(doses, dtype=np.float64), rows.shape)
    return [(int(row), float(dose) * one) for row, dose in zip(rows, each, strict=True)]


def _rows(
    line: Dosing,
    product: Product,
    model: Model,
    *,
    span: tuple[float, float],
    given: list[tuple[int, float]],
    where: Mapping[tuple[str, str], str],
) -> list[dict[str, float | int | str]]:
    start, end = span
    first = start + (line.first_day - 1) * _DAY
    last = end if line.last_day is None else min(end, start + line.last_day * _DAY)
    if first >= last:
        return []
    lag = _lag(product, model)
    return [
        {"ID": row, "TIME": time, "AMT": amount * factor * share, "EVID": GIVE, "CMT": state, **timing, **lag}
        for state, share in _states(product, where)
        for row, amount in given
        for time, factor, timing in _trains(line, first, last)
    ]


def _trains(line: Dosing, first: float, last: float) -> list[tuple[float, float, dict[str, float | int]]]:
    """Trains of doses: time of the first, what an amount (or rate) is multiplied by, and the timing columns.

    A patch is taken off and a pump stopped at the end, so the last ones may be shorter than the others.
    """
    # a dose that falls on the end belongs to the next phase
    count = math.ceil((last - first) / line.every - 1e-9) if line.every is not None else 1
    if not line.rate:
        return [(first, 1.0, _repeat(line, count) | ({"DUR": line.over} if line.over else {}))]
    duration = line.over or line.every or last - first
    whole = count
    while whole and first + (whole - 1) * (line.every or 0.0) + duration > last + _SLACK:
        whole -= 1
    trains = [(first, duration, {**_repeat(line, whole), "DUR": duration})] if whole else []
    for k in range(whole, count):
        start = first + k * (line.every or 0.0)
        trains.append((start, last - start, {"DUR": last - start}))
    return trains


def _repeat(line: Dosing, count: int) -> dict[str, float | int]:
    return {"II": line.every, "ADDL": count - 1} if line.every is not None and count > 1 else {}


def _states(product: Product, where: Mapping[tuple[str, str], str]) -> list[tuple[str, float]]:
    slot = where[product.drug, product.formulation]
    return [(f"{slot}_{name}" if slot else name, share) for name, share in product.compartments]


def _lag(product: Product, model: Model) -> dict[str, float]:
    """The absorption lag (h) of a product, quantity ``lag`` of ``pharmacology.tsv``."""
    found: dict[str, float] = {}
    for row in model.pharmacology.iter_rows(named=True):
        if row["drug"] == product.drug and row["quantity"] == "lag":
            if row["formulation"] == product.formulation:
                return {"LAG": float(row["value"])}
            if row["formulation"] in {"", "*"}:
                found = {"LAG": float(row["value"])}
    return found
