"""Coefficients of the engine's own exp and log, derived here and not taken from a library.

exp(r) on |r| <= ln(2)/2: the Taylor series to degree 13 (remainder below 1e-17). log(m) on [sqrt(1/2),
sqrt(2)]: with s = (m - 1)/(m + 1), log m = 2 s + s z P(z), z = s^2, P(z) = 2/3 + 2/5 z + ... to z^8
(remainder below 1e-17).
"""

from __future__ import annotations

import math


class Constants:
    """Constants of argument reduction; LN2_HIGH ends in zero bits, so that n * LN2_HIGH is exact."""

    EXP_MAX = 708.0
    LOG2E = 1.4426950408889634
    ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to an integer held in the low bits
    LN2_HIGH = float.fromhex("0x1.62e42feep-1")
    LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
    TWO52 = 4503599627370496.0
    TWO52_BITS = 0x4330000000000000
    MANTISSA = 0x000FFFFFFFFFFFFF
    SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
    LOG_OFFSET = 0x3FF0000000000000 - 0x3FE6A09E667F3BCD
    SMALLEST_NORMAL = 2.2250738585072014e-308


EXP = tuple(1.0 / math.factorial(k) for k in range(13, -1, -1))
LOG = tuple(2.0 / (2 * k + 3) for k in range(9, -1, -1))
