"""A process of its own that reads one BIOM 2.x file, so that what breaks libhdf5 breaks only this process.

``python -m opiome.microbiome._hdf5_child FOLDER`` reads ``FOLDER/table.biom`` and leaves ``matrix.npz`` and
``names.json`` beside it, or ``problem.json`` with what is wrong. It is started by ``_read_biom``.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opiome.microbiome._text import MAX_RATIO, MAX_UNPACKED

if TYPE_CHECKING:
    from collections.abc import Iterator

_SMALL = 64 * 1024**2
_DEEPEST = 8
_MEMORY = 4 * MAX_UNPACKED


def bounded() -> None:
    """Bound the memory of this process and leave no core file, where the system can."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(
        resource.RLIMIT_AS, (min(_MEMORY, hard) if hard != resource.RLIM_INFINITY else _MEMORY, hard)
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def datasets(group: Any, depth: int = 0) -> Iterator[Any]:  # noqa: ANN401 (h5py has no types)
    """Every dataset below a group. Raises ValueError for data that lie in other files."""
    import h5py

    for name in group:
        link = group.get(name, getlink=True)
        item = group[name] if isinstance(link, h5py.HardLink) else None
        outside = isinstance(link, h5py.ExternalLink)
        if isinstance(item, h5py.Dataset):
            outside |= bool(item.external) or bool(item.is_virtual)
        if outside:
            raise ValueError("it holds its data in other files")
        if isinstance(item, h5py.Dataset):
            yield item
        elif item is not None and depth < _DEEPEST:
            yield from datasets(item, depth + 1)


def wrong(store: Any, size: int) -> str:  # noqa: ANN401 (h5py has no types)
    """What is wrong with a BIOM file of ``size`` bytes; bad indices would crash, not raise."""
    import h5py
    import numpy as np

    claimed = sum(item.size * max(item.dtype.itemsize, 1) for item in datasets(store))
    if claimed > min(MAX_UNPACKED, max(_SMALL, size * MAX_RATIO)):
        return f"it unpacks to {claimed} bytes from {size}"
    if not all(isinstance(store.get(axis), h5py.Group) for axis in ("observation", "sample")):
        return "it has no observation and sample groups"
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


def read(folder: Path) -> str:
    """Read ``table.biom`` of a folder and write what it holds; returns what is wrong, empty if nothing."""
    import h5py
    import numpy as np
    from biom import Table

    from opiome.microbiome._read_biom import taxonomy_of

    path = folder / "table.biom"
    with h5py.File(path, "r") as store:
        found = wrong(store, path.stat().st_size)
        if found:
            return found
        table = Table.from_hdf5(store)
    matrix = table.matrix_data.tocsr()
    np.savez(folder / "matrix.npz", data=matrix.data, indices=matrix.indices, indptr=matrix.indptr)
    names = {
        "features": [str(name) for name in table.ids(axis="observation")],
        "samples": [str(name) for name in table.ids()],
        "lineages": taxonomy_of(table),
    }
    (folder / "names.json").write_text(json.dumps(names), encoding="utf-8")
    return ""


def main() -> int:
    """Read the table of the folder that the command line names."""
    bounded()
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    try:
        found = read(folder)
    except Exception as error:  # noqa: BLE001 (h5py and biom raise a dozen kinds for broken files)
        found = (str(error) or type(error).__name__).splitlines()[0]
    if found:
        (folder / "problem.json").write_text(json.dumps(found), encoding="utf-8")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
