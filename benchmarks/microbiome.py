"""How long a table of 1,000 samples and 5,000 taxa takes to read and map, and how much memory.

Run as ``python benchmarks/microbiome.py``; the target is 5 s and 1 GB. The table is made here, with the
taxonomy of Greengenes style that 16S pipelines write, so that nothing needs downloading. Reading runs in a
process of its own, so that making the table does not count; ``cpu_s`` includes starting Python and is what
a busy machine cannot change. HDF5 is read in a further process: its time is in ``cpu_s``, and its memory
stands apart, as the two peaks do not fall together (their sum is held to the target nonetheless).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from opiome.streams import uniform

GENERA = (
    "Bacteroides", "Faecalibacterium", "Blautia", "Roseburia", "Bifidobacterium", "Akkermansia",
    "Streptococcus", "Escherichia", "Bilophila", "Prevotella", "Ruminococcus", "Unnamed",
)  # fmt: skip


def make(path: Path, samples: int, taxa: int, filled: float) -> None:
    """Write a BIOM 2.1 table of which ``filled`` of the cells hold reads."""
    import h5py
    from biom import Table
    from scipy.sparse import csr_matrix

    rows, columns = np.arange(taxa)[:, None], np.arange(samples)[None, :]
    u = uniform(1, "benchmark", rows, draw=columns)
    counts = np.where(u < filled, np.ceil(50.0 * (1.0 - u / filled) ** 3), 0.0)
    lineages = [
        {
            "taxonomy": [
                "k__Bacteria",
                "p__P",
                "c__C",
                "o__O",
                "f__Lachnospiraceae",
                f"g__{GENERA[i % len(GENERA)]}",
                f"s__x{i}",
            ]
        }
        for i in range(taxa)
    ]
    names = [f"feature{i}" for i in range(taxa)], [f"sample{i}" for i in range(samples)]
    with h5py.File(path, "w") as store:
        Table(csr_matrix(counts), *names, observation_metadata=lineages).to_hdf5(store, "opiome benchmark")


def measure(path: str) -> None:
    """Read and map one table, and print what it took."""
    start = time.perf_counter()
    from opiome.microbiome import map_guilds, read_profile

    profile = read_profile(path)
    read = time.perf_counter()
    guilds = map_guilds(profile)
    end = time.perf_counter()
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        json.dumps(
            {
                "samples": len(profile.samples),
                "taxa": len(profile.taxonomy),
                "read_s": round(read - start, 2),
                "map_s": round(end - read, 2),
                "total_s": round(end - start, 2),
                "cpu_s": round(time.process_time() + child.ru_utime + child.ru_stime, 2),
                "mapped": round(float(guilds.mapped.mean()), 3),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                "child_mb": round(child.ru_maxrss / 1024),
            }
        )
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--taxa", type=int, default=5000)
    parser.add_argument("--filled", type=float, default=0.2, help="share of cells above zero")
    parser.add_argument("--read", help="a table to read in place of a made one")
    given = parser.parse_args()
    if given.read:
        measure(given.read)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.biom"
        make(path, given.samples, given.taxa, given.filled)
        out = subprocess.run(
            [sys.executable, __file__, "--read", str(path)], check=True, capture_output=True, text=True
        )
    took = json.loads(out.stdout)
    for key, value in took.items():
        print(f"{key:<8} {value}")
    met = took["total_s"] <= 5 and took["peak_mb"] + took["child_mb"] <= 1024
    print("target   <= 5 s, <= 1024 MB:", "met" if met else "NOT MET (compare cpu_s if the machine is busy)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
