"""The loop over one patient on a CUDA device: the lanes' driver with a single lane, one thread per patient.

Arrays over patients have the patient as their last index, so that neighbouring threads read neighbouring
memory. SBML events and comparisons of the time are the lanes' business: such models stay on the CPU.
"""
# numba compiles this: plain loops, many flat arrays and rows named in capitals are the point
# ruff: noqa: PLR0915, PLR0912, PLR0917, PLR1714, PLR2004, C901, ANN001, ANN202, N806, SIM109
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda

RESET, SET, STOP, PUT, ADD, BOLUS, START = range(7)
OK, STEP_BUDGET, NON_FINITE, NEGATIVE = range(4)
SHRINK, GROW, SAFETY = 0.1, 5.0, 0.9


@cuda.jit(device=True)
def shorten(h, rest):
    """The step to take where the controller wants h and ``rest`` is left of the segment."""
    return rest if h >= rest * (1.0 - 1e-10) else (0.5 * rest if 2.0 * h > rest else h)


@cuda.jit(device=True)
def slowest(y, yn):
    """The state that moves most, relative to itself."""
    worst, found = -1.0, 0
    for i in range(yn.shape[0]):
        move = abs(yn[i] - y[i]) / (abs(y[i]) + 1e-30)
        if move > worst:
            worst, found = move, i
    return found


@cuda.jit(device=True)
def blame(y, yn, top, absolute, guard, rtol):
    """Why no step is small enough, and the state."""
    for i in range(yn.shape[0]):
        if not math.isfinite(yn[i]):
            return NON_FINITE, i
    for i in range(yn.shape[0]):
        if yn[i] < guard[i] * (absolute[i] + 0.01 * rtol * top[i]):
            return NEGATIVE, i
    return STEP_BUDGET, slowest(y, yn)


