"""Microglia, checkpoint inhibition, and what flora does to it."""

from __future__ import annotations

from typing import Any

import pytest

MORPHINE_100 = ("morphine", "CR", "opioid", 50.0, 0.0, 12.0, 336.0)


def test_endotoxin_and_cytokines_wake_microglia(half: Any) -> None:
    def after_3_h(**parameters: float) -> float:
        return float(half.course([], 3, ["microglia"], step=3.0, parameters=parameters)["microglia"][-1])

    storm = {"plasma_lps_ratio": 3.0, "tnf_ratio": 60.0, "il6": 120.0}
    assert 1.2 < after_3_h(**storm) < 1.8
    assert 1.0 < after_3_h(**storm, edge_lps_microglia=0.0) < after_3_h(**storm)
    assert 1.0 < after_3_h(**storm, edge_cytokine_microglia=0.0) < after_3_h(**storm)


def test_flora_part_of_checkpoint_inhibition_is_small(half: Any) -> None:
    dose = ("pembrolizumab", "IV", "", 200.0, 0.0, 504.0, 2000.0)

    def burden(**parameters: float) -> float:
        return float(half.course([dose], 2016, ["tumour"], step=24, parameters=parameters)["tumour"][-1])

    healthy, poor = burden(), burden(flora_score=0.7)
    assert healthy < half.course([], 2016, ["tumour"], step=24)["tumour"][-1]
    assert 1.0 < poor / healthy < 1.2
    assert burden(flora_score=0.7, edge_flora_ici=0.0) == pytest.approx(burden(edge_flora_ici=0.0), rel=1e-9)


def test_akkermansia_helps_most_in_between(half: Any) -> None:
    help_at = {}
    for share in (0.0, 0.015, 0.2):
        half.reset({"akkermansia_fraction": share})
        help_at[share] = half.rr["flora_help"]
    assert help_at[0.015] > max(help_at[0.0], help_at[0.2])
