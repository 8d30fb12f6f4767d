"""Which states are a drug's own: what a steady state of its doses puts in place, and nothing else.

The dependence of each rate on each state has a level: 0 or 1 means linearly, with a coefficient known per
patient; 2 means anything else. A *fixed link* j -> i is a dependence of rate i on state j of level 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from opiome.errors import DoseError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Rows = dict[int, dict[int, int]]
FIXED = 2  # levels below it are fixed per patient
MOST_STATES = 24  # a loop through more of them is the body's, not the drug's


@dataclass(frozen=True)
class OwnBlock:
    """``states``: indices, ascending; ``linear``: all links among them are fixed."""

    states: NDArray[np.int64]
    linear: bool


def dependencies(meta: dict[str, Any], n: int) -> Rows:
    """The states that each rate depends on, with the level, seen through kept intermediate results."""
    rows: Rows = {i: {} for i in range(meta["rows"])}
    for i, j, level in meta["pattern"]:
        rows[i][j] = level
    known: Rows = {}

    def through(i: int) -> dict[int, int]:
        if i not in known:
            found: dict[int, int] = {}
            for j, level in rows[i].items():
                for k, inner in ({j: level} if j < n else through(j)).items():
                    found[k] = max(found.get(k, 0), level, inner)
            known[i] = found
        return known[i]

    return {i: through(i) for i in range(n)}


def own_block(meta: dict[str, Any], names: Sequence[str], entry: int) -> OwnBlock:
    """The drug's own states around the state ``entry`` that is dosed.

    Linear: the linear states connected to it. Otherwise everything that it depends on, and what it reaches by
    fixed links. States that only accumulate (nothing removes them, nothing depends on them) have no steady
    state and stay out.

    Raises:
        DoseError: the block depends on the time, or is so large that it is not the drug's own.
    """
    rows = dependencies(meta, len(names))
    timed = set(meta["timed"])
    linear = {i for i in rows if i not in timed and all(level < FIXED for level in rows[i].values())}
    block = _connected(rows, entry, linear)
    while True:
        keep = _lasting(rows, {i for i in block & linear if rows[i].keys() <= block})
        if keep == block:
            break
        block = keep
    if entry in block and not _lasting(rows, _fed(rows, block)):
        return OwnBlock(np.array(sorted(block), np.int64), linear=True)
    block = _lasting(rows, _closed(rows, entry))
    if entry in block and not block & timed and len(block) <= MOST_STATES:
        return OwnBlock(np.array(sorted(block), np.int64), linear=False)
    raise DoseError(
        Problem(
            f"`{names[entry]}` {_why(block, timed, entry, names)}, so its steady state cannot be solved",
            field="SS",
            remedy="give the earlier doses with II and ADDL instead",
        )
    )


def _why(block: set[int], timed: set[int], entry: int, names: Sequence[str]) -> str:
    if entry not in block:
        return "only accumulates"
    if block & timed:
        return f"has no block of its own: `{names[min(block & timed)]}` depends on the time"
    others = ", ".join(f"`{names[i]}`" for i in sorted(block - {entry})[:4])
    return f"has no block of its own: it is tied to {len(block) - 1} other states ({others}, ...)"


def _connected(rows: Rows, entry: int, linear: set[int]) -> set[int]:
    """The linear states that feed ``entry`` or are fed by it, on any path."""
    block, front = {entry}, [entry]
    while front:
        k = front.pop()
        near = (set(rows[k]) | {i for i in linear if k in rows[i]}) & linear - block
        block |= near
        front.extend(near)
    return block


def _fed(rows: Rows, block: set[int]) -> set[int]:
    """States outside a block that a fixed link leads to."""
    return {i for i in rows if i not in block and any(rows[i].get(j, FIXED) < FIXED for j in block)}


def _closed(rows: Rows, entry: int) -> set[int]:
    """What ``entry`` reaches by fixed links, and all that these states depend on."""
    block = {entry}
    while True:
        more = {j for i in block for j in rows[i]} | _fed(rows, block)
        if more <= block:
            return block
        block |= more


def _lasting(rows: Rows, block: set[int]) -> set[int]:
    """Without states that only accumulate."""
    while True:
        keep = {i for i in block if i in rows[i] or any(i in rows[k] for k in block if k != i)}
        if keep == block:
            return keep
        block = keep
