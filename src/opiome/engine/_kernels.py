"""The kernels of one model as LLVM text: derivatives, LU, solve, start, outputs, a whole step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opiome.engine._derivatives import TIME, Derivatives
from opiome.engine._implicit import implicit_part
from opiome.engine._linear_system import LinearSystem, build
from opiome.engine._rows import define
from opiome.engine._shared import shared_nodes, shared_slots
from opiome.engine._steps import accept, dense, explicit_step, rosenbrock_step
from opiome.engine._tableaux import Explicit
from opiome.engine._vector import COMPARE, LANES, VECTOR, Emitter, literal

if TYPE_CHECKING:
    from collections.abc import Collection

    from opiome.engine._system import System
    from opiome.engine._tableaux import Rosenbrock

DECLARATIONS = "\n".join(
    [
        f"declare {VECTOR} @llvm.fma.v8f64({VECTOR}, {VECTOR}, {VECTOR})",
        f"declare {VECTOR} @llvm.sqrt.v8f64({VECTOR})",
        f"declare {VECTOR} @llvm.floor.v8f64({VECTOR})",
        f"declare {VECTOR} @llvm.fabs.v8f64({VECTOR})",
        *(f"declare double @{name}(double)" for name in ("sin", "cos", "asin", "acos", "atan")),
        'attributes #0 = { nounwind "min-legal-vector-width"="512" "prefer-vector-width"="512" }',
        "",
    ]
)


@dataclass(frozen=True)
class Layout:
    """Sizes in rows, and where the parts of a step's work space begin."""

    states: int
    parameters: int
    prepared: int
    outputs: int
    entries: int  # of L and U, in rows of doubles
    stages: int
    autonomous: bool

    @property
    def stage_row(self) -> int:
        """The row of the first stage vector in the work space."""
        return 4 + 3 * self.states

    @property
    def work_rows(self) -> int:
        """Rows of work space: 4 scalars, f, trial state, f_t, stages, LU."""
        return self.stage_row + self.stages * self.states + self.entries


