"""What a diary gives over a stretch of days: the quantities that endpoints, entry and dropout refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from opiome.trial._clinic_quantities import CLINIC_QUANTITIES
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
        # one division, which is correctly rounded: a rate of 2.1 equals the number 2.1 of a study file
        return _ratio(7.0 * diary.counts[name][:, columns].sum(axis=1), diary_days(diary, columns))

    return rule


def _rescue(diary: Diary, columns: slice) -> NDArray[np.float64]:
    doses = np.where(diary.recorded[:, columns], diary.rescue[:, columns], 0).sum(axis=1)
    return _ratio(7.0 * doses, diary_days(diary, columns))


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
    judgement = _shortfall(diary, columns)
    index = 100.0 * (np.where(moved, difficulty, 1) + np.where(moved, incomplete, 1) + judgement) / 3.0
    return np.where(days > 0, index, np.nan)


def _pac_sym(diary: Diary, columns: slice) -> NDArray[np.float64]:
    """PAC-SYM, 0-4: the mean of 12 items (Frank 1999, Scand J Gastroenterol 34:870).

    A diary holds the signs of the five stool items: straining, hard stool, incomplete evacuation, and
    blockage for false alarms and small stools; each is four times its share. The abdominal (4) and rectal (3)
    items follow the stool items by the ratios of ``diary.tsv``. Without a movement the stool items are 4.
    """
    moved = diary.counts["bm"][:, columns].sum(axis=1) > 0
    signs = [share(diary, name, columns) for name in ("straining", "hard", "incomplete", "blockage")]
    stool = 4.0 * np.where(moved, (signs[0] + signs[1] + signs[2] + 2 * signs[3]) / 5, 1.0)
    numbers = diary_numbers()
    whole = stool * (5 + 4 * numbers.pac_sym_abdominal + 3 * numbers.pac_sym_rectal) / 12
    return np.where(diary_days(diary, columns) > 0, whole, np.nan)


def _pac_qol(diary: Diary, columns: slice) -> NDArray[np.float64]:
    """PAC-QOL, 0-4: the mean of 28 items (Marquis 2005, Scand J Gastroenterol 40:540).

    The 23 items of discomfort and worries follow PAC-SYM by the ratio of ``diary.tsv``, the 5 of satisfaction
    the patient's own judgement of frequency, as in the Bowel Function Index.
    """
    numbers = diary_numbers()
    burden = np.minimum(numbers.pac_qol_burden * _pac_sym(diary, columns), 4.0)
    return np.asarray((23 * burden + 5 * 4 * _shortfall(diary, columns)) / 28)


def _shortfall(diary: Diary, columns: slice) -> NDArray[np.float64]:
    """How far people judge themselves constipated by frequency alone, 0-1."""
    frequency = quantity(diary, "sbm_per_week", columns)
    return np.asarray(np.clip(1 - frequency / diary_numbers().bfi_untroubled, 0, 1))


QUANTITIES: Mapping[str, Rule] = {
    "bm_per_week": _per_week("bm"),
    "sbm_per_week": _per_week("sbm"),
    "csbm_per_week": _per_week("csbm"),
    "sbm_without_straining_per_week": _per_week("sbm_without_straining"),
    "rescue_per_week": _rescue,
    "bristol": _bristol,
    "bfi": _bfi,
    "nrs": _nrs,
    "pac_sym": _pac_sym,
    "pac_qol": _pac_qol,
    **CLINIC_QUANTITIES,
}
"""Diary quantities by name: rates per week of recorded days, and means over them."""
