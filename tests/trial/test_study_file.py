"""Study files: what is shipped is sound, and every mistake is told with its place, all at once."""

from __future__ import annotations

import json
import time
from importlib import resources

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opiome.errors import StudyError
from opiome.model._draft import read_draft
from opiome.model._model import Model
from opiome.trial import RULES, lint, load_study, shipped_studies
from opiome.trial._endpoint_fields import DIARY_QUANTITIES, Endpoint
from opiome.trial._fields import Condition
from opiome.trial._problems import _rule_names
from opiome.trial._quantities import QUANTITIES
from opiome.trial._schema import Study, json_schema
from opiome.trial._yaml import MAX_BYTES, read_yaml

GOOD = """\
opiome: 1
name: small
title: A small study
sources:
  me: Nobody 2026
population:
  covariates:
    age: {distribution: normal, mean: 60, sd: 10}
  eligibility: [age 18-80]
  entry: [sbm_per_week < 3]
background:
  duration: 4 weeks
  opioid:
    ome: {distribution: lognormal, median: 60, cv: 0.5}
    choices:
      - {weight: 1, regimen: morphine CR every 12 h}
run_in: {duration: 2 weeks, laxatives: stopped}
arms:
  naldemedine:
    label: Naldemedine
    regimen:
      - naldemedine 0.2 mg daily
  placebo:
    label: Placebo
    regimen: [placebo]
treatment: {duration: 2 weeks}
endpoints:
  - id: sbm
    label: Change of SBM
    rule: mean_change
    params: {quantity: sbm_per_week}
    window: weeks 1-2
    unit: per week
published:
  - {endpoint: sbm, arm: placebo, value: 1.5, low: 1.0, high: 2.0, unit: per week, source: me, role: check}
"""


@pytest.fixture(scope="module")
def model():
    """The shipped tables; no study file needs the equations."""
    return Model("", read_draft(None, "human"))


@pytest.fixture
def problems(tmp_path, model):
    """Write a study file and lint it."""

    def check(text):
        file = tmp_path / "study.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        found = lint(file, model)
        assert all(problem.file == file for problem in found)
        assert not any("\n" in str(problem) for problem in found)
        return found

    return check


def test_the_small_study_is_read(tmp_path, model):
    file = tmp_path / "study.yaml"
    file.write_text(GOOD, encoding="utf-8")
    study = load_study(file, model)
    assert study.background.duration == 28 * 24
    assert study.randomisation == 42 * 24
    assert study.end == 56 * 24
    assert study.reference_arm == "placebo"
    assert study.endpoints[0].window.days == range(1, 15)
    assert study.population.entry[0].holds(2.9)
    assert not study.population.entry[0].holds(3)
    assert study.population.overrides() == {
        "age": {"distribution": "normal", "median": 60, "cv": pytest.approx(1 / 6)}
    }
    assert Study.model_validate(json.loads(study.model_dump_json())) == study


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_shipped_studies_are_sound(name, model):
    study = load_study(name, model)  # with a problem it raises
    assert study.name == name
    assert shipped_studies()[name].title == study.title
    assert study.background.duration >= 28 * 24
    assert study.published
    assert all(result.source in study.sources for result in study.published)


def test_json_schema_is_that_of_the_models():
    shipped = resources.files("opiome") / "studies" / "schema" / "study-1.json"
    assert json.loads(shipped.read_text(encoding="utf-8")) == json_schema()


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_editors_accept_shipped_studies(name):
    validator = jsonschema.Draft202012Validator(json_schema())
    file = shipped_studies()[name].file
    assert file.read_text(encoding="utf-8").startswith(
        "# yaml-language-server: $schema=schema/study-1.json\n"
    )
    assert list(validator.iter_errors(read_yaml(file).data)) == []


def test_rules_and_quantities_of_the_schema_are_those_of_the_trial():
    assert set(_rule_names()) == set(RULES)
    assert set(DIARY_QUANTITIES) == set(QUANTITIES)
    assert len(Endpoint.__args__[0].__args__) == len(RULES)


