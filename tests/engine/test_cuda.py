"""The device code in numba's CUDA simulator against the lanes. No GPU is needed, and none was used."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import pytest

from opiome import engine
from opiome.engine import _cuda_split
from opiome.engine._tableaux import METHODS as EVERY
from opiome.engine._tableaux import Rosenbrock
from opiome.errors import EngineError

METHODS = [name for name, method in EVERY.items() if isinstance(method, Rosenbrock)]
SCRIPT = """
import json, sys
import numpy as np
from opiome import engine


def compare(case):
    chosen = {"method": case["method"]} if case["method"] else {}
    program = engine.compile(case["model"], outputs=case["outputs"], **chosen)
    events = engine.EventTable.from_rows(case["events"])
    parameters = {name: np.array(values) for name, values in case["parameters"].items()}
    answers = []
    for device in ("cpu", "gpu"):
        run = program.ensemble(parameters, n=case["n"], events=events, rtol=case["rtol"], device=device,
                               budget=case["budget"])
        blocks, begin = [], 0.0
        for until in case["visits"]:
            blocks.append(run.advance(until, at=np.linspace(begin, until, 9)).values)
            begin = until
        answers.append((np.concatenate(blocks, axis=1), run.states, run.steps, run.failures))
    (mine, ends, steps, failed), (values, states, again, failures) = answers
    size = np.nanmax(np.abs(mine), axis=(0, 1)) + 1e-300
    return {
        "error": float(np.nanmax(np.abs(values - mine) / size)),
        "ends": float(np.nanmax(np.abs(states - ends) / (np.nanmax(np.abs(ends), axis=0) + 1e-300))),
        "same": bool(np.array_equal(np.isnan(values), np.isnan(mine))),
        "steps": [steps.tolist(), again.tolist()],
        "failed": [[[f.patient, f.time, f.state, f.outcome.name] for f in who] for who in (failed, failures)],
        "finite": int(np.isfinite(mine).sum()),
    }


