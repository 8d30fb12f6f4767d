"""Pausing at visits: the accuracy that the tolerance promises, the same bits, neighbours undisturbed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opiome import engine
from opiome.errors import InputError

OUTPUTS = ["central", "peripheral", "tone", "memory", "bugs", "score"]
END = 72.0
CL = np.array([6.0, 12.0, 30.0])
DOSES = [
    {"TIME": 3.0, "CMT": "depot", "AMT": 900.0, "II": 12.0, "ADDL": 4},
    {"TIME": 20.0, "CMT": "central", "AMT": 300.0, "DUR": 9.0, "ID": 1},
    {"TIME": 30.0, "CMT": "central", "AMT": 100.0, "DUR": 30.0, "LAG": 2.5},
    {"TIME": 33.0, "EVID": 2, "CMT": "kf", "AMT": 0.7},
    {"TIME": 40.0, "EVID": 5, "CMT": "depot", "ID": 2},
]
TIMES = np.arange(0.0, END + 1.0)
FAST = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
visits = st.lists(st.floats(0.01, END - 0.01), min_size=1, max_size=30, unique=True).map(sorted)


@pytest.fixture(scope="module")
def program(gut):
    return engine.compile(gut, outputs=OUTPUTS)


def in_visits(program, stops, *, rtol, given_late=False):
    """Outputs at TIMES of a run that pauses at ``stops``; doses at once, or each at the visit before it."""
    rows = [] if given_late else DOSES
    run = program.ensemble({"CL": CL}, events=engine.EventTable.from_rows(rows), rtol=rtol)
    blocks, begin = [], 0.0
    for end in [*stops, END]:
        if given_late:
            late = [row for row in DOSES if begin <= row["TIME"] < end]
            run.give(engine.EventTable.from_rows(late))
        inside = TIMES[((begin < TIMES) | (TIMES + begin == 0.0)) & (end >= TIMES)]
        blocks.append(run.advance(end, at=inside).values)
        begin = end
    assert run.failures == []
    return np.concatenate(blocks, axis=1)


@pytest.fixture(scope="module")
def exact(program):
    return in_visits(program, [], rtol=1e-11)


def error(values, exact):
    """The largest error of an output, relative to its peak in that patient."""
    return (np.abs(values - exact) / np.abs(exact).max(axis=1, keepdims=True)).max()


@FAST
@given(stops=visits, rtol=st.sampled_from([1e-3, 1e-4, 1e-6]), late=st.booleans())
def test_pausing_keeps_the_accuracy(program, exact, stops, rtol, late):
    values = in_visits(program, stops, rtol=rtol, given_late=late)
    assert error(values, exact) <= 10.0 * rtol
    assert np.array_equal(in_visits(program, stops, rtol=rtol, given_late=late), values)


def test_an_uninterrupted_run_keeps_it_too(program, exact):
    for rtol in (1e-3, 1e-4, 1e-6):
        assert error(in_visits(program, [], rtol=rtol), exact) <= 10.0 * rtol


@FAST
@given(stops=visits, bad=st.integers(0, 8), kind=st.sampled_from(["start", "blow up", "below zero", "stiff"]))
def test_one_bad_patient_leaves_its_neighbours_bits_alone(unstable, stops, bad, kind):
    n = 9
    healthy = {"k": np.linspace(0.5, 1.5, n)}
    other = {"blow up": {"blow": 5.0}, "below zero": {"sink": 0.9}, "stiff": {"freq": 3000.0}}.get(kind, {})
    sick = healthy | {name: np.where(np.arange(n) == bad, value, 0.0) for name, value in other.items()}
    answers = []
    for parameters in (healthy, sick):
        start = unstable.start(parameters)
        if kind == "start" and parameters is sick:
            start[bad, 0] = np.nan
        run = unstable.ensemble(parameters, start=start, rtol=1e-5, budget=400)
        for end in [*stops[:6], END]:
            run.give(engine.EventTable.from_rows([{"TIME": run.time, "CMT": "x", "AMT": 0.1}]))
            block = run.advance(end, at=[run.time, end])
        answers.append((run.states, block.values, run.outcome))
    (clean, values, fine), (states, shown, outcome) = answers
    others = np.arange(n) != bad
    assert not fine.any()
    assert outcome[bad] != engine.Outcome.OK
    assert not outcome[others].any()
    assert np.isnan(states[bad]).all()
    assert np.array_equal(states[others], clean[others])
    assert np.array_equal(shown[others], values[others])


@pytest.fixture(scope="module")
def unstable(sbml):
    text = """
    k = 1; blow = 0; sink = 0; freq = 0
    x = 1; x' = -k * x + blow * x^2
    y = 1; y' = 0.5 - sink - 0.1 * y
    z = 1; z' = 0.1 - 0.1 * z * (1 + freq * sin(freq * time))
    """
    return engine.compile(sbml(text), outputs=["x", "y", "z"])


def test_what_a_visit_refuses_leaves_no_trace(program):
    """A refused table or parameter changes nothing that comes after."""
    runs = []
    for clumsy in (False, True):
        run = program.ensemble({"CL": CL}, events=engine.EventTable.from_rows(DOSES))
        run.advance(24.0)
        if clumsy:
            wrong = [{"TIME": 23.0, "CMT": "depot", "AMT": 1.0}, {"CMT": "depo", "TIME": 25.0, "AMT": 1.0}]
            with pytest.raises(engine.DoseError) as caught:
                run.give(engine.EventTable.from_rows(wrong))
            assert [(p.field, "row" in p.message, bool(p.remedy)) for p in caught.value.problems] == [
                ("TIME", True, True),
                ("CMT", True, True),
            ]
            with pytest.raises(InputError, match="CL: is not finite for patient 1"):
                run.set("CL", [1.0, np.nan, 1.0])
            with pytest.raises(InputError, match="before the present time"):
                run.advance(20.0)
            with pytest.raises(engine.DoseError, match="no block of its own"):
                run.give(
                    engine.EventTable.from_rows([{"TIME": 30.0, "CMT": "bugs", "AMT": 1.0, "II": 2, "SS": 1}])
                )
        run.advance(END)
        runs.append(run.states)
    assert np.array_equal(*runs)


def test_released_patients_are_followed_no_further(program):
    """The others go on as if nothing had happened; who was released stands still, without a failure."""
    free, run = (
        program.ensemble({"CL": CL}, events=engine.EventTable.from_rows(DOSES), threads=1) for _ in range(2)
    )
    for one in (free, run):
        one.advance(30.0)
    halfway = run.states[1].copy()
    run.release(np.array([False, True, False]))
    whole, block = (one.advance(END, [31.0, END]) for one in (free, run))
    assert (run.outcome == 0).all()
    assert (run.states[1] == halfway).all()
    assert np.isnan(block.values[1]).all()
    assert (block.values[[0, 2]] == whole.values[[0, 2]]).all()
    assert (run.states[[0, 2]] == free.states[[0, 2]]).all()


@pytest.mark.parametrize("mask", [True, [1, 0, 1], [True, False]])
def test_a_mask_of_released_patients_is_one_truth_value_for_each(program, mask):
    run = program.ensemble({"CL": CL}, threads=1)
    with pytest.raises(InputError, match="one truth value for each patient"):
        run.release(mask)


def test_what_goes_wrong_in_a_run_leaves_outcomes_as_they_were(program, monkeypatch):
    run = program.ensemble({"CL": CL}, threads=1)
    run.release(np.array([False, True, False]))

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "_integrate", fail)
    with pytest.raises(KeyboardInterrupt):
        run.advance(1.0)
    assert (run.outcome == 0).all()


def test_a_new_tolerance_holds_from_now_on(program):
    run = program.ensemble({"CL": CL}, rtol=1e-2)
    run.advance(12.0, [12.0])
    before = run.steps.sum()
    run.rtol = 1e-9
    run.advance(24.0)
    assert run.rtol == 1e-9
    assert run.steps.sum() - before > 2 * before
    with pytest.raises(InputError, match="rtol"):
        run.rtol = 0.0
