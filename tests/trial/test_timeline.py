"""Dose trains across a boundary, against doses written out one by one."""

from __future__ import annotations

import numpy as np
import pytest

from opiome.trial._timeline import after, before, evened, thinned


def row(time, amount=10.0, **more):
    return {"ID": 0, "TIME": time, "AMT": amount, "EVID": 1, "CMT": "depot", "II": 0.0, "ADDL": 0, **more}


def single(rows):
    """Every dose on its own: (time, amount)."""
    found = []
    for r in rows:
        found += [(r["TIME"] + k * r["II"], r["AMT"]) for k in range(r["ADDL"] + 1)]
    return sorted(found)


@pytest.mark.parametrize("boundary", [0.0, 1.0, 12.0, 24.0, 30.0, 119.9, 120.0, 500.0])
def test_a_train_is_cut_without_losing_or_doubling_a_dose(boundary):
    train = [row(0.0, II=12.0, ADDL=10), row(6.0)]
    first, rest = single(before(train, boundary)), single(after(train, boundary))
    both = np.array(sorted(first + [(t + boundary, a) for t, a in rest]))
    assert both == pytest.approx(np.array(single(train)))
    assert all(t < boundary for t, _ in first)
    assert all(t >= 0 for t, _ in rest)


def test_doses_spread_out_are_as_much_and_end_where_the_next_one_begins():
    train, patch = row(0.0, II=12.0, ADDL=10, LAG=0.5), row(0.0, amount=72.0, II=72.0, ADDL=1, DUR=72.0)
    spread, rest, same = evened([train, patch], 40.0)
    assert (spread["AMT"], spread["DUR"], spread["TIME"], spread["ADDL"]) == (40.0, 48.0, 0.0, 0)
    assert single([rest]) == [(48.0 + 12.0 * k, 10.0) for k in range(7)]
    assert same == patch
    assert evened([train], 0.0) == [train]
    assert [r["AMT"] for r in evened([train], 500.0)] == [110.0]
    assert evened([row(6.0)], 40.0) == [row(6.0)]


def test_a_dose_at_the_boundary_belongs_to_what_follows():
    train = [row(0.0, II=24.0, ADDL=3)]
    assert len(single(before(train, 48.0))) == 2
    assert single(after(train, 48.0)) == [(0.0, 10.0), (24.0, 10.0)]


def test_a_running_infusion_keeps_its_rate():
    [left] = after([row(0.0, amount=72.0, DUR=72.0)], 60.0)
    assert (left["TIME"], left["AMT"], left["DUR"]) == (0.0, 12.0, 12.0)
    [left] = after([row(0.0, amount=72.0, RATE=1.0)], 60.0)
    assert (left["AMT"], left["RATE"]) == (12.0, 1.0)


def test_patches_go_on():
    rows = after([row(0.0, amount=72.0, DUR=72.0, II=72.0, ADDL=4)], 100.0)
    assert [(r["TIME"], r["AMT"], r["DUR"], r["ADDL"]) for r in rows] == [
        (0.0, 44.0, 44.0, 0),
        (44.0, 72.0, 72.0, 2),
    ]


def test_a_dose_on_its_way_arrives():
    rows = after([row(99.0, LAG=2.0), row(97.0, LAG=2.0)], 100.0)
    assert [(r["TIME"], r["LAG"], r["AMT"]) for r in rows] == [(0.0, 1.0, 10.0)]


def test_missed_doses_leave_the_others_where_they_are():
    train = [row(0.0, II=24.0, ADDL=999)]
    kept = single(thinned(train, np.array([4]), 1, 0.1))
    assert set(kept) < set(single(train))
    assert len(kept) == pytest.approx(900, abs=30)
    assert kept == single(thinned(train, np.array([4]), 1, 0.1))
    assert kept != single(thinned(train, np.array([5]), 1, 0.1))


def test_the_parts_of_a_tablet_are_missed_together():
    parts = [row(0.0, II=24.0, ADDL=99, CMT="depot"), row(0.0, II=24.0, ADDL=99, CMT="depot_pr")]
    kept = thinned(parts, np.array([4]), 1, 0.3)
    times = [{t for t, _ in single([r for r in kept if r["CMT"] == name])} for name in ("depot", "depot_pr")]
    assert times[0] == times[1]
