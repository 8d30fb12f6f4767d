"""Analyses against output that SAS and R published, and against slow twins."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from lifelines import CoxPHFitter
from lifelines.datasets import load_leukemia, load_lung
from statsmodels.stats.multitest import multipletests

from opiome.errors import StudyError
from opiome.trial import Answers
from opiome.trial._analyses import ANALYSES, contrast
from opiome.trial._mmrm import fit
from opiome.trial._multiplicity import adjusted
from opiome.trial._stratified import common_risk_difference, counts
from opiome.trial._survival import median


def strata(tables):
    """Answers of both arms from (yes, no) counts in each stratum."""
    sides = []
    for row in (0, 1):
        values = [np.repeat([1.0, 0.0], table[row]) for table in tables]
        numbers = [np.full(sum(table[row]), k) for k, table in enumerate(tables)]
        sides.append(Answers("proportion", np.concatenate(values), stratum=np.concatenate(numbers)))
    return sides


# SAS/STAT, The FREQ Procedure, Example "Cochran-Mantel-Haenszel Statistics": migraine, by gender
MIGRAINE = [((16, 11), (5, 20)), ((12, 16), (7, 19))]
# Agresti, Categorical Data Analysis (2013), table 6.9: a cream against infection in eight centres
CREAM = [
    ((11, 25), (10, 27)),
    ((16, 4), (22, 10)),
    ((14, 5), (7, 12)),
    ((2, 14), (1, 16)),
    ((6, 11), (0, 12)),
    ((1, 10), (0, 10)),
    ((1, 4), (1, 8)),
    ((4, 2), (6, 1)),
]


def test_cochran_mantel_haenszel():
    assert contrast(*strata(MIGRAINE), "cmh").p == pytest.approx(0.0040, abs=5e-5)  # chi-square 8.3052
    assert contrast(*strata(CREAM), "cmh").p == pytest.approx(0.0115, abs=5e-5)  # Agresti: 6.38


def test_common_risk_difference():
    # Agresti p. 231: 0.130, standard error 0.050; R package citools, Sato's variance: 0.0313 to 0.2284
    arms = strata(CREAM)
    value, error = common_risk_difference(counts(*arms))
    assert (value, error) == pytest.approx((0.130, 0.050), abs=5e-4)
    found = contrast(*arms, "cmh")
    assert (found.low, found.high) == pytest.approx((0.0313, 0.2284), abs=5e-5)
    assert found.measure == "risk difference, stratified"


def test_a_stratum_with_one_arm_compares_nothing():
    whole, more = strata(MIGRAINE), strata([*MIGRAINE, ((9, 9), (0, 0))])
    assert contrast(*whole, "cmh") == contrast(*more, "cmh")
    assert contrast(*strata([((5, 0), (7, 0))]), "cmh").p == 1.0
    assert math.isnan(contrast(*strata([((5, 1), (0, 0))]), "cmh").value)


# SAS/STAT, The GLM Procedure, "Analysis of Covariance": bacilli of leprosy before and after, three drugs
LEPROSY = {
    "A": [(11, 6), (8, 0), (5, 2), (14, 8), (19, 11), (6, 4), (10, 13), (6, 1), (11, 8), (3, 0)],
    "D": [(6, 0), (6, 2), (7, 3), (8, 1), (18, 18), (8, 4), (19, 14), (8, 9), (5, 1), (15, 9)],
    "F": [(16, 13), (13, 10), (11, 18), (9, 5), (21, 23), (16, 12), (12, 5), (12, 16), (7, 1), (12, 20)],
}


def measured(drugs, stratum):
    before, after = np.array([pair for drug in drugs for pair in LEPROSY[drug]], dtype=float).T
    return Answers("mean", after, baseline=before, stratum=np.repeat(stratum, 10))


def test_analysis_of_covariance():
    # drug D as a stratum of the reference leaves A against F in the model of all three
    found = contrast(measured("A", [0]), measured("FD", [0, 1]), "ancova")
    assert found.value == pytest.approx(-3.446138, abs=1e-6)
    assert found.p == pytest.approx(0.0793, abs=5e-5)
    reach = (found.high - found.low) / 2
    assert reach / 2.055529 == pytest.approx(1.886781, abs=1e-5)  # t of 26 degrees of freedom


def test_analysis_of_covariance_leaves_out_what_is_missing():
    arm, reference = measured("A", [0]), measured("F", [0])
    whole = contrast(arm, reference, "ancova")
    gap = Answers("mean", np.append(arm.values, np.nan), baseline=np.append(arm.baseline, 3.0))
    assert contrast(gap, Answers("mean", reference.values, baseline=reference.baseline), "ancova") == whole
    nobody = Answers("mean", np.full(3, np.nan), baseline=np.zeros(3))
    assert math.isnan(contrast(nobody, reference, "ancova").value)


# -- MMRM: fev.tsv is fev_data of the R package mmrm, with SAS PROC MIXED output in its folder design/SAS ---


def fev():
    with (Path(__file__).parent / "data" / "fev.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    y = np.array([[float(row[f"visit_{k}"] or "nan") for k in (1, 2, 3, 4)] for row in rows])
    return rows, y


def design(rows, *columns):
    parts = [np.ones(len(rows)), *([float(row[name] == value) for row in rows] for name, value in columns)]
    return np.stack([np.broadcast_to(np.asarray(part)[:, None], (len(rows), 4)) for part in parts], axis=2)


def test_mmrm_against_sas():
    rows, y = fev()
    x = design(rows, ("arm", "TRT"), ("sex", "Female"))
    found = fit(y, x, freedom="satterthwaite")
    assert found.deviance == pytest.approx(3666.9670, abs=1e-3)  # sas_coef_ci_reml_un.txt
    expected = np.array([[108.64, 45.53, -2.43, -46.76], [0, 40.15, 0.87, -13.06], [0, 0, 24.77, 18.92]])
    assert np.triu(found.sigma)[:3] == pytest.approx(expected, abs=0.02)
    for k, (value, error, freedom) in enumerate(
        [(41.0762, 0.5504, 156), (3.8265, 0.6421, 161), (-0.1404, 0.6434, 161)]
    ):
        own = found.contrast(np.eye(3)[k])
        assert own[:2] == pytest.approx((value, error), abs=6e-4)
        assert round(own[2]) == freedom


def test_mmrm_after_kenward_and_roger():
    rows, y = fev()
    found = fit(y, design(rows, ("arm", "TRT"))).contrast(np.array([0.0, 1.0]))
    # SAS through the tests of mmrm: 0.66124382270307 with 160.733266403768 degrees of freedom
    assert found[1:] == pytest.approx((0.661244, 160.7333), rel=1e-3)


def test_mmrm_of_the_vignette():
    """mmrm, FEV1 ~ RACE + SEX + ARMCD * AVISIT + us(AVISIT | USUBJID): deviance and coefficients."""
    rows, y = fev()
    x = design(
        rows, ("race", "Black or African American"), ("race", "White"), ("sex", "Female"), ("arm", "TRT")
    )
    visits = np.broadcast_to(np.eye(4)[:, 1:], (len(rows), 4, 3))
    x = np.concatenate([x, visits, x[:, :, 4:5] * visits], axis=2)
    found = fit(y, x)
    assert found.deviance == pytest.approx(3386.45, abs=5e-3)
    expected = [30.77748, 1.53050, 5.64357, 0.32606, 3.77423, 4.83959, 10.34211, 15.05390, -0.04193, -0.69369,
                0.62423]  # fmt: skip
    assert found.beta == pytest.approx(expected, abs=3e-4)


def test_mmrm_of_complete_visits_is_the_test_of_the_last_one():
    """With everybody at every visit and all effects by visit, the last visit's contrast is least squares'."""
    rng = np.random.default_rng(4)
    visits = rng.multivariate_normal(np.arange(3.0), np.eye(3) + 0.5, size=40)
    baseline = rng.normal(size=40)
    sides = [
        Answers("mean", part[:, -1], baseline=own, visits=part)
        for part, own in ((visits[:22] + 0.4, baseline[:22]), (visits[22:], baseline[22:]))
    ]
    found, plain = contrast(*sides, "mmrm"), contrast(*sides, "ancova")
    assert found.value == pytest.approx(plain.value, abs=1e-8)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=1e-6)


def test_mmrm_that_cannot_be_fitted():
    values = np.array([[1.0, 2.0], [np.nan, np.nan], [2.0, np.nan]])
    side = Answers("mean", values[:, 1], baseline=np.zeros(3), visits=values)
    assert math.isnan(contrast(side, side, "mmrm").value)


# -- times ------------------------------------------------------------------------------------------------


def lung():
    """``lung`` of R's survival: days, women as the arm, men as the reference."""
    data = load_lung()
    sides = []
    for sex in (2, 1):
        own = data[data["sex"] == sex]
        dead = own["status"].to_numpy() == data["status"].max()
        sides.append(Answers("time", own["time"].to_numpy(dtype=float), dead))
    return sides


