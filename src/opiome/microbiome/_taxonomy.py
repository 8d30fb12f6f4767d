"""Lineages beside the counts: QIIME 2 and QIIME 1 taxonomies, and tables with a column for each rank."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from opiome.errors import Problem, ProfileError
from opiome.microbiome._text import grid, separator, shorten

if TYPE_CHECKING:
    from pathlib import Path

    from opiome.microbiome._text import Grid

__all__ = ["TAXON", "beside", "rank_columns", "ranked_lineages", "taxonomy_in"]

TAXON = re.compile(r"(^|[;|]\s*)(D_\d+|[dkpcofgs])__")
_RANK = {
    "domain": "d", "kingdom": "d", "superkingdom": "d", "phylum": "p", "class": "c", "order": "o",
    "family": "f", "genus": "g", "species": "s",
}  # fmt: skip
_FEATURE = {"feature id", "featureid", "feature-id", "otu id", "otuid", "otu_id"}
_FEWEST = 3
_BESIDE = {"confidence", "consensus", "sequence", "seq", "md5", "length"}
_LOOKED_AT = 20


def rank_columns(header: list[str]) -> dict[str, int]:
    """The columns named after ranks, by the letter of the rank; none where there are fewer than three."""
    found: dict[str, int] = {}
    for i, name in enumerate(header):
        letter = _RANK.get(name.strip().casefold())
        if letter:
            found.setdefault(letter, i)
    return found if len(found) >= _FEWEST else {}


def ranked_lineages(table: Grid, columns: dict[str, int]) -> list[str]:
    """One lineage for each row of a table with a column per rank."""
    return [
        ";".join(f"{letter}__{_named(row[i], letter)}" for letter, i in columns.items()) for row in table.rows
    ]


def _named(cell: str, letter: str) -> str:
    return "" if cell.casefold() in {"na", "nan"} else cell.removeprefix(f"{letter}__")


def beside(name: str) -> bool:
    """Whether a column holds neither counts nor a rank, by its name."""
    return name.strip().casefold() in _BESIDE


def taxonomy_in(text: str, path: Path) -> dict[str, str] | None:
    """The lineage of each feature, where the text is a taxonomy; None where it is a table.

    Raises ProfileError for a feature with two lineages.
    """
    first = text.lstrip().split("\n", 1)[0].rstrip("\r")
    mark = separator(first)
    header = [cell.strip().strip('"').casefold().lstrip("#") for cell in first.split(mark)]
    if header[0] in _FEATURE and "taxon" in header:
        table = grid(text, path)
        taxon = [name.casefold() for name in table.header].index("taxon")
        return _unique(table, [row[taxon] for row in table.rows], path)
    ranks = rank_columns(header)
    if ranks and all(i in ranks.values() or i == 0 or beside(name) for i, name in enumerate(header)):
        table = grid(text, path)
        return _unique(table, ranked_lineages(table, ranks), path)
    lines = [line.split("\t") for line in text.splitlines()[:_LOOKED_AT] if line.strip()]
    if lines and all(
        len(cells) in {2, 3} and TAXON.search(cells[1]) and not TAXON.search(cells[0]) for cells in lines
    ):
        table = grid("feature\ttaxon" + "\tconfidence" * (len(lines[0]) - 2) + "\n" + text, path)
        return _unique(table, [row[1] for row in table.rows], path)
    return None


def _unique(table: Grid, lineages: list[str], path: Path) -> dict[str, str]:
    out: dict[str, str] = {}
    problems = []
    for row, line, lineage in zip(table.rows, table.lines, lineages, strict=True):
        if row[0].startswith("#q2:types"):
            continue
        if out.setdefault(row[0], lineage) != lineage:
            problems.append(
                Problem(
                    f"feature {row[0]} has two lineages",
                    file=path,
                    line=line,
                    field=row[0],
                    remedy="keep one line for each feature",
                )
            )
    if problems:
        raise ProfileError(shorten(problems))
    return out
