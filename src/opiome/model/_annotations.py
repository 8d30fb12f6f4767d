"""What parts of the model are in the words of ontologies: ``annotations.tsv``, symbol by symbol.

A row says of a ``variable`` (an id, which may hold a placeholder), a ``segment`` of the colon, a ``guild``
or a ``drug`` how it relates to a term. Terms are compact identifiers as identifiers.org resolves them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opiome.model._resolve import expanded, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opiome.model._draft import Draft
    from opiome.model._tables import Row

__all__ = ["COLLECTIONS", "KINDS", "RELATIONS", "Term", "matches", "subjects", "symbols_of", "terms"]

KINDS = ("variable", "segment", "guild", "drug")
RELATIONS = (
    *("is", "hasPart", "isPartOf", "isVersionOf", "hasVersion", "isHomologTo", "isDescribedBy"),
    *("hasProperty", "isPropertyOf", "occursIn", "hasTaxon"),
)
"""Names of MIRIAM's biological qualifiers (https://co.mbine.org/standards/qualifiers)."""
COLLECTIONS = {
    "CHEBI": r"\d+",
    "UBERON": r"\d{7}",
    "GO": r"\d{7}",
    "CL": r"\d{7}",
    "taxonomy": r"\d+",
    "uniprot": r"[OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d[A-Z][A-Z0-9]{2}\d",
    "atc": r"[A-Z]\d{2}[A-Z]([A-Z](\d{2})?)?",
    "NCIT": r"C\d+",
    "mesh": r"[CD]\d{6,9}",
}
"""Collections of terms and what follows their name and a colon."""


@dataclass(frozen=True)
class Term:
    """One term of one symbol: the relation, the compact identifier and its name."""

    relation: str
    id: str
    name: str


def terms(draft: Draft) -> dict[str, list[Term]]:
    """Return the terms of every symbol of the model that has one, in the order of the table."""
    found: dict[str, list[Term]] = {}
    for row in draft.tables["annotations"]:
        term = Term(row.text("relation"), row.text("term"), row.text("name"))
        for symbol in symbols_of(draft, row):
            mine = found.setdefault(symbol, [])
            if term not in mine:
                mine.append(term)
    return found


def symbols_of(draft: Draft, row: Row) -> list[str]:
    """Return the symbols that a row speaks of; none where its subject or kind is unknown.

    A segment's terms are those of the states in it, a guild's those of its states everywhere, a drug's those
    of the states that its doses enter and, where it takes a slot, of every state of that slot.
    """
    find = _FINDERS.get(row.text("kind"))
    return find(draft, row.text("subject")) if find else []


def subjects(draft: Draft, kind: str) -> set[str]:
    """Return what rows of a kind can speak of."""
    if kind == "segment":
        return {i.bindings["seg"] for i in draft.instances if "seg" in i.bindings}
    if kind == "guild":
        return {row.text("id") for row in draft.tables["guilds"]}
    if kind == "drug":
        return {row.text("drug") for row in draft.tables["drugs"]}
    return {s.id for s in draft.assembly.statements if s.kind in {"rate", "rule"}}


def matches(term: str) -> bool:
    """Whether a compact identifier is well formed and of a known collection."""
    collection, _, accession = term.partition(":")
    pattern = COLLECTIONS.get(collection)
    return pattern is not None and re.fullmatch(pattern, accession) is not None


def _states(draft: Draft) -> list[str]:
    return [s.id for s in draft.assembly.statements if s.kind == "rate"]


def _of_variable(draft: Draft, name: str) -> list[str]:
    known = subjects(draft, "variable")
    return [full for full in expanded(name, draft.instances) if full in known]


def _of_segment(draft: Draft, name: str) -> list[str]:
    inside = name in subjects(draft, "segment")
    return [state for state in _states(draft) if inside and state.startswith(f"{name}_")]


def _of_guild(draft: Draft, name: str) -> list[str]:
    known = name in subjects(draft, "guild")
    return [state for state in _states(draft) if known and state.endswith(f"_{name}")]


def _of_drug(draft: Draft, name: str) -> list[str]:
    rows = [row for row in draft.tables["drugs"] if row.text("drug") == name]
    return [state for state in _states(draft) if any(_enters(row, state) for row in rows)]


def _enters(row: Row, state: str) -> bool:
    slots = split(row.text("slots"))
    if slots:
        return any(state.startswith(f"{slot}_") for slot in slots)
    return state in _parts(row.text("compartments").split(";"))


def _parts(cells: Iterable[str]) -> set[str]:
    return {cell.partition(":")[0].strip() for cell in cells}


_FINDERS: dict[str, Callable[[Draft, str], list[str]]] = {
    "variable": _of_variable,
    "segment": _of_segment,
    "guild": _of_guild,
    "drug": _of_drug,
}
