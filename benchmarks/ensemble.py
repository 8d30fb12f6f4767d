"""500 patients for 84 days: seconds by the clock and of processor time, at each tolerance and thread count.

Run as ``python benchmarks/ensemble.py``; ``--patients``, ``--days``, ``--rtol``, ``--threads`` and
``--repeats`` change what is run, ``--model now`` takes the present model instead of the benchmarks' copy.
Runs at all settings are interleaved and the least time of each counts, which other loads on the machine
disturb least. The error is the worst of 32 patients over 14 days, every state at the end of each day,
against Rodas5P at 1e-9.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from _cases import Case, opiome
from million import OUTPUTS

from opiome import engine

if TYPE_CHECKING:
    from opiome.engine import Program

TOLERANCES = (1e-3, 1e-4)
JUDGED, JUDGED_DAYS = 32, 14
TIGHT = 1e-9


def ensemble(case: Case, program: Program, rtol: float, threads: int = 1) -> engine.Ensemble:
    """The patients of a case, ready to advance."""
    doses = engine.EventTable(
        TIME=np.array([0.0]), AMT=np.array([case.amount]), CMT=np.array([case.state], dtype=object),
        II=np.array([case.interval]), ADDL=np.array([len(case.doses) - 1]),
    )  # fmt: skip
    return program.ensemble(case.parameters, events=doses, rtol=rtol, threads=threads, budget=1_000_000)


def program_of(case: Case, outputs: list[str], method: str | None = None) -> Program:
    """The program; the parameters that a case does not vary are shared."""
    shared = engine.compile(case.sbml, outputs=[]).defaults.keys() - case.parameters.keys()
    return engine.compile(case.sbml, outputs=outputs, method=method, shared=shared)


def errors(case: Case, tolerances: list[float]) -> list[float]:
    """The worst error at each tolerance."""
    states = list(engine.compile(case.sbml, outputs=[]).states)
    run = ensemble(case, program_of(case, states, "rodas5p"), TIGHT)
    exact = run.advance(case.hours, at=case.times).values
    peak = run._peak.copy()  # noqa: SLF001 - the largest size on the way
    program, found = program_of(case, states), []
    for rtol in tolerances:
        values = ensemble(case, program, rtol).advance(case.hours, at=case.times).values
        found.append(float(case.error(values, exact, peak).max()))
    return found


def seconds(case: Case, program: Program, rtol: float, threads: int) -> tuple[float, float, float]:
    """By the clock, of processor time, and steps per dose interval."""
    run = ensemble(case, program, rtol, threads)
    clock, work = time.perf_counter(), time.process_time()
    run.advance(case.hours, at=case.times)
    clock, work = time.perf_counter() - clock, time.process_time() - work
    return clock, work, float(run.steps.sum()) / len(run) * case.interval / case.hours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=500)
    parser.add_argument("--days", type=int, default=84)
    parser.add_argument("--rtol", type=float, nargs="+", default=list(TOLERANCES))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", choices=("copy", "now"), default="copy")
    given = parser.parse_args()
    case, judged = (opiome(n, d) for n, d in ((given.patients, given.days), (JUDGED, JUDGED_DAYS)))
    if given.model == "now":
        from opiome import model

        sbml = model.load().sbml
        known = engine.compile(sbml, outputs=[]).defaults.keys()
        case, judged = (
            replace(c, sbml=sbml, parameters={k: v for k, v in c.parameters.items() if k in known})
            for c in (case, judged)
        )
    program = program_of(case, list(OUTPUTS))
    seconds(replace(case, hours=24.0), program, TOLERANCES[0], 1)  # what loads on first use is loaded
    settings = [(rtol, threads) for rtol in given.rtol for threads in given.threads]
    measured = [[seconds(case, program, *setting) for setting in settings] for _ in range(given.repeats)]
    print(
        f"{given.patients} patients x {given.days} days,",
        f"model {case.sha256[:16]} of {len(program.states)} states,",
    )
    print(f"a dose every {case.interval:g} h, {len(OUTPUTS)} outputs a day; least of {given.repeats} runs")
    worst = dict(zip(given.rtol, errors(judged, given.rtol), strict=True))
    for place, (rtol, threads) in enumerate(settings):
        clock, work, steps = np.array([runs[place] for runs in measured]).min(axis=0)
        print(
            f"rtol {rtol:g}, {threads} thread{'s' * (threads > 1)}: {clock:.2f} s by the clock,",
            f"{work:.2f} s of processor time, {steps:.1f} steps per dose, worst error {worst[rtol]:.1e}",
        )


if __name__ == "__main__":
    main()
