"""Randomisation: permuted blocks in the order of entry, from the study's seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opiome import streams

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["arm_sizes", "randomise"]


def arm_sizes(allocation: Mapping[str, float], patients: int) -> dict[str, int]:
    """Patients in each arm: ``patients`` for each unit of allocation, at least 1."""
    return {arm: max(1, round(patients * weight)) for arm, weight in allocation.items()}


def randomise(allocation: Mapping[str, float], patients: int, seed: int) -> NDArray[np.intp]:
    """The arm (position in ``allocation``) of each place in the order of entry.

    Whole-number allocations are dealt in permuted blocks of their sum, so that a place keeps its arm when the
    trial grows; others are one block of the whole trial.

    Returns:
        Shape (total of :func:`arm_sizes`,).
    """
    sizes = list(arm_sizes(allocation, patients).values())
    whole = all(float(weight).is_integer() for weight in allocation.values())
    deal = [int(weight) for weight in allocation.values()] if whole else sizes
    block = np.repeat(np.arange(len(deal)), deal)
    count = patients if whole else 1
    order = [
        np.argsort(streams.uniform(seed, "randomisation", k, 0, np.arange(len(block))), kind="stable")
        for k in range(count)
    ]
    return np.concatenate([block[permutation] for permutation in order])
