"""A patient's numbers depend on nothing but the patient."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from opiome import engine

N = 37
SCRIPT = """
import sys, numpy as np
from opiome import engine
text = sys.stdin.read()
program = engine.compile(text, outputs=["central", "tone", "bugs", "score", "marker"])
rng = np.random.Generator(np.random.Philox(7))
n = 37
parameters = {k: program.defaults[k]*np.exp(0.3*rng.standard_normal(n)) for k in "CL ec50 mu kin".split()}
events = engine.EventTable.from_rows([{"TIME": 3.0, "CMT": "depot", "AMT": 900.0, "II": 12.0, "ADDL": 6},
    {"TIME": 20.0, "CMT": "central", "AMT": 300.0, "DUR": 9.0}])
run = program.ensemble(parameters, events=events)
print(run.advance(90.0, at=np.arange(0.0, 91.0)).values.tobytes().hex())
"""


@pytest.fixture(scope="module")
def population():
    rng = np.random.default_rng(11)
    return {
        "CL": rng.lognormal(2.5, 0.5, N), "ec50": rng.lognormal(1, 0.4, N), "mu": rng.lognormal(-1, 0.2, N),
        "kin": rng.lognormal(0.7, 0.3, N), "hill": rng.uniform(1.0, 3.0, N),
    }  # fmt: skip


def doses(rows):
    """Everyone's doses, and each third patient's own, for the patients ``rows`` (their rank is their row)."""
    everyone = [
        {"TIME": 3.0, "CMT": "depot", "AMT": 900.0, "II": 12.0, "ADDL": 6},
        {"TIME": 40.0, "CMT": "kf", "AMT": 0.7, "EVID": 2},
    ]
    own = [
        {
            "ID": rank,
            "TIME": 7.0 + row % 5,
            "CMT": "central",
            "AMT": 50.0 * row,
            "DUR": 4.0,
            "II": 11.0,
            "ADDL": 3,
        }
        for rank, row in enumerate(rows)
        if row % 3 == 0
    ]
    return engine.EventTable.from_rows(everyone + own)


def simulate(text, population, rows=range(N), *, threads=1, times=None, at_once=True):
    rows = np.asarray(rows)
    program = engine.compile(text, outputs=["central", "tone", "memory", "bugs", "marker", "score"])
    run = program.ensemble({k: v[rows] for k, v in population.items()}, events=doses(rows), threads=threads)
    times = np.arange(0.0, 91.0) if times is None else times
    if at_once:
        return run.advance(90.0, at=times).values, run.states
    return [run.advance(t, at=[t]) for t in (30.0, 60.0, 90.0)][-1].values, run.states


def test_order_subset_and_packing(gut, population):
    values, states = simulate(gut, population)
    assert np.isfinite(values).all()
    rng = np.random.default_rng(0)
    for rows in (rng.permutation(N), [5], [36, 0, 17], range(0, N, 2), [3] * 9, range(8), range(9)):
        again, ends = simulate(gut, population, list(rows))
        assert np.array_equal(again, values[list(rows)])
        assert np.array_equal(ends, states[list(rows)])


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads(gut, population, threads):
    assert np.array_equal(simulate(gut, population, threads=threads)[0], simulate(gut, population)[0])


def test_output_times_do_not_change_the_steps(gut, population):
    coarse, end = simulate(gut, population, times=np.array([0.0, 45.0, 90.0]))
    fine, same_end = simulate(gut, population, times=np.arange(0.0, 90.125, 0.125))
    assert np.array_equal(end, same_end)
    assert np.array_equal(coarse, fine[:, [0, 360, 720]])


def test_a_run_in_visits_repeats_itself_and_agrees_with_one_run(gut, population):
    visits, end = simulate(gut, population, at_once=False)
    assert np.array_equal(simulate(gut, population, at_once=False)[1], end)
    np.testing.assert_allclose(end, simulate(gut, population)[1], rtol=2e-3)
    assert visits.shape == (N, 1, 6)


def test_avx2_gives_the_same_bits(gut):
    """Code compiled for AVX2 gives the bits of this CPU's own instructions."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    if not features.get("fma"):
        pytest.skip("this CPU cannot run code with fma")
    answers = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT], input=gut, capture_output=True, text=True, check=True,
            env={**os.environ, **extra},
        ).stdout
        for extra in ({}, {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""})
    ]  # fmt: skip
    assert len(answers[0]) > 10_000
    assert answers[0] == answers[1]


def test_without_fma_the_numbers_agree_but_the_bits_may_not(gut):
    answers = [
        np.frombuffer(
            bytes.fromhex(
                subprocess.run(
                    [sys.executable, "-c", SCRIPT], input=gut, capture_output=True, text=True, check=True,
                    env={**os.environ, **extra},
                ).stdout
            )
        )
        for extra in ({}, {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": ""})
    ]  # fmt: skip
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-7)
