"""The mouse: a gut of its own size that rests exactly, with its flora and without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from opiome import cohort, engine, model
from opiome.errors import CohortError

if TYPE_CHECKING:
    from numpy.typing import NDArray

GUILDS = tuple(f"_G{i}" for i in range(1, 8))
ALWAYS_MOVING = ("tumour",)


@pytest.fixture(scope="module")
def mouse() -> Any:
    return model.load(species="mouse")


@pytest.fixture(scope="module")
def program(mouse: Any) -> Any:
    return engine.compile(mouse.sbml)


@pytest.fixture(scope="module")
def conventional(mouse: Any, program: Any) -> model.Untreated:
    found = model.untreated(mouse, program, {})
    assert not found.outcome.any(), found.reasons
    return found


def guilds(program: Any) -> NDArray[np.bool_]:
    return np.array([s.endswith(GUILDS) and f"{s}_limit" in program.parameters for s in program.states])


def moving(program: Any) -> NDArray[np.bool_]:
    return np.array([not s.startswith(ALWAYS_MOVING) for s in program.states])


def rates(program: Any, states: NDArray[np.float64], parameters: Any) -> NDArray[np.float64]:
    """Largest rate of each state relative to its size (1/h)."""
    found = np.abs(program.rhs(states, parameters)) / np.maximum(np.abs(states), 1e-9)
    return np.asarray(found.max(axis=0))


def test_the_tables_of_the_mouse_are_what_the_generator_writes(mouse: Any, program: Any) -> None:
    assert model.write_rest(mouse, program, check=True) == []
    stale = [
        name
        for name in model.solve_rest(mouse, program)
        if mouse.draft.parameters[name].row.text("species") != "mouse"
    ]
    assert stale == []


def test_a_mouse_rests_from_the_start_and_is_stable(program: Any, conventional: model.Untreated) -> None:
    start = program.start({"illness": 0.0})
    assert start[0] == pytest.approx(conventional.start[0], rel=1e-6, abs=1e-12)
    still = moving(program)
    assert rates(program, conventional.start, conventional.parameters)[still].max() < 1e-8
    jacobian = program.jacobian(conventional.start, conventional.parameters)[0][np.ix_(still, still)]
    assert np.linalg.eigvals(jacobian).real.max() < 1e-7


def test_contents_and_acids_are_those_of_a_mouse(program: Any, conventional: model.Untreated) -> None:
    outputs = program.evaluate(conventional.start, conventional.parameters)[0]
    value = dict(zip(program.outputs, outputs.tolist(), strict=True))
    assert 1e3 * value["right_volume"] == pytest.approx(0.25, rel=0.2)  # mL, the caecum (Zimmermann 2019)
    assert value["colonic_transit"] == pytest.approx(6.3, rel=0.02)
    assert value["right_scfa"] == pytest.approx(125, rel=0.2)  # mmol/kg (Hoverstad 1986)
    assert value["right_scfa"] > value["left_scfa"] > value["rectosigmoid_scfa"]
    assert value["stool_water"] == pytest.approx(0.67, abs=0.05)  # McConnell 2008
    for name in ("flora_load", "flora_score", "butyrate_tone", "scfa_tone", "flora_signal", "glucuronidase"):
        assert value[name] == pytest.approx(1, rel=1e-6), name


def test_a_germ_free_mouse_rests_too_and_makes_no_acids(program: Any, conventional: model.Untreated) -> None:
    """No bacteria and none that arrive; stable while nobody brings any (a few would grow)."""
    bacteria, still = guilds(program), moving(program)
    assert bacteria.sum() == 21
    none = {p: np.zeros(1) for p in program.parameters if p.endswith("_immigration")}
    parameters = dict(conventional.parameters) | none
    start = conventional.start.copy()
    start[:, bacteria] = 0.0
    held = [s for s, b, m in zip(program.states, bacteria, still, strict=True) if b or not m]
    settled = program.ensemble(parameters, n=1, start=start, rtol=1e-4)
    settled.advance(24.0 * 100)
    states, outcome = program.steady_state(parameters, settled.states, hold=tuple(held))
    assert not np.asarray(outcome).any()
    assert rates(program, states, parameters)[still].max() < 1e-8
    rest = still & ~bacteria
    jacobian = program.jacobian(states, parameters)[0][np.ix_(rest, rest)]
    assert np.linalg.eigvals(jacobian).real.max() < 1e-7
    outputs = program.evaluate(states, parameters)[0]
    value = dict(zip(program.outputs, outputs.tolist(), strict=True))
    for name in ("flora_load", "flora_signal", "glucuronidase", "scfa_production", "butyrate_tone"):
        assert value[name] == pytest.approx(0, abs=1e-9), name
    healthy = program.evaluate(conventional.start, conventional.parameters)[0]
    volume = program.outputs.index("right_volume")
    assert outputs[volume] > 1.1 * healthy[volume]
    transit = program.outputs.index("whole_gut_transit")
    assert outputs[transit] > healthy[transit]


def test_a_mouse_on_morphine_slows_and_stays_finite(program: Any, conventional: model.Untreated) -> None:
    """10 mg/kg twice a day for a week (876 nmol for 25 g)."""
    rows = [{"TIME": 0.0, "CMT": "opioid_depot", "AMT": 876.0, "EVID": 1, "II": 12.0, "ADDL": 13}]
    slot = model.load(species="mouse").slot_parameters("morphine", "injection", "opioid")
    given = dict(conventional.parameters) | {k: np.array([v]) for k, v in slot.items()}
    events = engine.EventTable.from_rows(rows)
    run = program.ensemble(given, n=1, start=conventional.start, events=events, rtol=1e-4)
    block = run.advance(168.0, at=np.arange(1.0, 169.0))
    assert block.outcome[0] == 0, run.failures
    transit = block.values[0][:, program.outputs.index("colonic_transit")]
    assert transit.max() > 1.2 * 6.3
    assert (run.states >= 0).all()


def test_a_mouse_carries_what_a_mouse_has(mouse: Any, program: Any) -> None:
    mice = cohort.build(mouse, None, 12, seed=1, program=program)
    assert mice.covariates.columns == ["weight"]
    assert mice.covariates["weight"].is_between(0.015, 0.045).all()
    assert set(mouse.parameters["covariates"]) == {"", "weight^0.75", "weight^1"}
    assert not mice.outcome.any(), mice.reasons


def test_covariates_of_people_are_refused_for_mice_by_name(mouse: Any, program: Any) -> None:
    with pytest.raises(CohortError, match=r"unknown covariate 'ecog'.* carries: weight"):
        cohort.build(mouse, {"ecog": {"median": 1}}, 2, seed=1, program=program)


def test_people_carry_no_covariate_of_mice() -> None:
    table = model.load().covariates
    assert table["id"].is_unique().all()
    assert table.filter(table["id"] == "weight")["reference"].item() > 1
