"""Scenarios: named situations (an opioid for two weeks, an antibiotic, endotoxin) run for many cases at once.

``scenarios.tsv`` has several rows per scenario, one per action::

    give    drug, formulation and slot ('morphine IR opioid'); value in the drug's dose unit
    dose    a state; value in the state's unit
    set     a parameter, to value from start_h on
    state   a state's value at time 0
    read    when the scenario is read: the mean over start_h, start_h + every_h, ... until_h
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import ModelError, Problem, nearest
from opiome.units import Quantity, nanomoles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from opiome.engine import Ensemble, EventTable, Program
    from opiome.model._draft import Draft
    from opiome.model._model import Model
    from opiome.model._tables import Row

__all__ = ["Scenario", "ScenarioValues", "read_scenarios", "run_scenarios", "scenario_problems"]

ACTIONS = ("give", "dose", "set", "state", "read")
_DOSE, _SET = 1, 2


@dataclass(frozen=True)
class Scenario:
    """One situation: event rows (NONMEM names), parameters and states at time 0, and when it is read (h)."""

    id: str
    events: tuple[dict[str, float | int | str], ...] = ()
    parameters: Mapping[str, float] = field(default_factory=dict)
    states: Mapping[str, float] = field(default_factory=dict)
    reads: tuple[float, ...] = ()


@dataclass(frozen=True)
class ScenarioValues:
    """What each case read, means over the reading times of its scenario, and where it stood at its end.

    ``values`` is (n cases, n names) in the units of the model, ``states`` (n, n states) at time ``time`` (h),
    ``parameters`` one column (n,) per parameter, ``outcome`` (n,) of :class:`opiome.engine.Outcome`.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    time: float
    states: NDArray[np.float64]
    parameters: Mapping[str, NDArray[np.float64]]
    outcome: NDArray[np.int64]

    def of(self, variable: str) -> NDArray[np.float64]:
        """Return a variable's or state's value in every case, shape (n,)."""
        return self.values[:, self.names.index(variable)]


def read_scenarios(model: Model) -> dict[str, Scenario]:
    """Return the scenarios of a model by id; raises ModelError with all rows that cannot be carried out."""
    draft = model.draft
    found: dict[str, Scenario] = {}
    problems = [p for row in draft.tables["scenarios"] for p in _row_problems(draft, row, None)]
    if problems:
        raise ModelError(problems)
    for name in dict.fromkeys(row.text("id") for row in draft.tables["scenarios"]):
        rows = [row for row in draft.tables["scenarios"] if row.text("id") == name]
        found[name] = _scenario(model, name, rows)
    return found


def _scenario(model: Model, name: str, rows: list[Row]) -> Scenario:
    events: list[dict[str, float | int | str]] = []
    parameters: dict[str, float] = {}
    states: dict[str, float] = {}
    reads: list[float] = []
    for row in rows:
        action, what, value = row.text("action"), row.text("what"), row.number("value") or 0.0
        start = row.number("start_h") or 0.0
        if action == "read":
            reads += _times(row)
        elif action == "state":
            states[what] = value
        elif action == "set" and not start:
            parameters[what] = value
        elif action == "set":
            events.append({"TIME": start, "AMT": value, "EVID": _SET, "CMT": what})
        elif action == "dose":
            events.append({"TIME": start, "AMT": value, "EVID": _DOSE, "CMT": what, **_repeat(row)})
        else:
            drug, formulation, slot = _product(model.draft, what)
            parameters |= model.slot_parameters(drug, formulation, slot) if slot else {}
            events += _given(model, row, (drug, formulation, slot), value)
    return Scenario(name, tuple(events), parameters, states, tuple(reads))


def _times(row: Row) -> list[float]:
    first, every = row.number("start_h") or 0.0, row.number("every_h")
    last = row.number("until_h")
    if last is None or not every:
        return [first] if last is None else [first, last]
    return [float(t) for t in np.arange(first, last + every / 2, every)]


