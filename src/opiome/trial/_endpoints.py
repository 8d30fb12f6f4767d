"""Endpoint rules, each as literally as its trial defines it, computed from the diary and from nothing else.

A rule turns diaries into one answer per patient. A week without enough diary days is no response
(ICH E9(R1): leaving the trial is part of a composite outcome); an average over a window is that of the diary
days there are, and no response only where there are none; a mean uses the patients with diary days in the
window, rescue medication included as it was taken (treatment policy); a time is censored when the patient
leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from opiome.trial._answers import Answers
from opiome.trial._boundaries import above, at_least, at_most, below
from opiome.trial._endpoint_events import any_day, dose_rise, escalation, occurred, survival
from opiome.trial._quantities import diary_days, quantity, share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from opiome.trial._diary import Diary
    from opiome.trial._endpoint_fields import (
        AboveParams,
        AfterDosesParams,
        AllWeeksParams,
        AnyWithinParams,
        BelowParams,
        BetweenParams,
        ChangedParams,
        Endpoint,
        FirstParams,
        MeanResponderParams,
        MeasuredParams,
        PainResponseParams,
        QuantityParams,
        ResponderParams,
        RomeParams,
    )
    from opiome.trial._fields import Window

__all__ = ["RULES", "Answers", "Rule", "answers", "estimand", "window_columns"]

ENOUGH_DIARY_DAYS = 4  # COMPOSE: a week with fewer diary days cannot be judged
_COMPOSITE = "composite: leaving is non-response; rescue counts against spontaneous movements"
_AVERAGE = "while in the trial: judged on the diary days in the window; none of them is non-response"
_EVENT = "while in the trial: an event counts if it is recorded before leaving"
_WHILE_IN = "while in the trial: those with diary days in the window, rescue as it was taken"
_MEASURED = "while in the trial: those still in the trial in the window"
_CENSORED = "while in the trial: censored at leaving"
_SURVIVAL = "treatment policy: whatever is taken or stopped; censored at leaving the trial"
_DOSE = "while in the trial: up to the last dose prescribed in the window"
_ROME_SIGNS = ("straining", "hard", "incomplete", "blockage", "manual")


@dataclass(frozen=True)
class Rule:
    """An endpoint rule: the kind of its answer, its estimand, and the function of diary, parameters, columns.

    The estimand says, in the words of ICH E9(R1), what becomes of those who leave and of rescue medication
    where the study does not say it. ``averaged``: the answer is that of an average over the window, so that
    it can be had from any stretch of days. ``settled``: a yes cannot be taken back by what follows. ``harm``:
    the answer yes (or the event) is the unfavourable one. ``change``: the answer is a change, 0 without one.
    """

    kind: str
    estimand: str
    answer: Callable[[Diary, Any, slice], Answers]
    averaged: bool = False
    settled: bool = False
    harm: bool = False
    change: bool = False


def answers(diary: Diary, endpoint: Endpoint) -> Answers:
    """The answers of all patients to one endpoint of a study (an item of ``Study.endpoints``).

    Where the endpoint names an estimand, intercurrent events are handled as it says.
    """
    from opiome.trial._estimands import handled

    rule, columns = RULES[endpoint.rule], window_columns(diary, endpoint.window)
    if endpoint.estimand is None:
        return rule.answer(diary, endpoint.params, columns)
    return handled(diary, endpoint, rule, columns)


def estimand(endpoint: Endpoint) -> str:
    """The estimand of an endpoint in words."""
    if endpoint.estimand is None:
        return RULES[endpoint.rule].estimand
    events: dict[str, list[str]] = {}
    for event, strategy in endpoint.estimand.model_dump().items():
        events.setdefault(strategy, []).append(event)
    return "; ".join(f"{strategy} for {', '.join(names)}" for strategy, names in events.items())


def window_columns(diary: Diary, window: Window | None) -> slice:
    """The columns of the diary in a window; all of the treatment without one."""
    if window is None:
        return slice(diary.lead, diary.recorded.shape[1])
    return slice(diary.lead + window.days.start - 1, diary.lead + window.days.stop - 1)


def _weeks(columns: slice) -> list[slice]:
    """The whole weeks of a window; a rest of less than a week is left out unless it is all there is."""
    starts = range(columns.start, columns.stop - 6, 7)
    return [slice(start, start + 7) for start in starts] or [columns]


def _baseline(diary: Diary, name: str) -> NDArray[np.float64]:
    return quantity(diary, name, slice(0, diary.lead))


def _yes(values: NDArray[np.bool_]) -> Answers:
    return Answers("proportion", values.astype(np.float64))


def _positive(
    diary: Diary, params: ResponderParams | MeanResponderParams, columns: slice
) -> NDArray[np.bool_]:
    now = quantity(diary, params.quantity, columns)
    over = _baseline(diary, params.quantity) + params.increase
    return at_least(now, params.threshold) & at_least(now, over)


def _responder(diary: Diary, params: ResponderParams, columns: slice) -> Answers:
    """COMPOSE and KODIAC: enough positive weeks, and enough of them at the end.

    A week is positive with >= ``threshold`` per week and >= ``increase`` over the run-in, from at least
    ``diary_days`` diary days. Positive weeks needed: ``weeks`` in all, ``last_weeks`` of the last
    ``of_last``.
    """
    positive = np.column_stack(
        [
            _positive(diary, params, week) & (diary_days(diary, week) >= params.diary_days)
            for week in _weeks(columns)
        ]
    )
    last = positive[:, positive.shape[1] - min(params.of_last, positive.shape[1]) :]
    return _yes((positive.sum(axis=1) >= params.weeks) & (last.sum(axis=1) >= params.last_weeks))


def _mean_responder(diary: Diary, params: MeanResponderParams, columns: slice) -> Answers:
    """The same thresholds on the average over the window."""
    return _yes(_positive(diary, params, columns))


def _mean_change(diary: Diary, params: QuantityParams, columns: slice) -> Answers:
    """The quantity in the window minus that of the run-in."""
    before = _baseline(diary, params.quantity)
    change = quantity(diary, params.quantity, columns) - before
    visits = _visits(diary, params.quantity, columns) - before[:, None]
    return Answers(params.statistic, change, baseline=before, visits=visits)


def _mean(diary: Diary, params: QuantityParams, columns: slice) -> Answers:
    """The quantity in the window."""
    now = quantity(diary, params.quantity, columns)
    before = _baseline(diary, params.quantity) if diary.lead else None
    return Answers(params.statistic, now, baseline=before, visits=_visits(diary, params.quantity, columns))


def _visits(diary: Diary, name: str, columns: slice) -> NDArray[np.float64]:
    """The quantity visit by visit: stretches as long as the window, back from its end to the first day."""
    length = columns.stop - columns.start
    starts = range(columns.start, diary.lead - 1, -length)[::-1]
    return np.column_stack([quantity(diary, name, slice(start, start + length)) for start in starts])


def _measured(diary: Diary, params: MeasuredParams, columns: slice) -> Answers:
    """The mean of the days of the window on which the patient was still in the trial."""
    days = diary.measured[params.observable][:, columns].astype(np.float64)
    known = ~np.isnan(days)
    total = np.where(known, days, 0.0).sum(axis=1)
    count = known.sum(axis=1)
    return Answers(params.statistic, np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _between(diary: Diary, params: BetweenParams, columns: slice) -> Answers:
    """The average over the window is neither below ``low`` nor above ``high``."""
    now = quantity(diary, params.quantity, columns)
    low = -np.inf if params.low is None else params.low
    high = np.inf if params.high is None else params.high
    return _yes(at_least(now, low) & at_most(now, high))


def _counted(diary: Diary, kind: str) -> NDArray[np.bool_]:
    """The movements of a kind since the first dose, as a mask."""
    moves = diary.movements
    counted = moves.time >= 0
    if kind in ("sbm", "csbm"):
        counted = counted & moves.spontaneous
    if kind == "csbm":
        counted = counted & moves.complete
    return counted


def _first(diary: Diary, kind: str, end: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Hours from the first dose to the first movement of a kind, and whether it came before censoring."""
    moves, counted = diary.movements, _counted(diary, kind)
    time = np.full(len(diary), np.inf)
    np.minimum.at(time, moves.row[counted], moves.time[counted])
    censored = np.minimum(diary.followed, end)
    return np.minimum(time, censored), time <= censored


