"""Engines that can run a case: values of all states (patients, times, states), seconds, failures."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from _cases import Case


@dataclass
class Measured:
    """One run: what came out, how long it took, how many patients failed."""

    values: np.ndarray
    seconds: float
    failures: int
    peak: np.ndarray | None = None  # (patients, states): the largest size of each state on the way

    @property
    def rate(self) -> float:
        """Patients per second."""
        return len(self.values) / self.seconds


@cache
def _program(sbml: str, method: str) -> Any:
    from opiome import engine

    states = engine.compile(sbml, outputs=[], method=method).states
    return engine.compile(sbml, outputs=list(states), method=method)


def own(
    case: Case, rtol: float, method: str = "rodas4", patients: int | None = None, threads: int = 1
) -> Measured:
    """The engine of opiome; processor time of the integration, or elapsed with more threads."""
    from opiome import engine

    n = patients or case.patients
    program = _program(case.sbml, method)
    events = None
    if case.state:
        events = engine.EventTable(
            TIME=np.array([0.0]), AMT=np.array([case.amount]), CMT=np.array([case.state], dtype=object),
            II=np.array([case.interval]), ADDL=np.array([len(case.doses) - 1]),
        )  # fmt: skip
    parameters = {k: v[:n] for k, v in case.parameters.items()}
    run = program.ensemble(parameters, n=n, events=events, rtol=rtol, threads=threads, budget=1_000_000)
    clock = time.process_time if threads == 1 else time.perf_counter
    begin = clock()
    values = run.advance(case.hours, at=case.times).values
    return Measured(values, clock() - begin, len(run.failures), run._peak.copy())  # noqa: SLF001


@cache
def _roadrunner(sbml: str) -> Any:
    """Load libRoadRunner as it comes, on a model without the assignment rules that no equation needs.

    Start values are numbers (each patient's are set before a run): it would write code for the initial value
    of every variable, with all formulas that this hangs on expanded, and need minutes for it.
    """
    import roadrunner

    roadrunner.Logger.disableLogging()
    return roadrunner.RoadRunner(lean(sbml, start=True))


def lean(sbml: str, *, start: bool = False) -> str:
    """The model without what only observes: faster to load and to run, the same trajectories.

    With ``start`` the formulas of initial values are gone too, for who sets the states of each patient.
    """
    import libsbml

    document = libsbml.readSBMLFromString(sbml)
    model = document.getModel()
    if start:
        for assignment in list(model.getListOfInitialAssignments()):
            item = model.getElementBySId(assignment.getSymbol())
            if item.getTypeCode() == libsbml.SBML_PARAMETER and model.getRateRule(item.getId()):
                item.setValue(0.0)
                model.removeInitialAssignment(item.getId())
    rules = {r.getVariable(): r for r in model.getListOfRules() if r.isAssignment()}
    trees = [r.getMath() for r in model.getListOfRules() if not r.isAssignment()]
    trees += [r.getKineticLaw().getMath() for r in model.getListOfReactions()]
    trees += [a.getMath() for a in model.getListOfInitialAssignments()]
    needed: set[str] = set()
    while trees:
        tree = trees.pop()
        trees += [tree.getChild(i) for i in range(tree.getNumChildren())]
        name = tree.getName() if tree.getType() == libsbml.AST_NAME else ""
        if name in rules and name not in needed:
            needed.add(name)
            trees.append(rules[name].getMath())
    for name in rules.keys() - needed:
        model.removeRuleByVariable(name)
        model.removeParameter(name)
    return libsbml.writeSBMLToString(document)


def libroadrunner(case: Case, rtol: float, patients: int, *, stiff: bool = True) -> Measured:
    """Run libRoadRunner's CVODE (BDF by default), restarted at each dose; loading is not timed."""
    from opiome import engine

    program = engine.compile(case.sbml, outputs=[])
    rr, states, starts = _roadrunner(case.sbml), program.states, program.start(case.parameters, case.patients)
    rr.timeCourseSelections = ["time", *states]
    rr.integrator.stiff = stiff
    rr.integrator.relative_tolerance, rr.integrator.absolute_tolerance = rtol, 1e-4 * rtol
    rr.integrator.maximum_num_steps = 1_000_000
    times = case.times
    values = np.full((patients, len(times), len(states)), np.nan)
    stops = np.unique([0.0, *case.doses, case.hours])
    seconds, failures = 0.0, 0
    for p in range(patients):
        rr.resetAll()
        for name, column in case.parameters.items():
            rr[name] = column[p]
        rr.reset()
        for name, value in zip(states, starts[p], strict=True):
            rr[name] = value
        begin = time.process_time()
        try:
            for start, end in pairwise(stops):
                if case.state:
                    rr[case.state] = rr[case.state] + case.amount
                inside = np.flatnonzero((times > start) & (times <= end))
                grid = np.unique([start, *times[inside], end])
                rows = np.array(rr.simulate(times=[float(t) for t in grid]))
                values[p, inside] = rows[np.searchsorted(grid, times[inside]), 1:]
        except RuntimeError:
            failures += 1
        seconds += time.process_time() - begin
    return Measured(values, seconds, failures)
