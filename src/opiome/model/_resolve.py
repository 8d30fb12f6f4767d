"""From the rows of the parameter tables to one value and unit per parameter of the assembled model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opiome.model._fragments import fill

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opiome.errors import Problem
    from opiome.model._fragments import Instance
    from opiome.model._tables import Row, Table

__all__ = ["Parameter", "drug_slots", "gate", "resolve", "split"]

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
    rows: Iterable[Row],
    species: str,
    instances: list[Instance],
    edges: Table,
    drugs: Table,
    pharmacology: Table,
) -> tuple[dict[str, Parameter], list[Problem]]:
    """Resolve every parameter of the model for one species.

    An id with a placeholder (``{seg}_k_transit``) stands for every value that instances give the placeholder;
    a row that names the full id wins over it. A row of the species wins over a human row (a row without species
    holds for both). Gates of ``edges.tsv`` and slot quantities of ``pharmacology.tsv`` that no row gives follow:
    a slot parameter's default is the value of the first drug that fits the slot.
    """
    found: dict[str, Parameter] = {}
    rank: dict[str, tuple[int, int]] = {}
    problems: list[Problem] = []
    for row in rows:
        of = row.text("species") or "human"
        if of not in ("human", species) or row.number("value") is None:
            continue
        for name, precise in _names(row.text("id"), instances):
            priority = (int(of == species and species != "human"), int(precise))
            if name in found and priority == rank[name]:
                first = found[name].row
                problems.append(
                    row.problem(
                        f"parameter '{name}' is given twice for {of}",
                        "id",
                        expected="one row per parameter and species",
                        remedy=f"remove this row or the one at {first.file.name}:{first.line}",
                    )
                )
            elif name not in found or priority > rank[name]:
                found[name] = _from_row(name, row)
                rank[name] = priority
    for row in edges:
        name = gate(row.text("id"))
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
        found.setdefault(name, Parameter(name, 1.0, "dimensionless", row, cells))
    slots = drug_slots(drugs)
    for row in pharmacology:
        value = row.number("value")
        for slot in slots.get(row.text("drug"), []):
            name = f"{slot}_{row.text('quantity')}"
            if value is not None and name not in found:
                cells = {
                    "source": row.text("source"),
                    "evidence": row.text("evidence"),
                    "mechanism": "pharmacology",
                    "note": f"default: {row.text('drug')} {row.text('formulation')}".strip(),
                    "distribution": "fixed",
                }
                found[name] = Parameter(name, value, row.text("unit"), row, cells)
    return found, problems


def _names(name: str, instances: list[Instance]) -> list[tuple[str, bool]]:
    holes = set(_PLACEHOLDER.findall(name))
    if not holes:
        return [(name, True)]
    filled = [fill(name, i.bindings)[0] for i in instances if holes <= set(i.bindings)]
    return [(full, False) for full in dict.fromkeys(filled)] or [(name, False)]


def _from_row(name: str, row: Row) -> Parameter:
    value = row.number("value")
    return Parameter(
        name, value if value is not None else float("nan"), row.text("unit"), row, dict(row.cells)
    )
