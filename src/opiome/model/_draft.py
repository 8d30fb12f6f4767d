"""A model folder as it was read: tables, filled fragments, parameters; nothing is compiled yet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opiome.errors import ModelError, Problem
from opiome.model._assemble import Assembly, assemble
from opiome.model._fragments import Instance, Line, expand, instances_of, read_fragments
from opiome.model._resolve import Parameter, resolve
from opiome.model._tables import SCHEMAS, Row, Table, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BUILT_IN", "SPECIES", "Draft", "read_draft"]

BUILT_IN = Path(__file__).parent
SPECIES = ("human", "mouse")
# Rows of these mechanisms are numbers for the rooms that read the tables; they do not enter the equations.
OUTSIDE_EQUATIONS = frozenset({"cohort", "diary", "trial", "baseline"})


@dataclass(frozen=True)
class Draft:
    """Everything that a model folder says, with all problems found while reading it."""

    folder: Path
    species: str
    tables: Mapping[str, Table]
    fragments: Mapping[str, list[Line]]
    instances: list[Instance]
    parameters: Mapping[str, Parameter]
    assembly: Assembly
    sha256: str
    problems: list[Problem]


def read_draft(folder: Path | str | None = None, species: str = "human") -> Draft:
    """Read a model folder; raises ModelError only where there is no folder or species to read."""
    path = BUILT_IN if folder is None else Path(folder)
    if not path.is_dir():
        raise ModelError(
            Problem(
                "is not a model folder",
                file=path,
                expected="a folder with mechanisms/*.ant and tables",
                remedy="check the path",
            )
        )
    if species not in SPECIES:
        raise ModelError(
            Problem(
                f"unknown species '{species}'",
                field="species",
                expected=" or ".join(SPECIES),
                remedy="name one of these",
            )
        )
    problems: list[Problem] = []
    tables: dict[str, Table] = {}
    for name, schema in SCHEMAS.items():
        tables[name], found = read_table(path / f"{name}.tsv", schema)
        problems += found
    parameters: list[Row] = list(tables["parameters"])
    for file in sorted((path / "parameters").glob("*.tsv")):
        table, found = read_table(file, SCHEMAS["parameters"])
        parameters += table.rows
        problems += found
    tables["parameters"] = Table(SCHEMAS["parameters"], parameters)
    for name, table in tables.items():
        if name != "parameters":
            problems += _repeated(table)
    if not tables["units"].rows:
        problems.append(
            Problem(
                "no unit is defined",
                file=path / "units.tsv",
                expected="columns id definition label",
                remedy="add units.tsv with the units of the model",
            )
        )
    fragments, found = read_fragments(path)
    problems += found
    instances, found = instances_of(tables["instances"], fragments)
    problems += found
    lines, found = expand(fragments, instances)
    problems += found
    resolved, found = resolve(parameters, species, instances, tables)
    problems += found
    inside = {k: p for k, p in resolved.items() if p.cells.get("mechanism") not in OUTSIDE_EQUATIONS}
    assembly, found = assemble(lines, inside, tables["units"], path)
    return Draft(
        path, species, tables, fragments, instances, resolved, assembly, _hash(path), problems + found
    )


def _repeated(table: Table) -> list[Problem]:
    first: dict[tuple[str, ...], Row] = {}
    problems = []
    for row in table:
        key = tuple(str(row.cells.get(column) or "") for column in table.schema.key)
        known = first.setdefault(key, row)
        if known is not row:
            problems.append(
                row.problem(
                    f"'{' '.join(key).strip()}' is given twice",
                    table.schema.key[0],
                    remedy=f"remove this row or line {known.line}",
                )
            )
    return problems


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    files = [*folder.glob("*.tsv"), *folder.glob("parameters/*.tsv"), *folder.glob("mechanisms/*.ant")]
    for file in sorted(files, key=lambda path: path.relative_to(folder).as_posix()):
        digest.update(f"{file.relative_to(folder).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
