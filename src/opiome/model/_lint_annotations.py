"""Lint rules on the ontology terms of ``annotations.tsv``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opiome.model._annotations import COLLECTIONS, KINDS, RELATIONS, matches, subjects, symbols_of, terms
from opiome.model._lint_words import choice, meant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opiome.errors import Problem
    from opiome.model._lint import Rule, Severity, Subject

__all__ = ["ANNOTATION_RULES"]

CHECKED = ("seen", "recalled")


@dataclass(frozen=True)
class TermsWellFormed:
    """Every annotation speaks of something in the model, in a known relation, with a well-formed term."""

    id: str = "M060"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield rows that no reader of the export could follow."""
        draft = subject.draft
        for row in draft.tables["annotations"]:
            yield from choice(row, "kind", KINDS, "kind")
            yield from choice(row, "relation", RELATIONS, "relation")
            yield from choice(row, "evidence", CHECKED, "kind of evidence")
            kind, name = row.text("kind"), row.text("subject")
            if kind in KINDS and not symbols_of(draft, row):
                yield row.problem(
                    f"{kind} '{name}' is nothing that the model has",
                    "subject",
                    expected=f"a {kind} with states",
                    remedy=meant(name, subjects(draft, kind), "correct the name or remove the row"),
                )
            if not matches(row.text("term")):
                yield row.problem(
                    f"'{row.text('term')}' is not an identifier",
                    "term",
                    expected=f"such as CHEBI:17968; collections {', '.join(COLLECTIONS)}",
                    remedy="look the term up and write collection and number",
                )


@dataclass(frozen=True)
class EverythingAnnotated:
    """In a model with annotations every state, drug and guild has one."""

    id: str = "M061"
    severity: Severity = "warning"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield what a reader of the export would have to guess."""
        draft = subject.draft
        if not draft.tables["annotations"].rows:
            return
        known = terms(draft)
        remedy = "add a row to annotations.tsv"
        for statement in draft.assembly.statements:
            if statement.kind == "rate" and statement.id not in known:
                message = f"state '{statement.id}' has no ontology term"
                yield statement.line.problem(message, field=statement.id, remedy=remedy)
        for table, column in (("drugs", "drug"), ("guilds", "id")):
            kind = table.removesuffix("s")
            given = {r.text("subject") for r in draft.tables["annotations"] if r.text("kind") == kind}
            first = {row.text(column): row for row in reversed(draft.tables[table].rows)}
            for name, row in first.items():
                combination = bool(row.text("parameters_key"))
                if name not in given and not combination:
                    yield row.problem(f"{kind} '{name}' has no ontology term", column, remedy=remedy)


ANNOTATION_RULES: tuple[Rule, ...] = (TermsWellFormed(), EverythingAnnotated())
