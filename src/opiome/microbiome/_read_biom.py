"""BIOM 1.0 (JSON) and 2.1 (HDF5), by biom-format.

HDF5 is read in a process of its own: a damaged file can crash libhdf5, and a crash must be a refusal with
a remedy, not the end of the program.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opiome.errors import Problem, ProfileError

if TYPE_CHECKING:
    from biom import Table
    from scipy.sparse import csr_array

__all__ = ["Features", "read_hdf5", "read_json", "taxonomy_of"]

_KEYS = ("taxonomy", "Taxon", "taxon", "taxa", "Consensus Lineage", "lineage")
_CHILD = ("-m", "opiome.microbiome._hdf5_child")
_PATIENCE_S = 600


@dataclass(frozen=True, eq=False)
class Features:
    """A feature table: ``values`` (n_features, n_samples), and the lineage of each feature where told."""

    names: list[str]
    samples: list[str]
    lineages: list[str] | None
    values: csr_array


def _broken(path: Path, why: str, **place: Any) -> ProfileError:  # noqa: ANN401 (fields of Problem)
    return ProfileError(
        Problem(
            f"the BIOM file cannot be read ({why.splitlines()[0] if why else 'no reason given'})",
            file=path,
            expected="a complete BIOM 1.0 (JSON) or 2.1 (HDF5) table",
            **place,
            remedy="it may be truncated: copy it again and check it with `biom validate-table`",
        )
    )


def read_hdf5(data: bytes, path: Path) -> Features:
    """Read BIOM 2.x from bytes, in a process of its own. Raises ProfileError for a broken file."""
    import numpy as np
    from scipy.sparse import csr_array

    with tempfile.TemporaryDirectory(prefix="opiome-biom-") as name:
        folder = Path(name)
        (folder / "table.biom").write_bytes(data)
        place = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        try:
            ended = subprocess.run(  # noqa: S603 (the program itself, on a file that it wrote)
                [sys.executable, *_CHILD, str(folder)],
                check=False,
                capture_output=True,
                env=place,
                timeout=_PATIENCE_S,
            )
        except subprocess.TimeoutExpired as error:
            raise _broken(path, f"reading took longer than {_PATIENCE_S} s") from error
        problem = folder / "problem.json"
        if problem.exists():
            raise _broken(path, json.loads(problem.read_text(encoding="utf-8")))
        if ended.returncode or not (folder / "names.json").exists():
            raise _broken(path, f"the HDF5 library broke off with status {ended.returncode}")
        names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
        with np.load(folder / "matrix.npz", allow_pickle=False) as held:
            parts = (held["data"], held["indices"], held["indptr"])
    shape = (len(names["features"]), len(names["samples"]))
    return Features(names["features"], names["samples"], names["lineages"], csr_array(parts, shape=shape))


def read_json(text: str, path: Path) -> Features:
    """Read BIOM 1.0 from text. Raises ProfileError for a broken file, with line and column."""
    from biom import Table
    from scipy.sparse import csr_array

    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise _broken(path, str(error), line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        raise _broken(path, "it is nested too deeply") from error
    if not isinstance(content, dict) or not {"rows", "columns", "data", "shape"} <= set(content):
        raise ProfileError(
            Problem(
                "is JSON, but not a BIOM table",
                file=path,
                expected="the keys rows, columns, data and shape",
                remedy="export the table as BIOM or as tab-separated text",
            )
        )
    for key in ("rows", "columns"):
        if not isinstance(content[key], list) or not all(isinstance(item, dict) for item in content[key]):
            raise _broken(path, f"{key} is not a list of objects", field=key)
    told = [len(content["rows"]), len(content["columns"])]
    if content["shape"] != told:
        raise _broken(
            path, f"shape is {content['shape']}, and there are {told} rows and columns", field="shape"
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
            table = Table.from_json(content)
            return Features(
                [str(name) for name in table.ids(axis="observation")],
                names,
                taxonomy_of(table),
                csr_array(table.matrix_data),
            )
    except Exception as error:
        raise _broken(path, str(error) or type(error).__name__) from error


def taxonomy_of(table: Table) -> list[str] | None:
    """Return the lineage of each feature as one string, or None where the table holds none."""
    metadata = table.metadata(axis="observation")
    if metadata is None:
        return None
    key = next((k for k in _KEYS if any(entry and k in entry for entry in metadata)), None)
    if key is None:
        return None
    lineages = []
    for entry in metadata:
        value = entry.get(key) if entry else None
        lineages.append(value if isinstance(value, str) else ";".join(str(v) for v in value or ()))
    return lineages