def build(functions: dict[str, Any], order: int, sizes: tuple[int, int, int, int], *, narrow: bool):
    """The kernel of a model: ``functions`` by name; ``sizes`` of states, stages, LU, outputs.

    ``narrow``: L and U are kept in single precision.
    """
    prep, obs, step, dense = (functions[name] for name in ("prep", "obs", "step", "dense"))
    NS, NU, NL, NO = (max(1, size) for size in (sizes[0], sizes[0] * sizes[1], sizes[2], sizes[3]))
    n_states, n_out, power = sizes[0], sizes[3], -0.5 / order
    kept = np.float32 if narrow else np.float64

    @cuda.jit
    def integrate(
        span,  # now, until, rtol, step budget, least step, longest step
        parameters,  # (slots, n)
        pre,  # (prepared, n)
        states,  # (states, n)
        origin,
        peak,
        steps_h,  # (1 + dose kinds, n)
        rates,  # (inputs, n)
        running,
        rows,  # (inputs,) the state of each input
        common,
        own,
        own_start,
        kind_slot,
        at,
        values,  # (k, outputs, n)
        absolute,
        guard,
        outcome,
        when,
        what,
        statistics,  # (2, n)
    ):
        p = cuda.grid(1)
        if p >= outcome.shape[0]:
            return
        now, until, rtol, budget, least, longest = span[0], span[1], span[2], span[3], span[4], span[5]
        n_at, n_common = at.shape[0], common.shape[1]
        if outcome[p] != OK:
            for k in range(n_at):
                for i in range(n_out):
                    values[k, i, p] = math.nan
            return
        y = cuda.local.array(NS, np.float64)
        yn = cuda.local.array(NS, np.float64)
        yt = cuda.local.array(NS, np.float64)
        top = cuda.local.array(NS, np.float64)
        f = cuda.local.array(NS, np.float64)
        ft = cuda.local.array(NS, np.float64)
        u = cuda.local.array(NU, np.float64)
        lu = cuda.local.array(NL, kept)
        out = cuda.local.array(NO, np.float64)
        par, known, inp = parameters[:, p], pre[:, p], rates[:, p]
        for i in range(n_states):
            y[i], top[i], yn[i] = states[i, p], peak[i, p], 0.0
        t, end = now, now
        wish, h = steps_h[0, p], 0.0
        c, o, k_at, used, kind = 0, own_start[p], 0, 0, -1
        rejected, arrived = False, True
        prep(par, known)
        if n_at > 0 and at[0] <= t:
            obs(t, y, par, known, out)
            while k_at < n_at and at[k_at] <= t:
                for i in range(n_out):
                    values[k_at, i, p] = out[i]
                k_at += 1
        while t < until:
            if arrived:  # at an event or at the start
                happened, changed = -1, False
                while True:
                    has_c = c < n_common and common[0, c] <= t
                    has_o = o < own_start[p + 1] and own[0, o] <= t
                    if not (has_c or has_o):
                        break
                    first = has_c and (
                        not has_o
                        or common[0, c] < own[0, o]
                        or (common[0, c] == own[0, o] and common[1, c] <= own[1, o])
                    )
                    if first:
                        action, row = int(common[1, c]), int(common[2, c])
                        amount, label = common[3, c], int(common[4, c])
                        c += 1
                    else:
                        action, row = int(own[1, o]), int(own[2, o])
                        amount, label = own[3, o], int(own[4, o])
                        o += 1
                    happened = max(happened, label)
                    if action == RESET:
                        for i in range(n_states):
                            y[i] = origin[i, p]
                        for i in range(rows.shape[0]):
                            inp[i] = 0.0
                            running[i, p] = 0
                    elif action == SET:
                        par[row] = amount
                        changed = True
                    elif action == STOP:
                        running[row, p] -= 1
                        left = inp[row] - amount
                        inp[row] = left if running[row, p] > 0 else 0.0
                    elif action == START:
                        running[row, p] += 1
                        inp[row] += amount
                    elif action == PUT:
                        y[row] = amount
                    else:
                        y[row] += amount
                    if action == RESET or action == PUT or action == ADD or action == BOLUS:
                        for i in range(n_states):
                            top[i] = max(top[i], abs(y[i]))
                if changed:
                    prep(par, known)
                end = until
                if c < n_common and common[0, c] < end:
                    end = common[0, c]
                if o < own_start[p + 1] and own[0, o] < end:
                    end = own[0, o]
                if happened >= 0:
                    kind = kind_slot[happened]
                    wish = steps_h[1 + kind, p]
                if wish <= 0.0:
                    wish = 1e-3 * (end - t)
                wish = min(wish, longest)
                rejected, used = False, 0
                h = shorten(wish, end - t)
            err = step(t, h, y, par, known, rows, inp, absolute, guard, top, rtol, f, ft, yt, u, lu, yn)
            factor = SAFETY * math.pow(max(err, 1e-12), power) if err >= 0.0 else math.nan
            used += 1
            if err <= 1.0:
                statistics[0, p] += 1
                factor = min(max(factor, 0.2), 1.0 if rejected else GROW)
                rejected = False
                arrived = h >= (end - t) * (1.0 - 1e-10)
                t_new = end if arrived else t + h
                if kind >= 0:
                    steps_h[1 + kind, p] = h * min(max(factor, 0.5), 2.0)
                    kind = -1
                wish = min(max(h * factor, wish) if arrived else h * factor, longest)
                while k_at < n_at and at[k_at] <= t_new:
                    s = 1.0 if at[k_at] == t_new else (at[k_at] - t) / h
                    dense(s, y, yn, u, yt)
                    obs(at[k_at], yt, par, known, out)
                    for i in range(n_out):
                        values[k_at, i, p] = out[i]
                    k_at += 1
                if used > budget and not arrived:
                    outcome[p], what[p], when[p] = STEP_BUDGET, slowest(y[:n_states], yn[:n_states]), t
                for i in range(n_states):
                    y[i] = yn[i]
                    top[i] = max(top[i], abs(yn[i]))
                t = t_new
            else:
                statistics[1, p] += 1
                arrived = False
                finite = err < 1e300
                wish = h * (max(factor, SHRINK) if finite else SHRINK)
                rejected = True
                if wish < least * max(1.0, abs(t)):
                    outcome[p], what[p] = blame(y[:n_states], yn[:n_states], top, absolute, guard, rtol)
                elif used > budget:
                    outcome[p], what[p] = STEP_BUDGET, slowest(y[:n_states], yn[:n_states])
                when[p] = t
            if outcome[p] != OK:
                for i in range(n_states):
                    states[i, p] = math.nan
                for k in range(k_at, n_at):
                    for i in range(n_out):
                        values[k, i, p] = math.nan
                return
            if not arrived:
                h = shorten(wish, end - t)
        for i in range(n_states):
            states[i, p], peak[i, p] = y[i], top[i]
        steps_h[0, p] = wish

    return integrate
