"""A trial repeated with new patients each time, several trials side by side in the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, StudyError
from opiome.trial._compare import compare
from opiome.trial._diary import Diary
from opiome.trial._randomise import allocate, arm_sizes, strata
from opiome.trial._run import check_arms, check_weights
from opiome.trial._screen import Accepted, screen_together
from opiome.trial._setting import QUICK, settle
from opiome.trial._treat import treat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from opiome.model import Model
    from opiome.trial._schema import Study
    from opiome.trial._setting import Setting

__all__ = ["Replicate", "replicates"]

_TOGETHER = 3000
"""Patients who are simulated at once: enough to fill lanes and threads, few enough for 100 MB."""


@dataclass(frozen=True)
class Replicate:
    """What one of many trials found.

    ``endpoints`` and ``contrasts`` are the tables of :class:`opiome.trial.Results`; ``screened`` counts the
    candidates, ``failed`` the patients whose integration failed, who are in no estimate.
    """

    number: int
    endpoints: pl.DataFrame
    contrasts: pl.DataFrame
    screened: int
    failed: int


def replicates(
    study: Study,
    trials: Sequence[int],
    patients: int | None = None,
    seed: int | None = None,
    threads: int | None = None,
    *,
    model: Model | None = None,
    together: int = _TOGETHER,
) -> Iterator[Replicate]:
    """Run a study again and again, each time with other candidates, screened and randomised anew.

    A trial is known by its number: it is the same whichever others are asked for and however many are
    simulated at once. It is followed less closely than one trial (docs/design/trial.md) and leaves no diary.

    Args:
        study: what :func:`opiome.trial.load_study` returns.
        trials: the numbers of the trials, from 0 on.
        patients: patients for each unit of allocation; the study's own number when left out.
        seed: the seed of every random stream; the study's own when left out.
        threads: threads of the engine; all cores when left out.
        model: a loaded model; the shipped one when left out.
        together: about how many patients are simulated at once; it bounds memory and changes no result.

    Yields:
        The trials, in the order asked for.

    Raises:
        StudyError: the study does not fit the model.
        CohortError: not enough candidates qualify.
    """
    count = study.patients if patients is None else patients
    if count < 1:
        raise StudyError(Problem(f"{count} patients", field="patients", expected="at least 1"))
    if wrong := [str(number) for number in trials if number < 0]:
        what = f"trial {', '.join(wrong[:3])}{' ...' if wrong[3:] else ''}"
        raise StudyError(Problem(what, field="trials", expected="numbers of trials, from 0 on"))
    setting = settle(study, seed, threads, model, together, pace=QUICK)
    sizes = arm_sizes({name: arm.allocation for name, arm in study.arms.items()}, count)
    needed = sum(sizes.values())
    batch = max(together // needed, 1)
    for first in range(0, len(trials), batch):
        yield from _batch(setting, trials[first : first + batch], count, needed)


def _batch(setting: Setting, trials: Sequence[int], count: int, needed: int) -> Iterator[Replicate]:
    """Some trials side by side."""
    study = setting.study
    found = screen_together(setting, needed, trials, lambda _: None)
    named, dealt = [], []
    for number, accepted in zip(trials, found, strict=True):
        named.append(np.array(strata(study, accepted), dtype=object))
        dealt.append(allocate(study, accepted, count, setting.seed, named[-1].tolist(), trial=number))
        check_weights(study, accepted, dealt[-1])
        check_arms(study, dealt[-1], named[-1].tolist())
    everybody, trial_of = Accepted.join(found), np.repeat(np.arange(len(trials)), needed)
    arm_of, stratum = np.concatenate(dealt), np.concatenate(named)
    diaries: list[dict[str, Diary]] = [{} for _ in trials]
    strata_of: list[dict[str, list[str]]] = [{} for _ in trials]
    failed = np.zeros(len(trials), dtype=np.int64)
    for k, arm in enumerate(study.arms):
        members = np.flatnonzero(arm_of == k)
        diary, well = _treated(setting, everybody, members, arm)
        for place in range(len(trials)):
            own = trial_of[members] == place
            failed[place] += int((own & ~well).sum())
            rows = np.flatnonzero(own & well)
            diaries[place][arm] = diary.take(rows)
            strata_of[place][arm] = stratum[members[rows]].tolist()
    for place, number in enumerate(trials):
        endpoints, contrasts = compare(study, diaries[place], strata_of[place] if study.strata else None)
        yield Replicate(number, endpoints, contrasts, found[place].screened, int(failed[place]))


def _treated(
    setting: Setting, accepted: Accepted, members: NDArray[np.intp], arm: str
) -> tuple[Diary, NDArray[np.bool_]]:
    """The diaries of one arm, and whose simulation went well."""
    parts, outcomes = [], []
    for start in range(0, len(members), setting.chunk):
        group, outcome = treat(setting, accepted, members[start : start + setting.chunk], arm)
        parts.append(group.diary)
        outcomes.append(outcome)
    return Diary.join(parts), np.concatenate(outcomes) == 0