def _repeat(row: Row) -> dict[str, float | int]:
    every, until = row.number("every_h"), row.number("until_h")
    if not every or until is None:
        return {}
    return {
        "II": every,
        "ADDL": max(0, int(np.ceil((until - (row.number("start_h") or 0.0)) / every - 1e-9)) - 1),
    }


def _product(draft: Draft, what: str) -> tuple[str, str, str]:
    """Split ``magnesium oxide oral`` or ``morphine CR opioid`` into drug, formulation and slot."""
    words = what.split()
    drugs = {row.text("drug") for row in draft.tables["drugs"]}
    for count in range(len(words), 0, -1):
        drug = " ".join(words[:count])
        if drug in drugs:
            rest = [*words[count:], "", ""]
            return drug, rest[0], rest[1]
    return what, "", ""


def _given(
    model: Model,
    row: Row,
    product: tuple[str, str, str],
    value: float,
) -> Iterator[dict[str, float | int | str]]:
    drug, formulation, slot = product
    entry = next(
        r
        for r in model.draft.tables["drugs"]
        if r.text("drug") == drug and r.text("formulation") == formulation
    )
    unit, mass = entry.text("dose_unit"), entry.number("molar_mass")
    amount = value if mass is None else nanomoles(Quantity(value, unit.removesuffix("/h")), mass)
    start = row.number("start_h") or 0.0
    timing: dict[str, float | int] = dict(_repeat(row))
    if unit.endswith("/h"):
        duration = (row.number("until_h") or start + 1.0) - start
        amount, timing = amount * duration, {"DUR": duration}
    for state, share in model.compartments(drug, formulation, slot).items():
        yield {"TIME": start, "AMT": amount * share, "EVID": _DOSE, "CMT": state, **timing}


def scenario_problems(draft: Draft, states: set[str]) -> list[Problem]:
    """Return every row of ``scenarios.tsv`` that cannot be carried out, and scenarios that are never read."""
    rows = list(draft.tables["scenarios"])
    problems = [problem for row in rows for problem in _row_problems(draft, row, states)]
    read = {row.text("id") for row in rows if row.text("action") == "read"}
    first = {row.text("id"): row for row in reversed(rows)}
    problems += [
        row.problem(
            f"scenario '{name}' is never read",
            "action",
            expected="a row with action 'read'",
            remedy="add one that says when the target is read",
        )
        for name, row in first.items()
        if name not in read
    ]
    return problems


def _row_problems(draft: Draft, row: Row, states: set[str] | None) -> Iterator[Problem]:
    action, what = row.text("action"), row.text("what")
    if action not in ACTIONS:
        yield row.problem(
            f"unknown action '{action}'",
            "action",
            expected=f"one of {', '.join(ACTIONS)}",
            remedy="write one of these",
        )
    elif action == "give":
        drug, formulation, slot = _product(draft, what)
        entries = [r for r in draft.tables["drugs"] if r.text("drug") == drug]
        fits = [r for r in entries if r.text("formulation") == formulation]
        if not entries or not fits:
            known = {r.text("drug") for r in draft.tables["drugs"]}
            offered = [f"{drug} {r.text('formulation')}".strip() for r in entries]
            guess = nearest(drug, known)
            yield row.problem(
                f"unknown product '{what}'",
                "what",
                expected=f"one of {offered}" if offered else "a drug",
                remedy="name drug, formulation and slot"
                if entries or not guess
                else f"did you mean '{guess}'?",
            )
        elif (
            fits[0].text("slots")
            and slot not in fits[0].text("slots").replace(";", " ").replace(",", " ").split()
        ):
            yield row.problem(
                f"'{what}' names no slot of the drug",
                "what",
                expected=f"one of {fits[0].text('slots')}",
                remedy="write drug, formulation and slot",
            )
    elif action == "set" and what not in draft.parameters:
        guess = nearest(what, draft.parameters)
        yield row.problem(
            f"unknown parameter '{what}'",
            "what",
            expected="a parameter of the model",
            remedy=f"did you mean '{guess}'?" if guess else "name a parameter",
        )
    elif action in ("dose", "state") and states is not None and what not in states:
        guess = nearest(what, states)
        yield row.problem(
            f"unknown state '{what}'",
            "what",
            expected="a state of the model",
            remedy=f"did you mean '{guess}'?" if guess else "name a state",
        )
    if action in ("give", "dose", "set", "state") and row.number("value") is None:
        yield row.problem("has no value", "value", expected="a number", remedy="fill the cell")


