"""Patients on their way through time: advance, look, change doses or parameters, go on."""
# ruff: noqa: SLF001 - an ensemble runs the machine code of its program

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from opiome.engine import _schedule, _triggers
from opiome.engine._events import EventTable, check
from opiome.engine._outcome import REMEDY, Failure, Outcome
from opiome.engine._periodic import Shots
from opiome.errors import DoseError, InputError, Problem, nearest

if TYPE_CHECKING:
    from opiome.engine._program import Program

Array = NDArray[np.float64]
MOST_VALUES = 2_000_000_000  # 16 GB of output at once
LEAST_STEP = 1e-10
GUARD = -100.0
_AWAY = -1  # no outcome: the mark of released patients while the others are integrated


@dataclass(frozen=True)
class Block:
    """Outputs of every patient at the times asked for; NaN from a patient's failure on."""

    times: Array
    values: Array
    outcome: NDArray[np.int8]


def tolerance(rtol: float) -> float:
    """A relative tolerance that can be met; raises InputError for anything else."""
    if isinstance(rtol, int | float | np.floating | np.integer) and 0 < rtol < 1:
        return float(rtol)
    raise InputError(
        Problem(
            f"is {rtol!r}", field="rtol", expected="a number between 0 and 1", remedy="give one such as 1e-4"
        )
    )


