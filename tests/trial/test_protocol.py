"""Rules that change prescriptions: each on hand-made cases, and read back literally from diaries."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from opiome import regimen, trial
from opiome.errors import StudyError
from opiome.trial._courses import Courses
from opiome.trial._diary import Diary
from opiome.trial._quantities import quantity
from opiome.trial._slots import OpioidSlots
from opiome.trial._therapy import Therapy

PAINFUL = {"cancer": {"distribution": "fixed", "median": 1}}
TITRATION = {
    "every": "3 days",
    "over": "1 day",
    "steps": [{"when": "nrs >= 7", "change": 50}, {"when": "nrs >= 4", "change": 33}],
    "ceiling": 300,
}


LIVED = {}


def ran(tiny, study_of, rules, **more):
    """A trial of 16 patients in each arm under some rules; the same trial is run once."""
    given = {"population": {"covariates": PAINFUL}, "dropout": {}, "rules": rules, "patients": 16} | more
    key = json.dumps(given, sort_keys=True)
    if key not in LIVED:
        LIVED[key] = trial.run(study_of(**given), model=tiny, threads=1)
    return LIVED[key]


def wide(results, column):
    """Patients by days of treatment, in the order of the diary; NaN on days without a diary."""
    table = results.diary.pivot("day", index=["patient", "arm"], values=column)
    days = sorted((int(name) for name in table.columns[2:] if int(name) > 0), key=int)
    return table.select([str(day) for day in days]).to_numpy()


# -- courses -------------------------------------------------------------------------------------------------


def doses_of(courses, days, patients=2):
    everyone = np.ones(patients, dtype=bool)
    return [courses.day(24.0 * day, everyone).to_polars() for day in range(days)]


def test_days_add_up_to_the_train():
    """Every 7 h for 5 days: all doses, each once, at their times, and one that comes late."""
    courses = Courses()
    row = {"ID": 1, "TIME": 3.0, "AMT": 10.0, "CMT": "a", "II": 7.0, "ADDL": 16, "LAG": 0.5}
    courses.add([row], opioid=True, study=False)
    times = np.concatenate([day["TIME"] for day in doses_of(courses, 7)])
    assert times == pytest.approx(3.5 + 7.0 * np.arange(17))


def test_a_patch_is_cut_at_midnight_and_loses_nothing():
    courses = Courses()
    patch = {"ID": 0, "TIME": 12.0, "AMT": 720.0, "CMT": "skin", "II": 72.0, "ADDL": 1, "DUR": 72.0}
    courses.add([patch], opioid=True, study=True)
    days = doses_of(courses, 8)
    assert [round(day["AMT"].sum()) for day in days] == [120, 240, 240, 240, 240, 240, 120, 0]
    assert all((day["AMT"] / day["DUR"]).to_numpy() == pytest.approx(10.0) for day in days if len(day))


def test_a_new_dose_counts_from_the_day_on_for_its_patient_only():
    courses = Courses()
    row = {"TIME": 0.0, "AMT": 10.0, "CMT": "a", "II": 12.0, "ADDL": 9}
    courses.add([row | {"ID": 0}, row | {"ID": 1}], opioid=True, study=False)
    courses.add([row | {"ID": 0, "CMT": "b"}], opioid=False, study=True)
    everyone = np.ones(2, dtype=bool)
    first = courses.day(0.0, everyone).to_polars()
    courses.scale(np.array([1.5, 1.0]))
    courses.end(np.array([False, True]), 36.0, opioid=True)
    second = courses.day(24.0, everyone).to_polars()
    assert first["AMT"].to_list() == [10.0] * 6
    assert sorted(second.select("ID", "CMT", "TIME", "AMT").rows()) == [
        (0, "a", 24.0, 15.0),
        (0, "a", 36.0, 15.0),
        (0, "b", 24.0, 10.0),
        (0, "b", 36.0, 10.0),
        (1, "a", 24.0, 10.0),
    ]


def test_nothing_is_given_to_those_who_left():
    courses = Courses()
    courses.add([{"ID": 0, "TIME": 0.0, "AMT": 1.0, "CMT": "a"}], opioid=True, study=False)
    assert len(courses.day(0.0, np.array([False]))) == 0


# -- titration -----------------------------------------------------------------------------------------------


def test_a_rule_that_never_acts_changes_nothing(tiny, study_of):
    never = {"titration": TITRATION | {"steps": [{"when": "nrs > 10", "change": 50}]}}
    one, other = ran(tiny, study_of, {}), ran(tiny, study_of, never)
    assert one.diary.equals(other.diary)
    assert one.movements.equals(other.movements)


def test_the_dose_follows_the_rule_to_the_letter(tiny, study_of):
    """Every third morning: by half if yesterday's pain was 7 or more, by a third from 4, up to 300 mg."""
    results = ran(tiny, study_of, {"titration": TITRATION})
    ome, nrs = wide(results, "ome"), wide(results, "nrs")
    people = results.diary.select("patient", "arm").unique(maintain_order=True)
    expected = people.join(results.patients, on=["patient", "arm"])["ome"].to_numpy().copy()
    raised = 0
    for day in range(1, ome.shape[1]):
        if day % 3 == 0:
            factor = np.where(nrs[:, day - 1] >= 7, 1.5, np.where(nrs[:, day - 1] >= 4, 1.33, 1.0))
            new = np.maximum(np.minimum(expected * factor, 300.0), expected)
            raised += (new > expected).sum()
            expected = new
        known = ~np.isnan(ome[:, day])
        assert ome[known, day] == pytest.approx(expected[known], rel=1e-5)
    assert raised > 20


