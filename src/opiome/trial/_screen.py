"""Finding patients: candidates live through prior therapy and the run-in, and those who qualify stay.

Candidates are tried in the order of their numbers until enough have qualified, so that the trial's patients
do not depend on how many candidates are simulated at once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from opiome import cohort as people
from opiome.cohort import Cohort
from opiome.errors import CohortError, Problem, StudyError, nearest
from opiome.trial._adverse import AdverseEvents
from opiome.trial._diary import COUNTS
from opiome.trial._fields import Condition
from opiome.trial._live import Group, Rules, live
from opiome.trial._population import correlations, overrides, weighted
from opiome.trial._quantities import QUANTITIES, diary_days, quantity
from opiome.trial._setting import measured
from opiome.trial._therapy import Taking

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from opiome.engine import Ensemble
    from opiome.trial._diary import Diary
    from opiome.trial._schema import Study
    from opiome.trial._setting import Setting

__all__ = ["PICTURED", "Accepted", "screen", "screen_together", "through_run_in"]

_SPARE = 1.15  # candidates simulated beyond those that the rate so far calls for
_SPARE_TOGETHER = 1.03  # of many trials: a second look at a few candidates costs little there
_LEAST = 32
_SETTLING = 168.0  # h before the run-in from which on prior therapy is followed as closely as the trial
PICTURED = 2000
"""Observables are kept day by day of the first so many patients for each arm; bands are drawn from them."""
_MOST_BYTES, _BYTES = 150_000_000, 4  # of observables in all: fewer patients where trials are long


@dataclass
class Accepted:
    """Patients who qualified, as they stand at randomisation, in the order of their numbers.

    Attributes:
        cohort: who they are, with the parameters and untreated state of each.
        taking: their prior therapy.
        group: their diaries and observables of the run-in.
        states: the state of the model, shape (n, n_states).
        attempts: candidates tried for each place, shape (n,).
        screened: candidates tried in all.
        reasons: why the others were not taken, by reason.
    """

    cohort: Cohort
    taking: Taking
    group: Group
    states: NDArray[np.float64]
    attempts: NDArray[np.int64]
    screened: int
    reasons: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.cohort)

    @classmethod
    def join(cls, parts: Sequence[Accepted]) -> Accepted:
        """The patients of several trials, one under the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            cohort=Cohort.join([part.cohort for part in parts]),
            taking=Taking.join([part.taking for part in parts]),
            group=Group.join([part.group for part in parts]),
            states=np.concatenate([part.states for part in parts]),
            attempts=np.concatenate([part.attempts for part in parts]),
            screened=sum(part.screened for part in parts),
            reasons=sum((part.reasons for part in parts), Counter()),
        )


@dataclass(frozen=True)
class _Tried:
    """A chunk of candidates: why each was not taken (empty text: taken), and those who were."""

    reasons: list[str]
    cohort: Cohort
    taking: Taking
    group: Group
    states: NDArray[np.float64]


@dataclass
class _Search:
    """The search for the patients of one trial, among the candidates numbered from ``start`` on."""

    start: int
    tried: list[_Tried] = field(default_factory=list)
    count: int = 0
    found: int = 0

    def next(self, setting: Setting, needed: int, limit: int, spare: float) -> tuple[int, int]:
        """The first number and the count of the candidates to try now."""
        if self.count >= limit:
            raise _nobody(self.tried, self.found, needed, setting)
        rate = self.found / self.count if self.found else 1.0
        wanted = int((needed - self.found) / rate * spare) + 1
        return self.start + self.count, min(max(wanted, _LEAST), setting.chunk, limit - self.count)

    def add(self, tried: _Tried, pictured: int) -> None:
        """Take note of what became of candidates; observables are kept of the first ``pictured`` patients."""
        tried.group.keep_means(max(pictured - self.found, 0))
        self.tried.append(tried)
        self.count += len(tried.reasons)
        self.found += len(tried.cohort)


