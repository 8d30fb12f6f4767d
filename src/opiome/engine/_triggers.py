"""SBML events as the driver reads them; what is pending for each patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PENDING = 16  # executions of delayed events that can wait per patient, and per trigger


@dataclass(frozen=True)
class Triggers:
    """Arrays of triggers.

    ``kinds`` (k, 2): persistent, values from the time of the trigger. ``first`` (k + 1,): where each one's
    assignments begin in ``assigned`` (m, 2): 0 a state or 1 a parameter slot, and its index. ``rows``: of
    the kernel that computes delay, priority and values.
    """

    kinds: NDArray[np.bool_]
    first: NDArray[np.int64]
    assigned: NDArray[np.int64]
    rows: int


def tables(triggers: list[dict[str, Any]]) -> Triggers:
    """Arrays of the triggers of a program."""
    sizes = [len(k["assigned"]) for k in triggers]
    return Triggers(
        np.array([[k["persistent"], k["at_trigger"]] for k in triggers], bool).reshape(-1, 2),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.array([a for k in triggers for a in k["assigned"]], np.int64).reshape(-1, 2),
        2 * len(triggers) + sum(sizes),
    )


def memory(triggers: list[dict[str, Any]], n: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Truth of each condition (n, k), and what waits: (n, slots, time + trigger + order + values)."""
    flags = np.tile(np.array([k["initially"] for k in triggers], bool), (n, 1))
    widest = max((len(k["assigned"]) for k in triggers), default=0)
    pending = np.full((n, PENDING * len(triggers), 3 + widest), np.inf)
    return flags, pending
