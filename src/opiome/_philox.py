"""The random numbers of :mod:`opiome.streams` in machine code, for many patients at once."""
# ruff: noqa: ANN001, ANN202, PLR0917  # numba compiles this
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["fill"]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_ROUNDS = 10


@njit(nogil=True, cache=True)
def fill(person, when, which, k0, k1, out):
    """Uniform numbers of counters (person, when, which) under a key of two words, into ``out``.

    ``when`` and ``which`` may have one element, which then counts for everybody.
    """
    for i in range(person.shape[0]):
        c0, c1 = person[i] & _LOW, person[i] >> _HALF
        c2 = when[i] if when.shape[0] > 1 else when[0]
        c3 = which[i] if which.shape[0] > 1 else which[0]
        a, b = k0, k1
        for _ in range(_ROUNDS):
            p0, p1 = _M0 * c0, _M1 * c2
            c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ a, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ b, p0 & _LOW
            a, b = (a + _W0) & _LOW, (b + _W1) & _LOW
        bits = (c1 << np.uint64(20)) ^ (c0 >> np.uint64(12))
        out[i] = (np.float64(bits) + 0.5) * 2.0**-52