# -- one mistake each ----------------------------------------------------------------------------------------

# what is replaced, by what, line, column, field, words
DISTRIBUTION = "population.covariates.age.distribution"
PUBLISHED = GOOD.rstrip("\n").splitlines()[-1]
CHOICE = "background.opioid.choices[0].regimen"
OME = "    ome: {distribution: lognormal, median: 60, cv: 0.5}\n"
MISTAKES = [
    (
        "naldemedine 0.2 mg",
        "naldemdine 0.2 mg",
        22,
        9,
        "arms.naldemedine.regimen[0]",
        "Did you mean 'naldemedine'?",
    ),
    ("0.2 mg daily", "200 mg daily", 22, 21, "arms.naldemedine.regimen[0]", "impossible single dose"),
    ("0.2 mg daily", "0.2 mgg daily", 22, 25, "arms.naldemedine.regimen[0]", "unknown unit 'mgg'"),
    ("0.2 mg daily", "daily", 22, 9, "arms.naldemedine.regimen[0]", "has no dose"),
    ("regimen: [placebo]", "regimn: [placebo]", 25, 5, "arms.placebo.regimn", "Did you mean 'regimen'?"),
    ("    regimen: [placebo]\n", "", 23, 3, "arms.placebo", "'regimen' is missing"),
    ("regimen: [placebo]", "regimen: []", 25, 5, "arms.placebo.regimen", "at least 1 item"),
    (
        "treatment: {duration: 2",
        "treatment: {duration: -2",
        26,
        23,
        "treatment.duration",
        "not a positive duration",
    ),
    ("duration: 2 weeks}\nend", "duration: 2}\nend", 26, 23, "treatment.duration", "a number and a unit"),
    (
        "duration: 2 weeks}\nend",
        "duration: 2 weks}\nend",
        26,
        23,
        "treatment.duration",
        "Did you mean 'weeks'?",
    ),
    ("duration: 4 weeks", "duration: 3 weeks", 11, 1, "background", "shorter than 4 weeks"),
    ("laxatives: stopped", "laxatives: stoped", 17, 40, "run_in.laxatives", "Did you mean 'stopped'?"),
    ("rule: mean_change", "rule: mean_chnge", 30, 11, "endpoints[0].rule", "Did you mean 'mean_change'?"),
    ("quantity: sbm_per_week}", "quantity: sbm}", 31, 24, "endpoints[0].params.quantity", "does not fit"),
    ("{quantity: sbm", "{quantty: sbm", 31, 14, "endpoints[0].params.quantty", "Did you mean 'quantity'?"),
    ("    rule: mean_change\n", "", 28, 5, "endpoints[0]", "'rule' is missing"),
    ("weeks 1-2", "weeks 1-3", 32, 13, "endpoints[0].window", "ends after treatment"),
    ("weeks 1-2", "weeks 2-1", 32, 13, "endpoints[0].window", "is empty"),
    ("endpoint: sbm,", "endpoint: smb,", 35, 16, "published[0].endpoint", "Did you mean 'sbm'?"),
    ("arm: placebo", "arm: plcebo", 35, 26, "published[0].arm", "Did you mean 'placebo'?"),
    ("source: me,", "source: you,", 35, 92, "published[0].source", "unknown source 'you'"),
    ("value: 1.5", "value: 2.5", 35, 42, "published[0].value", "the interval does not hold the value"),
    ("placebo, value: 1.5", "placebo, n_against: 9, value: 1.5", 35, 46, "published[0].n_against", "Add it"),
    (
        "value: 1.5",
        "against: placebo, value: 1.5",
        35,
        44,
        "published[0].against",
        "compared with itself",
    ),
    (PUBLISHED, f"{PUBLISHED}\n{PUBLISHED}", 36, 5, "published[1]", "a second value for 'sbm' and 'placebo'"),
    (
        "    regimen: [placebo]",
        "    allocation: 101\n    regimen: [placebo]",
        25,
        17,
        "arms.placebo.allocation",
        "less than or equal to 100",
    ),
    (
        "value: 1.5, low: 1.0, high: 2.0, unit: per week",
        "value: 1.5, unit: per day",
        35,
        53,
        "published[0].unit",
        "unit",
    ),
    ("    age:", "    aeg:", 8, 5, "population.covariates.aeg", "Did you mean 'age'?"),
    ("sd: 10", "cv: -1", 8, 47, "population.covariates.age.cv", "greater than or equal to 0"),
    ("mean: 60, sd: 10", "mean: 60", 8, 5, "population.covariates.age", "needs either 'cv' or 'sd'"),
    ("distribution: normal", "distribution: norml", 8, 25, DISTRIBUTION, "Did you mean 'normal'?"),
    ("age 18-80", "age 80-18", 9, 17, "population.eligibility[0]", "the range 'age 80-18' is empty"),
    ("age 18-80", "agee 18-80", 9, 17, "population.eligibility[0]", "Did you mean 'age'?"),
    ("sbm_per_week < 3", "sbm < three", 10, 11, "population.entry[0]", "is not a condition"),
    ("sbm_per_week < 3", "sbm_per_wek < 3", 10, 11, "population.entry[0]", "Did you mean 'sbm_per_week'?"),
    (
        "sbm_per_week < 3",
        "sbm_per_week < 3, sbm_per_week >= 3",
        10,
        29,
        "population.entry[1]",
        "nobody can meet",
    ),
    ("opiome: 1", "opiome: 2", 1, 9, "opiome", "expected 1"),
    ("opiome: 1\n", "", 1, 1, None, "'opiome' is missing"),
    ("name: small", "name: small size", 2, 7, "name", "match pattern"),
    ("title: A small study\n", "title:\n", 3, 1, "title", "an empty value does not fit"),
    ("  opioid:", "  opoid:", 13, 3, "background.opoid", "Did you mean 'opioid'?"),
    (OME, "", 15, 30, CHOICE, "has no dose"),
    ("naldemedine:\n", "1st:\n", 19, 3, "arms.1st", "'1st' is not a name"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=[f"{m[4]}: {m[5]}" for m in MISTAKES])
def test_a_mistake_is_told_with_its_place(problems, mistake):
    old, new, line, column, field, words = mistake
    assert old in GOOD
    (problem,) = problems(GOOD.replace(old, new, 1))
    assert words in str(problem)
    assert (problem.line, problem.column, problem.field) == (line, column, field)


def test_all_problems_are_told_at_once_in_the_order_of_the_file(problems):
    text = (
        GOOD.replace("name: small", "nmae: small")
        .replace("4 weeks", "-4 weeks")
        .replace("    regimen: [placebo]\n", "")
        .replace("naldemedine 0.2 mg daily", "naldemdine 0.2 mgg daily")
    )
    found = problems(text)
    assert [problem.line for problem in found] == [2, 12, 22, 22, 23]
    assert [problem.column for problem in found][2:4] == [9, 24]


def test_places_hold_in_quotes_and_blocks(problems):
    (problem,) = problems(
        GOOD.replace("      - naldemedine 0.2", '      - "naldemedine 0.2x'.replace("x", "")).replace(
            "mg daily", 'mgg daily"'
        )
    )
    assert (problem.line, problem.column) == (22, 26)
    (problem,) = problems(
        GOOD.replace("- naldemedine 0.2 mg daily", "- >\n        naldemdine 0.2 mg\n        daily")
    )
    assert (problem.line, problem.column) == (22, 9)


def test_too_many_opioids_are_told_at_the_arm(problems):
    arm = "[morphine 10 mg bid, oxycodone 10 mg bid, fentanyl patch 25 ug/h every 72 h]"
    (problem,) = problems(GOOD.replace("[placebo]", arm))
    assert problem.field == "arms.placebo.regimen"
    assert "no room for" in str(problem)


def test_a_rescue_laxative_is_taken_as_needed(problems):
    rules = "rules: {rescue_laxative: {regimen: naldemedine 0.2 mg daily, after: 72 h}}\n"
    (problem,) = problems(GOOD + rules)
    assert "as needed" in str(problem)


# -- files that are no study ---------------------------------------------------------------------------------

NO_STUDY = [
    ("empty", b"", "is empty"),
    ("a word", b"hello", "is not a study"),
    ("a list", b"- 1\n- 2\n", "is not a study"),
    ("tabs", b"a:\n\t- b\n", "not valid YAML"),
    ("open bracket", b"a: [1, 2", "not valid YAML"),
    ("binary", b"\x00\x01\x02", "control characters"),
    ("latin-1", "opiome: 1\ntitle: caf\xe9".encode("latin-1"), "not a text file in UTF-8"),
    ("10 MB", b"garbage \n" * 1_200_000, "10.3 MB"),
    ("just too large", b"#" * (MAX_BYTES + 1), "too large"),
    ("nested", b"[" * 200_000, "nested more than 20 levels"),
    ("anchors", b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "anchors and aliases"),
    ("tag", b"a: !!python/object/apply:os.system [ls]\n", "tag"),
    ("twice", b"opiome: 1\nopiome: 1\n", "given twice"),
    ("two documents", b"opiome: 1\n---\nopiome: 1\n", "second document"),
    ("key", b"? [a, b]\n: 1\n", "cannot be a key"),
]  # fmt: skip


@pytest.mark.parametrize("case", NO_STUDY, ids=[case[0] for case in NO_STUDY])
def test_what_is_no_study_is_told_quickly(problems, case):
    _, content, words = case
    start = time.monotonic()
    found = problems(content)
    assert time.monotonic() - start < 5  # about 0.1 s each; a hang would be minutes
    assert any(words in str(problem) for problem in found)


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("bytes") / "study.yaml"
    file.write_bytes(content)
    document = read_yaml(file)
    assert document.problems or document.data is None or document.places


@settings(deadline=None)  # the machine may be busy
@given(st.text(alphabet="ab:-[]{},'\"# \n|>&*!?%@1", max_size=60))
def test_any_yaml_punctuation_is_read_or_refused(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("text") / "study.yaml"
    file.write_text(content, encoding="utf-8")
    document = read_yaml(file)
    assert document.problems or document.data is None or document.places


def _paths(data, path=()):
    yield path
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in children:
        yield from _paths(value, (*path, step))


ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**25) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=4,
)


