"""Lint rules on drugs, on the map (edges, nodes, observables) and on scenarios."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opiome.model._lint_words import choice, meant
from opiome.model._resolve import drug_slots, split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opiome.errors import Problem
    from opiome.model._lint import Rule, Severity, Subject
    from opiome.model._tables import Row

__all__ = ["MAP_RULES"]

DOSING_QUANTITIES = ("lag",)  # read by the regimen, not by equations


@dataclass(frozen=True)
class DrugsComplete:
    """Every drug has the quantities that its slots need, in the right unit, and enters states that exist."""

    id: str = "M030"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield what is missing or unknown."""
        draft = subject.draft
        given = {row.text("drug"): set[str]() for row in draft.tables["pharmacology"]}
        for row in draft.tables["pharmacology"]:
            given[row.text("drug")].add(row.text("quantity"))
        slots = drug_slots(draft.tables["drugs"])
        for row in draft.tables["drugs"]:
            drug = row.text("drug")
            if slots[drug] and drug not in given:
                yield row.problem(
                    f"drug '{drug}' has no rows in pharmacology.tsv",
                    "drug",
                    expected="its quantities",
                    remedy="add them to pharmacology.tsv",
                )
            elif slots[drug]:
                yield from self._missing(subject, row, given[drug])
            yield from self._states(subject, row)
            yield from self._parts(row, slots)
        yield from self._rows(subject, slots)

    @staticmethod
    def _missing(subject: Subject, row: Row, given: set[str]) -> Iterator[Problem]:
        quantities = {other.text("quantity") for other in subject.draft.tables["pharmacology"]}
        for slot in split(row.text("slots")):
            needed = {quantity for quantity in quantities if f"{slot}_{quantity}" in subject.words}
            for quantity in sorted(needed - given):
                yield row.problem(
                    f"drug '{row.text('drug')}' has no '{quantity}', which slot '{slot}' needs",
                    "drug",
                    expected=f"a row '{quantity}' in pharmacology.tsv",
                    remedy="add it; without it the drug would take another drug's value",
                )

    @staticmethod
    def _parts(row: Row, slots: dict[str, list[str]]) -> Iterator[Problem]:
        """Yield parts of a fixed combination that are no drug of their slot."""
        for part in row.text("parameters_key").split():
            slot, _, drug = part.partition("=")
            if slot not in slots.get(drug.partition(":")[0], []):
                yield row.problem(
                    f"'{part}' is no drug in its slot",
                    "parameters_key",
                    expected="'opioid=oxycodone:CR antagonist=naloxone:CR'",
                    remedy=meant(drug.partition(":")[0], slots, "name drugs of drugs.tsv that fit the slots"),
                )

    @staticmethod
    def _states(subject: Subject, row: Row) -> Iterator[Problem]:
        total = 0.0
        for part in filter(None, (part.strip() for part in row.text("compartments").split(";"))):
            name, _, fraction = part.partition(":")
            for slot in split(row.text("slots")) or [""]:
                state = f"{slot}_{name}" if slot else name
                if state not in subject.states:
                    yield row.problem(
                        f"dose enters '{state}', which is no state of the model",
                        "compartments",
                        expected="states",
                        remedy=meant(state, subject.states, "name a state"),
                    )
            try:
                total += float(fraction or 1)
            except ValueError:
                yield row.problem(
                    f"fraction '{fraction}' is not a number",
                    "compartments",
                    expected="'depot:0.38'",
                    remedy="write a number after the colon",
                )
        if row.text("slots") and total > 1.000001:  # noqa: PLR2004 - fractions of one dose
            yield row.problem(
                f"fractions of the dose add up to {total:g}",
                "compartments",
                expected="at most 1",
                remedy="correct the fractions",
            )
        low, high = row.number("min_dose"), row.number("max_dose")
        if low is not None and high is not None and low > high:
            yield row.problem(
                f"min_dose {low:g} is above max_dose {high:g}", "min_dose", remedy="swap or correct them"
            )

    @staticmethod
    def _rows(subject: Subject, slots: dict[str, list[str]]) -> Iterator[Problem]:
        for row in subject.draft.tables["pharmacology"]:
            if row.text("drug") not in slots:
                yield from choice(row, "drug", slots, "drug")
                continue
            names = [f"{slot}_{row.text('quantity')}" for slot in slots[row.text("drug")]]
            used = row.text("quantity") in DOSING_QUANTITIES or any(name in subject.words for name in names)
            if names and not used:
                yield row.problem(
                    f"quantity '{row.text('quantity')}' is used by no equation",
                    "quantity",
                    expected=f"a parameter such as '{names[0]}'",
                    remedy="correct the name or remove the row",
                )
            for name in names:
                slot = subject.draft.parameters.get(name)
                if slot is not None and name in subject.words and slot.unit != row.text("unit"):
                    yield row.problem(
                        f"'{row.text('quantity')}' is in {row.text('unit')}",
                        "unit",
                        expected=f"{slot.unit}, the unit of '{name}'",
                        remedy="convert the value",
                    )
                    break


