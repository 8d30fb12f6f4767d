"""The W-method: its conditions, its stability, and runs with a matrix that lacks rates."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import scipy.integrate

from opiome import engine
from opiome.engine import _implicit, _linear_system, _sbml, _twin
from opiome.engine._tableaux import LARGE, REACH, ROW4W, default

COPY = Path(__file__).parents[2] / "benchmarks" / "models" / "opiome.xml.gz"
STAGES = ROW4W.stages
ONE = np.ones(STAGES)


def _lower(rows):
    return np.array([[*row, *[0.0] * (STAGES - len(row))] for row in rows])


GAMMA = np.linalg.inv(np.eye(STAGES) / ROW4W.gamma - _lower(ROW4W.c))  # of k, in Hairer & Wanner's notation
ALPHA = _lower(ROW4W.a) @ GAMMA


def _conditions(b, order, s=1.0):
    """Every W-condition up to an order, at the fraction s of a step: what is given less what should be."""
    a, g = ALPHA, GAMMA
    c = a @ ONE
    trees = [
        (1, ONE, 1),
        (2, c, 2),
        (2, g @ ONE, 0),
        (3, c**2, 3),
        (4, c**3, 4),
        (4, a @ c**2, 12),
        (4, g @ c**2, 0),
    ]
    trees += [(3, x @ y @ ONE, 6 if x is a and y is a else 0) for x in (a, g) for y in (a, g)]
    trees += [(4, c * (a @ a @ ONE), 8), (4, c * (a @ g @ ONE), 0)]
    trees += [
        (4, x @ y @ z @ ONE, 24 if x is a and y is a and z is a else 0)
        for x in (a, g)
        for y in (a, g)
        for z in (a, g)
    ]
    return np.array([b @ v - (s**o / d if d else 0.0) for o, v, d in trees if o <= order])


def _weights(u):
    """Weights of k from weights of the engine's u."""
    return np.asarray(u) @ GAMMA


def test_order_four_for_any_matrix():
    main = _weights([*ROW4W.a[-1], 1.0])
    assert len(_conditions(main, 4)) == 21
    np.testing.assert_allclose(_conditions(main, 4), 0.0, atol=1e-13)
    embedded = _weights([*ROW4W.a[-1], 0.0])
    np.testing.assert_allclose(_conditions(embedded, 2), 0.0, atol=1e-13)
    both = ALPHA + GAMMA
    assert embedded @ both @ both @ ONE == pytest.approx(1 / 6, abs=1e-13)
    assert embedded @ ALPHA @ ALPHA @ ONE == pytest.approx(1 / 6, abs=1e-13)
    assert embedded @ (ALPHA @ ONE) ** 2 == pytest.approx(1 / 3, abs=1e-13)
    np.testing.assert_allclose(ROW4W.alpha, ALPHA @ ONE, atol=1e-13)
    np.testing.assert_allclose(ROW4W.gamma_sum, GAMMA @ ONE, atol=1e-13)


def test_order_three_between_steps():
    s = 0.37
    k1, k2, _ = np.array(ROW4W.interpolant)
    u = s * np.array([*ROW4W.a[-1], 1.0]) + s * (1 - s) * (k1 + s * k2)
    np.testing.assert_allclose(_conditions(_weights(u), 3, s), 0.0, atol=1e-13)


def test_stability():
    """A(90) with its own Jacobian, and nothing is left of an infinitely fast state."""
    both, b = ALPHA + GAMMA, _weights([*ROW4W.a[-1], 1.0])

    def growth(z):
        return abs(1 + z * b @ np.linalg.solve(np.eye(STAGES) - z * both, ONE))

    assert max(growth(1j * y) for y in np.geomspace(1e-2, 1e5, 400)) <= 1 + 1e-12
    assert growth(-1e9) < 1e-7


@pytest.mark.parametrize("rows", [[], [0], [1]])
def test_order_without_rates_in_the_matrix(sbml, rows):
    reader = _sbml.read(sbml("x = 1; y = 0.5; x' = -x*y + cos(time); y' = x^2/(1 + x) - 2*y"))
    twin = _twin.Twin(reader.system, ROW4W, np.zeros(0), rows)
    exact = scipy.integrate.solve_ivp(twin.rhs, (0, 2), twin.start, "DOP853", rtol=1e-13, atol=1e-14)
    errors = []
    for n in (20, 40):
        y = twin.start
        for k in range(n):
            y, _, _ = twin.step(2.0 * k / n, 2.0 / n, y)
        errors.append(np.abs(y - exact.y[:, -1]).max())
    assert np.log2(errors[0] / errors[1]) > 3.6


@pytest.fixture(scope="module")
def crowd():
    """A large system: slow states that all depend on each other, a chain, and two fast ones."""
    slow = [f"s{i}" for i in range(LARGE)]
    total = " + ".join(slow)
    return "\n".join(
        [
            *(f"{s} = {1 + 0.1 * i}; {s}' = 0.02*(fast/{s} - {s}*total/{LARGE})" for i, s in enumerate(slow)),
            f"total := {total}",
            "depot = 3; depot' = -5*depot; tissue = 0; tissue' = 5*depot - 0.1*tissue",
            "fast = 1; fast' = 40*(1 + tissue/(1 + tissue) - fast*total/60)",
        ]
    )


