"""What a diary gives over a stretch of days: the quantities that endpoints, entry and dropout refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from opiome.trial._numbers import diary_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from opiome.trial._diary import Diary

    Rule = Callable[[Diary, slice], NDArray[np.float64]]

__all__ = ["QUANTITIES", "diary_days", "quantity", "share"]


def diary_days(diary: Diary, columns: slice) -> NDArray[np.int64]:
    """Days with a diary, shape (n,)."""
    return np.asarray(diary.recorded[:, columns].sum(axis=1))


def quantity(diary: Diary, name: str, columns: slice) -> NDArray[np.float64]:
    """One of :data:`QUANTITIES` over some columns of the diary, shape (n,); NaN where it cannot be known."""
    return QUANTITIES[name](diary, columns)


def share(diary: Diary, name: str, columns: slice) -> NDArray[np.float64]:
    """The share of all movements with a sign (straining, hard, ...), shape (n,); NaN without a movement."""
    return _ratio(diary.counts[name][:, columns].sum(axis=1), diary.counts["bm"][:, columns].sum(axis=1))


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    known = whole > 0
    return np.where(known, part / np.where(known, whole, 1), np.nan)


def _per_week(name: str) -> Rule:
    def rule(diary: Diary, columns: slice) -> NDArray[np.float64]:
        return 7.0 * _ratio(diary.counts[name][:, columns].sum(axis=1), diary_days(diary, columns))

    return rule


def _rescue(diary: Diary, columns: slice) -> NDArray[np.float64]:
    doses = np.where(diary.recorded[:, columns], diary.rescue[:, columns], 0).sum(axis=1)
    return 7.0 * _ratio(doses, diary_days(diary, columns))


def _bristol(diary: Diary, columns: slice) -> NDArray[np.float64]:
    return _ratio(diary.bristol[:, columns].sum(axis=1), diary.counts["bm"][:, columns].sum(axis=1))


def _nrs(diary: Diary, columns: slice) -> NDArray[np.float64]:
    scores = diary.nrs[:, columns]
    written = ~np.isnan(scores)
    return _ratio(np.where(written, scores, 0.0).sum(axis=1), written.sum(axis=1))


def _bfi(diary: Diary, columns: slice) -> NDArray[np.float64]:
    """Bowel Function Index, 0-100: the mean of ease, incomplete evacuation and judgement over the days.

    A diary holds no 0-100 items, so each is read off it: difficulty as the share of movements with straining
    or blockage (the mean of the two), incomplete evacuation as its share, and the patient's own judgement as
    the shortfall from ``bfi_untroubled`` spontaneous movements a week. Without a movement all three are 100.
    """
    moved = diary.counts["bm"][:, columns].sum(axis=1) > 0
    days = diary_days(diary, columns)
    difficulty = (share(diary, "straining", columns) + share(diary, "blockage", columns)) / 2
    incomplete = share(diary, "incomplete", columns)
    judgement = np.clip(1 - quantity(diary, "sbm_per_week", columns) / diary_numbers().bfi_untroubled, 0, 1)
    index = 100.0 * (np.where(moved, difficulty, 1) + np.where(moved, incomplete, 1) + judgement) / 3.0
    return np.where(days > 0, index, np.nan)


QUANTITIES: Mapping[str, Rule] = {
    "bm_per_week": _per_week("bm"),
    "sbm_per_week": _per_week("sbm"),
    "csbm_per_week": _per_week("csbm"),
    "sbm_without_straining_per_week": _per_week("sbm_without_straining"),
    "rescue_per_week": _rescue,
    "bristol": _bristol,
    "bfi": _bfi,
    "nrs": _nrs,
}
"""Diary quantities by name: rates per week of recorded days, and means over them."""