@dataclass(frozen=True)
class MapComplete:
    """Observables have equations in their unit, nodes observables, edges nodes, targets and scenarios."""

    id: str = "M040"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield dangling ends of the map."""
        tables = subject.draft.tables
        variables = subject.variables
        for row in tables["observables"]:
            if row.text("id") not in variables:
                yield row.problem(
                    f"observable '{row.text('id')}' has no equation",
                    "id",
                    expected="an assignment rule ':='",
                    remedy=meant(row.text("id"), variables, "write its equation or remove the row"),
                )
        observables = {row.text("id") for row in tables["observables"]}
        for row in tables["nodes"]:
            if row.text("observable") not in observables:
                yield row.problem(
                    f"node '{row.text('id')}' shows '{row.text('observable')}', which is no observable",
                    "observable",
                    expected="an id of observables.tsv",
                    remedy=meant(row.text("observable"), observables, "add it to observables.tsv"),
                )
        nodes = {row.text("id") for row in tables["nodes"]}
        scenarios = {row.text("id") for row in tables["scenarios"]}
        targets = variables | subject.states
        for row in tables["edges"]:
            for column, known, what in (
                ("from", nodes, "node"),
                ("to", nodes, "node"),
                ("scenario", scenarios, "scenario"),
                ("target", targets, "variable"),
            ):
                yield from choice(row, column, known, what)


@dataclass(frozen=True)
class ObservableUnits:
    """An observable's unit is that of its equation."""

    id: str = "M041"
    severity: Severity = "error"
    needs_sbml: bool = True

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield observables whose table and equation name different units."""
        from opiome.model._dimensions import names_of_units

        units = names_of_units(subject.sbml)
        definitions = {row.text("id") for row in subject.draft.tables["units"]}
        for row in subject.draft.tables["observables"]:
            item = subject.sbml.getParameter(row.text("id")) if subject.sbml is not None else None
            yield from choice(row, "unit", definitions, "unit")
            if item is None or not item.isSetUnits() or row.text("unit") not in definitions:
                continue
            own, declared = units.get(row.text("unit")), units.get(item.getUnits())
            if row.text("unit") != item.getUnits() and (
                own is None or declared is None or not own.same(declared)
            ):
                yield row.problem(
                    f"'{row.text('id')}' is in {item.getUnits()} in its equation",
                    "unit",
                    expected=item.getUnits(),
                    remedy="make the two agree",
                )


@dataclass(frozen=True)
class ScenariosRun:
    """Scenarios give known drugs, set known parameters and say when the target is read."""

    id: str = "M050"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield rows that cannot be carried out."""
        from opiome.model._scenario import scenario_problems

        yield from scenario_problems(subject.draft, subject.states)


MAP_RULES: tuple[Rule, ...] = (DrugsComplete(), MapComplete(), ObservableUnits(), ScenariosRun())
