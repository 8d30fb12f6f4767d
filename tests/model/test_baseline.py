"""The untreated steady state: exact, stable, for any flora and habit, or refused in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import gamma

from opiome import engine, model, streams
from opiome.errors import ProfileError
from opiome.model._baseline import untreated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

GUILDS = tuple(f"G{i}" for i in range(1, 8))
TWELVE_WEEKS = 24.0 * 84


@pytest.fixture(scope="module")
def loaded() -> Any:
    return model.load()


@pytest.fixture(scope="module")
def program(loaded: Any) -> Any:
    return engine.compile(loaded.sbml)


def people(n: int) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Patients with bowel habits of 3 to 21 a week, any transit and a random flora."""
    row = np.arange(n)
    weekly = 3 + 18 * streams.uniform(1, "test/habit", row)
    transit = 20.5 * streams.exp(0.35 * streams.normal(1, "test/transit", row))
    shares = {g: -streams.log(streams.uniform(1, f"test/{g}", row)) for g in GUILDS}
    return {"bowel_habit": weekly / 168, "colonic_transit_untreated": transit}, shares


def drift(
    program: Any, parameters: Mapping[str, NDArray[np.float64]], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    # a flora forgets slowly, so the error of a coarse solution (1e-4) would be taken for drift
    ensemble = program.ensemble(dict(parameters), n=len(start), start=start, rtol=1e-8)
    ensemble.advance(TWELVE_WEEKS)
    resting = [i for i, name in enumerate(program.states) if not name.startswith("tumour")]
    moved = np.abs(ensemble.states - start) / np.maximum(np.abs(start), 1e-9)
    assert (ensemble.outcome == 0).all()
    return moved[:, resting].max(axis=1)


def test_nothing_drifts_in_12_weeks(loaded: Any, program: Any) -> None:
    parameters, shares = people(48)
    found = untreated(loaded, program, parameters, shares)
    good = found.outcome == 0
    assert good.mean() > 0.9
    kept = {name: values[good] for name, values in found.parameters.items()}
    assert drift(program, kept, found.start[good]).max() < 1e-6


def test_stool_has_the_given_composition_and_habit(loaded: Any, program: Any) -> None:
    parameters, shares = people(16)
    found = untreated(loaded, program, parameters, shares)
    outputs = program.evaluate(found.start, found.parameters)
    place = {name: i for i, name in enumerate(program.outputs)}
    total = sum(shares.values())
    for guild, share in shares.items():
        assert outputs[:, place[f"share_{guild}"]] == pytest.approx(share / total, rel=1e-4, abs=1e-5)
    assert outputs[:, place["bm_rate"]] == pytest.approx(parameters["bowel_habit"], rel=1e-6)
    # stool volume near the capacity of a segment adds a little overflow
    assert outputs[:, place["colonic_transit"]] == pytest.approx(
        parameters["colonic_transit_untreated"], rel=0.02
    )


def test_a_rest_above_0_becomes_a_limit_and_one_below_0_immigration(loaded: Any, program: Any) -> None:
    found = untreated(loaded, program, {})
    for name in program.states:
        if f"{name}_limit" in program.parameters:
            limit, inflow = found.parameters[f"{name}_limit"][0], found.parameters[f"{name}_immigration"][0]
            assert min(limit, inflow) == 0
            assert max(limit, inflow) > 0


def test_a_disturbed_flora_returns(loaded: Any, program: Any) -> None:
    parameters, shares = people(8)
    found = untreated(loaded, program, parameters, shares)
    assert (found.outcome == 0).all()
    start = found.start.copy()
    for j, name in enumerate(s for s in program.states if f"{s}_limit" in program.parameters):
        column = program.states.index(name)
        start[:, column] *= streams.exp(0.3 * streams.normal(2, "test/disturb", np.arange(8), draw=j))
    ensemble = program.ensemble(found.parameters, n=8, start=start)
    ensemble.advance(24.0 * 360)
    resting = [i for i, name in enumerate(program.states) if not name.startswith("tumour")]
    away = np.abs(ensemble.states - found.start) / np.maximum(np.abs(found.start), 1e-4)
    assert away[:, resting].max() < 0.01


PERSON = st.tuples(
    st.lists(st.floats(0.0, 1.0), min_size=7, max_size=7).filter(lambda x: sum(x) > 0.05),
    st.floats(3, 21),
    st.floats(8, 90),
)
Person = tuple[list[float], float, float]


def rests_or_is_refused_in_words(loaded: Any, program: Any, drawn: Sequence[Person]) -> NDArray[np.bool_]:
    """Solve people (guild shares, movements a week, transit in h) together; returns who was refused.

    Nothing is integrated: rates of 0 and eigenvalues below 0 are what rest means.
    """
    shares, weekly, transit = (np.array([person[k] for person in drawn]) for k in range(3))
    given_parameters = {"bowel_habit": weekly / 168, "colonic_transit_untreated": transit}
    found = untreated(loaded, program, given_parameters, dict(zip(GUILDS, shares.T, strict=True)))
    refused = found.outcome != 0
    assert all(bool(reason) == bad for reason, bad in zip(found.reasons, refused, strict=True))
    assert np.isnan(found.start[refused]).all()
    if not refused.all():
        start = found.start[~refused]
        kept = {name: values[~refused] for name, values in found.parameters.items()}
        kept["illness"] = np.zeros(len(start))
        resting = [i for i, name in enumerate(program.states) if not name.startswith("tumour")]
        rates = np.abs(program.rhs(start, kept))[:, resting]
        assert (rates <= 1e-8 * np.maximum(np.abs(start[:, resting]), 1e-6)).all()
        assert (start >= 0).all()
        jacobian = program.jacobian(start, kept)[:, resting][:, :, resting]
        assert np.linalg.eigvals(jacobian).real.max() < 1e-6
    return refused


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.lists(PERSON, min_size=1, max_size=8))
def test_any_composition_rests_or_is_refused_in_words(loaded: Any, program: Any, drawn: list[Person]) -> None:
    rests_or_is_refused_in_words(loaded, program, drawn)


