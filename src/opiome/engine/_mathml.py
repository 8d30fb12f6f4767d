"""SBML mathematics (libSBML's syntax trees) to graph nodes."""

# ruff: noqa: ANN401 - libSBML's trees have no types
from __future__ import annotations

import math
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import libsbml

from opiome.errors import UnsupportedSbmlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from opiome.engine._graph import Graph

NUMBERS = (libsbml.AST_INTEGER, libsbml.AST_REAL, libsbml.AST_REAL_E, libsbml.AST_RATIONAL)
CONSTANTS = {
    libsbml.AST_CONSTANT_E: math.e,
    libsbml.AST_CONSTANT_PI: math.pi,
    libsbml.AST_NAME_AVOGADRO: 6.02214179e23,  # the value that SBML level 3 fixes
}
PLAIN = {
    libsbml.AST_FUNCTION_EXP: "exp",
    libsbml.AST_FUNCTION_LN: "log",
    libsbml.AST_FUNCTION_FLOOR: "floor",
    libsbml.AST_FUNCTION_SIN: "sin",
    libsbml.AST_FUNCTION_COS: "cos",
    libsbml.AST_FUNCTION_ARCSIN: "asin",
    libsbml.AST_FUNCTION_ARCCOS: "acos",
    libsbml.AST_FUNCTION_ARCTAN: "atan",
}
OF_RECIPROCAL = {  # inverse functions f(x) = g(1/x)
    libsbml.AST_FUNCTION_ARCSEC: libsbml.AST_FUNCTION_ARCCOS,
    libsbml.AST_FUNCTION_ARCCSC: libsbml.AST_FUNCTION_ARCSIN,
    libsbml.AST_FUNCTION_ARCSECH: libsbml.AST_FUNCTION_ARCCOSH,
    libsbml.AST_FUNCTION_ARCCSCH: libsbml.AST_FUNCTION_ARCSINH,
    libsbml.AST_FUNCTION_ARCCOTH: libsbml.AST_FUNCTION_ARCTANH,
}
RELATIONS = (
    libsbml.AST_RELATIONAL_LT,
    libsbml.AST_RELATIONAL_LEQ,
    libsbml.AST_RELATIONAL_GT,
    libsbml.AST_RELATIONAL_GEQ,
    libsbml.AST_RELATIONAL_EQ,
    libsbml.AST_RELATIONAL_NEQ,
)


