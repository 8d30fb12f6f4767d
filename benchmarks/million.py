"""Many patients, 84 days each, reduced to daily quantile bands on the way: rate and memory.

Run as ``python benchmarks/million.py --patients 1000000``. What was counted is kept after every chunk, so the
same command goes on where a run was stopped; ``--folder`` says where. The last line is a hash of every count:
it depends on the number of patients and the tolerance, not on chunks, threads or interruptions.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _cases import Case, opiome

from opiome import engine
from opiome.streams import exp, normal

if TYPE_CHECKING:
    from collections.abc import Iterator

DAYS = 84
SEED = 2024
CV = 0.2
OUTPUTS = {  # with the edges of their histograms
    "analgesia": (0.0, 1.0), "butyrate_flux": (0.0, 40.0), "bm_rate": (0.0, 0.5),
    "whole_gut_transit": (0.0, 200.0), "stool_water": (0.0, 1.0), "plasma_lps": (0.0, 100.0),
    "tnf": (0.0, 20.0), "il6": (0.0, 20.0), "flora_score": (0.0, 4.0), "opioid_exposure": (0.0, 1.0),
}  # fmt: skip
MEGABYTE = 1024.0  # ru_maxrss is in kB


def population(case: Case, first: int, last: int) -> dict[str, np.ndarray]:
    """The parameters that differ between people, of patients ``first`` to ``last``: log-normal, by number."""
    names = sorted(case.parameters)
    z = normal(SEED, "million", np.arange(first, last)[:, None], draw=np.arange(len(names))[None, :])
    defaults = engine.compile(case.sbml, outputs=[]).defaults
    return {name: defaults[name] * exp(CV * z[:, k]) for k, name in enumerate(names)}


def chunks(case: Case, done: int, given: argparse.Namespace) -> Iterator[engine.Ensemble]:
    """Ensembles of the patients from number ``done`` on."""
    shared = engine.compile(case.sbml, outputs=[]).defaults.keys() - case.parameters.keys()
    program = engine.compile(case.sbml, outputs=list(OUTPUTS), shared=shared)
    doses = engine.EventTable(
        TIME=np.array([0.0]), AMT=np.array([case.amount]), CMT=np.array([case.state], dtype=object),
        II=np.array([case.interval]), ADDL=np.array([len(case.doses) - 1]),
    )  # fmt: skip
    for first in range(done, given.patients, given.chunk):
        people = population(case, first, min(first + given.chunk, given.patients))
        yield program.ensemble(people, events=doses, rtol=given.rtol, threads=given.threads)


def run(given: argparse.Namespace) -> engine.Bands:
    """Go on from what the folder holds, and print rate and memory after every chunk."""
    case = opiome(1, given.days)
    name = f"bands-{case.sha256[:8]}-{given.patients}-{given.days}-{given.rtol:g}.npz"
    path = given.folder / name
    given.folder.mkdir(parents=True, exist_ok=True)
    bands, done = engine.Bands(case.times, *map(list, zip(*OUTPUTS.values(), strict=True))), 0
    if path.exists():
        bands, done = engine.Bands.read(path)
        print(f"{done} patients are in {path}")
    begin, used, start, failed = time.perf_counter(), time.process_time(), done, 0
    for ensemble in chunks(case, done, given):
        engine.stream([ensemble], case.hours, bands)
        done, failed = done + len(ensemble), failed + len(ensemble.failures)
        bands.write(path, done)
        clock, work = time.perf_counter() - begin, time.process_time() - used
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
        print(
            f"{done:8d} patients, {failed} failed, {(done - start) / clock:.1f} /s by the clock,",
            f"{(done - start) / work:.1f} /s of processor time,",
            f"10^6 in {1e6 * clock / (done - start) / 60:.0f} min, peak {memory:.0f} MB",
            flush=True,
        )
    return bands


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("million"))
    parser.add_argument("--chunk", type=int, default=2048, help="patients in memory at a time")
    parser.add_argument("--rtol", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--days", type=int, default=DAYS)
    bands = run(parser.parse_args())
    for k, name in enumerate(OUTPUTS):
        low, middle, high = (bands.quantile(q)[-1, k] for q in (0.05, 0.5, 0.95))
        print(f"{name} on the last day: 5 % {low:.4g}, median {middle:.4g}, 95 % {high:.4g}")
    print(f"digest {bands.digest()}")


if __name__ == "__main__":
    main()
