"""Text tables: decoding, the separator, and cells with their line numbers."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Grid", "decode", "grid", "gunzip", "numbers", "sample_of", "separator", "shorten", "twice"]

MAX_UNPACKED = 4 * 1024**3
MAX_RATIO = 500
_MISSING = {"", "na", "nan", "null", "none", "-"}
_SHOWN = 10
_ENDING = re.compile(
    r"(\.(gz|txt|tsv|csv|tab|out|fastq|fq|mpa|k?report2?|k2report|bracken|profile)"
    r"|[._-](kraken2?|k2|k?report2?|k2report|bracken|metaphlan\d?|mpa\d?|profile|species|genus)\w*)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Grid:
    """The cells of a text table: ``header``, ``rows``, and the 1-based line of each row in the file.

    ``notes`` holds what was decided in reading it.
    """

    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    comments: list[str]
    notes: list[str] = field(default_factory=list)


def sample_of(source: str | Path) -> str:
    """The sample that the file of a pipeline is named after: ``P1_profile.txt`` and ``P1.kreport`` are P1."""
    name = whole = source if isinstance(source, str) else source.name
    while (shorter := _ENDING.sub("", name)) != name and shorter:
        name = shorter
    return name or whole


def twice(samples: Sequence[str], path: Path, lines: Sequence[int], columns: Sequence[int]) -> list[Problem]:
    """One problem for each sample that stands twice or has no name, at its line and column."""
    seen: dict[str, int] = {}
    problems = []
    for i, (name, line, column) in enumerate(zip(samples, lines, columns, strict=True)):
        if not name:
            problems.append(
                Problem(
                    "a sample has no name",
                    file=path,
                    line=line,
                    column=column,
                    expected="a name for each sample",
                    remedy="name it, or remove an empty column or row",
                )
            )
        elif seen.setdefault(name, i) != i:
            problems.append(
                Problem(
                    f"sample {name!r} stands twice",
                    file=path,
                    line=line,
                    column=column,
                    field=name,
                    expected="one row or column per sample",
                    remedy="add the runs of one sample together, or name them apart",
                )
            )
    return shorten(problems)


def gunzip(data: bytes, path: Path) -> bytes:
    """Unpack gzip data within :data:`MAX_UNPACKED`. Raises ProfileError for a bomb or a broken stream."""
    limit = min(MAX_UNPACKED, max(64 * 1024**2, len(data) * MAX_RATIO))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            unpacked = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ProfileError(
            Problem(
                f"the gzip stream is broken ({error})",
                file=path,
                remedy="copy or download the file again",
            )
        ) from error
    if len(unpacked) > limit:
        raise ProfileError(
            Problem(
                f"unpacks to more than {limit} bytes from {len(data)}",
                file=path,
                expected=f"at most {MAX_RATIO} times its packed size",
                remedy="unpack it yourself if you trust it",
            )
        )
    return unpacked


def decode(data: bytes, path: Path) -> str:
    """Decode UTF-8, or UTF-16 with a byte-order mark; ProfileError with the place of the first bad byte."""
    encoding = "utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ProfileError(
            Problem(
                f"byte {error.start} is not {encoding} text",
                file=path,
                line=line,
                expected="a table saved as UTF-8, or a BIOM, .qza, MetaPhlAn, Kraken 2 or Bracken file",
                remedy="save the table as UTF-8",
            )
        ) from error


def separator(line: str) -> str:
    """Return the separator of a header line: tab, else comma, else semicolon outside lineages."""
    if "\t" in line:
        return "\t"
    return max(",;", key=line.count) if "__" not in line else ","


def grid(text: str, path: Path, *, header_comment: bool = True) -> Grid:
    """Split a text table into cells; lines that start with ``#`` before the header are comments.

    The last of these comments is the header if it has as many cells as the first row (``#OTU ID``,
    ``#clade_name``). Empty lines and empty columns at the end of all lines are left out.
    Raises ProfileError for an empty table and for every line with another number of cells than the header.
    """
    body, comments = _body(text, path, header_comment=header_comment)
    cells = _cells(body, path)
    told = [k for k, row in enumerate(cells) if any(row) or k == 0]
    cells, lines = [cells[k] for k in told], [body[k][0] for k in told]
    while all(len(row) == len(cells[0]) and not row[-1] for row in cells):
        cells = [row[:-1] for row in cells]
    header, rows, lines = cells[0], cells[1:], lines[1:]
    if rows and len(header) == len(rows[0]) - 1:  # R's write.table leaves out the corner
        header = ["", *header]
    problems = [
        Problem(
            f"has {len(row)} cells",
            file=path,
            line=line,
            expected=f"{len(header)}, as in the header",
            remedy="the file may be truncated, or a name may hold the separator: quote it",
        )
        for row, line in zip(rows, lines, strict=True)
        if len(row) != len(header)
    ]
    if problems:
        raise ProfileError(shorten(problems))
    return Grid(header, rows, lines, comments)


def _body(text: str, path: Path, *, header_comment: bool) -> tuple[list[tuple[int, str]], list[str]]:
    """The numbered lines of the table, the header first, and the comments above it."""
    comments: list[str] = []
    body: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        if line.startswith("#") and not body:
            comments.append(line)
        else:
            body.append((number, line))
    if body and header_comment and comments:
        mark = separator(body[0][1])
        if comments[-1].count(mark) == body[0][1].count(mark) > 0:
            body.insert(0, (body[0][0] - 1, comments.pop().lstrip("#").lstrip()))
    if len(body) < 2 or not any(line.strip(",;\t ") for _, line in body[1:]):  # noqa: PLR2004 (header, row)
        raise ProfileError(
            Problem(
                "holds no table",
                file=path,
                expected="a header line and at least one row",
                remedy="check that the pipeline finished and that the file is complete",
            )
        )
    return body, comments


def _cells(body: list[tuple[int, str]], path: Path) -> list[list[str]]:
    cells = list(csv.reader((line for _, line in body), delimiter=separator(body[0][1])))
    if len(cells) != len(body):
        raise ProfileError(
            Problem("a quoted cell runs over several lines", file=path, remedy="close the quotation")
        )
    if max(map(len, cells[:2])) == 1:
        raise ProfileError(
            Problem(
                "has one column",
                file=path,
                line=body[0][0],
                expected="columns separated by tabs, commas or semicolons",
                remedy="save the table with tabs between the columns",
            )
        )
    return [[cell.strip() for cell in row] for row in cells]


def shorten(problems: Sequence[Problem]) -> list[Problem]:
    """Keep the first ten problems and say how many more there are."""
    if len(problems) <= _SHOWN:
        return list(problems)
    return [*problems[:_SHOWN], Problem(f"and {len(problems) - _SHOWN} more of this kind")]


def numbers(table: Grid, columns: Sequence[int], path: Path) -> tuple[NDArray[np.float64], list[Problem]]:
    """Read columns as numbers (n_rows, n_columns); one problem for each cell that is not a number >= 0.

    Decimal commas are read, and noted, where a table has no decimal point and its commas cannot stand
    between thousands.
    """
    problems: list[Problem] = []
    out = np.zeros((len(table.rows), len(columns)))
    points = False
    for r, row in enumerate(table.rows):
        cells = [row[c] for c in columns]
        if points:
            cells = [cell.replace(",", ".") for cell in cells]
        for _ in range(2):
            try:
                out[r] = np.array(cells, dtype=np.float64)
            except ValueError:
                if not points and _decimal_commas(table, columns):
                    points = True
                    cells = [cell.replace(",", ".") for cell in cells]
                    continue
                out[r] = np.nan
            break
        if not (np.isfinite(out[r]).all() and (out[r] >= 0).all()):
            problems += _cell_problems(table, columns, cells, row, table.lines[r], path)
    if points:
        table.notes.append("numbers were read with decimal commas")
    return out, shorten(problems)


def _decimal_commas(table: Grid, columns: Sequence[int]) -> bool:
    """Whether most numbers have a decimal comma, none a point, and some no three digits after it."""
    cells = [row[c] for row in table.rows for c in columns]
    commas = [cell for cell in cells if re.fullmatch(r"\d+,\d+([eE][-+]?\d+)?", cell)]
    others = [cell for cell in cells if cell.strip("0") and "," not in cell]
    return (
        len(commas) > len(others)
        and not any("." in cell for cell in cells)
        and any(not re.fullmatch(r"[1-9]\d{0,2},\d{3}", cell) for cell in commas)
    )


def _cell_problems(  # noqa: PLR0917 (one call)
    table: Grid, columns: Sequence[int], cells: Iterable[str], row: list[str], line: int, path: Path
) -> list[Problem]:
    problems = []
    for c, cell in zip(columns, cells, strict=True):
        try:
            value = float(cell)
        except ValueError:
            value = np.nan
        if np.isfinite(value) and value >= 0:
            continue
        name = f"{row[0]}, {table.header[c]}"
        if cell.casefold() in _MISSING:
            remedy = "write 0 where a taxon was not seen, and leave out samples that failed"
        elif "," in cell:
            remedy = "write numbers with a decimal point, and nothing between thousands"
        else:
            remedy = "correct the cell, or pass text columns as --metadata"
        problems.append(
            Problem(
                f"the cell is {cell!r}",
                file=path,
                line=line,
                column=c + 1,
                field=name,
                expected="a count or fraction of at least 0",
                remedy=remedy,
            )
        )
    return problems