def test_slow_rates_with_many_entries_are_explicit(sbml, crowd):
    system = _sbml.read(sbml(crowd)).system
    kept = {system.states[i] for i in _implicit.implicit_rows(system)[0]}
    assert kept == {"depot", "tissue", "fast"}
    small = _sbml.read(sbml("x = 1; y = 1; x' = -x*y; y' = -0.001*x*y")).system
    assert _implicit.implicit_rows(small) == ([0, 1], 0.0)


def test_weak_entries_leave_the_matrix(sbml, crowd):
    """``probe`` moves at 30 per hour by itself and at 0.015 through ``s0``: the latter is left out."""
    system = _sbml.read(sbml(crowd + "\nprobe = 1; probe' = 30*(1 + 0.0005*s0 - probe)")).system
    part = _implicit.implicit_part(system, ROW4W.stages, _linear_system.build(system, ROW4W.stages))
    rows, fastest = _implicit.implicit_rows(system)
    everything = _linear_system.build(system, ROW4W.stages, rows)
    at = {name: i for i, name in enumerate(system.states)}
    assert fastest > 30
    assert set(everything.entries) - set(part.entries) == {(at["probe"], at["s0"])}
    # `tissue` starts at 0 and so has no size by which its entry could be judged
    assert (at["tissue"], at["depot"]) in part.entries


def test_a_matrix_without_slow_rates_gives_the_same_answer(sbml, crowd):
    text = sbml(crowd)
    program = engine.compile(text)
    assert program.method == "row4w"
    full = engine.compile(text, method="rodas5p")
    times = np.linspace(1.0, 60.0, 7)
    states = list(program.states)
    exact = (
        engine.compile(text, outputs=states, method="rodas5p").ensemble({}, rtol=1e-10).advance(60.0, times)
    )
    run = engine.compile(text, outputs=states).ensemble({}, rtol=1e-5)
    np.testing.assert_allclose(run.advance(60.0, times).values, exact.values, rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(
        program.jacobian(program.start({}), {}), full.jacobian(full.start({}), {}), rtol=1e-12
    )


def test_the_tolerance_follows_the_method(sbml, crowd):
    text, at = sbml(crowd), np.array([30.0])
    program = engine.compile(text)
    values = [program.ensemble({}, rtol=rtol).advance(30.0, at).values for rtol in (None, 1e-3, 1e-4)]
    assert np.array_equal(values[0], values[1])
    assert not np.array_equal(values[0], values[2])
    small = engine.compile(sbml("x = 1; o := x; x' = -x"))
    values = [small.ensemble({}, rtol=rtol).advance(30.0, at).values for rtol in (None, 1e-4)]
    assert np.array_equal(*values)


def test_the_method_follows_the_size(sbml):
    assert engine.compile(sbml("x = 1; x' = -x")).method == "rodas4"
    assert [default(n).name for n in (LARGE - 1, LARGE)] == ["rodas4", "row4w"]


def test_no_step_outruns_the_states_outside_the_matrix(sbml, crowd):
    program = engine.compile(sbml(crowd))
    rate = program._meta["unseen"]
    assert rate == _implicit.implicit_rows(_sbml.read(sbml(crowd)).system)[1] / 128
    assert ROW4W.longest(rate, 1e-3) == REACH / rate
    assert ROW4W.longest(rate, 1.6e-2) == pytest.approx(2.0 * REACH / rate)
    quiet = program.ensemble({})  # nothing happens: steps would grow to days
    quiet.advance(240.0)
    assert quiet.steps[0, 0] >= 240.0 / ROW4W.longest(rate, 1e-3)
    assert engine.compile(sbml("x = 1; x' = -x"))._longest(1e-4) == np.inf


def test_errors_stay_near_the_tolerance_where_little_happens():
    """The benchmarks' copy of opiome's own model, a slow infusion or nothing at all."""
    sbml = gzip.decompress(COPY.read_bytes()).decode()
    states = list(engine.compile(sbml, outputs=[]).states)
    rng, n = np.random.default_rng(4), 6
    defaults = engine.compile(sbml, outputs=[]).defaults
    varied = [k for k, v in sorted(defaults.items()) if v > 0 and v != 1 and not k.startswith("edge_")][::19]
    people = {k: defaults[k] * np.exp(0.2 * rng.standard_normal(n)) for k in varied}
    at = np.arange(24.0, 169.0, 24.0)
    patch = {"TIME": 0.0, "CMT": "opioid_central", "AMT": 30_000.0, "DUR": 72.0, "II": 72.0, "ADDL": 1}
    for events in (None, engine.EventTable.from_rows([patch])):
        runs = {
            (method, rtol): engine.compile(sbml, outputs=states, method=method).ensemble(
                people, n=n, events=events, rtol=rtol
            )
            for method, rtol in (("rodas5p", 1e-8), ("row4w", 1e-3), ("row4w", 1e-4))
        }
        values = {key: run.advance(168.0, at=at).values for key, run in runs.items()}
        exact = values.pop(("rodas5p", 1e-8))
        scale = np.abs(exact) + 1e-3 * runs["rodas5p", 1e-8]._peak[:, None, :] + 1e-300
        for (_, rtol), found in values.items():
            assert (np.abs(found - exact) / scale).max() < 1.5 * rtol
