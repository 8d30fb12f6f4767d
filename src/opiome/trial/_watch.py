"""Which of the model's variables a trial records, and where they stand in the engine's arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from opiome.errors import ModelError, Problem
from opiome.trial._adverse import EVENT_SIGNS
from opiome.trial._bowel import SIGNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from opiome.cohort import Cohort
    from opiome.engine import Program
    from opiome.model import Model

__all__ = ["PAIN", "Watch"]

PAIN = "nrs"
"""The observable that the daily pain score is drawn from."""


@dataclass(frozen=True)
class Watch:
    """The recorded variables.

    Attributes:
        names: the observables and the nodes' variables that the program has: outputs first, then states.
        outputs: columns of the recorded outputs among those of the program.
        states: columns of the recorded states among those of the program.
        signs: name to column, among the program's outputs, of what the diary and adverse events are
            drawn from.
    """

    names: tuple[str, ...]
    outputs: NDArray[np.intp]
    states: NDArray[np.intp]
    signs: Mapping[str, int]

    @classmethod
    def of(cls, model: Model, program: Program, only: Sequence[str] | None = None) -> Self:
        """What to record of a model; raises ModelError if the diary's observables are missing.

        With ``only``, these variables are recorded and no others.
        """
        wanted = list(dict.fromkeys([*SIGNS, PAIN, *model.observables["id"], *model.nodes["observable"]]))
        if only is not None:
            wanted = list(only)
        missing = [name for name in (*SIGNS, PAIN) if name not in program.outputs]
        if missing:
            raise ModelError(
                Problem(
                    f"the diary needs {', '.join(missing)}, which the model does not compute",
                    expected=f"assignment rules for {', '.join((*SIGNS, PAIN))}",
                    remedy="add them to a fragment of the model",
                )
            )
        outputs = [name for name in wanted if name in program.outputs]
        states = [name for name in wanted if name not in program.outputs and name in program.states]
        return cls(
            names=(*outputs, *states),
            outputs=np.array([program.outputs.index(name) for name in outputs], dtype=np.intp),
            states=np.array([program.states.index(name) for name in states], dtype=np.intp),
            signs={
                name: program.outputs.index(name)
                for name in (*SIGNS, PAIN, *EVENT_SIGNS)
                if name in program.outputs
            },
        )

    @staticmethod
    def diary_outputs(program: Program, more: Sequence[str] = ()) -> list[str]:
        """The outputs that diary and adverse events are drawn from, and some more."""
        wanted = {*SIGNS, PAIN, *EVENT_SIGNS, *more}
        return [name for name in program.outputs if name in wanted]

    def untreated(self, program: Program, cohort: Cohort) -> NDArray[np.float64]:
        """The recorded variables in the untreated state of each person, shape (n, k)."""
        outputs = program.evaluate(cohort.start, cohort.parameters)
        return np.hstack([outputs[:, self.outputs], cohort.start[:, self.states]])

    def means(self, values: NDArray[np.float64], states: NDArray[np.float64]) -> NDArray[np.float64]:
        """One day: means of the outputs (n, hours, all outputs), and the states (n, all) at its end."""
        return np.hstack([values[:, :, self.outputs].mean(axis=1), states[:, self.states]])
