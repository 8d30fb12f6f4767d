"""The rules of the protocol at work: every morning the diary is looked at and prescriptions are changed.

The order on a morning is: stopping rules, change of opioid, titration, added drugs, then the doses of the day
and the rescue opioid for its episodes of breakthrough pain. On the first day of treatment there is nothing to
look at. Rules see the diary of the days of treatment, and what the clinic knows, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from opiome import regimen, streams
from opiome.trial._courses import Courses
from opiome.trial._quantities import diary_days, quantity
from opiome.trial._slots import OpioidSlots
from opiome.trial._strengths import rounded, stepped
from opiome.trial._timeline import after, thinned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opiome.cohort import Cohort
    from opiome.engine import Ensemble, EventTable
    from opiome.regimen import Dosing, Product
    from opiome.trial._diary import Diary
    from opiome.trial._fields import Condition
    from opiome.trial._live import Group
    from opiome.trial._protocol_fields import AddedDrug, DiaryRule, StoppingRule
    from opiome.trial._setting import Setting
    from opiome.trial._therapy import Taken, Taking
    from opiome.trial._timeline import Row

__all__ = ["Line", "Prescribed", "Protocol", "prescribe"]

_DAY = 24.0
_MOST_EPISODES = 24
_LEAST_DAYS = 4  # of the diary, to judge a rate per week; as in COMPOSE's rule of the positive week


@dataclass
class Line:
    """What a line of a regimen is worth: oral morphine equivalents (mg/day) of each patient, shape (n,).

    ``start`` and ``end`` in hours since randomisation; 0 for patients without the line, or who stopped it.
    """

    dosing: Dosing
    ome: NDArray[np.float64]
    start: float
    end: float
    study: bool


@dataclass
class Prescribed:
    """What patients take from randomisation on (time 0).

    Attributes:
        fixed: the doses that no rule can change.
        courses: what a rule may change.
        lines: what each opioid of stated times is worth.
    """

    fixed: EventTable
    courses: Courses
    lines: list[Line]


def prescribe(setting: Setting, cohort: Cohort, taking: Taking, arm: str) -> Prescribed:
    """What patients of an arm take from randomisation on."""
    from opiome.engine import EventTable

    therapy, study = setting.therapy, setting.study
    zero, missed = study.randomisation, setting.numbers.missed_dose
    fixed: list[Row] = []
    courses, lines = Courses(), []
    for own, taken in [
        *((False, taken) for taken in therapy.background(taking, arm)),
        *((True, taken) for taken in therapy.assigned(taking, arm)),
    ]:
        rows = thinned(taken.rows, cohort.ids, setting.seed, missed) if own else taken.rows
        rows = after(rows, zero)
        if study.changes_doses and (own or taken.is_opioid):
            courses.add(rows, opioid=taken.is_opioid, study=own)
        else:
            fixed += rows
        if taken.is_opioid:
            lines.append(_line(taken, len(cohort), zero, study=own))
    return Prescribed(EventTable.from_rows(fixed), courses, lines)


def _line(taken: Taken, n: int, zero: float, *, study: bool) -> Line:
    ome = np.zeros(n)
    ome[taken.members] = taken.ome
    return Line(taken.dosing, ome, taken.start - zero, taken.end - zero, study)


class Protocol:
    """The rules of a study for n patients of one arm, from randomisation on.

    Attributes:
        courses: what they take, as far as a rule may change it.
        scale: what titration has made of the prescribed doses, shape (n,).
        raises: how often the dose was raised since the last change of opioid, shape (n,).
    """

    def __init__(
        self,
        setting: Setting,
        cohort: Cohort,
        taking: Taking,
        arm: str,
        prescribed: Prescribed,
    ) -> None:
        n = len(cohort)
        self._setting, self._cohort, self._arm = setting, cohort, arm
        self._rules, self._therapy = setting.study.rules, setting.therapy
        self.courses, self._lines = prescribed.courses, prescribed.lines
        self.scale, self.raises = np.ones(n), np.zeros(n, dtype=np.int64)
        self._changed = np.full(n, np.nan)  # the dose of a new opioid before titration, mg/day
        self._next = np.zeros(n, dtype=np.int64)  # the next opioid to change to
        self._waiting = np.zeros(n, dtype=bool)  # for a slot to change the opioid
        self._added = [np.zeros(n, dtype=bool) for _ in self._rules.add]
        self._groups = list(self._therapy.taken_slots(taking, arm))
        self._drug = np.full(n, "", dtype=object)
        for rows, _, main in self._groups:
            self._drug[rows] = main[0] if main else ""
        self._marketed = self._rules.strengths == "marketed"
        self._opioid = np.full(n, None, dtype=object)  # the regimen that titration changes
        for line in self._lines:
            self._opioid[line.ome > 0] = line.dosing
        self._study_opioid = any(line.study for line in self._lines)
        self._slots = self._opioid_slots()

    def _opioid_slots(self) -> OpioidSlots | None:
        """Who has which opioid where; only needed where a rule can change that."""
        rescue = self._therapy.rescue_opioid
        dosings = [*self._therapy.rotation, *([rescue] if rescue else [])]
        products = [dosing.product for dosing in dosings if dosing.product is not None]
        if not products:
            return None
        return OpioidSlots.of(self._therapy, self._cohort, products, self._groups)

    # -- the day -----------------------------------------------------------------------------------------

    def morning(self, run: Ensemble, group: Group, column: int) -> None:
        """Look at the diary, change what is prescribed and hand over the doses of the day."""
        diary = group.diary
        now = _DAY * (column - diary.lead)
        if self._slots is not None:
            self._slots.watch(run)
        if now > 0:
            for stopping in self._rules.stop:
                self._stop(stopping, group, column)
            changed = self._rotate(run, group, column)
            self._titrate(group, column, ~changed)
            for k, adding in enumerate(self._rules.add):
                self._add(k, adding, group, column)
        if len(self.courses):
            doses = self.courses.day(now, group.present)
            if len(doses):
                run.give(doses)
        diary.daily["ome"][:, column] = np.where(group.present, self.dose(now), np.nan)

    def relieve(
        self, run: Ensemble, group: Group, column: int, episodes: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Give the rescue opioid for episodes of breakthrough pain; returns the doses taken, shape (n,)."""
        rule, dosing = self._rules.rescue_opioid, self._therapy.rescue_opioid
        none = np.zeros(len(episodes), dtype=np.int64)
        if rule is None or dosing is None or dosing.product is None or self._slots is None:
            return none
        start = _DAY * (column - group.diary.lead)
        wanted = group.present & (episodes > 0) & ~self._waiting & (self.dose(start) > 0)
        slot = self._slots.place(run, dosing.product, wanted, main=False)
        hours = self._hours(column, np.where(slot >= 0, episodes, 0), dosing.every or 0.0, rule.per_day)
        row, place = np.nonzero(np.isfinite(hours))
        if not len(row):
            return none
        worth = np.clip(rule.share * self.dose(start)[row], rule.least, rule.most)
        daily = replace(dosing, as_needed=False, every=_DAY)
        amount = regimen.dose_for(daily, 1.0, self._setting.model) * worth
        if self._marketed:
            amount = rounded(dosing.product, amount)
        where = [self._slots.names[k] for k in slot[row]]
        run.give(_boluses(dosing, row, start + hours[row, place], amount, where))
        return np.asarray(np.isfinite(hours).sum(axis=1))

    def _hours(
        self, column: int, episodes: NDArray[np.int64], interval: float, most: int
    ) -> NDArray[np.float64]:
        """Hours of the day at which the rescue opioid is taken, shape (n, 24); NaN for none."""
        draws = np.arange(_MOST_EPISODES)
        u = streams.uniform(
            self._setting.seed, "breakthrough/hour", self._cohort.ids[:, None], column, draws[None, :]
        )
        hours = np.sort(np.where(draws < episodes[:, None], _DAY * u, np.nan), axis=1)
        last, taken = np.full(len(hours), -np.inf), np.zeros(len(hours), dtype=np.int64)
        for k in draws:
            with np.errstate(invalid="ignore"):
                good = (hours[:, k] - last >= interval) & (taken < most)
            last, taken = np.where(good, hours[:, k], last), taken + good
            hours[:, k] = np.where(good, hours[:, k], np.nan)
        return hours

    def dose(self, time: float) -> NDArray[np.float64]:
        """The prescribed morphine equivalents at a time (h since randomisation), mg/day, shape (n,)."""
        total = np.zeros(len(self.scale))
        for line in self._lines:
            if line.start <= time < line.end:
                total += line.ome
        return self.scale * np.where(np.isnan(self._changed), total, np.nan_to_num(self._changed))

    # -- the rules ---------------------------------------------------------------------------------------

    def _now(self, rule: DiaryRule, diary: Diary, column: int) -> bool:
        """Whether a rule of this arm looks at the diary on this morning."""
        if rule.arms and self._arm not in rule.arms:
            return False
        hour = _DAY * (column - diary.lead)
        if rule.every is not None:
            return hour % rule.every < _DAY
        return any(hour <= visit < hour + _DAY for visit in self._setting.study.visits)

    def _met(self, rule: DiaryRule, test: Condition, diary: Diary, column: int) -> NDArray[np.bool_]:
        days = max(round(rule.over / _DAY), 1)
        columns = slice(max(column - days, diary.lead), column)
        met = test.mask(quantity(diary, test.quantity, columns))
        if test.quantity.endswith("_per_week"):  # a day or two say little of a week
            met &= diary_days(diary, columns) >= min(days, _LEAST_DAYS)
        return met

    def _stop(self, rule: StoppingRule, group: Group, column: int) -> None:
        diary = group.diary
        if not self._now(rule, diary, column):
            return
        met = group.present & self._met(rule, rule.when, diary, column)
        hour = _DAY * (column - diary.lead)
        if rule.stop == "trial":
            group.leave(met, hour, rule.reason)
            return
        opioid = rule.stop == "opioid"
        takes = self.dose(hour) > 0 if opioid else np.isnan(diary.stopped_day)
        met &= takes
        self.courses.end(met, hour, opioid=opioid, study=not opioid)
        for line in self._lines:
            if opioid or line.study:
                line.ome = np.where(met, 0.0, line.ome)
        if opioid or self._study_opioid:
            self._changed = np.where(met & ~np.isnan(self._changed), 0.0, self._changed)
            self._waiting &= ~met
        first = met & np.isnan(diary.stopped_day)
        diary.stopped_day[first] = hour / _DAY
        diary.stop_reason[first] = rule.reason

    def _rotate(self, run: Ensemble, group: Group, column: int) -> NDArray[np.bool_]:
        """Change the opioid of those who need it and have a free slot; returns who was changed."""
        rule, slots = self._rules.rotation, self._slots
        changed = np.zeros(len(self.scale), dtype=bool)
        if rule is None or slots is None:
            return changed
        diary, hour = group.diary, _DAY * (column - group.diary.lead)
        if self._now(rule, diary, column):
            due = group.present & (self.dose(hour) > 0)
            for trigger in rule.triggers:
                met = self._met(rule, trigger.when, diary, column)
                self._waiting |= due & met & (self.raises >= trigger.after_raises)
        self._waiting &= group.present
        targets = self._therapy.rotation
        for k, dosing in enumerate(targets):  # whoever takes this drug passes it over
            self._next += (self._next == k) & (self._drug == dosing.drug)
        self._waiting &= self._next < len(targets)
        for k, dosing in enumerate(targets):
            wanted = self._waiting & (self._next == k) & ~changed
            if dosing.product is None or not wanted.any():
                continue
            slot = slots.place(run, dosing.product, wanted, main=True)
            for position, name in enumerate(slots.names):
                rows = np.flatnonzero(slot == position)
                if len(rows):
                    self._change(dosing, dosing.product, name, rows, hour)
                    changed[rows] = True
        diary.rotations[changed, column] += 1
        diary.rotated_day[changed & np.isnan(diary.rotated_day)] = hour / _DAY
        return changed

    def _change(
        self, dosing: Dosing, product: Product, slot: str, rows: NDArray[np.intp], hour: float
    ) -> None:
        rule, model = self._rules.rotation, self._setting.model
        share = rule.share if rule else 1.0
        worth, doses = share * self.dose(hour)[rows], None
        if dosing.is_open:
            one = regimen.dose_for(dosing, 1.0, model)
            doses = rounded(product, one * worth) if self._marketed else one * worth
            worth = doses / one if self._marketed else worth
        else:
            worth = np.full(len(rows), regimen.morphine_equivalent(dosing, model))
        who = np.zeros(len(self.scale), dtype=bool)
        who[rows] = True
        self.courses.end(who, hour, opioid=True)
        table = regimen.events(
            dosing,
            model,
            hour,
            self._setting.study.treatment.duration,
            patients=rows,
            doses=doses,
            slot={(product.drug, product.formulation): slot},
        )
        self._prescribe(table, opioid=True, study=self._study_opioid)
        self._changed[rows], self.scale[rows], self.raises[rows] = worth, 1.0, 0
        self._drug[rows], self._opioid[rows] = dosing.drug, dosing
        self._next[rows] += 1
        self._waiting[rows] = False

    def _prescribe(self, table: EventTable, *, opioid: bool, study: bool) -> None:
        rows = list(table.to_polars().to_dicts())
        missed = self._setting.numbers.missed_dose
        rows = thinned(rows, self._cohort.ids, self._setting.seed, missed)
        self.courses.add(rows, opioid=opioid, study=study)

    def _titrate(self, group: Group, column: int, patients: NDArray[np.bool_]) -> None:
        rule, diary = self._setting.study.titration_of(self._arm), group.diary
        if rule is None or not self._now(rule, diary, column):
            return
        before = self.dose(_DAY * (column - diary.lead))
        todo = group.present & patients & (before > 0)
        factor = np.ones(len(before))
        for step in rule.steps:
            met = todo & self._met(rule, step.when, diary, column)
            factor[met] = 1.0 + step.change / 100.0
            todo &= ~met
        if rule.ceiling is not None:
            with np.errstate(divide="ignore"):
                most = np.maximum(np.where(before > 0, rule.ceiling / before, 1.0), 1.0)
            factor = np.minimum(factor, most)
        if self._marketed:
            factor = self._handed_out(before, factor, rule.ceiling)
        self.scale = self.scale * factor
        self.raises += factor > 1
        self.courses.scale(factor)

    def _handed_out(
        self, before: NDArray[np.float64], factor: NDArray[np.float64], ceiling: float | None
    ) -> NDArray[np.float64]:
        """The changes of the doses ``before`` (mg/day) that can be handed out instead of ``factor``."""
        found = factor.copy()
        for dosing in dict.fromkeys(self._opioid[factor != 1].tolist()):
            rows = np.flatnonzero((self._opioid == dosing) & (factor != 1))
            if dosing is None or dosing.product is None:
                continue
            one = regimen.dose_for(dosing, 1.0, self._setting.model)
            now, most = one * before[rows], np.inf if ceiling is None else one * ceiling
            found[rows] = stepped(dosing.product, now, now * factor[rows], most) / now
        return found

    def _add(self, k: int, rule: AddedDrug, group: Group, column: int) -> None:
        diary = group.diary
        if not self._now(rule, diary, column):
            return
        regimens = [one.regimen for one in self._rules.add]
        had = [self._added[j] for j, one in enumerate(regimens) if one == rule.regimen]  # for another reason
        met = group.present & ~np.logical_or.reduce(had) & self._met(rule, rule.when, diary, column)
        hour = _DAY * (column - diary.lead)
        dosing = self._therapy.added[k]
        for members, where, _ in self._groups:
            rows = members[met[members]]
            if len(rows):
                end = self._setting.study.treatment.duration
                table = regimen.events(dosing, self._setting.model, hour, end, patients=rows, slot=where)
                self._prescribe(table, opioid=False, study=True)
        self._added[k] |= met
        diary.added_day[met & np.isnan(diary.added_day)] = hour / _DAY


def _boluses(
    dosing: Dosing,
    rows: NDArray[np.intp],
    times: NDArray[np.float64],
    doses: NDArray[np.float64],
    slots: list[str],
) -> EventTable:
    """One dose of the rescue opioid for each row at its time, into each one's slot."""
    from opiome.engine import EventTable

    product = dosing.product
    compartments = product.compartments if product else ()
    one = dosing.amount(1.0)
    parts = [
        EventTable(
            ID=rows,
            TIME=times,
            AMT=one * share * doses,
            CMT=np.array([f"{slot}_{name}" for slot in slots], dtype=object),
        )
        for name, share in compartments
    ]
    return EventTable.concat(parts)
