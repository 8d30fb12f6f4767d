"""The reference patient at rest: the numbers of a model folder that follow from the others.

Three kinds of parameters are not known but solved, in the patient with every parameter at its table value:

``<state>_start``, ``<variable>_baseline``, ``<state>_limit``, ``<state>_immigration``
    mechanism ``untreated``: the untreated steady state of :func:`opiome.model.untreated`;
``healthy_<variable>``
    the variable's own value there, so that 1 is health.

They stand in the tables like any other, so that the SBML starts at rest in every program; when another number
changes, :func:`write_rest` writes them anew. A new state needs a row with a guess.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from opiome import files
from opiome.errors import ModelError, Problem
from opiome.model._baseline import untreated

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from opiome.engine import Program
    from opiome.model._model import Model

__all__ = ["solve_rest", "write_rest"]

_HEALTHY = "healthy_"
_SOLVED = "_(start|baseline|limit|immigration)$"
_SAME = 1e-9  # relative: closer values are the same solution, and the cell stays as it is
_NOTHING = 1e-12  # in the row's unit: what is left of an exact 0
_ROUNDS = 20


def solve_rest(model: Model, program: Program) -> dict[str, float]:
    """The solved value of every derived parameter, by id, in the unit of its row.

    Raises:
        ModelError: the reference patient has no stable untreated state, or ``healthy_`` values do not settle.
    """
    rows = model.parameters
    solved = (rows["mechanism"] == "untreated") & rows["id"].str.contains(_SOLVED)
    derived = [name for name in rows.filter(solved)["id"].to_list() if name in program.defaults]
    healthy = [name for name in program.parameters if name.startswith(_HEALTHY)]
    given = {name: program.defaults[name] for name in healthy}
    for _ in range(_ROUNDS):
        found = untreated(model, program, {"illness": 0.0, **given})
        if found.outcome[0]:
            message = f"the reference patient has no untreated state: {found.reasons[0]}"
            raise ModelError(Problem(message, file=model.draft.folder))
        values = {name: float(v[0]) for name, v in found.parameters.items()}
        state = dict(zip(program.states, found.start[0].tolist(), strict=True))
        fresh = {name: _healthy(program, found.start, values, name) for name in healthy}
        settled = all(_alike(fresh[name], given[name]) for name in healthy)
        given = fresh
        if settled:
            at_start = {name: state[started] for name, started in _started(program, derived).items()}
            return {name: values[name] for name in derived if name not in at_start} | at_start | given
    raise ModelError(Problem(f"'{_HEALTHY}...' values do not settle", file=model.draft.folder))


def write_rest(model: Model, program: Program | None = None, *, check: bool = False) -> list[str]:
    """Write the solved values into the tables that a model was read from.

    Args:
        model: the model of one species; that species' rows of its folder are changed, the object is not.
        program: the compiled model, or one that differs in derived numbers only; compiled when left out.
        check: only say what is stale.

    Returns:
        The ids of the parameters that changed (or would); empty when the tables are up to date.

    Raises:
        ModelError: the reference patient has no untreated state.
    """
    from opiome import engine

    program = program or engine.compile(model.sbml)
    changes: defaultdict[Path, dict[int, float]] = defaultdict(dict)
    stale = []
    for name, value in solve_rest(model, program).items():
        item = model.draft.parameters[name]
        if (item.row.text("species") or "human") == model.species and not _alike(value, item.value):
            stale.append(name)
            changes[item.row.file][item.row.line] = value
    if not check:
        for file, values in changes.items():
            _rewrite(file, values)
    return stale


def _alike(one: float, other: float) -> bool:
    return abs(one - other) <= max(_SAME * max(abs(one), abs(other)), _NOTHING)


def _healthy(program: Program, start: NDArray[np.float64], values: Mapping[str, float], name: str) -> float:
    """The variable's value at rest, before it is divided by its own healthy value (if it is)."""
    place = program.outputs.index(name.removeprefix(_HEALTHY))
    now = float(program.evaluate(start, values)[0, place])
    doubled = float(program.evaluate(start, {**values, name: 2.0 * values[name]})[0, place])
    return now if doubled == now else now * values[name]


def _started(program: Program, names: list[str]) -> dict[str, str]:
    """``_start`` parameters to the state that each of them starts."""
    before = program.start({})[0]
    found = {}
    for name in names:
        if name.endswith("_start"):
            after = program.start({name: 2.0 * program.defaults[name] + 1.0})[0]
            moved = np.flatnonzero(after != before)
            if len(moved) != 1:
                raise ModelError(Problem(f"'{name}' starts {len(moved)} states", expected="one state"))
            found[name] = program.states[int(moved[0])]
    return found


def _rewrite(file: Path, values: Mapping[int, float]) -> None:
    """Replace the ``value`` cell of some lines (from 1); everything else stays byte for byte."""
    lines = file.read_text(encoding="utf-8").split("\n")
    header = next(line for line in lines if line.strip() and not line.startswith("#"))
    column = [cell.strip() for cell in header.split("\t")].index("value")
    for number, value in values.items():
        cells = lines[number - 1].split("\t")
        cells[column] = f"{value:.12g}"
        lines[number - 1] = "\t".join(cells)
    files.write_text(file, "\n".join(lines))
