"""Symbolic derivatives on the graph, complete or up to a set of kept intermediate results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opiome.engine._graph import TINY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opiome.engine._graph import Graph

TIME = 0


class Derivatives:
    """Derivatives of nodes by *variables*: 0 the time, i + 1 state i, n + 1 + k the kept node k.

    A kept node is a variable of whatever uses it; only its own row (:meth:`row`) looks inside.
    """

    def __init__(self, graph: Graph, states: int, kept: Sequence[int] = ()) -> None:
        self.graph = graph
        self._kept = {node: states + 1 + k for k, node in enumerate(kept)}
        self._masks: dict[int, int] = {}
        self._known: dict[tuple[int, int], int] = {}

    def row(self, node: int) -> dict[int, int]:
        """The non-zero derivatives of the definition of ``node``, by variable."""
        mask = self._inner_mask(node)
        result = {}
        while mask:
            variable = (mask & -mask).bit_length() - 1
            mask &= mask - 1
            if (slope := self._inside(node, variable)) != self.graph.zero:
                result[variable] = slope
        return result

    def diff(self, node: int, variable: int) -> int:
        """The derivative of ``node``, as others see it, by a variable."""
        g = self.graph
        if not self._mask(node) >> variable & 1:
            return g.zero
        if node in self._kept:
            return g.one
        key = (node, variable)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._inside(node, variable)
        return found

    def _mask(self, node: int) -> int:
        """The variables that a node depends on, one bit each."""
        if node in self._kept:
            return 1 << self._kept[node]
        found = self._masks.get(node)
        if found is None:
            found = self._masks[node] = self._inner_mask(node)
        return found

    def _inner_mask(self, node: int) -> int:
        g = self.graph
        if not g.deps[node]:
            return 0
        if g.op[node] in ("state", "time"):
            return g.deps[node]
        mask = 0
        for a in g.args[node]:
            mask |= self._mask(a)
        return mask

    def _inside(self, node: int, variable: int) -> int:
        g = self.graph
        op, args = g.op[node], g.args[node]
        if op in ("state", "time"):
            return g.one
        if op == "add":
            return g.add(self.diff(args[0], variable), self.diff(args[1], variable))
        if op == "mul":
            a, b = args
            return g.add(g.mul(self.diff(a, variable), b), g.mul(a, self.diff(b, variable)))
        if op == "select":
            return g.select(args[0], self.diff(args[1], variable), self.diff(args[2], variable))
        if op in ("num", "par", "bool") or g.is_boolean(node):
            return g.zero
        return g.mul(_outer(g, node), self.diff(args[0], variable))


def _outer(g: Graph, node: int) -> int:  # noqa: PLR0911 - one return per function
    """The derivative of a function by its argument."""
    op, a = g.op[node], g.args[node][0]
    match op:
        case "exp":
            return node
        case "log":
            return g.recip(a)
        case "logp":  # 1 / max(a, TINY): finite at 0, and 0 in a power that vanishes there
            return g.recip(g.select(g.less(a, g.num(TINY)), g.num(TINY), a))
        case "recip":
            return g.neg(g.mul(node, node))
        case "sqrt":
            return g.mul(g.num(0.5), g.recip(node))
        case "sin":
            return g.unary("cos", a)
        case "cos":
            return g.neg(g.unary("sin", a))
        case "atan":
            return g.recip(g.add(g.one, g.mul(a, a)))
        case "asin" | "acos":
            slope = g.recip(g.unary("sqrt", g.sub(g.one, g.mul(a, a))))
            return slope if op == "asin" else g.neg(slope)
    return g.zero  # floor
