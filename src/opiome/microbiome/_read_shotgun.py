"""MetaPhlAn 2 to 4 and Bracken tables."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError
from opiome.microbiome._profile import Raw
from opiome.microbiome._read_kraken import is_clade_counts, read_clade_counts
from opiome.microbiome._text import Grid, numbers, sample_of, twice

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["is_bracken", "is_metaphlan", "read_bracken", "read_metaphlan"]

_UNKNOWN = {"unclassified", "unknown"}
_CLADE = re.compile(r"^[dk]__\w+")
_NO_SAMPLES = {"ncbi_tax_id", "clade_taxid", "additional_species", "tax_id", "taxid"}


def is_metaphlan(table: Grid) -> bool:
    """Whether the first column holds clades with ``|`` between ranks."""
    first = [row[0] for row in table.rows[:50]]
    return any(comment.startswith("#mpa_v") for comment in table.comments) or (
        sum("__" in name and ("|" in name or name.startswith("k__")) for name in first)
        >= max(1, len(first) // 2)
        and any("|" in row[0] for row in table.rows)
    )


def read_metaphlan(table: Grid, path: Path) -> Raw:
    """Return samples, clades at the tips, percentages (n_clades, n_samples), what is set apart, and notes.

    Tables with whole reads of clades, as Kraken's ``--use-mpa-style`` gives them, are read as reads.
    """
    table = _with_header(table, path)
    names = [name.lstrip("#").casefold() for name in table.header]
    if "relative_abundance" in names:
        columns = [names.index("relative_abundance")]
        samples = [sample_of(path)]
    else:
        columns = [i for i, name in enumerate(names) if i > 0 and name not in _NO_SAMPLES]
        samples = [sample_of(table.header[i]) for i in columns]
        if len(set(samples)) < len(samples):
            samples = [table.header[i] for i in columns]
    values, problems = numbers(table, columns, path)
    problems += twice(samples, path, [table.lines[0] - 1] * len(samples), [i + 1 for i in columns])
    if problems:
        raise ProfileError(problems)
    clades = [row[0] for row in table.rows]
    repeated = {name for name, n in Counter(clades).items() if n > 1}
    if repeated:
        raise ProfileError(
            [
                Problem(
                    f"the clade {name} stands twice",
                    file=path,
                    line=table.lines[len(clades) - 1 - clades[::-1].index(name)],
                    field=name,
                    remedy="merge the tables with merge_metaphlan_tables.py",
                )
                for name in sorted(repeated)
            ]
        )
    if is_clade_counts(clades, values):
        return read_clade_counts(table, samples, values)
    parents = {name[: hit.start()] for name in clades for hit in re.finditer(r"\|", name)}
    apart = np.array([name.casefold() in _UNKNOWN or name.startswith("k__Viruses") for name in clades])
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
    whole = apart & np.array(["|" not in name for name in clades])
    return Raw("MetaPhlAn", samples, keep, values[tips], values[whole].sum(axis=0), notes)


def _with_header(table: Grid, path: Path) -> Grid:
    """A table that starts with a clade has no header; a line ``#SampleID`` below the header is none of it."""
    rows = list(zip(table.rows, table.lines, strict=True))
    header = table.header
    if _CLADE.match(header[0]):
        rows.insert(0, (header, table.lines[0] - 1))
        header = ["clade_name", *([sample_of(path)] if len(header) == 2 else header[1:])]  # noqa: PLR2004
    rows = [(row, line) for row, line in rows if not row[0].startswith("#")]
    return Grid(header, [row for row, _ in rows], [line for _, line in rows], table.comments)


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
        samples = [sample_of(path)]
    else:
        columns = [i for i, name in enumerate(table.header) if name.endswith("_num")]
        samples = [sample_of(table.header[i].removesuffix("_num")) for i in columns]
    values, problems = numbers(table, columns, path)
    if problems:
        raise ProfileError(problems)
    index = table.header.index("name")
    letter = levels.pop()[:1].lower()
    taxa = [f"{letter}__{row[index]}" if letter in "gf" else row[index] for row in table.rows]
    host = np.array([taxon.startswith("Homo") for taxon in taxa])
    keep = [taxon for taxon, is_host in zip(taxa, host, strict=True) if not is_host]
    return Raw("Bracken", samples, keep, values[~host], values[host].sum(axis=0), [])
