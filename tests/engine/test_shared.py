"""Parameters that all patients share: read in less time, with the same bits, and never wrongly."""

from __future__ import annotations

import numpy as np
import pytest

from opiome import engine
from opiome.errors import InputError

N = 19
TIMES = np.arange(0.0, 49.0, 6.0)
OUTPUTS = ["central", "tone", "bugs", "score", "marker"]
DOSES = engine.EventTable.from_rows([{"TIME": 3.0, "CMT": "depot", "AMT": 900.0, "II": 12.0, "ADDL": 2}])


@pytest.fixture(scope="module")
def programs(gut):
    general = engine.compile(gut, outputs=OUTPUTS)
    shared = [name for name in general.parameters if name not in {"CL", "hill"}]
    return general, engine.compile(gut, outputs=OUTPUTS, shared=shared)


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(5)
    return {"CL": rng.lognormal(2.5, 0.5, N), "hill": rng.uniform(1.0, 3.0, N), "mu": 0.4}


def values(program, people, events=DOSES, threads=1):
    return program.ensemble(people, n=N, events=events, threads=threads).advance(48.0, at=TIMES).values


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_bits(programs, people, threads):
    general, shared = programs
    assert shared._meta["prepared"] < general._meta["prepared"]
    assert shared._for(shared.matrix(people)) is shared
    assert np.array_equal(values(shared, people, threads=threads), values(general, people))


def test_a_shared_parameter_that_differs(programs, people):
    general, shared = programs
    other = people | {"mu": np.linspace(0.3, 0.5, N)}
    expected = values(general, other)
    assert not np.array_equal(expected, values(general, people))
    assert np.array_equal(values(shared, other), expected)


def test_a_shared_parameter_that_changes_on_the_way(programs, people):
    general, shared = programs
    change = engine.EventTable.from_rows([{"TIME": 20.0, "CMT": "kf", "AMT": 0.7, "EVID": 2, "ID": 4}])
    events = engine.EventTable.concat([DOSES, change])
    expected = values(general, people, events)
    assert not np.array_equal(expected, values(general, people))
    assert np.array_equal(values(shared, people, events), expected)


def test_a_shared_parameter_that_is_set_between_visits(programs, people):
    results = []
    for program in programs:
        run = program.ensemble(people, n=N, events=DOSES)
        run.advance(20.0)
        run.set("kf", 0.7, where=np.arange(N) > 3)
        run.advance(30.0)
        run.set("kf", 0.6)  # alike again
        results.append(run.advance(48.0, at=TIMES[TIMES > 30]).values)
    assert np.array_equal(*results)


def test_states_and_rates_of_people_who_differ(programs, people):
    general, shared = programs
    other = people | {"mu": np.linspace(0.3, 0.5, N)}
    start = general.start(other)
    for parameters in (people, other):
        assert np.array_equal(shared.rhs(start, parameters), general.rhs(start, parameters))
        assert np.array_equal(shared.evaluate(start, parameters), general.evaluate(start, parameters))
        assert np.array_equal(shared.start(parameters, n=N), general.start(parameters, n=N))


def test_events_of_the_model_change_a_parameter_of_single_patients(sbml):
    text = sbml("x = 1; k = 1; a = 1; x' = k - a*x; at (x > 1.5): k = 0.2; k has dimensionless; o := x*k")
    a = np.linspace(0.1, 0.9, N)
    general, shared = (engine.compile(text, shared=names) for names in ([], ["k"]))
    runs = [p.ensemble({"a": a}).advance(9.0, at=np.arange(10.0)).values for p in (general, shared)]
    assert np.array_equal(*runs)


def test_what_follows_from_shared_parameters_is_shared(sbml):
    text = sbml("x = 1; V = 2; W = 3; CL = 4; k = CL/V; j = CL/W; x' = -k*x - j*x^2; o := x")
    some, all_ = (engine.compile(text, shared=names) for names in (["CL", "V"], ["CL", "V", "W"]))
    assert all_._meta["prepared"] == 1
    assert some._meta["prepared"] > 1
    w = np.linspace(2.0, 4.0, N)
    runs = [p.ensemble({"W": w}).advance(3.0, at=np.arange(4.0)).values for p in (some, all_)]
    assert np.array_equal(*runs)


def test_an_unknown_name(gut):
    with pytest.raises(InputError, match="Did you mean `hill`"):
        engine.compile(gut, shared=["hil", "CL"])
