"""BIOM 1.0 (JSON) and 2.1 (HDF5), by biom-format."""

from __future__ import annotations

import io
import json
import warnings
from typing import TYPE_CHECKING, Any

from opiome.errors import Problem, ProfileError

if TYPE_CHECKING:
    from pathlib import Path

    from biom import Table

__all__ = ["read_hdf5", "read_json", "taxonomy_of"]

_KEYS = ("taxonomy", "Taxon", "taxon", "taxa", "Consensus Lineage", "lineage")


def _broken(path: Path, error: Exception, **place: Any) -> ProfileError:  # noqa: ANN401 (fields of Problem)
    return ProfileError(
        Problem(
            f"the BIOM file cannot be read ({(str(error) or type(error).__name__).splitlines()[0]})",
            file=path,
            expected="a complete BIOM 1.0 (JSON) or 2.1 (HDF5) table",
            **place,
            remedy="it may be truncated: copy it again and check it with `biom validate-table`",
        )
    )


def read_hdf5(data: bytes, path: Path) -> Table:
    """Read BIOM 2.x from bytes. Raises ProfileError for a broken file."""
    import h5py
    from biom import Table

    try:
        with warnings.catch_warnings(), h5py.File(io.BytesIO(data), "r") as store:
            warnings.simplefilter("ignore")
            wrong = _bad_matrix(store)
            table = None if wrong else Table.from_hdf5(store)
    except Exception as error:
        raise _broken(path, error) from error
    if table is None:
        raise _broken(path, ValueError(wrong))
    return table


def _bad_matrix(store: Any) -> str:  # noqa: ANN401 (an h5py file)
    """What is wrong with the sparse matrices of a BIOM file; bad indices would crash, not raise."""
    import numpy as np

    rows, columns = (int(n) for n in store.attrs["shape"])
    for axis, major, minor in (("observation", rows, columns), ("sample", columns, rows)):
        if len(store[f"{axis}/ids"]) != major:
            return f"{axis}/ids does not have {major} names"
        matrix = store[f"{axis}/matrix"]
        data, indices, starts = (np.asarray(matrix[name]) for name in ("data", "indices", "indptr"))
        if (
            len(starts) != major + 1
            or len(data) != len(indices)
            or starts[0] != 0
            or starts[-1] != len(data)
            or (np.diff(starts.astype(np.int64)) < 0).any()
            or (len(indices) and (indices.min() < 0 or indices.max() >= minor))
        ):
            return f"the indices of {axis}/matrix do not fit a table of {rows} x {columns}"
    return ""


def read_json(text: str, path: Path) -> Table:
    """Read BIOM 1.0 from text. Raises ProfileError for a broken file, with line and column."""
    from biom import Table

    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise _broken(path, error, line=error.lineno, column=error.colno) from error
    if not isinstance(content, dict) or not {"rows", "columns", "data", "shape"} <= set(content):
        raise ProfileError(
            Problem(
                "is JSON, but not a BIOM table",
                file=path,
                expected="the keys rows, columns, data and shape",
                remedy="export the table as BIOM or as tab-separated text",
            )
        )
    names = [str(column.get("id")) for column in content["columns"]]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise ProfileError(
            [
                Problem(
                    f"sample {name} stands twice",
                    file=path,
                    field=name,
                    expected="one column per sample",
                    remedy="add the runs of one sample together, or name them apart",
                )
                for name in twice
            ]
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Table.from_json(content)
    except Exception as error:
        raise _broken(path, error) from error


def taxonomy_of(table: Table) -> list[str] | None:
    """Return the lineage of each feature as one string, or None where the table holds none."""
    metadata = table.metadata(axis="observation")
    if metadata is None:
        return None
    key = next((k for k in _KEYS if metadata[0] and k in metadata[0]), None)
    if key is None:
        return None
    lineages = []
    for entry in metadata:
        value = entry.get(key) if entry else None
        lineages.append(value if isinstance(value, str) else ";".join(str(v) for v in value or ()))
    return lineages
