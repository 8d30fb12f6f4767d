"""Graph nodes to LLVM text: straight-line code on ``<8 x double>``, one patient per lane.

Rows of memory are 8 doubles (64 bytes). Every operation is IEEE and explicitly fused where it says ``fma``;
there is no fast-math and no library exp or log, so the same bits come from AVX-512, AVX2 and any other
target with FMA.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING

from opiome.engine._elementary import EXP, LOG, Constants
from opiome.engine._graph import TINY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opiome.engine._graph import Graph

LANES = 8
VECTOR = "<8 x double>"
NARROW = "<8 x float>"
BITS = "<8 x i64>"
MASK = "<8 x i1>"
BLOCK = 300  # lines per basic block: bounds how long a value that was read occupies a register
LEAVES = ("num", "par", "state", "time", "bool")
COMPARE = {"lt": "olt", "le": "ole", "eq": "oeq"}


def literal(x: float) -> str:
    """A vector of eight equal doubles."""
    bits = struct.unpack("<Q", struct.pack("<d", x))[0]
    return "<" + ", ".join([f"double 0x{bits:016X}"] * LANES) + ">"


def integers(x: int) -> str:
    """A vector of eight equal 64-bit integers."""
    return "<" + ", ".join([f"i64 {x}"] * LANES) + ">"


class Body:
    """The text of one function that is being written."""

    def __init__(self, *, fma: bool) -> None:
        self.lines: list[str] = []
        self.fused = fma
        self.blocks = 0
        self._n = 0

    def fresh(self) -> str:
        """A new register name."""
        self._n += 1
        return f"%v{self._n}"

    def put(self, text: str) -> str:
        """Write ``register = text`` and return the register."""
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Write an instruction without a result."""
        self.lines.append(f"  {text}")

    def load(self, base: str, row: int, *, narrow: bool = False) -> str:
        """Load one row; a ``narrow`` one is in single precision."""
        kind, memory, bytes_ = ("float", NARROW, 32) if narrow else ("double", VECTOR, 64)
        p = self.put(f"getelementptr inbounds {kind}, ptr {base}, i64 {LANES * row}")
        value = self.put(f"load {memory}, ptr {p}, align {bytes_}")
        return self.put(f"fpext {NARROW} {value} to {VECTOR}") if narrow else value

    def spread(self, base: str, index: int) -> str:
        """One double in every lane."""
        p = self.put(f"getelementptr inbounds double, ptr {base}, i64 {index}")
        x = self.put(f"load double, ptr {p}, align 8")
        v = self.put(f"insertelement {VECTOR} undef, double {x}, i32 0")
        return self.put(f"shufflevector {VECTOR} {v}, {VECTOR} undef, <8 x i32> zeroinitializer")

    def store_first(self, value: str, base: str, index: int) -> None:
        """Store the first lane's double."""
        x = self.put(f"extractelement {VECTOR} {value}, i32 0")
        p = self.put(f"getelementptr inbounds double, ptr {base}, i64 {index}")
        self.do(f"store double {x}, ptr {p}, align 8")

    def store(self, value: str, base: str, row: int, *, narrow: bool = False) -> None:
        """Store one row."""
        kind, memory, bytes_ = ("float", NARROW, 32) if narrow else ("double", VECTOR, 64)
        p = self.put(f"getelementptr inbounds {kind}, ptr {base}, i64 {LANES * row}")
        if narrow:
            value = self.put(f"fptrunc {VECTOR} {value} to {NARROW}")
        self.do(f"store {memory} {value}, ptr {p}, align {bytes_}")

    def binary(self, op: str, a: str, b: str) -> str:
        """fadd, fsub, fmul or fdiv."""
        return self.put(f"{op} {VECTOR} {a}, {b}")

    def neg(self, a: str) -> str:
        """Minus a."""
        return self.put(f"fneg {VECTOR} {a}")

    def fma(self, a: str, b: str, c: str) -> str:
        """A times b plus c, rounded once (twice on a CPU without FMA)."""
        if not self.fused:
            return self.binary("fadd", self.binary("fmul", a, b), c)
        return self.put(f"call {VECTOR} @llvm.fma.v8f64({VECTOR} {a}, {VECTOR} {b}, {VECTOR} {c})")

    def compare(self, op: str, a: str, b: str) -> str:
        """A mask from an ordered comparison."""
        return self.put(f"fcmp {op} {VECTOR} {a}, {b}")

    def choose(self, mask: str, a: str, b: str) -> str:
        """``a`` where the mask is set."""
        return self.put(f"select {MASK} {mask}, {VECTOR} {a}, {VECTOR} {b}")

    def as_bits(self, a: str) -> str:
        """The bits of doubles."""
        return self.put(f"bitcast {VECTOR} {a} to {BITS}")

    def as_doubles(self, a: str) -> str:
        """Doubles from bits."""
        return self.put(f"bitcast {BITS} {a} to {VECTOR}")

    def integer(self, op: str, a: str, b: int) -> str:
        """An integer operation with a constant."""
        return self.put(f"{op} {BITS} {a}, {integers(b)}")

    def polynomial(self, coefficients: Sequence[float], x: str) -> str:
        """Horner's scheme, highest power first."""
        value = literal(coefficients[0])
        for c in coefficients[1:]:
            value = self.fma(value, x, literal(c))
        return value

    def exp(self, x: str) -> str:
        """E to the x, within an ulp or two for |x| < 708, clamped outside."""
        k = Constants
        x = self.choose(self.compare("ogt", x, literal(k.EXP_MAX)), literal(k.EXP_MAX), x)
        x = self.choose(self.compare("olt", x, literal(-k.EXP_MAX)), literal(-k.EXP_MAX), x)
        shifted = self.fma(x, literal(k.LOG2E), literal(k.ROUND))
        n = self.binary("fsub", shifted, literal(k.ROUND))
        r = self.fma(n, literal(-k.LN2_HIGH), x)
        r = self.fma(n, literal(-k.LN2_LOW), r)
        value = self.polynomial(EXP, r)
        power = self.integer("shl", self.integer("add", self.as_bits(shifted), 1023), 52)
        return self.binary("fmul", value, self.as_doubles(power))

    def log(self, x: str) -> str:
        """The natural logarithm of normal positive x, within an ulp or two."""
        k = Constants
        bits = self.integer("add", self.as_bits(x), k.LOG_OFFSET)
        biased = self.integer("or", self.integer("lshr", bits, 52), k.TWO52_BITS)
        n = self.binary("fsub", self.as_doubles(biased), literal(k.TWO52 + 1023.0))
        mantissa = self.integer("add", self.integer("and", bits, k.MANTISSA), k.SQRT_HALF_BITS)
        m = self.as_doubles(mantissa)
        f = self.binary("fsub", m, literal(1.0))
        s = self.binary("fdiv", f, self.binary("fadd", m, literal(1.0)))
        z = self.binary("fmul", s, s)
        # log m = 2 s + s z P(z); f - s (f - z P) has the smaller rounding error (f = 2 s + s f)
        tail = self.binary("fmul", z, self.polynomial(LOG, z))
        low = self.fma(n, literal(k.LN2_LOW), self.neg(self.binary("fmul", s, self.binary("fsub", f, tail))))
        return self.fma(n, literal(k.LN2_HIGH), self.binary("fadd", f, low))

    def c_function(self, name: str, x: str) -> str:
        """A function of the C library, lane by lane."""
        result = "undef"
        for lane in range(LANES):
            a = self.put(f"extractelement {VECTOR} {x}, i32 {lane}")
            b = self.put(f"call double @{name}(double {a})")
            result = self.put(f"insertelement {VECTOR} {result}, double {b}, i32 {lane}")
        return result


