"""Any supported file, found by its content, to one :class:`Profile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError
from opiome.microbiome._check import (
    refuse_logarithms,
    refuse_presences,
    refuse_repeated,
    refuse_samples,
    refuse_sums,
)
from opiome.microbiome._profile import Profile, Raw
from opiome.microbiome._text import decode, grid, gunzip

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from opiome.microbiome._read_biom import Features

__all__ = ["read_profile"]

_SEVERAL = 2
_WHOLE = 1.02
_MAX_SHOWN = 10
_PACKED = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
}


def read_profile(*paths: str | os.PathLike[str]) -> Profile:
    """Read stool profiles: one table, several single-sample files, or a feature table with its taxonomy.

    The format is found by content: BIOM 1.0 and 2.1, ``.qza``, MetaPhlAn 2-4 (single or merged), Kraken 2
    reports, Bracken, QIIME 2 taxonomy, and plain text tables in either orientation; any of them may be
    gzipped.

    Raises ProfileError with every problem found: file, line, column, sample, and what to do.
    """
    if not paths:
        raise ProfileError("no file was given; pass a table such as genera.tsv")
    tables: list[tuple[Path, str | Features]] = []
    taxonomy: dict[str, str] = {}
    for given in paths:
        path = Path(given)
        found = _open(path)
        if isinstance(found, dict):
            taxonomy.update(found)
        else:
            tables.append((path, found))
    if not tables:
        raise ProfileError(
            Problem("is a taxonomy without a table", file=Path(paths[0]), remedy="pass the feature table too")
        )
    raws = [(path, _raw(path, found, taxonomy)) for path, found in tables]
    return _profile(raws)


def _open(path: Path) -> str | Features | dict[str, str]:
    """Return the features of a BIOM table, a decoded text, or a taxonomy (dict)."""
    from opiome.microbiome._read_biom import read_hdf5, read_json
    from opiome.microbiome._read_qza import read_artefact

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProfileError(
            Problem(
                f"cannot be read ({error.strerror or error})",
                file=path,
                remedy="check the path and the permissions",
            )
        ) from error
    if data[:2] == b"\x1f\x8b":
        data = gunzip(data, path)
    packed = next((name for mark, name in _PACKED.items() if data.startswith(mark)), None)
    if packed:
        raise ProfileError(
            Problem(f"is packed with {packed}", file=path, remedy="unpack it, or pack it with gzip")
        )
    if not data.strip():
        raise ProfileError(Problem("is empty", file=path, remedy="check that the pipeline finished"))
    if data[:4] == b"PK\x03\x04":
        data = read_artefact(data, path).data
    if data[:4] == b"\x89HDF":
        return read_hdf5(data, path)
    text = decode(data, path)
    if text.lstrip()[:1] == "{":
        return read_json(text, path)
    from opiome.microbiome._taxonomy import taxonomy_in

    return taxonomy_in(text, path) or text


def _raw(path: Path, found: str | Features, taxonomy: dict[str, str]) -> Raw:
    from opiome.microbiome import _read_kraken as kraken
    from opiome.microbiome import _read_shotgun as shotgun
    from opiome.microbiome._read_table import read_table

    if not isinstance(found, str):
        return _from_biom(path, found, taxonomy)
    if kraken.is_kraken(found):
        return kraken.read_kraken(found, path)
    if kraken.is_combined(found):
        return kraken.read_combined(found, path)
    table = grid(found, path)
    if shotgun.is_bracken(table):
        return shotgun.read_bracken(table, path)
    if shotgun.is_metaphlan(table):
        return shotgun.read_metaphlan(table, path)
    return read_table(table, path, taxonomy)


def _from_biom(path: Path, table: Features, taxonomy: dict[str, str]) -> Raw:
    from opiome.microbiome._read_table import taxon_share

    features, samples, lineages = table.names, table.samples, table.lineages
    if lineages is None and taxonomy:
        missing = [name for name in features if name not in taxonomy]
        if missing:
            raise ProfileError(
                Problem(
                    f"{len(missing)} of {len(features)} features have no taxonomy, such as {missing[0]!r}",
                    file=path,
                    field=missing[0],
                    remedy="pass the taxonomy that belongs to this table",
                )
            )
        lineages = [taxonomy[name] for name in features]
    if lineages is None:
        if taxon_share(features) < max(0.3, taxon_share(samples)):
            turned = taxon_share(samples) > 0.3  # noqa: PLR2004
            raise ProfileError(
                Problem(
                    "its samples are named like taxa: the table is transposed"
                    if turned
                    else f"its features have no taxonomy (the first is {features[0]!r})",
                    file=path,
                    field=(samples if turned else features)[0],
                    expected="taxa as observations and samples as samples"
                    if turned
                    else "lineages, or a taxonomy beside it",
                    remedy="transpose the table before exporting it"
                    if turned
                    else "pass the taxonomy too (taxonomy.tsv or taxonomy.qza)",
                )
            )
        lineages = features
    _refuse_cells(path, table.values, features, samples)
    return Raw("BIOM", samples, lineages, table.values, np.zeros(len(samples)), [])


def _refuse_cells(path: Path, values: csr_array, features: list[str], samples: list[str]) -> None:
    wrong = ~np.isfinite(values.data) | (values.data < 0)
    if not wrong.any():
        return
    cells = values.tocoo()
    problems = [
        Problem(
            f"the cell is {cells.data[i]:g}",
            file=path,
            field=f"{features[cells.coords[0][i]]}, {samples[cells.coords[1][i]]}",
            expected="a count or fraction of at least 0",
            remedy="correct the table where it was made",
        )
        for i in np.flatnonzero(wrong)[:_MAX_SHOWN]
    ]
    raise ProfileError(problems)


def _profile(raws: list[tuple[Path, Raw]]) -> Profile:
    """Join the files, decide between reads and fractions, and refuse what cannot be right."""
    from scipy.sparse import block_array, csr_array

    hollow = [path for path, raw in raws if not raw.samples or not raw.taxonomy]
    if hollow:
        raise ProfileError(
            [
                Problem(
                    "holds no sample or no taxon",
                    file=path,
                    expected="a header line with sample names, and rows of taxa",
                    remedy="check the first lines and the separator",
                )
                for path in hollow
            ]
        )
    owner: dict[str, Path] = {}
    problems = []
    for path, raw in raws:
        for sample in raw.samples:
            if sample in owner:
                problems.append(
                    Problem(
                        f"sample {sample!r} stands in {owner[sample].name} too",
                        file=path,
                        field=sample,
                        remedy="give each sample once, or rename the file",
                    )
                )
            owner[sample] = path
    if problems:
        raise ProfileError(problems)
    columns: dict[str, int] = {}
    blocks = []
    notes: list[str] = []
    for _, raw in raws:
        where = np.array([columns.setdefault(name, len(columns)) for name in raw.taxonomy], dtype=np.int64)
        block = csr_array(raw.values).T.tocoo()
        blocks.append((where[block.coords[1]], block))
        notes += [note for note in raw.notes if note not in notes]
        if len(columns) < len(raw.taxonomy) and len(raws) == 1 and raw.format != "BIOM":
            notes.append(
                f"{len(raw.taxonomy) - len(columns)} rows repeat the name of another: they were added to it"
            )
    stacked = [
        csr_array((block.data, (block.coords[0], where)), shape=(block.shape[0], len(columns)))
        for where, block in blocks
    ]
    values = csr_array(block_array([[part] for part in stacked])).astype(np.float64)
    apart = np.concatenate([raw.apart for _, raw in raws])
    files = tuple(path for path, _ in raws)
    samples = tuple(sample for _, raw in raws for sample in raw.samples)
    total = np.asarray(values.sum(axis=1)).ravel()
    refuse_samples(samples, total, owner)
    refuse_presences(values, files[0])
    refuse_logarithms(values, files[0])
    kind, apart_share = _kind(values, total, apart)
    if kind == "fractions":
        refuse_sums(samples, total + apart, owner)
    profile = Profile(
        samples, tuple(columns), values, kind, apart_share, raws[0][1].format, files, tuple(notes)
    )
    if raws[0][1].format not in {"MetaPhlAn", "Kraken 2 report"}:
        refuse_repeated(profile)
    return profile


def _kind(
    values: csr_array, total: NDArray[np.float64], apart: NDArray[np.float64]
) -> tuple[str, NDArray[np.float64]]:
    whole = bool(np.all(values.data == np.round(values.data)))
    if whole and total.max() > _WHOLE and not np.allclose(total + apart, 100.0, atol=0.5):
        return "counts", apart / np.maximum(total + apart, 1.0)
    scale = 100.0 if np.median(total + apart) > _SEVERAL else 1.0
    given = np.maximum(total + apart, scale if (total + apart).max() <= _WHOLE * scale else 0.0)
    return "fractions", np.clip(1.0 - total / given, 0.0, 1.0)
