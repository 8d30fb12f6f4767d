"""Peers other than libRoadRunner, each in the way that its makers recommend for many patients.

All but COPASI and AMICI (which read the SBML themselves) take the model as a function written from the same
expression graph. A peer that is not installed is reported as such; nothing stands in for it.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _engines import Measured, lean

if TYPE_CHECKING:
    from collections.abc import Callable

    from _cases import Case

    from opiome.engine._system import System

STEPS = 1_000_000


# the model as a function
@cache
def _system(sbml: str) -> System:
    from opiome.engine import _sbml

    reader = _sbml.read(sbml)
    reader.set_outputs([])
    return reader.system


DIALECTS = {
    "numba": {
        "exp": "math.exp(min({0}, 709.0))", "log": "math.log({0})", "logp": "math.log(max({0}, 1e-30))",
        "sqrt": "math.sqrt({0})", "recip": "1.0 / {0}", "floor": "math.floor({0})", "sin": "math.sin({0})",
        "cos": "math.cos({0})", "select": "({1} if {0} else {2})", "and": "({0} and {1})",
        "or": "({0} or {1})", "not": "(not {0})", "lt": "({0} < {1})", "le": "({0} <= {1})",
        "eq": "({0} == {1})",
    },
    "jax": {
        "exp": "jnp.exp({0})", "log": "jnp.log({0})", "logp": "jnp.log(jnp.maximum({0}, 1e-30))",
        "sqrt": "jnp.sqrt({0})", "recip": "1.0 / {0}", "floor": "jnp.floor({0})", "sin": "jnp.sin({0})",
        "cos": "jnp.cos({0})", "select": "jnp.where({0}, {1}, {2})", "and": "jnp.logical_and({0}, {1})",
        "or": "jnp.logical_or({0}, {1})", "not": "jnp.logical_not({0})", "lt": "({0} < {1})",
        "le": "({0} <= {1})", "eq": "({0} == {1})",
    },
    "heyoka": {
        "exp": "hy.exp({0})", "log": "hy.log({0})",
        "logp": "hy.log(hy.select(hy.gt({0}, 1e-30), {0}, 1e-30))",
        "sqrt": "hy.sqrt({0})", "recip": "1.0 / {0}", "sin": "hy.sin({0})", "cos": "hy.cos({0})",
        "select": "hy.select({0}, {1}, {2})", "and": "hy.logical_and([{0}, {1}])",
        "or": "hy.logical_or([{0}, {1}])", "not": "(1.0 - {0})", "lt": "hy.lt({0}, {1})",
        "le": "hy.lte({0}, {1})", "eq": "hy.eq({0}, {1})",
    },
}  # fmt: skip
ARITHMETIC = {"add": "({0} + {1})", "mul": "({0} * {1})"}


def _text(system: System, roots: list[int], dialect: str) -> list[str]:
    """Python lines that set ``r`` (a list of the roots) from ``t``, ``y`` and ``p``; one line a node."""
    graph = system.graph
    forms = ARITHMETIC | DIALECTS[dialect]
    lines = []
    for node in graph.order(roots):
        op, args = graph.op[node], graph.args[node]
        match op:
            case "num" | "bool":
                right = repr(args[0])
            case "par":
                right = f"p[{args[0]}]"
            case "state":
                right = f"y[{args[0]}]"
            case "time":
                right = "t"
            case _:
                right = forms[op].format(*(f"n{a}" for a in args))
        lines.append(f"n{node} = {right}")
    lines.append("r = [" + ", ".join(f"n{r}" for r in roots) + "]")
    return lines


def _function(system: System, roots: list[int], dialect: str, ending: str, names: dict[str, Any]) -> Any:
    body = "\n    ".join([*_text(system, roots, dialect), ending])
    space = dict(names)
    exec(f"def rates(t, y, p):\n    {body}\n", space)  # noqa: S102 - text written just above
    return space["rates"]


@cache
def _start(sbml: str) -> Callable[[Case, int], tuple[np.ndarray, np.ndarray]]:
    """Of a case and a patient: all parameters (derived ones too) and the start values."""
    from opiome.engine import _twin

    system = _system(sbml)

    def of(case: Case, patient: int) -> tuple[np.ndarray, np.ndarray]:
        values = {**system.parameters, **{k: float(v[patient]) for k, v in case.parameters.items()}}
        free = np.array([*values.values(), *[math.nan] * len(system.derived)])
        nothing = np.zeros(0)
        derived = _twin.evaluate(system.graph, system.derived_start, 0.0, nothing, free)
        p = np.array([*values.values(), *derived])
        return p, np.array(_twin.evaluate(system.graph, system.start, 0.0, nothing, p))

    return of


def _legs(case: Case) -> list[tuple[float, float, np.ndarray]]:
    """From stop to stop (doses and the end): begin, end, rows of the output times inside."""
    stops = np.unique([0.0, *case.doses, case.hours])
    return [(a, b, np.flatnonzero((case.times > a) & (case.times <= b))) for a, b in pairwise(stops)]


def _each(
    case: Case, patients: int, solve: Callable[[np.ndarray, np.ndarray, float, float, np.ndarray], np.ndarray]
) -> Measured:
    """Patient after patient, dose after dose; ``solve(y, p, begin, end, times)``: rows at times, then end."""
    start, states = _start(case.sbml), _system(case.sbml).states
    dosed = states.index(case.state) if case.state else -1
    values = np.full((patients, len(case.times), len(states)), np.nan)
    seconds, failures = 0.0, 0
    for k in range(patients):
        p, y = start(case, k)
        begin = time.process_time()
        try:
            for a, b, rows in _legs(case):
                if case.state:
                    y = y.copy()
                    y[dosed] += case.amount
                found = solve(y, p, a, b, case.times[rows])
                values[k, rows] = found[:-1]
                y = found[-1]
        except (RuntimeError, FloatingPointError, ArithmeticError):
            failures += 1
        seconds += time.process_time() - begin
    return Measured(values, seconds, failures)


# SciPy and SUNDIALS on compiled rates; they form the Jacobian by differences, as libRoadRunner does
@cache
def _compiled(sbml: str) -> Any:
    """Rates compiled by numba, ``rates(t, y, p)``."""
    import numba

    system = _system(sbml)
    text = _function(system, system.rates, "numba", "return np.array(r)", {"math": math, "np": np})
    rates = numba.njit(text, error_model="numpy")
    # compiled here, not while a patient is timed
    rates(0.0, np.ones(len(system.states)), np.ones(len(system.parameters) + len(system.derived)))
    return rates


def scipy_lsoda(case: Case, rtol: float, patients: int) -> Measured:
    """SciPy's LSODA (odeint's successor through solve_ivp), restarted at each dose."""
    from scipy.integrate import solve_ivp

    rates = _compiled(case.sbml)

    def solve(y: np.ndarray, p: np.ndarray, a: float, b: float, at: np.ndarray) -> np.ndarray:
        answer = solve_ivp(
            rates, (a, b), y, "LSODA", np.unique([*at, b]), args=(p,), rtol=rtol, atol=1e-4 * rtol
        )
        if not answer.success:
            raise RuntimeError(answer.message)
        return np.vstack([answer.y.T[: len(at)], answer.y.T[-1:]])

    return _each(case, patients, solve)


def sundials_cvode(case: Case, rtol: float, patients: int) -> Measured:
    """SUNDIALS' CVODE (BDF, dense) through scikit-sundae, restarted at each dose."""
    from sksundae.cvode import CVODE

    rates = _compiled(case.sbml)

    def rhsfn(t: float, y: np.ndarray, out: np.ndarray, p: tuple[np.ndarray]) -> None:
        out[:] = rates(t, y, p[0])

    def solve(y: np.ndarray, p: np.ndarray, a: float, b: float, at: np.ndarray) -> np.ndarray:
        solver = CVODE(rhsfn, rtol=rtol, atol=1e-4 * rtol, userdata=(p,), max_num_steps=STEPS)
        grid = np.unique([a, 0.5 * (a + b), *at, b])  # of two times it would give its own steps
        answer = solver.solve(grid, y)
        if not answer.success:
            raise RuntimeError(str(answer.message))
        return np.vstack([answer.y[np.searchsorted(grid, at).astype(int)], answer.y[-1:]])

    return _each(case, patients, solve)


