"""Every arrow of the map acts, in its direction, and only where its gate stands.

Tables and equations are held together here: ``edges.tsv`` says what an edge does to which variable in which
scenario, the engine shows whether it does.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from opiome import engine, model
from opiome.model._draft import read_draft
from opiome.model._fragments import statements

DRAFT = read_draft()
EDGES = [row.text("id") for row in DRAFT.tables["edges"]]
ROWS = {row.text("id"): row for row in DRAFT.tables["edges"]}
LEAST_EFFECT = 0.05


@pytest.fixture(scope="module")
def program():
    return engine.compile(model.load().sbml)


@pytest.fixture(scope="module")
def run(program):
    """Every edge's scenario with its gate at 1 and at 0: patients 2k and 2k + 1 of one ensemble."""
    cases = [(ROWS[edge].text("scenario"), {f"edge_{edge}": gate}) for edge in EDGES for gate in (1.0, 0.0)]
    return model.run_scenarios(model.load(), program, cases)


@pytest.mark.parametrize("edge", EDGES)
def test_edge_moves_its_target_in_its_direction(run, edge):
    row, first = ROWS[edge], 2 * EDGES.index(edge)
    assert run.outcome[first : first + 2].tolist() == [engine.Outcome.OK] * 2
    on, off = run.of(row.text("target"))[first : first + 2]
    sign = {"+": 1.0, "-": -1.0}[row.text("target_sign") or row.text("sign")]
    effect = sign * (on - off) / max(abs(on), abs(off))
    assert effect >= LEAST_EFFECT, f"{row.text('target')} is {on:.6g} with the edge and {off:.6g} without"


@pytest.fixture(scope="module")
def twins(program, run):
    """Rates and outputs of every edge's patient where its scenario ended, with the gate at 1 and at 0."""
    states = run.states[::2]
    found = []
    for gate in (1.0, 0.0):
        parameters = {name: np.array(values[::2]) for name, values in run.parameters.items()}
        for position, edge in enumerate(EDGES):
            parameters[f"edge_{edge}"][position] = gate
        found.append(
            (program.rhs(states, parameters, run.time), program.evaluate(states, parameters, run.time))
        )
    return found


@pytest.fixture(scope="module")
def symbols():
    """Every symbol that a rate or rule depends on, directly or through other rules."""
    found = statements(DRAFT.assembly.lines)
    words = {
        (s.id, s.kind): set(re.findall(r"[A-Za-z_]\w*", s.formula)) for s in found if s.kind != "initial"
    }
    rules = {name: parts for (name, kind), parts in words.items() if kind == "rule"}

    def closure(parts):
        todo, seen = list(parts), set()
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo.extend(rules.get(name, ()))
        return seen

    return {key: closure(parts) for key, parts in words.items()}


@pytest.mark.parametrize("edge", EDGES)
def test_gate_changes_nothing_that_does_not_contain_it(program, twins, symbols, edge):
    position, gate = EDGES.index(edge), f"edge_{edge}"
    (rates_on, outputs_on), (rates_off, outputs_off) = twins
    untouched = np.array([gate not in symbols[state, "rate"] for state in program.states])
    np.testing.assert_array_equal(rates_on[position][untouched], rates_off[position][untouched])
    same = np.array([gate not in symbols[name, "rule"] for name in program.outputs])
    np.testing.assert_array_equal(outputs_on[position][same], outputs_off[position][same])
    assert not untouched.all() or not same.all()


@pytest.fixture(scope="module")
def rest(program):
    """Relative rates (1/h) of the untreated patient of each edge whose gate is closed: (edges, states)."""
    loaded = model.load()
    parameters = {name: np.full(len(EDGES), value) for name, value in program.defaults.items()}
    solved, start, outcome = loaded.baseline(program, parameters)
    assert set(outcome.tolist()) == {int(engine.Outcome.OK)}
    parameters |= {name: np.array(np.broadcast_to(value, (len(EDGES),))) for name, value in solved.items()}
    for position, edge in enumerate(EDGES):
        parameters[f"edge_{edge}"][position] = 0.0
    return np.abs(program.rhs(start, parameters)) / (np.abs(start) + 1e-3)


NOT_AT_REST = {"tumour_state"}  # the tumour grows in the untreated patient too


@pytest.mark.parametrize("edge", EDGES)
def test_closing_a_gate_leaves_the_untreated_patient_at_rest(program, rest, edge):
    still = [state not in NOT_AT_REST for state in program.states]
    assert rest[EDGES.index(edge)][still].max() < 1e-8
