"""Tables of the qualification: tab-separated, a header and rows."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from opiome import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


def read(file: Path) -> list[dict[str, str]]:
    """The rows of a table; none where the file is not there yet."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def write(file: Path, fields: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a table, whole or not at all."""
    with files.whole(file) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fields, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
