"""The explicit method (Tsit5): the same doses, events, outputs and bits as the implicit ones."""

from __future__ import annotations

import numpy as np
import pytest

from opiome import engine
from opiome.engine import _cuda
from opiome.errors import EngineError

KA, CL, V = 1.1, 4.0, 23.0
ROWS = [
    {"TIME": 0.0, "CMT": "depot", "AMT": 100.0, "II": 8.0, "ADDL": 4},
    {"TIME": 3.0, "CMT": "central", "AMT": 50.0, "DUR": 4.0},
]


def closed_form(times):
    """The central amount under ``ROWS``."""
    ke = CL / V
    since = np.maximum(times[:, None] - 8.0 * np.arange(5), 0.0)
    doses = 100.0 * KA / (KA - ke) * (np.exp(-ke * since) - np.exp(-KA * since))
    on, off = np.maximum(times - 3.0, 0.0), np.maximum(times - 7.0, 0.0)
    return doses.sum(axis=1) + 12.5 / ke * (np.exp(-ke * off) - np.exp(-ke * on))


def test_doses_against_their_closed_form(oral):
    program = engine.compile(oral, outputs=["central"], method="tsit5")
    times = np.linspace(0.0, 48.0, 97)
    run = program.ensemble({"ka": KA, "CL": CL, "V": V}, events=engine.EventTable.from_rows(ROWS), rtol=1e-11)
    np.testing.assert_allclose(
        run.advance(48.0, at=times).values[0, :, 0], closed_form(times), rtol=1e-8, atol=1e-8
    )


def test_packing_outputs_and_visits_do_not_matter(oral):
    program = engine.compile(oral, outputs=["central"], method="tsit5")
    cl = np.linspace(1.0, 9.0, 21)
    events = engine.EventTable.from_rows(ROWS)

    def end(values, at=None):
        run = program.ensemble({"CL": values}, events=events)
        run.advance(48.0, at=at)
        return run.states

    whole = end(cl)
    assert np.array_equal(end(cl[::-1])[::-1], whole)
    assert np.array_equal(end(cl[3:5]), whole[3:5])
    assert np.array_equal(end(cl, at=np.linspace(0.0, 48.0, 500)), whole)
    visits = program.ensemble({"CL": cl}, events=events)
    for until in (10.0, 30.0, 48.0):
        visits.advance(until)
    np.testing.assert_allclose(visits.states, whole, rtol=1e-3, atol=1e-2)


def test_events_of_the_model(sbml):
    """A ball: reflected where it meets the ground, at times known in closed form."""
    text = "v = 0; h = 5; h' = v; v' = -10; at (h < 0 && v < 0), t0=false: v = -v"
    program = engine.compile(sbml(text), outputs=["h"], method="tsit5")
    run = program.ensemble({}, rtol=1e-9, signed=["h", "v"])
    times = np.array([0.5, 1.5, 2.5, 3.5])
    values = run.advance(4.0, at=times).values[0, :, 0]
    np.testing.assert_allclose(values, 3.75, rtol=1e-6)


def test_stiffness_bounds_its_steps(sbml):
    """A decay of 1000 per hour: the stability limit of 3.5 or so, and the right answer."""
    text = sbml("x = 1; y = 0; x' = -1000*x; y' = 1000*x - 0.1*y")
    explicit = engine.compile(text, outputs=["y"], method="tsit5").ensemble({})
    implicit = engine.compile(text, outputs=["y"]).ensemble({})
    times = np.array([20.0])
    mine, theirs = (run.advance(20.0, at=times).values.item() for run in (explicit, implicit))
    exact = 1000.0 / 999.9 * np.exp(-2.0)
    assert abs(mine - exact) < 1e-3 * exact
    assert abs(theirs - exact) < 1e-3 * exact
    assert explicit.steps.sum() > 1000 * 20 / 4
    assert implicit.steps.sum() < 200


def test_a_gpu_integrates_without_it(oral, monkeypatch):
    monkeypatch.setattr(_cuda, "missing", lambda: "")
    program = engine.compile(oral, method="tsit5")
    with pytest.raises(EngineError, match="explicit methods integrate on the CPU"):
        program.ensemble({}, device="gpu")
    assert not _cuda.choose("auto", program)
