"""Kernels evaluated for many patients, eight at a time."""
# numba compiles this: plain loops, many flat arrays and rows named in capitals are the point
# ruff: noqa: PLR0917, ANN001, ANN202, N806
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from numba import njit

from opiome.engine._call import W, call


@njit(nogil=True, cache=True)
def evaluate(function, prep, time, states, parameters, result, work, base):
    """Call a kernel (t, y, par, pre, out) for every patient, eight at a time."""
    n, n_states = states.shape
    n_par, n_out = parameters.shape[1], result.shape[1]
    Y = W
    PAR = Y + W * n_states
    OUT = PAR + W * n_par
    PRE = OUT + W * n_out
    for begin in range(0, n, W):
        for lane in range(W):
            p = min(begin + lane, n - 1)
            work[lane] = time[p]
            for i in range(n_states):
                work[Y + i * W + lane] = states[p, i]
            for i in range(n_par):
                work[PAR + i * W + lane] = parameters[p, i]
        call(prep, (base + 8 * PAR, base + 8 * PRE))
        call(function, (base, base + 8 * Y, base + 8 * PAR, base + 8 * PRE, base + 8 * OUT))
        for lane in range(min(W, n - begin)):
            for i in range(n_out):
                result[begin + lane, i] = work[OUT + i * W + lane]


@njit(nogil=True, cache=True)
def begin(function, parameters, derived, states, work, base):
    """Evaluate initial assignments: fills the derived parameter slots and the start states."""
    n, n_par = parameters.shape
    n_states = states.shape[1]
    OUT = W * n_par
    for first in range(0, n, W):
        for lane in range(W):
            p = min(first + lane, n - 1)
            for i in range(n_par):
                work[i * W + lane] = parameters[p, i]
        call(function, (base, base + 8 * OUT))
        for lane in range(min(W, n - first)):
            for i in range(n_par - derived, n_par):
                parameters[first + lane, i] = work[i * W + lane]
            for i in range(n_states):
                states[first + lane, i] = work[OUT + i * W + lane]
