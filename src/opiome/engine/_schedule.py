"""Event table to the primitive actions that the driver performs: what, where, how much, when, sorted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opiome.engine._events import DOSE, END, MOST_EVENTS, RESET, RESET_AND_DOSE, SET_PARAMETER, EventTable
from opiome.engine._steady_dose import Repeated, constant, repeated
from opiome.errors import DoseError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opiome.engine._own_block import OwnBlock

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
A_RESET, A_SET, A_STOP, A_PUT, A_ADD, A_BOLUS, A_START = range(7)  # as in the driver, in the order of ties
A_DAY = 24.0  # h: intervals of a constant infusion


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
    """Tell whether a table has resets, ends or steady states: they change what earlier records do."""
    return bool(np.isin(table.EVID, (RESET, RESET_AND_DOSE, END)).any() or (table.SS > 0).any())


@dataclass(frozen=True)
class Context:
    """What the expansion must know of the model: names, a drug's own states, and their steady states.

    ``linear``: matrix and constant of a linear block for one patient. ``shoot``: a solver for a block,
    patients and their parameters; it takes one dose per patient and gives states (k, m).
    """

    states: dict[str, int]
    parameters: dict[str, int]
    block: Callable[[int], OwnBlock]
    linear: Callable[[Integers, Floats], tuple[Floats, Floats]]
    shoot: Callable[[Integers, Integers, Floats], Callable[[Sequence[Repeated]], Floats]]


def expand(table: EventTable, context: Context, values: Floats, now: float) -> Actions:
    """Expand a checked table; ``values`` (n, slots) are the patients' parameters at the time ``now``."""
    n = len(values)
    if looks_back(table):
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
        ends = table.take(table.EVID == END)
        parts.append(_doses(table.take(dose), table.take(resets), ends, parts[1], context, values, now))
    return Actions.join(parts).in_order()


def _one_row_per_patient(table: EventTable, n: int) -> EventTable:
    every = table.ID == -1
    if not every.any():
        return table
    shared = table.take(np.repeat(np.flatnonzero(every), n))
    shared = EventTable(**{**vars(shared), "ID": np.tile(np.arange(n), int(every.sum()))})
    return EventTable.concat([table.take(~every), shared])