def _time_to_first(diary: Diary, params: FirstParams, columns: slice) -> Answers:
    """Hours to the first movement; censored at the end of the window or of follow-up."""
    time, event = _first(diary, params.movement, 24.0 * (columns.stop - diary.lead))
    return Answers("time", time, event)


def _any_within(diary: Diary, params: AnyWithinParams, _columns: slice) -> Answers:
    """A movement within some hours of the first dose."""
    return _yes(_first(diary, params.movement, params.within)[1])


def _after_doses(diary: Diary, params: AfterDosesParams, _columns: slice) -> Answers:
    """A movement within some hours of enough of the first doses (methylnaltrexone: 2 of 4, within 4 h)."""
    moves, counted = diary.movements, _counted(diary, params.movement)
    followed = np.zeros((len(diary), params.doses), dtype=bool)
    for dose in range(params.doses):
        since = moves.time - dose * params.every
        followed[moves.row[counted & (since >= 0) & (since <= params.within)], dose] = True
    return _yes(followed.sum(axis=1) >= params.needed)


def _rome_items(diary: Diary, params: RomeParams, columns: slice) -> NDArray[np.int64]:
    """How many of the six items of Rome IV constipation are met, shape (n,).

    Without a single movement the five signs, which are shares of movements, count as met.
    """
    moved = diary.counts["bm"][:, columns].sum(axis=1) > 0
    with np.errstate(invalid="ignore"):
        met = [~moved | (share(diary, sign, columns) > params.share) for sign in _ROME_SIGNS]
        met.append(quantity(diary, "sbm_per_week", columns) < params.sbm_per_week)
    return np.asarray(np.sum(met, axis=0))


