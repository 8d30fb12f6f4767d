"""What could never come about is told before a run: a share of 0 % would look like a result."""

from __future__ import annotations

import pytest

from opiome import model as models
from opiome.trial import lint

STEPS = "steps: [{when: nrs >= 7, change: 50}, {when: nrs >= 4, change: 33}]"
VISITS = "visits: [3 days, 7 days, 14 days, 21 days]"
TO = "to: [oxycodone CR every 12 h, fentanyl patch every 72 h, morphine CR every 12 h]"
SHARE = "share: 0.167}"
RESCUE = "morphine IR every 2 h as needed"
MORPHINE = "regimen: [morphine CR 30 mg every 12 h]"
SWITCHED = """\
    rule: between
    params: {quantity: rotations, low: 1}
    unit: "%\""""
ADD = f"{SHARE}\n  add: [{{when: rome_items >= 2, regimen: %s}}]"
STOP = f"{SHARE}\n  stop: [{{when: nausea >= 6, stop: %s, reason: %s}}]"
MISTAKES = [
    (VISITS, "visits: [12 h, 4 weeks]", "no visit lies between"),
    ("  rotation:\n    over: 2 days", "  rotation:\n    every: 9 weeks", "after the last morning"),
    ("    over: 1 day", "    over: 1 day\n    arms: []", "no arm has the rule"),
    (STEPS, "steps: [{when: nrs >= 4, change: 33}, {when: nrs >= 7, change: 50}]", "the step is never taken"),
    (STEPS, "steps: [{when: nrs 4-6, change: 33}, {when: nrs = 5, change: 50}]", "the step is never taken"),
    (STEPS, "steps: [{when: nrs > 10, change: 33}]", "'nrs > 10' never holds"),
    (STEPS, "steps: [{when: nrs >= 4, change: 0}]", "the step changes nothing"),
    (VISITS, f"{VISITS}\nstrata: [nrs > 70]", "'nrs > 70' never holds"),
    ("    - nrs >= 4", "    - bfi < 0", "'bfi < 0' never holds"),
    ("    - nrs >= 4", "    - ome >= 60", "is not known before randomisation"),
    (VISITS, f"{VISITS}\nstrata: [nausea > 2]", "is not known before randomisation"),
    (VISITS, f"{VISITS}\nstrata: [ome > 2]", "there is none"),
    (TO, "to: [fentanyl patch 25 ug/h every 72 h]\n    share: 0.5", "has a dose, and 'share' gives it"),
    (RESCUE, "fentanyl patch as needed", "cannot relieve an episode"),
    (RESCUE, "morphine IR every 2 h as needed from day 3", "has days of its own"),
    (SHARE, ADD % "placebo", "adds nothing"),
    (SHARE, ADD % "naldemedine 0.2 mg daily from day 3", "has days of its own"),
    (SHARE, STOP % ("trial", "death"), "of others who left"),
    ("treatment: {duration: 4 weeks}", "treatment: {duration: 28.5 days}", "not a whole number of days"),
    ("run_in: {duration: 1 week}", "run_in: {duration: 12 h}", "not a whole number of days"),
    ("label: Dose raised at all", "label: Opioid changed", "the label 'Opioid changed' is given twice"),
    ("label: Oxycodone", "label: Morphine", "the label 'Morphine' is given twice"),
    ("params: {quantity: rotations, low: 1}", "params: {quantity: rotations}", "everybody would count"),
    ("quantity: rotations, low: 1", "quantity: rotations, low: 3, high: 1", "'low' is above 'high'"),
    (SWITCHED, SWITCHED.replace("%", "points"), "is not the unit of a share"),
    (SWITCHED, '    rule: responder\n    unit: "%"', "9 positive weeks are needed of 4"),
    (SWITCHED, '    rule: any_within\n    window: week 2\n    unit: "%"', "has no window"),
    (SWITCHED, "    rule: time_to_first\n    window: week 2\n    unit: h", "begins later"),
    (SWITCHED, '    rule: after_doses\n    params: {doses: 40}\n    unit: "%"', "given after treatment"),
    (SWITCHED, '    rule: occurred\n    params: {event: added}\n    unit: "%"', "has no added drug"),
    (SWITCHED, '    rule: occurred\n    params: {event: stopped}\n    unit: "%"', "has no rule that stops"),
    ("{when: nausea >= 6}", "{when: rescue_per_week >= 6}", "has no rescue laxative"),
    (VISITS, f"{VISITS}\nmultiplicity: {{method: gatekeeping, families: [[]]}}", "the family is empty"),
    (
        VISITS,
        f"{VISITS}\nmultiplicity: {{method: gatekeeping, families: [[response]], endpoints: [switched]}}",
        "takes the endpoints of 'families'",
    ),
    ("change: 33", "change: true", "'true' does not fit"),
    ("    cancer: 1", "    cancer: 2", "probability 2"),
    ("    cancer: 1", "    ecog: 2", "has categories"),
    ("lower: 20, upper: 95}", "lower: 120}", "is above upper"),
    ("patients: 150", "patients: true", "'true' does not fit"),
]


