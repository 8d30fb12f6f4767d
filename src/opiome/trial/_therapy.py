"""What each patient takes: prior therapy drawn from the study's choices, the arm's regimen, and rescue."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from opiome import cohort as people
from opiome import regimen, streams
from opiome.errors import DoseError, InputError, Problem, StudyError
from opiome.trial._population import marginal
from opiome.trial._timeline import after, before, thinned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from opiome.cohort import Cohort
    from opiome.engine import EventTable
    from opiome.model import Model
    from opiome.regimen import Dosing
    from opiome.trial._schema import Study
    from opiome.trial._timeline import Row

    Slots = dict[tuple[str, str], str]

__all__ = ["Taking", "Therapy"]


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

        An arm that gives up the background leaves it its slots where there are others: what is left of the
        old drug is then still that drug. Where there are none it takes them over, and what is left of the old
        drug acts and leaves as the new one.
        """
        rescue = [self.rescue] if self.rescue else []
        background = [*([opioid] if opioid else []), *laxatives, *self.other]
        before = regimen.slots([*background, *rescue], self.model)
        if arm is None:
            return before
        keep = self.study.arms[arm].keep_background
        try:
            together = regimen.slots([*background, *self.arms[arm], *rescue], self.model)
        except DoseError:
            if keep:
                raise
            together = {}
        moved = [key for key, slot in before.items() if together.get(key) != slot]
        if moved and not keep:
            return before | regimen.slots([*self.arms[arm], *rescue], self.model)
        if moved:
            names = ", ".join(" ".join(key) for key in moved)
            raise StudyError(
                Problem(
                    f"the arm's regimen needs the place of {names}, which the patients already take",
                    file=self.study.name,
                    field=f"arms.{arm}.regimen",
                    remedy="set 'keep_background: false' or change the regimen",
                )
            )
        return together

    def parameters(self, cohort: Cohort, taking: Taking, arm: str | None) -> dict[str, NDArray[np.float64]]:
        """The cohort's parameters with their drugs in the slots, each person's own; shape (n,) each."""
        found = dict(cohort.parameters)
        for rows, opioid, laxatives in self._groups(taking):
            typical: dict[str, float] = {}
            spread: dict[str, float] = {}
            names: dict[str, str] = {}
            for (drug, formulation), slot in self._slots(opioid, laxatives, arm).items():
                if slot:
                    values = self.model.slot_parameters(drug, formulation, slot)
                    typical |= values
                    spread |= self._variability(drug, formulation, slot, values)
                    names |= {name: name.replace(f"{slot}_", f"{drug}/", 1) for name in values}
            own = people.parameters_of(self.model, cohort.take(rows), typical, spread, names)
            for name, mine in own.items():
                if name in found:
                    column = found[name].copy()
                    column[rows] = mine
                    found[name] = column
        return found

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

    # -- events ------------------------------------------------------------------------------------------

    def background_rows(self, taking: Taking, arm: str | None = None) -> list[Row]:
        """The events of prior therapy from time 0 to the end of the trial, in model time.

        With an ``arm``, what that arm stops is stopped.
        """
        study = self.study
        end = study.end
        stopped: dict[str, float] = {}
        if arm is not None:
            end = study.end if study.arms[arm].keep_background else study.randomisation
            stopped = {
                drug: study.randomisation + hour for drug, hour in regimen.stops(self.arms[arm]).items()
            }
        laxatives_end = study.start_of_run_in if study.run_in.laxatives == "stopped" else end
        rows: list[Row] = []
        for members, opioid, laxatives in self._groups(taking):
            slots = self._slots(opioid, laxatives, arm)
            if opioid is not None:
                doses = None
                if opioid.is_open:
                    doses = regimen.dose_for(opioid, 1.0, self.model) * taking.ome[members]
                    if np.isnan(doses).any():
                        raise StudyError(
                            Problem(
                                f"'{opioid.text}' has no dose",
                                field="background.opioid",
                                remedy="write a dose into the regimen or give 'ome'",
                            )
                        )
                table = regimen.events(
                    opioid, self.model, 0.0, end, patients=members, doses=doses, slot=slots, stopped=stopped
                )
                rows += _rows(table)
            for dosings, until in ((laxatives, laxatives_end), (self.other, end)):
                if dosings:
                    table = regimen.events(
                        dosings, self.model, 0.0, until, patients=members, slot=slots, stopped=stopped
                    )
                    rows += _rows(table)
        return rows

    def prior(self, taking: Taking) -> EventTable:
        """Events of the background and run-in, in model time."""
        return _table(before(self.background_rows(taking), self.study.randomisation))

    def treatment(self, taking: Taking, arm: str, patients: NDArray[np.int64], missed: float) -> EventTable:
        """Events from randomisation on (time 0), with prior therapy carried on and study doses missed."""
        study = self.study
        rows = self.background_rows(taking, arm)
        for members, opioid, laxatives in self._groups(taking):
            table = regimen.events(
                self.arms[arm],
                self.model,
                study.randomisation,
                study.end,
                patients=members,
                slot=self._slots(opioid, laxatives, arm),
            )
            rows += thinned(_rows(table), patients, self.seed, missed)
        return _table(after(rows, study.randomisation))

    def rescue_doses(self, rows: NDArray[np.intp], times: NDArray[np.float64]) -> EventTable:
        """One dose of the rescue laxative for each patient row at its time."""
        if self.rescue is None:
            return _table([])
        return regimen.dose_now(self.rescue, self.model, times, rows)


def _rows(table: EventTable) -> list[Row]:
    return list(table.to_polars().to_dicts())


def _table(rows: list[Row]) -> EventTable:
    from opiome.engine import EventTable

    return EventTable.from_rows(rows)
