"""Steady states of repeated doses: published formulas where the drug is linear, and drugs that are not."""

from __future__ import annotations

import numpy as np
import pytest

from opiome import engine

SATURABLE = "v = 1; km = 2; a = 0; a' = -v * a / (km + a)"
TARGET = """  # target-mediated disposition: drug, receptor, complex; and what only reads the drug
kel = 0.1; kon = 0.5; koff = 0.05; kint = 0.2; ksyn = 1; kdeg = 0.25; ka = 0.7; ke0 = 0.3; kout = 0.1
d = 0; d' = -ka*d
c = 0; c' = ka*d - kel*c - kon*c*r + koff*x
r = 4; r' = ksyn - kdeg*r - kon*c*r + koff*x
x = 0; x' = kon*c*r - (koff + kint)*x
e = 0; e' = ke0*(c - e)
u = 0; u' = kel*c
effect = 1; effect' = kout*(1/(1 + e^2) - effect)
"""


def given(rows):
    return engine.EventTable.from_rows([{"TIME": 0.0, "CMT": "a", "SS": 1, **row} for row in rows])


def test_saturable_elimination(sbml):
    """Between doses v t = a0 - a + km log(a0 / a), so the trough is D / (exp((v II - D) / km) - 1)."""
    program = engine.compile(sbml(SATURABLE), outputs=["a"])
    v, dose, interval = (
        np.array([0.6, 1.0, 1.5, 2.5]),
        np.array([5.0, 9.0, 11.0, 3.0]),
        [12.0, 12.0, 8.0, 24.0],
    )
    rows = [{"ID": i, "AMT": dose[i], "II": interval[i], "LAG": 1.0 * i} for i in range(4)]
    run = program.ensemble({"v": v}, events=given(rows), rtol=1e-10)
    at = [1e-9, 1.0, 2.0, 3.0]
    values = run.advance(3.0, at=at).values[..., 0]
    trough = dose / np.expm1((v * interval - dose) / 2.0)
    assert values[0, 0] == pytest.approx(trough[0] + dose[0], rel=1e-7)
    for i in range(1, 4):  # the dose comes a lag after the record: until then the last one is cleared
        assert values[i, i] == pytest.approx(trough[i], rel=1e-8)


def test_constant_infusion(sbml):
    """At the plateau what comes in goes out: a = km R / (v - R)."""
    program = engine.compile(sbml(SATURABLE), outputs=["a"])
    rates = np.array([0.1, 0.5, 0.95])
    rows = [{"ID": i, "AMT": 0.0, "RATE": rate} for i, rate in enumerate(rates)]
    run = program.ensemble({}, n=3, events=given(rows), rtol=1e-10)
    values = run.advance(1e-9, at=[1e-9]).values[:, 0, 0]
    np.testing.assert_allclose(values, 2.0 * rates / (1.0 - rates), rtol=1e-8)


