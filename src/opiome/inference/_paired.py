"""How far an answer moves in the same people: change and 95 % interval of paired answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opiome import streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from opiome.trial import Answers

    Array = NDArray[np.float64]

__all__ = ["Change", "change"]

_LEVEL = 0.95
_REPLICATES = 400
_SAME = 1e-6  # hours, and relative: solutions of two models never agree to the last bit
_DEFINED = 0.95  # of the replicates, for an interval to be given


@dataclass(frozen=True)
class Change:
    """An estimate before and after, the change with its interval, and the people behind it.

    ``n`` is how many they are, ``moved`` how many of them answer differently.
    """

    before: float = math.nan
    after: float = math.nan
    change: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    moved: int = 0


def change(before: Sequence[Answers], after: Sequence[Answers], seed: int) -> Change:
    """The change of one arm, or of an arm against its reference, in people who are in all of them.

    Args:
        before: the answers of one arm, or of an arm and of its reference, under the model as it is.
        after: the same under the changed model; the rows of all four are the same people.
        seed: of the resampling that medians need.

    Returns:
        The change of a share or mean as the mean of the people's own differences: t interval for means; for
        shares that of Agresti and Min (Stat Med 2005;24:729, half an observation added to each cell of the
        pairs), so that agreement in a small sample is not taken for certainty. The change of a median time
        (Kaplan-Meier) with the percentile interval of resampled people.
    """
    if before[0].kind == "time":
        return _of_medians(before, after, seed)
    old, new = (_difference([answers.values for answers in part]) for part in (before, after))
    known = ~np.isnan(old) & ~np.isnan(new)
    old, new = old[known], new[known]
    n = len(old)
    if not n:
        return Change()
    low, high = (_shares if before[0].kind == "proportion" else _means)(new - old)
    moved = _moved(before, after)
    return Change(float(old.mean()), float(new.mean()), float((new - old).mean()), low, high, n, moved)


def _moved(before: Sequence[Answers], after: Sequence[Answers]) -> int:
    """How many people answer differently in any of the arms; a missing answer is one of its own."""
    differs = np.zeros(len(before[0].values), dtype=bool)
    for old, new in zip(before, after, strict=True):
        differs |= ~np.isclose(old.values, new.values, rtol=_SAME, atol=_SAME, equal_nan=True)
        if old.event is not None and new.event is not None:
            differs |= old.event != new.event
    return int(differs.sum())


def _difference(arms: Sequence[Array]) -> Array:
    return arms[0] - arms[1] if len(arms) > 1 else arms[0]


def _means(moved: Array) -> tuple[float, float]:
    from scipy.stats import t

    n = len(moved)
    if n < 2:  # noqa: PLR2004  # a spread needs two
        return math.nan, math.nan
    reach = float(t.ppf((1 + _LEVEL) / 2, n - 1)) * float(moved.std(ddof=1)) / math.sqrt(n)
    return float(moved.mean()) - reach, float(moved.mean()) + reach


def _shares(moved: Array) -> tuple[float, float]:
    from scipy.stats import norm

    n = len(moved) + 2
    centre = float(moved.sum()) / n
    variance = (float((moved * moved).sum()) + 1) / n - centre * centre
    reach = float(norm.ppf((1 + _LEVEL) / 2)) * math.sqrt(variance / n)
    return centre - reach, centre + reach


def _of_medians(before: Sequence[Answers], after: Sequence[Answers], seed: int) -> Change:
    n = len(before[0].values)
    if not n:
        return Change()
    replicate, draw = np.arange(_REPLICATES)[:, None], np.arange(n)[None, :]
    drawn = (n * streams.uniform(seed, "knock-out/resample", replicate, 0, draw)).astype(np.intp)
    times = np.zeros((_REPLICATES + 1, n))
    times[0] = 1.0  # the people as they are
    np.add.at(times, (np.broadcast_to(replicate + 1, drawn.shape), drawn), 1.0)
    old, new = (_difference([_medians(answers, times) for answers in part]) for part in (before, after))
    moved = new - old
    spread = moved[1:][np.isfinite(moved[1:])]
    low = high = math.nan
    if math.isfinite(moved[0]) and len(spread) >= _DEFINED * _REPLICATES:
        low, high = (float(q) for q in np.quantile(spread, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]))
    return Change(float(old[0]), float(new[0]), float(moved[0]), low, high, n, _moved(before, after))


def _medians(answers: Answers, times: Array) -> Array:
    """Kaplan-Meier medians in hours, one for each row of ``times``, which counts how often a person occurs.

    A median that is not reached is NaN.
    """
    event = np.asarray(answers.event, dtype=bool)
    order = np.lexsort((~event, answers.values))  # at the same time, events come before those who leave
    count = times[:, order]
    at_risk = np.cumsum(count[:, ::-1], axis=1)[:, ::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        step = np.where(event[order] & (count > 0), 1.0 - count / at_risk, 1.0)
    reached = np.cumprod(step, axis=1) <= 0.5 + 1e-12  # rounding of the product
    first = np.argmax(reached, axis=1)
    return np.where(reached.any(axis=1), answers.values[order][first], np.nan)