class Emitter(Body):
    """Writes the code of graph nodes; what is known per patient is loaded from the rows ``%pre``.

    Those rows begin with the doubles of ``shared``, nodes that have one value for all patients (and their
    place): they are read as 8 bytes instead of 64.
    """

    def __init__(
        self,
        graph: Graph,
        hoisted: dict[int, int] | None,
        shared: Mapping[int, int] | None = None,
        *,
        fma: bool,
    ) -> None:
        super().__init__(fma=fma)
        self.graph = graph
        self.hoisted = hoisted
        self.shared = shared or {}
        self._front = -(-len(self.shared) // LANES)
        self.known: dict[int, str] = {}
        self._begun = 0  # the line at which the present block begins
        self.uses: Counter[int] = Counter()

    def plan(self, roots: Iterable[int]) -> None:
        """Count the uses of every node below the roots, so that products used once are fused into sums."""
        g = self.graph
        roots = list(roots)
        self.uses.update(roots)
        for node in g.order(roots):
            if g.op[node] not in LEAVES and not self._is_hoisted(node):
                self.uses.update(g.args[node])

    def _is_hoisted(self, node: int) -> bool:
        g = self.graph
        if node in self.shared:
            return True
        if self.hoisted is None or g.level[node] != 1:
            return False
        return g.op[node] != "par" and not g.is_boolean(node)  # rows hold numbers, not truth values

    def value(self, root: int) -> str:
        """The register (or literal) that holds a node; writes what is missing."""
        stack = [root]
        while stack:
            node = stack[-1]
            if node in self.known:
                stack.pop()
                continue
            missing = [a for a in self._needs(node) if a not in self.known]
            if missing:
                stack.extend(reversed(missing))
            else:
                if len(self.lines) - self._begun > BLOCK:
                    self._split(self._needs(node))
                self.known[node] = self._write(node)
                stack.pop()
        return self.known[root]

    def _split(self, needed: list[int]) -> None:
        """Begin a basic block, in which what earlier ones read is read again.

        A value that lives on costs a store and a load where registers run out; a row is one load. LLVM joins
        blocks with one way between them, so there is another way that is never taken.
        """
        self.blocks += 1
        self.lines += [f"  br i1 %never, label %exit, label %bb{self.blocks}", f"bb{self.blocks}:"]
        self._begun = len(self.lines)
        kept = set(needed)
        self.known = {v: name for v, name in self.known.items() if v in kept or not self._is_row(v)}

    def _is_row(self, node: int) -> bool:
        """A node that is read from memory."""
        return self.graph.op[node] in {"par", "state", "time"} or self._is_hoisted(node)

    def _slot(self, node: int) -> int:
        """The row of a hoisted node."""
        hoisted = self.hoisted if self.hoisted is not None else {}
        return hoisted.setdefault(node, self._front + len(hoisted))

    def _fusable(self, node: int) -> bool:
        """A product that is used once and not yet computed: it can be folded into the sum that uses it."""
        g = self.graph
        return (
            g.op[node] == "mul"
            and self.uses[node] == 1
            and node not in self.known
            and not self._is_hoisted(node)
        )

    def _needs(self, node: int) -> list[int]:
        g = self.graph
        if g.op[node] in LEAVES or self._is_hoisted(node):
            return []
        args = g.args[node]
        if g.op[node] == "add":
            a, b = args
            if self._fusable(b):
                return [*self._product_parts(b), a]
            if self._fusable(a):
                return [*self._product_parts(a), b]
        return list(args)

    def _product_parts(self, node: int) -> tuple[int, ...]:
        g = self.graph
        a, b = g.args[node]
        if a == g.minus_one:
            return g.args[b] if self._fusable(b) else (b,)
        return (a, b)

    def _write(self, node: int) -> str:  # noqa: PLR0911 - one line per kind of node
        g = self.graph
        op, args = g.op[node], g.args[node]
        if node in self.shared:
            return self.spread("%pre", self.shared[node])
        if op == "par":
            return self.load("%par", args[0])
        if op == "state":
            return self.load("%y", args[0])
        if op in LEAVES:
            return self._leaf(op, args)
        if self._is_hoisted(node):
            return self.load("%pre", self._slot(node))
        if op == "add":
            return self._sum(*args)
        v = [self.known[a] for a in args]
        if op == "mul":
            return self.neg(v[1]) if args[0] == g.minus_one else self.binary("fmul", v[0], v[1])
        return self._operation(op, args, v)

    def _leaf(self, op: str, args: tuple) -> str:  # type: ignore[type-arg]
        """A number, a truth value or the time."""
        if op == "time":
            return self.load("%t", 0)
        if op == "num":
            return literal(args[0])
        return "<" + ", ".join(["i1 true" if args[0] else "i1 false"] * LANES) + ">"

    def _operation(self, op: str, args: tuple, v: list[str]) -> str:  # type: ignore[type-arg]  # noqa: C901, PLR0911 - a line each
        """One operation on values that are already written."""
        match op:
            case "recip":
                return self.binary("fdiv", literal(1.0), v[0])
            case "exp":
                return self.exp(v[0])
            case "logp":
                low = literal(TINY)
                return self.log(self.choose(self.compare("olt", v[0], low), low, v[0]))
            case "log":
                return self._full_log(v[0])
            case "sqrt" | "floor":
                return self.put(f"call {VECTOR} @llvm.{op}.v8f64({VECTOR} {v[0]})")
            case "lt" | "le" | "eq":
                return self.compare(COMPARE[op], v[0], v[1])
            case "and" | "or":
                return self.put(f"{op} {MASK} {v[0]}, {v[1]}")
            case "not":
                return self.put(f"xor {MASK} {v[0]}, <" + ", ".join(["i1 true"] * LANES) + ">")
            case "select":
                if self.graph.is_boolean(args[1]):
                    return self.put(f"select {MASK} {v[0]}, {MASK} {v[1]}, {MASK} {v[2]}")
                return self.choose(*v)
        return self.c_function(op, v[0])

    def _sum(self, a: int, b: int) -> str:
        g = self.graph
        for product, other in ((b, a), (a, b)):
            if self._fusable(product):
                x, y = g.args[product]
                rest = self.known[other]
                if x != g.minus_one:
                    return self.fma(self.known[x], self.known[y], rest)
                if self._fusable(y):
                    x, y = g.args[y]
                    return self.fma(self.neg(self.known[x]), self.known[y], rest)
                return self.binary("fsub", rest, self.known[y])
        return self.binary("fadd", self.known[a], self.known[b])

    def _full_log(self, x: str) -> str:
        value = self.log(x)
        infinite = self.choose(
            self.compare("oeq", x, literal(0.0)), literal(float("-inf")), literal(float("nan"))
        )
        return self.choose(self.compare("oge", x, literal(Constants.SMALLEST_NORMAL)), value, infinite)