def test_titration_relieves_pain(tiny, study_of):
    before = {"population": {"entry": ["nrs >= 4"]}}
    fixed = ran(tiny, study_of, {}, **before)
    raised = ran(tiny, study_of, {"titration": TITRATION}, **before)
    last = pl.col("day") > 21
    mean = [r.diary.filter(last)["nrs"].mean() for r in (fixed, raised)]
    assert mean[1] < mean[0] - 0.2


def test_chunks_threads_and_one_patient_again(tiny, study_of):
    rules = {
        "titration": TITRATION,
        "rescue_opioid": {"regimen": "morphine IR every 1 h as needed"},
        "rotation": {"every": "7 days", "triggers": [{"when": "nrs >= 4"}], "to": ["oxycodone every 12 h"]},
    }
    given = {"population": {"covariates": PAINFUL}, "rules": rules, "patients": 8}
    study = study_of(**given)
    one = trial.run(study, model=tiny, threads=1)
    other = trial.run(study, model=tiny, threads=2, chunk=5)
    assert one.diary.equals(other.diary)
    assert one.patients.equals(other.patients)
    row = one.patients.row(2, named=True)
    alone = trial.patient(study, row["patient"], row["arm"], model=tiny)
    mine = (pl.col("patient") == row["patient"]) & (pl.col("arm") == row["arm"])
    assert alone.diary.equals(one.diary.filter(mine))


# -- rescue opioid -------------------------------------------------------------------------------------------


def test_rescue_doses_follow_episodes_up_to_their_number(tiny, study_of):
    rules = {"rescue_opioid": {"regimen": "morphine IR as needed", "per_day": 2}}
    table = ran(tiny, study_of, rules).diary.filter(pl.col("day") > 0)
    assert table["breakthrough"].max() > 2
    taken = table["rescue_opioid"].to_numpy()
    assert (taken == np.minimum(table["breakthrough"].to_numpy(), 2)).all()


def test_rescue_doses_relieve_pain_and_respect_the_interval(tiny, study_of):
    often = ran(tiny, study_of, {"rescue_opioid": {"regimen": "morphine IR as needed", "share": 0.5}})
    seldom = ran(tiny, study_of, {"rescue_opioid": {"regimen": "morphine IR every 23 h as needed"}})
    treated = pl.col("day") > 0
    assert seldom.diary.filter(treated)["rescue_opioid"].max() <= 2
    assert often.diary.filter(treated)["nrs"].mean() < seldom.diary.filter(treated)["nrs"].mean()


