"""Lint rules on parameters and on where numbers come from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opiome.model._draft import OUTSIDE_EQUATIONS
from opiome.model._lint_words import choice, meant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opiome.errors import Problem
    from opiome.model._lint import Rule, Severity, Subject
    from opiome.model._tables import Row

__all__ = ["PARAMETER_RULES"]

GRADES = ("A", "B", "C", "D")
EVIDENCE = ("seen", "recalled", "derived", "assumed")
DISTRIBUTIONS = ("fixed", "lognormal", "normal", "logitnormal")
_FINDABLE = re.compile(
    r"10\.\d{4,9}/|PMID|PMC\d|BNID|\b(?:19|20)\d\d\b|\blabels?\b|https?://|github|docs/|data of",
    re.IGNORECASE,
)
_COVARIATE = re.compile(r"^(?P<name>\w+)\s*(?P<form>[\^*])\s*(?P<factor>[-+]?[\d.]+(?:[eE][-+]?\d+)?)$")


@dataclass(frozen=True)
class ParameterUsed:
    """Every parameter enters an equation (or its mechanism says which room reads it)."""

    id: str = "M020"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield parameters that no equation uses."""
        for item in subject.draft.parameters.values():
            mechanism = item.cells.get("mechanism")
            if (
                mechanism not in (*OUTSIDE_EQUATIONS, "edges", "pharmacology")
                and item.id not in subject.words
            ):
                yield item.row.problem(
                    f"parameter '{item.id}' is used by no equation",
                    "id",
                    expected=f"a use, or mechanism one of {', '.join(sorted(OUTSIDE_EQUATIONS))}",
                    remedy=meant(item.id, subject.words, "remove the row"),
                )


@dataclass(frozen=True)
class Sourced:
    """Every number and edge has a source, or says that it is assumed (or derived) and why."""

    id: str = "M021"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield rows without a source."""
        for name in ("parameters", "pharmacology", "guilds", "drugs"):
            for row in subject.draft.tables[name]:
                yield from self._row(row)
        for row in subject.draft.tables["covariates"]:
            if not (row.text("source") or row.text("note")):
                yield row.problem(
                    f"'{row.text('id')}' has neither source nor note",
                    "note",
                    expected="where its distribution comes from",
                    remedy="cite the source, or say why these people",
                )
        for row in subject.draft.tables["edges"]:
            if not row.text("sources"):
                yield row.problem(
                    f"edge '{row.text('id')}' has no source",
                    "sources",
                    expected="DOI, PMID or title",
                    remedy="cite what shows this arrow",
                )

    @staticmethod
    def _row(row: Row) -> Iterator[Problem]:
        name = row.text("id") or f"{row.text('drug')} {row.text('quantity')}".strip()
        assumed = row.text("evidence") in ("assumed", "derived") or row.text("source").startswith("assumed")
        if assumed and not (row.text("note") or row.text("source").removeprefix("assumed").strip(" :")):
            yield row.problem(
                f"'{name}' is {row.text('evidence') or 'assumed'} without a reason",
                "note",
                expected="why this value",
                remedy="say in the note why this value is plausible",
            )
        elif not assumed and not row.text("source"):
            yield row.problem(
                f"'{name}' has no source",
                "source",
                expected="DOI, PMID or title",
                remedy="cite the source, or write evidence 'assumed' and say why in the note",
            )


@dataclass(frozen=True)
class Traceable:
    """A source that was read can be found: DOI, PubMed or BioNumbers id, year, label, address or document."""

    id: str = "M025"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield sources that lead nowhere."""
        for name in ("parameters", "pharmacology", "guilds", "drugs", "edges"):
            column = "sources" if name == "edges" else "source"
            for row in subject.draft.tables[name]:
                source = row.text(column)
                unread = row.text("evidence") in ("assumed", "recalled") or source.startswith("assumed")
                if source and not unread and not _FINDABLE.search(source):
                    yield row.problem(
                        f"source '{source}' cannot be found",
                        column,
                        expected="a DOI, PMID, PMC id, label, address, or author and year",
                        remedy="name the paper or label; other text belongs in the note",
                    )


