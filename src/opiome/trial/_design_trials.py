"""Trials drawn from a pool of virtual patients, each analysed as it would be.

Patients are drawn with replacement, arm by arm. This takes them as independent and the pool as the
population: no centres, no drift. The pool is finite, so trials come in batches, each from a resampled pool
(the same people in every arm, as the pool has), and the spread between batches is part of the intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opiome import streams
from opiome.trial._analyses import contrast
from opiome.trial._multiplicity import adjusted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from opiome.trial._answers import Answers

__all__ = ["BATCHES", "Trials", "drawn"]

BATCHES = 20
"""Resampled pools from which the trials of a candidate come."""
_Z = 1.959964
_NO_DIFFERENCE = {"hazard ratio": 1.0}


@dataclass(frozen=True)
class Trials:
    """What many trials of one size found.

    ``rate`` is the share that is significant in the direction of the pool (under the null: in any), with its
    95 % interval ``low`` to ``high``; ``opposite`` the share significant the other way. ``effect`` is the
    mean estimate of the first arm, ``effect_low`` and ``effect_high`` hold 90 % of the estimates.
    ``toward`` is the direction that counts, for each arm (1 or -1).
    """

    rate: float
    low: float
    high: float
    opposite: float
    effect: float
    effect_low: float
    effect_high: float
    measure: str
    toward: tuple[float, ...]


def drawn(
    arms: list[Answers],
    reference: Answers,
    patients: int | Sequence[int],
    replicates: int,
    seed: int,
    *,
    analysis: str | None = None,
    alpha: float = 0.05,
    null: bool = False,
    toward: tuple[float, ...] | None = None,
) -> Trials:
    """Draw trials from a pool and analyse each.

    Args:
        arms: the answers of the pool in each arm that is compared with the reference.
        reference: the answers of the pool in the reference arm.
        patients: patients in every arm of the trial, or in each of them, the reference last.
        replicates: how many trials; at least :data:`BATCHES`.
        seed: of the drawing.
        analysis: how arms are compared; the usual way when left out.
        alpha: two-sided error of a trial; with several arms kept by Holm's procedure.
        null: draw all arms from the reference, so that every significant trial is an error.
        toward: the direction that counts; that of the pool when left out.
    """
    sides = [reference] * len(arms) if null else arms
    sizes = [patients] * (len(arms) + 1) if isinstance(patients, int) else list(patients)
    whole_pool = [contrast(side, reference, analysis) for side in sides]
    none = _NO_DIFFERENCE.get(whole_pool[0].measure, 0.0)
    signs = toward or tuple(math.copysign(1.0, one.value - none) for one in whole_pool)
    hits, misses, effects = np.zeros(replicates), np.zeros(replicates), np.full(replicates, np.nan)
    batch = np.arange(replicates) * BATCHES // replicates
    for r in range(replicates):
        trial = [
            _sample(side, size, seed, (r, int(batch[r]), k))
            for k, (side, size) in enumerate(zip([*sides, reference], sizes, strict=True))
        ]
        found = [contrast(side, trial[-1], analysis) for side in trial[:-1]]
        p = adjusted({str(k): one.p for k, one in enumerate(found)}, "holm")
        right = [null or (one.value - none) * sign > 0 for one, sign in zip(found, signs, strict=True)]
        significant = [p[str(k)] < alpha for k in range(len(found))]
        hits[r] = any(s and ok for s, ok in zip(significant, right, strict=True))
        misses[r] = any(s and not ok for s, ok in zip(significant, right, strict=True))
        effects[r] = found[0].value
    rate, low, high = _of_trials(hits) if null else _with_pool(hits, batch)
    known = effects[np.isfinite(effects)]
    ends = np.quantile(known, [0.05, 0.95]) if len(known) else (math.nan, math.nan)
    return Trials(
        rate,
        low,
        high,
        float(misses.mean()),
        float(known.mean()) if len(known) else math.nan,
        float(ends[0]),
        float(ends[1]),
        whole_pool[0].measure,
        signs,
    )


def _sample(side: Answers, patients: int, seed: int, place: tuple[int, int, int]) -> Answers:
    """One arm of one trial: patients of a resampled pool (the same people in every arm), with replacement."""
    replicate, batch, arm = place
    n = len(side)
    again = streams.uniform(seed, "design/pool", batch, 0, np.arange(n))
    picked = streams.uniform(seed, f"design/patients/{arm}", replicate, 0, np.arange(patients))
    rows = (n * again).astype(np.intp)[(n * picked).astype(np.intp)]
    return side.take(rows)


def _of_trials(hits: NDArray[np.float64]) -> tuple[float, float, float]:
    """The share of hits with Wilson's interval: under the null the pool adds nothing, it is in both arms."""
    from scipy.stats import binomtest

    count = int(hits.sum())
    limits = binomtest(count, len(hits)).proportion_ci(0.95, method="wilson")
    return count / len(hits), float(limits.low), float(limits.high)


def _with_pool(hits: NDArray[np.float64], batch: NDArray[np.int64]) -> tuple[float, float, float]:
    """The share of hits and its 95 % interval from both sources of chance: the trials and the pool."""
    from scipy.stats import t

    rate = float(hits.mean())
    shares = np.array([hits[batch == b].mean() for b in np.unique(batch)])
    within = rate * (1 - rate) / len(hits)
    between = max(float(shares.var(ddof=1)) - within * len(shares), 0.0)
    # resampled pools scatter as much around the pool as the pool does around the population
    error = math.sqrt(within + between)
    least = 1.0 / (len(hits) + _Z * _Z)  # as wide as Wilson's where all trials agree
    reach = max(float(t.ppf(0.975, len(shares) - 1)) * error, _Z * _Z * least if rate in (0.0, 1.0) else 0.0)
    return rate, max(rate - reach, 0.0), min(rate + reach, 1.0)