def test_log_rank_of_lung():
    # R: survdiff(Surv(time, status) ~ sex, lung): chisq = 10.3, p = 0.001
    found = contrast(*lung())
    assert found.p == pytest.approx(0.00131, abs=5e-6)
    # survfit: medians 426 (348 to 550) and 270 (212 to 310) days with the log interval; log-log differs
    assert found.value == 426 - 270
    assert found.low < 156 < found.high


def test_cox_of_lung():
    # R: coxph(Surv(time, status) ~ sex, lung): coef -0.5310, exp 0.5880, se 0.1672, p 0.00149
    found = contrast(*lung(), "cox")
    assert found.value == pytest.approx(0.5880, abs=5e-5)
    assert math.log(found.high / found.low) / (2 * 1.959964) == pytest.approx(0.1672, abs=5e-5)
    assert found.p == pytest.approx(0.00149, abs=5e-6)


def test_cox_with_ties():
    # 6-mercaptopurine (Freireich 1963), R with Efron's ties: exp(1.5721) = 4.817 (2.147 to 10.81) for placebo
    weeks = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    seen = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    drug = Answers("time", np.array(weeks, dtype=float), np.array(seen, dtype=bool))
    control = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
    placebo = Answers("time", np.array(control, dtype=float), np.ones(21, dtype=bool))
    found = contrast(placebo, drug, "cox")
    assert (found.value, found.low, found.high) == pytest.approx((4.817, 2.147, 10.81), abs=5e-3)
    nobody = Answers("time", drug.values, np.zeros(21, dtype=bool))
    assert math.isnan(contrast(nobody, placebo, "cox").value)


