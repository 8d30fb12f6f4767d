"""Designs compared: trials drawn from pools of a tiny model, and files that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom, norm

from opiome.errors import CohortError, StudyError
from opiome.trial import Answers, Twins, compare_designs, load_design, load_study, run, shipped_studies
from opiome.trial._compare import answered
from opiome.trial._design_draws import Possible, draws, inclusion
from opiome.trial._design_fields import Design, Uncertainty
from opiome.trial._design_file import LoadedDesign
from opiome.trial._design_pool import whole
from opiome.trial._design_trials import BATCHES, drawn


def pools(n=4000, effect=0.4, seed=3):
    rng = np.random.default_rng(seed)
    return Answers("mean", rng.normal(effect, 1.0, n)), Answers("mean", rng.normal(0.0, 1.0, n))


def test_power_of_a_t_test():
    """Two normal samples of 100 an effect of 0.4 sd apart: power 0.80 by the textbook formula."""
    arm, reference = pools()
    gap = arm.values.mean() - reference.values.mean()
    expected = norm.cdf(gap / np.sqrt(2 / 100) - 1.96)  # 0.84
    found = drawn([arm], reference, 100, 1000, seed=7)
    assert found.rate == pytest.approx(expected, abs=0.04)
    assert 0.025 < found.high - found.rate < 0.06  # 1000 trials alone give 0.025; the pool adds to it
    assert found.effect == pytest.approx(gap, abs=0.02)
    assert found.effect_high - found.effect_low == pytest.approx(2 * 1.645 * np.sqrt(2 / 100), rel=0.15)


def test_error_under_the_null():
    arm, reference = pools(400)
    found = drawn([arm], reference, 60, 2000, seed=8, null=True)
    assert found.rate == pytest.approx(0.05, abs=0.015)
    assert found.low < 0.05 < found.high


def test_several_arms_share_one_error():
    _, reference = pools()
    found = drawn([reference] * 3, reference, 60, 600, seed=9, null=True)
    assert found.rate == pytest.approx(0.045, abs=0.025)  # without Holm it would be about 0.12


def test_a_small_pool_widens_the_interval():
    small = drawn(*[[side] if k == 0 else side for k, side in enumerate(pools(80))], 60, 800, seed=2)
    large = drawn(*[[side] if k == 0 else side for k, side in enumerate(pools(8000))], 60, 800, seed=2)
    assert small.high - small.low > 1.5 * (large.high - large.low)


def test_the_wrong_direction_is_no_success():
    arm, reference = pools(2000, effect=-0.8)
    found = drawn([arm], reference, 60, 10 * BATCHES, seed=4, toward=(1.0,))
    assert found.rate == 0.0
    assert found.opposite > 0.9
    assert found.high > 0.0


def test_drawing_is_deterministic():
    arm, reference = pools(200)
    assert drawn([arm], reference, 30, 100, seed=5) == drawn([arm], reference, 30, 100, seed=5)


def test_arms_may_differ_in_size():
    arm, reference = pools(2000)
    even = drawn([arm], reference, [60, 60], 400, seed=6)
    assert even == drawn([arm], reference, 60, 400, seed=6)
    more = drawn([arm], reference, [60, 180], 400, seed=6)
    assert more.rate > even.rate
    assert more.effect_high - more.effect_low < even.effect_high - even.effect_low
    null = drawn([reference], reference, [30, 120], 1000, seed=6, null=True)
    assert null.low <= 0.05 <= null.high


# -- files ------------------------------------------------------------------------------------------

FILE = """
opiome: 1
name: sizes
title: How many patients
study: compose-1
candidates:
  - {label: as published}
  - label: shorter
    duration: 4 weeks
    endpoint: sbm_change
    window: weeks 3-4
    analysis: ancova
    patients: [100, 200]
