"""One arm from randomisation to the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opiome import streams
from opiome.trial._adverse import AdverseEvents
from opiome.trial._live import Group, Rules, live
from opiome.trial._protocol import Protocol, prescribe

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from opiome.engine import Ensemble
    from opiome.trial._screen import Accepted
    from opiome.trial._setting import Setting

__all__ = ["treat"]

_DAY = 24.0


def treat(
    setting: Setting,
    accepted: Accepted,
    rows: NDArray[np.intp],
    arm: str,
    *,
    day_done: Callable[[], None] = lambda: None,
    hourly: list[NDArray[np.float64]] | None = None,
    lived: list[Ensemble] | None = None,
) -> tuple[Group, NDArray[np.int64]]:
    """Some patients of one arm from randomisation to the end: their diaries and the outcome of each.

    ``hourly`` receives the recorded outputs of each day, ``lived`` the ensemble as it stands at the end.
    """
    study, therapy = setting.study, setting.therapy
    cohort, taking, group = accepted.cohort.take(rows), accepted.taking.take(rows), accepted.group.take(rows)
    prescribed = prescribe(setting, cohort, taking, arm)
    ensemble = setting.course.ensemble(
        therapy.parameters(cohort, taking, arm),
        n=len(rows),
        start=accepted.states[rows],
        events=prescribed.fixed,
        rtol=setting.pace.rtol,
        threads=setting.threads,
    )
    rescue = study.rules.rescue_laxative
    rules = Rules(
        seed=setting.seed,
        numbers=setting.numbers,
        effect=_nonspecific_effect(setting, cohort.ids),
        rescue_after=rescue.after if rescue else None,
        rescue_every=(therapy.rescue.every or _DAY) if therapy.rescue else _DAY,
        rescue_doses=therapy.rescue_doses if rescue else None,
        dropout=study.dropout,
        events=AdverseEvents.start(
            cohort.ids, setting.seed, cohort.codes.get("cancer"), mortal=study.events.death
        ),
        protocol=Protocol(setting, cohort, taking, arm, prescribed),
        brief=setting.pace.diary,
    )
    days = range(setting.lead, setting.days)
    group.lengthen(setting.days)
    live(ensemble, group, days, rules, watch=setting.watch, day_done=day_done, hourly=hourly)
    if lived is not None:
        lived.append(ensemble)
    group.diary.weights = cohort.weights
    return group, np.asarray(ensemble.outcome, dtype=np.int64)


def _nonspecific_effect(setting: Setting, patients: NDArray[np.int64]) -> NDArray[np.float64]:
    """What being in the trial does to each one's evacuation rate, in any arm."""
    bounds = setting.study.nonspecific_effect
    spread = setting.numbers.nonspecific_sd if bounds.lower < bounds.upper else 0.0
    score = streams.normal(setting.seed, "nonspecific effect", patients)
    return setting.nonspecific_effect * streams.exp(spread * score)