def test_cox_of_arms_that_are_never_compared():
    def side(*days, stratum=0):
        strata = np.full(len(days), stratum)
        return Answers("time", np.array(days, dtype=float), np.ones(len(days), dtype=bool), stratum=strata)

    assert math.isnan(contrast(side(9), side(1, 2, 4), "cox").value)  # nobody is left when the arm has one
    assert math.isnan(contrast(side(1, 2, 3), side(1, 2, 3, stratum=1), "cox").value)
    assert math.isfinite(contrast(side(9, 2), side(1, 2, 4), "cox").high)
    tied = contrast(side(2, 2, 5), side(2, 4, 4), "cox")
    assert 0 < tied.low < tied.value < tied.high < math.inf


def leukaemia():
    data = load_leukemia()
    sides = []
    for group in (0, 1):
        own = data[data["Rx"] == group]
        sides.append(
            Answers(
                "time",
                own["t"].to_numpy(dtype=float),
                own["status"].to_numpy(dtype=bool),
                stratum=own["sex"].to_numpy(dtype=np.int64),
            )
        )
    return data, sides


def test_cox_over_strata():
    data, sides = leukaemia()
    twin = CoxPHFitter().fit(data[["t", "status", "sex", "Rx"]], "t", "status", strata=["sex"])
    assert contrast(*sides, "cox").value == pytest.approx(1 / twin.hazard_ratios_["Rx"], rel=1e-4)