@settings(deadline=None)  # the machine may be busy
@given(st.data())
def test_anything_in_any_place_is_a_message_and_never_a_fault(tmp_path_factory, model, data):
    file = tmp_path_factory.mktemp("odd") / "study.yaml"
    file.write_text(GOOD, encoding="utf-8")
    study = read_yaml(file).data
    path = data.draw(st.sampled_from([path for path in _paths(study) if path]))
    parent = study
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = data.draw(ODD)
    file.write_text(json.dumps(study, ensure_ascii=False), encoding="utf-8")
    for problem in lint(file, model):
        assert str(problem).startswith(str(file))
        assert "\n" not in str(problem)


def test_a_missing_study_is_told_with_the_nearest_name(tmp_path):
    with pytest.raises(StudyError, match="Did you mean 'compose-4'"):
        load_study("compose4")
    with pytest.raises(StudyError, match="is a folder"):
        load_study(tmp_path)


# -- small parts ---------------------------------------------------------------------------------------------


def test_ranges_include_both_ends_and_missing_never_qualifies():
    age = Condition("age", ((">=", 18.0), ("<=", 80.0)))
    assert [age.holds(x) for x in (17.9, 18, 80, 80.1, float("nan"))] == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        (0.3, {"median": 0.3}),
        ({"distribution": "fixed", "median": 4}, {"distribution": "fixed", "median": 4, "cv": 0}),
        (
            {"distribution": "lognormal", "mean": 132, "cv": 0.75},
            {"distribution": "lognormal", "median": 132 / 1.25, "cv": 0.75},
        ),
        (
            {"distribution": "categorical", "values": {"a": 1, "b": 3}},
            {"distribution": "categorical", "values": {"a": 0.25, "b": 0.75}},
        ),
    ],
)
def test_covariates_come_in_the_columns_of_the_table(given, fields):
    from opiome.trial._fields import Covariate

    found = Covariate.model_validate(given).fields()
    assert found == {k: pytest.approx(v) if isinstance(v, float) else v for k, v in fields.items()}


