"""Text tables: decoding, the separator, and cells with their line numbers."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Grid", "decode", "grid", "gunzip", "numbers", "separator"]

MAX_UNPACKED = 4 * 1024**3
MAX_RATIO = 500
_MISSING = {"", "na", "nan", "null", "none", "-"}
_SHOWN = 10


@dataclass(frozen=True)
class Grid:
    """The cells of a text table: ``header``, ``rows``, and the 1-based line of each row in the file."""

    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    comments: list[str]


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
    ``#clade_name``).
    Raises ProfileError for an empty table and for every line with another number of cells than the header.
    """
    comments: list[str] = []
    body: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        if line.startswith("#") and not body:
            comments.append(line)
        else:
            body.append((number, line))
    if body:
        mark = separator(body[0][1])
        if header_comment and comments and comments[-1].count(mark) == body[0][1].count(mark) > 0:
            body.insert(0, (body[0][0] - 1, comments.pop().lstrip("#").lstrip()))
    if len(body) < 2:  # noqa: PLR2004
        raise ProfileError(
            Problem(
                "holds no table",
                file=path,
                expected="a header line and at least one row",
                remedy="check that the pipeline finished and that the file is complete",
            )
        )
    mark = separator(body[0][1])
    cells = list(csv.reader((line for _, line in body), delimiter=mark))
    cells = [[cell.strip() for cell in row] for row in cells]
    header, rows = cells[0], cells[1:]
    if rows and len(header) == len(rows[0]) - 1:  # R's write.table leaves out the corner
        header = ["", *header]
    if len(cells) != len(body):
        raise ProfileError(
            Problem("a quoted cell runs over several lines", file=path, remedy="close the quotation")
        )
    lines = [number for number, _ in body[1:]]
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


def shorten(problems: Sequence[Problem]) -> list[Problem]:
    """Keep the first ten problems and say how many more there are."""
    if len(problems) <= _SHOWN:
        return list(problems)
    return [*problems[:_SHOWN], Problem(f"and {len(problems) - _SHOWN} more of this kind")]


def numbers(table: Grid, columns: Sequence[int], path: Path) -> tuple[NDArray[np.float64], list[Problem]]:
    """Read columns as numbers (n_rows, n_columns); one problem for each cell that is not a number >= 0."""
    problems: list[Problem] = []
    out = np.zeros((len(table.rows), len(columns)))
    for r, (row, line) in enumerate(zip(table.rows, table.lines, strict=True)):
        cells = [row[c] for c in columns]
        try:
            out[r] = np.array(cells, dtype=np.float64)
            if np.isfinite(out[r]).all() and (out[r] >= 0).all():
                continue
        except ValueError:
            pass
        problems += _cell_problems(table, columns, cells, row, line, path)
    return out, shorten(problems)


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
            remedy = "write numbers with a decimal point"
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
