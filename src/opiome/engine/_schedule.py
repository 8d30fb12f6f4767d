"""Event table to the primitive actions that the driver performs: what, where, how much, when, sorted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opiome.engine._events import DOSE, MOST_EVENTS, RESET, RESET_AND_DOSE, SET_PARAMETER, EventTable
from opiome.engine._steady_dose import Repeated, constant, repeated
from opiome.errors import DoseError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
A_RESET, A_SET, A_STOP, A_PUT, A_ADD, A_BOLUS, A_START = range(7)  # as in the driver, in the order of ties


@dataclass
class Actions:
    """Primitive actions in parallel arrays; ``who`` -1: every patient; ``row``: a state (A_SET: a slot)."""

    who: Integers
    time: Floats
    what: Integers
    row: Integers
    value: Floats

    @classmethod
    def make(cls, who: ArrayLike, time: ArrayLike, what: int, row: ArrayLike, value: ArrayLike) -> Actions:
        """Broadcast to equal lengths."""
        w, t, a, r, v = np.broadcast_arrays(who, time, what, row, value)
        return cls(
            np.array(w, np.int64).ravel(), np.array(t, float).ravel(), np.array(a, np.int64).ravel(),
            np.array(r, np.int64).ravel(), np.array(v, float).ravel(),
        )  # fmt: skip

    @classmethod
    def join(cls, parts: Sequence[Actions]) -> Actions:
        """Concatenate."""
        if not parts:
            return cls.make(np.empty(0), 0.0, 0, 0, 0.0)
        return cls(
            *(np.concatenate([getattr(p, f) for p in parts]) for f in ("who", "time", "what", "row", "value"))
        )

    def in_order(self) -> Actions:
        """By patient, time and kind; what is equal in all three keeps its order."""
        return self.take(np.lexsort((self.what, self.time, self.who)))

    def take(self, rows: NDArray[np.bool_] | Integers) -> Actions:
        """Some of them."""
        return Actions(self.who[rows], self.time[rows], self.what[rows], self.row[rows], self.value[rows])


def looks_back(table: EventTable) -> bool:
    """Tell whether a table has resets or steady states: they change what earlier records do."""
    return bool(np.isin(table.EVID, (RESET, RESET_AND_DOSE)).any() or (table.SS > 0).any())


@dataclass(frozen=True)
class Context:
    """What the expansion must know of the model: names, and how to get a drug's linear block."""

    states: dict[str, int]
    parameters: dict[str, int]
    block: Callable[[int], Integers]
    linear: Callable[[Integers, Floats], tuple[Floats, Floats]]


def expand(table: EventTable, context: Context, values: Floats, now: float) -> Actions:
    """Expand a checked table; ``values`` (n, slots) are the patients' parameters at the time ``now``."""
    n = len(values)
    resets = np.isin(table.EVID, (RESET, RESET_AND_DOSE))
    steady = (table.SS > 0) & np.isin(table.EVID, (DOSE, RESET_AND_DOSE))
    if resets.any() or steady.any():
        table = _one_row_per_patient(table, n)
        resets = np.isin(table.EVID, (RESET, RESET_AND_DOSE))
    sets = table.EVID == SET_PARAMETER
    slots = np.array([context.parameters[str(c)] for c in table.CMT[sets]], np.int64)
    parts = [
        Actions.make(table.ID[resets], table.TIME[resets], A_RESET, 0, 0.0),
        Actions.make(table.ID[sets], table.TIME[sets], A_SET, slots, table.AMT[sets]),
    ]
    dose = np.isin(table.EVID, (DOSE, RESET_AND_DOSE))
    if dose.any():
        parts.append(_doses(table.take(dose), table.take(resets), parts[1], context, values, now))
    return Actions.join(parts).in_order()


def _one_row_per_patient(table: EventTable, n: int) -> EventTable:
    every = table.ID == -1
    if not every.any():
        return table
    shared = table.take(np.repeat(np.flatnonzero(every), n))
    shared = EventTable(**{**vars(shared), "ID": np.tile(np.arange(n), int(every.sum()))})
    return EventTable.concat([table.take(~every), shared])