# -- added drugs and stopping --------------------------------------------------------------------------------


def test_an_antagonist_is_added_on_rome_iv(tiny, study_of):
    """On the first Monday on which two items were met over the week before, and never again."""
    rule = {"when": "rome_items >= 2", "regimen": "naldemedine 0.2 mg daily", "every": "7 days"}
    arms = {"usual": {"label": "Usual care", "regimen": ["placebo"]}}
    results = ran(tiny, study_of, {"add": [rule]}, arms=arms, published=[])
    without = ran(tiny, study_of, {}, arms=arms, published=[])
    days = results.patients["added_day"].drop_nulls()
    assert set(days) <= {7.0, 14.0, 21.0}
    assert 0 < len(days) <= 16
    helped = results.patients.filter(pl.col("added_day") == 7.0)["patient"]
    week = (pl.col("day") > 14) & pl.col("patient").is_in(helped.implode())
    assert results.diary.filter(week)["spontaneous"].sum() > without.diary.filter(week)["spontaneous"].sum()


def test_two_reasons_for_one_drug_add_it_once(tiny, study_of):
    """Whoever meets both conditions takes one dose a day, not two."""
    rule = {"when": "rome_items >= 2", "regimen": "naldemedine 0.2 mg daily", "every": "7 days"}
    arms = {"usual": {"label": "Usual care", "regimen": ["placebo"]}}
    once = ran(tiny, study_of, {"add": [rule]}, arms=arms, published=[])
    twice = ran(tiny, study_of, {"add": [rule, rule | {"when": "rome_items >= 1"}]}, arms=arms, published=[])
    same = (
        twice.patients.select("patient", "added_day")
        .join(once.patients.select("patient", day="added_day"), on="patient")
        .filter(pl.col("added_day") == pl.col("day"))["patient"]
    )
    assert len(same) > 3
    chosen = pl.col("patient").is_in(same.implode())
    assert twice.diary.filter(chosen).equals(once.diary.filter(chosen))


def test_stopping_the_trial_and_the_study_drug(tiny, study_of):
    loose = {"when": "bm_per_week > 5", "every": "7 days", "reason": "diarrhoea"}
    left = ran(tiny, study_of, {"stop": [loose | {"stop": "trial"}]})
    stopped = ran(tiny, study_of, {"stop": [loose | {"stop": "study drug"}]})
    gone = left.patients.filter(pl.col("reason") == "diarrhoea")
    assert len(gone) > 3
    assert set(gone["followed_h"]) <= {168.0, 336.0, 504.0}
    naldemedine = stopped.patients.filter(pl.col("stopped_day").is_not_null() & (pl.col("arm") != "placebo"))
    assert len(naldemedine) > 3
    assert set(naldemedine["stop_reason"]) == {"diarrhoea"}
    assert set(naldemedine["reason"]) == {""}
    early = naldemedine.filter(pl.col("stopped_day") == 7.0)["patient"]
    other = ran(tiny, study_of, {})
    week = (pl.col("day") > 14) & pl.col("patient").is_in(early.implode()) & (pl.col("arm") != "placebo")
    assert stopped.diary.filter(week)["spontaneous"].sum() < other.diary.filter(week)["spontaneous"].sum()


def test_stopping_the_opioid_ends_its_doses(tiny, study_of):
    rule = {"when": "nrs >= 0", "every": "7 days", "reason": "withdrawn", "stop": "opioid"}
    results = ran(tiny, study_of, {"stop": [rule]})
    assert set(results.patients["stopped_day"]) == {7.0}
    signal = results.bands.filter(pl.col("observable") == "enteric_signal")
    assert signal.filter(pl.col("time_h") > 24 * 10)["mean"].max() < 1e-3
    ome = wide(results, "ome")
    before, after = ome[:, :7], ome[:, 7:]
    assert (before[~np.isnan(before)] > 0).all()
    assert (after[~np.isnan(after)] == 0).all()


# -- rotation ------------------------------------------------------------------------------------------------


