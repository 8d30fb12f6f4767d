"""What happens inside a step: dense output, comparisons that change, SBML events."""
# numba compiles this: plain loops, many flat arrays and rows named in capitals are the point
# ruff: noqa: PLR0912, PLR0915, PLR0917, PLR2004, C901, ANN001, ANN202
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from opiome.engine._call import W, call
from opiome.engine._outcome import Outcome

STEP_BUDGET = int(Outcome.STEP_BUDGET)
LOOKS = 10  # places of a step at which comparisons are looked at


class Places(NamedTuple):
    """Where the lanes' memory holds what (in doubles), and the number of states."""

    states: int
    tobs: int
    s: int
    y: int
    yn: int
    peak: int
    yobs: int
    par: int
    watch: int
    affect: int


class Calls(NamedTuple):
    """Arguments of the kernels; ``probe`` watches the states of ``yobs``, ``watch`` those of ``y``."""

    prep: Any
    watch: Any
    probe: Any
    affect: Any
    dense: Any


class Events(NamedTuple):
    """Memory and tables of SBML events and of comparisons (see the driver's arguments)."""

    flags: Any
    marks: Any
    pending: Any
    kind: Any
    first: Any
    assigned: Any


@njit(nogil=True, cache=True)
def changed(lane, p, work, at, events):
    """Whether a comparison that was just probed differs from what it was at the start of the step."""
    n_triggers = events.flags.shape[1]
    found = False
    for k in range(events.marks.shape[1]):
        found |= (work[at.watch + (n_triggers + k) * W + lane] != 0.0) != events.marks[p, k]
    return found


@njit(nogil=True, cache=True)
def first_change(lane, p, t, h, t_new, code, work, calls, at, events):
    """The fraction of the step at which a comparison has just changed; 1 if none does.

    The step is looked at in ``LOOKS`` places, so that what holds only inside it is seen too; then bisection
    on the dense output, to the last bit of the fraction.
    """
    low, high = 0.0, 0.0
    for look in range(1, LOOKS + 1):
        if look == LOOKS:
            work[at.tobs + lane] = t_new
            for i in range(at.states):
                work[at.yobs + i * W + lane] = work[at.yn + i * W + lane]
        else:
            work[at.tobs + lane] = t + look / LOOKS * h
            work[at.s + lane] = look / LOOKS
            call(code[6], calls.dense)
        call(code[4], calls.probe)
        if changed(lane, p, work, at, events):
            high = look / LOOKS
            break
        low = look / LOOKS
    if high == 0.0:
        return 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if middle <= low or middle >= high:
            break
        work[at.tobs + lane] = t + middle * h
        work[at.s + lane] = middle
        call(code[6], calls.dense)
        call(code[4], calls.probe)
        if changed(lane, p, work, at, events):
            high = middle
        else:
            low = middle
    # a change at the very end is dealt with just before it, so that the end of the segment stays what it is
    return min(high, 1.0 - 2.0**-50)


@njit(nogil=True, cache=True)
def before_change(lane, p, t, h, code, work, calls, at, events):
    """How far a step from t can go until a comparison of the time changes; h if none does, 0 if it is here.

    The state is held, so comparisons of states do not count. For a step that was rejected: the jump of a rate
    at such a time is no error that smaller steps would remove.
    """
    for i in range(at.states):
        work[at.yobs + i * W + lane] = work[at.y + i * W + lane]
    low, high = 0.0, 1.0
    middle = 1.0
    for k in range(61):
        work[at.tobs + lane] = t + middle * h
        call(code[4], calls.probe)
        found = changed(lane, p, work, at, events)
        if k == 0 and not found:
            return h
        if found:
            high = middle
        else:
            low = middle
        middle = 0.5 * (low + high)
        if middle <= low or middle >= high:
            break
    return low * h if t + low * h > t else 0.0


@njit(nogil=True, cache=True)
def settle(lane, p, t, code, work, calls, at, events, parameters, outcome):
    """Execute the SBML events that are due in a lane, one after the other; how many (SBML L3V2, 4.11.6)."""
    flags, marks, pending, kind, first, assigned = events
    n_triggers, n_slots = flags.shape[1], pending.shape[1]
    executed = 0
    order = 0.0
    while executed < 1000:
        call(code[0], calls.prep)
        call(code[4], calls.watch)
        for k in range(marks.shape[1]):
            marks[p, k] = work[at.watch + (n_triggers + k) * W + lane] != 0.0
        if n_triggers == 0:
            return 0
        call(code[5], calls.affect)
        for k in range(n_triggers):
            holds = work[at.watch + k * W + lane] != 0.0
            row = 2 * k + first[k]
            if holds and not flags[p, k]:
                slot = -1
                for s in range(n_slots):
                    if not np.isfinite(pending[p, s, 0]):
                        slot = s
                        break
                if slot < 0:
                    outcome[p] = STEP_BUDGET
                    return executed
                pending[p, slot, 0] = t + max(0.0, work[at.affect + row * W + lane])
                pending[p, slot, 1] = k
                order += 1.0
                pending[p, slot, 2] = order
                for i in range(first[k + 1] - first[k]):
                    pending[p, slot, 3 + i] = work[at.affect + (row + 2 + i) * W + lane]
            if flags[p, k] and not holds and not kind[k, 0]:
                for s in range(n_slots):
                    if pending[p, s, 1] == k:
                        pending[p, s, 0] = np.inf
            flags[p, k] = holds
        best = -1
        rank = 0.0
        for s in range(n_slots):
            if pending[p, s, 0] <= t:
                k = int(pending[p, s, 1])
                priority = work[at.affect + (2 * k + first[k] + 1) * W + lane]
                earlier = best >= 0 and (
                    pending[p, s, 0] < pending[p, best, 0]
                    or (pending[p, s, 0] == pending[p, best, 0] and pending[p, s, 2] < pending[p, best, 2])
                )
                if best < 0 or priority > rank or (priority == rank and earlier):
                    best, rank = s, priority
        if best < 0:
            return executed
        k = int(pending[p, best, 1])
        row = 2 * k + first[k] + 2
        for i in range(first[k + 1] - first[k]):
            value = pending[p, best, 3 + i] if kind[k, 1] else work[at.affect + (row + i) * W + lane]
            index = assigned[first[k] + i, 1]
            if assigned[first[k] + i, 0] == 1:
                work[at.par + index * W + lane] = value
                parameters[p, index] = value
            else:
                work[at.y + index * W + lane] = value
                work[at.peak + index * W + lane] = max(work[at.peak + index * W + lane], abs(value))
        pending[p, best, 0] = np.inf
        executed += 1
    outcome[p] = STEP_BUDGET
    return executed
