"""The loop over patients: eight lanes, each with its own patient, time, step and schedule.

A free lane is refilled. The kernels of the model are called by address, so this file is compiled once, with
what it takes from ``_switching``, and serves every model. A lane's numbers depend on nothing but its own
patient: packing, order, subset and threads cannot change a bit.
"""
# numba compiles this: plain loops, many flat arrays and rows named in capitals are the point
# ruff: noqa: PLR0915, PLR0912, PLR0917, PLR1714, PLR2004, C901, ANN001, ANN202, N803, N806, SIM109
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit

from opiome.engine._call import W, call, take
from opiome.engine._switching import Calls, Events, Places, before_change, first_change, settle

RESET, SET, STOP, PUT, ADD, BOLUS, START = range(7)  # what an event does, in the order of ties
OK, STEP_BUDGET, NON_FINITE, NEGATIVE, IMPOSSIBLE = range(5)
SHRINK, GROW = 0.1, 5.0


@njit(nogil=True, cache=True)
def integrate(
    code,  # addresses: prep, step, accept, obs
    queue,  # the address of the number of the next patient, which threads share
    now,
    until,
    parameters,  # (n, parameter slots)
    states,  # (n, states), in and out
    origin,  # (n, states): where a reset leads
    peak,  # (n, states): largest |y| so far
    steps_h,  # (n, 1 + dose kinds): the step to continue with; the first step after each kind of dose
    rates,  # (n, inputs): zero-order inputs that run
    running,  # (n, inputs): how many infusions make each
    input_rows,  # (inputs,) the state of each input
    common,  # (5, m): time, what, row, value, dose kind: events of every patient
    own,  # (5, m): events of single patients
    own_start,  # (n + 1,) where each patient's begin
    kind_slot,  # column of steps_h (less one) of each kind of event
    at,  # (k,) output times
    values,  # (n, k, outputs)
    absolute,  # (states,) absolute tolerance
    guard,  # (states,) least value allowed, in units of -1 tolerance scale
    control,  # rtol, step budget, least step, rows of prepared parameters, longest step
    work_rows,
    outcome,
    when,
    what,
    statistics,  # (n, 2) steps accepted, rejected
    flags,  # (n, triggers) whether each SBML event's condition held
    marks,  # (n, switches) which comparisons held at the beginning of the step
    pending,  # (n, slots, 3 + values): executions that wait: time, trigger, order, values
    trigger_kind,  # (triggers, 2): persistent, values from the trigger's time
    trigger_first,  # (triggers + 1,)
    assigned,  # (assignments, 2): 0 state or 1 parameter, index
    work,  # the lanes' memory, flat
    base,  # its address
):
    """Integrate patients from ``now`` to ``until``, as long as the queue has any."""
    last = states.shape[0]
    n_states = states.shape[1]
    n_par = parameters.shape[1]
    n_in = input_rows.shape[0]
    n_out = values.shape[2]
    n_at = at.shape[0]
    n_common = common.shape[1]
    rtol, budget, least, longest = control[0], control[1], control[2], control[4]

    # rows of the lanes' memory (in doubles)
    T, H, ERR, FACTOR, TOBS, CTRL, S = 0, W, 2 * W, 3 * W, 4 * W, 5 * W, 6 * W
    Y = 7 * W
    YN = Y + W * n_states
    PEAK = YN + W * n_states
    YOBS = PEAK + W * n_states
    PAR = YOBS + W * n_states
    INP = PAR + W * n_par
    OBS = INP + W * n_in
    ABS = OBS + W * n_out
    GUARD = ABS + W * ((n_states + W - 1) // W)
    ROWS = GUARD + W * ((n_states + W - 1) // W)
    PRE = ROWS + W * ((n_in + W - 1) // W)
    WORK = PRE + W * int(control[3])
    n_watched = flags.shape[1] + marks.shape[1]
    WATCH = WORK + W * work_rows
    AFFECT = WATCH + W * n_watched
    watch_arguments = (base + 8 * T, base + 8 * Y, base + 8 * PAR, base + 8 * PRE, base + 8 * WATCH)
    probe_arguments = (base + 8 * TOBS, base + 8 * YOBS, base + 8 * PAR, base + 8 * PRE, base + 8 * WATCH)
    affect_arguments = (base + 8 * T, base + 8 * Y, base + 8 * PAR, base + 8 * PRE, base + 8 * AFFECT)
    for i in range(n_states):
        work[ABS + i] = absolute[i]
        work[GUARD + i] = guard[i]
    for lane in range(W):
        work[CTRL + lane] = rtol
        work[T + lane] = now
        work[H + lane] = 1e-3
    integer_rows = work[ROWS : ROWS + n_in].view(np.int64)
    for i in range(n_in):
        integer_rows[i] = input_rows[i]
    prep_arguments = (base + 8 * PAR, base + 8 * PRE)
    obs_arguments = (base + 8 * TOBS, base + 8 * YOBS, base + 8 * PAR, base + 8 * PRE, base + 8 * OBS)
    accept_arguments = (base + 8 * Y, base + 8 * YN, base + 8 * PEAK, base + 8 * ERR)
    step_arguments = (
        base + 8 * T,
        base + 8 * H,
        base + 8 * Y,
        base + 8 * PAR,
        base + 8 * PRE,
        base + 8 * ROWS,
        base + 8 * INP,
        base + 8 * ABS,
        base + 8 * GUARD,
        base + 8 * PEAK,
        base + 8 * CTRL,
        base + 8 * WORK,
        base + 8 * YN,
        base + 8 * ERR,
        n_in,
    )

    dense_arguments = (base + 8 * S, base + 8 * Y, base + 8 * YN, base + 8 * WORK, base + 8 * YOBS)
    places = Places(n_states, TOBS, S, Y, YN, PEAK, YOBS, PAR, WATCH, AFFECT)
    calls = Calls(prep_arguments, watch_arguments, probe_arguments, affect_arguments, dense_arguments)
    events = Events(flags, marks, pending, trigger_kind, trigger_first, assigned)
    patient = np.full(W, -1, np.int64)
    end = np.zeros(W)  # the end of the present segment
    next_common = np.zeros(W, np.int64)
    next_own = np.zeros(W, np.int64)
    next_at = np.zeros(W, np.int64)
    wish = np.zeros(W)  # the step that the controller wants
    kind = np.zeros(W, np.int64)  # the kind of dose whose first step is due, or -1
    rejected = np.zeros(W, np.bool_)
    used = np.zeros(W, np.int64)
    to_do = np.zeros(W, np.int8)  # 1: at an event, an output or the end; 0: in a segment
    due = np.zeros(W, np.bool_)  # an output lies in the step just taken
    step_begin, step_length, step_end = np.zeros(W), np.ones(W), np.zeros(W)
    waiting = True
    active = 0
    stale = False  # parameters of some lane changed

    while True:
        # fill free lanes
        for lane in range(W):
            while patient[lane] < 0 and waiting:
                p = take(queue)
                waiting = p < last
                if not waiting:
                    break
                if outcome[p] != OK:
                    values[p] = np.nan
                    continue
                patient[lane] = p
                active += 1
                for i in range(n_states):
                    work[Y + i * W + lane] = states[p, i]
                    work[PEAK + i * W + lane] = peak[p, i]
                for i in range(n_par):
                    work[PAR + i * W + lane] = parameters[p, i]
                for i in range(n_in):
                    work[INP + i * W + lane] = rates[p, i]
                stale = True
                work[T + lane] = now
                wish[lane] = steps_h[p, 0]
                next_common[lane], next_own[lane], next_at[lane] = 0, own_start[p], 0
                rejected[lane] = False
                used[lane] = 0
                kind[lane] = -1
                to_do[lane] = 2
        if active == 0:
            break
        if stale:
            call(code[0], prep_arguments)
            stale = False

        # outputs at the start, events that are due, ends
        again = False
        for lane in range(W):
            if patient[lane] < 0 or to_do[lane] == 0:
                continue
            p = patient[lane]
            t = work[T + lane]
            if to_do[lane] == 2:  # outputs before the first step
                to_do[lane] = 1
                if n_watched > 0 and t <= 0.0:  # SBML events at time 0 are part of the start
                    settle(lane, p, t, code, work, calls, places, events, parameters, outcome)
                fresh = False
                while next_at[lane] < n_at and at[next_at[lane]] <= t:
                    if not fresh:
                        for i in range(n_states):
                            work[YOBS + i * W + lane] = work[Y + i * W + lane]
                        work[TOBS + lane] = t
                        call(code[3], obs_arguments)
                        fresh = True
                    for i in range(n_out):
                        values[p, next_at[lane], i] = work[OBS + i * W + lane]
                    next_at[lane] += 1
            if t < until:
                happened = -1
                while True:
                    c, o = next_common[lane], next_own[lane]
                    has_c = c < n_common and common[0, c] <= t
                    has_o = o < own_start[p + 1] and own[0, o] <= t
                    if not (has_c or has_o):
                        break
                    pick_own = has_o and not (
                        has_c
                        and (
                            common[0, c] < own[0, o]
                            or (common[0, c] == own[0, o] and common[1, c] <= own[1, o])
                        )
                    )
                    if pick_own:
                        action, row, amount, label = int(own[1, o]), int(own[2, o]), own[3, o], int(own[4, o])
                        next_own[lane] += 1
                    else:
                        action, row = int(common[1, c]), int(common[2, c])
                        amount, label = common[3, c], int(common[4, c])
                        next_common[lane] += 1
                    happened = max(happened, label)
                    if action == RESET:
                        for i in range(n_states):
                            work[Y + i * W + lane] = origin[p, i]
                        for i in range(n_in):
                            work[INP + i * W + lane] = 0.0
                            running[p, i] = 0
                    elif action == SET:
                        work[PAR + row * W + lane] = amount
                        parameters[p, row] = amount
                        stale = True
                    elif action == STOP:
                        running[p, row] -= 1
                        left = work[INP + row * W + lane] - amount
                        work[INP + row * W + lane] = left if running[p, row] > 0 else 0.0
                    elif action == START:
                        running[p, row] += 1
                        work[INP + row * W + lane] += amount
                    elif action == PUT:
                        work[Y + row * W + lane] = amount
                    else:
                        work[Y + row * W + lane] += amount
                    if action == RESET or action == PUT or action == ADD or action == BOLUS:
                        for i in range(n_states):
                            size = abs(work[Y + i * W + lane])
                            work[PEAK + i * W + lane] = max(work[PEAK + i * W + lane], size)
                if n_watched > 0:
                    done = settle(lane, p, t, code, work, calls, places, events, parameters, outcome)
                    stale = False
                    if done > 0:
                        wish[lane] = 0.0
                        happened = -1
                end[lane] = until
                for k in range(pending.shape[1]):
                    end[lane] = min(end[lane], pending[p, k, 0])
                if next_common[lane] < n_common and common[0, next_common[lane]] < end[lane]:
                    end[lane] = common[0, next_common[lane]]
                if next_own[lane] < own_start[p + 1] and own[0, next_own[lane]] < end[lane]:
                    end[lane] = own[0, next_own[lane]]
                if happened >= 0:
                    kind[lane] = kind_slot[happened]
                    wish[lane] = steps_h[p, 1 + kind[lane]]
                if wish[lane] <= 0.0:
                    wish[lane] = 1e-3 * (end[lane] - t)
                wish[lane] = min(wish[lane], longest)
                rejected[lane] = False
                used[lane] = 0
                to_do[lane] = 0
                h = wish[lane]
                rest = end[lane] - t
                work[H + lane] = rest if h >= rest * (1.0 - 1e-10) else (0.5 * rest if 2.0 * h > rest else h)
            else:  # this patient has arrived
                for i in range(n_states):
                    states[p, i] = work[Y + i * W + lane]
                    peak[p, i] = work[PEAK + i * W + lane]
                for i in range(n_in):
                    rates[p, i] = work[INP + i * W + lane]
                steps_h[p, 0] = wish[lane]
                patient[lane] = -1
                active -= 1
                again = True
        if stale:
            call(code[0], prep_arguments)
            stale = False
        if again and (waiting or active == 0):
            continue

        call(code[1], step_arguments)

        # control, lane by lane
        for lane in range(W):
            p = patient[lane]
            if p < 0:
                continue
            err = work[ERR + lane]
            h = work[H + lane]
            t = work[T + lane]
            used[lane] += 1
            if err <= 1.0:
                statistics[p, 0] += 1
                factor = min(max(work[FACTOR + lane], 0.2), 1.0 if rejected[lane] else GROW)
                rejected[lane] = False
                arrived = h >= (end[lane] - t) * (1.0 - 1e-10)
                t_new = end[lane] if arrived else t + h
                cut = 1.0
                if n_watched > 0:
                    cut = first_change(lane, p, t, h, t_new, code, work, calls, places, events)
                    if cut < 1.0:
                        cut = min(max(cut, 2.0 * np.spacing(t) / h), 0.5 + 0.5 * cut)  # time must go on
                        arrived = False
                        t_new = t + cut * h
                        to_do[lane] = 1
                if kind[lane] >= 0:
                    steps_h[p, 1 + kind[lane]] = h * min(max(factor, 0.5), 2.0)
                    kind[lane] = -1
                wish[lane] = min(max(h * factor, wish[lane]) if arrived else h * factor, longest)
                if cut < 1.0:  # YN is about to change: these outputs cannot wait for the other lanes'
                    while next_at[lane] < n_at and at[next_at[lane]] <= t_new:
                        work[S + lane] = cut if at[next_at[lane]] == t_new else (at[next_at[lane]] - t) / h
                        work[TOBS + lane] = at[next_at[lane]]
                        call(code[6], dense_arguments)
                        call(code[3], obs_arguments)
                        for i in range(n_out):
                            values[p, next_at[lane], i] = work[OBS + i * W + lane]
                        next_at[lane] += 1
                step_begin[lane], step_length[lane], step_end[lane] = t, h, t_new
                due[lane] = next_at[lane] < n_at and at[next_at[lane]] <= t_new
                work[T + lane] = t_new
                if cut < 1.0:
                    work[S + lane] = cut
                    call(code[6], dense_arguments)
                    for i in range(n_states):
                        work[YN + i * W + lane] = work[YOBS + i * W + lane]
                if arrived:
                    to_do[lane] = 1
            else:
                statistics[p, 1] += 1
                finite = err < 1e300  # false for NaN
                wish[lane] = h * (max(work[FACTOR + lane], SHRINK) if finite else SHRINK)
                rejected[lane] = True
                ahead = h
                if marks.shape[1] > 0:
                    ahead = before_change(lane, p, t, h, code, work, calls, places, events)
                    if ahead == 0.0 and np.nextafter(t, np.inf) < end[lane]:  # step over it: the state stays
                        work[T + lane] = np.nextafter(t, np.inf)
                        to_do[lane] = 1
                    elif 0.0 < ahead < h:
                        wish[lane] = min(wish[lane], ahead)
                if ahead == h and wish[lane] < least * max(1.0, abs(t)):
                    _blame(lane, p, work, Y, YN, ABS, PEAK, GUARD, n_states, rtol, outcome, what)
            if used[lane] > budget and outcome[p] == OK and to_do[lane] == 0:
                outcome[p] = STEP_BUDGET
                _slowest(lane, p, work, Y, YN, n_states, what)
            if outcome[p] != OK:
                when[p] = t
                for i in range(n_states):
                    states[p, i] = np.nan
                for k in range(next_at[lane], n_at):
                    for i in range(n_out):
                        values[p, k, i] = np.nan
                for i in range(n_states):  # an idle lane computes something harmless
                    work[Y + i * W + lane] = origin[p, i]
                work[H + lane] = 1e-3
                patient[lane] = -1
                active -= 1
                work[ERR + lane] = 2.0
            elif to_do[lane] == 0:
                h = wish[lane]
                rest = end[lane] - work[T + lane]
                work[H + lane] = rest if h >= rest * (1.0 - 1e-10) else (0.5 * rest if 2.0 * h > rest else h)
        # outputs inside the step, one per lane at a time
        while due.any():
            for lane in range(W):
                if due[lane]:
                    time = at[next_at[lane]]
                    last_one = time == step_end[lane]
                    work[S + lane] = 1.0 if last_one else (time - step_begin[lane]) / step_length[lane]
                    work[TOBS + lane] = time
            call(code[6], dense_arguments)
            call(code[3], obs_arguments)
            for lane in range(W):
                if due[lane]:
                    p = patient[lane]
                    for i in range(n_out):
                        values[p, next_at[lane], i] = work[OBS + i * W + lane]
                    next_at[lane] += 1
                    due[lane] = next_at[lane] < n_at and at[next_at[lane]] <= step_end[lane]
        call(code[2], accept_arguments)


@njit(nogil=True, cache=True)
def _blame(lane, p, work, Y, YN, ABS, PEAK, GUARD, n_states, rtol, outcome, what):
    """Say why no step is small enough: a state that is not finite, one below zero, or stiffness."""
    for i in range(n_states):
        if not np.isfinite(work[YN + i * W + lane]):
            outcome[p] = NON_FINITE
            what[p] = i
            return
    for i in range(n_states):
        least = work[ABS + i] + 0.01 * rtol * work[PEAK + i * W + lane]
        if work[YN + i * W + lane] < work[GUARD + i] * least:
            outcome[p] = NEGATIVE
            what[p] = i
            return
    outcome[p] = STEP_BUDGET
    _slowest(lane, p, work, Y, YN, n_states, what)


@njit(nogil=True, cache=True)
def _slowest(lane, p, work, Y, YN, n_states, what):
    """The state that moves most, relative to itself, in the step that failed."""
    worst = -1.0
    for i in range(n_states):
        y = work[Y + i * W + lane]
        move = abs(work[YN + i * W + lane] - y) / (abs(y) + 1e-30)
        if move > worst:
            worst = move
            what[p] = i