def test_three_opioids_in_sequence(tiny, study_of):
    rules = {
        "rotation": {
            "every": "7 days",
            "triggers": [{"when": "nrs >= 0"}],
            "to": ["oxycodone every 12 h", "hydromorphone every 12 h"],
            "share": 0.8,
        }
    }
    background = {
        "duration": "4 weeks",
        "opioid": {"choices": [{"regimen": "morphine 30 mg every 12 h"}]},
    }
    results = ran(tiny, study_of, rules, background=background)
    ome = wide(results, "ome")
    whole = ~np.isnan(ome).any(axis=1)
    assert whole.any()
    week = ome[whole][:, [0, 7, 14, 21]]
    assert week == pytest.approx(np.tile([60.0, 48.0, 38.4, 38.4], (len(week), 1)), rel=1e-6)
    assert set(results.patients["rotated_day"]) == {7.0}


def test_a_new_opioid_only_after_the_dose_was_raised(tiny, study_of):
    trigger = {"when": "nrs >= 4", "after_raises": 2}
    rotation = {"every": "3 days", "triggers": [trigger], "to": ["hydromorphone every 12 h"]}
    results = ran(tiny, study_of, {"titration": TITRATION, "rotation": rotation})
    days = results.patients["rotated_day"].drop_nulls()
    assert len(days)
    assert days.min() >= 9.0  # raised on the third and the sixth morning at the earliest


class Standing:
    """An ensemble that stands still."""

    def __init__(self, names, states):
        self.program = SimpleNamespace(states=names, defaults={"opioid_CL": 1.0, "rescue_CL": 1.0})
        self.states = np.asarray(states, dtype=float)
        self.time, self.told = 48.0, []

    def give(self, events):
        self.told += list(zip(events.EVID.tolist(), events.CMT, events.ID.tolist(), events.TIME, strict=True))


def test_a_slot_is_given_away_only_when_it_is_empty(tiny, study_of):
    """Row 0 has morphine left, row 1 no longer; both take oxycodone from the other slot."""
    therapy = Therapy(study_of(), tiny, 1)
    n = 2

    class People:
        def __len__(self):
            return n

        def take(self, rows):
            return rows

    cohort = People()
    object.__setattr__(
        therapy, "drug_in_slot", lambda people, _drug, _form, slot: {f"{slot}_CL": np.ones(len(people))}
    )
    products = [regimen.parse(f"{drug} 1 mg daily", tiny).product for drug in ("hydromorphone", "oxycodone")]
    where = {("morphine", "IR"): "opioid", ("oxycodone", "IR"): "rescue"}
    slots = OpioidSlots.of(therapy, cohort, products, [(np.arange(n), where, ("oxycodone", "IR"))])
    run = Standing(("opioid_blood", "rescue_blood", "gut"), [[100.0, 5.0, 1.0], [100.0, 5.0, 1.0]])
    slots.watch(run)
    run.states = np.array([[2.0, 5.0, 1.0], [0.9, 5.0, 1.0]])
    slots.watch(run)
    both = np.ones(n, dtype=bool)
    given = slots.place(run, products[0], both, main=True)
    assert given.tolist() == [-1, 0]
    assert run.told == [(2, "opioid_CL", 1, 48.0)]
    assert slots.current.tolist() == [1, 0]


def test_arms_whose_drugs_find_no_place_are_refused_by_name(tiny, study_of):
    arm = {"label": "B", "regimen": ["oxycodone 20 mg every 12 h", "hydromorphone 2 mg every 12 h"]}
    background = {
        "duration": "4 weeks",
        "opioid": {"choices": [{"regimen": "morphine 30 mg every 12 h"}]},
    }
    study = study_of(
        arms={"b": arm | {"keep_background": False}}, background=background, published=[], population={}
    )
    with pytest.raises(StudyError, match="morphine IR") as caught:
        trial.run(study, 3, model=tiny, threads=1)
    assert "arms.b.regimen" in str(caught.value)


# -- what the clinic knows -----------------------------------------------------------------------------------


