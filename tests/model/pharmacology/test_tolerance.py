"""Tolerance, dependence and withdrawal, in people and mice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

MORPHINE_100 = ("morphine", "CR", "opioid", 50.0, 0.0, 12.0, 336.0)


def test_true_tolerance_slows(half: Any) -> None:
    course = half.course(
        [("morphine", "CR", "opioid", 50.0, 0.0, 12.0, 2000.0)], 1344, ["tolerance"], step=12
    )
    weeks = np.array([course.mean("tolerance", 168 * week - 24, 168 * week) for week in range(1, 9)])
    growth = weeks[1:] / weeks[:-1] - 1
    assert (growth > 0).all()
    assert growth[0] > 0.03
    assert (growth[3:] <= 0.03).all()  # after week 4


def test_tolerance_recovers_fast_then_slowly(half: Any) -> None:
    course = half.course([("morphine", "CR", "opioid", 50.0, 0.0, 12.0, 672.0)], 1680, ["tolerance"], step=24)
    loss = course["tolerance"] - 1
    end = 28
    assert loss[end + 3] / loss[end] < 0.75  # more than the slow part alone could recover (0.86)
    late = loss[end + 42] / loss[end + 14]
    assert late == pytest.approx(2 ** (-28 / 14), rel=0.05)  # half-life about two weeks


def test_tolerance_needs_bacteria_by_two_routes(half: Any) -> None:
    def drive(**parameters: float) -> float:
        half.reset({"opioid_effect": 40.0, **parameters})
        return float(half.rr["tolerance_drive"] / half.rr["central_signal"])

    assert drive() == pytest.approx(1.0)
    # germ-free: nearly none, though butyrate is lost too
    assert drive(flora_signal=0.0, butyrate_tone=0.0) < 0.15
    assert drive(butyrate_tone=0.3) > 1.1
    assert drive(butyrate_tone=3.0) < 0.9
    assert 1 - drive(edge_microglia_tolerance=0.0) <= 0.5  # glial share
    assert drive(edge_colon_drg=0.0) < 0.65
    assert drive(edge_m3g_tlr4=0.0, edge_lps_microglia=0.0) > 0.95  # without TLR4 tolerance stays
    assert drive(edge_flora_tolerance=0.0, flora_signal=0.0) == pytest.approx(1.0)


def test_withdrawal_rises_then_fades(half: Any) -> None:
    course = half.course([MORPHINE_100], 1000, ["cows", "reward_tone"], step=6)
    cows, stop = course["cows"], 336 // 6
    peak = int(np.argmax(cows))
    assert cows[: stop + 1].max() < 4
    assert 5 < cows[peak] < 25
    assert 12 <= course.time[peak] - 336 <= 96
    assert cows[-1] < 0.5
    assert course["reward_tone"].min() < 0.95


def test_naloxone_precipitates_withdrawal_and_naldemedine_does_not(half: Any) -> None:
    naloxone = ("naloxone", "IV", "antagonist", 2.0, 300.0, 1.0, 301.0)
    after = half.course([MORPHINE_100, naloxone], 306, ["cows"], step=1.0)
    assert after["cows"][301] > 5 > 3 * after["cows"][299]
    after = half.course(
        [MORPHINE_100, ("naldemedine", "oral", "antagonist", 0.2, 300.0, 24.0, 301.0)],
        306,
        ["cows"],
        step=1.0,
    )
    assert after["cows"][301] < after["cows"][299] + 0.5


def test_mouse_tolerance_and_minocycline(mouse: Any) -> None:
    pellet = ("morphine", "pellet", "opioid", 75.0, 0.0, 999.0, 1.0)

    def course(*doses: tuple[str, str, str, float, float, float, float], **parameters: float) -> np.ndarray:
        return (
            mouse.course([pellet, *doses], 336, ["tolerance"], step=6, parameters=parameters)["tolerance"] - 1
        )

    plain, germ_free = course(), course(flora_signal=0.0, butyrate_tone=0.0)
    assert germ_free[28] < 0.2 * plain[28]  # day 7
    early = course(("minocycline", "oral", "", 400.0, 0.0, 12.0, 336.0))
    late = course(("minocycline", "oral", "", 400.0, 192.0, 12.0, 336.0))
    day_3 = plain[12]
    assert 1.5 < np.argmax(early >= day_3) / 12 < 2.2
    assert np.abs(late[33:] / plain[33:] - 1).max() < 0.10
