"""Which numbers are the same for all patients: parameters that do not vary, and what follows from them.

A step reads some 700 numbers per patient and stage. One that all patients share is read as 8 bytes for all
lanes, instead of 64; the operations, and so the bits, stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opiome.engine._graph import DYNAMIC, FIXED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from opiome.engine._graph import Graph
    from opiome.engine._system import System


def shared_slots(system: System, names: Collection[str]) -> set[int]:
    """Parameter slots with one value for all patients: those of ``names``, and what is derived from them.

    A parameter that an SBML event assigns differs between patients at any one time.
    """
    assigned = {slot for k in system.triggers for kind, slot, _ in k.assigned if kind == "par"}
    slots = {i for i, name in enumerate(system.parameters) if name in names} - assigned
    if slots:
        for i, node in enumerate(system.derived_start, start=len(system.parameters)):
            if i not in assigned and parameters_below(system.graph, node) <= slots:
                slots.add(i)
    return slots


def parameters_below(graph: Graph, node: int) -> set[int]:
    """The parameter slots that a node is made of."""
    return {graph.args[v][0] for v in graph.order([node]) if graph.op[v] == "par"}


def shared_nodes(graph: Graph, roots: Iterable[int], slots: set[int]) -> dict[int, int]:
    """Nodes made of ``slots`` only that what changes in time reads, each with its place."""
    if not slots:
        return {}
    roots, same = list(roots), _Same(graph, slots)
    read = dict.fromkeys(roots)
    for node in graph.order(roots):
        # a truth value has no row of its own and is made where it is used
        made = graph.level[node] == DYNAMIC or graph.is_boolean(node)
        if made and graph.op[node] not in {"state", "time", "bool"}:
            read |= dict.fromkeys(graph.args[node])
    found = (v for v in read if graph.level[v] == FIXED and not graph.is_boolean(v) and same.of(v))
    return {node: place for place, node in enumerate(found)}


class _Same:
    """Tell whether a node depends on given parameter slots only; what was found is kept."""

    def __init__(self, graph: Graph, slots: set[int]) -> None:
        self.graph, self.slots = graph, slots
        self._known: dict[int, bool] = {}

    def of(self, root: int) -> bool:
        g = self.graph
        for node in g.order([root]):
            if node not in self._known:
                leaf = g.op[node] in {"num", "par", "bool"}
                self._known[node] = (
                    g.op[node] != "par" or g.args[node][0] in self.slots
                    if leaf
                    else all(self._known[a] for a in g.args[node])
                )
        return self._known[root]
