"""How a drug gets out of its form, against closed forms: release, patches, courses that change."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.integrate

from opiome import engine

KE = 0.21
TIMES = np.unique(np.concatenate([np.arange(0.0, 60.0, 0.37), [12.0, 24.0, 36.0, 60.0]]))


def run(text, sbml, rows, outputs, n=None):
    program = engine.compile(sbml(text), outputs=outputs)
    ensemble = program.ensemble({}, n=n, events=engine.EventTable.from_rows(rows), rtol=3e-11, atol=1e-13)
    values = ensemble.advance(60.0, at=TIMES).values
    assert ensemble.failures == []
    return values


def step(t, k=KE):
    """Amount under a unit rate switched on at 0, eliminated at rate k."""
    return -np.expm1(-k * np.maximum(t, 0.0)) / k


def pulse(t, amount, begin, end, planned):
    """An infusion planned over ``planned`` h that runs from ``begin`` to ``end``."""
    return amount / planned * (step(t - begin) - step(t - end))


ONE = f"k = {KE}; x = 0; x' = -k * x"


def test_modelled_zero_order(sbml):
    """A rate in the model that events switch on and off, and a duration that is each patient's own."""
    text = f"k = {KE}; r = 0; x = 0; x' = r - k * x; y = 0; y' = -k * y"
    lengths = np.array([2.0, 5.5, 12.0, 31.0])
    rows = []
    for i, length in enumerate(lengths):
        rows += [
            {"ID": i, "TIME": 3.0, "EVID": 2, "CMT": "r", "AMT": 80.0 / length},
            {"ID": i, "TIME": 3.0 + length, "EVID": 2, "CMT": "r", "AMT": 0.0},
            {"ID": i, "TIME": 1.0, "CMT": "y", "AMT": 80.0, "DUR": length, "LAG": 2.0},
        ]
    values = run(text, sbml, rows, ["x", "y"], n=4)
    expected = np.stack([pulse(TIMES, 80.0, 3.0, 3.0 + d, d) for d in lengths])
    np.testing.assert_allclose(values[..., 0], expected, atol=8e-7, rtol=0)
    np.testing.assert_allclose(values[..., 1], expected, atol=8e-7, rtol=0)


@pytest.mark.parametrize("ss", [0, 1])
def test_transit_chain(sbml, ss):
    """Compartment j of a chain holds D (k t)^j exp(-k t) / j! (Savic et al. 2007, eq. 2)."""
    n, k = 5, 1.3
    before = ["0", *(f"a{j}" for j in range(n))]
    chain = "; ".join(f"a{j} = 0; a{j}' = ktr * ({before[j]} - a{j})" for j in range(n))
    dose = {"TIME": 12.0, "CMT": "a0", "AMT": 50.0, "II": 12.0, "ADDL": 2, "LAG": 0.8, "SS": ss}
    values = run(f"ktr = {k}; {chain}", sbml, [dose], [f"a{j}" for j in range(n)])[0]
    expected = np.zeros_like(values)
    for turn in range(-20 if ss else 0, 3):
        t = TIMES - 12.8 - 12.0 * turn
        on = (t > 0) & (TIMES > 12.0)
        t = np.where(on, t, 0.0)
        expected += np.stack(
            [on * 50.0 * (k * t) ** j * np.exp(-k * t) / math.factorial(j) for j in range(n)], 1
        )
    np.testing.assert_allclose(values, expected, atol=5e-7, rtol=0)


@pytest.mark.parametrize("shape", [1.0, 1.7, 2.5])
def test_weibull_release(sbml, shape):
    """What is left is D exp(-((t - t0) / scale)^shape); the amount released convolves with elimination."""
    text = f"""
    k = {KE}; scale = 6; shape = {shape}; t0 = 1000
    d = 0; x = 0
    release := piecewise(shape / scale * ((time - t0) / scale)^(shape - 1) * d, time > t0, 0)
    d' = -release; x' = release - k * x
    """
    rows = [{"TIME": 12.0, "EVID": 2, "CMT": "t0", "AMT": 12.0}, {"TIME": 12.0, "CMT": "d", "AMT": 100.0}]
    values = run(text, sbml, rows, ["d", "x"])[0]
    t = np.maximum(TIMES - 12.0, 0.0)
    left = np.where(TIMES > 12.0, 100.0 * np.exp(-((t / 6.0) ** shape)), 0.0)

    def arrived(until):
        """Released by u, eliminated since: integrated by parts, so that nothing is singular at 0."""
        lost = scipy.integrate.quad(
            lambda u: KE * math.exp(-KE * (until - u)) * -math.expm1(-((u / 6.0) ** shape)),
            0, until, epsabs=1e-13, epsrel=1e-13, limit=400,
        )[0]  # fmt: skip
        return 100.0 * (-math.expm1(-((until / 6.0) ** shape)) - lost)

    np.testing.assert_allclose(values[:, 0], left, atol=1e-6, rtol=0)
    np.testing.assert_allclose(values[:, 1], [arrived(v) for v in t], atol=1e-6, rtol=0)


