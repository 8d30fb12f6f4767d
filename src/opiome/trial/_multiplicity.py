"""Several hypotheses, one error rate: p values adjusted so that each can be held against alpha.

Holm (Scand J Stat 1979;6:65), Hochberg (Biometrika 1988;75:800), the fixed sequence, and serial gatekeeping
over families of hypotheses (Westfall and Krishen, J Stat Plan Inference 2001;99:25): a family is tested, by
Holm, once everything before it is significant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["METHODS", "adjusted"]

METHODS = ("holm", "hochberg", "fixed_sequence", "gatekeeping")


def adjusted(p: Mapping[str, float], method: str, families: Sequence[Sequence[str]] = ()) -> dict[str, float]:
    """Adjusted p values.

    Args:
        p: hypothesis to its p value; NaN counts as 1.
        method: one of :data:`METHODS`.
        families: for gatekeeping, the hypotheses in the order of testing, family by family; for a fixed
            sequence families of one. Hypotheses that stand in none of them are left unadjusted out.

    Returns:
        Hypothesis to adjusted p value, for those that the procedure tests.
    """
    known = {name: 1.0 if np.isnan(value) else float(value) for name, value in p.items()}
    if method in {"holm", "hochberg"}:
        return _together(known, method)
    found: dict[str, float] = {}
    gate = 0.0
    for family in families:
        own = _together({name: known[name] for name in family if name in known}, "holm")
        found |= {name: max(value, gate) for name, value in own.items()}
        gate = max([gate, *own.values()])
    return found


def _together(p: Mapping[str, float], method: str) -> dict[str, float]:
    """Holm's step down or Hochberg's step up; the library's collects garbage at each call, 0.05 s of it."""
    names = sorted(p, key=lambda name: p[name])
    ordered = np.array([p[name] for name in names])
    times = ordered * np.arange(len(ordered), 0, -1)
    holm = method == "holm"
    steps = np.maximum.accumulate(times) if holm else np.minimum.accumulate(times[::-1])[::-1]
    found = dict(zip(names, np.minimum(steps, 1.0).tolist(), strict=True))
    return {name: found[name] for name in p}
