"""What the clinic knows beside bowel diaries: symptoms, prescribed doses, Rome IV items, progression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opiome.trial._endpoint_fields import RomeParams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from opiome.trial._diary import Diary

    Rule = Callable[[Diary, slice], NDArray[np.float64]]

__all__ = ["CLINIC_QUANTITIES", "mean_of", "rome_items"]

_ROME_SIGNS = ("straining", "hard", "incomplete", "blockage", "manual")


def mean_of(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The mean over the days (axis 1) that are known, shape (n,); NaN where none is."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).astype(np.float64).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def rome_items(diary: Diary, params: RomeParams, columns: slice) -> NDArray[np.int64]:
    """How many of the six items of Rome IV constipation are met over some days, shape (n,).

    Without a single movement the five signs, which are shares of movements, count as met.
    """
    moved = diary.counts["bm"][:, columns].sum(axis=1)
    share = {sign: diary.counts[sign][:, columns].sum(axis=1) / np.maximum(moved, 1) for sign in _ROME_SIGNS}
    met = [(moved == 0) | (share[sign] > params.share) for sign in _ROME_SIGNS]
    days = diary.recorded[:, columns].sum(axis=1)
    week = 7.0 * diary.counts["sbm"][:, columns].sum(axis=1) / np.maximum(days, 1)
    met.append((days > 0) & (week < params.sbm_per_week))
    return np.asarray(np.sum(met, axis=0))


def _rome(diary: Diary, columns: slice) -> NDArray[np.float64]:
    """Items of Rome IV constipation, 0-6; NaN without a diary day."""
    days = diary.recorded[:, columns].sum(axis=1)
    return np.where(days > 0, rome_items(diary, RomeParams(), columns), np.nan)


def _daily(name: str, scale: float = 1.0) -> Rule:
    def rule(diary: Diary, columns: slice) -> NDArray[np.float64]:
        return scale * mean_of(diary.daily[name][:, columns])

    return rule


def _ome_rise(diary: Diary, columns: slice) -> NDArray[np.float64]:
    """Prescribed dose above that of the first day of treatment, in per cent; NaN without an opioid then."""
    first = diary.daily["ome"][:, diary.lead].astype(np.float64)
    now = mean_of(diary.daily["ome"][:, columns])
    taken = first > 0
    return np.where(taken, 100.0 * (now / np.where(taken, first, 1.0) - 1.0), np.nan)


def _rotations(diary: Diary, columns: slice) -> NDArray[np.float64]:
    """Changes of opioid from randomisation until the end of the days."""
    return np.asarray(diary.rotations[:, diary.lead : columns.stop].sum(axis=1), dtype=np.float64)


def _progressed(diary: Diary, columns: slice) -> NDArray[np.float64]:
    """Whether an image has shown progression by the end of the days: 1 or 0."""
    with np.errstate(invalid="ignore"):
        return np.asarray(diary.progression_day <= columns.stop - diary.lead, dtype=np.float64)


CLINIC_QUANTITIES: Mapping[str, Rule] = {
    "nausea": _daily("nausea"),
    "sedation": _daily("sedation"),
    "delirium_per_week": _daily("delirium", 7.0),
    "cows": _daily("cows"),
    "breakthrough_per_day": _daily("breakthrough"),
    "rescue_opioid_per_day": _daily("rescue_opioid"),
    "ome": _daily("ome"),
    "ome_rise": _ome_rise,
    "rotations": _rotations,
    "rome_items": _rome,
    "progressed": _progressed,
}
"""Quantities by name, each over some columns of the diary, shape (n,)."""