def screen(setting: Setting, needed: int, progress: Callable[[int], None]) -> Accepted:
    """Try candidates until ``needed`` have qualified.

    Args:
        setting: the run.
        needed: how many patients the trial randomises.
        progress: called with the number of patients found so far.

    Raises:
        CohortError: not enough of the allowed number of candidates qualify; the message says why most failed.
    """
    return screen_together(setting, needed, [0], progress)[0]


def screen_together(
    setting: Setting, needed: int, trials: Sequence[int], progress: Callable[[int], None]
) -> list[Accepted]:
    """Screen for several trials at once; the patients of each are those that it would have alone.

    Trial k has candidates of its own: trial 0 the numbers from 0 on, the next one those that follow on the
    last candidate that trial 0 may try, and so on.

    Args:
        setting: the run.
        needed: how many patients each trial randomises.
        trials: the numbers of the trials.
        progress: called with the number of patients found so far.

    Raises:
        CohortError: not enough of the allowed number of candidates qualify; the message says why most failed.
    """
    _check_criteria(setting)
    limit = _limit(setting, needed)
    pictured = _pictured(setting)
    searches = [_Search(k * limit) for k in trials]
    while unfinished := [search for search in searches if search.found < needed]:
        spare = _SPARE if len(trials) == 1 else _SPARE_TOGETHER
        found = _try(setting, [search.next(setting, needed, limit, spare) for search in unfinished])
        for search, tried in zip(unfinished, found, strict=True):
            search.add(tried, pictured)
        progress(sum(min(search.found, needed) for search in searches))
    return [_first(search.tried, needed) for search in searches]


