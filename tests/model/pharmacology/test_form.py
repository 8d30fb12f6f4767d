"""Size, names, rest and bounds of the pharmacology half."""

from __future__ import annotations

from typing import Any

import numpy as np

from opiome import streams

OUTSIDE_STEADY_STATE = {"tumour_state"}
IDLE = {
    "drg_route",
    "glial_route",
    "butyrate_brake",
    "flora_help",
}  # factors of signals that are 0 without treatment


def test_size_and_names(half: Any) -> None:
    assert len(half.states) <= 50
    promised = {
        "enteric_signal", "central_signal", "analgesia", "m3g_plasma", "glucuronides_in", "chemo_effect",
        "antibiotic_effect", "ici_effect", "opioid_exposure", "nrs", "cows", "tolerance", "tolerance_drive",
    }  # fmt: skip
    assert promised <= set(half.variables)


def test_untreated_patient_is_at_rest(half: Any) -> None:
    half.reset({})
    rates = {name: half.rr[f"{name}'"] for name in half.states}
    assert {name for name, rate in rates.items() if rate != 0} == OUTSIDE_STEADY_STATE


def test_no_gate_moves_the_untreated_patient(half: Any) -> None:
    gates = [name for name in half.defaults if name.startswith("edge_")]
    assert len(gates) >= 25
    half.reset({})
    untreated = {name: half.rr[name] for name in half.variables}
    for gate in gates:
        half.reset({gate: 0.0})
        assert all(half.rr[f"{name}'"] == 0 for name in set(half.states) - OUTSIDE_STEADY_STATE), gate
        moved = {name for name in half.variables if half.rr[name] != untreated[name]}
        assert moved <= IDLE, gate


def test_bounded_for_any_state_at_or_above_zero(half: Any) -> None:
    n = 200
    spread = streams.uniform(7, "bounded", np.arange(n)[:, None], 0, np.arange(len(half.states))[None, :])
    fractions = {"central_bound", "enteric_bound"}
    for row in spread:
        # from 0 over everyday amounts to absurd ones; a fraction of receptors stays a fraction
        amounts = {
            name: float(u) if name in fractions else 0.0 if u < 0.1 else 10.0 ** (12 * float(u) - 4)
            for name, u in zip(half.states, row, strict=True)
        }
        half.reset({**amounts, "flora_signal": float(row[0]) * 3, "butyrate_tone": float(row[1]) * 3})
        values = {name: half.rr[name] for name in half.variables}
        rates = np.array([half.rr[f"{name}'"] for name in half.states])
        assert np.isfinite(list(values.values())).all()
        assert np.isfinite(rates).all()
        for name in (
            "enteric_signal",
            "central_signal",
            "analgesia",
            "opioid_exposure",
            "chemo_effect",
            "ici_effect",
        ):
            assert 0 <= values[name] <= 1, name
        assert 0 <= values["nrs"] <= 10
        assert 0 <= values["cows"] <= 48


def test_states_at_zero_never_fall_below_it(half: Any) -> None:
    half.reset(dict.fromkeys(half.states, 0.0))
    assert all(half.rr[f"{name}'"] >= 0 for name in half.states)
