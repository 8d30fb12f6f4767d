"""Steady states of many patients: damped Newton by pseudo-transient continuation, one patient per lane.

A step solves (1/delta - J) dy = f, the linearly implicit Euler method with pseudo time delta (Kelley &
Keyes, SIAM J Numer Anal 1998;35:508). The second iterate of the same linear system estimates how nonlinear
the step was: it sets delta, which grows until the step is Newton's. Held states get a diagonal so large
that they do not move.
"""
# numba compiles this: plain loops, many flat arrays and rows named in capitals are the point
# ruff: noqa: PLR0915, PLR0912, PLR0917, PLR2004, C901, ANN001, ANN202, N806
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit

from opiome.engine._call import W, call
from opiome.engine._driver import NEGATIVE, NON_FINITE, OK, STEP_BUDGET

HELD = 1e30
LARGEST = 1e13


@njit(nogil=True, cache=True)
def solve(
    code,  # addresses: prep, jaclu, solve, rhs
    parameters,  # (n, slots)
    states,  # (n, states), in and out
    scale,  # (n, states) smallest size that counts
    held,  # (states,) bool
    signed,  # (states,) bool
    tolerance,
    budget,
    delta_start,
    outcome,
    what,
    used,
    work,
    base,
):
    """Bring every patient to its steady state."""
    n, n_states = states.shape
    n_par = parameters.shape[1]
    T, Y = 0, W
    YN = Y + W * n_states
    F = YN + W * n_states
    FT = F + W * n_states
    X = FT + W * n_states
    DIAG = X + W * n_states
    PAR = DIAG + W * n_states
    PRE = PAR + W * n_par
    LU = PRE + W * int(code[4])
    prep_arguments = (base + 8 * PAR, base + 8 * PRE)
    lu_arguments = (
        base + 8 * T,
        base + 8 * Y,
        base + 8 * PAR,
        base + 8 * PRE,
        base + 8 * DIAG,
        base + 8 * F,
        base + 8 * FT,
        base + 8 * LU,
    )
    solve_arguments = (base + 8 * LU, base + 8 * X)
    rhs_arguments = (base + 8 * T, base + 8 * YN, base + 8 * PAR, base + 8 * PRE, base + 8 * F)
    patient = np.full(W, -1, np.int64)
    delta = np.full(W, delta_start)
    count = np.zeros(W, np.int64)
    close = np.zeros(W, np.int64)
    change = np.zeros(W)
    waiting, active = 0, 0
    for lane in range(W):
        work[T + lane] = 0.0
    while True:
        stale = False
        for lane in range(W):
            while patient[lane] < 0 and waiting < n:
                p = waiting
                waiting += 1
                if outcome[p] != OK:
                    continue
                patient[lane] = p
                active += 1
                delta[lane] = delta_start
                count[lane] = 0
                close[lane] = 0
                stale = True
                for i in range(n_states):
                    work[Y + i * W + lane] = states[p, i]
                for i in range(n_par):
                    work[PAR + i * W + lane] = parameters[p, i]
        if active == 0:
            break
        if stale:
            call(code[0], prep_arguments)
        for i in range(n_states):
            for lane in range(W):
                work[DIAG + i * W + lane] = HELD if held[i] else 1.0 / delta[lane]
        call(code[1], lu_arguments)
        for i in range(n_states):
            for lane in range(W):
                work[X + i * W + lane] = 0.0 if held[i] else work[F + i * W + lane]
        call(code[2], solve_arguments)
        for lane in range(W):
            change[lane] = 0.0
        for i in range(n_states):
            for lane in range(W):
                dy = 0.0 if held[i] else work[X + i * W + lane]
                work[X + i * W + lane] = dy
                y = work[Y + i * W + lane]
                work[YN + i * W + lane] = y + dy
                if patient[lane] >= 0:
                    size = abs(dy) / (max(abs(y), abs(y + dy)) + scale[patient[lane], i])
                    if not (size <= change[lane]):
                        change[lane] = size
        call(code[3], rhs_arguments)
        for i in range(n_states):
            for lane in range(W):
                dy = work[X + i * W + lane]
                work[X + i * W + lane] = 0.0 if held[i] else work[F + i * W + lane] - dy / delta[lane]
        call(code[2], solve_arguments)
        for lane in range(W):
            p = patient[lane]
            if p < 0:
                continue
            count[lane] += 1
            worst, below, finite, blamed = 0.0, False, True, 0
            for i in range(n_states):
                e = 0.0 if held[i] else work[X + i * W + lane]
                y = work[YN + i * W + lane]
                size = max(abs(y), abs(work[Y + i * W + lane])) + scale[p, i]
                ratio = abs(e) / size
                if not np.isfinite(ratio):
                    finite = False
                    blamed = i
                elif ratio > worst:
                    worst = ratio
                    blamed = i
                better = y + e
                if not signed[i] and better < 0.0:
                    if better < -1e-6 * size:
                        below = True
                        blamed = i
                    better = 0.0
                work[YN + i * W + lane] = better
            if finite and not below and worst <= 0.5:
                for i in range(n_states):
                    if not held[i]:
                        work[Y + i * W + lane] = work[YN + i * W + lane]
                small = change[lane] <= tolerance and delta[lane] >= 1e-3 * LARGEST
                close[lane] = close[lane] + 1 if small else 0
                growth = min(10.0, 0.5 / np.sqrt(worst + 1e-12))
                delta[lane] = min(delta[lane] * max(growth, 0.5), LARGEST)
            else:
                delta[lane] *= 0.2 if finite else 0.05
                close[lane] = 0
            done = close[lane] >= 2
            lost = delta[lane] < 1e-12 or count[lane] >= budget
            if done or lost:
                for i in range(n_states):
                    states[p, i] = work[Y + i * W + lane] if done else np.nan
                used[p] = count[lane]
                if lost and not done:
                    outcome[p] = NON_FINITE if not finite else (NEGATIVE if below else STEP_BUDGET)
                    what[p] = blamed
                patient[lane] = -1
                active -= 1