def by_hand(sides):
    """The stratified log-rank chi-square, term by term."""
    observed = expected = variance = 0.0
    for stratum in np.unique(np.concatenate([side.stratum for side in sides])):
        a, b = ((s.values[s.stratum == stratum], s.event[s.stratum == stratum]) for s in sides)
        for time in np.unique(np.concatenate([a[0][a[1]], b[0][b[1]]])):
            n, m = (a[0] >= time).sum(), (b[0] >= time).sum()
            d, e = (a[1] & (a[0] == time)).sum(), (b[1] & (b[0] == time)).sum()
            total, died = n + m, d + e
            observed += d
            expected += died * n / total
            if total > 1:
                variance += died * n * m * (total - died) / total**2 / (total - 1)
    return (observed - expected) ** 2 / variance


def test_log_rank_over_strata():
    _, sides = leukaemia()
    found = contrast(*sides, "stratified_log_rank")
    assert found.p == pytest.approx(math.erfc(math.sqrt(by_hand(sides) / 2)), rel=1e-6)
    assert found.value == median(sides[0]).value - median(sides[1]).value
    one = [Answers("time", side.values, side.event) for side in sides]
    assert contrast(*one, "stratified_log_rank").p == pytest.approx(contrast(*one).p, rel=1e-6)


def test_interval_of_a_difference_of_median_times_covers():
    """The interval recovered from both arms holds the true difference in about 95 % of trials."""
    rng = np.random.default_rng(11)
    truth, held = 10 * math.log(2) - 6 * math.log(2), 0
    for _ in range(200):
        sides = []
        for scale in (10.0, 6.0):
            times, leave = rng.exponential(scale, 120), rng.exponential(40.0, 120)
            sides.append(Answers("time", np.minimum(times, leave), times <= leave))
        found = contrast(*sides)
        held += found.low <= truth <= found.high
    assert 180 <= held <= 199


# -- which analysis ----------------------------------------------------------------------------------------


def test_an_analysis_of_another_kind_is_refused():
    side = Answers("proportion", np.array([1.0, 0.0]))
    with pytest.raises(StudyError, match=r"'mmrm' is not for a proportion.*risk_difference or cmh"):
        contrast(side, side, "mmrm")


def test_weights_need_an_analysis_that_has_them():
    side = Answers("mean", np.arange(4.0), baseline=np.arange(4.0), weights=np.arange(1.0, 5.0))
    with pytest.raises(StudyError, match="'ancova' has no form"):
        contrast(side, side, "ancova")


def test_every_analysis_is_for_a_kind_of_answer():
    assert {analysis.kind for analysis in ANALYSES.values()} == {"proportion", "mean", "median", "time"}


# -- several hypotheses --------------------------------------------------------------------------------------


def test_holm_and_hochberg():
    p = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}
    # Holm: 4 x 0.005, 3 x 0.01, 2 x 0.03, then not below what came before
    assert adjusted(p, "holm") == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    # Hochberg: from the largest down, 1 x 0.04, 2 x 0.03, 3 x 0.01, 4 x 0.005, none above the one before
    assert adjusted(p, "hochberg") == pytest.approx({"a": 0.03, "b": 0.04, "c": 0.04, "d": 0.02})


def test_adjusted_as_in_statsmodels():
    p = np.random.default_rng(6).uniform(0, 0.2, 12)
    for own, theirs in (("holm", "holm"), ("hochberg", "simes-hochberg")):
        found = adjusted({str(k): value for k, value in enumerate(p)}, own)
        assert list(found.values()) == pytest.approx(multipletests(p, method=theirs)[1])


def test_a_fixed_sequence_stops_at_the_first_that_fails():
    p = {"a": 0.01, "b": 0.20, "c": 0.001}
    found = adjusted(p, "fixed_sequence", [["a"], ["b"], ["c"]])
    assert found == pytest.approx({"a": 0.01, "b": 0.20, "c": 0.20})


def test_a_gate_opens_when_all_before_it_is_significant():
    p = {"a": 0.01, "b": 0.02, "c": 0.001, "d": math.nan}
    found = adjusted(p, "gatekeeping", [["a", "b"], ["c", "d"]])
    assert found == pytest.approx({"a": 0.02, "b": 0.02, "c": 0.02, "d": 1.0})