def test_biphasic_release(sbml):
    """A share at once and the rest, later and slower, of each tablet: two records with F and LAG."""
    text = (
        f"k = {KE}; ka = 1.4; kb = 0.3; a = 0; a' = -ka*a; b = 0; b' = -kb*b; x = 0; x' = ka*a + kb*b - k*x"
    )
    tablet = {"TIME": 12.0, "AMT": 60.0, "II": 12.0, "ADDL": 3}
    rows = [{**tablet, "CMT": "a", "F": 0.38}, {**tablet, "CMT": "b", "F": 0.62, "LAG": 1.5}]
    values = run(text, sbml, rows, ["x"])[0, :, 0]
    expected = np.zeros_like(TIMES)
    for turn in range(4):
        for ka, share, lag in ((1.4, 0.38, 0.0), (0.3, 0.62, 1.5)):
            t = np.maximum(TIMES - 12.0 * (turn + 1) - lag, 0.0)
            expected += 60.0 * share * ka / (ka - KE) * (np.exp(-KE * t) - np.exp(-ka * t))
    np.testing.assert_allclose(values, expected, atol=6e-7, rtol=0)


PATCH = {"CMT": "x", "AMT": 72.0, "DUR": 72.0, "SITE": "arm", "LAG": 2.0}


def removed(*rows):
    """One patch put on at 4 h, and what happens to it."""
    return [{**PATCH, "TIME": 4.0}, *({"EVID": 5, "CMT": "x", **row} for row in rows)]


PATCHES = [  # what happens, and the infusions that remain: (amount per 72 h, begin, end)
    (removed(), [(72.0, 6.0, 78.0)]),
    (removed({"TIME": 24.0, "SITE": "arm"}), [(72.0, 6.0, 26.0)]),
    (removed({"TIME": 24.0}), [(72.0, 6.0, 26.0)]),
    (  # one of two
        [*removed({"TIME": 24.0, "SITE": "leg"}), {**PATCH, "TIME": 4.0, "SITE": "leg"}],
        [(72.0, 6.0, 78.0), (72.0, 6.0, 26.0)],
    ),
    (removed({"TIME": 5.0, "SITE": "arm"}), [(72.0, 6.0, 7.0)]),  # within the lag: the skin lets it out later
    (removed({"TIME": 24.0, "SITE": "arm"}, {"TIME": 30.0, "SITE": "arm"}), [(72.0, 6.0, 26.0)]),
    (
        [*removed({"TIME": 24.0, "SITE": "arm"}), {**PATCH, "TIME": 24.0}],  # changed early, on the same site
        [(72.0, 6.0, 26.0), (72.0, 26.0, 98.0)],
    ),
    (
        [{**PATCH, "TIME": 4.0, "DUR": 12.0, "II": 12.0, "ADDL": 9}, {"TIME": 30.0, "EVID": 5, "CMT": "x"}],
        [(432.0, 6.0, 18.0), (432.0, 18.0, 30.0), (432.0, 30.0, 32.0)],
    ),
]