# simulators that read SBML
@cache
def _copasi(sbml: str) -> Any:
    import basico

    model = basico.load_model_from_string(lean(sbml))
    basico.set_task_settings("Time-Course", {"method": {"name": "Deterministic (LSODA)"}}, model=model)
    return model


def copasi(case: Case, rtol: float, patients: int) -> Measured:
    """COPASI's LSODA; doses are events of the SBML, so that it restarts by itself."""
    import basico

    states = _system(case.sbml).states
    model = _copasi(_with_doses(case))
    known = {**dict.fromkeys(_names(basico.get_species(model=model)), "s"),
             **dict.fromkeys(_names(basico.get_parameters(model=model)), "p")}  # fmt: skip
    method = {"Relative Tolerance": rtol, "Absolute Tolerance": 1e-4 * rtol, "Max Internal Steps": STEPS}
    basico.set_task_settings("Time-Course", {"method": method}, model=model)
    columns = [f"[{s}]" if known.get(s) == "s" else f"Values[{s}]" for s in states]
    before = [0.0, *(case.times - (1e-7 if case.state else 0.0))]  # COPASI gives what is there after a dose
    values = np.full((patients, len(case.times), len(states)), np.nan)
    seconds, failures = 0.0, 0
    for k in range(patients):
        for name, column in case.parameters.items():
            basico.set_parameters(name, exact=True, initial_value=float(column[k]), model=model)
        begin = time.process_time()
        frame = basico.run_time_course_with_output(
            columns, values=before, use_initial_values=True, model=model
        )
        seconds += time.process_time() - begin
        if len(frame) == len(case.times) + 1 and np.isfinite(frame.to_numpy()).all():
            values[k] = frame.to_numpy()[1:, -len(states) :]
        else:
            failures += 1
    return Measured(values, seconds, failures)