print(json.dumps({name: compare(case) for name, case in json.loads(sys.stdin.read()).items()}))
"""
COMMON = {"method": None, "events": [], "parameters": {}, "n": None, "rtol": 1e-4, "budget": 20_000}
DOSES = [
    {"TIME": 3.0, "CMT": "depot", "AMT": 900.0, "II": 12.0, "ADDL": 6},
    {"TIME": 8.0, "CMT": "central", "AMT": 300.0, "DUR": 9.0, "ID": 1},
    {"TIME": 9.0, "CMT": "central", "AMT": 80.0, "RATE": 20.0},
    {"TIME": 10.0, "EVID": 3, "ID": 2},
    {"TIME": 11.0, "EVID": 2, "CMT": "CL", "AMT": 5.0, "ID": 0},
]
FAILING = """
k = 1; blow = 0; sink = 0; freq = 0
x = 1; x' = -k * x + blow * x^2
y = 1; y' = 0.5 - sink - 0.1 * y
z = 1; z' = 0.1 - 0.1 * z * (1 + freq * sin(freq * time))
"""
FUNCTIONS = """
x = 0.3; x' = 0.1 * cos(time);  p = 1.7; q = 2.2
o1 := exp(x) + exp(-300*x); o2 := ln(x) + log10(x);  o3 := sqrt(x) + x^0.25 + x^(-3) + x^p
o4 := sin(x) + tan(x) + arcsin(x/9) + arccos(x/9) + arctan(x) + tanh(x);  o5 := floor(30*x) + abs(x - 0.32)
o6 := min(x, p, 1) + max(x, p);  o7 := piecewise(1, x < 0.35 && x > 0.2, 2, x >= 2 || x == 0.3, 3)
o8 := (p*x)^q/((p*x)^q + q^q);  o9 := piecewise(x^2, !(x > 0.35), 5);  o10 := piecewise(p, q > 2, x)
"""


STIFF = "a = 1; b = 0; c = 0; a' = -0.04*a + 1e4*b*c; b' = 0.04*a - 1e4*b*c - 3e7*b^2; c' = 3e7*b^2"
SICK = {"blow": [0.0, 5.0, 0.0, 0.0], "sink": [0.0, 0.0, 0.9, 0.0], "freq": [0.0, 0.0, 0.0, 3000.0]}


def in_simulator(cases):
    """What each case gives on the CPU and in the simulator, compared; one process for all."""
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps({k: COMMON | v for k, v in cases.items()}),
        capture_output=True, text=True, check=False, env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    for name, one in found.items():
        assert one["steps"][0] == one["steps"][1], name
        assert one["same"], name
        assert one["finite"] > 0, name
    return found


@pytest.fixture(scope="module")
def found(gut, sbml):
    dosed = {
        "model": gut, "outputs": ["central", "tone", "memory", "bugs", "marker", "score"], "events": DOSES,
        "parameters": {"CL": [8.0, 12.0, 16.0]}, "visits": [9.5, 10.0, 24.0],
    }  # fmt: skip
    cases = {name: dosed | {"method": name} for name in METHODS}
    names = [f"o{k}" for k in range(1, 11)]
    cases["functions"] = {"model": sbml(FUNCTIONS), "outputs": names, "visits": [6.0], "n": 2, "rtol": 1e-6}
    cases["stiff"] = {
        "model": sbml(STIFF),
        "outputs": list("abc"),
        "visits": [1.0, 1e4],
        "n": 1,
        "rtol": 1e-6,
    }
    cases["sick"] = {
        "model": sbml(FAILING), "outputs": list("xyz"), "parameters": SICK, "visits": [10.0, 20.0],
        "rtol": 1e-6, "budget": 600,
    }  # fmt: skip
    return in_simulator(cases)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_doses_resets_and_visits(found, method):
    assert found[method]["error"] <= 1e-10
    assert found[method]["ends"] <= 1e-10
    assert found[method]["failed"] == [[], []]


@pytest.mark.parametrize("name", ["functions", "stiff"])
def test_every_function_and_stiff_kinetics(found, name):
    assert found[name]["error"] <= 1e-10


def test_outcomes(found):
    cpu, gpu = found["sick"]["failed"]
    assert [f[0] for f in cpu] == [1, 2, 3]
    assert [[f[0], *f[2:]] for f in gpu] == [[f[0], *f[2:]] for f in cpu]
    # where 600 steps end is the sum of their lengths, each the root of an error that rounding has touched
    assert [f[1] for f in gpu] == pytest.approx([f[1] for f in cpu], rel=1e-8)
    assert found["sick"]["error"] <= 1e-10


def test_long_code_is_cut_into_pieces_that_compute_the_same():
    """Values and truth values that cross a cut are kept until they are read for the last time."""
    lines = ["v1 = y[0]", "v2 = v1 * 3.0", "v3 = v1 < v2"]
    lines += ["v4 = v2 if v3 else v1", "v5 = not v3", "v6 = v4 + v1"]
    for k in range(7, 60):
        lines.append(f"v{k} = v{k - 1} - v{k - 4} if v{3 if k % 3 else 5} else v{k - 1} + v6")
    lines += ["out[0] = v59", "out[1] = v30", "out[2] = v2"]
    expected = evaluate(lines, most=1000)
    for most in (1, 2, 3, 7, 20):
        assert evaluate(lines, most=most) == expected
        parts, size = _cuda_split.pieces(lines, most)
        assert max(len(part.lines) for part in parts) == most
        assert size <= 12  # slots are used again


def evaluate(lines, most):
    parts, size = _cuda_split.pieces(lines, most)
    w, out = [math.nan] * max(1, size), [0.0] * 3
    for part in parts:  # each piece is a function of its own: it knows its arguments only
        exec("\n".join(part.text), {"y": [1.25], "w": w, "out": out})  # noqa: S102 - the code under test
    return out


@pytest.mark.slow
def test_own_model_for_a_while():
    from opiome import model

    names = ["opioid_central", "butyrate_flux", "bm_rate"]
    dose = {"TIME": 0.1, "CMT": "opioid_depot", "AMT": 60_000.0}
    case = {"model": model.load().sbml, "outputs": names, "events": [dose], "n": 1, "visits": [0.3]}
    own = in_simulator({"own": case})["own"]
    assert own["error"] <= 1e-10
    assert own["ends"] <= 1e-10


def test_without_a_device(gut, sbml, monkeypatch):
    from opiome.engine import _cuda

    monkeypatch.setattr(_cuda, "missing", lambda: "no CUDA device was found")
    program = engine.compile(gut)
    with pytest.raises(EngineError, match=r"cannot run on a GPU: no CUDA device was found; use device='cpu'"):
        program.ensemble({}, device="gpu")
    with pytest.raises(EngineError, match="device is `tpu`; give one of cpu, gpu, auto"):
        program.ensemble({}, device="tpu")
    assert program.ensemble({}, device="auto").advance(1.0).outcome.tolist() == [0]
    monkeypatch.setattr(_cuda, "missing", lambda: "")
    triggered = engine.compile(sbml("x = 5; x' = -x; E: at x < 2: x = 4"))
    with pytest.raises(EngineError, match=r"SBML events .* on the CPU only"):
        triggered.ensemble({}, device="gpu")
