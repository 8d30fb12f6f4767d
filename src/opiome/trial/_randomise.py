"""Who gets which arm: permuted blocks in the order of entry, or the indication where nobody is randomised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opiome import streams
from opiome.trial._quantities import quantity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from opiome.trial._fields import Condition
    from opiome.trial._schema import Study
    from opiome.trial._screen import Accepted

__all__ = ["allocate", "arm_sizes", "randomise", "strata"]


def arm_sizes(allocation: Mapping[str, float], patients: int) -> dict[str, int]:
    """Patients in each arm: ``patients`` for each unit of allocation, at least 1."""
    return {arm: max(1, round(patients * weight)) for arm, weight in allocation.items()}


def strata(study: Study, accepted: Accepted) -> list[str]:
    """The stratum of each patient in words, in the order of entry; empty where the study has none.

    Conditions are on what is known at randomisation: covariates, the opioid dose, the run-in diary.
    """
    if not study.strata:
        return [""] * len(accepted)
    parts = [[str(test) if met else f"not {test}" for met in _met(test, accepted)] for test in study.strata]
    return [", ".join(words) for words in zip(*parts, strict=True)]


def _met(test: Condition, accepted: Accepted) -> NDArray[np.bool_]:
    """Who meets a condition on what is known at randomisation, shape (n,)."""
    known, name = {**accepted.cohort.codes, "ome": accepted.taking.ome}, test.quantity
    if name in known:
        return test.mask(known[name])
    return test.mask(quantity(accepted.group.diary, name, slice(0, accepted.group.diary.lead)))


def allocate(
    study: Study, accepted: Accepted, patients: int, seed: int, stratum: Sequence[str], *, trial: int = 0
) -> NDArray[np.intp]:
    """The arm (position in the study) of each patient: dealt, or as the study's indication has it.

    ``patients`` for each unit of allocation; an indication deals the sum of all arms as it comes, from one
    number of chance for each patient.
    """
    indication = study.indication
    if indication is None:
        allocation = {name: arm.allocation for name, arm in study.arms.items()}
        return randomise(allocation, patients, seed, stratum, trial)
    odds = np.full(len(accepted), indication.share / (1.0 - indication.share))
    for item in indication.odds:
        odds *= np.where(_met(item.when, accepted), item.times, 1.0)
    chosen = list(study.arms).index(indication.arm)
    u = streams.uniform(seed, "indication", accepted.cohort.ids, trial)
    return np.where(u < odds / (1.0 + odds), chosen, 1 - chosen).astype(np.intp)


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