def _pictured(setting: Setting) -> int:
    """Of how many patients observables are kept."""
    each = _BYTES * setting.days * max(len(setting.watch.names), 1)
    return min(PICTURED * len(setting.study.arms), _MOST_BYTES // each)


def _limit(setting: Setting, needed: int) -> int:
    """The most candidates that may be tried."""
    limit, profiles = setting.study.screening.attempts * needed, setting.profiles
    if profiles is None or setting.study.population.reuse:
        return limit
    if len(profiles) < needed:
        raise CohortError(
            Problem(
                f"the cohort file {profiles.file} holds {len(profiles)} people; the trial needs {needed}",
                file=setting.study.name,
                field="population.reuse",
                expected=f"at least {needed} people, or 'reuse: true'",
                remedy="ask for fewer patients (--patients), or let rows be used again",
            )
        )
    return min(limit, len(profiles))


def _try(setting: Setting, spans: Sequence[tuple[int, int]]) -> list[_Tried]:
    """Let candidates live until randomisation, those of all spans (first number, how many) together."""
    candidates = [_candidates(setting, first, n) for first, n in spans]
    alive = [one for one in candidates if len(one.cohort)] or candidates[:1]
    cohort = Cohort.join([one.cohort for one in alive])
    taking = Taking.join([one.taking for one in alive])
    group = Group.arrive(cohort.ids, setting.lead, len(setting.watch.names), measured(setting.study))
    states, verdict = cohort.start, []
    if len(cohort):
        run = through_run_in(setting, cohort, taking, group)
        failed = np.asarray(run.outcome) != 0
        states = np.asarray(run.states, dtype=np.float64)
        verdict = [
            "simulation failed" if lost else reason
            for lost, reason in zip(failed, _not_entered(setting.study, group), strict=True)
        ]
        if setting.pace.diary:
            _refuse_unstable(setting, cohort, verdict)
    found, begin = [], 0
    for one in candidates:
        end = begin + len(one.cohort)
        for row, reason in zip(one.rows, verdict[begin:end], strict=True):
            one.reasons[row] = reason
        taken = np.array([k for k in range(begin, end) if not verdict[k]], dtype=np.intp)
        kept = one.cohort.take(taken - begin), one.taking.take(taken - begin)
        found.append(_Tried(one.reasons, *kept, group.take(taken), states[taken]))
        begin = end
    return found


@dataclass(frozen=True)
class _Candidates:
    """Candidates in the untreated state: why some are not eligible; the others, in places ``rows``."""

    reasons: list[str]
    rows: NDArray[np.intp]
    cohort: Cohort
    taking: Taking


def _candidates(setting: Setting, first: int, n: int) -> _Candidates:
    study, therapy = setting.study, setting.therapy
    numbers = np.arange(first, first + n, dtype=np.int64)
    taking = therapy.draw(numbers)
    changed = overrides(study.population.covariates)
    profiles = setting.profiles
    rho = correlations(study)
    codes, _ = people.people(setting.model, changed, numbers, setting.seed, rho, profiles=profiles)
    reasons = _ineligible(study, {**codes, "ome": taking.ome})
    if profiles is not None:
        unfit = [profiles.unfit[row] for row in profiles.rows(numbers)]
        reasons = [first or second for first, second in zip(unfit, reasons, strict=True)]
    eligible = np.array([not reason for reason in reasons])
    cohort = people.build(
        setting.model,
        changed,
        n,
        setting.seed,
        first,
        program=setting.program,
        correlations=rho,
        keep=lambda _: eligible,
        profiles=profiles,
        tested=not setting.pace.diary,
    )
    rows = np.flatnonzero(eligible)
    cohort = weighted(study, cohort, taking.ome[rows])
    solved = cohort.outcome == 0
    for lost, candidate in zip(np.flatnonzero(~solved), rows[~solved], strict=True):
        why = cohort.reasons[lost].partition(":")[0]  # what follows is advice
        reasons[candidate] = f"baseline not solved ({why})"
    rows = rows[solved]
    return _Candidates(reasons, rows, cohort.take(solved), taking.take(rows))


def _refuse_unstable(setting: Setting, cohort: Cohort, verdict: list[str]) -> None:
    """Refuse those who would enter although their flora would not stay as it is; ``verdict`` is changed."""
    entering = np.array([row for row, reason in enumerate(verdict) if not reason], dtype=np.intp)
    if not len(entering):
        return
    chosen = cohort.take(entering)
    stable = setting.model.stable(setting.program, chosen.parameters, chosen.start)
    for row in entering[~stable]:
        verdict[row] = "baseline not solved (this flora cannot stay as it is)"


def through_run_in(
    setting: Setting,
    cohort: Cohort,
    taking: Taking,
    group: Group,
    hourly: list[NDArray[np.float64]] | None = None,
) -> Ensemble:
    """Take people from the untreated state through prior therapy and the run-in; ``group`` is changed."""
    run = setting.course.ensemble(
        setting.therapy.parameters(cohort, taking, None),
        n=len(cohort),
        start=cohort.start,
        events=setting.therapy.prior(taking, setting.study.start_of_run_in - setting.pace.even),
        rtol=setting.pace.prior or setting.pace.rtol,
        threads=setting.threads,
    )
    if setting.pace.prior:
        run.advance(max(setting.study.start_of_run_in - _SETTLING, 0.0))
        run.rtol = setting.pace.rtol
    run.advance(setting.study.start_of_run_in)
    group.diary.daily["ome"][:, : setting.lead] = np.nan_to_num(taking.ome)[:, None]
    live(run, group, range(setting.lead), _rules(setting, cohort), watch=setting.watch, hourly=hourly)
    return run


def _cannot_enter(study: Study, diary: Diary, column: int) -> NDArray[np.bool_]:
    """Who has had too many movements by the end of a day of the run-in, whatever is to come; shape (n,)."""
    past, left = slice(0, column + 1), diary.lead - column - 1
    days = diary_days(diary, past) + left
    lost = np.zeros(len(diary), dtype=bool)
    for test in study.population.entry:
        name = test.quantity.removesuffix("_per_week")
        if name in COUNTS and name != test.quantity:
            least = 7.0 * diary.counts[name][:, past].sum(axis=1) / np.maximum(days, 1)
            lost |= ~_at_most(test).mask(least)
    return lost


def _at_most(test: Condition) -> Condition:
    """What of a condition forbids to be above a limit."""
    return Condition(test.quantity, tuple(part for part in test.tests if part[0] in {"<", "<="}))


def _rules(setting: Setting, cohort: Cohort) -> Rules:
    rescue = setting.study.rules.rescue_laxative
    dosing = setting.therapy.rescue
    return Rules(
        seed=setting.seed,
        numbers=setting.numbers,
        rescue_after=rescue.after if rescue else None,
        rescue_every=(dosing.every or 24.0) if dosing else 24.0,
        rescue_doses=setting.therapy.rescue_doses if rescue else None,
        events=AdverseEvents.start(cohort.ids, setting.seed, cohort.codes.get("cancer"), mortal=False),
        brief=setting.pace.diary,
        out=partial(_cannot_enter, setting.study) if setting.pace.diary else None,
    )


def _check_criteria(setting: Setting) -> None:
    """Refuse criteria on what the clinic does not know."""
    population = setting.study.population
    known = {
        "eligibility": (population.eligibility, ["ome", *setting.model.covariates["id"]]),
        "entry": (population.entry, list(QUANTITIES)),
    }
    problems = [
        Problem(
            f"'{test}' refers to '{test.quantity}', which is not known at that time",
            file=setting.study.name,
            field=f"population.{part}",
            expected=", ".join(names),
            remedy=f"did you mean '{near}'?" if (near := nearest(test.quantity, names)) else None,
        )
        for part, (tests, names) in known.items()
        for test in tests
        if test.quantity not in names
    ]
    if problems:
        raise StudyError(problems)


def _ineligible(study: Study, values: Mapping[str, NDArray[np.float64]]) -> list[str]:
    """The first eligibility criterion that each candidate fails; empty for the eligible."""
    n = len(next(iter(values.values())))
    return [
        next((str(t) for t in study.population.eligibility if not t.holds(values[t.quantity][i])), "")
        for i in range(n)
    ]


def _not_entered(study: Study, group: Group) -> list[str]:
    """The first entry criterion that each candidate's run-in diary fails; empty for those who enter."""
    run_in = slice(0, group.diary.lead)
    values = {t.quantity: quantity(group.diary, t.quantity, run_in) for t in study.population.entry}
    return [
        next((str(t) for t in study.population.entry if not t.holds(values[t.quantity][i])), "")
        for i in range(len(group.patients))
    ]


def _first(tried: Sequence[_Tried], needed: int) -> Accepted:
    """The first ``needed`` patients of all that were found, and what was tried until the last of them."""
    reasons = [reason for chunk in tried for reason in chunk.reasons]
    entered = np.array([place for place, reason in enumerate(reasons) if not reason])[:needed]
    screened = int(entered[-1]) + 1
    parts = [chunk for chunk in tried if len(chunk.cohort)]
    keep = np.arange(needed)
    return Accepted(
        cohort=Cohort.join([chunk.cohort for chunk in parts]).take(keep),
        taking=Taking.join([chunk.taking for chunk in parts]).take(keep),
        group=Group.join([chunk.group for chunk in parts]).take(keep),
        states=np.concatenate([chunk.states for chunk in parts])[keep],
        attempts=np.diff(entered, prepend=-1),
        screened=screened,
        reasons=Counter(reason for reason in reasons[:screened] if reason),
    )


def _nobody(tried: Sequence[_Tried], found: int, needed: int, setting: Setting) -> CohortError:
    reasons = Counter(reason for chunk in tried for reason in chunk.reasons if reason)
    screened = sum(len(chunk.reasons) for chunk in tried)
    most = ", ".join(f"{count} at '{reason}'" for reason, count in reasons.most_common(3))
    return CohortError(
        Problem(
            f"{found} of the {needed} patients needed qualified among {screened} candidates;"
            f" most failed {most}",
            file=setting.study.name,
            field="population",
            expected="criteria that some of the simulated candidates meet after the background therapy",
            remedy="loosen that criterion, change the background therapy, or raise 'screening.attempts'",
        )
    )
