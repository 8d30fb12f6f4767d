"""Speed at equal error: opiome's engine and libRoadRunner. ``--quick`` measures one ratio within a minute."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from _cases import Case, opiome, small
from _engines import Measured, libroadrunner, own

TARGET = 1e-4
OWN_RTOLS = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
PEER_RTOLS = (1e-5, 1e-6, 1e-7)
DOCS = Path(__file__).parents[1] / "docs" / "benchmarks"


def rate_at(points: list[tuple[float, float]], target: float = TARGET) -> float:
    """Patients/s at an error, by log-log interpolation between measured (error, rate)."""
    points = sorted(points)
    error, rate = (np.log(np.array(column)) for column in zip(*points, strict=True))
    if len(points) == 1 or (error < np.log(target)).all():
        return float(np.exp(rate[-1]))  # better than asked for: what it does is what it can do
    k = int(np.clip(np.searchsorted(error, np.log(target)), 1, len(points) - 1))
    slope = (rate[k] - rate[k - 1]) / (error[k] - error[k - 1])
    return float(np.exp(rate[k - 1] + slope * (np.log(target) - error[k - 1])))


def reference(case: Case, method: str = "rodas5p") -> Measured:
    """All states at a tolerance far below the target."""
    return own(case, 1e-9, method)


def curve(
    case: Case, label: str, repeats: int, peers: int
) -> dict[str, list[tuple[float, float, float, int]]]:
    """Per engine (rtol, worst error, median rate, failures); interleaved, so that a slow minute hits all."""
    exact = reference(case)
    engines = {
        "rodas4": (OWN_RTOLS, case.patients, lambda rtol: own(case, rtol)),
        "rodas5p": (OWN_RTOLS, case.patients, lambda rtol: own(case, rtol, "rodas5p")),
        "libRoadRunner BDF": (PEER_RTOLS, peers, lambda rtol: libroadrunner(case, rtol, peers)),
    }
    runs: dict[tuple[str, float], list[Measured]] = {}
    for _ in range(repeats):
        for name, (rtols, _, run) in engines.items():
            for rtol in rtols:
                if name.startswith("lib") and (name, rtol) in runs:
                    continue  # one run of the slow peer
                runs.setdefault((name, rtol), []).append(run(rtol))
    table: dict[str, list[tuple[float, float, float, int]]] = {}
    for (name, rtol), measured in runs.items():
        n = len(measured[0].values)
        error = case.error(measured[0].values, exact.values[:n], exact.peak[:n])
        rate = float(np.median([m.rate for m in measured]))
        table.setdefault(name, []).append((rtol, float(np.nanmax(error)), rate, measured[0].failures))
    print(f"\n{label}")
    for name, rows in table.items():
        for rtol, error, rate, failures in rows:
            print(f"  {name:18s} rtol {rtol:7.0e}  error {error:8.1e}  {rate:10.2f} /s  {failures} failed")
    return table


def elapsed(case: Case, threads: int) -> float:
    """The shortest of three runs, by the clock on the wall."""
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        own(case, 1e-4, threads=threads)
        best = min(best, time.perf_counter() - begin)
    return best


def phases() -> dict[str, float]:
    """Seconds of a new process: import, compile (cold, then cached), first step, 100 patients x 84 days."""
    script = (
        "import time; t = [time.perf_counter()]; from opiome import engine; t.append(time.perf_counter());"
        "import gzip, sys; s = gzip.decompress(open(sys.argv[1], 'rb').read()).decode();"
        "p = engine.compile(s, outputs=['analgesia']); t.append(time.perf_counter());"
        "p.ensemble({}).advance(0.1); t.append(time.perf_counter());"
        "p.ensemble({}, n=100).advance(2016.0); t.append(time.perf_counter());"
        "print(*[b - a for a, b in zip(t, t[1:])])"
    )
    model = str(Path(__file__).parent / "models" / "opiome.xml.gz")
    import tempfile

    result = {}
    with tempfile.TemporaryDirectory() as folder:
        for label in ("cold", "cached"):
            environment = {**os.environ, "OPIOME_CACHE": folder}
            answer = subprocess.run(
                [sys.executable, "-c", script, model],
                capture_output=True,
                text=True,
                check=True,
                env=environment,
            ).stdout.split()
            for name, value in zip(("import", "compile", "first step", "100 patients"), answer, strict=True):
                result[f"{name}, {label}"] = float(value)
    return result


def quick() -> None:
    """Opiome's own model, 14 days: one ratio at equal error against libRoadRunner's default."""
    begin = time.perf_counter()
    case = opiome(patients=32, days=14)
    exact = reference(case, "rodas4")  # no second method to compile
    mine = []
    for rtol in (1e-3, 1e-4, 1e-5):
        runs = [own(case, rtol) for _ in range(3)]
        mine.append(
            (
                float(case.error(runs[0].values, exact.values, exact.peak).max()),
                float(np.median([r.rate for r in runs])),
            )
        )
        print(
            f"opiome         rtol {rtol:.0e}: error {mine[-1][0]:.1e}, {mine[-1][1]:.1f} patients/s",
            flush=True,
        )
    theirs = []
    for rtol in (1e-5, 1e-6):
        run = libroadrunner(case, rtol, 2)
        theirs.append((float(case.error(run.values, exact.values[:2], exact.peak[:2]).max()), run.rate))
        print(
            f"libRoadRunner  rtol {rtol:.0e}: error {theirs[-1][0]:.1e}, {theirs[-1][1]:.2f} patients/s",
            flush=True,
        )
    print(f"model {case.sha256[:16]}, 14 days, error {TARGET:g}, {time.perf_counter() - begin:.0f} s")
    print(f"ratio={rate_at(mine) / rate_at(theirs):.1f}")


def full(days: int, repeats: int) -> None:
    """Every case; writes the table and the figure."""
    load = os.getloadavg()[0]
    cases = [(opiome(32, days), 2), *((c, min(8, c.patients)) for c in small())]
    tables = {case.name: curve(case, case.name, repeats, peers) for case, peers in cases}
    scale = {t: elapsed(opiome(128, days), t) for t in (1, 2)}
    trial = own(opiome(500, 84), 1e-4, threads=2).seconds
    write(cases[0][0], days, tables, phases(), scale, trial, load)


def write(  # noqa: PLR0917 - the parts of one page
    case: Case,
    days: int,
    tables: dict,
    times: dict[str, float],
    scale: dict[int, float],
    trial: float,
    load: float,
) -> None:
    """docs/benchmarks/speed.md and speed.svg."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    lines = [
        "# How fast is the engine, at equal error?",
        "",
        "Error: worst |y - ref| / (|ref| + 1e-3 peak) over states, times, patients (reference Rodas5P 1e-9).",
        f"Machine: {platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at the start.",
        "Rates are per second of processor time.",
        f"opiome's model: {days} days, a dose every 12 h, sha256 `{case.sha256[:16]}`.",
        "",
        "libRoadRunner runs as it comes (CVODE, BDF, numerical Jacobian), restarted at each dose, on the",
        "model without the rules that only observe; loading it (about 35 s for opiome's model) is not timed.",
        "Not measured here: AMICI, COPASI, diffrax, heyoka, numbalsoda.",
        "",
        "| case | engine | rtol | worst error | patients/s/core | failed |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {engine} | {rtol:.0e} | {error:.1e} | {rate:.3g} | {failed} |"
        for name, table in tables.items()
        for engine, rows in table.items()
        for rtol, error, rate, failed in rows
    ]
    lines += [
        "",
        f"At an error of {TARGET:g}:",
        "",
        "| case | best own | libRoadRunner BDF | ratio |",
        "|---|---|---|---|",
    ]
    for name, table in tables.items():
        at = {engine: rate_at([(e, r) for _, e, r, _ in rows]) for engine, rows in table.items()}
        best = max(at["rodas4"], at["rodas5p"])
        lines.append(
            f"| {name} | {best:.3g} | {at['libRoadRunner BDF']:.3g} | {best / at['libRoadRunner BDF']:.0f} |"
        )
    lines += ["", "Phases of a new process, s: " + "; ".join(f"{k} {v:.2f}" for k, v in times.items()) + "."]
    lines += [
        f"Two threads: {scale[1] / scale[2]:.2f} x one, elapsed. 500 patients, 84 days: {trial:.1f} s.",
        "",
    ]
    lines += ["![work and precision](speed.svg)", ""]
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "speed.md").write_text("\n".join(lines), encoding="utf-8")
    figure, axes = plt.subplots(1, len(tables), figsize=(3.2 * len(tables), 3.2), layout="constrained")
    for axis, (name, table) in zip(np.atleast_1d(axes), tables.items(), strict=True):
        for engine, rows in table.items():
            axis.loglog([r[1] for r in rows], [r[2] for r in rows], "o-", label=engine, markersize=4)
        axis.set(title=name, xlabel="worst error")
        axis.invert_xaxis()
    np.atleast_1d(axes)[0].set_ylabel("patients / s / core")
    np.atleast_1d(axes)[0].legend(frameon=False, fontsize=8)
    figure.savefig(DOCS / "speed.svg", metadata={"Date": None})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one ratio, within a minute")
    parser.add_argument("--days", type=int, default=84, help="days of opiome's own model")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    quick() if arguments.quick else full(arguments.days, arguments.repeats)
