"""P values of many null trials at once: the tests of ``opiome.trial`` for thousands of samples of one pool.

A test holds each of them to the one of the package, trial by trial.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from null_fits import cox, mmrm
from scipy.stats import chi2, t

from opiome import streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from opiome.trial import Answers

    Array = NDArray[np.float64]
    Rows = NDArray[np.intp]

__all__ = ["FAST", "samples"]

BLOCK = 100


def samples(people: int, patients: int, trials: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Rows of the pool in both arms of each trial, in blocks of shape (trials, patients)."""
    for start in range(0, trials, BLOCK):
        replicate = np.arange(start, min(start + BLOCK, trials))[:, None]
        arms = []
        for arm in ("arm", "reference"):
            u = streams.uniform(seed, f"null trials/{arm}", replicate, 0, np.arange(patients)[None, :])
            arms.append((people * u).astype(np.intp))
        yield arms[0], arms[1]


def score(pool: Answers, arm: Rows, reference: Rows) -> Array:
    """Two shares: Pearson's chi-square without correction."""
    return np.asarray(chi2.sf(_pearson(pool, arm, reference), 1))


def mantel_haenszel(pool: Answers, arm: Rows, reference: Rows) -> Array:
    """Two shares in one stratum: the variance has n - 1."""
    n = arm.shape[1] + reference.shape[1]
    return np.asarray(chi2.sf(_pearson(pool, arm, reference) * (n - 1) / n, 1))


def _pearson(pool: Answers, arm: Rows, reference: Rows) -> Array:
    n, m = arm.shape[1], reference.shape[1]
    a, b = pool.values[arm].sum(axis=1), pool.values[reference].sum(axis=1)
    share = (a + b) / (n + m)
    variance = share * (1 - share) * (1 / n + 1 / m)
    return np.where(variance > 0, (a / n - b / m) ** 2 / np.where(variance > 0, variance, 1.0), 0.0)


def welch(pool: Answers, arm: Rows, reference: Rows) -> Array:
    """Two means, over the patients whose value is known."""
    parts, means, freedom = [], [], []
    for rows in (arm, reference):
        values = pool.values[rows]
        n = (~np.isnan(values)).sum(axis=1)
        means.append(np.nanmean(values, axis=1))
        parts.append(np.nanvar(values, axis=1, ddof=1) / n)
        freedom.append(parts[-1] ** 2 / (n - 1))
    spread = parts[0] + parts[1]
    return np.asarray(2 * t.sf(np.abs(means[0] - means[1]) / np.sqrt(spread), spread**2 / sum(freedom)))


def ancova(pool: Answers, arm: Rows, reference: Rows) -> Array:
    """Two means adjusted for baseline."""
    rows = np.concatenate([arm, reference], axis=1)
    y, baseline = pool.values[rows], np.asarray(pool.baseline)[rows]
    known = ~np.isnan(y) & ~np.isnan(baseline)
    treated = np.broadcast_to(np.arange(rows.shape[1]) < arm.shape[1], rows.shape)
    x = np.stack([treated, np.ones(rows.shape), baseline], axis=2) * known[:, :, None]
    x, y = np.nan_to_num(x), np.where(known, y, 0.0)
    inverse = np.linalg.inv(np.einsum("rik,ril->rkl", x, x))
    beta = np.einsum("rkl,ril,ri->rk", inverse, x, y)
    left = y - np.einsum("rik,rk->ri", x, beta)
    freedom = known.sum(axis=1) - 3
    error = np.sqrt((left**2).sum(axis=1) / freedom * inverse[:, 0, 0])
    return np.asarray(2 * t.sf(np.abs(beta[:, 0]) / error, freedom))


def log_rank(pool: Answers, arm: Rows, reference: Rows) -> Array:
    """Two times: the log-rank test with the hypergeometric variance for ties."""
    at, place = np.unique(pool.values, return_inverse=True)
    event = np.asarray(pool.event, dtype=bool)
    n, d = _counts(place, arm, len(at)), _counts(place, arm, len(at), event)
    m, e = _counts(place, reference, len(at)), _counts(place, reference, len(at), event)
    n, m = (np.cumsum(counts[:, ::-1], axis=1)[:, ::-1] for counts in (n, m))
    total, died = n + m, d + e
    some = died > 0
    share = np.where(some, n / np.maximum(total, 1), 0.0)
    expected = (died * share).sum(axis=1)
    tied = np.where(total > 1, (total - died) / np.maximum(total - 1, 1), 0.0)
    variance = (died * share * (1 - share) * tied).sum(axis=1)
    return np.asarray(chi2.sf((d.sum(axis=1) - expected) ** 2 / variance, 1))


def _counts(place: Rows, rows: Rows, times: int, event: NDArray[np.bool_] | None = None) -> Array:
    """How many of each trial's patients have each time (as an event)."""
    trials = rows.shape[0]
    flat = place[rows] + times * np.arange(trials)[:, None]
    weights = None if event is None else event[rows].ravel().astype(np.float64)
    counts = np.bincount(flat.ravel(), weights=weights, minlength=trials * times)
    return counts.reshape(trials, times).astype(np.float64)


FAST: dict[str, Callable[[Answers, Rows, Rows], Array]] = {
    "risk_difference": score,
    "cmh": mantel_haenszel,
    "welch": welch,
    "ancova": ancova,
    "mmrm": mmrm,
    "log_rank": log_rank,
    "cox": cox,
}
"""The analyses, computed for many trials at once."""
