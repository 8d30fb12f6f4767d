"""Experiments on the mouse overlay: tolerance, reward and withdrawal with and without flora."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from bench import DAY, Bench

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from experiments import Answer

DAYS = np.arange(0, 15, 0.25) * DAY


MORPHINE = 876.0  # nmol: 10 mg/kg for 25 g, twice a day
BESIDE = {
    "minocycline": 1e6,
    "antibiotic": 1e7,
}  # nmol a day of the human-sized states; both effects near full


def course(
    mouse: Bench,
    *,
    start: np.ndarray | None = None,
    beside: tuple[str, float] | None = None,
    **parameters: float,
) -> dict[str, np.ndarray]:
    """A typical mouse on morphine injections for two weeks, with something beside from a day on."""
    doses: list[dict[str, float | str]] = [
        {"CMT": "opioid_depot", "AMT": MORPHINE, "TIME": 0.0, "II": 12.0, "ADDL": 27}
    ]
    if beside is not None:
        name, day = beside
        doses.append(
            {"CMT": name, "AMT": BESIDE[name] / 4, "TIME": day * DAY, "II": 6.0, "ADDL": 4 * (14 - day)}
        )
    slot = mouse.model.slot_parameters("morphine", "injection", "opioid")
    return mouse.run(mouse.typical, [], DAYS, doses=doses, start=start, parameters=slot | parameters)


def germ_free(mouse: Bench) -> tuple[np.ndarray, Mapping[str, float]]:
    """Start state without bacteria, and parameters without immigration."""
    person = mouse.typical
    start = person.start.copy()
    guilds = [
        i
        for i, s in enumerate(person.states)
        if s.split("_")[-1] in {f"G{g}" for g in range(1, 8)} and not s.startswith("niche")
    ]
    start[:, guilds] = 0.0
    return start, {p: 0.0 for p in mouse.program.parameters if p.endswith("_immigration")}


def answers(mouse: Bench) -> Iterator[tuple[str, Answer]]:
    """Yield the answers of the mouse cases."""
    plain = course(mouse)["tolerance"][0] - 1
    start, sterile = germ_free(mouse)
    free = course(mouse, start=start, **sterile)["tolerance"][0] - 1
    yield "germ_free", (free[-1] / plain[-1],) * 3
    half = plain[-1] / 2
    early = course(mouse, beside=("minocycline", 0))["tolerance"][0] - 1
    yield "minocycline_early", (_reached(early, half) / _reached(plain, half),) * 3
    late = course(mouse, beside=("minocycline", 8))["tolerance"][0] - 1
    yield "minocycline_late", (100 * abs(late[-1] / plain[-1] - 1),) * 3
    null = course(mouse, edge_m3g_tlr4=0.0, edge_lps_microglia=0.0)["tolerance"][0] - 1
    yield "tlr4_null", (100 * null[-1] / plain[-1],) * 3
    for case, gate, other, sign in [
        ("antibiotic_cpp", "edge_flora_reward", "edge_flora_loss_seeking", -1),
        ("antibiotic_intake", "edge_flora_loss_seeking", "edge_flora_reward", 1),
    ]:
        only = {gate: 1.0, other: 0.0}
        change = (
            course(mouse, beside=("antibiotic", 0), **only)["drug_seeking"][0, -1]
            - course(mouse, **only)["drug_seeking"][0, -1]
        )
        yield case, (float(sign * change > 0),) * 3
    withdrawal = [course(mouse, beside=beside)["cows"][0, -1] for beside in (None, ("antibiotic", 0))]
    yield "antibiotic_withdrawal", (float(withdrawal[1] <= withdrawal[0]),) * 3


def _reached(course: np.ndarray, level: float) -> float:
    """Hours until a rising course first reaches a level, between the days read; infinite if it never does."""
    above = course >= level
    if not above.any():
        return float("inf")
    i = int(np.argmax(above))
    return float(np.interp(level, course[i - 1 : i + 1], DAYS[i - 1 : i + 1]))
