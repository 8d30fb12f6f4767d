"""Every dose form against its closed form: lag x bioavailability x infusion x steady state x reset."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from opiome import engine

KA, CL, V = 1.1, 4.0, 23.0
KE = CL / V
PAST = 260  # doses before now that still count at steady state: exp(-KE * 10 * 260) is 0


def bolus(cmt, t):
    """Depot and central after a unit bolus at 0."""
    t = np.asarray(t, float)
    on = t > 0
    t = np.where(on, t, 0.0)
    if cmt == "central":
        return np.stack([0 * t, np.exp(-KE * t)]) * on
    return np.stack([np.exp(-KA * t), KA / (KA - KE) * (np.exp(-KE * t) - np.exp(-KA * t))]) * on


def step(cmt, t):
    """Depot and central under a unit rate switched on at 0."""
    t = np.maximum(np.asarray(t, float), 0.0)
    slow, fast = -np.expm1(-KE * t) / KE, -np.expm1(-KA * t) / KA
    if cmt == "central":
        return np.stack([0 * t, slow])
    return np.stack([fast, KA / (KA - KE) * (slow - fast)])


def response(cmt, amount, duration, t):
    """Depot and central after a dose at 0, bolus or over ``duration``."""
    if duration == 0:
        return amount * bolus(cmt, t)
    return amount / duration * (step(cmt, t) - step(cmt, t - duration))


def closed_form(rows, times):
    """Superpose the doses of one patient; resets and SS = 1 end what was recorded before them."""
    total = np.zeros((2, len(times)))
    ends = sorted(r["TIME"] for r in rows if r.get("EVID", 1) in (3, 4) or r.get("SS") == 1)
    for row in rows:
        if row.get("EVID", 1) not in (1, 4):
            continue
        f, lag, interval = row.get("F", 1.0), row.get("LAG", 0.0), row.get("II", 0.0)
        amount = row["AMT"] * f
        duration = amount / row["RATE"] if row.get("RATE") else row.get("DUR", 0.0)
        until = next((e for e in ends if e > row["TIME"]), np.inf)
        first = -PAST if row.get("SS") else 0
        for k in range(first, row.get("ADDL", 0) + 1):
            begin = row["TIME"] + lag + k * interval
            part = response(row["CMT"], amount, duration, times - begin)
            if k < 0:  # the past of a steady state is known from the record on
                part = np.where(times > row["TIME"], part, 0.0)
            total += np.where(times <= until, part, 0.0)
    return total.T


def compare(oral, patients, until=60.0, step_h=0.37):
    program = engine.compile(oral, outputs=["depot", "central"])
    times = np.unique(np.concatenate([np.arange(0, until, step_h), [20.0, 30.0, until]]))
    events = engine.EventTable.from_rows(
        [{"ID": i, **row} for i, rows in enumerate(patients) for row in rows]
    )
    run = program.ensemble(
        {"ka": KA, "CL": CL, "V": V}, n=len(patients), events=events, rtol=3e-11, atol=1e-13
    )
    block = run.advance(until, at=times)
    assert run.failures == []
    expected = np.stack([closed_form(rows, times) for rows in patients])
    worst = np.abs(block.values - expected).max(axis=(1, 2))
    size = np.array([max(r.get("AMT", 0.0) for r in rows) for rows in patients])
    for i in np.flatnonzero(worst > 1e-8 * size):
        pytest.fail(
            f"{patients[i]}: {worst[i]:.2e} at {times[np.abs(block.values[i] - expected[i]).max(1).argmax()]}"
        )


FORMS = [
    {"CMT": "depot", "AMT": 100.0},
    {"CMT": "central", "AMT": 100.0},
    {"CMT": "central", "AMT": 100.0, "RATE": 40.0},
    {"CMT": "depot", "AMT": 100.0, "DUR": 3.0},
    {"CMT": "central", "AMT": 100.0, "DUR": 23.0},
]


def test_cross_product(oral):
    patients = []
    for form, lag, f, ss, repeat, end in itertools.product(
        FORMS, (0.0, 1.7), (1.0, 0.6), (0, 1, 2), (0, 2), (None, 3, 4)
    ):
        dose = {**form, "TIME": 10.0, "LAG": lag, "F": f, "SS": ss, "ADDL": repeat}
        if ss or repeat:
            dose["II"] = 10.0
        rows = [{"TIME": 0.5, "CMT": "depot", "AMT": 60.0, "II": 7.0, "ADDL": 4}, dose]
        rows[0] |= {"TIME": 1.0, "DUR": 5.0, "CMT": "central"} if end else {}
        if end == 3:
            rows.append({"TIME": 21.3, "EVID": 3})
        if end == 4:
            rows.append({**form, "TIME": 21.3, "EVID": 4, "LAG": lag})
        patients.append(rows)
    assert len(patients) == 360
    compare(oral, patients)


def test_overlapping_infusions_and_doses_on_output_times(oral):
    compare(
        oral,
        [
            [
                {"TIME": 2.0, "CMT": "central", "AMT": 90.0, "DUR": 30.0},
                {"TIME": 5.0, "CMT": "central", "AMT": 5.0, "RATE": 1.0},
            ],
            [{"TIME": 20.0, "CMT": "depot", "AMT": 10.0}, {"TIME": 20.0, "CMT": "central", "AMT": 10.0}],
            [{"TIME": 0.0, "CMT": "central", "AMT": 48.0, "DUR": 24.0, "II": 24.0, "ADDL": 1}],
            [{"TIME": 30.0, "CMT": "central", "AMT": 48.0, "DUR": 25.0, "II": 10.0, "SS": 1, "LAG": 4.0}],
        ],
    )


def test_constant_infusion_at_steady_state(oral):
    program = engine.compile(oral, outputs=["central"])
    events = engine.EventTable.from_rows(
        [
            {"TIME": 3.0, "CMT": "central", "AMT": 0.0, "RATE": 7.0, "SS": 1},
            {"TIME": 3.0, "CMT": "central", "AMT": 70.0, "RATE": 7.0},
        ]
    )
    run = program.ensemble({"ka": KA, "CL": CL, "V": V}, events=events, rtol=1e-10)
    values = run.advance(40.0, at=[2.0, 5.0, 13.0, 20.0]).values[0, :, 0]
    level = 7.0 / KE
    np.testing.assert_allclose(values, [0.0, level, level, level * np.exp(-KE * 7.0)], rtol=1e-8)


def test_outputs_at_a_dose_are_those_before_it(oral):
    program = engine.compile(oral, outputs=["depot"])
    events = engine.EventTable.from_rows([{"TIME": 0.0, "CMT": "depot", "AMT": 5.0, "II": 4.0, "ADDL": 1}])
    run = program.ensemble({}, events=events, rtol=1e-8)
    first = run.advance(4.0, at=[0.0, 4.0]).values[0, :, 0]
    second = run.advance(8.0, at=[4.0, 4.0, 4.5]).values[0, :, 0]
    np.testing.assert_allclose(first, [0.0, 5 * np.exp(-4.4)], rtol=1e-6)
    np.testing.assert_allclose(second[:2], first[1], rtol=1e-15)
    assert second[2] > 2.5


def test_steady_state_leaves_other_states_alone(gut):
    program = engine.compile(gut, outputs=["central", "peripheral", "depot", "tone", "bugs", "substrate"])
    dose = {"CMT": "central", "AMT": 50.0, "II": 12.0, "SS": 1}
    run = program.ensemble({}, events=engine.EventTable.from_rows([{**dose, "TIME": 0.0}]))
    before, after = run.advance(1e-9, at=[0.0, 1e-9]).values[0]
    assert after[0] > 60.0
    assert after[1] > 1.0
    assert after[2] == 0.0
    np.testing.assert_allclose(after[3:], before[3:], rtol=1e-7)


def test_a_drug_that_nothing_removes_has_no_steady_state(oral):
    program = engine.compile(oral)
    events = engine.EventTable.from_rows([{"TIME": 0.0, "CMT": "depot", "AMT": 1.0, "II": 12.0, "SS": 1}])
    with pytest.raises(engine.DoseError, match="patient 1 has no steady state"):
        program.ensemble({"CL": np.array([1.0, 0.0])}, events=events)


def test_steady_state_of_the_linear_part_of_a_nonlinear_model(sbml):
    text = """
    k12=0.5; k21=0.3; k=0.2; ke0=1; kin=3; kout=0.3
    a=0; a' = -(k+k12)*a + k21*b;  b=0; b' = k12*a - k21*b
    e=0; e' = ke0*(a - e);  r=10; r' = kin/(1+e) - kout*r
    """
    program = engine.compile(sbml(text), outputs=["a", "b", "e", "r"])
    dose = {"CMT": "a", "AMT": 10.0, "II": 8.0}
    solved = program.ensemble(
        {}, events=engine.EventTable.from_rows([{**dose, "TIME": 0.0, "SS": 1}]), rtol=1e-10
    )
    long = program.ensemble(
        {}, events=engine.EventTable.from_rows([{**dose, "TIME": 0.0, "ADDL": 200}]), rtol=1e-10
    )
    at_start = solved.advance(1e-6, at=[1e-6]).values[0, 0]
    long.advance(200 * 8.0)
    settled = long.advance(200 * 8.0 + 1e-6, at=[200 * 8.0 + 1e-6]).values[0, 0]
    np.testing.assert_allclose(at_start[:3], settled[:3], rtol=1e-7)
    assert at_start[3] == pytest.approx(10.0, rel=1e-5)


def test_changing_a_parameter_and_giving_more_doses_between_visits(oral):
    program = engine.compile(oral, outputs=["central"])
    planned = engine.EventTable.from_rows(
        [
            {"TIME": 0.0, "CMT": "central", "AMT": 10.0},
            {"TIME": 6.0, "CMT": "CL", "AMT": 8.0, "EVID": 2},
            {"TIME": 9.0, "CMT": "central", "AMT": 20.0, "DUR": 4.0, "ID": 1},
        ]
    )
    times = np.arange(0, 20.0, 0.5)
    once = program.ensemble({}, n=2, events=planned, rtol=1e-9)
    at_once = once.advance(20.0, at=times).values
    first = engine.EventTable.from_rows([{"TIME": 0.0, "CMT": "central", "AMT": 10.0}])
    run = program.ensemble({}, n=2, events=first, rtol=1e-9)
    one = run.advance(6.0, at=times[times < 6.0]).values
    run.set("CL", 8.0)
    two = run.advance(9.0, at=times[(times >= 6.0) & (times < 9.0)]).values
    run.give(engine.EventTable.from_rows([{"TIME": 9.0, "CMT": "central", "AMT": 20.0, "DUR": 4.0, "ID": 1}]))
    three = run.advance(20.0, at=times[times >= 9.0]).values
    np.testing.assert_allclose(np.concatenate([one, two, three], axis=1), at_once, rtol=1e-7)
    assert at_once[1, -1, 0] > 2 * at_once[0, -1, 0]


def test_events_given_one_by_one_are_events_given_at_once(oral):
    program = engine.compile(oral, outputs=["central"])
    rows = [
        {"TIME": float(t), "CMT": "central", "AMT": 5.0 + t, "DUR": 7.0, "ID": t % 3, "II": 5.0, "ADDL": 2}
        for t in range(0, 24, 3)
    ]
    at_once = program.ensemble({}, n=3, events=engine.EventTable.from_rows(rows), rtol=1e-9)
    bit_by_bit = program.ensemble({}, n=3, rtol=1e-9)
    for row in rows:
        at_once.advance(row["TIME"])
        bit_by_bit.advance(row["TIME"])
        bit_by_bit.give(engine.EventTable.from_rows([row]))
    at_once.advance(50.0)
    bit_by_bit.advance(50.0)
    np.testing.assert_allclose(bit_by_bit.states, at_once.states, rtol=1e-12)
    assert (at_once.states > 0).any()
