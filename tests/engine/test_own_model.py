"""opiome's own model in the engine and elsewhere: random patients, every state, a dense grid.

Every fast run asks COPASI for two of them; a slow test asks libRoadRunner for 50.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from opiome import engine, exchange, model

PATIENTS = 50
HOURS = 26.0
DOSES = [
    ("opioid_depot", 1.0, 60_000.0),
    ("opioid_depot_pr", 13.0, 90_000.0),
    ("antagonist_depot", 8.0, 300.0),
]
EVENTS = engine.EventTable.from_rows([{"CMT": c, "TIME": t, "AMT": a} for c, t, a in DOSES])


@pytest.fixture(scope="module")
def loaded():
    return model.load()


@pytest.fixture(scope="module")
def own_model(loaded):
    return loaded.sbml


@pytest.fixture(scope="module")
def population(own_model):
    """Every positive parameter that is not a gate or a fraction moves by about 10 % between patients."""
    program = engine.compile(own_model)
    rng = np.random.default_rng(2024)
    values = {
        name: value * np.exp(0.1 * rng.standard_normal(PATIENTS))
        for name, value in program.defaults.items()
        if value > 0.0 and value != 1.0 and not name.startswith("edge_")
    }
    start = program.start(values)
    start *= np.exp(0.1 * rng.standard_normal(start.shape))
    return program, values, start


def in_copasi(copasi, loaded, population, patients, grid):
    """Some of the patients in COPASI's LSODA: their states, shape (patients, times, states)."""
    program, columns, start = population
    result = []
    for p in patients:
        text = exchange.sbml_text(
            loaded,
            parameters={name: float(column[p]) for name, column in columns.items()},
            start=dict(zip(program.states, start[p], strict=True)),
            events=EVENTS,
        )
        result.append(copasi(text, program.states, grid))
    return np.array(result)


def in_roadrunner(rr, population, patients, grid):
    """The same, dose by dose, in libRoadRunner's CVODE."""
    program, columns, start = population
    rr.integrator.relative_tolerance, rr.integrator.absolute_tolerance = 1e-9, 1e-11
    rr.integrator.maximum_num_steps = 1_000_000
    rr.timeCourseSelections = ["time", *program.states]
    result = np.empty((len(patients), len(grid), len(program.states)))
    derived = program.matrix(columns)
    program._begin(derived)
    for row, p in enumerate(patients):
        rr.reset()
        for name, column in columns.items():
            rr[name] = column[p]
        for k, name in enumerate(program._derived):
            rr[name] = derived[p, len(program.parameters) + k]
        for name, value in zip(program.states, start[p], strict=True):
            rr[name] = value
        stops = [0.0, *sorted(t for _, t, _ in DOSES), HOURS]
        for begin, end in pairwise(stops):
            for state, time, amount in DOSES:
                if time == begin:
                    rr[state] = rr[state] + amount
            inside = (grid > begin) & (grid <= end)
            times = [begin, *grid[inside]] if grid[inside][-1] == end else [begin, *grid[inside], end]
            values = np.array(rr.simulate(times=times))[:, 1:]
            result[row, inside] = values[1 : 1 + inside.sum()]
    result[:, 0] = start[patients]
    return result


def agree(own_model, population, patients, grid, theirs):
    """Whether every state of some patients is the same in the engine."""
    program, values, start = population
    states = engine.compile(own_model, outputs=list(program.states))
    some = {name: column[patients] for name, column in values.items()}
    run = states.ensemble(some, start=start[patients], events=EVENTS, rtol=1e-8, atol=1e-12, threads=2)
    mine = run.advance(HOURS, at=grid).values
    assert run.failures == []
    peak = np.abs(theirs).max(axis=1, keepdims=True)
    error = np.abs(mine - theirs) / (np.abs(theirs) + 1e-3 * peak + 1e-30)
    p, t, s = np.unravel_index(error.argmax(), error.shape)
    assert error.max() <= 1e-5, (
        f"patient {patients[p]}, {grid[t]} h, {program.states[s]}: {mine[p, t, s]} v {theirs[p, t, s]}"
    )


def test_every_state_of_two_patients_in_copasi(copasi, loaded, own_model, population):
    patients = np.arange(2)
    grid = np.arange(0.25, HOURS, 0.5)  # between doses
    theirs = in_copasi(copasi, loaded, population, patients, np.append(0.0, grid))[:, 1:]
    agree(own_model, population, patients, grid, theirs)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_state_of_fifty_patients_in_libroadrunner(libroadrunner, own_model, population):
    patients = np.arange(PATIENTS)
    grid = np.arange(0.0, HOURS + 0.25, 0.5)
    theirs = in_roadrunner(libroadrunner(own_model), population, patients, grid)
    agree(own_model, population, patients, grid, theirs)


def test_derivatives_agree_with_differences(population):
    program, values, start = population
    some = {name: column[:3] for name, column in values.items()}
    y = np.maximum(start[:3], 1e-3)
    jacobian = program.jacobian(y, some)
    rng = np.random.default_rng(0)
    direction = y * rng.standard_normal(y.shape)
    h = 1e-6
    slope = (program.rhs(y + h * direction, some) - program.rhs(y - h * direction, some)) / (2 * h)
    product = np.einsum("pij,pj->pi", jacobian, direction)
    scale = np.einsum("pij,pj->pi", np.abs(jacobian), np.abs(direction))
    assert (np.abs(product - slope) <= 1e-6 * scale + 1e-9).all()


def test_one_patient_alone_is_the_same_patient(population):
    program, values, start = population
    events = engine.EventTable.from_rows([{"CMT": c, "TIME": t, "AMT": a} for c, t, a in DOSES])
    together = program.ensemble(values, start=start, events=events)
    together.advance(48.0)
    alone = program.ensemble({k: v[17:18] for k, v in values.items()}, start=start[17:18], events=events)
    alone.advance(48.0)
    assert together.failures == []
    assert np.array_equal(together.states[17], alone.states[0])
