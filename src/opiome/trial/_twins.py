"""The people of a trial, who can live through it again with other parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Self

import numpy as np

from opiome.errors import Problem, StudyError
from opiome.trial._compare import answered
from opiome.trial._live import Group
from opiome.trial._randomise import strata
from opiome.trial._screen import Accepted, screen, through_run_in
from opiome.trial._setting import FULL, QUICK, Setting, measured, settle
from opiome.trial._treat import treat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from opiome.cohort import Cohort
    from opiome.model import Model
    from opiome.trial._answers import Answers
    from opiome.trial._diary import Diary
    from opiome.trial._endpoint_fields import Endpoint
    from opiome.trial._run import Progress
    from opiome.trial._schema import Study

__all__ = ["Twins"]

_CHUNK, _MANY = 512, 2048


@dataclass(frozen=True)
class Twins:
    """People who qualified for a study, each of whom goes through every arm, as often as one likes.

    Screening belongs to the study and is done once, with the model as it is: a question about a parameter is
    asked about the same people, not about others who would have qualified under another biology.
    """

    setting: Setting
    accepted: Accepted

    @classmethod
    def screened(
        cls,
        study: Study,
        patients: int,
        seed: int | None = None,
        threads: int | None = None,
        progress: Progress | None = None,
        *,
        model: Model | None = None,
        quick: bool = False,
    ) -> Self:
        """Screen a study's population for a number of patients.

        With ``quick`` they are followed less closely (docs/design/trial.md), in half the time.

        Raises:
            StudyError: the study does not fit the model, or ``patients`` is below 1.
            CohortError: not enough candidates qualify.
        """
        if patients < 1:
            raise StudyError(Problem(f"{patients} patients", field="patients", expected="at least 1"))
        tell = progress or _silent
        tell("compile", 0, 1)
        pace, chunk = (QUICK, _MANY) if quick else (FULL, _CHUNK)
        setting = settle(study, seed, threads, model, chunk, pace=pace)
        tell("compile", 1, 1)
        return cls(setting, screen(setting, patients, lambda found: tell("screening", found, patients)))

    def __len__(self) -> int:
        return len(self.accepted)

    @property
    def days(self) -> int:
        """Days of treatment in one arm."""
        return self.setting.days - self.setting.lead

    def through(
        self,
        parameters: Mapping[str, float] | None = None,
        *,
        acute: bool = False,
        day_done: Callable[[int], None] = lambda _: None,
    ) -> tuple[dict[str, Diary], NDArray[np.bool_]]:
        """Take everybody through every arm.

        Args:
            parameters: values that hold for everybody. They hold from birth: the untreated state is solved
                again around the same composition, and prior therapy and run-in are lived again.
            acute: the parameters hold from randomisation on instead; everything before is as it was.
            day_done: called after each simulated day with the number of patients who lived it.

        Returns:
            The diaries by arm, shape (n,) in the order of entry, and who could be simulated in every arm.
            The diaries of the others are not to be used.

        Raises:
            StudyError: the model has no such parameter.
        """
        changed = dict(parameters or {})
        unknown = sorted(set(changed) - set(self.setting.program.defaults))
        if unknown:
            raise StudyError([Problem(f"the model has no parameter '{name}'") for name in unknown])
        parts: dict[str, list[Diary]] = {arm: [] for arm in self.setting.study.arms}
        well = np.ones(len(self), dtype=bool)

        for first in range(0, len(self), self.setting.chunk):
            rows = np.arange(first, min(first + self.setting.chunk, len(self)))
            entered, sound = self._entered(rows, changed, acute=acute)
            well[rows] &= sound
            lived = partial(day_done, len(rows))
            for arm, diaries in parts.items():
                group, outcome = treat(self.setting, entered, np.arange(len(rows)), arm, day_done=lived)
                diaries.append(group.diary)
                well[rows] &= outcome == 0
        return {arm: _joined(diaries) for arm, diaries in parts.items()}, well

    def answers(self, endpoints: Sequence[Endpoint] | None = None) -> dict[str, dict[str, Answers]]:
        """The answers of everybody who could be simulated in every arm, with the model as it is.

        Args:
            endpoints: the study's own when left out.

        Returns:
            Endpoint id to arm to answers; the same people in the same order in each arm.
        """
        diaries, well = self.through()
        rows = np.flatnonzero(well)
        named = strata(self.setting.study, self.accepted)
        chosen = {arm: diary.take(rows) for arm, diary in diaries.items()}
        stratum = {arm: [named[row] for row in rows] for arm in chosen}
        asked = self.setting.study.endpoints if endpoints is None else endpoints
        return {endpoint.id: answered(endpoint, chosen, stratum) for endpoint in asked}

    def _entered(
        self, rows: NDArray[np.intp], changed: Mapping[str, float], *, acute: bool
    ) -> tuple[Accepted, NDArray[np.bool_]]:
        """Some of the people at randomisation under the changed parameters, and who got there."""
        whole, setting = self.accepted, self.setting
        cohort, taking = whole.cohort.take(rows), whole.taking.take(rows)
        group, states, sound = whole.group.take(rows), whole.states[rows], np.ones(len(rows), dtype=bool)
        if acute:
            cohort = replace(cohort, parameters=_with(cohort, changed))
        elif changed:
            # what an earlier solution completed is completed anew
            solved, start, outcome = setting.model.baseline(setting.program, _with(cohort, changed))
            sound = outcome == 0
            start = np.where(sound[:, None], start, cohort.start)
            columns = {name: np.where(sound, v, cohort.parameters[name]) for name, v in solved.items()}
            cohort = replace(cohort, parameters=columns, start=start)
            group = Group.arrive(cohort.ids, setting.lead, len(setting.watch.names), measured(setting.study))
            run = through_run_in(setting, cohort, taking, group)
            arrived = np.asarray(run.outcome) == 0
            sound &= arrived
            states = np.where(arrived[:, None], np.asarray(run.states), states)
        return Accepted(cohort, taking, group, states, whole.attempts[rows], whole.screened), sound


def _with(cohort: Cohort, changed: Mapping[str, float]) -> dict[str, NDArray[np.float64]]:
    own = {name: np.full(len(cohort), float(value)) for name, value in changed.items()}
    return dict(cohort.parameters) | own


def _joined(diaries: list[Diary]) -> Diary:
    return diaries[0] if len(diaries) == 1 else type(diaries[0]).join(diaries)


def _silent(phase: str, done: int, total: int) -> None:
    """Tell nobody."""