def _rome_iv_oic(diary: Diary, params: RomeParams, columns: slice) -> Answers:
    """Rome IV opioid-induced constipation in any week: enough items, and more than in the run-in."""
    before = _rome_items(diary, params, slice(0, diary.lead)) if diary.lead else np.zeros(len(diary))
    found = np.zeros(len(diary), dtype=bool)
    for week in _weeks(columns):
        items = _rome_items(diary, params, week)
        found |= (items >= params.items) & (items > before) & (diary_days(diary, week) >= ENOUGH_DIARY_DAYS)
    return _yes(found)


def _any_week(diary: Diary, columns: slice, name: str, test: Callable[..., Any], limit: float) -> Answers:
    found = np.zeros(len(diary), dtype=bool)
    for week in _weeks(columns):
        beyond = test(quantity(diary, name, week), limit)
        found |= beyond & (diary_days(diary, week) >= ENOUGH_DIARY_DAYS)
    return _yes(found)


def _any_week_above(diary: Diary, params: AboveParams, columns: slice) -> Answers:
    """Above the threshold in at least one week."""
    return _any_week(diary, columns, params.quantity, above, params.threshold)


def _any_week_below(diary: Diary, params: BelowParams, columns: slice) -> Answers:
    """Below the threshold in at least one week."""
    return _any_week(diary, columns, params.quantity, below, params.threshold)


def _pain_response(diary: Diary, params: PainResponseParams, columns: slice) -> Answers:
    """Mean pain in the window at least a fraction below that of the run-in."""
    now, before = quantity(diary, "nrs", columns), _baseline(diary, "nrs")
    return _yes(above(before, 0.0) & at_most(now, (1 - params.reduction) * before))


def _all_weeks(diary: Diary, params: AllWeeksParams, columns: slice) -> Answers:
    """Lubiprostone: above baseline in every week that can be judged, positive in enough of them."""
    before = _baseline(diary, params.quantity) + params.increase
    better = np.ones(len(diary), dtype=bool)
    positive = np.zeros(len(diary), dtype=np.int64)
    for week in _weeks(columns):
        judged = diary_days(diary, week) >= params.diary_days
        now = quantity(diary, params.quantity, week)
        better &= ~judged | at_least(now, before)
        positive += judged & at_least(now, params.threshold)
    return _yes(better & (positive >= params.weeks))


def _changed(diary: Diary, params: ChangedParams, columns: slice) -> Answers:
    """The change from the run-in to the average over the window lies within the limits."""
    change = quantity(diary, params.quantity, columns) - _baseline(diary, params.quantity)
    least = -np.inf if params.at_least is None else params.at_least
    most = np.inf if params.at_most is None else params.at_most
    return _yes(at_least(change, least) & at_most(change, most))


RULES: Mapping[str, Rule] = {
    "responder": Rule("proportion", _COMPOSITE, _responder),
    "mean_responder": Rule("proportion", _AVERAGE, _mean_responder, averaged=True),
    "mean_change": Rule("mean", _WHILE_IN, _mean_change, averaged=True, change=True),
    "mean": Rule("mean", _WHILE_IN, _mean, averaged=True),
    "measured": Rule("mean", _MEASURED, _measured, averaged=True),
    "between": Rule("proportion", _AVERAGE, _between, averaged=True),
    "time_to_first": Rule("time", _CENSORED, _time_to_first),
    "any_within": Rule("proportion", _EVENT, _any_within, settled=True),
    "after_doses": Rule("proportion", _EVENT, _after_doses, settled=True),
    "rome_iv_oic": Rule("proportion", _EVENT, _rome_iv_oic, settled=True, harm=True),
    "any_week_above": Rule("proportion", _EVENT, _any_week_above, settled=True, harm=True),
    "any_week_below": Rule("proportion", _EVENT, _any_week_below, settled=True, harm=True),
    "pain_response": Rule("proportion", _AVERAGE, _pain_response, averaged=True),
    "all_weeks": Rule("proportion", _COMPOSITE, _all_weeks),
    "changed": Rule("proportion", _AVERAGE, _changed, averaged=True),
    "any_day": Rule("proportion", _EVENT, any_day, settled=True, harm=True),
    "escalation": Rule("proportion", _DOSE, escalation, harm=True),
    "dose_rise": Rule("mean", _DOSE, dose_rise, change=True),
    "occurred": Rule("proportion", _EVENT, occurred, settled=True, harm=True),
    "survival": Rule("time", _SURVIVAL, survival, harm=True),
}
"""The rules by the names that a study file uses."""
