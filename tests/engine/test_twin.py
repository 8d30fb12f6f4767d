"""The lanes against their slow scalar twin, step for step."""

from __future__ import annotations

import math

import numpy as np
import pytest

from opiome import engine
from opiome.engine import _derivatives, _driver, _graph, _sbml, _twin
from opiome.engine._tableaux import METHODS


@pytest.mark.parametrize("method", sorted(METHODS))
def test_same_steps_and_states(gut, method):
    reader = _sbml.read(gut)
    at = np.linspace(0.0, 30.0, 31)
    program = engine.compile(gut, outputs=list(reader.system.states), method=method)
    start = program.start({})[0]
    start[program.states.index("central")] = 400.0
    run = program.ensemble({}, n=1, start=start, rtol=1e-5, atol=1e-8)
    block = run.advance(30.0, at=at)
    twin = _twin.Twin(reader.system, METHODS[method], np.array(list(program.defaults.values())))
    twin.start = start
    states, steps = twin.run(30.0, at, 1e-5, np.full(len(start), 1e-8))
    states[:, program.states.index("marker")] /= 3.0  # its symbol is a concentration
    assert run.steps[0].sum() == steps
    np.testing.assert_allclose(block.values[0], states, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    ("method", "order", "dense"), [("rodas4", 4, 3), ("rodas5p", 5, 4), ("row4w", 4, 3), ("tsit5", 5, 4)]
)
def test_orders_of_convergence(sbml, method, order, dense):
    """Halving the step divides the error by 2^order, at the ends of steps and between them."""
    reader = _sbml.read(sbml("x = 1; y = 0.5; x' = -x*y + cos(time); y' = x^2/(1 + x) - 2*y"))
    twin = _twin.Twin(reader.system, METHODS[method], np.zeros(0))

    def errors(h):
        t, y, between = 0.0, twin.start, []
        for _ in range(round(2.0 / h)):
            new, _, u = twin.step(t, h, y)
            k3, k4, k5 = (
                sum(d * v for d, v in zip(row, u, strict=True)) for row in METHODS[method].interpolant
            )
            s = 0.4
            between.append((t + s * h, (1 - s) * y + s * (new + (1 - s) * (k3 + s * (k4 + s * k5)))))
            t, y = t + h, new
        return y, between

    import scipy.integrate

    exact = scipy.integrate.solve_ivp(
        twin.rhs, (0, 2), twin.start, "DOP853", rtol=1e-13, atol=1e-14, dense_output=True
    )
    ends, middles = [], []
    for h in (0.1, 0.05):
        y, between = errors(h)
        ends.append(np.abs(y - exact.y[:, -1]).max())
        # local error of the interpolant: the ends' own error taken out by looking at the first step only
        middles.append(np.abs(between[0][1] - exact.sol(between[0][0])).max())
    assert np.log2(ends[0] / ends[1]) > order - 0.4
    assert np.log2(middles[0] / middles[1]) > dense + 1 - 0.4


def test_every_operation(sbml):
    """All functions of the graph at many points, compiled and interpreted."""
    text = """
    x = 0.3; x' = 1;  p = 1.7; q = 2.2
    o1 := exp(x) + exp(-300*x); o2 := ln(x) + log10(x) + log(2, x);  o3 := sqrt(x) + x^0.25 + x^(-3) + x^p
    o4 := sin(x) + cos(x) + tan(x);  o5 := arcsin(x/9) + arccos(x/9) + arctan(x)
    o6 := sinh(x) + cosh(x) + tanh(x) + sec(x) + csc(x) + cot(x);  o7 := floor(3*x) + ceil(3*x) + abs(x - 2)
    o8 := min(x, p, 1) + max(x, p);  o9 := piecewise(1, x < 1 && x > 0.5, 2, x >= 2 || x == 0.3, 3)
    o10 := (p*x)^q/((p*x)^q + q^q);  o11 := quotient(7*x, 2) + rem(7*x, 2);  o12 := x^5 - (-x)^3 + (1/x)^p
    o13 := piecewise(x^2, !(x > 1), 5);  o14 := ln(0*x) + 0*p;  o15 := exp(800*x)
    """
    program = engine.compile(sbml(text))
    reader = _sbml.read(program.sbml)
    reader.set_outputs(list(program.outputs))
    x = np.concatenate([np.geomspace(1e-6, 8.9, 200), [0.3, 0.5, 1.0, 2.0]])
    values = program.evaluate(x[:, None], {})
    nodes = list(reader.system.outputs.values())
    parameters = np.array(list(program.defaults.values()))
    expected = np.array([_twin.evaluate(reader.graph, nodes, 0.0, np.array([v]), parameters) for v in x])
    last = program.outputs.index("o15")  # beyond exp(708) both are huge and nothing more
    assert (values[:, last][x > 1] > 1e300).all()
    values, expected = np.delete(values, last, 1), np.delete(expected, last, 1)
    np.testing.assert_allclose(values, expected, rtol=3e-14, atol=1e-15)


def test_exp_and_log_are_accurate_to_two_units_in_the_last_place(sbml):
    program = engine.compile(sbml("x = 1; x' = 0; a := exp(x); b := ln(x)"))
    rng = np.random.default_rng(5)
    x = rng.uniform(-700, 700, 4000)
    y = rng.lognormal(0, 50, 4000)
    exp = program.evaluate(x[:, None], {})[:, 0]
    log = program.evaluate(y[:, None], {})[:, 1]
    near_one = 1 + rng.normal(0, 1e-3, 2000)
    exact = np.array([math.exp(v) for v in x])
    assert np.max(np.abs(exp - exact) / np.spacing(exact)) <= 2
    for values, points in ((log, y), (program.evaluate(near_one[:, None], {})[:, 1], near_one)):
        exact = np.array([math.log(v) for v in points])
        assert np.max(np.abs(values - exact) / np.spacing(np.abs(exact))) <= 2


def test_driver_and_schedule_name_the_same_actions():
    from opiome.engine import _schedule

    names = ("RESET", "SET", "STOP", "PUT", "ADD", "BOLUS", "START")
    assert [getattr(_driver, n) for n in names] == [getattr(_schedule, f"A_{n}") for n in names]


def test_equal_expressions_are_one_node():
    g = _graph.Graph()
    x, y, p, q = g.state(0), g.state(1), g.parameter(0), g.parameter(1)
    assert g.mul(p, g.mul(x, y)) == g.mul(g.mul(y, p), x)
    assert g.add(x, y) == g.add(y, x)
    assert g.sub(x, x) == g.zero
    assert g.level[g.mul(p, q)] == 1
    product = g.mul(g.mul(p, x), g.mul(q, y))
    assert g.level[g.args[product][0]] == 1  # what is known per patient stands in front
    slopes = _derivatives.Derivatives(g, 2)
    assert slopes.diff(g.power(x, g.num(3.0)), 1) == slopes.diff(g.mul(x, g.mul(x, x)), 1)
    kept = _derivatives.Derivatives(g, 2, [g.mul(x, y)])
    assert kept.row(g.mul(p, g.mul(x, y))) == {3: p}  # as others see it, a kept product is a variable
    assert kept.row(g.mul(x, y)) == {1: y, 2: x}
