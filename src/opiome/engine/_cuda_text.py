"""The expression graph as scalar CUDA device functions: Python text that numba compiles for one thread.

The same nodes, elimination plan and stages as the lanes' LLVM text, in the same order, with the same fused
operations. exp and log are the device library's (within an ulp or so of the lanes' own), so results agree
closely but not to the bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from opiome.engine._cuda_split import function, functions
from opiome.engine._graph import TINY
from opiome.engine._vector import Emitter

if TYPE_CHECKING:
    from opiome.engine._graph import Graph
    from opiome.engine._kernels import Kernels
    from opiome.engine._tableaux import Rosenbrock

OPERATORS = {"fadd": "+", "fsub": "-", "fmul": "*", "fdiv": "/"}
COMPARISONS = {"lt": "<", "le": "<=", "eq": "=="}
PREAMBLE = """
@cuda.jit(device=True)
def recip(x):
    return 1.0 / x if x != 0.0 else math.copysign(math.inf, x)

@cuda.jit(device=True)
def exp(x):
    return math.exp(min(max(x, -708.0), 708.0)) if x == x else x

@cuda.jit(device=True)
def log(x):
    if x > 0.0:
        return math.log(x) if x < math.inf else x
    return -math.inf if x == 0.0 else math.nan

@cuda.jit(device=True)
def sqrt(x):
    return math.sqrt(x) if x >= 0.0 else math.nan

@cuda.jit(device=True)
def floor(x):
    return float(math.floor(x)) if abs(x) < 4503599627370496.0 else x

@cuda.jit(device=True)
def asin(x):
    return math.asin(x) if abs(x) <= 1.0 else math.nan

@cuda.jit(device=True)
def acos(x):
    return math.acos(x) if abs(x) <= 1.0 else math.nan

@cuda.jit(device=True)
def atan(x):
    return math.atan(x)

@cuda.jit(device=True)
def sin(x):
    return math.sin(x) if abs(x) < math.inf else math.nan

@cuda.jit(device=True)
def cos(x):
    return math.cos(x) if abs(x) < math.inf else math.nan
"""


class Scalar(Emitter):
    """Writes nodes as statements on scalars; arrays have the names of the lanes' code, without ``%``."""

    def __init__(self, graph: Graph, hoisted: dict[int, int] | None) -> None:
        super().__init__(graph, hoisted, fma=True)

    def _split(self, needed: list[int]) -> None:
        """Nothing: ``_cuda_split`` cuts what is long."""

    def put(self, text: str) -> str:
        """Write ``name = text``."""
        name = self.fresh().strip("%")
        self.lines.append(f"{name} = {text}")
        return name

    def load(self, base: str, row: int, *, narrow: bool = False) -> str:
        """An element of an array, as a double."""
        element = f"{base.strip('%')}[{row}]"
        return self.put(f"float({element})" if narrow else element)

    def store(self, value: str, base: str, row: int, *, narrow: bool = False) -> None:  # noqa: ARG002 - the array rounds
        """Set an element of an array."""
        self.lines.append(f"{base.strip('%')}[{row}] = {value}")

    def binary(self, op: str, a: str, b: str) -> str:
        """Fadd, fsub, fmul or fdiv."""
        return self.put(f"{a} {OPERATORS[op]} {b}")

    def neg(self, a: str) -> str:
        """Minus a."""
        return self.put(f"-({a})")

    def fma(self, a: str, b: str, c: str) -> str:
        """A times b plus c, rounded once."""
        return self.put(f"cuda.fma({a}, {b}, {c})")

    def _leaf(self, op: str, args: tuple) -> str:  # type: ignore[type-arg]
        if op == "time":
            return "t"
        return str(args[0]) if op == "bool" else number(args[0])

    def _operation(self, op: str, args: tuple, v: list[str]) -> str:  # type: ignore[type-arg]  # noqa: ARG002
        match op:
            case "logp":
                return self.put(f"log(max({v[0]}, {TINY!r}))")
            case "lt" | "le" | "eq":
                return self.put(f"{v[0]} {COMPARISONS[op]} {v[1]}")
            case "and" | "or":
                return self.put(f"{v[0]} {op} {v[1]}")
            case "not":
                return self.put(f"not {v[0]}")
            case "select":
                return self.put(f"{v[1]} if {v[0]} else {v[2]}")
        return self.put(f"{op}({v[0]})")