@pytest.mark.parametrize("visits", [False, True])
def test_patches_that_are_removed(sbml, visits):
    program = engine.compile(sbml(ONE), outputs=["x"])
    expected = np.stack([sum(pulse(TIMES, a, b, e, 72.0) for a, b, e in spans) for _, spans in PATCHES])
    rows = [{"ID": i, **row} for i, (rows, _) in enumerate(PATCHES) for row in rows]
    if visits:  # each record is given when its time has come
        ensemble = program.ensemble({}, n=len(PATCHES), rtol=3e-11, atol=1e-13)
        edges = sorted({row["TIME"] for row in rows})
        ensemble.advance(edges[0])
        blocks = []
        for begin, end in zip(edges, [*edges[1:], 60.0], strict=True):
            ensemble.give(engine.EventTable.from_rows([row for row in rows if row["TIME"] == begin]))
            blocks.append(ensemble.advance(end, at=TIMES[(begin < TIMES) & (end >= TIMES)]).values[..., 0])
        values = np.concatenate(blocks, axis=1)
        expected = expected[:, edges[0] < TIMES]
    else:
        events = engine.EventTable.from_rows(rows)
        ensemble = program.ensemble({}, n=len(PATCHES), events=events, rtol=3e-11, atol=1e-13)
        values = ensemble.advance(60.0, at=TIMES).values[..., 0]
    np.testing.assert_allclose(values, expected, atol=7e-7, rtol=0)


def test_an_end_of_everyones_patch_spares_other_states(sbml):
    text = f"{ONE}; y = 0; y' = -k * y"
    rows = [
        {"TIME": 0.0, "CMT": "x", "AMT": 10.0, "DUR": 40.0},
        {"TIME": 0.0, "CMT": "y", "AMT": 10.0, "DUR": 40.0, "ID": 1},
        {"TIME": 12.0, "EVID": 5, "CMT": "x"},
    ]
    values = run(text, sbml, rows, ["x", "y"], n=2)
    for who in range(2):
        np.testing.assert_allclose(values[who, :, 0], pulse(TIMES, 10.0, 0.0, 12.0, 40.0), atol=1e-7, rtol=0)
    np.testing.assert_allclose(values[1, :, 1], pulse(TIMES, 10.0, 0.0, 40.0, 40.0), atol=1e-7, rtol=0)
    assert not values[0, :, 1].any()


def test_interval_shortened_mid_course(sbml):
    """Every 12 h until the visit at 36 h, every 8 h from it on; a swallowed dose with a lag still arrives."""
    course = {"CMT": "x", "AMT": 30.0, "LAG": 1.0}
    rows = [
        {**course, "TIME": 0.0, "II": 12.0, "ADDL": 10},
        {"TIME": 36.0, "EVID": 5, "CMT": "x"},
        {**course, "TIME": 36.0, "II": 8.0, "ADDL": 10},
        {"TIME": 52.5, "EVID": 5, "CMT": "x"},  # the dose of 52 h is on its way
    ]
    values = run(ONE, sbml, rows, ["x"])[0, :, 0]
    times = np.array([0.0, 12.0, 24.0, 36.0, 44.0, 52.0]) + 1.0
    since = TIMES[:, None] - times
    expected = (30.0 * np.exp(-KE * np.maximum(since, 0.0)) * (since > 0)).sum(axis=1)
    np.testing.assert_allclose(values, expected, atol=3e-7, rtol=0)


def test_covariates_that_change_in_time(sbml):
    """Clearance by EVID 2, at times of doses, of outputs, and between; each patient's own and everyone's."""
    own = [[(5.0, 8.0), (12.0, 2.0), (24.0, 6.0)], [(12.0, 1.0)], []]
    everyone = [(36.0, 3.0), (48.4, 5.0)]
    rows = [{"TIME": t, "EVID": 2, "CMT": "CL", "AMT": v} for t, v in everyone]
    rows += [{"ID": i, "TIME": t, "EVID": 2, "CMT": "CL", "AMT": v} for i, c in enumerate(own) for t, v in c]
    rows.append({"TIME": 0.0, "CMT": "x", "AMT": 100.0, "II": 12.0, "ADDL": 3})
    values = run("V = 20; CL = 4; x = 0; x' = -CL / V * x", sbml, rows, ["x"], n=3)[..., 0]
    for i, changes in enumerate(own):
        steps = [(0.0, 4.0), *sorted([*changes, *everyone])]

        def cleared(t, steps=steps):  # the integral of CL / V up to t
            ends = [*(s for s, _ in steps[1:]), np.inf]
            return sum(v / 20.0 * np.clip(t - s, 0.0, e - s) for (s, v), e in zip(steps, ends, strict=True))

        expected = sum(
            100.0 * np.where(t < TIMES, np.exp(-(cleared(TIMES) - cleared(t))), 0.0) for t in (0, 12, 24, 36)
        )
        np.testing.assert_allclose(values[i], expected, atol=1e-6, rtol=0)
