"""Intercurrent events after ICH E9(R1): what becomes of patients who take rescue, discontinue or die.

Each event has a strategy. ``hypothetical`` and ``while on treatment`` look at the diary up to the event only;
``composite`` makes the event the unfavourable answer; ``treatment policy`` changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from opiome.trial._diary import COUNTS, DAILY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opiome.trial._answers import Answers
    from opiome.trial._diary import Diary
    from opiome.trial._endpoint_fields import Endpoint
    from opiome.trial._endpoints import Rule

    Array = NDArray[np.float64]

__all__ = ["events", "handled", "until"]

_DAY = 24.0


def events(diary: Diary) -> dict[str, Array]:
    """Hours from randomisation to each one's first intercurrent event of a kind, shape (n,), inf if none."""
    taken = diary.rescue[:, diary.lead :] > 0
    rescue = np.where(taken.any(axis=1), _DAY * np.argmax(taken, axis=1), np.inf)
    end = _DAY * (diary.recorded.shape[1] - diary.lead)
    left = (diary.followed < end) & np.isnan(diary.death_day)
    gone = np.fmin(np.where(left, diary.followed / _DAY, np.nan), diary.stopped_day)
    return {
        "rescue": rescue,
        "discontinuation": np.nan_to_num(_DAY * gone, nan=np.inf),
        "death": np.nan_to_num(_DAY * diary.death_day, nan=np.inf),
    }


def handled(diary: Diary, endpoint: Endpoint, rule: Rule, columns: slice) -> Answers:
    """The answers under the estimand of an endpoint.

    A patient counts by the first event that has a strategy other than treatment policy and comes before the
    end of the window. ``composite``: no response (for a harm: the harm), the value of the run-in for a mean,
    no event within the window for a time (for a harm: the event). ``hypothetical``: missing, unless a yes was
    settled before; a time is censored. ``while on treatment``: an average over as many days as the window has
    (or over those that there are) up to the event; of other rules the answer of the diary up to there.
    """
    end = _DAY * (columns.stop - diary.lead)
    first = np.full(len(diary), end)
    strategy = np.full(len(diary), "", dtype="U20")
    found = events(diary)
    for event, chosen in (endpoint.estimand.model_dump() if endpoint.estimand else {}).items():
        if chosen != "treatment policy":
            earlier = found[event] < first
            first[earlier], strategy[earlier] = found[event][earlier], chosen
    answer = rule.answer(diary, endpoint.params, columns)
    cut = strategy != ""
    if cut.any():
        short = rule.answer(until(diary, np.where(cut, first, np.inf)), endpoint.params, columns)
        answer = _merged(answer, short, cut)
    if rule.averaged:
        last = np.where(strategy == "while on treatment", np.floor(first / _DAY), -1).astype(np.int64)
        answer = _shifted(answer, rule, diary, endpoint, columns=columns, last=last)
    harm = bool(getattr(endpoint.params, "harm", rule.harm))
    answer = _missing(answer, strategy == "hypothetical", settled=rule.settled)
    return _composite(answer, strategy == "composite", rule, harm=harm, times=(first, end))


def until(diary: Diary, hours: Array) -> Diary:
    """The diary as it would be had nothing been known from these hours since randomisation on."""
    day = np.arange(diary.recorded.shape[1]) - diary.lead
    kept = _DAY * (day + 1) <= hours[:, None]
    kept[:, : diary.lead] = True
    return replace(
        diary,
        counts={name: np.where(kept, diary.counts[name], 0) for name in COUNTS},
        bristol=np.where(kept, diary.bristol, 0),
        rescue=np.where(kept, diary.rescue, 0),
        nrs=np.where(kept, diary.nrs, np.nan),
        recorded=diary.recorded & kept,
        followed=np.minimum(diary.followed, hours),
        movements=diary.movements.select(diary.movements.time < hours[diary.movements.row]),
        reason=np.where(diary.followed < hours, diary.reason, ""),
        death_day=_before(diary.death_day, hours),
        progression_day=_before(diary.progression_day, hours),
        stopped_day=_before(diary.stopped_day, hours),
        added_day=_before(diary.added_day, hours),
        rotated_day=_before(diary.rotated_day, hours),
        daily={name: np.where(kept, diary.daily[name], np.nan) for name in DAILY},
        measured={name: np.where(kept, values, np.nan) for name, values in diary.measured.items()},
    )


def _before(days: Array, hours: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.where(_DAY * days < hours, days, np.nan)


def _merged(answer: Answers, short: Answers, chosen: NDArray[np.bool_]) -> Answers:
    """The shortened answers of those chosen, the others as they were."""
    parts = {}
    for name in ("values", "event", "visits"):
        whole, other = getattr(answer, name), getattr(short, name)
        if whole is not None:
            parts[name] = np.where(chosen.reshape(-1, *[1] * (whole.ndim - 1)), other, whole)
    return replace(answer, **parts)


def _shifted(
    answer: Answers, rule: Rule, diary: Diary, endpoint: Endpoint, *, columns: slice, last: NDArray[np.int64]
) -> Answers:
    """Averages over as many days as the window has, up to the ``last`` day of each one; -1 leaves it be."""
    length, values = columns.stop - columns.start, answer.values.copy()
    for days in np.unique(last[last >= 0]).tolist():
        rows = np.flatnonzero(last == days)
        stop = diary.lead + days
        if days:
            window = slice(max(stop - length, diary.lead), stop)
            values[rows] = rule.answer(diary.take(rows), endpoint.params, window).values
        else:  # not a day on treatment
            values[rows] = 0.0 if answer.kind == "proportion" else np.nan
    return replace(answer, values=values)


def _missing(answer: Answers, chosen: NDArray[np.bool_], *, settled: bool) -> Answers:
    """Those whose answer is not known without the event; a time stays censored there."""
    if answer.kind == "time" or not chosen.any():
        return answer
    known = (answer.values == 1.0) if settled else np.zeros(len(chosen), dtype=bool)
    return replace(answer, values=np.where(chosen & ~known, np.nan, answer.values))


def _composite(
    answer: Answers, chosen: NDArray[np.bool_], rule: Rule, *, harm: bool, times: tuple[Array, float]
) -> Answers:
    """Those whose event is part of the answer; ``answer`` is that of the diary up to the event."""
    if not chosen.any():
        return answer
    first, end = times
    if answer.kind == "time":
        event = np.asarray(answer.event, dtype=bool)
        changed = chosen & ~event
        values = np.where(changed, first if harm else end, answer.values)
        return replace(answer, values=values, event=np.where(changed, harm, event))
    if answer.kind == "proportion":
        settled = (answer.values == 1.0) & rule.settled & (not harm)
        return replace(answer, values=np.where(chosen & ~settled, float(harm), answer.values))
    before = np.nan if answer.baseline is None else answer.baseline
    unchanged = np.zeros(len(chosen)) if rule.change else before
    return replace(answer, values=np.where(chosen, unchanged, answer.values))