def number(x: float) -> str:
    """A double as text that reads back to the same double."""
    if x != x:  # noqa: PLR0124 - NaN
        return "math.nan"
    return f"({x!r})" if abs(x) < float("inf") else ("math.inf" if x > 0 else "(-math.inf)")


class Source:
    """The text of every device function of a model, from the plan that the lanes' kernels follow."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels, self.graph, self.system = kernels, kernels.graph, kernels.system
        self.hoisted: dict[int, int] = {}
        self.states, self.lu = len(kernels.system.states), kernels.lu

    def text(self) -> str:
        """Functions rhs, obs, jaclu, solve, step, dense and, last, prep: it stores what the others load."""
        arguments = "t, y, par, pre"
        s = self.system
        parts = [
            PREAMBLE,
            self._columns("rhs", f"{arguments}, out", s.rates),
            self._columns("obs", f"{arguments}, out", list(s.outputs.values())),
            self._jacobian_lu(arguments),
            self._solve(),
            function("step", STEP_ARGUMENTS, self._step()),
            function("dense", "s, y, yn, u, out", self._dense()),
            self._prepare(),
        ]
        return "\n".join(parts)

    def _columns(self, name: str, arguments: str, nodes: list[int]) -> str:
        e = Scalar(self.graph, self.hoisted)
        e.plan(nodes)
        for row, node in enumerate(nodes):
            e.store(e.value(node), "out", row)
        return functions(name, arguments, e.lines)

    def _prepare(self) -> str:
        e = Scalar(self.graph, None)
        e.plan(self.hoisted)
        for node, row in self.hoisted.items():
            e.store(e.value(node), "pre", row)
        return functions("prep", "par, pre", e.lines)

    def _jacobian_lu(self, arguments: str) -> str:
        """f, f_t and the LU of the linear system (see the lanes' kernel of this name)."""
        e, g, lu, n = Scalar(self.graph, self.hoisted), self.graph, self.lu, self.states
        entries, rates, narrow = self.kernels.entries, self.system.rates, self.kernels.narrow
        slopes = [] if self.kernels.autonomous else self.kernels.time_slopes
        e.plan([*entries.values(), *rates, *slopes])
        for i in lu.order:
            row = {i: "1.0"}
            if i < n:
                e.store(e.value(rates[i]), "f", i)
                if slopes:
                    e.store(e.value(slopes[i]), "ft", i)
                row[i] = "diag"
            for j in (*lu.lower[i], i, *lu.upper[i]):
                node = entries.get((i, j), g.zero)
                if node != g.zero:
                    value = e.value(node)
                    row[j] = e.binary("fsub", row[j], value) if j == i else e.neg(value)
            for k in lu.lower[i]:
                factor = e.binary("fmul", row[k], e.load("lu", lu.slot[k, k], narrow=narrow))
                e.store(factor, "lu", lu.slot[i, k])
                minus = e.neg(factor)
                for j in lu.upper[k]:
                    above = e.load("lu", lu.slot[k, j], narrow=narrow)
                    row[j] = e.fma(minus, above, row[j]) if j in row else e.binary("fmul", minus, above)
            e.store(f"recip({row[i]})", "lu", lu.slot[i, i])
            for j in lu.upper[i]:
                e.store(row[j], "lu", lu.slot[i, j])
        return functions("jaclu", f"{arguments}, diag, f, ft, lu", e.lines)

    def _solve(self) -> str:
        """Solve for the states in place; kept quantities have a zero right-hand side."""
        e, lu, n = Scalar(self.graph, self.hoisted), self.lu, self.states
        narrow = self.kernels.narrow
        x: dict[int, str] = {}
        for forward in (True, False):
            for i in lu.order if forward else reversed(lu.order):
                value = (e.load("x", i) if i < n else "") if forward else x[i]
                for k in lu.lower[i] if forward else reversed(lu.upper[i]):
                    if x[k]:
                        minus = e.neg(e.load("lu", lu.slot[i, k], narrow=narrow))
                        value = e.fma(minus, x[k], value) if value else e.binary("fmul", minus, x[k])
                if value and not forward:
                    value = e.binary("fmul", value, e.load("lu", lu.slot[i, i], narrow=narrow))
                    if i < n:
                        e.store(value, "x", i)
                x[i] = value
        return functions("solve", "lu, x", e.lines)

    def _step(self) -> list[str]:
        """The stages one after the other, each with loops over the states; then error and next step."""
        m = cast("Rosenbrock", self.kernels.method)  # no explicit method is let in
        n, autonomous = self.states, self.kernels.autonomous
        lines = ["hinv = 1.0 / h", f"jaclu(t, y, par, pre, hinv * {number(1.0 / m.gamma)}, f, ft, lu)"]
        for k in range(m.stages):
            if k:
                lines += [f"for i in range({n}):", "    v = y[i]"]
                lines += [
                    f"    v = cuda.fma({number(a)}, u[{j * n} + i], v)" for j, a in enumerate(m.a[k]) if a
                ]
                when = "t" if autonomous or not m.alpha[k] else f"cuda.fma({number(m.alpha[k])}, h, t)"
                lines += ["    yt[i] = v", f"rhs({when}, yt, par, pre, f)"]
            lines += ["for i in range(rows.shape[0]):", "    f[rows[i]] += inp[i]"]
            lines += [f"for i in range({n}):", "    v = f[i]"]
            if m.c[k]:
                lines.append(f"    w = {number(m.c[k][0])} * u[i]")
                lines += [
                    f"    w = cuda.fma({number(c)}, u[{(j + 1) * n} + i], w)"
                    for j, c in enumerate(m.c[k][1:])
                ]
                lines.append("    v = cuda.fma(w, hinv, v)")
            if m.gamma_sum[k] and not autonomous:
                lines.append(f"    v = cuda.fma({number(m.gamma_sum[k])} * h, ft[i], v)")
            lines += [f"    u[{k * n} + i] = v", f"solve(lu, u[{k * n} : {(k + 1) * n}])"]
        last = (m.stages - 1) * n
        return [
            *lines,
            "total = 0.0",
            "low = 0.0",
            f"for i in range({n}):",
            f"    e = u[{last} + i]",
            "    v = yt[i] + e",
            "    yn[i] = v",
            "    least = cuda.fma(0.01 * rtol, peak[i], absolute[i])",
            "    ratio = e / cuda.fma(rtol, max(abs(y[i]), abs(v)), least)",
            "    total = cuda.fma(ratio, ratio, total)",
            "    if v < guard[i] * least:",
            "        low = 16.0",
            f"error = total * {number(1.0 / max(n, 1))}",
            "return low if error < low else error",
        ]

    def _dense(self) -> list[str]:
        """Y(t + s h) from the stages."""
        m, n = self.kernels.method, self.states
        lines = [f"for i in range({n}):", "    w = 0.0"]
        for weights in reversed(m.dense):
            lines.append("    w = s * w")
            lines += [f"    w = cuda.fma({number(d)}, u[{j * n} + i], w)" for j, d in enumerate(weights) if d]
        return [*lines, "    out[i] = cuda.fma(s, cuda.fma(1.0 - s, w, yn[i]), (1.0 - s) * y[i])"]


STEP_ARGUMENTS = "t, h, y, par, pre, rows, inp, absolute, guard, peak, rtol, f, ft, yt, u, lu, yn"
