"""What became of each patient."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Outcome(IntEnum):
    """How the integration of one patient ended."""

    OK = 0
    STEP_BUDGET = 1
    NON_FINITE = 2
    NEGATIVE = 3
    IMPOSSIBLE_PARAMETERS = 4


REMEDY = {
    Outcome.STEP_BUDGET: "the state moves too fast for the tolerance: check its rates for this patient, "
    "loosen rtol, or raise the step budget",
    Outcome.NON_FINITE: "a right-hand side is not a number: check divisions and logarithms in its equation",
    Outcome.NEGATIVE: "the state is driven below zero: bound its loss by its own amount, or name it in "
    "`signed` if it may be negative",
    Outcome.IMPOSSIBLE_PARAMETERS: "its parameters give no finite start state: check them for this patient",
}


@dataclass(frozen=True)
class Failure:
    """A patient that could not be integrated: when, which state, why, and what to do."""

    patient: int
    time: float
    state: str
    outcome: Outcome
    remedy: str
