"""A compiled model: its names, and its functions evaluated for many patients at once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from opiome.engine import _cache
from opiome.engine._generate import generate, kernels_of, no_parameter
from opiome.engine._outcome import Outcome
from opiome.errors import InputError, Problem, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from opiome.engine._cuda import Kernel
    from opiome.engine._ensemble import Ensemble
    from opiome.engine._events import EventTable
    from opiome.engine._machine import Code
    from opiome.engine._own_block import OwnBlock

Array = NDArray[np.float64]
MOST_PROBLEMS = 30


def compile(  # noqa: A001, D417
    sbml: str,
    outputs: Sequence[str] | None = None,
    method: str | None = None,
    shared: Collection[str] = (),
) -> Program:
    """Compile an SBML model.

    Args:
        sbml: the text of the model. Antimony's output is the main input; see docs/design/engine.md for what
        is taken. outputs: ids to observe (states, assigned variables, parameters, reactions); all assigned
        variables by default. method: ``rodas4`` (the default of small models), ``row4w`` (a W-method, the
        default from 40 states on), ``rodas5p`` (order 5, for tight tolerances) or ``tsit5`` (explicit, for
        models that are not stiff). shared: parameters that will have one value for all patients of an
        ensemble; a step reads them faster. Where they differ after all, code without this is compiled and
        used; the bits are the same.

    Raises:
        ModelError: the text is not valid SBML, or an output is unknown.
        UnsupportedSbmlError: a construct is not supported; the message names it and its line.
    """
    from opiome.engine._tableaux import METHODS

    if method is not None and method not in METHODS:
        raise InputError(
            Problem(
                f"unknown method `{method}`",
                field="method",
                expected=" or ".join(METHODS),
                remedy="choose one",
            )
        )
    wanted = "\0default" if outputs is None else "\0".join(outputs)
    alike = "\0".join(sorted(set(shared)))
    name = _name(sbml, wanted, method or "", alike)
    found = _cache.load(name)
    if found is None:
        found = generate(sbml, outputs, method, shared)
        _cache.store(name, *found)
    return Program(sbml, found[0]["method"], name, *found)


def _name(*parts: str) -> str:
    """The name of machine code in the cache."""
    import llvmlite

    from opiome.engine import _machine

    return _cache.key(*parts, llvmlite.__version__, *_machine.target())


class Program:
    """A compiled model, made by :func:`compile`. No patient, dose or parameter value is compiled in."""

    def __init__(self, sbml: str, method: str, name: str, meta: dict[str, Any], binary: bytes) -> None:
        self.sbml, self.method, self._name, self._meta, self._binary = sbml, method, name, meta, binary
        self.states: tuple[str, ...] = tuple(meta["states"])
        self.defaults: dict[str, float] = meta["defaults"]
        self.parameters: tuple[str, ...] = tuple(self.defaults)
        self.outputs: tuple[str, ...] = tuple(meta["outputs"])
        self._derived: tuple[str, ...] = tuple(meta["derived"])

    def __repr__(self) -> str:
        return (
            f"<Program: {len(self.states)} states, {len(self.parameters)} parameters, "
            f"{len(self.outputs)} outputs, {self.method}>"
        )

    def __getstate__(self) -> tuple[Any, ...]:
        return self.sbml, self.method, self._name, self._meta, self._binary

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    # machine code
    @cached_property
    def _code(self) -> Code:
        from opiome.engine._machine import Code

        return Code(self._binary)

    @cached_property
    def _general(self) -> Program:
        """The same program without shared parameters."""
        return compile(self.sbml, self.outputs, self.method) if self._meta["shared"] else self

    def _for(self, matrix: Array, changed: Collection[int] = ()) -> Program:
        """The program that fits the parameters of ``matrix``, of which ``changed`` change on the way."""
        shared = self._meta["shared"]
        alike = not len(matrix) or (matrix[:, shared] == matrix[0, shared]).all()
        return self if alike and not set(shared).intersection(changed) else self._general

    @cached_property
    def _algebra(self) -> tuple[Code, dict[str, Any]]:
        """The kernels for Jacobians and steady states, compiled when first needed."""
        from opiome.engine._machine import Code, assemble

        name = _name(self.sbml, self.method, "\0algebra")  # whatever the outputs
        found = _cache.load(name)
        if found is None:
            kernels = kernels_of(self.sbml, [], self.method)
            binary = assemble(kernels.algebra())
            found = {"prepared": kernels.layout.prepared}, binary
            _cache.store(name, *found)
        return Code(found[1]), found[0]

    @cached_property
    def _cuda(self) -> Kernel:
        """The device code, compiled when first needed."""
        from opiome.engine._cuda import Kernel

        return Kernel(self)

    @property
    def _slots(self) -> int:
        return len(self.parameters) + len(self._derived)

    def _longest(self, rtol: float) -> float:
        """The longest step at a tolerance, h."""
        from opiome.engine._tableaux import METHODS

        return METHODS[self.method].longest(self._meta["unseen"], rtol)

    def _workspace(self, rows: int) -> tuple[Array, int]:
        """Memory for lanes, aligned to a cache line, and its address."""
        raw = np.zeros(8 * rows + 8)
        skip = (-raw.ctypes.data // 8) % 8
        work = raw[skip : skip + 8 * rows]
        return work, work.ctypes.data

    # patients
    def matrix(self, parameters: Mapping[str, float | Array], n: int | None = None) -> Array:
        """Parameters of n patients as the engine keeps them: (n, slots), defaults where none are given.

        Raises:
            InputError: unknown names, wrong lengths, values that are not finite; all at once, with patient
            and field.
        """
        problems: list[Problem] = []
        columns: dict[str, Array] = {}
        for name, value in parameters.items():
            if name not in self.defaults:
                problems.append(no_parameter(name, self.parameters, computed=name in self._derived))
                continue
            column = np.asarray(value, dtype=np.float64)
            if column.ndim > 1:
                problems.append(
                    Problem(f"has {column.ndim} dimensions", field=name, expected="a number or (n,)")
                )
                continue
            if column.ndim and n is None:
                n = len(column)
            if column.ndim and len(column) != n:
                problems.append(
                    Problem(
                        f"has {len(column)} values for {n} patients",
                        field=name,
                        remedy="give one per patient",
                    )
                )
                continue
            columns[name] = column
            problems += [
                Problem(
                    f"is {column.reshape(-1)[row]} for patient {row}",
                    field=name,
                    expected="a finite number",
                    remedy="give a value, or leave the parameter out to use the model's",
                )
                for row in np.flatnonzero(~np.isfinite(column.reshape(-1)))[:MOST_PROBLEMS]
            ]
        unset = [k for k, v in self.defaults.items() if np.isnan(v) and k not in parameters]
        problems += [
            Problem("has no value in the model", field=k, remedy="give one for every patient") for k in unset
        ]
        if problems:
            raise InputError(problems[:MOST_PROBLEMS])
        result = np.empty((1 if n is None else n, self._slots))
        for i, name in enumerate(self.parameters):
            result[:, i] = columns[name] if name in columns else self.defaults[name]
        result[:, len(self.parameters) :] = np.nan
        return result

    def _begin(self, matrix: Array) -> Array:
        """Fill the derived slots of ``matrix`` and return the start states."""
        from opiome.engine import _batch

        states = np.empty((len(matrix), len(self.states)))
        work, base = self._workspace(self._slots + len(self.states) + 1)
        _batch.begin(self._code.address("start"), matrix, len(self._derived), states, work, base)
        return states

    def start(self, parameters: Mapping[str, float | Array], n: int | None = None) -> Array:
        """Start states (n, n_states): initial values and initial assignments, evaluated per patient."""
        return self._begin(self.matrix(parameters, n))

    def _evaluate(
        self,
        kernel: str,
        width: int,
        states: Array,
        parameters: Mapping[str, float | Array],
        time: float | Array,
    ) -> Array:
        from opiome.engine import _batch

        states = np.ascontiguousarray(np.atleast_2d(np.asarray(states, dtype=np.float64)))
        n = len(states)
        if states.shape[1] != len(self.states):
            raise InputError(
                Problem(f"has {states.shape[1]} columns", field="states", expected=f"{len(self.states)}")
            )
        matrix = self.matrix(parameters, n)
        self._begin(matrix)
        if kernel == "jac":
            code, meta = self._algebra
            prepared = meta["prepared"]
        else:
            fit = self._for(matrix)
            code, prepared = fit._code, fit._meta["prepared"]  # noqa: SLF001 - a program like this one
        result = np.empty((n, width))
        work, base = self._workspace(2 + len(self.states) + self._slots + width + prepared)
        times = np.ascontiguousarray(np.broadcast_to(np.asarray(time, dtype=np.float64), n))
        _batch.evaluate(code.address(kernel), code.address("prep"), times, states, matrix, result, work, base)
        return result

    def rhs(self, states: Array, parameters: Mapping[str, float | Array], time: float | Array = 0.0) -> Array:
        """Time derivatives (n, n_states), per hour."""
        return self._evaluate("rhs", len(self.states), states, parameters, time)

    def evaluate(
        self, states: Array, parameters: Mapping[str, float | Array], time: float | Array = 0.0
    ) -> Array:
        """Outputs (n, n_outputs)."""
        return self._evaluate("obs", len(self.outputs), states, parameters, time)

    def jacobian(
        self, states: Array, parameters: Mapping[str, float | Array], time: float | Array = 0.0
    ) -> Array:
        """Jacobians (n, n_states, n_states): row i, column j is d(dy_i/dt)/dy_j."""
        pattern, n = self._meta["pattern"], len(self.states)
        entries = self._evaluate("jac", len(pattern), states, parameters, time)
        slopes = np.zeros((len(entries), self._meta["rows"], n))  # of rates and kept intermediate results
        for k in sorted(range(len(pattern)), key=lambda k: (pattern[k][0] < n, pattern[k][0])):
            i, j, _ = pattern[k]  # an intermediate result uses earlier ones only, the rates use any
            if j < n:
                slopes[:, i, j] += entries[:, k]
            else:
                slopes[:, i] += entries[:, k, None] * slopes[:, j]
        return slopes[:, :n]

    def _own_block(self, entry: int) -> OwnBlock:
        """The states of the drug that is given into state ``entry``."""
        from opiome.engine._own_block import own_block

        return own_block(self._meta, self.states, entry)

    def _linear_system(self, block: NDArray[np.int64], slots: Array) -> tuple[Array, Array]:
        """Matrix and constant of a linear block for one patient's parameter slots."""
        values = {name: float(slots[i]) for i, name in enumerate(self.parameters)}
        states = np.nan_to_num(self.start(values))
        states[:, block] = 0.0
        matrix = self.jacobian(states, values)[0][np.ix_(block, block)]
        return matrix, self.rhs(states, values)[0][block]

    def steady_state(
        self,
        parameters: Mapping[str, float | Array],
        start: Array | None = None,
        hold: Sequence[str] = (),
        *,
        signed: Sequence[str] = (),
        tolerance: float = 1e-10,
        budget: int = 1000,
        first_step: float = 1e-2,
    ) -> tuple[Array, NDArray[np.int8]]:
        """Steady states of every patient, by damped Newton with pseudo-transient continuation.

        Args:
            parameters: as for :meth:`ensemble`.
            start: (n, n_states) or (n_states,); initial assignments by default.
            hold: states that stay as they are.
            signed: states that may be negative.
            tolerance: largest relative change of a state in the last two Newton steps.
            budget: most steps per patient.
            first_step: pseudo time of the first step, h.

        Returns:
            states (n, n_states), NaN where none was found, and an outcome (n,) of :class:`Outcome`.
        """
        from opiome.engine import _newton

        n = None if start is None or np.ndim(start) < 2 else len(start)  # noqa: PLR2004 - a table
        matrix = self.matrix(parameters, n)
        states = self._begin(matrix)
        if start is not None:
            states[:] = start
        outcome = np.where(np.isfinite(states).all(axis=1), Outcome.OK, Outcome.IMPOSSIBLE_PARAMETERS).astype(
            np.int8
        )
        code, meta = self._algebra
        addresses = np.array(
            [*(code.address(k) for k in ("prep", "jaclu", "solve", "rhs")), meta["prepared"]], np.int64
        )
        work, base = self._workspace(
            2 + 6 * len(self.states) + self._slots + meta["prepared"] + self._meta["entries"]
        )
        what, used = np.full(len(states), -1, np.int64), np.zeros(len(states), np.int64)
        scale = np.maximum(1e-6 * np.abs(states), 1e-9)
        held, free = self._mask(hold), self._mask(signed)
        _newton.solve(
            addresses,
            matrix,
            states,
            scale,
            held,
            free,
            tolerance,
            budget,
            first_step,
            outcome,
            what,
            used,
            work,
            base,
        )
        return states, outcome

    def _mask(self, names: Sequence[str]) -> NDArray[np.bool_]:
        index = {name: i for i, name in enumerate(self.states)}
        unknown = [name for name in names if name not in index]
        if unknown:
            raise InputError(
                Problem(
                    f"`{name}` is no state of the model",
                    field="states",
                    remedy=f"did you mean `{near}`?"
                    if (near := nearest(name, index))
                    else "give ids of states",
                )
                for name in unknown
            )
        mask = np.zeros(len(self.states), bool)
        mask[[index[name] for name in names]] = True
        return mask

    def ensemble(
        self,
        parameters: Mapping[str, float | Array],
        n: int | None = None,
        start: Array | None = None,
        events: EventTable | None = None,
        *,
        rtol: float | None = None,
        atol: float | Array | None = None,
        threads: int = 1,
        signed: Sequence[str] = (),
        budget: int = 20_000,
        device: str = "cpu",
    ) -> Ensemble:
        """Patients at time 0, ready to advance.

        Args:
            parameters: per name a number or one value per patient; the model's value where none is given.
            n: number of patients, where no parameter says it.
            start: (n, n_states) or (n_states,); the model's initial values and assignments by default.
            events: doses, parameter changes and resets from time 0 on.
            rtol: relative tolerance of a step; 1e-4 by default, and 1e-3 for ``row4w``, whose error is a
                third of its tolerance (docs/design/engine.md says what is achieved).
            atol: absolute tolerance, one or per state; ``1e-4 * rtol`` by default. Each state also gets 1 %
                of ``rtol`` times its largest size so far in that patient.
            threads: threads to use; they do not change a bit of the result.
            signed: states that may be negative; states that start below zero are taken to be.
            budget: most steps between two events.
            device: ``cpu``, ``gpu`` (CUDA), or ``auto``: a GPU if there is one. The CPU's bits are promised.

        Raises:
            EngineError: ``gpu`` where there is none, with what is missing.
            InputError: unknown or non-finite parameters, with patient and field; tolerances or a number of
            threads that cannot be.
            DoseError: an event table that cannot be right; all problems at once.
        """
        from opiome.engine._cuda import choose
        from opiome.engine._ensemble import Ensemble, count, tolerance
        from opiome.engine._tableaux import METHODS

        if start is not None and n is None and np.ndim(start) == 2:  # noqa: PLR2004 - a table
            n = len(start)
        matrix = self.matrix(parameters, n)
        states = self._begin(matrix)
        if start is not None:
            try:
                states[:] = start
            except ValueError as error:
                raise InputError(
                    Problem(f"has shape {np.shape(start)}", field="start", expected=f"{states.shape}")
                ) from error
        rtol = tolerance(METHODS[self.method].rtol if rtol is None else rtol)
        absolute = np.array(
            np.broadcast_to(1e-4 * rtol if atol is None else atol, len(self.states)), dtype=np.float64
        )
        if not (np.isfinite(absolute).all() and (absolute > 0).all()):
            raise InputError(
                Problem("is not positive", field="atol", remedy="give positive absolute tolerances")
            )
        return Ensemble(
            self,
            matrix,
            states,
            events,
            rtol=rtol,
            atol=absolute,
            threads=count("threads", threads),
            signed=self._mask(signed),
            budget=count("budget", budget),
            gpu=choose(device, self),
        )
