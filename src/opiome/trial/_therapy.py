"""What each patient takes: prior therapy drawn from the study's choices, the arm's regimen, and rescue."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from opiome import cohort as people
from opiome import regimen, streams
from opiome.errors import DoseError, InputError, Problem, StudyError
from opiome.trial._population import marginal
from opiome.trial._strengths import rounded
from opiome.trial._timeline import before, evened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from opiome.cohort import Cohort
    from opiome.engine import EventTable
    from opiome.model import Model
    from opiome.regimen import Dosing
    from opiome.trial._schema import Study
    from opiome.trial._timeline import Row

    Slots = dict[tuple[str, str], str]

__all__ = ["Taken", "Taking", "Therapy"]

_DAY = 24.0


@dataclass(frozen=True)
class Taking:
    """The prior therapy of n patients.

    ``opioid`` and ``laxatives`` are positions in the study's choices (0 where there is none), ``ome`` the
    oral morphine equivalent in mg/day, NaN without an opioid. All have shape (n,).
    """

    opioid: NDArray[np.intp]
    laxatives: NDArray[np.intp]
    ome: NDArray[np.float64]

    def take(self, rows: NDArray[np.intp]) -> Taking:
        """The therapy of some patients (positions)."""
        return Taking(self.opioid[rows], self.laxatives[rows], self.ome[rows])

    @classmethod
    def join(cls, parts: Sequence[Taking]) -> Taking:
        """Several groups, one under the other."""
        return cls(
            *(np.concatenate([getattr(p, name) for p in parts]) for name in ("opioid", "laxatives", "ome"))
        )


@dataclass(frozen=True)
class Taken:
    """One line of a regimen as some patients take it, in model time.

    ``members`` are their rows, shape (k,); ``ome`` the oral morphine equivalent of each, in mg/day while the
    line lasts; ``rows`` the events; ``start`` and ``end`` in h.
    """

    dosing: Dosing
    members: NDArray[np.intp]
    ome: NDArray[np.float64]
    rows: list[Row]
    start: float
    end: float

    @property
    def is_opioid(self) -> bool:
        """Whether it is an opioid taken at stated times."""
        product = self.dosing.product
        return product is not None and product.drug_class == "opioid" and not self.dosing.as_needed


@dataclass(frozen=True)
class Therapy:
    """The regimens of a study, understood once.

    Raises StudyError where a regimen of the study does not fit the model.
    """

    study: Study
    model: Model
    seed: int

    @cached_property
    def opioids(self) -> list[Dosing]:
        """The opioids that patients arrive on."""
        opioid = self.study.background.opioid
        return self._parse("background.opioid.choices", [c.regimen for c in opioid.choices] if opioid else [])

    @cached_property
    def laxatives(self) -> list[list[Dosing]]:
        """The sets of laxatives that patients arrive on."""
        return [self._parse("background.laxatives", c.regimen) for c in self.study.background.laxatives]

    @cached_property
    def other(self) -> list[Dosing]:
        """What every patient takes besides."""
        return self._parse("background.other", self.study.background.other)

    @cached_property
    def arms(self) -> dict[str, list[Dosing]]:
        """The regimen of each arm."""
        return {
            name: self._parse(f"arms.{name}.regimen", arm.regimen) for name, arm in self.study.arms.items()
        }

    @cached_property
    def rescue(self) -> Dosing | None:
        """The rescue laxative."""
        rule = self.study.rules.rescue_laxative
        return self._parse("rules.rescue_laxative.regimen", [rule.regimen])[0] if rule else None

    @cached_property
    def rescue_opioid(self) -> Dosing | None:
        """The opioid for breakthrough pain; its dose is open."""
        rule = self.study.rules.rescue_opioid
        return self._parse("rules.rescue_opioid.regimen", [rule.regimen])[0] if rule else None

    @cached_property
    def added(self) -> list[Dosing]:
        """What the rules may add, in their order."""
        return self._parse("rules.add", [rule.regimen for rule in self.study.rules.add])

    @cached_property
    def rotation(self) -> list[Dosing]:
        """The opioids that the rotation rule changes to, in their order."""
        rule = self.study.rules.rotation
        return self._parse("rules.rotation.to", rule.to if rule else [])

    def _parse(self, field: str, texts: Sequence[str]) -> list[Dosing]:
        found, problems = [], []
        for text in texts:
            try:
                found.append(regimen.parse(text, self.model))
            except InputError as error:
                problems += [problem.at(field=field) for problem in error.problems]
        if problems:
            raise StudyError(problems)
        return found

    def draw(self, patients: NDArray[np.int64]) -> Taking:
        """The prior therapy of numbered patients, by their numbers."""
        opioid = self.study.background.opioid
        chosen = self._choose("opioid", [c.weight for c in opioid.choices] if opioid else [], patients)
        laxatives = self._choose("laxatives", [c.weight for c in self.study.background.laxatives], patients)
        ome = np.full(len(patients), np.nan)
        if opioid:
            if opioid.ome is not None:
                u = streams.uniform(self.seed, "background/ome", patients)
                ome = marginal("ome", opioid.ome).quantile(u)
            for k, dosing in enumerate(self.opioids):
                if not dosing.is_open:
                    ome[chosen == k] = regimen.morphine_equivalent(dosing, self.model)
                elif self.study.rules.strengths == "marketed" and dosing.product is not None:
                    one = regimen.dose_for(dosing, 1.0, self.model)
                    ome[chosen == k] = rounded(dosing.product, one * ome[chosen == k]) / one
        return Taking(chosen, laxatives, ome)

    def _choose(self, what: str, weights: list[float], patients: NDArray[np.int64]) -> NDArray[np.intp]:
        if not weights:
            return np.zeros(len(patients), dtype=np.intp)
        edges = np.cumsum(weights)[:-1] / sum(weights)
        u = streams.uniform(self.seed, f"background/{what}", patients)
        return np.asarray(np.searchsorted(edges, u), dtype=np.intp)

    def label(self, taking: Taking) -> dict[str, list[str]]:
        """The prior therapy in words, for the table of patients."""
        opioids = [d.text for d in self.opioids] or ["none"]
        laxatives = [", ".join(d.text for d in choice) or "none" for choice in self.laxatives] or ["none"]
        return {
            "opioid": [opioids[k] for k in taking.opioid],
            "laxatives": [laxatives[k] for k in taking.laxatives],
        }

    # -- groups of patients with the same drugs ----------------------------------------------------------

    def _groups(self, taking: Taking) -> Iterator[tuple[NDArray[np.intp], Dosing | None, list[Dosing]]]:
        """Rows with the same choices, their opioid and their laxatives."""
        for k in range(max(len(self.opioids), 1)):
            for j in range(max(len(self.laxatives), 1)):
                rows = np.flatnonzero((taking.opioid == k) & (taking.laxatives == j))
                if len(rows):
                    opioid = self.opioids[k] if self.opioids else None
                    yield rows, opioid, self.laxatives[j] if self.laxatives else []

    def _slots(self, opioid: Dosing | None, laxatives: list[Dosing], arm: str | None) -> Slots:
        """The slots of everything that these patients take; the background's are the same in every arm.

        An arm that gives up the background leaves it its slots, so that what is left of the old drug is still
        that drug; where the arm's drugs then find no slot the study is refused.
        """
        rescue = [self.rescue] if self.rescue else []
        background = [*([opioid] if opioid else []), *laxatives, *self.other]
        before = regimen.slots([*background, *rescue], self.model)
        if arm is None:
            return before
        needed = [self.rescue_opioid] if self.rescue_opioid else []
        rules = self.study.rules.add
        added = [d for d, rule in zip(self.added, rules, strict=True) if not rule.arms or arm in rule.arms]
        try:
            together = regimen.slots([*background, *self.arms[arm], *added, *rescue, *needed], self.model)
        except DoseError as error:
            if self.study.arms[arm].keep_background:
                raise
            raise self._no_slot(arm, before, [problem.message for problem in error.problems]) from None
        moved = [key for key, slot in before.items() if together.get(key) != slot]
        if moved:
            names = ", ".join(" ".join(key) for key in moved)
            raise self._no_slot(arm, before, [f"the arm's regimen needs the place of {names}"])
        return together

    def _no_slot(self, arm: str, before: Slots, messages: Iterable[str]) -> StudyError:
        held = ", ".join(" ".join(key) for key, slot in before.items() if slot)
        return StudyError(
            [
                Problem(
                    f"{message}; {held} is still in the body at randomisation",
                    file=self.study.name,
                    field=f"arms.{arm}.regimen",
                    expected="a place for every drug, also for what is left of those that were stopped",
                    remedy="begin with fewer drugs, or let 'rules.rotation' change the opioid when a place"
                    " is free",
                )
                for message in messages
            ]
        )

    def parameters(self, cohort: Cohort, taking: Taking, arm: str | None) -> dict[str, NDArray[np.float64]]:
        """The cohort's parameters with their drugs in the slots, each person's own; shape (n,) each."""
        found = dict(cohort.parameters)
        for rows, opioid, laxatives in self._groups(taking):
            typical: dict[str, float] = {}
            spread: dict[str, float] = {}
            names: dict[str, str] = {}
            for (drug, formulation), slot in self._slots(opioid, laxatives, arm).items():
                if slot:
                    values, variability = self._in_slot(drug, formulation, slot)
                    typical |= values
                    spread |= variability
                    names |= _drug_names(drug, slot, values)
            own = people.parameters_of(self.model, cohort.take(rows), typical, spread, names)
            for name, mine in own.items():
                if name in found:
                    column = found[name].copy()
                    column[rows] = mine
                    found[name] = column
        return found

    def drug_in_slot(
        self, cohort: Cohort, drug: str, formulation: str, slot: str
    ) -> dict[str, NDArray[np.float64]]:
        """The parameters of a slot that these people put a drug into, each person's own; shape (n,) each."""
        values, spread = self._in_slot(drug, formulation, slot)
        names = _drug_names(drug, slot, values)
        default = {name: v for name, v in cohort.parameters.items() if name.startswith(f"{slot}_")}
        return default | people.parameters_of(self.model, cohort, values, spread, names)

    @cached_property
    def _known(self) -> dict[tuple[str, str, str], tuple[dict[str, float], dict[str, float]]]:
        return {}

    def _in_slot(self, drug: str, formulation: str, slot: str) -> tuple[dict[str, float], dict[str, float]]:
        """What a drug makes of the parameters of a slot: typical values, and the variability of some."""
        key = drug, formulation, slot
        if key not in self._known:
            values = self.model.slot_parameters(*key)
            self._known[key] = values, self._variability(*key, values)
        return self._known[key]

    def _variability(
        self, drug: str, formulation: str, slot: str, values: dict[str, float]
    ) -> dict[str, float]:
        """The drug's own between-subject variability, where pharmacology.tsv gives one."""
        found: dict[str, float] = {}
        for precise in (False, True):
            for row in self.model.pharmacology.iter_rows(named=True):
                fits = row["formulation"] == formulation if precise else row["formulation"] in {"", "*"}
                name = f"{slot}_{row['quantity']}"
                if row["drug"] == drug and fits and row["cv"] is not None and name in values:
                    found[name] = float(row["cv"])
        return found

    def taken_slots(
        self, taking: Taking, arm: str
    ) -> Iterator[tuple[NDArray[np.intp], Slots, tuple[str, str] | None]]:
        """Rows of patients, the slots of what they take in an arm, and their opioid of stated times."""
        own = [line for line in self.arms[arm] if line.is_active and not line.as_needed]
        for rows, opioid, laxatives in self._groups(taking):
            kept = [opioid] if opioid is not None and self.study.arms[arm].keep_background else []
            products = [line.product for line in (*own, *kept, *self.other) if line.product is not None]
            opioids = [(p.drug, p.formulation) for p in products if p.drug_class == "opioid"]
            yield rows, self._slots(opioid, laxatives, arm), opioids[0] if opioids else None

    # -- events ------------------------------------------------------------------------------------------

    def background(self, taking: Taking, arm: str | None = None) -> Iterator[Taken]:
        """Prior therapy from time 0 to the end of the trial; with an ``arm``, what it stops is stopped."""
        study = self.study
        end = study.end
        stopped: dict[str, float] = {}
        if arm is not None:
            end = study.end if study.arms[arm].keep_background else study.randomisation
            stopped = {
                drug: study.randomisation + hour for drug, hour in regimen.stops(self.arms[arm]).items()
            }
        laxatives_end = study.start_of_run_in if study.run_in.laxatives == "stopped" else end
        for members, opioid, laxatives in self._groups(taking):
            slots = self._slots(opioid, laxatives, arm)
            lines = [(opioid, end)] if opioid is not None else []
            lines += [(line, laxatives_end) for line in laxatives] + [(line, end) for line in self.other]
            for dosing, last in lines:
                until = min(last, stopped.get(dosing.drug, last))
                doses, ome = self._doses(dosing, taking.ome[members])
                table = regimen.events(
                    dosing, self.model, 0.0, until, patients=members, doses=doses, slot=slots
                )
                yield Taken(dosing, members, ome, _rows(table), 0.0, until)

    def _doses(
        self, dosing: Dosing, ome: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.float64]]:
        """The doses of an open regimen (None: its own) and its morphine equivalents, shape (k,)."""
        if not dosing.is_open:
            return None, np.full(len(ome), regimen.morphine_equivalent(dosing, self.model))
        if np.isnan(ome).any():
            raise StudyError(
                Problem(
                    f"'{dosing.text}' has no dose",
                    field="background.opioid",
                    remedy="write a dose into the regimen or give 'ome'",
                )
            )
        return regimen.dose_for(dosing, 1.0, self.model) * ome, ome

    def assigned(self, taking: Taking, arm: str) -> Iterator[Taken]:
        """The lines of an arm's own regimen."""
        study, lines = self.study, self.arms[arm]
        stops = [line for line in lines if line.action == "stop"]
        ends = regimen.stops(lines)
        for members, opioid, laxatives in self._groups(taking):
            slots = self._slots(opioid, laxatives, arm)
            for line in lines:
                if not line.is_active or line.as_needed:
                    continue
                table = regimen.events(
                    [line, *stops], self.model, study.randomisation, study.end, patients=members, slot=slots
                )
                start = (line.first_day - 1) * _DAY
                end = study.treatment.duration if line.last_day is None else line.last_day * _DAY
                if ends.get(line.drug, 0.0) > start:
                    end = min(end, ends[line.drug])
                ome = np.full(len(members), regimen.morphine_equivalent(line, self.model))
                began, over = study.randomisation + start, study.randomisation + end
                yield Taken(line, members, ome, _rows(table), began, over)

    def prior(self, taking: Taking, even: float = -math.inf) -> EventTable:
        """Events of the background and run-in, in model time; those before ``even`` (h) spread out."""
        rows = [row for taken in self.background(taking) for row in taken.rows]
        return _table(evened(before(rows, self.study.randomisation), even))

    def rescue_doses(self, rows: NDArray[np.intp], times: NDArray[np.float64]) -> EventTable:
        """One dose of the rescue laxative for each patient row at its time."""
        if self.rescue is None:
            return _table([])
        return regimen.dose_now(self.rescue, self.model, times, rows)


def _drug_names(drug: str, slot: str, values: Iterable[str]) -> dict[str, str]:
    """Parameters of a slot to the names of their random numbers: a person's deviation is the drug's."""
    return {name: name.replace(f"{slot}_", f"{drug}/", 1) for name in values}


def _rows(table: EventTable) -> list[Row]:
    return list(table.to_polars().to_dicts())


def _table(rows: list[Row]) -> EventTable:
    from opiome.engine import EventTable

    return EventTable.from_rows(rows)
