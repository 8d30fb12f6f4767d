"""A compiled model: names, start values, derivatives, outputs, steady states, cache."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from opiome import engine

GUT_STATES = ("marker", "depot", "central", "peripheral", "site", "tone", "memory", "substrate", "bugs")


def test_public_names():
    names = "Bands Block DoseError Ensemble EventTable Failure Outcome Program compile stream"
    assert sorted(engine.__all__) == names.split()


def test_names(gut):
    program = engine.compile(gut)
    assert sorted(program.states) == sorted(GUT_STATES)
    assert program.outputs == ("effect", "growth", "score")
    assert "tone0" not in program.parameters  # an initial assignment computes it
    assert program.defaults["hill"] == 1.6
    assert "default_compartment" not in program.parameters


def test_start_is_evaluated_per_patient(gut):
    program = engine.compile(gut)
    start = program.start({"kin": np.array([2.0, 4.0])})
    tone = program.states.index("tone")
    np.testing.assert_allclose(start[:, tone], [20.0, 40.0])
    assert start[0, program.states.index("marker")] == pytest.approx(1.5)  # an amount: 0.5 in a volume of 3


def test_rhs_and_outputs_agree_with_roadrunner(gut):
    import roadrunner

    program = engine.compile(gut)
    rng = np.random.default_rng(1)
    states = rng.uniform(0.1, 5.0, (11, len(program.states)))
    rhs, outputs = program.rhs(states, {}, time=3.0), program.evaluate(states, {}, time=3.0)
    rr = roadrunner.RoadRunner(gut)
    for p in range(len(states)):
        for name, value in zip(program.states, states[p], strict=True):
            rr[name] = value
        rr.model.setTime(3.0)
        rates = [rr[f"{name}'"] for name in program.states]
        np.testing.assert_allclose(rhs[p], rates, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(outputs[p], [rr[name] for name in program.outputs], rtol=1e-12)


def test_jacobian_agrees_with_differences(gut):
    program = engine.compile(gut)
    rng = np.random.default_rng(2)
    states = rng.uniform(0.5, 4.0, (9, len(program.states)))
    jacobian = program.jacobian(states, {"hill": 2.4}, time=1.0)
    for j in range(len(program.states)):
        h = 1e-6 * states[:, j]
        up, down = states.copy(), states.copy()
        up[:, j] += h
        down[:, j] -= h
        slope = (program.rhs(up, {"hill": 2.4}, 1.0) - program.rhs(down, {"hill": 2.4}, 1.0)) / (2 * h)[
            :, None
        ]
        np.testing.assert_allclose(jacobian[:, :, j], slope, rtol=1e-6, atol=1e-8)


def test_steady_states_from_poor_starts(sbml):
    text = "\n".join(
        [
            "kin = 1; slow = 1e-4; fast = 50; n = 2.5; inflow = 4; mu = 0.5; ks = 0.01; w = 0.1",
            "s = 4; x = 0.001; s' = w*(inflow - s) - mu*s/(ks + s)*x; x' = mu*s/(ks + s)*x - w*x - 0.01*x^2",
            *(
                f"a{i} = 0; a{i}' = {('kin' if i == 0 else f'slow*a{i - 1}*(1 + x)')}*{1 + i % 3} "
                f"- {('fast' if i % 2 else 'slow')}*a{i}*(1 + a{i}^n/(3^n + a{i}^n))"
                for i in range(40)
            ),
        ]
    )
    program = engine.compile(sbml(text))
    rng = np.random.default_rng(3)
    start = program.start({}, 50)
    start[:, 2:] = rng.lognormal(0, 4, (50, 40))
    start[:, 0], start[:, 1] = rng.uniform(0, 50, 50), rng.lognormal(0, 3, 50)
    parameters = {"kin": rng.lognormal(0, 1, 50), "fast": rng.lognormal(4, 1, 50)}
    states, outcome = program.steady_state(parameters, start)
    assert (outcome == engine.Outcome.OK).all()
    turnover = np.abs(np.einsum("pii->pi", program.jacobian(states, parameters))) * np.abs(states)
    assert (np.abs(program.rhs(states, parameters)) <= 1e-9 * turnover + 1e-12).all()
    assert (states[:, 1] > 0.1).all()  # the populated branch, not the washed-out one


def test_held_states_stay(gut):
    program = engine.compile(gut)
    start = program.start({})
    start[:, program.states.index("memory")] = 0.3
    states, outcome = program.steady_state({}, start, hold=["memory"])
    assert outcome[0] == engine.Outcome.OK
    rates = program.rhs(states, {})[0]
    memory = program.states.index("memory")
    assert states[0, memory] == 0.3
    assert abs(rates[memory]) > 1e-4
    assert np.abs(np.delete(rates, memory)).max() < 1e-9


def test_a_second_process_takes_the_code_from_the_cache(gut, tmp_path):
    script = (
        "import sys, time; from opiome import engine; text = sys.stdin.read(); p = engine.compile(text);"
        "print('libsbml' in sys.modules, p.ensemble({}).advance(2.0, at=[2.0]).values.tobytes().hex())"
    )
    import os

    environment = {**os.environ, "OPIOME_CACHE": str(tmp_path)}
    answers = [
        subprocess.run(
            [sys.executable, "-c", script],
            input=gut,
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        ).stdout.split()
        for _ in range(2)
    ]
    assert [a[0] for a in answers] == ["True", "False"]
    assert answers[0][1] == answers[1][1]


def test_a_damaged_cache_is_compiled_again(gut, tmp_path, monkeypatch):
    monkeypatch.setenv("OPIOME_CACHE", str(tmp_path))
    engine.compile(gut)
    (binary,) = (tmp_path / "engine").glob("*.o")
    binary.write_bytes(b"\x90" * 100)
    assert np.isfinite(engine.compile(gut).rhs(engine.compile(gut).start({}), {})).all()


def test_a_cache_that_others_can_write_to_is_not_used(gut, tmp_path, monkeypatch):
    monkeypatch.setenv("OPIOME_CACHE", str(tmp_path))
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine").chmod(0o777)
    engine.compile(gut)
    assert list((tmp_path / "engine").iterdir()) == []


def test_importing_the_engine_is_cheap():
    heavy = ["numba", "llvmlite", "libsbml", "scipy", "polars"]
    code = f"import sys, opiome.engine; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_a_program_travels_between_processes(gut):
    import pickle

    program = engine.compile(gut)
    again = pickle.loads(pickle.dumps(program))  # noqa: S301 - its own bytes
    start = program.start({})
    assert np.array_equal(again.rhs(start, {}), program.rhs(start, {}))


def test_missing_machine_code_is_refused_and_not_called(gut):
    from opiome.errors import EngineError

    with pytest.raises(EngineError, match="lacks `nothing`"):
        engine.compile(gut)._code.address("nothing")
