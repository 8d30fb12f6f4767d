"""Endpoint rules about doses, daily scores, things that happen once, and survival."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opiome.trial._answers import Answers
from opiome.trial._boundaries import above

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opiome.trial._diary import Diary
    from opiome.trial._endpoint_fields import (
        AnyDayParams,
        EscalationParams,
        OccurredParams,
        SurvivalParams,
    )
    from opiome.trial._fields import Part

__all__ = ["any_day", "dose_rise", "escalation", "event_day", "occurred", "survival"]

_DAY = 24.0
_DOSE_SLACK = 1e-4  # per cent; doses are kept in single precision


def _yes(values: NDArray[np.bool_] | np.bool_) -> Answers:
    return Answers("proportion", np.asarray(values, dtype=np.float64))


def any_day(diary: Diary, params: AnyDayParams, columns: slice) -> Answers:
    """The score is reached on at least one recorded day of the window."""
    with np.errstate(invalid="ignore"):
        reached = diary.daily[params.score][:, columns] >= params.threshold
    return _yes(reached.any(axis=1))


def _doses(diary: Diary, columns: slice) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The rise of the prescribed dose over the window in per cent of the first, and the days it took."""
    doses = diary.daily["ome"][:, columns].astype(np.float64)
    known = ~np.isnan(doses)
    first = np.argmax(known, axis=1)
    last = doses.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    row = np.arange(len(doses))
    start, end = doses[row, first], doses[row, last]
    some = known.any(axis=1) & (start > 0)
    rise = np.full(len(doses), np.nan)
    rise[some] = 100.0 * (end[some] - start[some]) / start[some]
    return rise, np.asarray(last - first + 1)


def dose_rise(diary: Diary, params: Part, columns: slice) -> Answers:
    """The last known dose of the window against its first, in per cent; missing without an opioid."""
    del params
    return Answers("mean", _doses(diary, columns)[0])


def escalation(diary: Diary, params: EscalationParams, columns: slice) -> Answers:
    """The opioid escalation index (Mercadante; CERP): the rise in per cent divided by the days it took."""
    rise, days = _doses(diary, columns)
    return _yes(above(rise, days * params.per_day, slack=_DOSE_SLACK))


def event_day(diary: Diary, event: str) -> NDArray[np.float64]:
    """The day from randomisation on which something happened to each patient, shape (n,), NaN if never."""
    if event == "left":
        return np.where((diary.reason != "") & (diary.reason != "death"), diary.followed / _DAY, np.nan)
    return np.asarray(getattr(diary, f"{event}_day"), dtype=np.float64)


def occurred(diary: Diary, params: OccurredParams, columns: slice) -> Answers:
    """It happens within the window."""
    day = event_day(diary, params.event)
    start, end = columns.start - diary.lead, columns.stop - diary.lead
    with np.errstate(invalid="ignore"):
        inside = (day <= end) & ((day > start) | ((day >= 0) & (start == 0)))
    return _yes(inside)


def survival(diary: Diary, params: SurvivalParams, columns: slice) -> Answers:
    """Hours from randomisation to the event; censored at the end of the window or of follow-up."""
    days = [event_day(diary, name.strip()) for name in params.until.split(" or ")]
    time = _DAY * np.asarray(np.fmin.reduce(days), dtype=np.float64)
    censored = np.minimum(diary.followed, _DAY * (columns.stop - diary.lead))
    with np.errstate(invalid="ignore"):
        event = time <= censored
    return Answers("time", np.where(event, time, censored), event)
