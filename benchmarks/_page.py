"""The page and the figure of the benchmarks, from what was measured."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - used at run time by readers of the signature

import numpy as np

TARGET = 1e-4
OWN = ("rodas4", "rodas5p", "row4w")
COLOURS = {  # Okabe-Ito
    "rodas4": "#0072B2", "rodas5p": "#56B4E9", "row4w": "#08306B", "libRoadRunner BDF": "#D55E00",
    "AMICI": "#E69F00", "COPASI": "#009E73", "CVODE (scikit-sundae)": "#CC79A7", "SciPy LSODA": "#999999",
    "diffrax Kvaerno5": "#000000", "heyoka": "#8B6D00",
}  # fmt: skip
MARKERS = {  # so that the curves can be told apart in grey, too
    "rodas4": "o", "rodas5p": "s", "row4w": "D", "libRoadRunner BDF": "^", "AMICI": "v", "COPASI": "<",
    "CVODE (scikit-sundae)": ">", "SciPy LSODA": "P", "diffrax Kvaerno5": "X", "heyoka": "*",
}  # fmt: skip
Curves = dict[str, list[tuple[float, float, float, int]]]  # engine: rtol, worst error, patients/s, failures


def rate_at(points: list[tuple[float, float]], target: float = TARGET) -> float:
    """Patients/s at an error, by log-log interpolation between measured (error, rate)."""
    points = sorted(points)
    error, rate = (np.log(np.array(column)) for column in zip(*points, strict=True))
    if len(points) == 1 or (error < np.log(target)).all():
        return float(np.exp(rate[-1]))  # better than asked for: what it does is what it can do
    k = int(np.clip(np.searchsorted(error, np.log(target)), 1, len(points) - 1))
    slope = (rate[k] - rate[k - 1]) / (error[k] - error[k - 1])
    return float(np.exp(rate[k - 1] + slope * (np.log(target) - error[k - 1])))


def best(table: Curves) -> tuple[str, float]:
    """The faster of the own methods at the target error, and its rate."""
    return max(((m, rate_at([(e, r) for _, e, r, _ in table[m]])) for m in OWN), key=lambda pair: pair[1])


def at_target(rows: list[tuple[float, float, float, int]]) -> float | None:
    """Rate of a peer at the target error; None where it never got there."""
    good = [(e, r) for _, e, r, failed in rows if np.isfinite(e) and not failed]
    return rate_at(good) if good and min(e for e, _ in good) <= TARGET else None


NOTES = """
Error: the worst |y - ref| / (|ref| + 1e-3 peak) over states, times and patients (reference: Rodas5P, 1e-9).
Rates are per second of processor time, so that a busy machine changes them little; loading and compiling
are not timed. On opiome's model peers run 14 days and 8 patients (libRoadRunner 84 days and 2), their rate
is given per 84 days. Own engine: the median of several runs; peers: one run.
Peers that work patient by patient are restarted at each dose; COPASI has the doses as SBML events. LSODA and
CVODE call rates compiled by numba and form the Jacobian by differences; diffrax and heyoka take 8 patients in
a batch; AMICI is its generated C++ with KLU. numbalsoda has no wheel and needs a Fortran compiler: not built.
A peer that is more precise than the target at every tolerance is taken at its fastest point.
"""


def write(
    folder: Path, tables: dict[str, Curves], silent: dict[str, dict[str, str]], facts: dict[str, str]
) -> None:
    """speed.md and speed.svg."""
    peers = list(dict.fromkeys(name for table in tables.values() for name in table if name not in OWN))
    lines = ["# How fast is the engine, at equal error?", "", "| | |", "|---|---|"]
    lines += [f"| {fact} | {value} |" for fact, value in facts.items()]
    lines += ["", f"## How many times faster, at an error of {TARGET:g}?", ""]
    lines += ["| case | opiome, patients/s/core | " + " | ".join(peers) + " |"]
    lines += ["|---" * (len(peers) + 2) + "|"]
    for name, table in tables.items():
        method, rate = best(table)
        row = []
        for peer in peers:
            theirs = at_target(table[peer]) if peer in table else None
            row.append(f"{rate / theirs:.3g} x" if theirs else "not reached" if peer in table else "-")
        lines.append(f"| {name} | {rate:.3g} ({method}) | " + " | ".join(row) + " |")
    lines += ["", "![work and precision](speed.svg)", "", "## How was it measured?", NOTES]
    lines += [f"- {case}, {peer}: {why}" for case, reasons in silent.items() for peer, why in reasons.items()]
    lines += [
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
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "speed.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    picture(tables, folder / "speed.svg")


def picture(tables: dict[str, Curves], path: Path) -> None:
    """Work against precision, a panel a case."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(11, 6.4), layout="constrained")
    drawn = {}
    for axis, (name, table) in zip(axes.flat, tables.items(), strict=False):
        for engine, rows in table.items():
            thick = 2.2 if engine in OWN else 1.2
            (drawn[engine],) = axis.loglog(
                [r[1] for r in rows], [r[2] for r in rows], "-",
                marker=MARKERS[engine], color=COLOURS[engine], lw=thick, ms=5, label=engine,
            )  # fmt: skip
        axis.axvline(TARGET, color="#bbbbbb", lw=0.8, zorder=0)
        axis.set_title(name, loc="left", fontsize=10)
        axis.set(xlim=(1e-1, 1e-8))
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel("patients / s / core")
    for axis in axes.flat[2:5]:
        axis.set_xlabel("worst error (smaller to the right)")
    for axis in axes.flat[len(tables) :]:
        axis.axis("off")
        axis.legend(drawn.values(), drawn.keys(), frameon=False, loc="center left", fontsize=9)
    figure.savefig(path, metadata={"Date": None})
