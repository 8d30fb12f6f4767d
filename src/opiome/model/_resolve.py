"""From the rows of the parameter tables to one value and unit per parameter of the assembled model."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opiome.model._fragments import fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opiome.errors import Problem
    from opiome.model._fragments import Instance
    from opiome.model._tables import Row, Table

__all__ = ["Parameter", "drug_slots", "expanded", "gate", "resolve", "split"]

_SEPARATORS = re.compile(r"[;,\s]+")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Parameter:
    """One parameter of the model and the table row that gives it."""

    id: str
    value: float
    unit: str
    row: Row
    cells: dict[str, str | float | None]


def split(text: str) -> list[str]:
    """Split a cell that lists names (separated by ``;``, ``,`` or blanks)."""
    return [part for part in _SEPARATORS.split(text.strip()) if part]


def gate(edge: str) -> str:
    """Return the id of an edge's gate parameter."""
    return f"edge_{edge}"


def drug_slots(drugs: Table) -> dict[str, list[str]]:
    """Return the slots that each drug can be given in."""
    slots: dict[str, list[str]] = {}
    for row in drugs:
        names = slots.setdefault(row.text("drug"), [])
        names.extend(name for name in split(row.text("slots")) if name not in names)
    return slots


def resolve(
    rows: Iterable[Row], species: str, instances: list[Instance], tables: Mapping[str, Table]
) -> tuple[dict[str, Parameter], list[Problem]]:
    """Resolve every parameter of the model for one species.

    An id with a placeholder (``{seg}_k_transit``) stands for every value that instances give the placeholder;
    a row that names the full id wins over it. A row of the species wins over a human row (a row without
    species holds for both). Gates of ``edges.tsv`` and slot quantities of ``pharmacology.tsv`` that no row
    gives follow: a slot parameter's default is the value of the first drug that fits the slot.
    """
    found, problems = _given(rows, species, instances)
    for row in tables["edges"]:
        item = _of_edge(row)
        found.setdefault(item.id, item)
    slots = drug_slots(tables["drugs"])
    for row in tables["pharmacology"]:
        for slot in slots.get(row.text("drug"), []):
            item = _of_drug(row, slot)
            if not math.isnan(item.value):
                found.setdefault(item.id, item)
    return found, problems


def _given(
    rows: Iterable[Row], species: str, instances: list[Instance]
) -> tuple[dict[str, Parameter], list[Problem]]:
    """Resolve the rows of the parameter tables alone."""
    found: dict[str, Parameter] = {}
    rank: dict[str, tuple[bool, bool]] = {}
    problems: list[Problem] = []
    for row in rows:
        of = row.text("species") or "human"
        if of not in ("human", species) or row.number("value") is None:
            continue
        for name, precise in _names(row.text("id"), instances):
            priority = (of != "human", precise)
            if name not in found or priority > rank[name]:
                cells = dict(row.cells)
                found[name] = Parameter(name, row.number("value") or 0.0, row.text("unit"), row, cells)
                rank[name] = priority
            elif priority == rank[name]:
                first = found[name].row
                problems.append(
                    row.problem(
                        f"parameter '{name}' is given twice for {of}",
                        "id",
                        expected="one row per parameter and species",
                        remedy=f"remove this row or the one at {first.file.name}:{first.line}",
                    )
                )
    return found, problems


def _of_edge(row: Row) -> Parameter:
    """Return the gate of an edge."""
    cells: dict[str, str | float | None] = {
        "source": row.text("sources"),
        "grade": row.text("grade"),
        "species": row.text("species"),
        "lower": 0.0,
        "upper": 1.0,
        "mechanism": "edges",
        "distribution": "fixed",
        "note": f"gate of edge {row.text('id')}",
    }
    return Parameter(gate(row.text("id")), 1.0, "dimensionless", row, cells)


def _of_drug(row: Row, slot: str) -> Parameter:
    """Return a slot parameter with a drug's value; not a number where the row has none."""
    cells: dict[str, str | float | None] = {
        "source": row.text("source"),
        "evidence": row.text("evidence"),
        "mechanism": "pharmacology",
        "distribution": "fixed",
        "note": f"default: {row.text('drug')} {row.text('formulation')}".strip(),
    }
    value = row.number("value")
    name = f"{slot}_{row.text('quantity')}"
    return Parameter(name, math.nan if value is None else value, row.text("unit"), row, cells)


def expanded(name: str, instances: list[Instance]) -> list[str]:
    """Return the ids that an id with placeholders stands for; itself where it has none."""
    return [full for full, _ in _names(name, instances)]


def _names(name: str, instances: list[Instance]) -> list[tuple[str, bool]]:
    holes = set(_PLACEHOLDER.findall(name))
    if not holes:
        return [(name, True)]
    filled = [fill(name, i.bindings)[0] for i in instances if holes <= set(i.bindings)]
    return [(full, False) for full in dict.fromkeys(filled)] or [(name, False)]