def run_scenarios(
    model: Model,
    program: Program,
    cases: Sequence[tuple[str, Mapping[str, float]]],
    *,
    baseline: bool = True,
) -> ScenarioValues:
    """Run one patient per case, all in one ensemble.

    A case is the id of a scenario and parameters that differ from it (gates, for instance). Every case starts
    from the untreated steady state of the default patient, which is solved with the scenario's own parameters
    but not the case's: what the case changes acts from time 0 on.

    Args:
        model: a loaded model.
        program: the compiled model.
        cases: pairs of scenario id and overriding parameters.
        baseline: solve the untreated steady state first; without it the SBML's initial values are the start.

    Raises:
        ModelError: an unknown scenario or one that is never read.
    """
    scenarios = read_scenarios(model)
    chosen = []
    for name, _ in cases:
        if name not in scenarios or not scenarios[name].reads:
            guess = nearest(name, scenarios)
            raise ModelError(
                Problem(
                    f"no scenario '{name}' that is read",
                    file=model.folder / "scenarios.tsv",
                    remedy=f"did you mean '{guess}'?" if guess else "add it",
                )
            )
        chosen.append(scenarios[name])
    n = len(cases)
    parameters = {name: np.full(n, value) for name, value in program.defaults.items()}
    _override(parameters, [scenario.parameters for scenario in chosen])
    start = None
    if baseline:
        solved, start, _ = model.baseline(program, parameters)
        parameters |= {name: np.array(np.broadcast_to(value, (n,))) for name, value in solved.items()}
    _override(parameters, [over for _, over in cases])
    start = np.array(program.start(parameters) if start is None else start)
    for row, scenario in enumerate(chosen):
        for state, value in scenario.states.items():
            start[row, program.states.index(state)] = value
    events = _events(chosen)
    run = program.ensemble(parameters, n=n, start=start, events=events, rtol=1e-4)
    return _read(program, run, parameters, chosen)


def _override(parameters: dict[str, NDArray[np.float64]], rows: Sequence[Mapping[str, float]]) -> None:
    """Write each case's own values into its row of the columns; names unknown to the model are left out."""
    for position, row in enumerate(rows):
        for name in row.keys() & parameters.keys():
            parameters[name][position] = row[name]


def _events(chosen: Sequence[Scenario]) -> EventTable | None:
    from opiome.engine import EventTable

    rows = [
        {"ID": position, **event} for position, scenario in enumerate(chosen) for event in scenario.events
    ]
    return EventTable.from_rows(rows) if rows else None


def _read(
    program: Program,
    run: Ensemble,
    parameters: Mapping[str, NDArray[np.float64]],
    chosen: Sequence[Scenario],
) -> ScenarioValues:
    """Advance to every reading time and average what each case reads."""
    names = (*program.outputs, *(state for state in program.states if state not in program.outputs))
    extra = [program.states.index(name) for name in names[len(program.outputs) :]]
    total = np.zeros((len(chosen), len(names)))
    time = 0.0
    for time in sorted({time for scenario in chosen for time in scenario.reads}):
        values = run.advance(time, at=np.array([time])).values[:, -1, :]
        reading = np.array([time in scenario.reads for scenario in chosen])
        total[reading] += np.concatenate([values, run.states[:, extra]], axis=1)[reading]
    count = np.array([len(scenario.reads) for scenario in chosen], dtype=np.float64)
    outcome = np.asarray(run.outcome, dtype=np.int64)
    return ScenarioValues(names, total / count[:, None], time, np.array(run.states), parameters, outcome)