class Kernels:
    """Writes every kernel of a system for one method."""

    def __init__(
        self, system: System, method: Rosenbrock | Explicit, shared: Collection[str] = (), *, fma: bool
    ) -> None:
        self.system, self.method, self.fma = system, method, fma
        self.graph = system.graph
        self.hoisted: dict[int, int] = {}
        self.unit: dict[int, bool] = {}  # pivots that are 1
        self.pivot: dict[int, int] = {}  # the row of %lu that holds 1/pivot
        n = len(system.states)
        self.full = build(system, method.stages)
        self.linear = implicit_part(system, method.stages, self.full) if method.any_matrix else self.full
        self.narrow = self.linear is not self.full  # L and U are kept in single precision
        self.entries, self.lu = self.linear.entries, self.linear.lu
        self.switches = self._switches()
        in_time = Derivatives(self.graph, n)
        self.time_slopes = [in_time.diff(rate, TIME) for rate in system.rates]
        self.autonomous = not any(self.graph.deps[rate] & 1 for rate in system.rates)
        roots = [
            *system.rates, *system.outputs.values(), *self._conditions(), *self._effects(),
            *self.linear.entries.values(), *self.time_slopes,
        ]  # fmt: skip
        self.shared = shared_nodes(self.graph, roots, shared_slots(system, shared))

    @property
    def layout(self) -> Layout:
        """The sizes; complete once ``text`` or ``algebra`` has been written."""
        s = self.system
        return Layout(
            states=len(s.states),
            parameters=len(s.parameters) + len(s.derived),
            prepared=-(-len(self.shared) // LANES) + len(self.hoisted),
            outputs=len(s.outputs),
            entries=0 if isinstance(self.method, Explicit) else -(-len(self.lu.slot) // (1 + self.narrow)),
            stages=self.method.stages,
            autonomous=self.autonomous,
        )

    def text(self) -> str:
        """The module that integrates."""
        s = self.system
        arguments = "ptr noalias %t, ptr noalias %y, ptr noalias %par, ptr noalias %pre"
        parts = [
            self._columns("rhs", arguments, s.rates),
            self._columns("obs", arguments, list(s.outputs.values())),
            self._columns("watch", arguments, self._conditions()),
            self._columns("affect", arguments, self._effects()),
            self._start(),
        ]
        shape = self.layout, self.fma
        if isinstance(self.method, Explicit):
            parts.append(explicit_step(self.method, *shape))
        else:
            parts += [
                self._jacobian_lu(self.linear, narrow=self.narrow),
                self._solve(self.linear, stage=True, narrow=self.narrow),
                rosenbrock_step(self.method, *shape),
            ]
        parts += [accept(*shape), dense(self.method, *shape), self._prepare()]
        return DECLARATIONS + "\n".join(parts)

    def algebra(self) -> str:
        """The module for Jacobians and steady states (its own ``pre`` rows)."""
        arguments = "ptr noalias %t, ptr noalias %y, ptr noalias %par, ptr noalias %pre"
        parts = [
            self._columns("rhs", arguments, self.system.rates),
            self._columns("jac", arguments, list(self.full.entries.values())),
            self._jacobian_lu(self.full, rowwise=True),
            self._solve(self.full, stage=False),
        ]
        parts.append(self._prepare())
        return DECLARATIONS + "\n".join(parts)

    def _conditions(self) -> list[int]:
        """One row per trigger, then one per switch: 1 where it holds."""
        g = self.graph
        return [
            g.select(k, g.one, g.zero) for k in (*(t.condition for t in self.system.triggers), *self.switches)
        ]

    def _switches(self) -> list[int]:
        """Comparisons that no step jumps over: those in triggers, and those of the time in rates."""
        g = self.graph
        found = {
            v: None
            for v in g.order(t.condition for t in self.system.triggers)
            if g.op[v] in COMPARE and g.deps[v]
        }
        found |= {v: None for v in g.order(self.system.rates) if g.op[v] in COMPARE and g.deps[v] == 1}
        return list(found)

    def _effects(self) -> list[int]:
        """Rows of every trigger: delay, priority, then the values that it assigns."""
        g, rows = self.graph, []
        for k in self.system.triggers:
            rows += [g.zero if k.delay is None else k.delay, g.zero if k.priority is None else k.priority]
            rows += [node for _, _, node in k.assigned]
        return rows

    # straight-line kernels
    def _emitter(self, *, hoist: bool = True) -> Emitter:
        if not hoist:
            return Emitter(self.graph, None, fma=self.fma)
        return Emitter(self.graph, self.hoisted, self.shared, fma=self.fma)

    def _columns(self, name: str, arguments: str, nodes: list[int]) -> str:
        e = self._emitter()
        e.plan(nodes)
        for row, node in enumerate(nodes):
            e.store(e.value(node), "%out", row)
        return define(name, f"{arguments}, ptr noalias %out", e)

    def _start(self) -> str:
        e, s = self._emitter(hoist=False), self.system
        e.plan([*s.derived_start, *s.start])
        values = [e.value(node) for node in s.derived_start]
        states = [e.value(node) for node in s.start]
        for row, value in enumerate(values):
            e.store(value, "%par", len(s.parameters) + row)
        for row, value in enumerate(states):
            e.store(value, "%out", row)
        return define("start", "ptr %par, ptr %out", e)

    def _prepare(self) -> str:
        e = self._emitter(hoist=False)
        e.plan([*self.shared, *self.hoisted])
        for node, place in self.shared.items():
            e.store_first(e.value(node), "%pre", place)
        for node, row in self.hoisted.items():
            e.store(e.value(node), "%pre", row)
        return define("prep", "ptr noalias %par, ptr noalias %pre", e)

    def _jacobian_lu(  # noqa: C901 - one loop of the algorithm
        self, linear: LinearSystem, *, rowwise: bool = False, narrow: bool = False
    ) -> str:
        """f, f_t and the LU of the linear system, row by row in pivot order.

        A state's row is D u - sum J u - sum F_z w = b, a kept quantity's is w - sum G_y u - sum G_z w = 0.
        D is one row, or one row per state (``rowwise``). ``narrow``: L and U are rounded to single precision,
        which is one more matrix for a W-method, and half of what every solve reads.
        """
        e, s, g, lu = self._emitter(), self.system, self.graph, linear.lu
        n = len(s.states)
        slopes = [] if self.autonomous else self.time_slopes
        e.plan([*linear.entries.values(), *s.rates, *slopes])
        diagonal = "" if rowwise else e.load("%diag", 0)
        alone = -1  # 1/D, for every state whose rate is not in the matrix
        for i in lu.order:
            row: dict[int, str] = {i: literal(1.0)}
            if i < n:
                e.store(e.value(s.rates[i]), "%f", i)
                if slopes:
                    e.store(e.value(slopes[i]), "%ft", i)
                row[i] = e.load("%diag", i) if rowwise else diagonal
            for j in (*lu.lower[i], i, *lu.upper[i]):
                node = linear.entries.get((i, j), g.zero)
                if node != g.zero:
                    value = e.value(node)
                    row[j] = e.binary("fsub", row[j], value) if j == i else e.neg(value)
            for k in lu.lower[i]:
                factor = (
                    row[k]
                    if self.unit[k]
                    else e.binary("fmul", row[k], e.load("%lu", self.pivot[k], narrow=narrow))
                )
                e.store(factor, "%lu", lu.slot[i, k], narrow=narrow)
                minus = e.neg(factor)
                for j in lu.upper[k]:
                    above = e.load("%lu", lu.slot[k, j], narrow=narrow)
                    row[j] = e.fma(minus, above, row[j]) if j in row else e.binary("fmul", minus, above)
            self.unit[i] = row[i] == literal(1.0)
            self.pivot[i] = lu.slot[i, i]
            if row[i] == diagonal and alone >= 0:
                self.pivot[i] = alone
            elif not self.unit[i]:
                alone = lu.slot[i, i] if row[i] == diagonal else alone
                e.store(e.binary("fdiv", literal(1.0), row[i]), "%lu", lu.slot[i, i], narrow=narrow)
            for j in lu.upper[i]:
                e.store(row[j], "%lu", lu.slot[i, j], narrow=narrow)
        arguments = ", ".join(f"ptr noalias %{a}" for a in ("t", "y", "par", "pre", "diag", "f", "ft", "lu"))
        return define("jaclu", arguments, e)

    def _solve(self, linear: LinearSystem, *, stage: bool, narrow: bool = False) -> str:
        """Solve for the states in place, for x or, in a stage of a step, for f + x / h.

        Kept quantities have a zero right-hand side and are not stored.
        """
        e, lu, n = self._emitter(), linear.lu, len(self.system.states)
        x: dict[int, str] = {}
        hinv = e.load("%hinv", 0) if stage else ""
        for i in lu.order:
            value = e.load("%x", i) if i < n else ""
            if stage and i < n:
                value = e.fma(value, hinv, e.load("%f", i))
            for k in lu.lower[i]:
                if x[k]:
                    minus = e.neg(e.load("%lu", lu.slot[i, k], narrow=narrow))
                    value = e.fma(minus, x[k], value) if value else e.binary("fmul", minus, x[k])
            x[i] = value
        for i in reversed(lu.order):
            value = x[i]
            for j in reversed(lu.upper[i]):  # those known longest first: no long chain waits for the newest
                if x[j]:
                    minus = e.neg(e.load("%lu", lu.slot[i, j], narrow=narrow))
                    value = e.fma(minus, x[j], value) if value else e.binary("fmul", minus, x[j])
            if value and not self.unit[i]:
                value = e.binary("fmul", value, e.load("%lu", self.pivot[i], narrow=narrow))
            x[i] = value
            if i < n:
                e.store(value, "%x", i)
        more = ", ptr noalias %f, ptr noalias %hinv" if stage else ""
        return define("solve", "ptr noalias %lu, ptr noalias %x" + more, e)