"""


@pytest.fixture(scope="module")
def model():
    from opiome import model as models

    return models.load()


def load(tmp_path, text, model):
    file = tmp_path / "design.yaml"
    file.write_text(text, encoding="utf-8")
    return load_design(file, model)


def test_a_file_that_can_be_read(tmp_path, model):
    found = load(tmp_path, FILE, model)
    assert found.study.name == "compose-1"
    assert found.seed == found.study.seed
    assert found.design.candidates[1].patients == (100, 200)


def test_the_file_of_the_documentation(tmp_path, model):
    page = (Path(__file__).parents[2] / "docs" / "designs.md").read_text(encoding="utf-8")
    text = page.split("```yaml\n")[1].split("```")[0]
    assert [one.label for one in load(tmp_path, text, model).design.candidates][2].startswith("two doses")


def test_an_allocation_names_arms_of_the_candidate(tmp_path, model):
    text = FILE.replace("- {label: as published}", "- {label: one, allocation: {placebo: 2, naldemedin: 1}}")
    with pytest.raises(StudyError, match="Did you mean 'naldemedine'"):
        load(tmp_path, text, model)


def test_doses_that_no_tablet_makes_are_refused_when_asked(tmp_path, model):
    low = FILE.replace("- {label: as published}", "- {label: low, arms: {low: [naldemedine 0.1 mg daily]}}")
    assert load(tmp_path, low, model).design.strengths == "any"
    with pytest.raises(StudyError, match=r"0\.1 mg is not made of the strengths of naldemedine"):
        load(tmp_path, low.replace("candidates:", "strengths: marketed\ncandidates:"), model)
    load(tmp_path, FILE.replace("candidates:", "strengths: marketed\ncandidates:"), model)


TITRATED = """
opiome: 1
name: steps
title: How fast
study: mercadante-2006
candidates:
  - label: two ways
    arms: {slow: [morphine CR 7.5 mg every 12 h], fast: [morphine CR 7.5 mg every 12 h]}
    titration:
      fast: {every: 1 day, over: 1 day, steps: [{when: nrs >= 4, change: 50}]}
"""


def test_arms_of_a_candidate_may_be_titrated_apart(tmp_path, model):
    text = TITRATED.replace("slow: [morphine CR 7.5", "slow: [morphine CR 10")
    loaded = load(tmp_path, text, model)
    arms = whole(loaded).study.arms
    assert arms["slow"].titration is None
    assert arms["fast"].titration.every == 24
    for wrong, told in (
        ("nrs >= 4, change", "nrs >= 11, change"),
        ("fast: {every", "fats: {every"),
        ("every: 1 day, over: 1 day", "every: 50 days, over: 1 day"),
    ):
        with pytest.raises(StudyError, match=r"candidates\[0\]\.titration\.fa"):
            load(tmp_path, text.replace(wrong, told), model)


def test_a_study_and_a_design_point_to_each_other(tmp_path, model):
    file = tmp_path / "design.yaml"
    file.write_text(FILE, encoding="utf-8")
    with pytest.raises(StudyError, match=r"is a design file, not a study.*opiome design"):
        load_study(file, model)
    with pytest.raises(StudyError, match=r"is a study, not a design file.*opiome run"):
        load_design(shipped_studies()["compose-1"].file, model)


WRONG = """
opiome: 1
name: sizes
title: How many patients
study: compose-1
alpha: 0.7
candidates:
  - {label: one, endpoint: respondr}
"""
WORSE = """
opiome: 1
name: sizes
title: How many patients
study: compose-1
uncertainty: {parameters: [bowel_habbit]}
candidates:
  - {label: one, endpoint: respondr}
  - {label: one, duration: 4 weeks}
  - {label: two, analysis: mmrm}
  - {label: three, arms: {naldemedin: }}
  - {label: four, arms: {placebo: [placebo]}}
  - {label: five, arms: {high: [naldemedine 0.9 kg daily]}}