def count(field: str, value: int) -> int:
    """A whole number from 1 on; raises InputError for anything else."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 1:
        return int(value)
    raise InputError(
        Problem(f"is {value!r}", field=field, expected="a whole number", remedy="give 1 or more")
    )


class Ensemble:
    """Made by :meth:`Program.ensemble`; ``time`` (h), ``states`` (n, n_states), ``outcome`` (n,)."""

    def __init__(
        self,
        program: Program,
        matrix: Array,
        states: Array,
        events: EventTable | None,
        *,
        rtol: float,
        atol: Array,
        threads: int,
        signed: NDArray[np.bool_],
        budget: int,
        gpu: bool = False,
    ) -> None:
        n = len(states)
        self._gpu = gpu
        self.program, self.time, self.states = program, 0.0, states
        self.threads = threads
        self.outcome = np.where(np.isfinite(states).all(axis=1), Outcome.OK, Outcome.IMPOSSIBLE_PARAMETERS)
        self.outcome = self.outcome.astype(np.int8)
        self._matrix, self._origin, self._peak = matrix, states.copy(), np.abs(states)
        self._atol = atol
        self._signed = signed | (states < 0).any(axis=0)
        self._control = np.array([rtol, budget, LEAST_STEP])
        self._when = np.zeros(n)
        self._what = np.full(n, -1)  # the state that a failure is about
        self._released = np.zeros(n, bool)
        for p in np.flatnonzero(self.outcome):
            self._what[p] = np.argmin(np.isfinite(states[p]))
            states[p] = np.nan
        self._steps = np.zeros((n, 2), np.int64)
        self._inputs: list[int] = []  # states with a zero-order input
        self._kinds: list[int] = []  # kinds of dose, each with a remembered first step
        self._h = np.zeros((n, 1))
        self._rates, self._running = np.zeros((n, 0)), np.zeros((n, 0), np.int64)
        self._triggers = _triggers.tables(program._meta["triggers"])
        self._flags, self._pending = _triggers.memory(program._meta["triggers"], n)
        self._marks = np.zeros((n, program._meta["switches"]), bool)
        self._tables: list[EventTable] = []
        self._changes: list[tuple[float, str, NDArray[np.intp], Array]] = []
        self._actions: _schedule.Actions | None = None
        self._late: list[_schedule.Actions] = []  # given later: merged into the others when they are due
        self._back = False  # whether any event changes what earlier ones do
        if events is not None and len(events):
            self.give(events)

    def __len__(self) -> int:
        return len(self.states)

    @property
    def failures(self) -> list[Failure]:
        """One entry per failed patient, in patient order."""
        found = []
        for p in np.flatnonzero(self.outcome):
            outcome = Outcome(self.outcome[p])
            name = self.program.states[self._what[p]] if self._what[p] >= 0 else ""
            found.append(Failure(int(p), float(self._when[p]), name, outcome, REMEDY[outcome]))
        return found

    @property
    def steps(self) -> NDArray[np.int64]:
        """Steps taken and rejected so far, (n, 2)."""
        return self._steps

    def parameter(self, name: str) -> Array:
        """The present value of a parameter, (n,)."""
        return self._matrix[:, self._slot(name)].copy()

    @property
    def given(self) -> EventTable:
        """All events given so far and all parameters set (EVID 2), by the model's time."""
        rows = [
            {"ID": int(p), "TIME": time, "EVID": 2, "CMT": name, "AMT": float(value)}
            for time, name, patients, values in self._changes
            for p, value in zip(patients, values, strict=True)
        ]
        return EventTable.concat([*self._tables, *([EventTable.from_rows(rows)] if rows else [])])

    @property
    def rtol(self) -> float:
        """The relative tolerance; a new one holds from the present time on."""
        return float(self._control[0])

    @rtol.setter
    def rtol(self, value: float) -> None:
        self._control[0] = tolerance(value)

    def release(self, where: NDArray[np.bool_]) -> None:
        """Follow some patients, a mask (n,), no further: nobody will look at them again.

        Their states and outcome stay as they are; their outputs are NaN from now on.
        """
        mask = np.asarray(where)
        if mask.dtype != bool or mask.shape != (len(self),):
            raise InputError(
                Problem(
                    f"has shape {mask.shape} and type {mask.dtype}",
                    field="where",
                    expected=f"a mask of type bool and shape ({len(self)},)",
                    remedy="give one truth value for each patient",
                )
            )
        self._released |= mask

    def _slot(self, name: str) -> int:
        if name not in self.program.defaults:
            near = nearest(name, self.program.parameters)
            raise InputError(
                Problem(
                    f"`{name}` is no parameter",
                    field=name,
                    remedy=f"did you mean `{near}`?" if near else "give a parameter of the model",
                )
            )
        return self.program.parameters.index(name)

    def give(self, events: EventTable) -> None:
        """Add events from the present time on.

        Raises:
            DoseError: everything that is wrong with the table, with row, field and remedy.
        """
        sites = any(map(bool, events.SITE))  # only they look at what was given before
        problems = check(
            events, len(self), self.time, self.program.states, self.program.parameters,
            earlier=EventTable.concat(self._tables) if sites else None,
        )  # fmt: skip
        if problems:
            raise DoseError(problems)
        kept = self._tables, self._back
        self._tables = [*self._tables, events]
        self._back = self._back or _schedule.looks_back(events)
        try:
            if self._actions is None or self._back:
                self._actions, self._late = self._expand(EventTable.concat(self._tables)), []
            else:  # nothing refers to what came before
                self._late.append(self._expand(events))
        except DoseError:
            self._tables, self._back = kept
            raise

    def set(self, parameter: str, values: float | Array, where: NDArray[np.bool_] | None = None) -> None:
        """Change a parameter from the present time on, for all patients or those of the mask ``where``.

        ``values`` is a number, (n,), or one value per patient chosen.
        """
        slot = self._slot(parameter)
        mask = np.ones(len(self), bool) if where is None else np.asarray(where, bool)
        new = np.asarray(values, dtype=np.float64)
        if new.ndim and len(new) == len(self):
            new = new[mask]
        bad = np.flatnonzero(~np.isfinite(np.broadcast_to(new, int(mask.sum()))))
        if len(bad):
            raise InputError(
                Problem(
                    f"is not finite for patient {np.flatnonzero(mask)[bad[0]]}",
                    field=parameter,
                    remedy="give a number",
                )
            )
        self._matrix[mask, slot] = new
        self._changes.append((self.time, parameter, np.flatnonzero(mask), self._matrix[mask, slot]))
        if self._back:  # a steady state may change with it
            self._actions, self._late = self._expand(EventTable.concat(self._tables)), []

    def _expand(self, table: EventTable) -> _schedule.Actions:
        """Every action of a table."""
        p = self.program
        context = _schedule.Context(
            {name: i for i, name in enumerate(p.states)},
            {name: i for i, name in enumerate(p.parameters)},
            p._own_block,
            p._linear_system,
            lambda block, who, values: Shots(p, block, values, self._origin[who]).solve,
        )
        return _schedule.expand(table, context, self._matrix, self.time)

    def _window(self, until: float) -> tuple[Array, Array, NDArray[np.int64]]:
        """Actions before ``until`` for the driver: common (5, m), own (5, m), where each patient's begin."""
        everything = self._actions if self._actions is not None else _schedule.Actions.join([])
        actions = everything.take((everything.time >= self.time) & (everything.time < until))
        if self._late:
            late = _schedule.Actions.join(self._late)
            due = (late.time >= self.time) & (late.time < until)
            actions = _schedule.Actions.join([actions, late.take(due)]).in_order()
            self._late = [late.take(late.time >= until)]
        row = actions.row.copy()
        timed = np.isin(actions.what, (_schedule.A_START, _schedule.A_STOP))
        for state in np.unique(row[timed]):
            if state not in self._inputs:
                self._inputs.append(int(state))
        if self._rates.shape[1] < len(self._inputs):
            more = len(self._inputs) - self._rates.shape[1]
            self._rates = np.hstack([self._rates, np.zeros((len(self), more))])
            self._running = np.hstack([self._running, np.zeros((len(self), more), np.int64)])
        if timed.any():
            slot = {state: i for i, state in enumerate(self._inputs)}
            row[timed] = [slot[int(s)] for s in row[timed]]
        # the kind of an event: what it does to which state; its order does not depend on the other patients
        kind = actions.what * len(self.program.states) + np.where(
            actions.what == _schedule.A_SET, 0, actions.row
        )
        for k in np.unique(kind):
            if k not in self._kinds:
                self._kinds.append(int(k))
        if self._h.shape[1] < 1 + len(self._kinds):
            self._h = np.hstack([self._h, np.zeros((len(self), 1 + len(self._kinds) - self._h.shape[1]))])
        flat = np.stack([actions.time, actions.what, row, actions.value, kind]).astype(np.float64)
        shared = actions.who < 0
        begin = np.searchsorted(actions.who[~shared], np.arange(len(self) + 1)).astype(np.int64)
        return np.ascontiguousarray(flat[:, shared]), np.ascontiguousarray(flat[:, ~shared]), begin

    def advance(self, until: float, at: Array | None = None) -> Block:
        """Integrate to ``until`` (h); outputs at the times ``at``, which lie in [time, until] and ascend.

        Output times never change the steps. At the time of a dose the outputs are those just before it;
        events at ``until`` itself happen at the beginning of the next advance.
        """
        times = (
            np.empty(0) if at is None else np.ascontiguousarray(np.asarray(at, dtype=np.float64).reshape(-1))
        )
        self._check_times(until, times)
        outcome = self.outcome
        # the driver passes over who has failed
        self.outcome = np.where(self._released & (outcome == Outcome.OK), _AWAY, outcome).astype(np.int8)
        try:
            values = self._integrate(until, times)
        finally:
            self.outcome = np.where(self._released, outcome, self.outcome)
        self.time = float(until)
        return Block(times, values, self.outcome.copy())

    def _integrate(self, until: float, times: Array) -> Array:
        """Take everybody who is followed to ``until``; the outputs, (n, times, outputs)."""
        p, n = self.program, len(self)
        common, own, begin = self._window(until)
        slots = np.full(7 * len(p.states) + 1, -1, np.int64)
        for i, kind in enumerate(self._kinds):
            slots[kind] = i
        guard = np.where(self._signed, -np.inf, GUARD)
        if self._gpu:
            return p._cuda.advance(self, until, times, (common, own, begin), slots=slots, guard=guard)
        from opiome.engine import _driver

        set_here = [actions[2, actions[1] == _schedule.A_SET] for actions in (common, own)]
        p = p._for(self._matrix, np.concatenate(set_here).astype(int).tolist())
        control = np.array([*self._control, p._meta["prepared"], p._longest(self.rtol)])
        values = np.empty((n, len(times), len(p.outputs)))
        code = np.array(
            [p._code.address(k) for k in ("prep", "step", "accept", "obs", "watch", "affect", "dense")],
            np.int64,
        )
        ns, ni = len(p.states), len(self._inputs)
        rows = 8 + 4 * ns + p._slots + ni + len(p.outputs) + 2 * (ns // 8 + 1) + ni // 8 + 1
        rows += (
            p._meta["prepared"]
            + p._meta["work_rows"]
            + self._flags.shape[1]
            + self._marks.shape[1]
            + self._triggers.rows
        )

        queue = np.zeros(1, np.int64)  # the next patient, whichever thread is free

        def work() -> None:
            memory, base = p._workspace(rows)
            _driver.integrate(
                code,
                queue.ctypes.data,
                self.time,
                float(until),
                self._matrix,
                self.states,
                self._origin,
                self._peak,
                self._h,
                self._rates,
                self._running,
                np.array(self._inputs, np.int64),
                common,
                own,
                begin,
                slots,
                times,
                values,
                self._atol,
                guard,
                control,
                p._meta["work_rows"],
                self.outcome,
                self._when,
                self._what,
                self._steps,
                self._flags,
                self._marks,
                self._pending,
                self._triggers.kinds,
                self._triggers.first,
                self._triggers.assigned,
                memory,
                base,
            )

        pieces = min(self.threads, max(1, n // 8))
        if pieces == 1:
            work()
        else:
            with ThreadPoolExecutor(pieces) as pool:
                for running in [pool.submit(work) for _ in range(pieces)]:
                    running.result()
        return values

    def _check_times(self, until: float, times: Array) -> None:
        problems = []
        if not np.isfinite(until) or until < self.time:
            problems.append(
                Problem(
                    f"is {until:g} h, before the present time {self.time:g} h",
                    field="until",
                    remedy="go forward",
                )
            )
        if len(times) * max(1, len(self)) * max(1, len(self.program.outputs)) > MOST_VALUES:
            problems.append(
                Problem(
                    f"{len(times)} output times, {len(self)} patients and "
                    f"{len(self.program.outputs)} outputs do not fit in memory",
                    field="at",
                    remedy="ask for fewer times or outputs, or reduce them on the way (opiome.engine.stream)",
                )
            )
        elif len(times):
            if not np.isfinite(times).all() or (np.diff(times) < 0).any():
                problems.append(Problem("output times do not ascend", field="at", remedy="sort them"))
            if times[0] < self.time or times[-1] > until:
                problems.append(
                    Problem(
                        f"output times from {times[0]:g} to {times[-1]:g} h leave [{self.time:g}, {until:g}]",
                        field="at",
                        remedy="ask for times between the present time and `until`",
                    )
                )
        if problems:
            raise InputError(problems)