def _names(frame: Any) -> list[str]:
    return [] if frame is None else list(frame.index)


@cache
def _doses_in_sbml(sbml: str, state: str, amount: float, doses: tuple[float, ...]) -> str:
    import libsbml

    document = libsbml.readSBMLFromString(sbml)
    model = document.getModel()
    for k, at in enumerate(doses):
        event = model.createEvent()
        event.setId(f"dose_{k}")
        event.setUseValuesFromTriggerTime(True)
        trigger = event.createTrigger()
        trigger.setInitialValue(False)
        trigger.setPersistent(True)
        trigger.setMath(libsbml.parseL3Formula(f"time >= {at!r}"))
        change = event.createEventAssignment()
        change.setVariable(state)
        change.setMath(libsbml.parseL3Formula(f"{state} + {amount!r}"))
    return str(libsbml.writeSBMLToString(document))


def _with_doses(case: Case) -> str:
    if not case.state:
        return case.sbml
    return _doses_in_sbml(case.sbml, case.state, case.amount, tuple(float(d) for d in case.doses))


@cache
def _amici(sbml: str) -> Any:
    """Translate to C++, compile and load, under a name of its content.

    Without observables (all variables by default) and without simplification by SymPy, which together take
    longer than the rest for a large model.
    """
    import hashlib

    import amici

    name = "m" + hashlib.sha256(sbml.encode()).hexdigest()[:12]
    folder = Path(tempfile.mkdtemp()) / name
    importer = amici.SbmlImporter(lean(sbml, start=True), from_file=False)
    importer.sbml2amici(
        name, folder, observation_model=[], compute_conservation_laws=False, simplify=None,
        generate_sensitivity_code=False,
    )  # fmt: skip
    return amici.import_model_module(name, folder)