IMPOSSIBLE = """
opiome: 1
name: nobody
title: Nobody can take part
population:
  covariates: {{age: {{distribution: normal, mean: 60, sd: 5, lower: 40, upper: 70}}, cancer: 1}}
  eligibility: [{eligibility}]
  entry: [{entry}]
background: {{duration: 4 weeks, opioid: {{ome: {{distribution: lognormal, median: 60, cv: 1, lower: 10,
  upper: 300}},
  choices: [{{weight: 1, regimen: morphine CR every 12 h}}]}}}}
run_in: {{duration: 2 weeks}}
arms: {{one: {{label: One, regimen: [placebo]}}}}
treatment: {{duration: 2 weeks}}
endpoints: [{{id: e, label: E, rule: mean, params: {{quantity: nrs}}, window: week 1, unit: score}}]
"""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"eligibility": "age >= 75"}, "nobody meets 'age >= 75': 'age' is from 40 to 70"),
        ({"eligibility": "age 70-90"}, None),
        ({"eligibility": "cancer = 0"}, "nobody meets 'cancer = 0': 'cancer' is 1"),
        ({"eligibility": "ecog > 3"}, "nobody meets 'ecog > 3': 'ecog' is 0 or 1 or 2 or 3"),
        ({"eligibility": "ecog >= 3"}, None),
        ({"eligibility": "ome > 300"}, "nobody meets 'ome > 300': 'ome' is from 10 to 300"),
        ({"eligibility": "albumin 36.2-36.3"}, None),
        ({"entry": "csbm_per_week > 3, sbm_per_week < 3"}, "csbm_per_week counts only some of sbm_per_week"),
        ({"entry": "bm_per_week < 2, sbm_per_week >= 2"}, "sbm_per_week counts only some of bm_per_week"),
        ({"entry": "bm_per_week <= 2, sbm_per_week >= 2"}, None),
        ({"entry": "bm_per_week < 5, csbm_per_week 1-3"}, None),
    ],
)
def test_people_who_do_not_exist(problems, given, said):
    """Contradictions that no single condition shows are told before anybody is simulated."""
    found = problems(IMPOSSIBLE.format(**{"eligibility": "age > 40", "entry": "nrs >= 1"} | given))
    assert [said in problem.message for problem in found] == ([True] if said else [])


def test_a_key_in_the_wrong_place_is_told_its_place(problems):
    for line, place in (
        ("rescue_laxative: {regimen: bisacodyl 10 mg as needed, after: 72 h}", "rules"),
        ("entry: [nrs >= 3]", "population"),
        ("drivers: []", "dropout"),
    ):
        [found] = [one for one in problems(f"{GOOD}\n{line}\n") if "unknown key" in one.message]
        assert found.remedy == f"'{line.split(':')[0]}' belongs under '{place}'"
    [found] = problems(f"{GOOD}\nwhatever: 3\n")
    assert found.remedy == "remove it"
    [found] = problems(f"{GOOD}\nrules: {{visits: [3 days]}}\n")
    assert found.remedy == "'visits' belongs at the top of the file"
