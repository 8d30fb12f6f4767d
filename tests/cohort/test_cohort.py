"""Who takes part: covariates, parameters, and the same person whatever the company."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from opiome import cohort
from opiome.cohort import Marginal, draw_covariates
from opiome.errors import CohortError

SEED = 11


def covariate_table():
    rows = [
        {
            "id": "age",
            "distribution": "normal",
            "median": 60,
            "cv": 0.2,
            "lower": 18,
            "upper": 90,
            "reference": 60,
        },
        {"id": "weight", "distribution": "lognormal", "median": 70, "cv": 0.2, "lower": 40, "reference": 70},
        {
            "id": "egfr",
            "distribution": "normal",
            "median": 85,
            "cv": 0.3,
            "lower": 15,
            "upper": 140,
            "reference": 90,
        },
        {"id": "female", "distribution": "bernoulli", "median": 0.4, "reference": 0},
        {"id": "cyp2d6", "distribution": "categorical", "values": "poor:0.1;normal:0.85;ultrarapid:0.05"},
        {"id": "height", "distribution": "fixed", "median": 1.7, "reference": 1.7},
    ]
    columns = {"id": pl.String, "distribution": pl.String, "values": pl.String}
    columns |= dict.fromkeys(("median", "cv", "lower", "upper", "reference"), pl.Float64)
    return pl.DataFrame(rows, schema=columns).with_columns(pl.col("values").fill_null(""))


def parameter_table():
    rows = [
        {
            "id": "CL",
            "value": 90.0,
            "distribution": "lognormal",
            "cv": 0.4,
            "covariates": "weight^0.75;egfr^0.4",
        },
        {"id": "F", "value": 0.3, "distribution": "logitnormal", "cv": 0.5, "covariates": ""},
        {"id": "V", "value": 200.0, "distribution": "fixed", "cv": None, "covariates": "female*0.8"},
        {"id": "k", "value": 2.0, "distribution": "normal", "cv": 0.1, "covariates": ""},
        {"id": "diary_only", "value": 2.0, "distribution": "fixed", "cv": None, "covariates": ""},
    ]
    return pl.DataFrame(rows)


class Model:
    """A model whose untreated state is V."""

    covariates = covariate_table()
    parameters = parameter_table()
    sbml = ""

    def baseline(self, _program, parameters):
        n = len(parameters["CL"])
        outcome = (parameters["CL"] > 1e6).astype(np.int64)
        return (
            {**parameters, "found": 2 * parameters["V"]},
            np.column_stack([parameters["V"], np.zeros(n)]),
            outcome,
        )


PROGRAM = SimpleNamespace(states=("central", "gut"), defaults={"CL": 1.0, "F": 1.0, "V": 1.0, "k": 1.0})


def build(n=500, first=0, population=None, **more):
    return cohort.build(Model(), population, n, SEED, first, program=PROGRAM, **more)


def test_patient_17_is_the_same_in_every_chunk_and_size():
    large, chunk, alone = build(500), build(10, first=10), build(1, first=17)
    for own, row in ((chunk, 7), (alone, 0)):
        assert own.ids[row] == 17
        assert own.covariates.row(row) == large.covariates.row(17)
        for name, values in large.parameters.items():
            assert own.parameters[name][row] == values[17], name
        assert np.array_equal(own.start[row], large.start[17])


def test_marginals_are_as_declared():
    made = build(4000).covariates
    assert made["age"].median() == pytest.approx(60, abs=1)
    assert made["age"].min() >= 18
    assert made["age"].max() <= 90
    assert made["weight"].median() == pytest.approx(70, rel=0.02)
    assert made["weight"].std() / made["weight"].mean() == pytest.approx(0.2, abs=0.02)
    assert made["female"].mean() == pytest.approx(0.4, abs=0.03)
    shares = {row["cyp2d6"]: row["len"] / 4000 for row in made["cyp2d6"].value_counts(name="len").to_dicts()}
    assert shares == pytest.approx({"poor": 0.1, "normal": 0.85, "ultrarapid": 0.05}, abs=0.02)
    assert set(made["height"]) == {1.7}


def test_a_share_of_people_is_at_the_peak():
    habit = Marginal("habit", "peaked", 7.0, 0.5, 1.5, 28.0, values=(("peak", 0.4),))
    u = (np.arange(2000) + 0.5) / 2000
    drawn = habit.quantile(u)
    assert not habit.problems()
    assert np.mean(drawn == 7) == pytest.approx(0.4, abs=1e-3)
    assert np.all(np.diff(drawn) >= 0)
    plain = Marginal("habit", "lognormal", 7.0, 0.5, 1.5, 28.0).quantile(u)
    assert np.mean(drawn < 3) == pytest.approx(0.6 * np.mean(plain < 3), abs=1e-3)
    # the level of a value is where it came from; at the peak it is one of those who share it
    again = habit.level(drawn, u)
    beside = drawn != 7
    assert again[beside] == pytest.approx(u[beside], abs=1e-6)
    assert np.array_equal(habit.quantile(again[~beside]), drawn[~beside])
    assert [str(p) for p in Marginal("habit", "peaked", 7.0, 0.5, 1.5, 28.0).problems()]


def test_a_study_that_gives_a_lognormal_has_no_peak():
    row = {
        "id": "habit",
        "distribution": "peaked",
        "median": 7,
        "cv": 0.5,
        "reference": 7,
        "values": "peak:0.4",
    }
    table = pl.DataFrame([row])
    assert cohort.marginals(table)["habit"].peak == 0.4
    assert cohort.marginals(table, {"habit": {"distribution": "lognormal", "median": 3}})["habit"].peak == 0
    assert cohort.marginals(table, {"habit": {"median": 3}})["habit"].quantile(np.array([0.5])) == [3]


def test_categories_keep_their_places():
    given = {"cyp2d6": {"values": {"ultrarapid": 0.5, "poor": 0.5}}}
    made = build(300, population=given)
    assert set(made.codes["cyp2d6"]) == {0, 2}
    labels = made.covariates["cyp2d6"].to_numpy()
    assert set(labels[made.codes["cyp2d6"] == 2]) == {"ultrarapid"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"median": 7}, "nobody can have the value 7"),
        ({"median": -1}, "nobody can have the value -1"),
        ({"distribution": "categorical", "values": {"moderate": 0.4, "none": 0.6}}, "moderate, none are not"),
        ({"distribution": "categorical", "values": dict.fromkeys("abcd", 0.25)}, "a, b, c, d are not"),
        ({"distribution": "categorical", "values": {"2": 0.5, "1": 0.3, "0": 0.2}}, "2, 1, 0 are not"),
        ({"distribution": "categorical", "values": {"none": 0.5, "mild": 0.3, "moderate": 0.2}}, None),
        ({"median": 1}, None),
    ],
)
def test_a_number_that_nobody_can_have_is_refused(given, said):
    """Pain of the cancer is 0, 1 or 2, and the shares of a study are counted in this order."""
    table = pl.DataFrame({"id": ["cancer_pain"], "distribution": ["fixed"], "median": [2], "upper": [2]})
    table = table.with_columns(lower=pl.lit(0))
    if said is None:
        assert cohort.marginals(table, {"cancer_pain": given})
        return
    with pytest.raises(CohortError, match=said):
        cohort.marginals(table, {"cancer_pain": given})


def test_a_fixed_category_is_one_of_the_table():
    assert set(build(5, population={"cyp2d6": {"distribution": "fixed", "median": 2}}).codes["cyp2d6"]) == {2}
    with pytest.raises(CohortError, match="no category has the number 9"):
        build(5, population={"cyp2d6": {"distribution": "fixed", "median": 9}})


def test_truncation_leaves_no_heap_at_the_bound():
    given = {"age": {"median": 60, "cv": 0.3, "lower": 50, "upper": 65}}
    ages = build(2000, population=given).covariates["age"]
    assert ages.min() >= 50
    assert ages.max() <= 65
    assert ages.n_unique() == 2000


def test_correlations():
    made = build(4000, correlations={("age", "egfr"): -0.5}).covariates
    assert np.corrcoef(made["age"], made["egfr"])[0, 1] == pytest.approx(-0.5, abs=0.05)
    assert np.corrcoef(made["age"], made["weight"])[0, 1] == pytest.approx(0, abs=0.05)


def test_a_correlation_leaves_the_marginals():
    alone, both = build(4000, correlations={}), build(4000, correlations={("age", "egfr"): -0.8})
    assert np.sort(both.covariates["egfr"])[::400] == pytest.approx(
        np.sort(alone.covariates["egfr"])[::400], rel=0.1
    )
    assert alone.covariates["age"].equals(both.covariates["age"])


def test_impossible_correlations():
    wrong = {("age", "egfr"): 0.95, ("age", "weight"): 0.95, ("egfr", "weight"): -0.95}
    with pytest.raises(CohortError, match="positive definite"):
        build(5, correlations=wrong)


def test_covariate_effects():
    made = build(300)
    weight, egfr = made.codes["weight"], made.codes["egfr"]
    same = cohort.parameters_of(Model(), made, {"CL": 90.0})["CL"]
    assert np.array_equal(same, made.parameters["CL"])
    eta = np.log(made.parameters["CL"] / 90 / (weight / 70) ** 0.75 / (egfr / 90) ** 0.4)
    assert eta.std() == pytest.approx(np.sqrt(np.log(1 + 0.4**2)), rel=0.1)
    assert abs(np.corrcoef(eta, weight)[0, 1]) < 0.15
    assert made.parameters["V"] == pytest.approx(np.where(made.codes["female"] == 1, 160, 200))


def test_parameters_keep_to_their_ranges():
    made = build(2000)
    assert np.all((made.parameters["F"] > 0) & (made.parameters["F"] < 1))
    assert np.median(made.parameters["F"]) == pytest.approx(0.3, abs=0.02)
    assert made.parameters["k"].mean() == pytest.approx(2.0, abs=0.02)
    assert "diary_only" not in made.parameters


def test_another_drug_keeps_the_person():
    made = build(50)
    other = cohort.parameters_of(Model(), made, {"CL": 45.0, "new": 3.0}, {"new": 0.2})
    assert other["CL"] == pytest.approx(made.parameters["CL"] / 2)
    assert other["new"].std() > 0.3
    names = {"one": "morphine/CL", "two": "morphine/CL"}
    slots = cohort.parameters_of(Model(), made, {"one": 9.0, "two": 9.0}, {"one": 0.3, "two": 0.3}, names)
    assert np.array_equal(slots["one"], slots["two"])
    each = cohort.parameters_of(Model(), made, {"CL": np.full(50, 45.0)})
    assert np.array_equal(each["CL"], other["CL"])


def test_another_seed_is_other_people():
    other = cohort.build(Model(), None, 50, SEED + 1, program=PROGRAM)
    assert not np.any(other.parameters["CL"] == build(50).parameters["CL"])


def test_take_and_join():
    made = build(30)
    mask = np.arange(30) % 3 == 0
    assert made.take(mask).ids.tolist() == list(range(0, 30, 3))
    back = cohort.Cohort.join([made.take([0, 1]), made.take([2])])
    assert back.ids.tolist() == [0, 1, 2]
    assert back.covariates.equals(made.covariates[:3])
    assert np.array_equal(back.parameters["CL"], made.parameters["CL"][:3])


def test_people_who_are_not_kept_are_never_solved():
    solved = []

    class Counting(Model):
        def baseline(self, program, parameters):
            solved.append(len(parameters["CL"]))
            return super().baseline(program, parameters)

    old = cohort.build(Counting(), None, 100, SEED, program=PROGRAM, keep=lambda codes: codes["age"] >= 65)
    assert solved == [len(old)]
    assert set(old.ids) < set(range(100))
    assert old.covariates["age"].min() >= 65
    nobody = cohort.build(Counting(), None, 10, SEED, program=PROGRAM, keep=lambda codes: codes["age"] > 900)
    assert len(nobody) == 0


def test_write_and_read(tmp_path):
    made = build(20)
    made.write(tmp_path / "people.parquet")
    back = cohort.Cohort.read(tmp_path / "people.parquet")
    assert back.covariates.equals(made.covariates)
    assert np.array_equal(back.start, made.start)
    assert back.seed == SEED
    assert back.states == made.states
    assert {name: values.tolist() for name, values in back.parameters.items()} == {
        name: values.tolist() for name, values in made.parameters.items()
    }
    with pytest.raises(CohortError, match="exists"):
        made.write(tmp_path / "people.parquet")
    made.write(tmp_path / "people.parquet", overwrite=True)
    (tmp_path / "garbage.parquet").write_bytes(b"garbage")
    with pytest.raises(CohortError, match="not a cohort"):
        cohort.Cohort.read(tmp_path / "garbage.parquet")


def test_effective_size():
    made = build(10)
    assert made.effective_size == pytest.approx(10)


@pytest.mark.parametrize(
    ("population", "message"),
    [
        ({"agee": {"median": 50}}, "Did you mean 'age'"),
        ({"age": {"median": 50, "lower": 60}}, "lies outside"),
        ({"age": {"distribution": "nromal"}}, "Did you mean 'normal'"),
        ({"age": {"cv": -1}}, "at least 0"),
        ({"age": {"spread": 1}}, "unknown field 'spread'"),
        ({"weight": {"median": -3, "lower": -9}}, "above 0"),
        ({"female": {"median": 40}}, "from 0 to 1"),
        ({"cyp2d6": {"values": {"poor": 0.4}}}, "add up to 1"),
        ({"cyp2d6": {"values": {"poorr": 1}}}, "Did you mean 'poor'"),
        ({"age": {"lower": 70, "upper": 60}}, "is above upper"),
    ],
)
def test_bad_populations(population, message):
    with pytest.raises(CohortError, match=message):
        build(3, population=population)


def test_all_problems_are_told_at_once():
    with pytest.raises(CohortError) as caught:
        build(3, population={"agee": {"median": 50}, "female": {"median": 4}})
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("effect", ["weight^x", "shoe^2", "female^2", "weight", "age*-1"])
def test_effects_that_cannot_be_read(effect):
    table = pl.DataFrame(
        [{"id": "CL", "value": 1.0, "distribution": "fixed", "cv": None, "covariates": effect}]
    )
    with pytest.raises(CohortError, match=r"effect|divides"):
        cohort.variations(table, cohort.marginals(covariate_table()))


def test_public_names():
    assert cohort.__all__ == [
        "DISTRIBUTIONS",
        "Cohort",
        "Marginal",
        "Profiles",
        "Variation",
        "build",
        "correlations",
        "draw_covariates",
        "individual",
        "marginals",
        "parameters_of",
        "people",
        "variations",
    ]


# -- drawn given what is known -------------------------------------------------------------------------------


def spread():
    return {
        "age": Marginal("age", "normal", 60.0, 0.2, 20.0, 95.0),
        "egfr": Marginal("egfr", "normal", 80.0, 0.25, 10.0, 140.0),
        "frail": Marginal("frail", "bernoulli", 0.3),
        "ecog": Marginal("ecog", "categorical", 0.0, values=(("0", 0.3), ("1", 0.5), ("2", 0.2))),
        "site": Marginal("site", "fixed", 1.0),
    }


RHO = {("age", "egfr"): -0.6, ("age", "frail"): 0.5, ("frail", "ecog"): 0.4}


def test_what_is_known_stays_and_moves_the_rest():
    """For normal scores the conditional mean is rho z and the conditional sd sqrt(1 - rho^2)."""
    n = 4000
    ids = np.arange(n)
    old = np.full(n, 60.0 + 12.0 * 1.5)  # 1.5 standard deviations above the median
    drawn = draw_covariates(spread(), ids, 3, RHO, {"age": old})
    assert (drawn["age"] == old).all()
    free = {name: m for name, m in spread().items() if name in {"age", "egfr"}}
    wide = {name: replace(m, lower=-np.inf, upper=np.inf) for name, m in free.items()}
    egfr = draw_covariates(wide, ids, 3, RHO, {"age": old})["egfr"]
    assert egfr.mean() == pytest.approx(80 - 0.6 * 1.5 * 20, abs=1.0)
    assert egfr.std() == pytest.approx(20 * 0.8, rel=0.05)
    assert drawn["frail"].mean() > 0.5 > draw_covariates(spread(), ids, 3, RHO)["frail"].mean()


def test_a_given_category_moves_the_rest():
    n = 4000
    ids = np.arange(n)
    worst, best = (
        draw_covariates(spread(), ids, 3, RHO, {"ecog": np.full(n, place)}) for place in (2.0, 0.0)
    )
    assert worst["frail"].mean() > best["frail"].mean() + 0.2
    assert worst["egfr"].mean() == pytest.approx(best["egfr"].mean(), abs=1.0)


def test_given_what_was_drawn_nothing_changes():
    """And with a sample of the population given, the population comes out."""
    ids = np.arange(3000)
    free = draw_covariates(spread(), ids, 3, RHO)
    again = draw_covariates(spread(), ids, 3, RHO, {"age": free["age"]})
    assert again["egfr"] == pytest.approx(free["egfr"], abs=1e-6)
    ages = free["age"][::-1].copy()
    other = draw_covariates(spread(), ids, 3, RHO, {"age": ages})
    assert np.corrcoef(other["age"], other["egfr"])[0, 1] == pytest.approx(
        np.corrcoef(free["age"], free["egfr"])[0, 1], abs=0.05
    )
    assert other["egfr"].std() == pytest.approx(free["egfr"].std(), rel=0.05)


def test_where_nothing_is_known_it_is_as_it_was():
    ids = np.arange(50)
    free = draw_covariates(spread(), ids, 3, RHO)
    ages = np.where(ids < 25, np.nan, 70.0)
    mixed = draw_covariates(spread(), ids, 3, RHO, {"age": ages, "site": np.full(50, 2.0)})
    for name in ("age", "egfr", "frail", "ecog"):
        assert (mixed[name][:25] == free[name][:25]).all()
    assert (mixed["site"] == 2.0).all()
    assert (mixed["age"][25:] == 70.0).all()
    alone = draw_covariates(spread(), ids[30:31], 3, RHO, {"age": ages[30:31]})
    assert all(alone[name][0] == mixed[name][30] for name in ("egfr", "frail", "ecog"))


@pytest.mark.parametrize("name", ["age", "egfr", "frail", "ecog"])
def test_level_is_the_inverse_of_quantile(name):
    u = np.linspace(0.02, 0.98, 49)
    values = spread()[name].quantile(u)
    assert spread()[name].quantile(spread()[name].level(values, np.full(49, 0.5))) == pytest.approx(values)
    assert np.isnan(spread()[name].level(np.array([-7.0]), np.array([0.5]))).all()