def _doses(  # noqa: PLR0917 - what an expansion needs
    table: EventTable,
    resets: EventTable,
    ends: EventTable,
    sets: Actions,
    context: Context,
    values: Floats,
    now: float,
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
    taken = table.TIME[parent] + turn * table.II[parent]
    begin = taken + table.LAG[parent]
    amounts, rates, lengths = amount[parent], rate[parent], length[parent]

    steady = _Steady(table, state, amount, rate, length, sets, context, values, now)
    parts, past = steady.actions()
    source = np.array([i for i, extra in past for _ in extra.who], np.int64)
    extra = Actions.join([e for _, e in past])
    parent = np.append(parent, source)
    taken, begin = np.append(taken, extra.time), np.append(begin, extra.time)
    amounts, rates = np.append(amounts, 0.0 * extra.value), np.append(rates, rate[source])
    lengths = np.append(lengths, extra.value)
    record, who, row, lag = table.TIME[parent], table.ID[parent], state[parent], table.LAG[parent]

    constant_input = (rates > 0) & (lengths == 0)  # SS with AMT 0: the level only
    keep = ~constant_input
    stop = begin + lengths
    for p, t, block in [*_patients(resets), *steady.cancels()]:
        mine = (who == p) & (record < t)
        if block is not None:
            mine &= np.isin(row, block)
        keep &= ~(mine & (begin >= t))
        stop = np.where(mine & (begin < t) & (stop > t), t, stop)
    for k in range(
        len(ends)
    ):  # what was swallowed before still arrives; an infusion's lag holds at its end too
        t, site = ends.TIME[k], ends.SITE[k]
        mine = (who == ends.ID[k]) & (record < t) & (row == context.states[str(ends.CMT[k])])
        if site:
            mine &= (site == table.SITE)[parent]
        keep &= ~(mine & (taken >= t))
        stop = np.where(mine & (taken < t), np.minimum(stop, t + lag), stop)
    bolus, infusion = keep & (rates == 0), keep & (rates > 0)
    parts += [
        Actions.make(who[bolus], begin[bolus], A_BOLUS, row[bolus], amounts[bolus]),
        Actions.make(who[infusion], begin[infusion], A_START, row[infusion], rates[infusion]),
        Actions.make(who[infusion], stop[infusion], A_STOP, row[infusion], rates[infusion]),
    ]
    actions = Actions.join(parts)
    # a reset turns infusions off by itself: their stops at that very time have nothing left to stop
    for p, t, _ in _patients(resets):
        actions = actions.take(~((actions.who == p) & (actions.what == A_STOP) & (actions.time == t)))
    return actions


def _patients(resets: EventTable) -> list[tuple[int, float, Integers | None]]:
    """Who is reset when; None: all states."""
    return [(int(p), float(t), None) for p, t in zip(resets.ID, resets.TIME, strict=True)]


@dataclass(frozen=True)
class _Steady:
    """The steady-state records of a table of doses, solved together."""

    table: EventTable
    state: Integers
    amount: Floats
    rate: Floats
    length: Floats
    sets: Actions
    context: Context
    values: Floats
    now: float

    @cached_property
    def records(self) -> Integers:
        return np.flatnonzero(self.table.SS > 0)

    @cached_property
    def blocks(self) -> dict[int, OwnBlock]:
        return {int(state): self.context.block(int(state)) for state in np.unique(self.state[self.records])}

    def cancels(self) -> list[tuple[int, float, Integers | None]]:
        """Whose doses into which states end when: SS = 1 replaces what was recorded before."""
        table = self.table
        return [
            (int(table.ID[i]), float(table.TIME[i]), self.blocks[int(self.state[i])].states)
            for i in self.records
            if table.SS[i] == 1
        ]

    def actions(self) -> tuple[list[Actions], list[tuple[int, Actions]]]:
        """What puts (or adds) the steady states, and by record the infusions of the past that still run.

        The latter hold begin times as ``time`` and durations as ``value``.
        """
        puts: list[Actions] = []
        together: dict[tuple[int, float], list[int]] = {}
        for i in map(int, self.records):
            block = self.blocks[int(self.state[i])]
            if not block.linear and self.table.SS[i] == 2:  # noqa: PLR2004 - NONMEM's code: added
                name = self.table.CMT[i]
                raise DoseError(
                    Problem(
                        f"`{name}` is not linear, so a steady state cannot be added to what is there",
                        field="SS",
                        remedy="use SS 1, or give the earlier doses with II and ADDL",
                    )
                )
            if self.table.TIME[i] < self.now:
                continue
            if block.linear:
                puts.append(self._put(i, self._linear(i, block.states)))
            else:
                together.setdefault((int(self.state[i]), self._dose(i).interval), []).append(i)
        for (state, _), records in together.items():
            block = self.blocks[state]
            who, values = self.table.ID[records], np.stack([self._parameters(i) for i in records])
            found = self.context.shoot(block.states, who, values)([self._dose(i) for i in records])
            puts += [self._put(i, x) for i, x in zip(records, found, strict=True)]
        return puts, [(int(i), self._past(int(i))) for i in self.records]

    def _parameters(self, i: int) -> Floats:
        """The patient's parameters at the time of record i."""
        sets, who, time = self.sets, int(self.table.ID[i]), self.table.TIME[i]
        mine = ((sets.who == who) | (sets.who == -1)) & (sets.time >= self.now) & (sets.time <= time)
        parameters: Floats = self.values[who].copy()
        for at in np.flatnonzero(mine)[np.argsort(sets.time[mine], kind="stable")]:
            parameters[sets.row[at]] = sets.value[at]
        return parameters

    def _dose(self, i: int) -> Repeated:
        """The dose of record i; a constant infusion is one that fills each of its intervals."""
        block = self.blocks[int(self.state[i])].states
        entry, interval = int(np.flatnonzero(block == self.state[i])[0]), float(self.table.II[i])
        if interval > 0:
            return Repeated(
                entry, float(self.amount[i]), float(self.length[i]), interval, float(self.table.LAG[i])
            )
        return Repeated(entry, float(self.rate[i]) * A_DAY, A_DAY, A_DAY, 0.0)

    def _linear(self, i: int, block: Integers) -> Floats:
        matrix, drive = self.context.linear(block, self._parameters(i))
        dose = self._dose(i)
        if self.table.SS[i] == 2:  # noqa: PLR2004 - without other inputs: they are there already
            drive = np.zeros_like(drive)
        if self.table.II[i] > 0:
            return repeated(matrix, drive, dose)
        unit = np.zeros(len(block))
        unit[dose.entry] = self.rate[i]
        return constant(matrix, drive + unit)

    def _put(self, i: int, x: Floats) -> Actions:
        who, time = int(self.table.ID[i]), float(self.table.TIME[i])
        block = self.blocks[int(self.state[i])]
        if not np.isfinite(x).all():
            why = "nothing removes the drug" + ("" if block.linear else ", or less than is given")
            raise DoseError(
                Problem(
                    f"patient {who} has no steady state of this dose at {time:g} h: {why}",
                    field="SS",
                    remedy="check the patient's clearance, or give the doses with ADDL",
                )
            )
        return Actions.make(who, time, A_PUT if self.table.SS[i] == 1 else A_ADD, block.states, x)

    def _past(self, i: int) -> Actions:
        """Infusions of doses before record i that still run then."""
        interval, lag, length = float(self.table.II[i]), float(self.table.LAG[i]), float(self.length[i])
        who, time, state = int(self.table.ID[i]), float(self.table.TIME[i]), int(self.state[i])
        if not (interval > 0 and self.rate[i] > 0):
            return Actions.join([])
        k = np.arange(1, int(np.ceil((lag + length) / interval)) + 1)
        left = lag - k * interval + length
        left = left[left > 1e-12]  # noqa: PLR2004 - rounding
        return Actions.make(who, np.full(len(left), time), A_START, state, left)
