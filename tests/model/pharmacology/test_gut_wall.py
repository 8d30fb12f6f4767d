"""Opioids and antagonists at the mu receptors of the gut wall."""

from __future__ import annotations

from typing import Any

import pytest

MORPHINE_100 = ("morphine", "CR", "opioid", 50.0, 0.0, 12.0, 336.0)


def test_morphine_constipates_already_at_low_dose(half: Any, daily: Any) -> None:
    signal = [
        half.course([daily("morphine CR", dose)], 168, ["enteric_signal"]).mean("enteric_signal", 96, 165)
        for dose in (22, 60, 130)
    ]
    assert signal[0] > 0.15
    assert signal[1] > 0.3
    assert signal[2] < 2 * signal[1]  # dose is a weak predictor


def test_patches_and_tapentadol_spare_the_gut(half: Any, daily: Any) -> None:
    signal = {
        name: half.course([daily(name, 60)], 336, ["enteric_signal"]).mean("enteric_signal", 264, 333)
        for name in ("morphine CR", "oxycodone CR", "fentanyl TD", "buprenorphine TD", "tapentadol CR")
    }
    assert signal["oxycodone CR"] == pytest.approx(signal["morphine CR"], rel=0.15)
    for name in ("fentanyl TD", "buprenorphine TD"):  # exposure 0.18 (rats) of oral morphine's
        assert 0.15 < signal[name] / signal["morphine CR"] < 0.4, name
    assert 0.3 < signal["tapentadol CR"] / signal["morphine CR"] < 0.7


def test_a_swallowed_opioid_reaches_the_gut_wall_from_both_sides(half: Any) -> None:
    read = ["enteric_signal", "central_signal", "opioid_lumen"]
    oral, skin = (
        half.course([("morphine", form, "opioid", dose, 0.0, every, 240.0)], 240, read, step=0.5)
        for form, dose, every in (("CR", 30.0, 12.0), ("SC", 30.0 * 0.372 / 3, 4.0))
    )
    assert (skin["opioid_lumen"] == 0).all()
    dose = 60e6 / 379.4 / 24  # nmol/h; residence 1/0.15 h
    assert oral.mean("opioid_lumen", 192, 216) == pytest.approx(dose / 0.15, rel=0.03)
    # at no less relief the same drug constipates less under the skin
    assert skin.mean("central_signal", 192, 216) == pytest.approx(
        oral.mean("central_signal", 192, 216), rel=0.15
    )
    assert skin.mean("enteric_signal", 192, 216) < 0.8 * oral.mean("enteric_signal", 192, 216)


ANTAGONISTS = {
    "naldemedine 0.1": ("naldemedine", "oral", "antagonist", 0.1, 168.0, 24.0, 336.0),
    "naldemedine 0.2": ("naldemedine", "oral", "antagonist", 0.2, 168.0, 24.0, 336.0),
    "naldemedine 0.4": ("naldemedine", "oral", "antagonist", 0.4, 168.0, 24.0, 336.0),
    "naloxegol 25": ("naloxegol", "oral", "antagonist", 25.0, 168.0, 24.0, 336.0),
    "methylnaltrexone 12": ("methylnaltrexone", "SC", "antagonist", 12.0, 168.0, 48.0, 336.0),
    "naloxone 20": ("naloxone", "CR", "antagonist", 20.0, 168.0, 12.0, 336.0),
}


@pytest.fixture(scope="module")
def antagonised(half: Any) -> dict[str, Any]:
    read = ["enteric_signal", "central_signal", "nrs", "cows"]
    courses = {"none": half.course([MORPHINE_100], 336, read, step=1.0)}
    for name, dose in ANTAGONISTS.items():
        courses[name] = half.course([MORPHINE_100, dose], 336, read, step=1.0)
    return courses


