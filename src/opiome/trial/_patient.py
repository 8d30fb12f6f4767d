"""One patient of a trial again, alone and hour by hour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opiome import cohort as people
from opiome.errors import CohortError, Problem, nearest
from opiome.trial._live import Group
from opiome.trial._population import correlations, overrides, weighted
from opiome.trial._screen import Accepted, through_run_in
from opiome.trial._setting import measured, settle
from opiome.trial._treat import treat

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from opiome.cohort import Cohort
    from opiome.engine import Ensemble, EventTable
    from opiome.model import Model
    from opiome.trial._schema import Study

__all__ = ["Course", "Replay", "patient"]


@dataclass(frozen=True)
class Replay:
    """What another program needs to live one patient's treatment again; time 0 is randomisation.

    Attributes:
        parameters: the values of this person and these drugs.
        start: the state of the model at randomisation, after prior therapy and run-in.
        events: everything given since: the arm's doses without those missed, prior therapy that goes on,
            rescue doses, and what the rules of the protocol changed.
        hours: how long the treatment lasts.
    """

    parameters: dict[str, float]
    start: dict[str, float]
    events: EventTable
    hours: float


@dataclass(frozen=True)
class Course:
    """What one patient went through.

    Attributes:
        cohort: the person (one row): covariates, parameters, untreated state.
        taking: prior therapy in words.
        hourly: observables in the middle of every hour from the start of the run-in; ``time_h`` since
            randomisation.
        diary: as in ``diary.parquet``.
        movements: as in ``movements.parquet``.
        followed_h: hours since randomisation until which the patient stayed.
        replay: the treatment for another program.
    """

    cohort: Cohort
    taking: dict[str, str]
    hourly: pl.DataFrame
    diary: pl.DataFrame
    movements: pl.DataFrame
    followed_h: float
    replay: Replay


def patient(
    study: Study, number: int, arm: str, seed: int | None = None, *, model: Model | None = None
) -> Course:
    """Run one numbered person through an arm, whether or not the trial took or randomised them so.

    The diary is, bit for bit, that of :func:`opiome.trial.run` for the same study, model and seed.

    Raises:
        CohortError: there is no such arm, or this person cannot be simulated.
    """
    import polars as pl

    if arm not in study.arms:
        near = nearest(arm, study.arms)
        raise CohortError(
            Problem(
                f"unknown arm '{arm}'",
                file=study.name,
                field="arm",
                expected=", ".join(study.arms),
                remedy=f"did you mean '{near}'?" if near else None,
            )
        )
    setting = settle(study, seed, 1, model, 1)
    changed = overrides(study.population.covariates)
    if setting.profiles is not None and (unfit := setting.profiles.unfit[number % len(setting.profiles)]):
        raise _lost(study, number, f"cannot be a patient of this model ({unfit})")
    cohort = people.build(
        setting.model,
        changed,
        1,
        setting.seed,
        number,
        program=setting.program,
        correlations=correlations(study),
        profiles=setting.profiles,
    )
    taking = setting.therapy.draw(cohort.ids)
    cohort = weighted(study, cohort, taking.ome)
    group = Group.arrive(cohort.ids, setting.lead, len(setting.watch.names), measured(setting.study))
    hours: list[NDArray[np.float64]] = []
    if cohort.outcome[0]:
        raise _lost(study, number, f"has no untreated steady state ({cohort.reasons[0]})")
    run = through_run_in(setting, cohort, taking, group, hours)
    one = np.zeros(1, dtype=np.intp)
    entered = Accepted(cohort, taking, group, np.asarray(run.states), one, 1)
    lived: list[Ensemble] = []
    treated, outcome = treat(setting, entered, one, arm, hourly=hours, lived=lived)
    if outcome[0]:
        raise _lost(study, number, "could not be integrated to the end")
    values = np.concatenate([day[0] for day in hours])
    time = np.arange(len(values)) - 24.0 * setting.lead + 0.5
    names = setting.watch.names[: values.shape[1]]
    return Course(
        cohort=cohort,
        taking={name: texts[0] for name, texts in setting.therapy.label(taking).items()},
        hourly=pl.DataFrame({"time_h": time} | {name: values[:, i] for i, name in enumerate(names)}),
        diary=treated.diary.frame(arm),
        movements=treated.diary.movement_frame(arm),
        followed_h=float(treated.diary.followed[0]),
        replay=Replay(
            {
                name: float(values[0])
                for name, values in setting.therapy.parameters(cohort, taking, arm).items()
                if name in setting.program.defaults
            },
            dict(zip(setting.program.states, entered.states[0].tolist(), strict=True)),
            lived[0].given,
            study.treatment.duration,
        ),
    )


def _lost(study: Study, number: int, what: str) -> CohortError:
    return CohortError(
        Problem(f"patient {number} {what}", file=study.name, remedy="choose another patient of the results")
    )