def amici(case: Case, rtol: float, patients: int) -> Measured:
    """AMICI: CVODES' BDF with KLU on generated C++, restarted at each dose."""
    from amici.sim.sundials import AMICI_SUCCESS, run_simulation

    model = _amici(case.sbml).get_model()
    solver = model.create_solver()
    solver.set_relative_tolerance(rtol)
    solver.set_absolute_tolerance(1e-4 * rtol)
    solver.set_max_steps(STEPS)
    states = _system(case.sbml).states
    order = [list(model.get_state_ids()).index(s) for s in states]
    known = set(model.get_free_parameter_ids())
    patient = [-1, np.empty(0)]

    def solve(y: np.ndarray, p: np.ndarray, a: float, b: float, at: np.ndarray) -> np.ndarray:
        if patient[1] is not p:  # a new patient
            patient[0], patient[1] = patient[0] + 1, p
            for name, column in case.parameters.items():
                if name not in known:
                    raise RuntimeError(f"AMICI took {name} for a constant")
                model.set_free_parameter_by_id(name, float(column[patient[0]]))
        grid = np.unique([*at, b])
        back = np.empty(len(order))
        back[order] = y
        model.set_t0(a)
        model.set_initial_state(back)
        model.set_timepoints(grid)
        answer = run_simulation(model, solver)
        if answer["status"] != AMICI_SUCCESS:
            raise RuntimeError("AMICI stopped")
        rows = np.asarray(answer["x"])[:, order]
        return np.vstack([rows[: len(at)], rows[-1:]])

    return _each(case, patients, solve)


# batches
@cache
def _diffrax(sbml: str, method: str, legs: tuple[tuple[float, float], ...]) -> Any:
    """A jitted function of (start, parameters, dose, rtol) -> states at the end of each leg."""
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - JAX's own signature
    ending = "return jnp.stack([jnp.asarray(v, float) for v in r])"
    rates = _function(_system(sbml), _system(sbml).rates, "jax", ending, {"jnp": jnp})
    term = diffrax.ODETerm(rates)
    solver = getattr(diffrax, method)()
    ends = jnp.array(legs)

    def one(y: Any, p: Any, dose: Any, rtol: Any) -> Any:
        control = diffrax.PIDController(rtol=rtol, atol=1e-4 * rtol)

        def leg(y: Any, ab: Any) -> Any:
            answer = diffrax.diffeqsolve(
                term, solver, ab[0], ab[1], None, y + dose * ab[2], p, stepsize_controller=control,
                saveat=diffrax.SaveAt(t1=True), max_steps=STEPS, throw=False,
            )  # fmt: skip
            return answer.ys[0], answer.ys[0]

        return jax.lax.scan(leg, y, ends)[1]

    return jax.jit(jax.vmap(one, (0, 0, None, None)))


def diffrax(case: Case, rtol: float, patients: int, method: str = "Kvaerno5") -> Measured:
    """diffrax, jitted, all patients in one vmap; a scan over doses and output times."""
    start, states = _start(case.sbml), _system(case.sbml).states
    stops = np.unique([0.0, *case.doses, *case.times])
    legs = tuple((float(a), float(b), float(a in case.doses)) for a, b in pairwise(stops))
    run = _diffrax(case.sbml, method, legs)
    p, y = (np.array(v) for v in zip(*(start(case, k) for k in range(patients)), strict=True))
    dose = np.zeros(len(states))
    if case.state:
        dose[states.index(case.state)] = case.amount
    if (run, patients) not in _WARM:
        run(y, p, dose, 1e-2).block_until_ready()
        _WARM.add((run, patients))
    begin = time.process_time()
    found = np.asarray(run(y, p, dose, rtol))
    seconds = time.process_time() - begin
    values = found[:, np.searchsorted(stops[1:], case.times)]
    return Measured(values, seconds, int((~np.isfinite(values).all(axis=(1, 2))).sum()))


_WARM: set[Any] = set()


