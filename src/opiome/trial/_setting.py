"""What all phases of a run share: study, model, compiled program, numbers, sizes."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opiome.errors import Problem, StudyError
from opiome.trial._numbers import diary_numbers
from opiome.trial._population import profiles
from opiome.trial._therapy import Therapy
from opiome.trial._watch import Watch

if TYPE_CHECKING:
    from opiome.cohort import Profiles
    from opiome.engine import Program
    from opiome.model import Model
    from opiome.trial._numbers import DiaryNumbers
    from opiome.trial._schema import Study

__all__ = ["FULL", "QUICK", "Pace", "Setting", "measured", "settle"]

_DAY = 24.0


@dataclass(frozen=True)
class Pace:
    """How closely patients are followed.

    ``rtol`` is the relative tolerance of the integration, ``prior`` that of prior therapy until a week before
    the run-in, and ``even`` says how many hours before the run-in single doses begin; they are given evenly
    over their intervals until then. The errors of both fade before anybody looks. ``diary`` means: nothing
    is computed but what diaries and endpoints need: no other observable, nobody who has left or cannot enter
    any more, and whether a flora would stay as it is only of those who enter.
    """

    rtol: float = 1e-4
    prior: float | None = None
    even: float = math.inf
    diary: bool = False


FULL = Pace()
"""One trial, with its bands and people as they are known from :func:`opiome.trial.patient`."""
QUICK = Pace(rtol=5e-3, prior=2e-2, even=504.0, diary=True)
"""Many trials, of which only diaries and endpoints are wanted (docs/design/trial.md says what it costs)."""


@dataclass(frozen=True)
class Setting:
    """What all phases of a run share.

    ``program`` solves who people are, ``course`` lives their days; they are one, except where only the diary
    is wanted. ``profiles`` are the people of the study's cohort file, ``watch`` says what is recorded,
    ``lead`` and ``days`` the days of the run-in and of the whole diary, ``chunk`` the most patients that are
    simulated at once.
    """

    study: Study
    model: Model
    program: Program
    course: Program
    therapy: Therapy
    numbers: DiaryNumbers
    watch: Watch
    lead: int
    days: int
    seed: int
    threads: int
    chunk: int
    pace: Pace
    profiles: Profiles | None = None

    @property
    def nonspecific_effect(self) -> float:
        """Median factor by which being in the trial changes the evacuation rate."""
        given = self.study.nonspecific_effect.median
        return self.numbers.nonspecific_median if given is None else given


def settle(
    study: Study,
    seed: int | None,
    threads: int | None,
    model: Model | None,
    chunk: int,
    *,
    pace: Pace = FULL,
) -> Setting:
    """Load and compile what a run needs; raises StudyError or ModelError if study and model do not fit."""
    from opiome import engine

    if chunk < 1:
        problem = f"{chunk} patients simulated at once"
        raise StudyError(Problem(problem, expected="at least 1", remedy="leave it out"))
    if model is None:
        from opiome import model as models

        model = models.load(species=study.species)
    lead, treated = (_whole_days(study, name) for name in ("run_in", "treatment"))
    program = engine.compile(model.sbml)
    outputs, watch = None, Watch.of(model, program)
    if pace.diary:
        outputs = watch.diary_outputs(program, measured(study))
    course = engine.compile(model.sbml, outputs=outputs, shared=model.alike)
    if pace.diary:
        watch = Watch.of(model, course, only=measured(study))
    number = study.seed if seed is None else seed
    therapy = Therapy(study, model, number)
    return Setting(
        study=study,
        model=model,
        program=program,
        course=course,
        therapy=therapy,
        numbers=diary_numbers(),
        watch=watch,
        lead=lead,
        days=lead + treated,
        seed=number,
        threads=threads or os.cpu_count() or 1,
        chunk=chunk,
        pace=pace,
        profiles=profiles(study, model),
    )


def measured(study: Study) -> list[str]:
    """The observables that an endpoint of the study measures."""
    return sorted({e.params.observable for e in study.endpoints if e.rule == "measured"})


def _whole_days(study: Study, part: str) -> int:
    hours = float(getattr(study, part).duration)
    if hours % _DAY:
        raise StudyError(
            Problem(f"{hours:g} h is not a whole number of days", file=study.name, field=f"{part}.duration")
        )
    return round(hours / _DAY)
