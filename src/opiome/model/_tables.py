"""The tables of a model folder: their columns, and reading them with the line of every row.

All tables are tab-separated text with one header line. Lines that are blank or start with ``#`` do not count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opiome.errors import Problem, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl

__all__ = ["SCHEMAS", "Row", "Schema", "Table", "read_table"]


@dataclass(frozen=True)
class Schema:
    """The columns of one table; ``numbers`` are the numeric ones, ``key`` those that make a row unique."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    required: tuple[str, ...] = ()
    numbers: frozenset[str] = frozenset()
    optional: tuple[str, ...] = ()


def _schema(
    name: str, columns: str, *, key: str, required: str = "", numbers: str = "", optional: str = ""
) -> Schema:
    return Schema(
        name,
        tuple(columns.split()),
        tuple(key.split()),
        tuple((required or key).split()),
        frozenset(numbers.split()),
        tuple(optional.split()),
    )


_PARAMETERS = (
    "id value unit lower upper distribution cv covariates source grade species evidence mechanism note"
)
_DRUGS = "drug formulation names class route slots compartments molar_mass dose_unit min_dose max_dose mode"
SCHEMAS = {
    schema.name: schema
    for schema in (
        _schema("units", "id definition label", key="id", required="id definition"),
        _schema(
            "instances",
            "fragment instance bindings",
            key="fragment instance",
            required="fragment instance bindings",
        ),
        _schema(
            "parameters",
            _PARAMETERS,
            key="id species",
            required="id value unit",
            numbers="value lower upper cv",
        ),
        _schema(
            "covariates",
            "id unit reference distribution median cv lower upper values source note",
            key="id species",
            required="id unit distribution",
            numbers="reference median cv lower upper",
            optional="species",
        ),
        _schema(
            "drugs",
            f"{_DRUGS} parameters_key note source",
            key="drug formulation",
            required="drug compartments dose_unit",
            numbers="molar_mass min_dose max_dose",
        ),
        _schema(
            "pharmacology",
            "drug formulation quantity value unit cv source evidence note",
            key="drug formulation quantity",
            required="drug quantity value unit",
            numbers="value cv",
        ),
        _schema(
            "edges",
            "id arrow from to sign grade contested species target scenario sources note",
            key="id",
            required="id from to sign grade target scenario",
            optional="target_sign",
        ),
        _schema(
            "nodes", "id label observable x y", key="id", required="id label observable x y", numbers="x y"
        ),
        _schema(
            "observables",
            "id label unit group low high note",
            key="id",
            required="id label unit",
            numbers="low high",
        ),
        _schema("guilds", "id name members metabolism gram favourable source", key="id", required="id name"),
        _schema(
            "annotations",
            "kind subject relation term name evidence note",
            key="kind subject relation term",
            required="kind subject relation term name evidence",
        ),
        _schema(
            "scenarios",
            "id action what value start_h every_h until_h note",
            key="id action what start_h",
            required="id action",
            numbers="value start_h every_h until_h",
        ),
    )
}


@dataclass(frozen=True)
class Row:
    """One row of a table: its cells by column (text as written, numbers parsed), file and line."""

    cells: dict[str, str | float | None]
    file: Path
    line: int

    def text(self, column: str) -> str:
        """Return a text cell; empty where the column is absent."""
        value = self.cells.get(column)
        return value if isinstance(value, str) else ""

    def number(self, column: str) -> float | None:
        """Return a numeric cell; None where it is empty."""
        value = self.cells.get(column)
        return value if isinstance(value, float) else None

    def problem(
        self,
        message: str,
        column: str | None = None,
        *,
        expected: str | None = None,
        remedy: str | None = None,
    ) -> Problem:
        """Return a problem at this row."""
        return Problem(message, self.file, self.line, None, column, expected, remedy)


@dataclass(frozen=True)
class Table:
    """A table as it was read."""

    schema: Schema
    rows: list[Row] = field(default_factory=list)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def frame(self) -> pl.DataFrame:
        """Return the rows as a polars frame: empty text stays empty, empty numbers are null."""
        import polars as pl

        columns = self.schema.columns + self.schema.optional
        types = {c: pl.Float64 if c in self.schema.numbers else pl.String for c in columns}
        data = {
            c: [row.cells.get(c) if c in self.schema.numbers else row.text(c) for row in self.rows]
            for c in columns
        }
        return pl.DataFrame(data, schema=types)


def read_table(path: Path, schema: Schema) -> tuple[Table, list[Problem]]:
    """Read one table (an absent file is an empty one); returns what could be read, and all problems."""
    table = Table(schema)
    if not path.exists():
        return table, []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        return table, [
            Problem(f"cannot be read as UTF-8 text ({error})", file=path, remedy="save it as UTF-8")
        ]
    problems: list[Problem] = []
    header: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if not header:
            header = cells
            problems += _header_problems(path, number, header, schema)
            if problems:
                return table, problems
            continue
        if len(cells) > len(header):
            problems.append(
                Problem(
                    f"has {len(cells)} cells",
                    file=path,
                    line=number,
                    expected=f"{len(header)} columns as in the header",
                    remedy="remove the extra tabs",
                )
            )
            continue
        cells += [""] * (len(header) - len(cells))
        row = Row({}, path, number)
        problems += _fill(row, dict(zip(header, cells, strict=True)), schema)
        table.rows.append(row)
    return table, problems


def _header_problems(path: Path, line: int, header: list[str], schema: Schema) -> list[Problem]:
    known = (*schema.columns, *schema.optional)
    problems = []
    for column in header:
        if column not in known:
            guess = nearest(column, known)
            problems.append(
                Problem(
                    f"unknown column '{column}'",
                    file=path,
                    line=line,
                    expected=f"columns {' '.join(known)}",
                    remedy=f"did you mean '{guess}'?" if guess else "remove it",
                )
            )
    problems.extend(
        Problem(f"column '{column}' is missing", file=path, line=line, remedy="add it to the header")
        for column in schema.required
        if column not in header
    )
    return problems


def _fill(row: Row, cells: dict[str, str], schema: Schema) -> list[Problem]:
    problems = []
    for column, text in cells.items():
        if column not in schema.numbers:
            row.cells[column] = text
            if not text and column in schema.required:
                problems.append(row.problem("is empty", column, remedy="fill the cell"))
            continue
        row.cells[column] = None
        if not text:
            if column in schema.required:
                problems.append(row.problem("is empty", column, expected="a number", remedy="fill the cell"))
            continue
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            row.cells[column] = number
        else:
            problems.append(
                row.problem(f"'{text}' is not a number", column, remedy="write it as 12.5 or 1e-3")
            )
    return problems