@cache
def _heyoka(sbml: str, rtol: float, lanes: int) -> Any:
    import heyoka

    system = _system(sbml)
    y = heyoka.make_vars(*(f"s{i}" for i in range(len(system.states))))
    p = [heyoka.par[i] for i in range(len(system.parameters) + len(system.derived))]
    r = _function(system, system.rates, "heyoka", "return r", {"hy": heyoka})(heyoka.time, y, p)
    equations = [(v, e + 0.0 * v) for v, e in zip(y, r, strict=True)]
    return heyoka.taylor_adaptive_batch(
        equations, np.ones((len(y), lanes)), tol=rtol, pars=np.ones((len(p), lanes)), compact_mode=True
    )


def heyoka(case: Case, rtol: float, patients: int, lanes: int = 8) -> Measured:
    """Use heyoka's Taylor integrator, eight patients to a batch, restarted at each dose."""
    start, states = _start(case.sbml), _system(case.sbml).states
    solver = _heyoka(case.sbml, rtol, lanes)
    dosed = states.index(case.state) if case.state else -1
    values = np.full((patients, len(case.times), len(states)), np.nan)
    seconds = 0.0
    stops = np.unique([0.0, *case.doses, *case.times])
    for first in range(0, patients, lanes):
        some = [min(first + k, patients - 1) for k in range(lanes)]
        p, y = (np.array(v).T for v in zip(*(start(case, k) for k in some), strict=True))
        begin = time.process_time()
        solver.pars[:] = p
        solver.state[:] = y
        solver.set_time(0.0)
        for a, b in pairwise(stops):
            if case.state and a in case.doses:
                solver.state[dosed] += case.amount
            solver.propagate_until(b)
            row = np.searchsorted(case.times, b)
            if row < len(case.times) and case.times[row] == b:
                n = min(lanes, patients - first)
                values[first : first + n, row] = solver.state.T[:n]
        seconds += time.process_time() - begin
    return Measured(values, seconds, int((~np.isfinite(values).all(axis=(1, 2))).sum()))


PEERS: dict[str, Callable[[Case, float, int], Measured]] = {
    "SciPy LSODA": scipy_lsoda,
    "CVODE (scikit-sundae)": sundials_cvode,
    "COPASI": copasi,
    "AMICI": amici,
    "diffrax Kvaerno5": diffrax,
    "heyoka": heyoka,
}


def measure(
    name: str, case: str, *, days: int, patients: int, rtols: tuple[float, ...], limit: float
) -> list[Measured] | str:
    """Run a peer in a process of its own, or say in a few words why there is nothing to tell."""
    with tempfile.TemporaryDirectory() as folder:
        order = [name, case, str(days), str(patients), ",".join(map(str, rtols)), folder]
        # AMICI builds with programs of its environment, which need not be activated
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        try:
            subprocess.run(
                [sys.executable, __file__, *order],
                check=True, capture_output=True, text=True, timeout=limit, env={**os.environ, "PATH": path},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"not done in {limit:.0f} s (compilation included)"
        except subprocess.CalledProcessError as wrong:
            last = (wrong.stderr.strip().splitlines() or ["stopped"])[-1]
            return "not installed" if "ModuleNotFoundError" in last else last[:100]
        runs = [np.load(Path(folder) / f"{k}.npz") for k in range(len(rtols))]
        return [Measured(r["values"], float(r["seconds"]), int(r["failures"])) for r in runs]


def _main(name: str, label: str, *, days: int, patients: int, rtols: list[float], folder: Path) -> None:
    from _cases import opiome, small

    case = opiome(32, days) if label == "opiome" else next(c for c in small() if c.name == label)
    for k, rtol in enumerate(rtols):
        run = PEERS[name](case, rtol, patients)
        np.savez(folder / f"{k}.npz", values=run.values, seconds=run.seconds, failures=run.failures)


if __name__ == "__main__":
    peer, label, days, patients, rtols, folder = sys.argv[1:]
    tolerances = [float(r) for r in rtols.split(",")]
    _main(peer, label, days=int(days), patients=int(patients), rtols=tolerances, folder=Path(folder))
