"""One answer per patient to an endpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Answers"]


@dataclass(frozen=True)
class Answers:
    """One answer per patient.

    ``kind`` is ``proportion`` (values 0 or 1), ``mean`` or ``median`` (values in the endpoint's unit) or
    ``time`` (hours, with ``event`` False where censored); NaN where missing. All arrays have shape (n,).

    What an adjusted analysis needs stands beside them: ``baseline`` (the run-in's value), ``visits`` (the
    answer visit by visit, shape (n, v), NaN where missing), ``stratum`` (a number for each stratum of the
    randomisation) and ``weights`` (how many people each stands for; None where all stand for one).
    """

    kind: str
    values: NDArray[np.float64]
    event: NDArray[np.bool_] | None = None
    baseline: NDArray[np.float64] | None = None
    visits: NDArray[np.float64] | None = None
    stratum: NDArray[np.int64] | None = None
    weights: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: NDArray[np.intp]) -> Answers:
        """The answers of some patients (positions, as often as they stand there)."""
        beside: dict[str, Any] = {
            name: None if (values := getattr(self, name)) is None else values[rows]
            for name in ("event", "baseline", "visits", "stratum", "weights")
        }
        return replace(self, values=self.values[rows], **beside)

    @classmethod
    def join(cls, parts: Sequence[Answers]) -> Answers:
        """The answers of several groups of patients, one under the other."""
        beside: dict[str, Any] = {}
        for name in ("event", "baseline", "visits", "stratum", "weights"):
            known = [values for part in parts if (values := getattr(part, name)) is not None]
            beside[name] = np.concatenate(known) if len(known) == len(parts) else None
        return cls(parts[0].kind, np.concatenate([part.values for part in parts]), **beside)
