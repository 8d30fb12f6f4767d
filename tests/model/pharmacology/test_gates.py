"""What each gate of the pharmacology half does, in the smallest situation that shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opiome import model

MORPHINE_100 = ("morphine", "CR", "opioid", 50.0, 0.0, 12.0, 336.0)


NALDEMEDINE = ("naldemedine", "oral", "antagonist", 0.2, 168.0, 24.0, 336.0)
SITUATIONS: dict[
    str, tuple[list[tuple[str, str, str, float, float, float, float]], dict[str, float], str]
] = {
    "pamora_enteric": ([NALDEMEDINE], {}, "enteric_signal"),
    "flora_tolerance": ([], {"flora_signal": 1.5}, "tolerance_drive"),
    "butyrate_tolerance": ([], {"butyrate_tone": 0.5}, "tolerance_drive"),
    "butyrate_hyperalgesia": ([], {"butyrate_ratio": 0.5}, "hyperalgesia"),
    "colon_drg": ([], {}, "tolerance_drive"),
    "scfa_microglia": ([], {"scfa_flux_ratio": 0.5}, "microglia"),
    "lps_microglia": ([], {"plasma_lps_ratio": 3.0}, "microglia"),
    "cytokine_microglia": ([], {"tnf_ratio": 3.0}, "microglia"),
    "vagal_mood": ([], {"flora_load_ratio": 0.3}, "mood"),
    "m3g_tlr4": ([], {}, "microglia"),
    "microglia_tolerance": ([], {}, "tolerance_drive"),
    "opioid_cxcl1": ([], {}, "cxcl1"),
    "cxcl1_hyperalgesia": ([], {}, "hyperalgesia"),
    "opioid_microglia": ([], {}, "microglia"),
    "withdrawal_bdnf": ([("naloxone", "IV", "antagonist", 2.0, 300.0, 1.0, 301.0)], {}, "reward_tone"),
    "flora_reward": ([], {"flora_signal": 0.3}, "drug_seeking"),
    "flora_loss_seeking": ([], {"flora_load": 0.3}, "drug_seeking"),
    "flora_withdrawal": ([], {"flora_signal": 0.3}, "cows"),
    "flora_ici": ([("pembrolizumab", "IV", "", 200.0, 0.0, 504.0, 300.0)], {"flora_score": 0.6}, "cd8"),
    "opioid_cd8": ([], {}, "cd8"),
    "m3g_pdl1": ([("pembrolizumab", "IV", "", 200.0, 0.0, 504.0, 300.0)], {}, "ici_efficacy"),
    "flora_chemo": (
        [("oxaliplatin", "IV", "", 150.0, 312.0, 504.0, 330.0)],
        {"flora_load": 0.3},
        "chemo_efficacy",
    ),
    "tumour_mor": ([], {}, "tumour_growth"),
    "pamora_tumour": ([NALDEMEDINE], {}, "tumour_growth"),
    "glucuronidase_morphine": ([], {}, "reabsorbed_morphine"),
    "inflammation_pain": ([], {"il6": 8.0}, "nociception"),
}


@pytest.mark.parametrize("edge", SITUATIONS)
def test_gate_moves_its_target(half: Any, edge: str) -> None:
    doses, gut, target = SITUATIONS[edge]
    on = half.course([MORPHINE_100, *doses], 336, [target], step=12, parameters=gut)[target][-1]
    off = half.course(
        [MORPHINE_100, *doses], 336, [target], step=12, parameters={**gut, f"edge_{edge}": 0.0}
    )[target][-1]
    assert abs(on / off - 1 if off else on) > 1e-3
    row = next(row for row in half.model.edges.iter_rows(named=True) if row["id"] == edge)
    assert row["target"] == target


def test_every_gate_of_this_half_has_a_situation(half: Any) -> None:
    assert set(SITUATIONS) == set(half.model.edges["id"])


def test_the_gut_gives_what_this_half_takes(gut_interface: tuple[str, ...]) -> None:
    shipped = Path(model.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in (shipped / "mechanisms").glob("*.ant"))
    rows = (shipped / "parameters" / "gut.tsv").read_text(encoding="utf-8")
    for name in gut_interface:
        assert f"{name} :=" in text or f"\n{name}\t" in rows, name