def test_antagonists_free_the_gut(antagonised: dict[str, Any]) -> None:
    signal = {name: course.mean("enteric_signal", 288, 335) for name, course in antagonised.items()}
    left = {name: value / signal["none"] for name, value in signal.items()}
    assert left["naldemedine 0.2"] < 0.5  # most of the reserve is overcome: at least half of the signal
    assert left["naldemedine 0.4"] < left["naldemedine 0.2"] < left["naldemedine 0.1"] < 1
    assert 0.4 < left["naloxegol 25"] < 0.8
    assert left["naloxone 20"] < 0.5
    # a subcutaneous dose acts within the hour and is gone by the next day
    with_it, without = (antagonised[name]["enteric_signal"] for name in ("methylnaltrexone 12", "none"))
    assert with_it[169] < 0.5 * without[169]
    assert with_it[192] > 0.8 * without[192]


def test_the_gut_rebounds_from_a_sudden_antagonist_alone(half: Any) -> None:
    read = ["enteric_withdrawal", "enteric_dependence"]
    opioid, slow, sudden = (
        half.course([MORPHINE_100, *doses], 336, read, step=0.5)
        for doses in (
            [],
            [("naldemedine", "oral", "antagonist", 0.2, 0.0, 24.0, 336.0)],
            [("naldemedine", "oral", "antagonist", 0.2, 168.0, 24.0, 336.0)],
        )
    )
    first_hours = slice(338, 348)
    peak = sudden["enteric_withdrawal"][first_hours].max()
    assert peak > 0.2
    # a stable opioid, or one that met its antagonist from the first dose on, does not bring it about
    assert opioid["enteric_withdrawal"][first_hours].max() < 0.1 * peak
    assert slow["enteric_withdrawal"][first_hours].max() < 0.3 * peak
    # neurones follow: a week later the same dose does less
    assert sudden["enteric_withdrawal"][-46:].max() < 0.5 * peak


def test_a_short_lived_antagonist_calls_less_once_neurones_follow_the_mean(half: Any) -> None:
    daily = ("naloxegol", "oral", "antagonist", 25.0, 168.0, 24.0, 504.0)
    opioid = ("morphine", "CR", "opioid", 50.0, 0.0, 12.0, 504.0)
    course = half.course([opioid, daily], 504, ["enteric_withdrawal"], step=0.25)
    called = course["enteric_withdrawal"]
    hours = {day: slice(4 * (168 + 24 * day), 4 * (192 + 24 * day)) for day in (0, 13)}
    first, later = (called[hours[day]].sum() for day in (0, 13))
    assert first > 0
    assert later < 0.6 * first, (first, later)


def test_antagonists_spare_the_brain(antagonised: dict[str, Any]) -> None:
    none = antagonised["none"]
    for name, course in antagonised.items():
        assert abs(course.mean("nrs", 288, 335) - none.mean("nrs", 288, 335)) < 0.15, name
        assert course.mean("cows", 168, 335) < none.mean("cows", 168, 335) + 0.5, name
        if name != "naloxone 20":
            spared = course.mean("central_signal", 288, 335) / none.mean("central_signal", 288, 335)
            assert spared == pytest.approx(1, abs=0.02)


def test_fixed_combination_is_both_drugs(half: Any) -> None:
    parts = half.model.compartments("oxycodone/naloxone", "CR", "")
    apart = half.model.compartments("oxycodone", "CR", "opioid")
    assert {name: parts[name] for name in apart} == apart
    assert parts["antagonist_depot_pr"] == pytest.approx(0.5 / 363.8 * 351.8, rel=1e-3)


def test_brain_metastases_let_a_little_antagonist_in(half: Any) -> None:
    effects = dict(half.model.parameters.select("id", "covariates").iter_rows())["blood_brain_leak"]
    factor = float(effects.split("*")[1])
    bound = [
        half.course(
            [MORPHINE_100, ANTAGONISTS["naloxegol 25"]],
            336,
            ["central_bound"],
            parameters={"blood_brain_leak": leak},
        ).mean("central_bound", 288, 333)
        for leak in (half.defaults["blood_brain_leak"], factor * half.defaults["blood_brain_leak"])
    ]
    assert bound[0] < 0.02
    assert 3 * bound[0] < bound[1] < 0.3