@pytest.mark.parametrize(
    "dose",
    [
        {"CMT": "d", "AMT": 30.0, "II": 12.0},
        {"CMT": "c", "AMT": 30.0, "II": 12.0, "DUR": 17.0, "LAG": 3.0},
        {"CMT": "c", "AMT": 8.0, "II": 6.0, "F": 0.7, "RATE": 4.0},
    ],
)
def test_target_mediated_disposition(sbml, dose):
    """The solved state is the one that hundreds of doses lead to; what only reads the drug stays."""
    names = ["d", "c", "r", "x", "e", "u", "effect"]
    program = engine.compile(sbml(TARGET), outputs=names)
    solved = program.ensemble({}, events=given([{**dose, "TIME": 5.0}]), rtol=1e-10)
    before, after = solved.advance(5.0 + 1e-9, at=[5.0, 5.0 + 1e-9]).values[0]
    one_more = solved.advance(5.0 + dose["II"], at=[5.0 + dose["II"]]).values[0, 0]
    long = program.ensemble({}, events=given([{**dose, "SS": 0, "ADDL": 300}]), rtol=1e-10)
    values = long.advance(300 * dose["II"] + 1e-9, at=[300 * dose["II"] + 1e-9]).values[0, 0]
    np.testing.assert_allclose(after[:5], values[:5], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(after[5:], before[5:], rtol=1e-7, atol=1e-8)
    assert one_more[5] > after[5]


def test_each_patient_alone_has_the_same_steady_state(sbml):
    program = engine.compile(sbml(SATURABLE), outputs=["a"])
    v = np.linspace(1.0, 2.0, 11)
    dose = {"AMT": 7.0, "II": 12.0}
    together = program.ensemble({"v": v}, events=given([dose]))
    together.advance(1.0)
    alone = program.ensemble({"v": v[4:5]}, events=given([dose]))
    alone.advance(1.0)
    assert together.states[4, 0] == alone.states[0, 0]


def test_covariates_up_to_the_record_count(sbml):
    program = engine.compile(sbml(SATURABLE), outputs=["a"])
    rows = [
        {"TIME": 3.0, "EVID": 2, "CMT": "v", "AMT": 2.0},
        {"TIME": 8.0, "EVID": 2, "CMT": "v", "AMT": 9.0},
        {"TIME": 6.0, "CMT": "a", "AMT": 5.0, "II": 12.0, "SS": 1},
    ]
    run = program.ensemble({}, events=engine.EventTable.from_rows(rows), rtol=1e-10)
    value = run.advance(6.0 + 1e-9, at=[6.0 + 1e-9]).values[0, 0, 0]
    assert value == pytest.approx(5.0 + 5.0 / np.expm1((24.0 - 5.0) / 2.0), rel=1e-7)


def test_what_cannot_be_solved_is_refused(sbml):
    program = engine.compile(sbml(SATURABLE))
    dose = {"AMT": 5.0, "II": 12.0}
    with pytest.raises(engine.DoseError, match=r"patient 1 has no steady state.*or less than is given.*ADDL"):
        program.ensemble({"v": np.array([1.0, 0.3])}, events=given([dose]))
    with pytest.raises(engine.DoseError, match=r"`a` is not linear, so a steady state cannot be added.*SS 1"):
        program.ensemble({}, events=given([{**dose, "SS": 2}]))
    timed = engine.compile(sbml("a = 0; b = 1; b' = cos(time) - b; a' = -b * a / (1 + a)"))
    with pytest.raises(engine.DoseError, match=r"`b` depends on the time.*ADDL"):
        timed.ensemble({}, events=given([dose]))
    ring = "; ".join(f"a{j} = 1; a{j}' = a{(j - 1) % 30}^2 - a{j}^2" for j in range(1, 30))
    large = engine.compile(sbml(f"a = 1; a' = a29^2 - a^2; {ring}".replace("a0^2", "a^2")))
    with pytest.raises(engine.DoseError, match=r"tied to 29 other states .*ADDL"):
        large.ensemble({}, events=given([dose]))
    sink = engine.compile(sbml("a = 0; a' = 0; b = 1; b' = -b"))
    with pytest.raises(engine.DoseError, match="`a` only accumulates"):
        sink.ensemble({}, events=given([dose]))


def test_a_linear_depot_of_a_saturable_drug_is_not_solved_alone(sbml):
    """The depot is linear, but what it feeds is the drug too: both are in the steady state."""
    program = engine.compile(
        sbml("ka = 1; d = 0; d' = -ka*d; c = 0; c' = ka*d - 2*c/(3 + c)"), outputs=["d", "c"]
    )
    run = program.ensemble({}, events=given([{"CMT": "d", "AMT": 9.0, "II": 12.0}]), rtol=1e-10)
    values = run.advance(24.0, at=[1e-9]).values[0]
    long = program.ensemble(
        {}, events=given([{"CMT": "d", "AMT": 9.0, "II": 12.0, "SS": 0, "ADDL": 200}]), rtol=1e-10
    )
    settled = long.advance(2400.0 + 1e-9, at=[2400.0 + 1e-9]).values[0, 0]
    assert values[0, 1] == pytest.approx(settled[1], rel=1e-7)


TWO = """
k = 0.3; k12 = 0.8; k21 = 0.25; ka = 1.7
d = 0; d' = -ka*d;  a = 0; a' = ka*d - (k + k12)*a + k21*b;  b = 0; b' = k12*a - k21*b
"""
BETA = 0.5 * (1.35 - np.sqrt(1.35**2 - 4 * 0.25 * 0.3))
ALPHA = 0.25 * 0.3 / BETA
TAU, LENGTH = 8.0, 3.0


def repeated_bolus(t):
    """Amount in the first of two compartments, a bolus of 1 every TAU, steady state.

    The formulas are those of Bertrand & Mentre, Mathematical expressions of the pharmacokinetic and
    pharmacodynamic models implemented in the Monolix software, 2008, section 1.2.
    """
    terms = [((ALPHA - 0.25) / (ALPHA - BETA), ALPHA), ((BETA - 0.25) / (BETA - ALPHA), BETA)]
    return sum(size * np.exp(-rate * t) / -np.expm1(-rate * TAU) for size, rate in terms)


def repeated_infusion(t):
    """The same for an infusion over LENGTH."""
    terms = [((ALPHA - 0.25) / (ALPHA - BETA), ALPHA), ((BETA - 0.25) / (BETA - ALPHA), BETA)]
    total = 0.0
    for size, rate in terms:
        past = -np.expm1(-rate * LENGTH) * np.exp(-rate * (t - LENGTH)) / -np.expm1(-rate * TAU)
        running = -np.expm1(-rate * t) + np.exp(-rate * TAU) * past
        total = total + size / rate * np.where(t <= LENGTH, running, past)
    return total / LENGTH


def repeated_oral(t):
    """The same for first-order absorption."""
    ka = 1.7
    first = ka * (0.25 - ALPHA) / ((ka - ALPHA) * (BETA - ALPHA))
    second = ka * (0.25 - BETA) / ((ka - BETA) * (ALPHA - BETA))
    terms = [(first, ALPHA), (second, BETA), (-first - second, ka)]
    return sum(size * np.exp(-rate * t) / -np.expm1(-rate * TAU) for size, rate in terms)


@pytest.mark.parametrize(
    ("dose", "formula"),
    [
        ({"CMT": "a"}, repeated_bolus),
        ({"CMT": "a", "DUR": LENGTH}, repeated_infusion),
        ({"CMT": "d"}, repeated_oral),
    ],
)
def test_two_compartments(sbml, dose, formula):
    program = engine.compile(sbml(TWO), outputs=["a"])
    row = {**dose, "TIME": 2.0, "AMT": 50.0, "II": TAU, "ADDL": 2}
    run = program.ensemble({}, events=given([row]), rtol=3e-11, atol=1e-13)
    phases = np.linspace(0.25, TAU, 32)
    at = np.concatenate([2.0 + TAU * turn + phases for turn in range(3)])
    values = run.advance(at[-1], at=at).values[0, :, 0]
    np.testing.assert_allclose(values, np.tile(50.0 * formula(phases), 3), rtol=1e-8)