def test_quantities_of_the_clinic_on_a_hand_made_diary():
    diary = Diary.blank(np.array([4]), 2, 6)
    diary.recorded[:] = True
    diary.daily["nausea"][0] = [0, 0, 2, 4, np.nan, 6]
    diary.daily["delirium"][0] = [0, 0, 1, 0, 0, 1]
    diary.daily["ome"][0] = [60, 60, 60, 60, 90, 120]
    diary.rotations[0, 4] = 1
    diary.progression_day[0] = 3.0
    treated = slice(2, 6)
    assert quantity(diary, "nausea", treated) == pytest.approx([4.0])
    assert quantity(diary, "delirium_per_week", treated) == pytest.approx([3.5])
    assert quantity(diary, "ome", treated) == pytest.approx([82.5])
    assert quantity(diary, "ome_rise", slice(5, 6)) == pytest.approx([100.0])
    assert quantity(diary, "rotations", slice(2, 4)) == pytest.approx([0.0])
    assert quantity(diary, "rotations", slice(2, 5)) == pytest.approx([1.0])
    assert quantity(diary, "progressed", slice(2, 4)) == pytest.approx([0.0])
    assert quantity(diary, "progressed", slice(2, 5)) == pytest.approx([1.0])


def test_rome_items_count_signs_in_more_than_a_quarter_of_movements():
    diary = Diary.blank(np.array([1, 2]), 0, 7)
    diary.recorded[:] = True
    diary.counts["bm"][0, :] = 1
    diary.counts["sbm"][0, :] = 1
    diary.counts["straining"][0, :2] = 1  # 2 of 7
    diary.counts["hard"][0, :1] = 1  # 1 of 7
    assert quantity(diary, "rome_items", slice(0, 7)).tolist() == [1.0, 6.0]


def test_a_rate_per_week_waits_for_days_of_the_diary(tiny, study_of):
    """One day with a movement is not seven movements a week."""
    often = {"when": "bm_per_week >= 0", "every": "1 days", "over": "7 days", "reason": "r", "stop": "trial"}
    left = ran(tiny, study_of, {"stop": [often]}).patients
    days = left.filter(pl.col("reason") == "r")["followed_h"] / 24
    assert days.min() == 4.0
    soon = ran(tiny, study_of, {"stop": [often | {"over": "2 days"}]}).patients
    assert (soon.filter(pl.col("reason") == "r")["followed_h"] / 24).min() == 2.0
    pain = ran(tiny, study_of, {"stop": [often | {"when": "nrs >= 0"}]}).patients
    assert (pain.filter(pl.col("reason") == "r")["followed_h"] / 24).min() == 1.0


def test_an_arm_may_have_a_titration_of_its_own(tiny, study_of):
    """What an arm says stands in place of the rule of all arms; a rule for the arm alone does the same."""
    own, all_arms = ({"every": "3 days", "steps": [{"when": "nrs >= 0", "change": c}]} for c in (50, 10))
    arms = {
        "fast": {"label": "Fast", "regimen": ["morphine 30 mg every 12 h"], "titration": own},
        "slow": {"label": "Slow", "regimen": ["morphine 30 mg every 12 h"]},
    }
    changes = {"arms": arms, "background": {"duration": "4 weeks"}, "population": {}, "published": []}
    study = study_of(**changes, rules={"titration": all_arms})
    found = trial.run(study, patients=6, threads=1, model=tiny)
    dose = found.diary.filter(pl.col("day") == 4).group_by("arm").agg(pl.col("ome").mean().round(6))
    assert dict(dose.iter_rows()) == {"fast": 90.0, "slow": 66.0}
    named = {"arms": ["fast"]}
    plain = {
        name: {key: value for key, value in arm.items() if key != "titration"} for name, arm in arms.items()
    }
    alone = trial.run(
        study_of(**changes | {"arms": plain}, rules={"titration": own | named}),
        patients=6, threads=1, model=tiny,
    )  # fmt: skip
    kept = found.diary.filter(pl.col("arm") == "fast")
    assert kept.equals(alone.diary.filter(pl.col("arm") == "fast"))
