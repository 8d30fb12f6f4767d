"""The stored hours of the fit trials give what the model gives, and the fit moves what it is told to."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from opiome import model
from opiome.trial._numbers import diary_numbers

HERE = Path(__file__).parents[2] / "qualification"
sys.path.insert(0, str(HERE))

import habit  # noqa: E402
import habit_fit  # noqa: E402


@pytest.fixture(scope="module")
def kept():
    return habit.record("compose-4", 24, rescued="placebo")


@pytest.fixture(scope="module")
def typical():
    rows = {row["id"]: row for row in model.load().parameters.iter_rows(named=True)}
    spread = rows["rectal_opioid_blunting"]["cv"]
    return {n: float(rows[n]["value"]) if n in rows else float(spread) for n in habit.EVACUATION}


def test_evacuation_offline_is_that_of_the_model(kept, typical):
    # recorded without the rebound, so the same must come out where its call and its drive are nothing
    still = {"withdrawal_urge": 0.0, "withdrawal_motility": 0.0}
    again = habit.rates(kept, still, typical)
    for phase, values in kept.phases.items():
        assert np.allclose(again.phases[phase][..., 0], values[..., 0], rtol=2e-3), phase
    # and with it the antagonist's first day is busier, that of placebo hardly
    full = habit.rates(kept, {}, typical)
    gain = {
        arm: (full.phases[arm] - kept.phases[arm])[:, 0, :, 0].mean() for arm in ("placebo", "naldemedine")
    }
    assert gain["naldemedine"] > 5 * abs(gain["placebo"])


def test_spread_and_level_of_blunting(kept, typical):
    run_in = kept.take(np.arange(len(kept.ids)), ["run_in"])
    rate = {
        name: habit.rates(run_in, given, typical).phases["run_in"][..., 0].mean(axis=(1, 2))
        for name, given in {
            "now": {},
            "more": {"rectal_opioid_blunting": 2 * typical["rectal_opioid_blunting"]},
            "wide": {"rectal_opioid_blunting_cv": 3 * typical["rectal_opioid_blunting_cv"]},
        }.items()
    }
    assert (rate["more"] < rate["now"]).all()
    low = kept.own["rectal_opioid_blunting"] < typical["rectal_opioid_blunting"]
    assert (rate["wide"][low] > rate["now"][low]).all()
    assert (rate["wide"][~low] < rate["now"][~low]).all()


def test_diary_offline(kept):
    course = habit.rescue_course(kept, "placebo")
    assert course.shape == (24 * habit.RESCUE_DAYS,)
    assert course.max() > 1.1
    pages, bowel = habit.live(kept, "run_in", diary_numbers(), course)
    assert (pages.counts["sbm"] <= pages.counts["bm"]).all()
    assert (pages.counts["csbm"] <= pages.counts["sbm"]).all()
    assert bowel.passed.sum() >= pages.counts["bm"].sum() > 0
    assert pages.counts["rescue"].sum() > 0
    stayed = habit.followed(pages, kept.ids, kept.seed, 0, (50.0, 0.0))
    assert stayed.max() == 1
    short = pages.until(stayed)
    assert short.counts["bm"][:, 1:].sum() == 0


def test_responder_rules():
    def pages(per_week):
        counts = np.zeros((1, 7 * len(per_week)), dtype=np.int64)
        counts[0, ::7] = per_week
        seen = np.ones(counts.shape, dtype=bool)
        return habit.Pages({"sbm": counts}, seen, np.zeros(1), np.zeros(1))

    base = np.array([1.5])
    good, late = [3] * 9 + [0] * 3, [0] * 3 + [3] * 9
    assert not habit_fit._responds(pages(good), base, 84)[0]
    assert habit_fit._responds(pages(late), base, 84)[0]
    assert not habit_fit._responds(pages(late), base + 1, 84)[0]
    assert habit_fit._responds(pages([2, 4]), base, 14)[0]
    assert not habit_fit._responds(pages([2, 3]), base, 14)[0]
