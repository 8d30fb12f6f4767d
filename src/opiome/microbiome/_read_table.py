"""Plain text tables of genera, species or features, in either orientation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError
from opiome.microbiome._guilds import guild_map
from opiome.microbiome._lineage import parse_lineage
from opiome.microbiome._profile import Raw
from opiome.microbiome._taxonomy import TAXON, beside, rank_columns, ranked_lineages
from opiome.microbiome._text import Grid, numbers, twice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["read_table", "taxon_share"]

_LOOKED_AT = 400
_TAXON_SHARE = 0.3
_TAXONOMY_COLUMNS = {"taxonomy", "taxon", "consensus lineage", "consensuslineage", "lineage"}
_NOT_TAXA = re.compile(
    r"^(age|sex|gender|bmi|height|weight|group|study.?group|cohort|batch|run|plate|kit|depth|reads|n?reads|total|sum|date"
    r"|visit|time.?point|subject|subject.?id|patient|patient.?id|participant|diagnosis|treatment|antibiotics?|country"
    r"|site|center|centre|shannon|simpson|richness|library.?size|sequencing.?depth)$",
    re.IGNORECASE,
)
_NO_SAMPLE = re.compile(r"^(total|sum|row.?sums?|mean|average|median|max(imum)?|prevalence)$", re.IGNORECASE)
_APART = {"unclassified", "unknown", "unassigned"}


def taxon_share(names: Sequence[str]) -> float:
    """The share of names that are taxa: lineages, MetaPhlAn bins, genera or families of the mapping table."""
    mapping = guild_map()
    picked = [name for name in names if name.strip()]
    picked = picked[:: max(1, len(picked) // _LOOKED_AT)]
    if not picked:
        return 0.0
    hits = 0
    for name in picked:
        lineage = parse_lineage(name)
        hits += TAXON.search(name) is not None or bool(lineage.sgb) or mapping.find(lineage) is not None
    return hits / len(picked)


def read_table(table: Grid, path: Path, taxonomy: Mapping[str, str] | None) -> Raw:
    """Read a plain table. Raises ProfileError where neither axis holds taxa, and for every bad cell."""
    _refuse_headless(table, path)
    lowered = [name.casefold() for name in table.header]
    lineage_column = next((i for i, name in enumerate(lowered) if name in _TAXONOMY_COLUMNS and i > 0), None)
    first = [row[0] for row in table.rows]
    other = {i for i, name in enumerate(table.header) if beside(name)}
    if lineage_column is not None:
        return _wide(table, path, [row[lineage_column] for row in table.rows], {0, lineage_column} | other)
    ranks = rank_columns(table.header)
    if ranks:
        return _wide(table, path, ranked_lineages(table, ranks), {0, *ranks.values()} | other)
    if taxonomy and sum(name in taxonomy for name in first) > len(first) // 2:
        missing = [name for name in first if name not in taxonomy]
        if missing:
            raise ProfileError(
                Problem(
                    f"{len(missing)} features have no taxonomy, such as {missing[0]!r}",
                    file=path,
                    field=missing[0],
                    expected="a taxonomy for every feature",
                    remedy="pass the taxonomy that belongs to this table",
                )
            )
        return _wide(table, path, [taxonomy[name] for name in first], {0})
    down, across = taxon_share(first), taxon_share(table.header[1:])
    if max(down, across) < _TAXON_SHARE:
        raise ProfileError(
            Problem(
                f"neither the header nor the first column holds taxa ({table.header[1:4]}, {first[:3]})",
                file=path,
                line=table.lines[0] - 1,
                field=table.header[0] or "header",
                expected="taxa (g__Bacteroides, Faecalibacterium prausnitzii, lineages) on one axis, samples"
                " on the other",
                remedy="pass the taxonomy of the features too, or name the taxa",
            )
        )
    if down >= across:
        return _wide(table, path, first, {0})
    return _long(table, path)


def _refuse_headless(table: Grid, path: Path) -> None:
    """Refuse a table whose first line is a taxon and its numbers."""
    if taxon_share(table.header[:1]) and all(re.fullmatch(r"[\d.,eE+-]+", cell) for cell in table.header[1:]):
        raise ProfileError(
            Problem(
                f"has no header: it starts with {table.header[0]!r} and numbers",
                file=path,
                line=max(1, table.lines[0] - 1),
                expected="a first line with the names of the samples",
                remedy="add a header line",
            )
        )


def _wide(table: Grid, path: Path, taxa: list[str], skip: set[int]) -> Raw:
    """Taxa in rows, samples in columns."""
    columns = [i for i in range(len(table.header)) if i not in skip]
    samples = [table.header[i] for i in columns]
    values, problems = numbers(table, columns, path)
    problems += twice(samples, path, [table.lines[0] - 1] * len(samples), [i + 1 for i in columns])
    problems += [
        Problem(
            f"{samples[k]} stands among the samples",
            file=path,
            line=table.lines[0] - 1,
            column=i + 1,
            field=samples[k],
            expected="a sample",
            remedy="remove the column",
        )
        for k, i in enumerate(columns)
        if _NO_SAMPLE.match(samples[k])
    ]
    problems += [
        Problem(
            f"{taxon} stands among the taxa",
            file=path,
            line=line,
            field=taxon,
            expected="a taxon",
            remedy="move it to the sample metadata and pass that with --metadata",
        )
        for taxon, line in zip(taxa, table.lines, strict=True)
        if _NOT_TAXA.match(taxon)
    ]
    if problems:
        raise ProfileError(problems)
    return _apart(samples, taxa, values, table.notes)


def _long(table: Grid, path: Path) -> Raw:
    """Samples in rows, taxa in columns."""
    columns = list(range(1, len(table.header)))
    lineages = [i for i in columns if _is_lineage(table.header[i])]
    if (
        len(lineages) >= len(columns) / 2
    ):  # the metadata that QIIME 2 writes behind the lineages of a bar plot
        left = [table.header[i] for i in columns if i not in lineages]
        if left:
            table.notes.append(
                f"{len(left)} columns are no taxa and were left out ({', '.join(left[:5])}"
                f"{', ...' if len(left) > 5 else ''}): pass them with --metadata"  # noqa: PLR2004 (as shown)
            )
        columns = lineages
    samples = [row[0] for row in table.rows]
    problems = twice(samples, path, table.lines, [1] * len(samples))
    foreign = [i for i in columns if _NOT_TAXA.match(table.header[i])]
    problems += [
        Problem(
            f"the column {table.header[i]!r} is no taxon",
            file=path,
            line=table.lines[0] - 1,
            column=i + 1,
            field=table.header[i],
            expected="taxa only",
            remedy="move it to a table of its own and pass that with --metadata",
        )
        for i in foreign
    ]
    values, wrong = numbers(table, [i for i in columns if i not in foreign], path)
    problems += wrong
    if problems:
        raise ProfileError(problems)
    taxa = [table.header[i] for i in columns]
    return _apart(samples, taxa, np.ascontiguousarray(values.T), table.notes)


def _is_lineage(name: str) -> bool:
    return TAXON.search(name) is not None or name.casefold().startswith("unassigned")


def _apart(samples: list[str], taxa: list[str], values: np.ndarray, notes: list[str]) -> Raw:
    apart = np.array([re.split(r"[;|]", taxon.casefold(), maxsplit=1)[0] in _APART for taxon in taxa])
    keep = [taxon for taxon, off in zip(taxa, apart, strict=True) if not off]
    return Raw("plain table", samples, keep, values[~apart], values[apart].sum(axis=0), notes)
