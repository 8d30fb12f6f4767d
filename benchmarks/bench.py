"""Speed at equal error: opiome's engine and its peers. ``--quick`` measures one ratio within a minute."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _cases import Case, opiome, small
from _engines import Measured, libroadrunner, own
from _page import TARGET, Curves, rate_at, write
from _peers import PEERS, measure

OWN_RTOLS = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
PEER_RTOLS = (1e-5, 1e-6, 1e-7)
PEER_DAYS = 14
LARGE_METHOD = "row4w"  # the default for a model as large as opiome's own
QUICK_PATIENTS, QUICK_DAYS = 32, 14
QUICK_RTOLS = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6)  # until one is precise enough
PEER_LIMIT = 300.0  # s of the clock for a peer on a case, its compilation included, unless told otherwise
DOCS = Path(__file__).parents[1] / "docs" / "benchmarks"


def reference(case: Case, method: str = "rodas5p") -> Measured:
    """All states at a tolerance far below the target."""
    return own(case, 1e-9, method)


def curve(case: Case, exact: Measured, repeats: int, few: int) -> Curves:
    """Per engine (rtol, worst error, median rate, failures); interleaved, so that a slow minute hits all."""
    engines = {
        "rodas4": (OWN_RTOLS, case.patients, lambda rtol: own(case, rtol)),
        "rodas5p": (OWN_RTOLS, case.patients, lambda rtol: own(case, rtol, "rodas5p")),
        "row4w": (OWN_RTOLS, case.patients, lambda rtol: own(case, rtol, "row4w")),
        "libRoadRunner BDF": (PEER_RTOLS, few, lambda rtol: libroadrunner(case, rtol, few)),
    }
    runs: dict[tuple[str, float], list[Measured]] = {}
    for _ in range(repeats):
        for name, (rtols, _, run) in engines.items():
            for rtol in rtols:
                if name.startswith("lib") and (name, rtol) in runs:
                    continue  # one run of the slow peer
                runs.setdefault((name, rtol), []).append(run(rtol))
    table: Curves = {}
    for (name, rtol), measured in runs.items():
        n = len(measured[0].values)
        error = case.error(measured[0].values, exact.values[:n], exact.peak[:n])
        rate = float(np.median([m.rate for m in measured]))
        table.setdefault(name, []).append((rtol, float(np.nanmax(error)), rate, measured[0].failures))
    print(f"\n{case.name}")
    for name, rows in table.items():
        for rtol, error, rate, failures in rows:
            print(f"  {name:18s} rtol {rtol:7.0e}  error {error:8.1e}  {rate:10.2f} /s  {failures} failed")
    return table


def elapsed(case: Case, threads: int) -> float:
    """The shortest of three runs, by the clock on the wall."""
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        own(case, 1e-4, LARGE_METHOD, threads=threads)
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
    """Opiome's own model, 14 days: one ratio at equal error against libRoadRunner's default.

    libRoadRunner, which loads for most of a minute, runs in a process of its own meanwhile; both sides are
    timed by their own processor time.
    """
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "peer.npz"
        with subprocess.Popen([sys.executable, __file__, "--peer", str(answer)]) as other:
            case = opiome(QUICK_PATIENTS, QUICK_DAYS)
            exact = reference(case, LARGE_METHOD)  # no second method to compile
            mine = []
            for rtol in QUICK_RTOLS:
                runs = [own(case, rtol, LARGE_METHOD) for _ in range(3)]
                error = float(case.error(runs[0].values, exact.values, exact.peak).max())
                mine.append((error, float(np.median([r.rate for r in runs]))))
                print(
                    f"opiome         rtol {rtol:.0e}: error {error:.1e}, {mine[-1][1]:.1f} patients/s",
                    flush=True,
                )
                if error <= TARGET:  # measured on both sides of the target: nothing is extrapolated
                    break
            if other.wait():
                raise SystemExit("libRoadRunner did not run; what it wrote stands above")
        found = np.load(answer)
        theirs = []
        for rtol, values, rate in zip(found["rtols"], found["values"], found["rates"], strict=True):
            n = len(values)
            theirs.append((float(case.error(values, exact.values[:n], exact.peak[:n]).max()), float(rate)))
            print(
                f"libRoadRunner  rtol {rtol:.0e}: error {theirs[-1][0]:.1e}, {rate:.2f} patients/s",
                flush=True,
            )
    print(f"model {case.sha256[:16]}, 14 days, error {TARGET:g}, {time.perf_counter() - begin:.0f} s")
    print(f"ratio={rate_at(mine) / rate_at(theirs):.1f}")


def peer(answer: Path) -> None:
    """The part of ``quick`` that libRoadRunner runs: values and rates at two tolerances."""
    case, rtols = opiome(QUICK_PATIENTS, QUICK_DAYS), (1e-5, 1e-6)
    runs = [libroadrunner(case, rtol, 1) for rtol in rtols]  # one person: more would take most of the minute
    np.savez(answer, rtols=rtols, values=[r.values for r in runs], rates=[r.rate for r in runs])


def peers(case: Case, exact: Measured, whole: Case, table: Curves, limit: float) -> dict[str, str]:
    """Add the peers that run in a process of their own, at rates of the whole case; say why of the others."""
    silent: dict[str, str] = {}
    patients = min(8, case.patients)
    for name in PEERS:
        runs = measure(name, case.name, days=PEER_DAYS, patients=patients, rtols=PEER_RTOLS, limit=limit)
        if isinstance(runs, str):
            silent[name] = runs
        else:
            table[name] = [
                (
                    rtol,
                    float(case.error(r.values, exact.values[:patients], exact.peak[:patients]).max()),
                    r.rate * case.hours / whole.hours,
                    r.failures,
                )
                for rtol, r in zip(PEER_RTOLS, runs, strict=True)
            ]
        print(f"  {name}: {silent.get(name) or table[name]}", flush=True)
    return silent


def whole_trial() -> float:
    """Seconds on the clock of one published trial from study file to report, 500 patients per arm."""
    with tempfile.TemporaryDirectory() as folder:
        order = [str(Path(sys.executable).with_name("opiome")), "run", "compose-4", "--patients", "500"]
        begin = time.perf_counter()
        subprocess.run([*order, "--out", str(Path(folder) / "r")], check=True, capture_output=True)
        return time.perf_counter() - begin


def full(days: int, repeats: int, limit: float) -> None:
    """Every case; writes the table and the figure."""
    load = os.getloadavg()[0]
    trial = whole_trial()
    tables, silent = {}, {}
    for case, few in [(opiome(32, days), 2), *((c, min(8, c.patients)) for c in small())]:
        exact = reference(case)
        tables[case.name] = curve(case, exact, repeats, few)
        short = opiome(32, PEER_DAYS) if case.name == "opiome" else case
        exact = exact if short is case else reference(short)
        silent[case.name] = peers(short, exact, case, tables[case.name], limit)
    scale = {t: elapsed(opiome(128, days), t) for t in (1, 2)}
    clock = {rtol: own(opiome(500, 84), rtol, LARGE_METHOD, threads=2).seconds for rtol in (1e-3, 1e-4)}
    text = ", ".join(f"{k} {v:.2f}" for k, v in phases().items())
    facts = {
        "A whole trial, study file to report (COMPOSE-4, 500 per arm, screening included)": f"{trial:.0f} s",
        "500 patients x 84 days, two threads": ", ".join(
            f"rtol {r:.0e}: {t:.1f} s" for r, t in clock.items()
        ),
        "Two threads against one, by the clock": f"{scale[1] / scale[2]:.2f} x",
        "Phases of a new process, s": text,
    }
    facts["Machine"] = f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at the start"
    facts["opiome's model"] = f"{days} days, a dose every 12 h, sha256 `{opiome(1).sha256[:16]}`"
    write(DOCS, tables, silent, facts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one ratio, within a minute")
    parser.add_argument("--days", type=int, default=84, help="days of opiome's own model")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-limit", type=float, default=PEER_LIMIT, help="s for a peer on a case")
    parser.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        peer(arguments.peer)
    elif arguments.quick:
        quick()
    else:
        full(arguments.days, arguments.repeats, arguments.peer_limit)
