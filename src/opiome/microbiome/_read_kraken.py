"""Kraken 2 reports (single, combined, with minimizers) and Kraken tables in the style of MetaPhlAn.

A report counts each read at every rank above it. Taken here are the reads that stand directly at a taxon, so
that no read counts twice and none that stops above the genus is lost.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError
from opiome.microbiome._profile import Raw
from opiome.microbiome._text import sample_of, shorten

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from opiome.microbiome._text import Grid

__all__ = ["is_clade_counts", "is_combined", "is_kraken", "read_clade_counts", "read_combined", "read_kraken"]

_RANK = re.compile(r"^[URDKPCOFGS-]\d*$")
_LETTER = {"D": "d", "K": "k", "P": "p", "C": "c", "O": "o", "F": "f", "G": "g", "S": "s"}
_WIDTHS = (6, 8)
_PREFIX = re.compile(r"^[dkpcofgs]__")
_FOREIGN = {
    "eukaryota", "viruses", "acellular root", "other sequences", "other entries", "unclassified entries",
    "unclassified sequences",
}  # fmt: skip
_NOTE = "reads placed above the genus stay at that rank; host, viral and fungal reads are set apart"
_COLUMNS = "percentage, reads, direct reads, rank, taxon id, name"


class _Tree:
    """The taxa above the line that is being read, and the direct reads of each taxon."""

    def __init__(self, samples: int) -> None:
        self.stack: list[tuple[int, str, str]] = []
        self.taxa: dict[str, NDArray[np.float64]] = {}
        self.apart = np.zeros(samples)

    def add(self, code: str, name: str, reads: NDArray[np.float64]) -> None:
        """Take a line: the rank code, the indented name, and the reads directly at it (n_samples,)."""
        level = (len(name) - len(name.lstrip(" "))) // 2
        while self.stack and self.stack[-1][0] >= level:
            self.stack.pop()
        if code == "U":
            self.apart += reads
            return
        plain = _PREFIX.sub("", name.strip())
        letter = _LETTER.get(code)
        self.stack.append((level, f"{letter}__{plain}" if letter else "", plain.casefold()))
        lineage = ";".join(part for _, part, _ in self.stack if part)
        if not lineage or any(own in _FOREIGN for _, _, own in self.stack):
            self.apart += reads
        elif reads.any():
            self.taxa[lineage] = self.taxa[lineage] + reads if lineage in self.taxa else reads

    def raw(self, samples: list[str]) -> Raw:
        """What was read."""
        values = np.array(list(self.taxa.values()), dtype=np.float64).reshape(-1, len(samples))
        return Raw("Kraken 2 report", samples, list(self.taxa), values, self.apart, [_NOTE])


def is_kraken(text: str) -> bool:
    """Whether the lines are those of a Kraken 2 report (6 columns, or 8 with minimizers)."""
    seen = 0
    for line in text.splitlines()[:20]:
        cells = line.split("\t")
        if len(cells) not in _WIDTHS or not _RANK.match(cells[-3].strip()):
            return False
        seen += 1
    return seen > 0


def read_kraken(text: str, path: Path) -> Raw:
    """Read one report. Raises ProfileError for every line that is none of a report."""
    tree = _Tree(1)
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            _line(tree, line.split("\t"), [2], path, number, problems)
    if problems:
        raise ProfileError(shorten(problems))
    return tree.raw([sample_of(path)])


def is_combined(text: str) -> bool:
    """Whether the text is what ``combine_kreports.py`` writes of several reports."""
    return re.search(r"^#perc\ttot_all\ttot_lvl\t1_all\t1_lvl\t", text[:100_000], re.MULTILINE) is not None


def read_combined(text: str, path: Path) -> Raw:
    """Read several reports that ``combine_kreports.py`` joined."""
    lines = list(enumerate(text.splitlines(), start=1))
    start = next(i for i, (_, line) in enumerate(lines) if line.startswith("#perc\t"))
    header = lines[start][1].split("\t")
    columns = [i for i, name in enumerate(header) if re.fullmatch(r"\d+_lvl", name)]
    told = dict(re.findall(r"^#S(\d+)\t(.+)$", text, re.MULTILINE))
    names = [told.get(header[i].removesuffix("_lvl"), header[i]) for i in columns]
    tree = _Tree(len(columns))
    problems: list[Problem] = []
    for number, line in lines[start + 1 :]:
        if line.strip():
            _line(tree, line.split("\t"), columns, path, number, problems)
    if problems:
        raise ProfileError(shorten(problems))
    return tree.raw([sample_of(name.strip()) for name in names])


def _line(  # noqa: PLR0917 (two calls)
    tree: _Tree, cells: list[str], columns: list[int], path: Path, number: int, problems: list[Problem]
) -> None:
    try:
        reads = np.array([float(cells[i]) for i in columns])
        code, name = cells[-3].strip(), cells[-1]
    except (IndexError, ValueError):
        problems.append(
            Problem(
                "is not a line of a Kraken 2 report",
                file=path,
                line=number,
                expected=_COLUMNS,
                remedy="the file may be truncated: write the report again",
            )
        )
        return
    for value, column in zip(reads, columns, strict=True):
        if not (np.isfinite(value) and value >= 0):
            problems.append(
                Problem(
                    f"{name.strip()} has {value:g} reads",
                    file=path,
                    line=number,
                    column=column + 1,
                    field=name.strip(),
                    expected="a count of at least 0",
                )
            )
    tree.add(code, name, reads)


def is_clade_counts(clades: list[str], values: NDArray[np.float64]) -> bool:
    """Whether clades written as by MetaPhlAn hold whole reads, as ``kreport2mpa.py`` writes them."""
    return bool(
        np.all(values == np.round(values))
        and values.max(initial=0.0) > 100.0  # noqa: PLR2004 (MetaPhlAn writes percentages)
        and any("|" in clade for clade in clades)
    )


def read_clade_counts(table: Grid, samples: list[str], values: NDArray[np.float64]) -> Raw:
    """Read clades with the reads at and below each: what its children do not hold stands at the clade itself.

    ``values`` (n_clades, n_samples).
    """
    clades = [row[0] for row in table.rows]
    where = {clade: i for i, clade in enumerate(clades)}
    own = values.copy()
    for i, clade in enumerate(clades):
        parent = clade.rpartition("|")[0]
        while parent and parent not in where:  # a rank that this branch does not have
            parent = parent.rpartition("|")[0]
        if parent:
            own[where[parent]] -= values[i]
    taxa: list[str] = []
    kept: list[NDArray[np.float64]] = []
    apart = np.zeros(len(samples))
    for clade, reads in zip(clades, np.maximum(own, 0.0), strict=True):
        names = {part.partition("__")[2].replace("_", " ").casefold() for part in clade.split("|")}
        if names & _FOREIGN or clade.casefold() in {"unclassified", "unknown"}:
            apart += reads
        elif reads.any():
            taxa.append(clade)
            kept.append(reads)
    out = np.array(kept, dtype=np.float64).reshape(-1, len(samples))
    return Raw("Kraken 2 report", samples, taxa, out, apart, [_NOTE])
