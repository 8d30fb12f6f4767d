"""The untreated patient: an exact, stable steady state with a given flora.

The bacteria are what is known (a stool profile) and their balance is not: growth, washout and losses of a
guild do not cancel for an arbitrary composition. So the guilds are held, everything else is brought to rest,
and what is then left of each guild's rate is closed by its own two parameters: a positive rest by
self-limitation (``<state>_limit``), a negative one by immigration (``<state>_immigration``).
Names carry the roles:

``<state>_limit``, ``<state>_immigration``  make a state one of the held guilds;
``<variable>_baseline``                     takes a variable's untreated value: effects are relative to it;
``hold_<state>`` (mechanism ``baseline``)   a state that never rests, such as the tumour;
``feedback``, ``illness``                   switches that are 0 while the untreated state is solved.

No equation is repeated here: rates, coefficients and variables all come from the compiled model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import ModelError, Problem, ProfileError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from opiome.engine import Program
    from opiome.model._model import Model

    Array = NDArray[np.float64]

__all__ = ["Untreated", "baseline", "stable", "untreated"]

_OK, _NON_FINITE, _IMPOSSIBLE = 0, 2, 4  # values of engine.Outcome, which this room may import only late
_LARGEST_RATE = 1e-9  # of a state's size per hour: 0.0002 % in 12 weeks
_FASTEST_GROWTH = (
    1e-7  # eigenvalues above this (1/h) are held to be unstable: it doubles in less than 800 years
)
_CHUNK = 256  # Jacobians in memory at a time


@dataclass(frozen=True)
class Untreated:
    """Untreated patients: completed parameters (n,), start states (n, states), outcomes (n,) and reasons.

    ``reasons`` says in words why a patient was refused; it is empty for the others.
    """

    parameters: dict[str, Array]
    start: Array
    outcome: NDArray[np.int64]
    reasons: tuple[str, ...]


def baseline(
    model: Model,
    program: Program,
    parameters: Mapping[str, ArrayLike],
    composition: Mapping[str, ArrayLike] | None = None,
    *,
    tested: bool = True,
) -> tuple[dict[str, Array], Array, NDArray[np.int64]]:
    """Return completed parameters, start states and outcomes; see :func:`untreated`."""
    found = untreated(model, program, parameters, composition, tested=tested)
    return found.parameters, found.start, found.outcome


def stable(
    model: Model, program: Program, parameters: Mapping[str, ArrayLike], start: Array
) -> NDArray[np.bool_]:
    """Tell whose untreated state lasts, shape (n,): the test that ``tested=False`` left out.

    Args:
        model: the model that ``program`` was compiled from.
        program: the compiled model.
        parameters: completed parameters, as :func:`baseline` returns them.
        start: the untreated states, shape (n, states).
    """
    n = len(start)
    given = {name: np.broadcast_to(np.asarray(v, dtype=np.float64), n) for name, v in parameters.items()}
    solver = _Solver(model, program, given, n)
    solver.check_stability(given | {"illness": np.zeros(n)}, start)
    return np.asarray(solver.outcome == _OK)


def untreated(
    model: Model,
    program: Program,
    parameters: Mapping[str, ArrayLike],
    composition: Mapping[str, ArrayLike] | None = None,
    *,
    tested: bool = True,
) -> Untreated:
    """Solve the untreated steady state of n patients.

    Args:
        model: the model that ``program`` was compiled from.
        program: the compiled model.
        parameters: parameter id to a number or to one number per patient.
        composition: guild id (``G1`` ...) to its share of stool bacteria, a number or one per patient; shares
            are divided by their sum, absent guilds count as 0. Without it ``stool_<guild>`` holds.
        tested: whether floras that would not stay as they are are refused (half the time of a solution);
            :func:`stable` tells it later of those who matter.

    Raises:
        ProfileError: a guild is unknown, or a share is negative or not a number.
        ModelError: the program lacks outputs that the untreated patient is solved with.
    """
    given = {name: np.atleast_1d(np.asarray(values, dtype=np.float64)) for name, values in parameters.items()}
    if composition is not None:
        given |= _shares(model, composition)
    n = max((len(values) for values in given.values()), default=1)
    given = {name: np.broadcast_to(values, (n,)) for name, values in given.items()}
    return _Solver(model, program, given, n).solve(tested=tested)


def _shares(model: Model, composition: Mapping[str, ArrayLike]) -> dict[str, Array]:
    guilds = list(model.guilds["id"])
    problems = []
    for name in composition:
        if name not in guilds:
            guess = nearest(name, guilds)
            problems.append(
                Problem(
                    f"unknown guild '{name}'",
                    field="composition",
                    expected=", ".join(guilds),
                    remedy=f"did you mean '{guess}'?" if guess else "name one of these",
                )
            )
    shares = {g: np.atleast_1d(np.asarray(composition.get(g, 0.0), dtype=np.float64)) for g in guilds}
    for name, values in shares.items():
        if not (np.isfinite(values) & (values >= 0)).all():
            problems.append(
                Problem(
                    f"the share of '{name}' is negative or not a number",
                    field="composition",
                    expected="shares from 0 on",
                    remedy="correct the profile",
                )
            )
    if not problems:
        total = sum(shares.values(), start=np.zeros(1))
        if not (total > 0).all():
            problems.append(
                Problem(
                    "all shares are 0",
                    field="composition",
                    expected="at least one guild above 0",
                    remedy="leave out profiles without bacteria",
                )
            )
    if problems:
        raise ProfileError(problems)
    least = _number(model, "least_share")
    return {f"stool_{name}": np.maximum(values / total, least) for name, values in shares.items()}


def _number(model: Model, name: str) -> float:
    return model.draft.parameters[name].value


class _Solver:
    """The steps of one solution, in the order in which they are called by :meth:`solve`."""

    def __init__(self, model: Model, program: Program, given: dict[str, Array], n: int) -> None:
        self.program, self.given, self.n = program, given, n
        self.position = {name: i for i, name in enumerate(program.states)}
        known = set(program.parameters)
        self.guilds = [s for s in program.states if {f"{s}_limit", f"{s}_immigration"} <= known]
        self.columns = np.array([self.position[s] for s in self.guilds], dtype=np.int64)
        self.held = [*self.guilds, *(s for s in program.states if f"hold_{s}" in model.draft.parameters)]
        variables = {*program.states, *program.outputs}
        self.relative = [p.removesuffix("_baseline") for p in program.parameters if p.endswith("_baseline")]
        if missing := [name for name in self.relative if name not in variables]:
            raise ModelError(
                Problem(
                    f"the program has no output '{missing[0]}', whose untreated value others are relative to",
                    field=f"{missing[0]}_baseline",
                    expected=f"{len(missing)} more of the model's variables among the outputs",
                    remedy="compile the model without naming outputs to solve the untreated patient",
                )
            )
        self.outcome = np.zeros(n, dtype=np.int64)
        self.reasons = [""] * n

    def solve(self, *, tested: bool) -> Untreated:
        """Rest without feedback, take baselines, rest with feedback, close the guilds, test stability."""
        zero = np.zeros(self.n)
        closed = {f"{s}_{part}": zero for s in self.guilds for part in ("limit", "immigration")}
        calm = self.given | closed | {"feedback": zero, "illness": zero}
        states = self._rest(calm, self.program.start(calm), "without feedback")
        parameters = self.given | closed | {"illness": zero} | self._baselines(calm, states)
        states = self._rest(parameters, states, "with feedback")
        parameters |= self._closure(parameters, states)
        self._check_rates(parameters, states)
        if tested:
            self.check_stability(parameters, states)
        parameters["illness"] = np.broadcast_to(
            self.given.get("illness", np.float64(self.program.defaults["illness"])),
            (self.n,),
        )
        states[self.outcome != _OK] = np.nan
        return Untreated(parameters, states, self.outcome, tuple(self.reasons))

    def _refuse(self, rows: NDArray[np.bool_], outcome: int, reasons: Sequence[str] | str) -> None:
        for i in np.flatnonzero(rows & (self.outcome == _OK)):
            self.outcome[i] = outcome
            self.reasons[i] = reasons if isinstance(reasons, str) else reasons[int(i)]

    def _rest(self, parameters: dict[str, Array], start: Array, when: str) -> Array:
        states, outcome = self.program.steady_state(parameters, start, hold=tuple(self.held))
        codes = np.asarray(outcome, dtype=np.int64)
        for code in np.unique(codes[codes != _OK]):
            self._refuse(
                codes == code,
                int(code),
                f"no steady state was found {when}: bring the parameters or the "
                "composition closer to typical values",
            )
        solved = np.array(states, dtype=np.float64)
        lost = np.any(
            ~np.isfinite(solved), axis=1
        )  # they go on from where they were and are set aside at the end
        solved[lost] = start[lost]
        return solved

    def _baselines(self, parameters: dict[str, Array], states: Array) -> dict[str, Array]:
        outputs = self.program.evaluate(states, parameters)
        place = {name: i for i, name in enumerate(self.program.outputs)}
        found = {}
        for name in self.relative:
            value = outputs[:, place[name]] if name in place else states[:, self.position[name]]
            sound = np.isfinite(value)
            self._refuse(~sound, _NON_FINITE, f"'{name}' has no finite value in the untreated patient")
            found[f"{name}_baseline"] = np.where(sound, value, self.program.defaults[f"{name}_baseline"])
        return found

    def _closure(self, parameters: dict[str, Array], states: Array) -> dict[str, Array]:
        """Return limits and immigration; each enters a rate linearly: a probe of 1 gives its weight."""
        rest = self._rates(parameters, states)
        found: dict[str, Array] = {}
        for part, sign in (("limit", 1.0), ("immigration", -1.0)):
            probe = {f"{s}_{part}": np.ones(self.n) for s in self.guilds}
            weight = self._rates(parameters | probe, states) - rest
            with np.errstate(divide="ignore", invalid="ignore"):
                value = np.where(sign * rest > 0, -rest / weight, 0.0)
            wrong = np.any(~np.isfinite(value), axis=1)
            self._refuse(wrong, _NON_FINITE, "the growth of a guild is not a finite number")
            found |= {f"{s}_{part}": np.nan_to_num(value[:, j]) for j, s in enumerate(self.guilds)}
        return found

    def _rates(self, parameters: dict[str, Array], states: Array) -> Array:
        rates: Array = self.program.rhs(states, parameters)[:, self.columns]
        return rates

    def _check_rates(self, parameters: dict[str, Array], states: Array) -> None:
        moving = [i for i, s in enumerate(self.program.states) if s in self.guilds or s not in self.held]
        rates = np.abs(self.program.rhs(states, parameters)[:, moving])
        relative = rates / np.maximum(np.abs(states[:, moving]), _LARGEST_RATE)
        relative[rates < _LARGEST_RATE**2] = 0.0
        names = [self.program.states[moving[j]] for j in np.argmax(relative, axis=1)]
        self._refuse(
            ~(relative.max(axis=1) < _LARGEST_RATE),
            _IMPOSSIBLE,
            [f"'{name}' does not come to rest in the untreated patient" for name in names],
        )

    def check_stability(self, parameters: dict[str, Array], states: Array) -> None:
        """Refuse patients in whom a small disturbance would grow (largest real part of the eigenvalues)."""
        moving = np.array(
            [i for i, s in enumerate(self.program.states) if s in self.guilds or s not in self.held]
        )
        good = np.flatnonzero(self.outcome == _OK)
        for first in range(0, len(good), _CHUNK):
            rows = good[first : first + _CHUNK]
            chosen = {name: values[rows] for name, values in parameters.items()}
            largest = _largest_eigenvalue(self.program.jacobian(states[rows], chosen), moving)
            unstable = np.zeros(self.n, dtype=bool)
            unstable[rows] = ~(largest < _FASTEST_GROWTH)
            self._refuse(
                unstable,
                _IMPOSSIBLE,
                "this flora cannot stay as it is: a small disturbance would grow; "
                "bring the composition closer to a healthy one",
            )


def _largest_eigenvalue(jacobian: Array, moving: NDArray[np.intp]) -> Array:
    """Return the largest real part of the eigenvalues of each matrix, shape (n,), of the states that move.

    States that do not act on each other in a circle have blocks of their own: the matrices stay small.
    """
    from scipy.sparse.csgraph import connected_components

    pattern = (jacobian != 0).any(axis=0)[np.ix_(moving, moving)]
    count, label = connected_components(pattern, directed=True, connection="strong")
    largest = np.full(len(jacobian), -np.inf)
    for block in range(count):
        members = moving[label == block]
        part = jacobian[:, members[:, None], members]
        values = part[:, 0, 0] if len(members) == 1 else np.linalg.eigvals(part).real.max(axis=1)
        largest = np.maximum(largest, values)
    return largest