"""


def test_all_problems_are_told_at_once(tmp_path, model):
    with pytest.raises(StudyError) as caught:
        load(tmp_path, WRONG, model)
    assert "alpha" in str(caught.value)
    two = "  - {label: two, allocation: {placebo: true}}\n  - {label: three, patients: 20.5}\n"
    with pytest.raises(StudyError) as caught:
        load(tmp_path, WRONG + two, model)
    told = [str(problem) for problem in caught.value.problems]
    assert any("allocation.placebo: 'True' does not fit; expected a number" in one for one in told)
    assert any("patients[0]: '20.5' does not fit; expected a whole number" in one for one in told)
    with pytest.raises(StudyError) as caught:
        load(tmp_path, WORSE, model)
    told = "\n".join(str(problem) for problem in caught.value.problems)
    for words in (
        "the model has no parameter 'bowel_habbit'",
        "Did you mean 'responder'?",
        "'one' is given twice",
        "ends after treatment",
        "the analysis 'mmrm' is not for a proportion",
        "Did you mean 'naldemedine'?",
        "'placebo' is the reference",
        "0.9 kg",
    ):
        assert words in told, words
    assert all(problem.line for problem in caught.value.problems)


def test_a_study_that_is_not_there(tmp_path, model):
    with pytest.raises(StudyError, match=r"there is no study 'compose-11'.*Did you mean 'compose-1'"):
        load(tmp_path, FILE.replace("compose-1", "compose-11"), model)
    with pytest.raises(StudyError, match="there is no such file"):
        load_design(tmp_path / "nothing.yaml", model)


def test_a_posterior_of_another_model(tmp_path, model):
    (tmp_path / "draws.tsv").write_text("edge_nothing\tbowel_habit\n1\t0.04\n", encoding="utf-8")
    asked = "uncertainty: {posterior: draws.tsv}\ncandidates:"
    with pytest.raises(StudyError, match="the model has no parameter 'edge_nothing'"):
        load(tmp_path, FILE.replace("candidates:", asked), model)


POSTERIORS = [
    ("edge_opioid_motility", "NaN", "0 to 1"),
    ("edge_opioid_motility", "1.5", "0 to 1"),
    ("bowel_habit", "-1", "of 0 and above"),
    ("bowel_habit", "inf", "finite numbers"),
]


@pytest.mark.parametrize(("name", "value", "expected"), POSTERIORS)
def test_a_posterior_that_cannot_be(tmp_path, model, name, value, expected):
    (tmp_path / "draws.tsv").write_text(f"{name}\n0.5\n{value}\n", encoding="utf-8")
    asked = "uncertainty: {posterior: draws.tsv}\ncandidates:"
    with pytest.raises(StudyError, match=f"holds what cannot be; expected .*{expected}"):
        load(tmp_path, FILE.replace("candidates:", asked), model)


def test_a_posterior_may_go_below_0_where_the_model_does(tmp_path, model):
    (tmp_path / "draws.tsv").write_text("G2_opioid\n-0.5\n-0.9\n", encoding="utf-8")
    asked = "uncertainty: {posterior: draws.tsv}\ncandidates:"
    assert load(tmp_path, FILE.replace("candidates:", asked), model).design.uncertainty is not None
    with pytest.raises(StudyError, match="'edges' and 'posterior' are given"):
        load(tmp_path, FILE.replace("candidates:", asked.replace("{", "{edges: all, ")), model)


ARMS = [
    ("low: []", "'low' takes nothing"),
    ("low: [naldemedine 0.1 mg daily from day 400]", "begins after treatment"),
    ("low: [naldemedine 0.1 mg daily, naldemedine 0.1 mg daily]", "is given twice"),
    ("low: [naldemedine 0.1 mg daily, naloxegol 25 mg daily]", "no room for another antagonist"),
    ("low: [stop methadone on day 3]", "nobody takes methadone"),
    ("low: [naldemedine 0.1 mg daily], less: [naldemedine 0.1 mg daily]", "'less' takes what 'low' takes"),
]


@pytest.mark.parametrize(("arms", "words"), ARMS, ids=[words for _, words in ARMS])
def test_arms_that_do_nothing_or_too_much(tmp_path, model, arms, words):
    """An arm that begins after treatment would have the power of a placebo."""
    text = FILE.replace("{label: as published}", f"{{label: as published, arms: {{{arms}}}}}")
    with pytest.raises(StudyError, match=words) as caught:
        load(tmp_path, text, model)
    assert all(problem.line for problem in caught.value.problems)


def test_rules_of_an_arm_hold_for_it_in_every_candidate(study_of):
    """An arm has the rules that name it, whatever else is compared; one that they do not name has none."""
    rule = {"when": "nausea >= 6", "stop": "study drug", "reason": "nausea", "every": "1 day"}
    study = study_of(rules={"stop": [rule | {"arms": ["naldemedine"]}]})
    half, usual = ["naldemedine 0.1 mg daily"], list(study.arms["naldemedine"].regimen)
    candidates = [
        {"label": "half", "arms": {"naldemedine": half}},
        {"label": "whole", "arms": {"naldemedine": usual}},
        {"label": "no rule", "arms": {"free": usual}},
    ]
    given = {"opiome": 1, "name": "a", "title": "A", "study": "small", "candidates": candidates}
    found = whole(LoadedDesign(Design.model_validate(given), study, Path()))
    (stop,) = found.study.rules.stop
    first, second, third = (next(iter(names.values())) for names in found.names)
    assert len({first, second, third}) == 3
    assert {first, second} <= set(stop.arms)
    assert third not in stop.arms


# -- draws of the model -----------------------------------------------------------------------------


def test_edges_exist_as_often_as_their_grade_says(model, tmp_path):
    found = draws(Uncertainty(draws=400, edges="all"), model, 1, tmp_path)
    for grade, chance in inclusion().items():
        gates = model.edges.filter(pl.col("grade") == grade)["gate"].to_list()
        off = np.mean([[gate in values for gate in gates] for values in found])
        assert 1 - off == pytest.approx(chance, abs=0.02 if grade in "AB" else 0.06)


def test_parameters_spread_between_their_limits(model, tmp_path):
    name = "colonic_transit_untreated"
    row = model.parameters.filter(pl.col("id") == name).row(0, named=True)
    asked = Uncertainty(draws=400, edges="none", parameters=(name,))
    values = np.array([one[name] for one in draws(asked, model, 1, tmp_path)])
    assert np.median(values) == pytest.approx(row["value"], rel=0.1)
    assert values.min() >= row["lower"]
    assert values.max() <= row["upper"]
    assert values.std() > 0.1 * row["value"]


def test_a_posterior_is_drawn_row_by_row(model, tmp_path):
    rows = {"bowel_habit": [0.03, 0.05], "edge_opioid_flora": [0.0, 1.0]}
    pl.DataFrame(rows).write_parquet(tmp_path / "draws.parquet")
    found = draws(Uncertainty(draws=50, posterior="draws.parquet"), model, 1, tmp_path)
    pairs = {(one["bowel_habit"], one["edge_opioid_flora"]) for one in found}
    assert pairs == {(0.03, 0.0), (0.05, 1.0)}


def test_a_possible_model_differs_in_what_was_drawn(tiny, study_of):
    """A model in which the opioid does nothing has nobody who qualifies."""
    possible = Possible(tiny, {"habit": 0.01})
    assert possible.parameters.filter(pl.col("id") == "habit")["value"].item() == 0.01
    assert possible.sha256 == tiny.sha256
    people = Twins.screened(study_of(), 10, model=possible)
    assert np.median(people.accepted.cohort.parameters["habit"]) < 0.02
    with pytest.raises(CohortError):
        Twins.screened(study_of(screening={"attempts": 2}), 10, model=Possible(tiny, {"habit": 2.0}))


# -- null trials at a hundredth of the size of `qualification/operating.py` -----------------------------


@pytest.fixture(scope="module")
def null_pool(tiny, study_of):
    """Two hundred people on placebo, each asked every endpoint."""
    study = study_of()
    people = Twins.screened(study, 200, model=tiny, threads=1)
    diaries, well = people.through()
    assert well.all()
    return {one.id: answered(one, {"placebo": diaries["placebo"]})["placebo"] for one in study.endpoints}


@pytest.mark.parametrize(
    ("endpoint", "analysis"),
    [
        ("responder", "risk_difference"),
        ("responder", "cmh"),
        ("change", "welch"),
        ("change", "ancova"),
        ("change", "mmrm"),
        ("first", "log_rank"),
        ("first", "cox"),
    ],
)
def test_error_of_a_hundred_null_trials(null_pool, endpoint, analysis):
    pool = null_pool[endpoint]
    found = drawn([pool], pool, 60, 100, seed=12, analysis=analysis, null=True)
    assert found.rate <= binom.ppf(0.9999, 100, 0.05) / 100
    assert abs(found.effect - (1.0 if analysis == "cox" else 0.0)) < 0.25 * max(np.nanstd(pool.values), 1.0)


# -- a whole comparison -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loaded(study_of, tmp_path_factory):
    folder = tmp_path_factory.mktemp("design")
    pl.DataFrame({"habit": [0.042, 2.0], "block": [0.9, 0.9]}).write_parquet(folder / "draws.parquet")
    design = Design.model_validate(
        {
            "opiome": 1,
            "name": "tiny",
            "title": "Which design",
            "study": "tiny",
            "pool": 24,
            "replicates": 100,
            "uncertainty": {"draws": 3, "posterior": "draws.parquet"},
            "candidates": [
                {"label": "as it is", "patients": [20, 40]},
                {"label": "two weeks", "duration": "2 weeks", "endpoint": "first", "patients": 20},
                {
                    "label": "two doses",
                    "arms": {"naldemedine": None, "low": ["naldemedine 0.05 mg daily"]},
                    "endpoint": "change",
                    "analysis": "ancova",
                    "patients": 20,
                },
            ],
        }
    )
    study = study_of(screening={"attempts": 3}, strata=["ome <= 90"])
    return LoadedDesign(design, study, folder)


@pytest.fixture(scope="module")
def compared(loaded, tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pools")
    told = []
    found = compare_designs(
        loaded, folder, threads=1, model=tiny, progress=lambda *given: told.append(given[0])
    )
    return found, folder, told


def test_table_of_designs(compared):
    table = compared[0].table
    assert table["label"].to_list() == ["as it is", "as it is", "two weeks", "two doses"]
    assert table["patients"].to_list() == [40, 80, 40, 60]
    assert table["duration_days"].to_list() == [28, 28, 14, 28]
    power = table["power"].to_list()
    assert power[1] >= power[0] > 0
    assert (table["power_low"] <= table["power"]).all()
    assert (table["type1"] < 0.2).all()
    assert table["measure"][3] == "mean difference, adjusted"
    assert table["arms"][3] == "Naldemedine, low"


def test_assurance_counts_models_under_which_nobody_can_be_recruited(compared):
    found = compared[0]
    refused = found.draws.filter(pl.col("refused").is_not_null())
    changed = [json.loads(text)["habit"] for text in refused["changed"]]
    assert set(changed) == {2.0}
    assert (refused["power"] == 0).all()
    assert found.facts["refused"] == refused["draw"].n_unique()
    for row in found.table.iter_rows(named=True):
        own = found.draws.filter(
            (pl.col("candidate") == row["candidate"])
            & (pl.col("patients_per_arm") == row["patients_per_arm"])
        )
        assert row["assurance"] == pytest.approx(own["power"].mean())


def test_strata_reach_the_analysis(tiny, study_of):
    endpoint = {"id": "responder", "label": "R", "rule": "mean_responder", "unit": "%", "analysis": "cmh"}
    study = study_of(strata=["ome <= 90"], endpoints=[endpoint], published=[], patients=24)
    results = run(study, model=tiny, threads=1)
    assert results.patients["stratum"].n_unique() == 2
    row = results.contrasts.row(0, named=True)
    assert row["measure"] == "risk difference, stratified"
    assert row["low"] < row["estimate"] < row["high"]
    # the same table by hand: weights n m / (n + m) of the strata
    rate = 7 * pl.col("spontaneous").mean()
    after, before = (pl.col("day") > 0), (pl.col("day") < 0)
    now = results.diary.filter(after).group_by("patient").agg(rate.alias("now"))
    base = results.diary.filter(before).group_by("patient").agg(rate.alias("base"))
    people = results.patients.join(now, on="patient").join(base, on="patient")
    people = people.with_columns(yes=(pl.col("now") >= 3) & (pl.col("now") >= pl.col("base") + 1))
    total = value = 0.0
    for _, part in people.group_by("stratum"):
        sides = [part.filter(pl.col("arm") == arm)["yes"] for arm in ("naldemedine", "placebo")]
        weight = len(sides[0]) * len(sides[1]) / len(part)
        total += weight
        value += weight * (sides[0].mean() - sides[1].mean())
    assert row["estimate"] == pytest.approx(100 * value / total)


def test_a_comparison_goes_on_where_it_was(compared, loaded, tiny):
    found, folder, told = compared
    assert {"screening", "treatment", "trials", "draws"} <= set(told)
    files = sorted(path.name for path in (folder / "pools").iterdir())
    assert len(files) == 4
    again = []
    same = compare_designs(
        loaded, folder, threads=1, model=tiny, progress=lambda *given: again.append(given[0])
    )
    assert set(again) == {"trials", "draws"}
    assert same.table.equals(found.table)
    assert same.draws.equals(found.draws)