def _doses(  # noqa: PLR0917 - what an expansion needs
    table: EventTable, resets: EventTable, sets: Actions, context: Context, values: Floats, now: float
) -> Actions:
    repeats = table.ADDL + 1
    if repeats.sum() > MOST_EVENTS:
        raise DoseError(
            Problem(
                f"the table unfolds to {repeats.sum()} doses, more than {MOST_EVENTS}",
                field="ADDL",
                remedy="simulate fewer patients at a time or a shorter course",
            )
        )
    names, index = np.unique(table.CMT.astype(str), return_inverse=True)
    state = np.array([context.states[name] for name in names], np.int64)[index]
    amount = table.AMT * table.F
    with np.errstate(divide="ignore", invalid="ignore"):
        length = np.where(table.RATE > 0, amount / table.RATE, table.DUR)
        rate = np.where(table.RATE > 0, table.RATE, np.where(table.DUR > 0, amount / table.DUR, 0.0))
    length = np.where(rate > 0, length, 0.0)

    parent = np.repeat(np.arange(len(table)), repeats)
    turn = np.arange(len(parent)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    begin = table.TIME[parent] + table.LAG[parent] + turn * table.II[parent]
    record, who, row = table.TIME[parent], table.ID[parent], state[parent]
    amounts, rates, lengths = amount[parent], rate[parent], length[parent]

    parts: list[Actions] = []
    steady = np.flatnonzero(table.SS > 0)
    cancel: list[tuple[int, float, Integers | None]]
    cancel = [(int(p), float(t), None) for p, t in zip(resets.ID, resets.TIME, strict=True)]
    for i in steady:
        own = context.block(int(state[i]))
        put, extra = _steady(
            table, int(i), int(state[i]), own, (amount[i], rate[i], length[i]), sets, context, values, now
        )
        parts.append(put)
        who, row, record = np.append(who, extra.who), np.append(row, extra.row), np.append(record, extra.time)
        begin, amounts = np.append(begin, extra.time), np.append(amounts, extra.value * 0)
        rates, lengths = np.append(rates, np.full(len(extra.who), rate[i])), np.append(lengths, extra.value)
        if table.SS[i] == 1:
            cancel.append((int(table.ID[i]), float(table.TIME[i]), own))
    constant_input = (rates > 0) & (lengths == 0)  # SS with AMT 0: the level only
    keep = ~constant_input
    stop = begin + lengths
    for p, t, block in cancel:
        mine = (who == p) & (record < t)
        if block is not None:
            mine &= np.isin(row, block)
        keep &= ~(mine & (begin >= t))
        stop = np.where(mine & (begin < t) & (stop > t), t, stop)
    bolus, infusion = keep & (rates == 0), keep & (rates > 0)
    parts += [
        Actions.make(who[bolus], begin[bolus], A_BOLUS, row[bolus], amounts[bolus]),
        Actions.make(who[infusion], begin[infusion], A_START, row[infusion], rates[infusion]),
        Actions.make(who[infusion], stop[infusion], A_STOP, row[infusion], rates[infusion]),
    ]
    actions = Actions.join(parts)
    # a reset turns infusions off by itself: their stops at that very time have nothing left to stop
    for p, t, block in cancel:
        if block is None:
            actions = actions.take(~((actions.who == p) & (actions.what == A_STOP) & (actions.time == t)))
    return actions


def _steady(  # noqa: PLR0917 - one record taken apart
    table: EventTable,
    i: int,
    state: int,
    block: Integers,
    dose: tuple[float, float, float],
    sets: Actions,
    context: Context,
    values: Floats,
    now: float,
) -> tuple[Actions, Actions]:
    """Actions that put (or add) the steady state of record i, and the infusions of the past that still run.

    The second result holds begin times as ``time`` and durations as ``value``.
    """
    amount, rate, length = dose
    who, time = int(table.ID[i]), float(table.TIME[i])
    nothing = Actions.make(np.empty(0), 0.0, 0, 0, 0.0)
    interval, lag = float(table.II[i]), float(table.LAG[i])
    entry = int(np.flatnonzero(block == state)[0])
    extra = nothing
    if interval > 0 and rate > 0:
        k = np.arange(1, int(np.ceil((lag + length) / interval)) + 1)
        left = lag - k * interval + length
        left = left[left > 1e-12]  # noqa: PLR2004 - rounding
        extra = Actions.make(who, np.full(len(left), time), A_START, state, left)
    if time < now:
        return nothing, extra
    mine = ((sets.who == who) | (sets.who == -1)) & (sets.time >= now) & (sets.time <= time)
    parameters = values[who].copy()
    for at in np.flatnonzero(mine)[np.argsort(sets.time[mine], kind="stable")]:
        parameters[sets.row[at]] = sets.value[at]
    matrix, drive = context.linear(block, parameters)
    if table.SS[i] == 2:  # noqa: PLR2004 - NONMEM's code: added to what is there, so without other inputs
        drive = np.zeros_like(drive)
    if interval > 0:
        x = repeated(matrix, drive, Repeated(entry, amount, length, interval, lag))
    else:
        unit = np.zeros(len(block))
        unit[entry] = rate
        x = constant(matrix, drive + unit)
    if not np.isfinite(x).all():
        raise DoseError(
            Problem(
                f"patient {who} has no steady state of this dose at {time:g} h: nothing removes the drug",
                field="SS",
                remedy="check the patient's clearance, or give the doses with ADDL",
            )
        )
    return Actions.make(who, time, A_PUT if table.SS[i] == 1 else A_ADD, block, x), extra
