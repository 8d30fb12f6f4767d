"""Randomisation: permuted blocks in the order of entry, from the study's seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opiome import streams
from opiome.trial._quantities import quantity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from opiome.trial._schema import Study
    from opiome.trial._screen import Accepted

__all__ = ["arm_sizes", "randomise", "strata"]


def arm_sizes(allocation: Mapping[str, float], patients: int) -> dict[str, int]:
    """Patients in each arm: ``patients`` for each unit of allocation, at least 1."""
    return {arm: max(1, round(patients * weight)) for arm, weight in allocation.items()}


def strata(study: Study, accepted: Accepted) -> list[str]:
    """The stratum of each patient in words, in the order of entry; empty where the study has none.

    Conditions are on what is known at randomisation: covariates, the opioid dose, the run-in diary.
    """
    if not study.strata:
        return [""] * len(accepted)
    known = {**accepted.cohort.codes, "ome": accepted.taking.ome}
    run_in = slice(0, accepted.group.diary.lead)
    parts = []
    for test in study.strata:
        name = test.quantity
        values = known[name] if name in known else quantity(accepted.group.diary, name, run_in)
        parts.append([str(test) if met else f"not {test}" for met in test.mask(values)])
    return [", ".join(words) for words in zip(*parts, strict=True)]


def randomise(
    allocation: Mapping[str, float],
    patients: int,
    seed: int,
    stratum: Sequence[str] = (),
    trial: int = 0,
) -> NDArray[np.intp]:
    """The arm (position in ``allocation``) of each place in the order of entry.

    Whole-number allocations are dealt in permuted blocks of their sum, so that a place keeps its arm when the
    trial grows; others are one block of the whole trial. Within each stratum, given for every place, blocks
    are dealt apart; the last block of a stratum may stay unfinished. ``trial`` numbers the replicates of a
    trial, each of which is dealt anew.

    Returns:
        Shape (total of :func:`arm_sizes`,).
    """
    labels = list(dict.fromkeys(stratum))
    if len(labels) > 1:
        found = np.empty(len(stratum), dtype=np.intp)
        for label in labels:
            rows = np.flatnonzero([own == label for own in stratum])
            found[rows] = _dealt(allocation, patients, seed, f"randomisation/{label}", trial)[: len(rows)]
        return found
    return _dealt(allocation, patients, seed, "randomisation", trial)


def _dealt(
    allocation: Mapping[str, float], patients: int, seed: int, purpose: str, trial: int
) -> NDArray[np.intp]:
    """Blocks for a whole trial."""
    sizes = list(arm_sizes(allocation, patients).values())
    whole = all(float(weight).is_integer() for weight in allocation.values())
    deal = [int(weight) for weight in allocation.values()] if whole else sizes
    block = np.repeat(np.arange(len(deal)), deal)
    count = patients if whole else 1
    u = streams.uniform(seed, purpose, np.arange(count)[:, None], trial, np.arange(len(block))[None, :])
    return np.asarray(block[np.argsort(u, axis=1, kind="stable")].ravel())