@dataclass(frozen=True)
class Graded:
    """Grades, kinds of evidence, distributions and signs are words that the other rooms know."""

    id: str = "M022"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield unknown words."""
        tables = subject.draft.tables
        for row in tables["parameters"]:
            yield from choice(row, "grade", GRADES, "grade")
            yield from choice(row, "evidence", EVIDENCE, "kind of evidence")
            yield from choice(row, "distribution", DISTRIBUTIONS, "distribution")
            yield from choice(row, "species", ("human", "mouse"), "species")
        for row in tables["covariates"]:
            yield from choice(row, "species", ("human", "mouse"), "species")
        for row in tables["pharmacology"]:
            yield from choice(row, "evidence", EVIDENCE, "kind of evidence")
        for row in tables["edges"]:
            yield from choice(row, "grade", GRADES, "grade")
            yield from choice(row, "sign", ("+", "-"), "sign")
            yield from choice(row, "target_sign", ("+", "-"), "sign")
            yield from choice(row, "contested", ("yes", "no"), "answer")


@dataclass(frozen=True)
class Bounded:
    """lower <= value <= upper, and what varies between people says how much."""

    id: str = "M023"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield values outside their own bounds and distributions without spread."""
        for row in subject.draft.tables["parameters"]:
            value, low, high = row.number("value"), row.number("lower"), row.number("upper")
            if value is not None and low is not None and value < low:
                yield row.problem(
                    f"value {value:g} is below lower {low:g}",
                    "value",
                    expected=f">= {low:g}",
                    remedy="correct the value or the bound",
                )
            if value is not None and high is not None and value > high:
                yield row.problem(
                    f"value {value:g} is above upper {high:g}",
                    "value",
                    expected=f"<= {high:g}",
                    remedy="correct the value or the bound",
                )
            spread = row.text("distribution")
            if spread in ("lognormal", "normal", "logitnormal") and row.number("cv") is None:
                yield row.problem(
                    f"distribution '{spread}' has no cv",
                    "cv",
                    expected="a number such as 0.3",
                    remedy="give the between-subject cv, or write 'fixed'",
                )
            if spread == "lognormal" and value is not None and value <= 0:
                yield row.problem(
                    f"a lognormal value must be > 0, not {value:g}",
                    "value",
                    expected="a number > 0",
                    remedy="correct the value or the distribution",
                )


@dataclass(frozen=True)
class CovariatesKnown:
    """Covariate effects can be read and name covariates of the model."""

    id: str = "M024"
    severity: Severity = "error"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield effects that cannot be read."""
        known = {row.text("id") for row in subject.draft.tables["covariates"]}
        for row in subject.draft.tables["parameters"]:
            for part in filter(None, (part.strip() for part in row.text("covariates").split(";"))):
                match = _COVARIATE.match(part)
                if not match:
                    yield row.problem(
                        f"covariate effect '{part}' cannot be read",
                        "covariates",
                        expected="'weight^0.75' or 'female*1.1', separated by ';'",
                        remedy="rewrite it so",
                    )
                elif match["name"] not in known:
                    yield row.problem(
                        f"unknown covariate '{match['name']}'",
                        "covariates",
                        expected="an id of covariates.tsv",
                        remedy=meant(match["name"], known, "add it to covariates.tsv"),
                    )


@dataclass(frozen=True)
class MechanismKnown:
    """A parameter's mechanism is a fragment, or a room that reads it."""

    id: str = "M042"
    severity: Severity = "warning"
    needs_sbml: bool = False

    def find(self, subject: Subject) -> Iterator[Problem]:
        """Yield unknown mechanisms."""
        known = sorted({*subject.draft.fragments, *OUTSIDE_EQUATIONS, "untreated"})
        for row in subject.draft.tables["parameters"]:
            yield from choice(row, "mechanism", known, "mechanism")


PARAMETER_RULES: tuple[Rule, ...] = (
    ParameterUsed(),
    Sourced(),
    Traceable(),
    Graded(),
    Bounded(),
    CovariatesKnown(),
    MechanismKnown(),
)
