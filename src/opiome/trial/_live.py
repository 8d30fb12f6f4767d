"""Living through the days: the model is advanced a day, the diary is written, the protocol's rules answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opiome import streams
from opiome.trial._adverse import EVENT_SIGNS
from opiome.trial._bowel import SIGNS, Bowel
from opiome.trial._diary import Diary, Movements
from opiome.trial._quantities import quantity
from opiome.trial._watch import PAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from opiome.engine import Ensemble, EventTable
    from opiome.trial._adverse import AdverseEvents
    from opiome.trial._numbers import DiaryNumbers
    from opiome.trial._protocol import Protocol
    from opiome.trial._schema import Dropout
    from opiome.trial._watch import Watch

__all__ = ["Group", "Rules", "live"]

_HOURS, _WEEK_DAYS = 24, 7
_OUTCOME_OK = 0


@dataclass
class Group:
    """Patients who go through a phase together.

    Attributes:
        patients: patient numbers, shape (n,).
        diary: their diaries, of the run-in until :meth:`lengthen`.
        means: daily means of the recorded observables, NaN once a patient has left; shape (m, days, k), where
            the first m patients are those of whom they are kept. ``days`` are those of the run-in until
            :meth:`lengthen`.
        present: whether each one is still in the trial, shape (n,).
        bowel: the state of their evacuation; None before the first day.
    """

    patients: NDArray[np.int64]
    diary: Diary
    means: NDArray[np.float32]
    present: NDArray[np.bool_]
    bowel: Bowel | None = None

    @classmethod
    def arrive(
        cls, patients: NDArray[np.int64], lead: int, observables: int, measured: Sequence[str] = ()
    ) -> Group:
        """Patients at the start of the run-in; ``measured`` names what the clinic measures of everybody."""
        return cls(
            patients=patients,
            diary=Diary.blank(patients, lead, lead, measured),
            means=np.full((len(patients), lead, observables), np.nan, dtype=np.float32),
            present=np.ones(len(patients), dtype=bool),
        )

    def lengthen(self, days: int) -> None:
        """Make room for so many days in the diary, and in the means of those whose means are kept."""
        kept, lead, observables = self.means.shape
        means = np.full((kept, days, observables), np.nan, dtype=np.float32)
        means[:, :lead] = self.means
        self.means = means
        self.diary = self.diary.lengthened(days)

    def keep_means(self, patients: int) -> None:
        """Forget the means of all but the first so many patients."""
        self.means = self.means[:patients].copy()

    def take(self, rows: NDArray[np.intp]) -> Group:
        """Copies of some patients (positions, ascending where not everybody's means are kept)."""
        return Group(
            self.patients[rows],
            self.diary.take(rows),
            self.means[rows[rows < len(self.means)]],
            self.present[rows],
            self.bowel.take(rows) if self.bowel else None,
        )

    def leave(self, leaving: NDArray[np.bool_], time: float, reason: str) -> None:
        """Some patients (a mask) leave the trial at a time (h since randomisation)."""
        self.present &= ~leaving
        self.diary.followed[leaving] = time
        self.diary.reason[leaving] = reason

    @classmethod
    def join(cls, parts: Sequence[Group]) -> Group:
        """Several groups, one under the other."""
        bowels = [part.bowel for part in parts if part.bowel is not None]
        return cls(
            np.concatenate([part.patients for part in parts]),
            Diary.join([part.diary for part in parts]),
            np.concatenate([part.means for part in parts]),
            np.concatenate([part.present for part in parts]),
            Bowel.join(bowels) if bowels else None,
        )


@dataclass(frozen=True)
class Rules:
    """What answers to the diary during a phase.

    Attributes:
        seed: the study seed.
        numbers: the diary's numbers.
        effect: the non-specific effect of the trial on the evacuation rate, a number or shape (n,).
        rescue_after: hours without a movement until the rescue laxative is taken; None without one.
        rescue_every: the shortest time between two rescue doses (h).
        rescue_doses: patient rows and times (h, the model's) to event rows.
        dropout: hazards of leaving; None where nobody leaves.
        events: adverse events, progression and death; None where none are drawn.
        protocol: the rules that change what is prescribed; None before randomisation.
        brief: whether patients who have left are followed no further.
        out: who leaves at the end of a day because they cannot enter any more; None where nobody does.
    """

    seed: int
    numbers: DiaryNumbers
    effect: float | NDArray[np.float64] = 1.0
    rescue_after: float | None = None
    rescue_every: float = 24.0
    rescue_doses: Callable[[NDArray[np.intp], NDArray[np.float64]], EventTable] | None = None
    dropout: Dropout | None = None
    events: AdverseEvents | None = None
    protocol: Protocol | None = None
    brief: bool = False
    out: Callable[[Diary, int], NDArray[np.bool_]] | None = None


def live(
    run: Ensemble,
    group: Group,
    columns: range,
    rules: Rules,
    *,
    watch: Watch,
    day_done: Callable[[], None] = lambda: None,
    hourly: list[NDArray[np.float64]] | None = None,
) -> None:
    """Advance a group through days of the diary, one at a time.

    The rescue rule looks at the diary on waking, from the second day of a phase on. Patients leave at the end
    of a day. A patient whose integration fails has left at the start of that day.

    Args:
        run: the ensemble, standing at the start of the first day.
        group: the patients, in the order of the ensemble; changed in place.
        columns: the columns of the diary to live through.
        rules: what answers to the diary.
        watch: what is recorded.
        day_done: called after each day.
        hourly: a list that receives the recorded outputs of each day, shape (n, 24, outputs).
    """
    start, diary = float(run.time), group.diary
    written: list[Movements] = [diary.movements]
    before = run.advance(start, np.array([start]))
    pain = np.asarray(before.values)[:, 0, watch.signs[PAIN]]
    for i, column in enumerate(columns):
        now, hour = start + _HOURS * i, float(_HOURS * (column - diary.lead))
        if rules.protocol is not None:
            rules.protocol.morning(run, group, column)
        if i:
            _rescue(run, group, column, now, rules)
        daily = _breakthrough(run, group, column, pain, rules)
        block = run.advance(now + _HOURS, now + 0.5 + np.arange(_HOURS, dtype=np.float64))
        group.present &= np.asarray(run.outcome) == _OUTCOME_OK
        values = np.asarray(block.values)
        signs = {name: values[:, :, watch.signs[name]] for name in SIGNS}
        if group.bowel is None:
            rate = np.nan_to_num(signs["bm_rate"][:, 0], nan=0.0)
            group.bowel = Bowel.start(group.patients, rate, hour, rules.numbers, rules.seed)
        moves = group.bowel.day(column, hour, signs, rules.effect)
        u = streams.uniform(rules.seed, "diary/missing", group.patients, column)
        filled = group.present & (u >= rules.numbers.missing_day)
        written.append(diary.record(column, moves, filled))
        pain = values[:, :, watch.signs[PAIN]].mean(axis=1)
        noise = rules.numbers.nrs_sd * streams.normal(rules.seed, "diary/nrs", group.patients, column)
        diary.nrs[:, column] = np.where(filled, np.clip(np.rint(pain + noise), 0, 10), np.nan)
        for name, count in daily.items():
            diary.daily[name][:, column] = np.where(filled, count, np.nan)
        if rules.events is not None:
            _befall(rules.events, group, column, filled, _means(values, watch))
        means = watch.means(values, np.asarray(run.states))
        kept = len(group.means)
        group.means[:, column] = np.where(group.present[:kept, None], means[:kept], np.nan)
        for name, daily_means in diary.measured.items():
            daily_means[:, column] = np.where(group.present, means[:, watch.names.index(name)], np.nan)
        if hourly is not None:
            hourly.append(values[:, :, watch.outputs])
        _part(run, group, column, rules)
        day_done()
    diary.movements = Movements.join(written)


def _means(values: NDArray[np.float64], watch: Watch) -> dict[str, NDArray[np.float64]]:
    """The daily means of what adverse events are drawn from, shape (n,) each."""
    return {name: values[:, :, watch.signs[name]].mean(axis=1) for name in EVENT_SIGNS if name in watch.signs}


def _befall(
    events: AdverseEvents,
    group: Group,
    column: int,
    filled: NDArray[np.bool_],
    means: dict[str, NDArray[np.float64]],
) -> None:
    """Adverse events of a day, then images, then death at its end."""
    diary = group.diary
    events.write(diary, column, means, filled)
    events.progress(diary, column, means, group.present)
    dying = events.die(diary, column, means, group.present)
    group.leave(dying, float(_HOURS * (column + 1 - diary.lead)), "death")


def _breakthrough(
    run: Ensemble, group: Group, column: int, pain: NDArray[np.float64], rules: Rules
) -> dict[str, NDArray[np.int64]]:
    """Episodes of breakthrough pain of the coming day and the rescue opioid taken for them, shape (n,)."""
    if rules.events is None:
        return {}
    episodes = rules.events.breakthrough(column, pain)
    if rules.protocol is None:
        return {"breakthrough": episodes}
    taken = rules.protocol.relieve(run, group, column, episodes)
    return {"breakthrough": episodes, "rescue_opioid": taken}


def _rescue(run: Ensemble, group: Group, column: int, now: float, rules: Rules) -> None:
    bowel, hour = group.bowel, float(_HOURS * (column - group.diary.lead))
    if rules.rescue_after is None or rules.rescue_doses is None or bowel is None:
        return
    due = (hour - bowel.last >= rules.rescue_after) & (hour - bowel.rescued >= rules.rescue_every)
    rows = np.flatnonzero(due & group.present & _willing(group.patients, column, rules))
    if not len(rows):
        return
    run.give(rules.rescue_doses(rows, np.full(len(rows), now)))
    bowel.rescued[rows] = hour
    group.diary.rescue[rows, column] += 1


def _willing(patients: NDArray[np.int64], day: int, rules: Rules) -> NDArray[np.bool_]:
    """Who takes the rescue laxative when they may, shape (n,): some nearly always do, some never."""
    numbers = rules.numbers
    person = streams.normal(rules.seed, "rescue/person", patients)
    odds = (
        numbers.rescue_uptake / (1.0 - numbers.rescue_uptake) * streams.exp(numbers.rescue_uptake_sd * person)
    )
    return np.asarray(streams.uniform(rules.seed, "rescue/day", patients, day) < odds / (1.0 + odds))


def _part(run: Ensemble, group: Group, column: int, rules: Rules) -> None:
    """At the end of a day some leave, and nobody follows them where nobody will look at them again."""
    _leave(group, column, rules)
    if rules.out is not None:
        group.present &= ~rules.out(group.diary, column)
    if rules.brief:
        run.release(~group.present)


def _leave(group: Group, column: int, rules: Rules) -> None:
    """Patients leave at the end of a day, by the hazards that hold on it; the reason is one of them.

    Which of the hazards it was is drawn in proportion to their size.
    """
    if rules.dropout is None:
        return
    diary = group.diary
    week = slice(max(column + 1 - _WEEK_DAYS, 0), column + 1)
    hazard = np.full(len(group.patients), rules.dropout.background_per_week)
    reached, reasons = [hazard.copy()], ["dropout"]
    for driver in rules.dropout.drivers:
        hazard += driver.per_week * driver.when.mask(quantity(diary, driver.when.quantity, week))
        reached.append(hazard.copy())
        reasons.append(str(driver.when))
    chance = 1.0 - streams.exp(-hazard / _WEEK_DAYS)
    u = streams.uniform(rules.seed, "dropout", group.patients, column)
    leaving = group.present & (u < chance)
    share = streams.uniform(rules.seed, "dropout/reason", group.patients, column) * hazard
    why = np.minimum((np.array(reached) <= share).sum(axis=0), len(reasons) - 1)
    for k, reason in enumerate(reasons):
        group.leave(leaving & (why == k), float(_HOURS * (column + 1 - diary.lead)), reason)
