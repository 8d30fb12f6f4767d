"""The vocabulary of protocols: every example of its page is read, every mistake is told with its place."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from opiome import model as models
from opiome.trial import lint
from opiome.trial._endpoint_fields import DIARY_QUANTITIES
from opiome.trial._yaml import read_yaml

PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"
BASE = {
    "opiome": "opiome: 1",
    "name": "name: example",
    "title": "title: An example",
    "population": "population: {covariates: {cancer: 1}}",
    "background": (
        "background:\n  duration: 4 weeks\n  opioid: {choices: [{regimen: morphine CR 30 mg every 12 h}]}"
    ),
    "arms": "arms:\n  usual: {label: Usual care, regimen: [placebo]}",
    "treatment": "treatment: {duration: 4 weeks}",
    "endpoints": "endpoints:\n  - {id: pain, label: Pain, rule: mean, params: {quantity: nrs}, unit: NRS}",
}


@pytest.fixture(scope="module")
def model():
    return models.load()


def examples():
    return re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def whole(tmp_path, piece):
    """A study file with the parts of an example in place of those of the base."""
    given = re.findall(r"^([a-z]+):", piece, re.MULTILINE)
    text = "\n".join([*(part for name, part in BASE.items() if name not in given), piece])
    path = tmp_path / "example.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("piece", examples(), ids=lambda piece: piece.split("\n")[1].strip(" :-")[:20])
def test_examples_of_the_page_are_sound(tmp_path, model, piece):
    assert lint(whole(tmp_path, piece), model) == []


def test_the_page_names_every_quantity_and_every_rule():
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", text))
    assert set(DIARY_QUANTITIES) <= named
    rules = models_of_rules()
    used = {key for piece in examples() for key in re.findall(r"^  (\w+):", piece, re.MULTILINE)}
    assert rules <= used


def models_of_rules():
    from opiome.trial._protocol_fields import Rules

    return set(Rules.model_fields)


VISITS = "visits: [3 days, 7 days, 14 days, 21 days]\n"
OPIOIDS = "    to: [oxycodone CR every 12 h, fentanyl patch every 72 h, morphine CR every 12 h]"
TRIGGERS = "    triggers: [{when: nrs >= 6, after_raises: 2}, {when: nausea >= 6}, {when: sedation >= 6}]"
RESCUE = "morphine IR every 2 h as needed"
ADD = "  add: [{when: rome_items >= 2, regimen: %s}]\n  titration:"
PAIR = "    cancer: 1\n  correlations: [%s]"
MISTAKES = [
    (VISITS, "", "never looked at"),
    ("{when: nrs >= 7, change: 50}", "{when: central_signal > 0.5, change: 50}", "the clinic cannot see"),
    ("{when: nrs >= 7, change: 50}", "{when: age > 50, change: 50}", "looks at the diary"),
    ("{when: nausea >= 6}", "{when: nauseas >= 6}", "unknown diary quantity 'nauseas'"),
    (RESCUE, "morphine IR 10 mg every 2 h as needed", "has a dose"),
    (RESCUE, "bisacodyl as needed", "is no opioid"),
    (RESCUE, "morphine IR every 4 h", "is not as needed"),
    ("share: 0.167", "share: 0.167, least: 50, most: 20", "'least' is above 'most'"),
    (OPIOIDS, "    to: [OXN CR every 12 h]", "takes two places"),
    (OPIOIDS, "    to: [senna 24 mg daily]", "is no opioid"),
    (OPIOIDS, "    to: [oxycodone CR every 12 h from day 3]", "has days of its own"),
    ("    over: 1 day", "    over: 36 h", "not a whole number of days"),
    ("    over: 1 day", "    over: 1 day\n    arms: [morphin]", "unknown arm 'morphin'"),
    ("  titration:", ADD % "oxycodone CR 10 mg daily", "adds an opioid"),
    ("  titration:", ADD % "naldemedine as needed", "would never be taken"),
    (VISITS, f"{VISITS}strata: [enteric_signal > 1]\n", "unknown covariate or diary quantity"),
    (VISITS, f"{VISITS}strata: [age > 60, age > 60]\n", "given twice"),
    ("    cancer: 1", PAIR % "{a: age, b: egfrr, rho: 0.3}", "unknown covariate 'egfrr'"),
    ("    cancer: 1", PAIR % "{a: age, b: age, rho: 0.3}", "correlated with itself"),
    (
        "    cancer: 1",
        PAIR % "{a: age, b: egfr, rho: 0.3}, {a: egfr, b: age, rho: 0.1}",
        "correlation of age and egfr is given twice",
    ),
    (
        "    cancer: 1",
        PAIR
        % "{a: age, b: egfr, rho: 0.95}, {a: egfr, b: weight, rho: 0.95}, {a: age, b: weight, rho: -0.95}",
        "contradict",
    ),
    (
        "    cancer: 1",
        "    cancer: 1\n  represents: [{when: hair > 1, weight: 2}]",
        "unknown covariate 'hair'",
    ),
    (
        "    cancer: 1",
        "    cancer: 1\n  represents: [{when: age > 99, weight: 2}]",
        "nobody meets 'age > 99'",
    ),
    ("    cancer: 1", PAIR % "{a: ecog, b: cancer_pain, rho: 0.3}", "'cancer_pain' is 2 for everybody"),
    ("    - nrs >= 4", "    - plasma_lps > 3", "the clinic cannot see"),
    ("    - nrs >= 4", "    - nrs >= 4\n    - nrs < 2", "nobody can meet all conditions on 'nrs'"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake[2] for mistake in MISTAKES])
def test_a_mistake_is_told_with_its_place(tmp_path, model, cerp, mistake):
    old, new, words = mistake
    assert cerp.count(old) >= 1
    path = tmp_path / "changed.yaml"
    path.write_text(cerp.replace(old, new, 1), encoding="utf-8")
    problems = lint(path, model)
    told = [problem for problem in problems if words in problem.message]
    assert told, [str(problem) for problem in problems]
    assert all(problem.line and problem.field for problem in told)
    assert all(problem.expected or problem.remedy for problem in told)
    assert len(problems) <= 2  # two rules look at visits; nothing else follows from the mistake


def test_an_endpoint_without_the_items_it_needs(tmp_path, model, cerp):
    """Without the rule nobody's opioid is changed: a share of 0 % would look like a result."""
    start, end = cerp.index("  rotation:"), cerp.index("  rescue_opioid:")
    path = tmp_path / "changed.yaml"
    path.write_text(cerp[:start] + cerp[end:], encoding="utf-8")
    (problem,) = lint(path, model)
    assert "asks for 'rotations'" in problem.message
    assert "rules.rotation" in problem.remedy


def test_two_antagonists_find_no_place(tmp_path, model):
    text = (resources.files("opiome") / "studies" / "nacasy.yaml").read_text(encoding="utf-8")
    rule = "rules:\n  add: [{when: rome_items >= 2, every: 7 days, regimen: naldemedine 0.2 mg daily}]\n"
    path = tmp_path / "changed.yaml"
    path.write_text(text.replace("treatment:", f"{rule}treatment:", 1), encoding="utf-8")
    (problem,) = lint(path, model)
    assert "no room for another antagonist" in problem.message
    assert problem.field == "arms.naloxegol.regimen"
    assert read_yaml(path).data is not None
