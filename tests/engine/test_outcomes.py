"""One outcome per patient, and neighbours that never notice."""

from __future__ import annotations

import numpy as np
import pytest

from opiome import engine
from opiome.engine import Outcome

TEXT = """
k = 1; blow = 0; sink = 0; freq = 0; x0 = 1
x = x0; x' = -k * x + blow * x^2
y = 1; y' = 0.5 - sink - 0.1 * y
z = 1; z' = 0.1 - 0.1 * z * (1 + freq * sin(freq * time))
w = 0; w' = x + y + z
"""


@pytest.fixture(scope="module")
def program(sbml):
    return engine.compile(sbml(TEXT), outputs=["x", "y", "z", "w"])


def test_each_kind_of_failure(program):
    n = 20
    parameters = {
        "k": np.linspace(0.5, 1.5, n),
        "blow": np.where(np.arange(n) == 3, 5.0, 0.0),
        "sink": np.where(np.arange(n) == 8, 0.9, 0.0),
        "freq": np.where(np.arange(n) == 11, 3000.0, 0.0),
    }
    at = np.linspace(0, 20, 21)
    run = program.ensemble(parameters, rtol=1e-6, budget=3000)
    block = run.advance(20.0, at=at)
    clean = program.ensemble({"k": parameters["k"]}, rtol=1e-6, budget=3000).advance(20.0, at=at)
    failed = np.array([3, 8, 11])
    assert {f.patient: f.outcome for f in run.failures} == {
        3: block.outcome[3], 8: Outcome.NEGATIVE, 11: Outcome.STEP_BUDGET,
    }  # fmt: skip
    assert block.outcome[3] in (Outcome.NON_FINITE, Outcome.STEP_BUDGET)  # a pole: no step is small enough
    states = {f.patient: f.state for f in run.failures}
    assert states == {3: "x", 8: "y", 11: "z"}
    times = {f.patient: f.time for f in run.failures}
    assert times[3] == pytest.approx(np.log(5.0 / (5.0 - parameters["k"][3])) / parameters["k"][3], rel=1e-3)
    assert times[8] == pytest.approx(10 * np.log(5.0 / 4.0), rel=1e-2)  # y = -4 + 5 exp(-t / 10) reaches 0
    assert all(len(f.remedy) > 20 for f in run.failures)
    others = np.setdiff1d(np.arange(n), failed)
    assert np.array_equal(block.values[others], clean.values[others])
    for p in failed:
        assert np.isfinite(block.values[p][at <= times[p]]).all()
        assert np.isnan(block.values[p][at > times[p]]).all()
        assert np.isnan(run.states[p]).all()


def test_a_failed_patient_stays_failed_in_later_visits(program):
    run = program.ensemble({"blow": np.array([0.0, 5.0, 0.0])})
    run.advance(10.0)
    block = run.advance(12.0, at=[10.0, 11.0])
    assert np.isnan(block.values[1]).all()
    assert np.isfinite(block.values[[0, 2]]).all()
    assert len(run.failures) == 1


def test_a_start_that_is_not_finite_is_an_impossible_patient(program):
    start = program.start({"k": np.ones(3)})
    start[1, 0] = np.inf
    run = program.ensemble({}, start=start)
    block = run.advance(1.0, at=[0.0, 1.0])
    assert list(block.outcome) == [0, Outcome.IMPOSSIBLE_PARAMETERS, 0]
    assert run.failures[0].state == "x"
    assert np.isnan(block.values[1]).all()


def test_a_state_may_be_negative_when_it_is_said_so(program):
    run = program.ensemble({"sink": 0.9}, n=1, signed=["y", "w"], rtol=1e-8)
    assert run.advance(20.0, at=[20.0]).values[0, 0, 1] == pytest.approx(-4 + 5 * np.exp(-2.0), rel=1e-6)
    assert run.failures == []


def test_resets_and_budget_are_per_segment(program):
    rows = [{"TIME": t, "EVID": 3} for t in np.arange(1.0, 50.0)]
    run = program.ensemble({}, n=1, events=engine.EventTable.from_rows(rows), budget=60)
    run.advance(50.0)
    assert run.failures == []
    assert run.steps.sum() > 2 * 60


def test_steady_state_outcomes(sbml):
    program = engine.compile(sbml("a = 1; b = -2; x = 1; x' = a + b * x + 0 * x; y = 1; y' = x - 0.1*y"))
    states, outcome = program.steady_state(
        {"a": np.array([1.0, -1.0, 3.0]), "b": np.array([-2.0, -2.0, 1.0])}
    )
    assert outcome[0] == Outcome.OK
    np.testing.assert_allclose(states[0], [0.5, 5.0])
    assert outcome[1] == Outcome.NEGATIVE  # the steady state is -1/2
    assert outcome[2] != Outcome.OK  # grows for ever
    assert np.isnan(states[1:]).all()