@pytest.fixture(scope="module")
def model():
    return models.load()


def changed(tmp_path, text, old, new):
    assert text.count(old) >= 1
    path = tmp_path / "changed.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake[1][:60])
def test_what_never_comes_about_is_told(tmp_path, model, cerp, mistake):
    old, new, words = mistake
    problems = lint(changed(tmp_path, cerp, old, new), model)
    told = [problem for problem in problems if words in problem.message]
    assert told, [str(problem) for problem in problems]
    assert all(problem.line and problem.field for problem in told)
    assert all(problem.expected or problem.remedy for problem in told)


def test_steps_that_leave_something_are_sound(tmp_path, model, cerp):
    steps = (
        "steps: [{when: nrs > 7, change: 50}, {when: nrs >= 7, change: 40}, {when: cows >= 7, change: -25}]"
    )
    assert lint(changed(tmp_path, cerp, STEPS, steps), model) == []


def test_a_drug_of_the_arm_is_not_added_to_it(tmp_path, model, cerp):
    both = "[morphine CR 30 mg every 12 h, naldemedine 0.2 mg daily]"
    text = cerp.replace("[morphine CR 30 mg every 12 h]", both, 1)
    (problem,) = lint(changed(tmp_path, text, SHARE, ADD % "naldemedine 0.2 mg daily"), model)
    assert "would take it twice" in problem.message
    others = "naldemedine 0.2 mg daily, arms: [oxycodone, fentanyl]"
    assert lint(changed(tmp_path, text, SHARE, ADD % others), model) == []


def test_a_titration_that_those_of_single_arms_replace(tmp_path, model, cerp):
    own = "titration: {every: 3 days, steps: [{when: nrs >= 4, change: 25}]}"
    text = cerp.replace(MORPHINE, f"{MORPHINE}, {own}", 1)
    assert lint(changed(tmp_path, text, "title:", "title:"), model) == []
    named = changed(tmp_path, text, "    over: 1 day", "    over: 1 day\n    arms: [morphine, oxycodone]")
    (problem,) = lint(named, model)
    assert problem.field == "rules.titration.arms[0]"
    assert "'morphine' has a titration of its own" in problem.message
    alone = changed(tmp_path, text, "    over: 1 day", "    over: 1 day\n    arms: [morphine]")
    assert [problem.field for problem in lint(alone, model)] == ["rules.titration", "rules.titration.arms[0]"]


def test_rules_for_opioids_where_nobody_takes_one(tmp_path, model, cerp):
    start, end = cerp.index("arms:"), cerp.index("treatment:")
    arms = "arms:\n  usual: {label: Usual care, regimen: [placebo]}\n\n"
    path = tmp_path / "changed.yaml"
    published = cerp.index("published:")
    text = cerp[:start] + arms + cerp[end:published] + "patients: 20\nseed: 1\n"
    path.write_text(text, encoding="utf-8")
    problems = lint(path, model)
    assert [problem.field for problem in problems] == [
        "rules.titration",
        "rules.rotation",
        "rules.rescue_opioid",
    ]
    assert all("nobody takes an opioid" in problem.message for problem in problems)


def test_weights_and_an_analysis_without_a_weighted_form(tmp_path, model, cerp):
    text = cerp.replace("    primary: true", "    primary: true\n    analysis: cmh", 1)
    weights = "    cancer: 1\n  represents: [{when: age > 70, weight: 0.5}]"
    (problem,) = lint(changed(tmp_path, text, "    cancer: 1", weights), model)
    assert "has no form for patients who stand for unlike numbers" in problem.message


def test_a_window_that_leaves_an_mmrm_one_visit(tmp_path, model, cerp):
    text = cerp.replace(
        "params: {quantity: ome_rise}\n    window: day 28", "window: weeks 2-4\n    analysis: mmrm", 1
    )
    path = tmp_path / "changed.yaml"
    path.write_text(text, encoding="utf-8")
    (problem,) = lint(path, model)
    assert "an MMRM needs several visits" in problem.message
