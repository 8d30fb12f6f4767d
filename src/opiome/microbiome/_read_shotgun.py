"""MetaPhlAn 2 to 4, Kraken 2 reports and Bracken tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError
from opiome.microbiome._profile import Raw
from opiome.microbiome._text import Grid, numbers

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["is_bracken", "is_kraken", "is_metaphlan", "read_bracken", "read_kraken", "read_metaphlan"]

_UNKNOWN = {"unclassified", "unknown"}
_RANK = re.compile(r"^[URDKPCOFGS-]\d*$")
_LETTER = {"D": "d", "K": "k", "P": "p", "C": "c", "O": "o", "F": "f", "G": "g", "S": "s"}
_KRAKEN_WIDTHS = (6, 8)


def is_metaphlan(table: Grid) -> bool:
    """Whether the first column holds clades with ``|`` between ranks."""
    first = [row[0] for row in table.rows[:50]]
    return any(comment.startswith("#mpa_v") for comment in table.comments) or (
        sum("__" in name and ("|" in name or name.startswith("k__")) for name in first)
        >= max(1, len(first) // 2)
        and any("|" in row[0] for row in table.rows)
    )


def read_metaphlan(table: Grid, path: Path) -> Raw:
    """Return samples, clades at the tips, percentages (n_clades, n_samples), what is set apart, and notes."""
    names = [name.lstrip("#").casefold() for name in table.header]
    if "relative_abundance" in names:
        columns = [names.index("relative_abundance")]
        samples = [path.name.split(".")[0]]
    else:
        columns = [
            i
            for i, name in enumerate(names)
            if i > 0 and name not in {"ncbi_tax_id", "clade_taxid", "additional_species", "tax_id"}
        ]
        samples = [re.sub(r"(_profile|_metaphlan\d?|\.profile)$", "", table.header[i]) for i in columns]
    values, problems = numbers(table, columns, path)
    if problems:
        raise ProfileError(problems)
    clades = [row[0] for row in table.rows]
    twice = {name for name in clades if clades.count(name) > 1} if len(set(clades)) < len(clades) else set()
    if twice:
        raise ProfileError(
            [
                Problem(
                    f"the clade {name} stands twice",
                    file=path,
                    line=table.lines[len(clades) - 1 - clades[::-1].index(name)],
                    field=name,
                    remedy="merge the tables with merge_metaphlan_tables.py",
                )
                for name in sorted(twice)
            ]
        )
    parents = {name.rpartition("|")[0] for name in clades if "|" in name}
    apart = np.array([name.casefold() in _UNKNOWN for name in clades])
    tips = np.array([name not in parents for name in clades]) & ~apart
    roots = np.array(["|" not in name for name in clades]) & ~apart
    missing = values[roots].sum(axis=0) - values[tips].sum(axis=0)
    notes = []
    if roots.any() and (np.abs(missing) > 1.0).any():
        worst = int(np.argmax(np.abs(missing)))
        notes.append(
            f"the clades at the tips of {samples[worst]} sum to {abs(missing[worst]):.1f} percentage points"
            f" {'less' if missing[worst] > 0 else 'more'} than its kingdoms: the table was filtered"
        )
    keep = [name for name, tip in zip(clades, tips, strict=True) if tip]
    return Raw("MetaPhlAn", samples, keep, values[tips], values[apart].sum(axis=0), notes)


def is_kraken(text: str) -> bool:
    """Whether the lines are those of a Kraken 2 report (6 columns, or 8 with minimizers)."""
    seen = 0
    for line in text.splitlines()[:20]:
        cells = line.split("\t")
        if len(cells) not in _KRAKEN_WIDTHS or not _RANK.match(cells[-3].strip()):
            return False
        seen += 1
    return seen > 0


def read_kraken(text: str, path: Path) -> Raw:
    """Read one report: the reads that stand directly at each taxon, so that no read counts twice."""
    stack: list[tuple[int, str]] = []
    taxa: dict[str, float] = {}
    apart = 0.0
    problems = []
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.split("\t")
        if not line.strip():
            continue
        try:
            reads = float(cells[2])
            code, name = cells[-3].strip(), cells[-1]
        except (IndexError, ValueError):
            problems.append(
                Problem(
                    "is not a line of a Kraken 2 report",
                    file=path,
                    line=number,
                    expected="percentage, reads, direct reads, rank, taxon id, name",
                    remedy="the file may be truncated: write the report again",
                )
            )
            continue
        if reads < 0:
            problems.append(
                Problem(
                    f"{name.strip()} has {reads:g} reads",
                    file=path,
                    line=number,
                    column=3,
                    field=name.strip(),
                    expected="a count of at least 0",
                )
            )
        level = (len(name) - len(name.lstrip(" "))) // 2
        stack = [(depth, part) for depth, part in stack if depth < level]
        if code == "U":
            apart += reads
            continue
        letter = _LETTER.get(code)
        if letter:
            stack.append((level, f"{letter}__{name.strip()}"))
        lineage = ";".join(part for _, part in stack)
        domain = lineage.split(";", 1)[0].casefold()
        if not lineage or domain in {"d__eukaryota", "d__viruses", "d__other sequences"}:
            apart += reads
        elif reads:
            taxa[lineage] = taxa.get(lineage, 0.0) + reads
    if problems:
        raise ProfileError(problems[:10])
    notes = ["reads placed above the genus stay at that rank; host, viral and fungal reads are set apart"]
    sample = re.sub(
        r"([._-](kraken2?|report|kreport|bracken|k2report)\w*)+$", "", path.name.rsplit(".", 1)[0]
    )
    values = np.array(list(taxa.values()), dtype=np.float64)[:, None]
    return Raw("Kraken 2 report", [sample], list(taxa), values, np.array([apart]), notes)


def is_bracken(table: Grid) -> bool:
    """Whether the header is that of Bracken, or of combine_bracken_outputs.py."""
    return {"name", "taxonomy_lvl"} <= set(table.header)


def read_bracken(table: Grid, path: Path) -> Raw:
    """Read the re-estimated reads of one sample, or of several in a combined table."""
    levels = {row[table.header.index("taxonomy_lvl")] for row in table.rows}
    if len(levels) > 1:
        raise ProfileError(
            Problem(
                f"holds taxa of several ranks ({', '.join(sorted(levels))})",
                file=path,
                field="taxonomy_lvl",
                expected="one rank, S or G",
                remedy="run Bracken for one level, or pass the Kraken 2 report",
            )
        )
    if "new_est_reads" in table.header:
        columns = [table.header.index("new_est_reads")]
        samples = [re.sub(r"([._-](bracken|species|genus)\w*)+$", "", path.name.rsplit(".", 1)[0])]
    else:
        columns = [i for i, name in enumerate(table.header) if name.endswith("_num")]
        samples = [re.sub(r"(\.bracken)?_num$", "", table.header[i]) for i in columns]
    values, problems = numbers(table, columns, path)
    if problems:
        raise ProfileError(problems)
    index = table.header.index("name")
    letter = _LETTER.get(levels.pop()[:1], "s")
    taxa = [f"{letter}__{row[index]}" if letter in "gf" else row[index] for row in table.rows]
    host = np.array([taxon.startswith("Homo") for taxon in taxa])
    keep = [taxon for taxon, is_host in zip(taxa, host, strict=True) if not is_host]
    return Raw("Bracken", samples, keep, values[~host], values[host].sum(axis=0), [])
