"""The engine against CVODE (SUNDIALS, by scikit-sundae): another method, and equations written by hand."""

from __future__ import annotations

from itertools import pairwise

import antimony
import numpy as np
import pytest
from sksundae.cvode import CVODE

from opiome import engine

BINDING = """
ka = 1; CL = 8; V = 40; koff = 20; Kd = 0.5; rtot = 2; ke0 = 4; kout = 0.05; emax = 0.9; ec50 = 0.4
depot = 0; depot' = -ka * depot
free = 0; free' = ka * depot / V - CL / V * free - koff / Kd * free * (rtot - bound) + koff * bound
bound = 0; bound' = koff / Kd * free * (rtot - bound) - koff * bound - 0.01 * bound
site = 0; site' = ke0 * (free - site)
response = 8; response' = 0.4 * (1 - emax * bound / (ec50 + bound)) - kout * response
"""


def binding(kd):
    """The same equations, written by hand."""

    def rhs(_, y, yp):
        depot, free, bound, site, response = y
        on = 20.0 / kd * free * (2.0 - bound)
        yp[0] = -depot
        yp[1] = depot / 40.0 - 0.2 * free - on + 20.0 * bound
        yp[2] = on - 20.0 * bound - 0.01 * bound
        yp[3] = 4.0 * (free - site)
        yp[4] = 0.4 * (1.0 - 0.9 * bound / (0.4 + bound)) - 0.05 * response

    return rhs


def robertson(_, y, yp):
    """H. H. Robertson's kinetics, as in Hairer & Wanner, Solving ODEs II, IV.1."""
    yp[0] = -0.04 * y[0] + 1e4 * y[1] * y[2]
    yp[2] = 3e7 * y[1] ** 2
    yp[1] = -yp[0] - yp[2]


def cvode(rhs, start, grid, doses, *, atol, **options):
    """States on a grid, integrated from dose to dose; a dose is (time, state, amount)."""
    solver = CVODE(rhs, rtol=1e-10, atol=atol, max_num_steps=500_000, **options)
    y, found = np.array(start, float), np.empty((len(grid), len(start)))
    found[0] = y
    for begin, end in pairwise(sorted({grid[0], *(t for t, _, _ in doses), grid[-1]})):
        for time, state, amount in doses:
            if time == begin:
                y[state] += amount
        inside = np.flatnonzero((grid > begin) & (grid <= end))
        times = np.unique([begin, *grid[inside], end])
        solution = solver.solve(times, y)
        assert solution.success, solution.message
        found[inside] = solution.y[np.searchsorted(times, grid[inside])]
        y = np.array(solution.y[-1])
    return found


def worst(mine, theirs):
    """The largest error of a state relative to itself, or to a thousandth of its peak."""
    size = np.abs(theirs) + 1e-3 * np.abs(theirs).max(axis=0) + 1e-300
    return (np.abs(mine - theirs) / size).max()


@pytest.mark.parametrize("method", ["rodas4", "rodas5p"])
def test_stiff_binding(sbml, method):
    names = ["depot", "free", "bound", "site", "response"]
    program = engine.compile(sbml(BINDING), outputs=names, method=method)
    kd = np.array([0.5, 0.05, 5.0])
    doses = [(2.0 + 12.0 * k, 0, 60.0) for k in range(5)]
    events = engine.EventTable.from_rows([{"TIME": t, "CMT": "depot", "AMT": a} for t, _, a in doses])
    grid = np.arange(0.0, 72.5, 0.5)
    run = program.ensemble({"Kd": kd}, events=events, rtol=1e-9, atol=1e-13)
    values = run.advance(72.0, at=grid).values
    for who, k in enumerate(kd):
        theirs = cvode(binding(k), [0.0, 0.0, 0.0, 0.0, 8.0], grid, doses, atol=1e-13)
        assert worst(values[who], theirs) <= 1e-6


def test_robertson(sbml):
    text = "a = 1; b = 0; c = 0; a' = -0.04*a + 1e4*b*c; b' = 0.04*a - 1e4*b*c - 3e7*b^2; c' = 3e7*b^2"
    program = engine.compile(sbml(text), outputs=["a", "b", "c"])
    grid = np.array([0.0, *np.geomspace(1e-3, 1e5, 30)])
    values = program.ensemble({}, n=1, rtol=1e-9, atol=1e-15).advance(1e5, at=grid).values[0]
    assert worst(values, cvode(robertson, [1.0, 0.0, 0.0], grid, [], atol=1e-15)) <= 1e-6


@pytest.fixture(scope="module")
def own():
    from opiome import model

    text = model.load().sbml
    antimony.clearPreviousLoads()
    bare = engine.compile(text, outputs=[])  # as in the tests of the own model: compiled once for both
    return engine.compile(text, outputs=list(bare.states)), bare


def equations(program, parameters):
    """Right-hand side and Jacobian of one patient in CVODE's form."""

    def rhs(t, y, yp):
        yp[:] = program.rhs(y, parameters, time=t)[0]

    def slopes(t, y, _, out):
        out[:] = program.jacobian(y, parameters, time=t)[0]

    return rhs, slopes


def test_own_model_through_two_doses(own):
    """The equations are the engine's own code, the integration is CVODE's."""
    own, bare = own
    doses = [("opioid_depot", 0.5, 60_000.0), ("antagonist_depot", 1.5, 300.0)]
    events = engine.EventTable.from_rows([{"TIME": t, "CMT": c, "AMT": a} for c, t, a in doses])
    grid = np.arange(0.0, 3.25, 0.25)
    clearance = own.defaults["opioid_CL"] * np.array([0.6])
    run = own.ensemble({"opioid_CL": clearance}, events=events, rtol=1e-9, atol=1e-13)
    start = run.states.copy()
    values = run.advance(3.0, at=grid).values
    for who in range(len(clearance)):
        rhs, slopes = equations(bare, {"opioid_CL": clearance[who]})
        given = [(t, own.states.index(c), a) for c, t, a in doses]
        theirs = cvode(rhs, start[who], grid, given, atol=1e-13, jacfn=slopes)
        assert worst(values[who], theirs) <= 1e-6
