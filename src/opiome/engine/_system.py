"""The mathematical model that SBML text means: states, parameters, right-hand sides, start values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opiome.engine._graph import Graph


@dataclass
class Trigger:
    """One SBML event: nodes of its condition, delay and priority, and what it assigns.

    ``assigned`` holds ``("state", i, node)`` and ``("par", slot, node)``.
    """

    name: str
    condition: int
    delay: int | None
    priority: int | None
    assigned: list[tuple[str, int, int]]
    initially: bool
    persistent: bool
    values_at_trigger: bool


@dataclass
class System:
    """States, parameter slots and the nodes that define them.

    ``parameters`` are free per patient; the slots after them (``derived``) are computed once at the start
    from their initial assignments. ``start`` and ``derived_start`` depend on parameters only.
    """

    graph: Graph
    states: list[str] = field(default_factory=list)
    rates: list[int] = field(default_factory=list)
    start: list[int] = field(default_factory=list)
    parameters: dict[str, float] = field(default_factory=dict)
    derived: list[str] = field(default_factory=list)
    derived_start: list[int] = field(default_factory=list)
    default_outputs: list[str] = field(default_factory=list)
    outputs: dict[str, int] = field(default_factory=dict)
    triggers: list[Trigger] = field(default_factory=list)