class Translator:
    """Turns syntax trees into nodes; ``symbol(name)`` gives the node of an identifier."""

    def __init__(
        self,
        graph: Graph,
        functions: dict[str, Any],
        symbol: Callable[[str], int],
        time: int,
        rate: Callable[[str], int],
    ) -> None:
        self.graph, self.functions, self.symbol, self.time, self.rate = graph, functions, symbol, time, rate

    def number(self, tree: Any, scope: dict[str, int], where: str) -> int:
        """The node of a tree as a number (true is 1, false 0)."""
        node = self.node(tree, scope, where)
        g = self.graph
        return g.select(node, g.one, g.zero) if g.is_boolean(node) else node

    def truth(self, tree: Any, scope: dict[str, int], where: str) -> int:
        """The node of a tree as a truth value (0 is false)."""
        node = self.node(tree, scope, where)
        return (
            node
            if self.graph.is_boolean(node)
            else self.graph.negate(self.graph.equal(node, self.graph.zero))
        )

    def node(  # noqa: C901, PLR0911 - one return per kind of tree
        self, tree: Any, scope: dict[str, int], where: str
    ) -> int:
        """The node of a tree; ``scope`` names local parameters and function arguments."""
        g, kind = self.graph, tree.getType()
        if kind in NUMBERS:
            return g.num(tree.getValue())
        if kind in CONSTANTS:
            return g.num(CONSTANTS[kind])
        if kind == libsbml.AST_NAME:
            name = tree.getName()
            return scope[name] if name in scope else self.symbol(name)
        if kind == libsbml.AST_NAME_TIME:
            return self.time
        if kind in (libsbml.AST_CONSTANT_TRUE, libsbml.AST_CONSTANT_FALSE):
            return g.boolean(kind == libsbml.AST_CONSTANT_TRUE)
        if kind == libsbml.AST_FUNCTION:
            return self._call(tree, scope, where)
        if kind == libsbml.AST_FUNCTION_PIECEWISE:
            return self._piecewise(tree, scope, where)
        if kind in RELATIONS:
            return self._relation(tree, scope, where)
        children = [tree.getChild(i) for i in range(tree.getNumChildren())]
        if kind == libsbml.AST_FUNCTION_RATE_OF:
            name = children[0].getName()
            return g.zero if name in scope else self.rate(name)  # a local parameter stays what it is
        logic = self._logic(kind, children, scope, where)
        if logic is not None:
            return logic
        result = self._function(kind, [self.number(c, scope, where) for c in children])
        if result is None:
            known = {libsbml.AST_FUNCTION_DELAY: "delay", libsbml.AST_FUNCTION_FACTORIAL: "factorial"}
            name = known.get(kind) or tree.getName() or libsbml.formulaToL3String(tree)
            raise UnsupportedSbmlError(
                f"{where} uses `{name}`, which the engine does not integrate (no delays, random draws or "
                "factorials); rewrite it with states, piecewise or a table of events"
            )
        return result

    def _logic(self, kind: int, children: list[Any], scope: dict[str, int], where: str) -> int | None:
        g = self.graph
        if kind == libsbml.AST_LOGICAL_NOT:
            return g.negate(self.truth(children[0], scope, where))
        if kind in (libsbml.AST_LOGICAL_AND, libsbml.AST_LOGICAL_OR, libsbml.AST_LOGICAL_XOR):
            parts = [self.truth(c, scope, where) for c in children]
            if kind == libsbml.AST_LOGICAL_AND:
                return reduce(g.both, parts, g.true)
            if kind == libsbml.AST_LOGICAL_OR:
                return reduce(g.either, parts, g.false)
            return reduce(lambda a, b: g.both(g.either(a, b), g.negate(g.both(a, b))), parts, g.false)
        if kind == libsbml.AST_LOGICAL_IMPLIES:
            a, b = (self.truth(c, scope, where) for c in children)
            return g.either(g.negate(a), b)
        return None

    def _function(self, kind: int, a: list[int]) -> int | None:  # noqa: C901, PLR0911, PLR0912 - one line per operator
        g = self.graph
        if kind in PLAIN:
            return g.unary(PLAIN[kind], a[0])
        match kind:
            case libsbml.AST_PLUS:
                return g.total(a)
            case libsbml.AST_TIMES:
                return reduce(g.mul, a, g.one)
            case libsbml.AST_MINUS:
                return g.neg(a[0]) if len(a) == 1 else g.sub(a[0], a[1])
            case libsbml.AST_DIVIDE:
                return g.div(a[0], a[1])
            case libsbml.AST_POWER | libsbml.AST_FUNCTION_POWER:
                return g.power(a[0], a[1])
            case libsbml.AST_FUNCTION_ROOT:
                return g.unary("sqrt", a[0]) if len(a) == 1 else g.power(a[1], g.recip(a[0]))
            case libsbml.AST_FUNCTION_LOG:  # one argument: base 10
                base, x = (g.num(10.0), a[0]) if len(a) == 1 else a
                return g.div(g.unary("log", x), g.unary("log", base))
            case libsbml.AST_FUNCTION_ABS:
                return g.select(g.less(a[0], g.zero), g.neg(a[0]), a[0])
            case libsbml.AST_FUNCTION_CEILING:
                return g.neg(g.unary("floor", g.neg(a[0])))
            case libsbml.AST_FUNCTION_MIN:
                return reduce(lambda x, y: g.select(g.less(y, x), y, x), a)
            case libsbml.AST_FUNCTION_MAX:
                return reduce(lambda x, y: g.select(g.less(x, y), y, x), a)
            case libsbml.AST_FUNCTION_QUOTIENT:
                return self._truncate(g.div(a[0], a[1]))
            case libsbml.AST_FUNCTION_REM:
                return g.sub(a[0], g.mul(a[1], self._truncate(g.div(a[0], a[1]))))
            case libsbml.AST_FUNCTION_FACTORIAL:
                value = g.value(a[0])
                whole = value is not None and value >= 0 and value.is_integer()
                return g.num(math.gamma(value + 1.0)) if whole and value <= 170 else None  # type: ignore[operator] # noqa: PLR2004 - 171! is no double
        return self._circular(kind, a[0]) if len(a) == 1 else None

    def _truncate(self, x: int) -> int:
        g = self.graph
        down = g.unary("floor", x)
        return g.select(g.less(x, g.zero), g.neg(g.unary("floor", g.neg(x))), down)

    def _circular(self, kind: int, x: int) -> int | None:  # noqa: C901, PLR0911, PLR0912 - one line per function
        """Trigonometric and hyperbolic functions by their definitions."""
        g = self.graph
        half, two = g.num(0.5), g.num(2.0)
        if kind in OF_RECIPROCAL:
            return self._circular(OF_RECIPROCAL[kind], g.recip(x))
        match kind:
            case libsbml.AST_FUNCTION_ARCSIN | libsbml.AST_FUNCTION_ARCCOS:
                return g.unary(PLAIN[kind], x)
            case libsbml.AST_FUNCTION_ARCCOT:  # between 0 and pi, as MathML has it for x > 0
                return g.unary("atan", g.recip(x))
            case libsbml.AST_FUNCTION_ARCSINH:  # from |x|: no digits cancel below 0
                size = g.select(g.less(x, g.zero), g.neg(x), x)
                root = g.unary("sqrt", g.add(g.mul(size, size), g.one))
                value = g.unary("log", g.add(size, root))
                return g.select(g.less(x, g.zero), g.neg(value), value)
            case libsbml.AST_FUNCTION_ARCCOSH:
                root = g.mul(g.unary("sqrt", g.sub(x, g.one)), g.unary("sqrt", g.add(x, g.one)))
                return g.unary("log", g.add(x, root))
            case libsbml.AST_FUNCTION_ARCTANH:
                return g.mul(half, g.unary("log", g.div(g.add(g.one, x), g.sub(g.one, x))))
            case libsbml.AST_FUNCTION_SECH:
                return g.recip(g.mul(half, g.add(g.unary("exp", x), g.unary("exp", g.neg(x)))))
            case libsbml.AST_FUNCTION_CSCH:
                return g.recip(g.mul(half, g.sub(g.unary("exp", x), g.unary("exp", g.neg(x)))))
            case libsbml.AST_FUNCTION_COTH:
                return g.add(g.one, g.div(two, g.sub(g.unary("exp", g.mul(two, x)), g.one)))
            case libsbml.AST_FUNCTION_TAN:
                return g.div(g.unary("sin", x), g.unary("cos", x))
            case libsbml.AST_FUNCTION_COT:
                return g.div(g.unary("cos", x), g.unary("sin", x))
            case libsbml.AST_FUNCTION_SEC:
                return g.recip(g.unary("cos", x))
            case libsbml.AST_FUNCTION_CSC:
                return g.recip(g.unary("sin", x))
            case libsbml.AST_FUNCTION_SINH:
                return g.mul(half, g.sub(g.unary("exp", x), g.unary("exp", g.neg(x))))
            case libsbml.AST_FUNCTION_COSH:
                return g.mul(half, g.add(g.unary("exp", x), g.unary("exp", g.neg(x))))
            case libsbml.AST_FUNCTION_TANH:
                return g.sub(g.one, g.div(two, g.add(g.one, g.unary("exp", g.mul(two, x)))))
        return None

    def _call(self, tree: Any, scope: dict[str, int], where: str) -> int:
        definition = self.functions.get(tree.getName())
        if definition is None:
            raise UnsupportedSbmlError(
                f"{where} calls `{tree.getName()}`, which no functionDefinition defines"
            )
        n = definition.getNumArguments()
        if n != tree.getNumChildren():
            raise UnsupportedSbmlError(
                f"{where} calls `{tree.getName()}` with {tree.getNumChildren()} arguments; it takes {n}"
            )
        inner = {
            definition.getArgument(i).getName(): self.node(tree.getChild(i), scope, where) for i in range(n)
        }
        return self.node(definition.getBody(), inner, where)

    def _piecewise(self, tree: Any, scope: dict[str, int], where: str) -> int:
        g, n = self.graph, tree.getNumChildren()
        result = self.number(tree.getChild(n - 1), scope, where) if n % 2 else g.num(math.nan)
        for i in range(n - n % 2 - 2, -1, -2):
            condition = self.truth(tree.getChild(i + 1), scope, where)
            result = g.select(condition, self.number(tree.getChild(i), scope, where), result)
        return result

    def _relation(self, tree: Any, scope: dict[str, int], where: str) -> int:
        g, kind = self.graph, tree.getType()
        a = [self.number(tree.getChild(i), scope, where) for i in range(tree.getNumChildren())]
        result = g.true
        for x, y in pairwise(a):
            match kind:
                case libsbml.AST_RELATIONAL_LT:
                    pair = g.less(x, y)
                case libsbml.AST_RELATIONAL_LEQ:
                    pair = g.less(x, y, or_equal=True)
                case libsbml.AST_RELATIONAL_GT:
                    pair = g.less(y, x)
                case libsbml.AST_RELATIONAL_GEQ:
                    pair = g.less(y, x, or_equal=True)
                case libsbml.AST_RELATIONAL_EQ:
                    pair = g.equal(x, y)
                case _:
                    pair = g.negate(g.equal(x, y))
            result = g.both(result, pair)
        return result
