"""Lint rules on fragments and on the SBML that they become."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opiome.model import _check
from opiome.model._resolve import gate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opiome.errors import Problem
    from opiome.model._lint import Rule, Severity, Subject

__all__ = ["EQUATION_RULES"]

_NUMBER = re.compile(r"(?<![\w.])(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?!\w*\.?\d)")
# counts, exponents and scale ends; powers of ten that convert units or keep a divisor from zero
_PLAIN_NUMBERS = frozenset({0.5, *map(float, range(11)), 100.0, 1e3, 1e6, 1e9, 1e-6, 1e-9, 1e-12})


@dataclass(frozen=True)
class Readable:
    """Every table and fragment can be read, nothing is given twice, every placeholder has a value."""

    id: str = "M001"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield what was wrong while reading."""
        yield from subject.draft.problems


@dataclass(frozen=True)
class Compiles:
    """Antimony accepts the assembled text."""

    id: str = "M002"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield Antimony's complaints; loops are the business of another rule."""
        if not subject.draft.problems:
            yield from (p for p in subject.compiled[1] if "Loop detected" not in p.message)


@dataclass(frozen=True)
class Complete:
    """Every symbol has a value or an equation, every state a start."""

    id: str = "M003"
    severity: Severity = "error"
    needs_sbml: bool = True

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield undefined symbols; gates are the business of another rule."""
        for problem in subject.faults["holes"]:
            if not problem.message.startswith("'edge_"):
                yield problem


@dataclass(frozen=True)
class Supported:
    """No construct is used that the engine refuses."""

    id: str = "M004"
    severity: Severity = "error"
    needs_sbml: bool = True

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield events, delays and algebraic rules."""
        return iter(subject.faults["unsupported"])


@dataclass(frozen=True)
class NoLoop:
    """Assignment rules can be computed one after the other."""

    id: str = "M005"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield algebraic loops."""
        return iter(subject.faults["loops"])


@dataclass(frozen=True)
class UnitsAgree:
    """Units of both sides of every equation agree, scale included."""

    id: str = "M006"
    severity: Severity = "error"
    needs_sbml: bool = True

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield equations whose units disagree."""
        return iter(subject.faults["units"])


@dataclass(frozen=True)
class Consistent:
    """libSBML finds no error, unit inconsistencies included."""

    id: str = "M007"
    severity: Severity = "error"
    needs_sbml: bool = True

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield libSBML's complaints, once the rules with better messages are silent."""
        if any(subject.faults.values()):
            return
        sbml, _ = subject.compiled
        yield from _check.consistency(subject.document, sbml, subject.draft.assembly, seen=False)


@dataclass(frozen=True)
class GatesHaveEdges:
    """Every gate in an equation belongs to an edge, and every edge has its gate in an equation."""

    id: str = "M010"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield gates without edge and edges without gate."""
        from opiome.errors import nearest

        edges = [row.text("id") for row in subject.draft.tables["edges"]]
        gates = {gate(name) for name in edges}
        for statement in subject.equations:
            for word in sorted(set(re.findall(r"\bedge_\w+", statement.formula)) - gates):
                guess = nearest(word, gates)
                yield statement.line.problem(
                    f"gate '{word}' has no edge",
                    field=statement.id,
                    expected="'edge_' and an id of edges.tsv",
                    remedy=f"did you mean '{guess}'?" if guess else "add the edge to edges.tsv",
                )
        for row in subject.draft.tables["edges"]:
            if gate(row.text("id")) not in subject.words:
                yield row.problem(
                    f"edge '{row.text('id')}' has no gate",
                    "id",
                    expected=f"'{gate(row.text('id'))}' in an equation",
                    remedy="multiply the mechanism by the gate, or remove the edge",
                )


@dataclass(frozen=True)
class NumbersAreParameters:
    """Numbers with a meaning are parameters; equations hold only plain ones such as 1, 2 or 0.5."""

    id: str = "M011"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield other numbers in equations, once per line."""
        seen = set()
        for statement in subject.equations:
            for number in _NUMBER.findall(statement.formula):
                place = (statement.line.file, statement.line.number, number)
                if float(number) not in _PLAIN_NUMBERS and place not in seen:
                    seen.add(place)
                    yield statement.line.problem(
                        f"the number {number} stands in the equation of '{statement.id}'",
                        field=statement.id,
                        expected="a parameter",
                        remedy="give it a row with unit and source in parameters",
                    )


EQUATION_RULES: tuple[Rule, ...] = (
    Readable(),
    Compiles(),
    Complete(),
    Supported(),
    NoLoop(),
    UnitsAgree(),
    Consistent(),
    GatesHaveEdges(),
    NumbersAreParameters(),
)