@pytest.mark.slow
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.lists(PERSON, min_size=20, max_size=20))
def test_a_thousand_compositions_rest_or_are_refused_in_words(
    loaded: Any, program: Any, drawn: list[Person]
) -> None:
    """At most a quarter of any twenty are refused, wherever the search goes (docs/design/gut.md)."""
    assert rests_or_is_refused_in_words(loaded, program, drawn).mean() <= 0.25


def test_uneven_floras_are_taken_at_any_transit(loaded: Any, program: Any) -> None:
    """The admissible range of docs/design/gut.md: Dirichlet(0.3) floras at 8 to 90 h of colonic transit."""
    row = np.arange(150)
    shares = {g: gamma.ppf(streams.uniform(3, f"test/{g}", row), 0.3) + 1e-12 for g in GUILDS}
    weekly = 3 + 18 * streams.uniform(3, "test/habit", row)
    transit = 8 * (90 / 8) ** streams.uniform(3, "test/transit", row)
    given_parameters = {"bowel_habit": weekly / 168, "colonic_transit_untreated": transit}
    found = untreated(loaded, program, given_parameters, shares)
    assert (found.outcome == 0).mean() >= 0.98


def test_one_patient_does_not_change_another(loaded: Any, program: Any) -> None:
    parameters, shares = people(5)
    together = untreated(loaded, program, parameters, shares)
    alone = untreated(
        loaded,
        program,
        {k: v[3:4] for k, v in parameters.items()},
        {k: v[3:4] for k, v in shares.items()},
    )
    assert alone.start[0] == pytest.approx(together.start[3], rel=1e-7, abs=1e-12)


def test_the_same_baseline_whatever_gates_are_off(loaded: Any, program: Any) -> None:
    """A knock-out compares patients who start alike."""
    gates = (
        "edge_flora_motility",
        "edge_bile_motility",
        "edge_butyrate_barrier",
        "edge_amp_flora",
        "edge_transit_flora",
    )
    whole = untreated(loaded, program, {})
    without = untreated(loaded, program, dict.fromkeys(gates, 0.0))
    assert without.outcome[0] == 0
    for name in ("whole_gut_transit", "bm_rate", "butyrate_flux", "flora_balance", "plasma_lps"):
        column = program.outputs.index(name)
        values = [program.evaluate(u.start, u.parameters)[0, column] for u in (whole, without)]
        assert values[0] == pytest.approx(values[1], rel=1e-3), name


def test_the_shipped_start_is_the_solved_one(loaded: Any, program: Any) -> None:
    """``parameters/untreated.tsv`` is derived: it must follow when other numbers change."""
    start = program.start({"illness": 0.0})
    found = untreated(loaded, program, {})
    assert start[0] == pytest.approx(found.start[0], rel=1e-6, abs=1e-9)
    for name, value in found.parameters.items():
        if name.endswith(("_limit", "_immigration", "_baseline")):
            assert program.defaults[name] == pytest.approx(value[0], rel=1e-6, abs=1e-12), name


@pytest.mark.parametrize(
    ("composition", "words"),
    [
        ({"G1": 0.5, "G9": 0.5}, "unknown guild 'G9'"),
        ({"G1": 0.5, "G2": -0.1}, "'G2' is negative"),
        ({"G1": float("nan")}, "'G1' is negative or not a number"),
        ({"G1": 0.0}, "all shares are 0"),
    ],
)
def test_impossible_compositions_are_refused(
    loaded: Any,
    program: Any,
    composition: dict[str, float],
    words: str,
) -> None:
    with pytest.raises(ProfileError, match=words):
        untreated(loaded, program, {}, composition)


def test_absurd_parameters_are_an_outcome_and_spare_the_others(loaded: Any, program: Any) -> None:
    found = untreated(loaded, program, {"colonic_transit_untreated": np.array([20.5, 1e-6, 30.0])})
    assert list(found.outcome == 0) == [True, False, True]
    assert found.reasons[1]
