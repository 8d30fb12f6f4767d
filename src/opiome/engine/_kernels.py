"""The kernels of one model as LLVM text: derivatives, LU, solve, start, outputs, a whole step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from opiome.engine._derivatives import TIME, Derivatives
from opiome.engine._implicit import implicit_part
from opiome.engine._linear_system import LinearSystem, build
from opiome.engine._vector import COMPARE, LANES, VECTOR, Body, Emitter, literal

if TYPE_CHECKING:
    from opiome.engine._system import System
    from opiome.engine._tableaux import Rosenbrock

SAFETY = 0.9  # of the step that would just meet the tolerance
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

    def __init__(self, system: System, method: Rosenbrock, *, fma: bool) -> None:
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

    @property
    def layout(self) -> Layout:
        """The sizes; complete once ``text`` or ``algebra`` has been written."""
        s = self.system
        return Layout(
            states=len(s.states),
            parameters=len(s.parameters) + len(s.derived),
            prepared=len(self.hoisted),
            outputs=len(s.outputs),
            entries=-(-len(self.lu.slot) // (2 if self.narrow else 1)),
            stages=self.method.stages,
            autonomous=self.autonomous,
        )

    def text(self) -> str:
        """The module that integrates."""
        s = self.system
        arguments = "ptr noalias %t, ptr noalias %y, ptr noalias %par, ptr noalias %pre"
        parts = [
            self._columns("rhs", arguments, s.rates),
            self._jacobian_lu(self.linear, narrow=self.narrow),
            self._solve(self.linear, stage=True, narrow=self.narrow),
            self._columns("obs", arguments, list(s.outputs.values())),
            self._columns("watch", arguments, self._conditions()),
            self._columns("affect", arguments, self._effects()),
            self._start(),
        ]
        parts += [self._step(), self._accept(), self._dense(), self._prepare()]
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
        return Emitter(self.graph, self.hoisted if hoist else None, fma=self.fma)

    def _columns(self, name: str, arguments: str, nodes: list[int]) -> str:
        e = self._emitter()
        e.plan(nodes)
        for row, node in enumerate(nodes):
            e.store(e.value(node), "%out", row)
        return _function(name, f"{arguments}, ptr noalias %out", e)

    def _start(self) -> str:
        e, s = self._emitter(hoist=False), self.system
        e.plan([*s.derived_start, *s.start])
        values = [e.value(node) for node in s.derived_start]
        states = [e.value(node) for node in s.start]
        for row, value in enumerate(values):
            e.store(value, "%par", len(s.parameters) + row)
        for row, value in enumerate(states):
            e.store(value, "%out", row)
        return _function("start", "ptr %par, ptr %out", e)

    def _prepare(self) -> str:
        e = self._emitter(hoist=False)
        e.plan(self.hoisted)
        for node, row in self.hoisted.items():
            e.store(e.value(node), "%pre", row)
        return _function("prep", "ptr noalias %par, ptr noalias %pre", e)

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
        return _function("jaclu", arguments, e)

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
        return _function("solve", "ptr noalias %lu, ptr noalias %x" + more, e)

    # one step of the method
    def _step(self) -> str:
        """Y -> yn and the error of each lane; ``ctrl`` row 0 holds the relative tolerance.

        ``inrow`` and ``inp`` are the ``nin`` states with a zero-order input and its rates.
        """
        m, n, layout = self.method, len(self.system.states), self.layout
        e = Rows(n, fma=self.fma)
        base = {"f": 4, "yt": 4 + n, "ft": 4 + 2 * n}
        for i in range(m.stages):
            base[f"u{i}"] = layout.stage_row + i * n
        base["lu"] = layout.stage_row + m.stages * n
        for name, at in base.items():
            e.lines.append(f"  %{name} = getelementptr inbounds double, ptr %work, i64 {LANES * at}")
        for name, at in (("ginv", 0), ("tk", 1), ("hinv", 2)):
            e.lines.append(f"  %{name} = getelementptr inbounds double, ptr %work, i64 {LANES * at}")
        h, t = e.load("%h", 0), e.load("%t", 0)
        hinv = e.binary("fdiv", literal(1.0), h)
        e.store(e.binary("fmul", hinv, literal(1.0 / m.gamma)), "%ginv", 0)
        e.store(hinv, "%hinv", 0)
        e.do("call void @jaclu(ptr %t, ptr %y, ptr %par, ptr %pre, ptr %ginv, ptr %f, ptr %ft, ptr %lu)")
        with e.rows() as row:
            row.store(literal(0.0), "%u0")
        for k in range(m.stages):
            if k:
                # only one stage is added to the trial state before
                more = k > 1 and m.a[k][: k - 1] == m.a[k - 1]
                with e.rows() as row:  # one pass reads the stages for the trial state and for the right side
                    value, scaled = row.load("%yt" if more else "%y"), ""
                    for j, (a, c) in enumerate(zip(m.a[k], m.c[k], strict=True)):
                        u = row.load(f"%u{j}")
                        if a and not (more and j < k - 1):
                            value = e.fma(literal(a), u, value)
                        scaled = e.fma(literal(c), u, scaled) if scaled else e.binary("fmul", literal(c), u)
                    row.store(value, "%yt")
                    row.store(scaled, f"%u{k}")
                if m.alpha[k] and not self.autonomous:
                    e.store(e.fma(literal(m.alpha[k]), h, t), "%tk", 0)
                where = "%t" if self.autonomous or not m.alpha[k] else "%tk"
                e.do(f"call void @rhs(ptr {where}, ptr %yt, ptr %par, ptr %pre, ptr %f)")
            self._add_input(e)
            if m.gamma_sum[k] and not self.autonomous:
                scale = e.binary("fmul", literal(m.gamma_sum[k]), h)
                with e.rows() as row:
                    row.store(e.fma(scale, row.load("%ft"), row.load("%f")), "%f")
            e.do(f"call void @solve(ptr %lu, ptr %u{k}, ptr %f, ptr %hinv)")
        self._error(e, f"%u{m.stages - 1}", n, m.order)
        names = (
            "t",
            "h",
            "y",
            "par",
            "pre",
            "inrow",
            "inp",
            "absolute",
            "guard",
            "peak",
            "ctrl",
            "work",
            "yn",
            "err",
        )
        arguments = ", ".join(f"ptr noalias %{a}" for a in names) + ", i64 %nin"
        return _function("step", arguments, e)

    @staticmethod
    def _add_input(e: Rows) -> None:
        with e.rows("%nin") as row:
            p = e.put(f"getelementptr inbounds i64, ptr %inrow, i64 {row.index}")
            offset = e.put(f"shl i64 {e.put(f'load i64, ptr {p}, align 8')}, 3")
            q = e.put(f"getelementptr inbounds double, ptr %f, i64 {offset}")
            value = e.put(f"load {VECTOR}, ptr {q}, align 64")
            e.do(f"store {VECTOR} {e.binary('fadd', value, row.load('%inp'))}, ptr {q}, align 64")

    @staticmethod
    def _error(e: Rows, estimate: str, n: int, order: int) -> None:
        """Yn = yt + last stage; mean square error on the scale of the tolerances; the positivity guard.

        Scale of a state: absolute + rtol max(|y|, |yn|, peak so far / 100). A state below -100 times the
        part of that scale that does not shrink with it makes the error at least 16, so that the step is
        taken again. Row 1 of ``err`` gets the factor for the next step.
        """
        rtol = e.load("%ctrl", 0)
        floor = e.binary("fmul", rtol, literal(0.01))
        sums, low = [literal(0.0)] * 4, literal(0.0)
        for i in range(n):  # straight code with four sums: each would wait for itself in a loop
            u = e.load(estimate, i)
            yn = e.binary("fadd", e.load("%yt", i), u)
            e.store(yn, "%yn", i)
            least = e.fma(floor, e.load("%peak", i), e.spread("%absolute", i))
            size = e.maximum(e.absolute(e.load("%y", i)), e.absolute(yn))
            ratio = e.binary("fdiv", u, e.fma(rtol, size, least))
            sums[i % 4] = e.fma(ratio, ratio, sums[i % 4])
            below = e.compare("olt", yn, e.binary("fmul", e.spread("%guard", i), least))
            low = e.choose(below, literal(16.0), low)
        total = e.binary("fadd", e.binary("fadd", sums[0], sums[1]), e.binary("fadd", sums[2], sums[3]))
        mean = e.binary("fmul", total, literal(1.0 / max(n, 1)))  # a model may have no state at all
        # the guard must not hide a NaN: the mean is kept unless it is smaller
        error = e.maximum(mean, low, keep_first_nan=True)
        e.store(error, "%err", 0)
        least = e.maximum(error, literal(1e-12))
        factor = e.exp(e.binary("fmul", e.log(least), literal(-0.5 / order)))
        e.store(e.binary("fmul", factor, literal(SAFETY)), "%err", 1)

    def _dense(self) -> str:
        """The states at the fraction ``s`` of the step just taken, lane by lane."""
        m, n, layout = self.method, len(self.system.states), self.layout
        e = Rows(n, fma=self.fma)
        for i in range(m.stages):
            offset = LANES * (layout.stage_row + i * n)
            e.lines.append(f"  %u{i} = getelementptr inbounds double, ptr %work, i64 {offset}")
        s = e.load("%s", 0)
        left = e.binary("fsub", literal(1.0), s)
        with e.rows() as row:
            u = [row.load(f"%u{i}") for i in range(m.stages)]
            nested = ""
            for weights in reversed(m.dense):
                value = e.fma(s, nested, literal(0.0)) if nested else literal(0.0)
                for d, stage in zip(weights, u, strict=True):
                    if d:
                        value = e.fma(literal(d), stage, value)
                nested = value
            end = e.fma(left, nested, row.load("%yn"))
            row.store(e.fma(s, end, e.binary("fmul", left, row.load("%y"))), "%out")
        arguments = ", ".join(f"ptr noalias %{a}" for a in ("s", "y", "yn", "work", "out"))
        return _function("dense", arguments, e)

    def _accept(self) -> str:
        """Y = yn and peak = max(peak, |yn|) in the lanes whose error is at most 1."""
        e = Rows(len(self.system.states), fma=self.fma)
        taken = e.compare("ole", e.load("%err", 0), literal(1.0))
        with e.rows() as row:
            y = e.choose(taken, row.load("%yn"), row.load("%y"))
            row.store(y, "%y")
            row.store(e.maximum(row.load("%peak"), e.absolute(y)), "%peak")
        return _function("accept", "ptr noalias %y, ptr noalias %yn, ptr noalias %peak, ptr noalias %err", e)


class Rows(Body):
    """Code with loops over the rows of state vectors."""

    def __init__(self, n: int, *, fma: bool) -> None:
        super().__init__(fma=fma)
        self.n = n
        self._loops = 0

    def rows(self, count: str | None = None) -> Row:
        """A loop over all states, or over ``count`` rows."""
        self._loops += 1
        return Row(self, self._loops, count or str(self.n))

    def put(self, text: str) -> str:
        """Write an instruction; loops make their own blocks."""
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return name

    def spread(self, base: str, row: int) -> str:
        """One double per row, the same in every lane."""
        p = self.put(f"getelementptr inbounds double, ptr {base}, i64 {row}")
        x = self.put(f"load double, ptr {p}, align 8")
        v = self.put(f"insertelement {VECTOR} undef, double {x}, i32 0")
        return self.put(f"shufflevector {VECTOR} {v}, {VECTOR} undef, <8 x i32> zeroinitializer")

    def absolute(self, a: str) -> str:
        """Absolute value."""
        return self.put(f"call {VECTOR} @llvm.fabs.v8f64({VECTOR} {a})")

    def maximum(self, a: str, b: str, *, keep_first_nan: bool = False) -> str:
        """The larger; a NaN in ``b`` wins, or one in ``a`` when asked."""
        if keep_first_nan:
            return self.choose(self.compare("olt", a, b), b, a)
        return self.choose(self.compare("ogt", a, b), a, b)


class Row:
    """The body of a loop over rows, as a context."""

    def __init__(self, e: Rows, number: int, count: str) -> None:
        self.e, self.k, self.count = e, number, count
        self.index = f"%i{number}"

    def __enter__(self) -> Self:
        e, k = self.e, self.k
        e.lines += [
            f"  br label %head{k}",
            f"head{k}:",
            f"  br label %test{k}",
            f"test{k}:",
            f"  {self.index} = phi i64 [ 0, %head{k} ], [ %next{k}, %loop{k} ]",
            f"  %more{k} = icmp ult i64 {self.index}, {self.count}",
            f"  br i1 %more{k}, label %loop{k}, label %done{k}",
            f"loop{k}:",
            f"  %off{k} = shl i64 {self.index}, 3",
        ]
        return self

    def __exit__(self, *_: object) -> None:
        e, k = self.e, self.k
        e.lines += [f"  %next{k} = add i64 {self.index}, 1", f"  br label %test{k}", f"done{k}:"]

    def load(self, base: str) -> str:
        """This row of a block."""
        p = self.e.put(f"getelementptr inbounds double, ptr {base}, i64 %off{self.k}")
        return self.e.put(f"load {VECTOR}, ptr {p}, align 64")

    def store(self, value: str, base: str) -> None:
        """Store this row of a block."""
        p = self.e.put(f"getelementptr inbounds double, ptr {base}, i64 %off{self.k}")
        self.e.do(f"store {VECTOR} {value}, ptr {p}, align 64")


def _function(name: str, arguments: str, body: Body) -> str:
    return "\n".join(
        [f"define void @{name}({arguments}) #0 {{", "entry:", *body.lines, "  ret void", "}", ""]
    )
