"""Comparisons at a boundary: what a diary gives is counted in halves and sevenths, and computed in binary.

A fall of pain from 6 to 4.2 is one of 30 %, although 0.7 times 6 is a little less than 4.2 in a computer. Two
numbers that differ by less than any diary can tell are therefore equal; NaN meets nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["above", "at_least", "at_most", "below"]

_SLACK = 1e-9


def at_least(values: ArrayLike, limit: ArrayLike) -> NDArray[np.bool_]:
    """Whether values reach a limit, in their common shape."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.asarray(values) >= np.asarray(limit) - _SLACK)


def at_most(values: ArrayLike, limit: ArrayLike) -> NDArray[np.bool_]:
    """Whether values do not exceed a limit, in their common shape."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.asarray(values) <= np.asarray(limit) + _SLACK)


def above(values: ArrayLike, limit: ArrayLike, *, slack: float = _SLACK) -> NDArray[np.bool_]:
    """Whether values exceed a limit by more than ``slack``, in their common shape."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.asarray(values) > np.asarray(limit) + slack)


def below(values: ArrayLike, limit: ArrayLike) -> NDArray[np.bool_]:
    """Whether values stay under a limit, in their common shape."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.asarray(values) < np.asarray(limit) - _SLACK)
