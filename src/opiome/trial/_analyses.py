"""The analyses that a study can name for an endpoint, and the one that it gets when it names none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opiome.errors import Problem, StudyError
from opiome.trial._linear import ancova, mmrm
from opiome.trial._statistics import difference_of_medians, risk_difference, welch
from opiome.trial._stratified import cochran_mantel_haenszel
from opiome.trial._survival import cox, log_rank, stratified_log_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opiome.trial._answers import Answers
    from opiome.trial._estimates import Contrast

__all__ = ["ANALYSES", "Analysis", "contrast", "usual"]


@dataclass(frozen=True)
class Analysis:
    """A way to compare two arms: the kind of answer it is for, its name in full, and the function."""

    kind: str
    label: str
    compare: Callable[[Answers, Answers], Contrast]


ANALYSES: Mapping[str, Analysis] = {
    "risk_difference": Analysis("proportion", "risk difference (Newcombe), score test", risk_difference),
    "cmh": Analysis(
        "proportion",
        "Mantel-Haenszel risk difference (Sato), Cochran-Mantel-Haenszel test",
        cochran_mantel_haenszel,
    ),
    "welch": Analysis("mean", "difference of means, Welch's test", welch),
    "ancova": Analysis("mean", "ANCOVA with baseline and strata", ancova),
    "mmrm": Analysis("mean", "MMRM, unstructured covariance, REML, Kenward-Roger", mmrm),
    "mann_whitney": Analysis("median", "difference of medians, Mann-Whitney test", difference_of_medians),
    "log_rank": Analysis("time", "difference of medians, log-rank test", log_rank),
    "stratified_log_rank": Analysis(
        "time", "difference of medians, log-rank test over strata", stratified_log_rank
    ),
    "cox": Analysis("time", "hazard ratio (Cox, Efron), stratified", cox),
}
"""The analyses by the names that a study file uses; the first of a kind is the usual one."""
_WEIGHTED = {"risk_difference", "welch", "mann_whitney"}


def usual(kind: str) -> str:
    """The analysis of a kind of answer when the study names none."""
    return next(name for name, analysis in ANALYSES.items() if analysis.kind == kind)


def contrast(arm: Answers, reference: Answers, analysis: str | None = None) -> Contrast:
    """The contrast of an arm with the reference.

    Raises:
        StudyError: the analysis is for another kind of answer, or has no weighted form and patients stand for
            unlike numbers of people.
    """
    name = analysis or usual(arm.kind)
    chosen = ANALYSES[name]
    if chosen.kind != arm.kind:
        fitting = [other for other, one in ANALYSES.items() if one.kind == arm.kind]
        problem = Problem(
            f"the analysis '{name}' is not for a {arm.kind}", field="analysis", expected=" or ".join(fitting)
        )
        raise StudyError(problem)
    if (arm.weights is None and reference.weights is None) or name in _WEIGHTED:
        return chosen.compare(arm, reference)
    if analysis is not None:
        raise StudyError(
            Problem(
                f"the analysis '{name}' has no form for patients who stand for unlike numbers of people",
                field="analysis",
                remedy="leave the analysis out, or run people without weights",
            )
        )
    return difference_of_medians(arm, reference)
