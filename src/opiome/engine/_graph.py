"""Expressions as one hash-consed graph: equal expressions are one node, so common parts are shared by birth.

A node is an integer. Each has a *level*: 0 number, 1 known once the patient's parameters are known, 2 changes
in time (depends on the time or on a state). Products and sums gather their parameter-only parts, so that
these can be computed once per patient. ``deps`` is a bit mask: bit 0 the time, bit i + 1 state i.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CONSTANT, FIXED, DYNAMIC = range(3)  # levels
LARGEST_UNROLLED = 16
TINY = 1e-30  # non-integer powers see max(base, TINY): no NaN from a base that rounding made negative

BOOLEAN = frozenset({"lt", "le", "eq", "and", "or", "not"})
UNARY: dict[str, Callable[[float], float]] = {
    "exp": lambda x: math.exp(min(x, 709.0)),
    "log": lambda x: math.log(x) if x > 0 else (-math.inf if x == 0 else math.nan),
    "logp": lambda x: math.log(max(x, TINY)),
    "sqrt": lambda x: math.sqrt(x) if x >= 0 else math.nan,
    "recip": lambda x: 1.0 / x if x else math.copysign(math.inf, x),
    "floor": lambda x: float(math.floor(x)) if math.isfinite(x) else x,
    "sin": math.sin,
    "cos": math.cos,
    "asin": lambda x: math.asin(x) if abs(x) <= 1 else math.nan,
    "acos": lambda x: math.acos(x) if abs(x) <= 1 else math.nan,
    "atan": math.atan,
}


class Graph:
    """The nodes of one model: ``op[i]``, ``args[i]`` (nodes, or the value, index or name of a leaf)."""

    def __init__(self) -> None:
        self.op: list[str] = []
        self.args: list[tuple] = []  # type: ignore[type-arg]
        self.deps: list[int] = []
        self.level: list[int] = []
        self._known: dict[tuple, int] = {}  # type: ignore[type-arg]
        self.zero, self.one, self.minus_one = self.num(0.0), self.num(1.0), self.num(-1.0)
        self.true, self.false = self._node("bool", (True,), 0, 0), self._node("bool", (False,), 0, 0)

    def _node(self, op: str, args: tuple, deps: int, level: int) -> int:  # type: ignore[type-arg]
        key = (op, *args)
        if op == "num":
            key = (op, float.hex(args[0]))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self.op)
            self.op.append(op)
            self.args.append(args)
            self.deps.append(deps)
            self.level.append(level)
        return found

    def _apply(self, op: str, *args: int) -> int:
        deps = 0
        for a in args:
            deps |= self.deps[a]
        level = DYNAMIC if deps else max(self.level[a] for a in args)
        return self._node(op, args, deps, level)

    # leaves
    def num(self, value: float) -> int:
        """A number."""
        return self._node("num", (float(value),), 0, 0)

    def parameter(self, index: int) -> int:
        """The parameter in slot ``index``."""
        return self._node("par", (index,), 0, 1)

    def state(self, index: int) -> int:
        """State ``index``."""
        return self._node("state", (index,), 2 << index, 2)

    @property
    def time(self) -> int:
        """The time."""
        return self._node("time", (), 1, 2)

    def value(self, node: int) -> float | None:
        """The number that a node is, or None."""
        return self.args[node][0] if self.op[node] == "num" else None

    # arithmetic
    def add(self, a: int, b: int) -> int:
        """``a + b``."""
        if self.level[a] > self.level[b] or (self.level[a] == self.level[b] and a > b):
            a, b = b, a
        va, vb = self.value(a), self.value(b)
        if va is not None and vb is not None:
            return self.num(va + vb)
        if va == 0.0:
            return b
        if (
            self.level[a] < DYNAMIC
            and self.level[b] == DYNAMIC
            and self.op[b] == "add"
            and self.level[self.args[b][0]] < DYNAMIC
        ):
            inner = self.args[b]
            return self.add(self.add(a, inner[0]), inner[1])
        return self._apply("add", a, b)

    def total(self, terms: Iterable[int]) -> int:
        """The sum of ``terms``, parameter-only ones first."""
        sums = [self.zero, self.zero, self.zero]
        for term in terms:
            sums[self.level[term]] = self.add(sums[self.level[term]], term)
        return self.add(self.add(sums[0], sums[1]), sums[2])

    def mul(self, a: int, b: int) -> int:  # noqa: PLR0911 - one return per simplification
        """``a * b``; the part known per patient is gathered in front."""
        if self.level[a] > self.level[b] or (self.level[a] == self.level[b] and a > b):
            a, b = b, a
        va, vb = self.value(a), self.value(b)
        if va is not None:
            if vb is not None:
                return self.num(va * vb)
            if va == 0.0:
                return self.zero
            if va == 1.0:
                return b
        fa, ra = self._factor(a)
        fb, rb = self._factor(b)
        if self.level[a] < DYNAMIC:
            if self.level[b] == DYNAMIC and fb is not None:
                return self.mul(self.mul(a, fb), rb)
            if va is not None and self.op[b] == "mul" and self.value(self.args[b][0]) is not None:
                return self.mul(self.mul(a, self.args[b][0]), self.args[b][1])
            return self._apply("mul", a, b)
        if fa is None and fb is None:
            return self._apply("mul", a, b)
        front = fb if fa is None else fa if fb is None else self.mul(fa, fb)
        return self.mul(front, self._product(ra, rb))  # type: ignore[arg-type]

    def _product(self, a: int, b: int) -> int:
        return self._apply("mul", *sorted((a, b)))

    def _factor(self, node: int) -> tuple[int | None, int]:
        """Split ``p * x`` into p (known per patient) and x."""
        if (
            self.op[node] == "mul"
            and self.level[self.args[node][0]] < DYNAMIC
            and self.level[node] == DYNAMIC
        ):
            return self.args[node]
        return None, node

    def neg(self, a: int) -> int:
        """``-a``."""
        return self.mul(self.minus_one, a)

    def sub(self, a: int, b: int) -> int:
        """``a - b``."""
        return self.zero if a == b else self.add(a, self.neg(b))

    def div(self, a: int, b: int) -> int:
        """``a / b``."""
        va, vb = self.value(a), self.value(b)
        if va is not None and vb is not None and vb != 0.0:
            return self.num(va / vb)
        return self.mul(a, self.recip(b))

    def recip(self, a: int) -> int:
        """``1 / a``; taken apart so that factors known per patient are inverted once per patient."""
        factor, rest = self._factor(a)
        if factor is not None:
            return self.mul(self.recip(factor), self.recip(rest))
        if self.op[a] == "recip":
            return self.args[a][0]  # type: ignore[no-any-return]
        return self.unary("recip", a)

    def unary(self, op: str, a: int) -> int:
        """``op(a)`` for an op of ``UNARY``."""
        va = self.value(a)
        if va is not None:
            return self.num(UNARY[op](va))
        if op == "logp":
            if self.op[a] == "exp":
                return self.args[a][0]  # type: ignore[no-any-return]
            if self.op[a] == "recip" and self.level[a] == 1:
                return self.neg(self.unary("logp", self.args[a][0]))
            factor, rest = self._factor(a)
            if factor is not None and not ((v := self.value(factor)) is not None and v <= 0.0):
                return self.add(self.unary("logp", factor), self.unary("logp", rest))
        return self._apply(op, a)

    def power(self, a: int, n: int) -> int:
        """``a ** n``; small integer powers are unrolled, others are ``exp(n log max(a, TINY))``."""
        vn, va = self.value(n), self.value(a)
        if vn is not None and va is not None:
            try:
                result = va**vn
            except (ZeroDivisionError, OverflowError):
                result = math.inf
            return self.num(math.nan if isinstance(result, complex) else result)
        if vn is not None and vn == int(vn) and abs(vn) <= LARGEST_UNROLLED:
            return self._integer_power(a, int(vn))
        if vn == 0.5:  # noqa: PLR2004 - a square root
            return self.unary("sqrt", a)
        return self.unary("exp", self.mul(n, self.unary("logp", a)))

    def _integer_power(self, a: int, n: int) -> int:
        if n < 0:
            return self.recip(self._integer_power(a, -n))
        result, base = self.one, a
        while n:
            if n & 1:
                result = self.mul(result, base)
            n >>= 1
            if n:
                base = self.mul(base, base)
        return result

    # logic
    def less(self, a: int, b: int, *, or_equal: bool = False) -> int:
        """``a < b`` or ``a <= b``."""
        va, vb = self.value(a), self.value(b)
        if va is not None and vb is not None:
            return self.boolean(va <= vb if or_equal else va < vb)
        return self._apply("le" if or_equal else "lt", a, b)

    def equal(self, a: int, b: int) -> int:
        """``a == b``."""
        va, vb = self.value(a), self.value(b)
        if va is not None and vb is not None:
            return self.boolean(va == vb)
        return self._apply("eq", a, b)

    def boolean(self, value: bool) -> int:  # noqa: FBT001 - a truth value is what it makes
        """True or false."""
        return self.true if value else self.false

    def both(self, a: int, b: int) -> int:
        """``a and b``."""
        if self.false in (a, b):
            return self.false
        return b if a == self.true else a if b == self.true else self._apply("and", a, b)

    def either(self, a: int, b: int) -> int:
        """``a or b``."""
        if self.true in (a, b):
            return self.true
        return b if a == self.false else a if b == self.false else self._apply("or", a, b)

    def negate(self, a: int) -> int:
        """``not a``."""
        if self.op[a] == "bool":
            return self.boolean(not self.args[a][0])
        return self._apply("not", a)

    def select(self, condition: int, a: int, b: int) -> int:
        """``a`` where the condition holds, else ``b``."""
        if a == b or condition == self.true:
            return a
        return b if condition == self.false else self._apply("select", condition, a, b)

    def is_boolean(self, node: int) -> bool:
        """Tell whether a node is a truth value."""
        return self.op[node] in BOOLEAN or self.op[node] == "bool"

    def order(self, roots: Iterable[int]) -> list[int]:
        """Every node below ``roots``, arguments before users, the parts of one root close together."""
        seen: set[int] = set()
        result: list[int] = []
        for root in roots:
            stack = [(root, False)]
            while stack:
                node, ready = stack.pop()
                if ready:
                    result.append(node)
                elif node not in seen:
                    seen.add(node)
                    stack.append((node, True))
                    if self.op[node] not in ("num", "par", "state", "time", "bool"):
                        stack.extend((a, False) for a in reversed(self.args[node]) if a not in seen)
        return result
