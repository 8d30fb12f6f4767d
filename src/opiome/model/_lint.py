"""Lint of a model folder: every rule that a model must keep, and all places where it does not."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

from opiome.errors import Problem
from opiome.model._draft import Draft, read_draft

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import libsbml

    from opiome.model._fragments import Statement

__all__ = ["Finding", "Rule", "Subject", "findings", "lint"]

_INSTANCE = re.compile(r" \(in instance '[^']*'\)$")
Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding(Problem):
    """A problem with the id of the rule that found it; a model with an ``error`` is refused."""

    rule: str = ""
    severity: Severity = "error"

    @staticmethod
    def of(problem: Problem, rule: Rule) -> Finding:
        """Attach a rule to a problem."""
        place = {field.name: getattr(problem, field.name) for field in fields(Problem)}
        return Finding(**place, rule=rule.id, severity=rule.severity)


class Rule(Protocol):
    """One thing that must hold in every model folder."""

    @property
    def id(self) -> str:
        """The rule's name in messages, such as M021."""

    @property
    def severity(self) -> Severity:
        """Whether a model that breaks the rule is refused."""

    @property
    def needs_sbml(self) -> bool:
        """Whether the rule looks at compiled SBML."""

    def find(self, subject: Subject) -> Iterable[Problem]:
        """Yield every place where the rule does not hold."""


class Subject:
    """What rules look at: the folder as read, its equations and, where it compiles, its SBML."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.folder = draft.folder

    @property
    def equations(self) -> list[Statement]:
        """Every definition of the assembled text."""
        return self.draft.assembly.statements

    @cached_property
    def states(self) -> set[str]:
        """Symbols with a rate equation, or on either side of a reaction."""
        return {s.id for s in self.equations if s.kind == "rate"} | self._species

    @cached_property
    def variables(self) -> set[str]:
        """Symbols with an assignment rule."""
        return {s.id for s in self.equations if s.kind == "rule"}

    @cached_property
    def words(self) -> set[str]:
        """Every word of the assembled fragments."""
        return {word for line in self.draft.assembly.lines for word in re.findall(r"[A-Za-z_]\w*", line.code)}

    @cached_property
    def compiled(self) -> tuple[str, list[Problem]]:
        """SBML and what Antimony says of the text."""
        from opiome.model._assemble import to_sbml

        return to_sbml(self.draft.assembly)

    @cached_property
    def document(self) -> libsbml.SBMLDocument | None:
        """The SBML document; None where Antimony refuses the text."""
        import libsbml

        sbml, problems = self.compiled
        return libsbml.readSBMLFromString(sbml) if sbml and not problems else None

    @cached_property
    def faults(self) -> dict[str, list[Problem]]:
        """What is wrong with the SBML model, by kind: ``holes``, ``unsupported``, ``loops``, ``units``."""
        from opiome.model import _check

        assembly = self.draft.assembly
        found = {"loops": _check.loops(assembly)}
        if self.sbml is not None:
            found["holes"] = _check.holes(self.sbml, assembly)
            found["unsupported"] = _check.unsupported(self.sbml, assembly)
            found["units"] = _check.unit_problems(self.sbml, assembly)
        return found

    @property
    def sbml(self) -> libsbml.Model | None:
        """The SBML model; None where there is none."""
        return self.document.getModel() if self.document is not None else None

    @cached_property
    def _species(self) -> set[str]:
        return {s.getId() for s in self.sbml.getListOfSpecies()} if self.sbml is not None else set()


def lint(folder: Path | str | None = None, species: str | None = None) -> list[Finding]:
    """Return everything that is wrong with a model folder (the shipped one by default), errors first.

    Both species are looked at unless one is named; what is wrong with both is reported once.
    Raises ModelError only where there is no folder at all.
    """
    found: dict[Finding, None] = {}
    for name in ("human", "mouse") if species is None else (species,):
        found.update(dict.fromkeys(findings(Subject(read_draft(folder, name)))))
    return sorted(found, key=lambda f: (f.severity != "error", str(f.file), f.line or 0))


def findings(subject: Subject) -> list[Finding]:
    """Apply every rule to a folder that was read; rules on SBML wait until the text compiles."""
    from opiome.model._lint_annotations import ANNOTATION_RULES
    from opiome.model._lint_equations import EQUATION_RULES
    from opiome.model._lint_map import MAP_RULES
    from opiome.model._lint_parameters import PARAMETER_RULES

    found = []
    for rule in (*EQUATION_RULES, *PARAMETER_RULES, *MAP_RULES, *ANNOTATION_RULES):
        if rule.needs_sbml and (subject.draft.problems or subject.sbml is None):
            continue
        found += [Finding.of(problem, rule) for problem in rule.find(subject)]
    return _once_per_line(found)


def _once_per_line(found: list[Finding]) -> list[Finding]:
    """Keep the first of findings that differ only in the instance of a fragment."""
    kept: dict[tuple[object, ...], Finding] = {}
    for finding in found:
        kept.setdefault(
            (finding.rule, finding.file, finding.line, _INSTANCE.sub("", finding.message)), finding
        )
    return list(kept.values())
