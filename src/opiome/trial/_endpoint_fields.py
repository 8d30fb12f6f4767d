"""Endpoints as a study file names them: one class per rule, with the parameters of that rule.

The rules themselves are computed in the trial; a test holds the rule names here and there in step.
Definitions follow the trials that used them: the placebo rate moves a great deal with the rule.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from opiome.trial._fields import Duration, Part, WindowText

__all__ = ["DIARY_QUANTITIES", "RULES", "DiaryQuantity", "Endpoint", "MovementKind"]

DiaryQuantity = Literal[
    "bm_per_week",
    "sbm_per_week",
    "csbm_per_week",
    "sbm_without_straining_per_week",
    "rescue_per_week",
    "bristol",
    "bfi",
    "nrs",
]
DIARY_QUANTITIES: dict[str, str] = {
    "bm_per_week": "bowel movements per week",
    "sbm_per_week": "movements per week with no rescue laxative in the 24 h before",
    "csbm_per_week": "spontaneous movements per week with a sense of complete evacuation",
    "sbm_without_straining_per_week": "spontaneous movements per week without straining",
    "rescue_per_week": "rescue laxative doses per week",
    "bristol": "mean Bristol stool form, 1-7",
    "bfi": "Bowel Function Index over 7 days, 0-100",
    "nrs": "mean pain on the 0-10 numeric rating scale",
}
"""What a diary gives, each averaged over the days that are asked about."""

MovementKind = Literal["bm", "sbm", "csbm"]
Statistic = Literal["mean", "median"]
Fraction = Annotated[float, Field(ge=0, le=1)]


class ResponderParams(Part):
    """A positive week has at least ``threshold`` per week and ``increase`` over baseline."""

    quantity: DiaryQuantity = "sbm_per_week"
    threshold: float = 3.0
    increase: float = 1.0
    weeks: Annotated[int, Field(ge=1)] = 9
    """Positive weeks that are needed in the window."""
    last_weeks: Annotated[int, Field(ge=0)] = 3
    """Positive weeks that are needed among the last ``of_last``."""
    of_last: Annotated[int, Field(ge=0)] = 4
    diary_days: Annotated[int, Field(ge=0, le=7)] = 4
    """A week with fewer diary days is not positive."""


class MeanResponderParams(Part):
    """The same thresholds on the average over the window."""

    quantity: DiaryQuantity = "sbm_per_week"
    threshold: float = 3.0
    increase: float = 1.0


class QuantityParams(Part):
    """Which diary quantity, and what is told of the patients' values."""

    quantity: DiaryQuantity = "sbm_per_week"
    statistic: Statistic = "mean"


class MeasuredParams(Part):
    """What was measured in the body (transit by a capsule, a volume by MRI): an observable of the model."""

    observable: Annotated[str, Field(pattern=r"^[A-Za-z]\w*$", max_length=64)]
    """An id of ``observables.tsv``; its daily means are averaged over the window."""
    statistic: Statistic = "mean"


class BetweenParams(Part):
    """The quantity, averaged over the window, lies between two numbers, both included."""

    quantity: DiaryQuantity = "sbm_per_week"
    low: float | None = None
    high: float | None = None


class FirstParams(Part):
    """Which movement."""

    movement: MovementKind = "sbm"


class AnyWithinParams(Part):
    """At least one movement of the kind within a time of the first dose."""

    movement: MovementKind = "sbm"
    within: Duration = 24.0


class AfterDosesParams(Part):
    """A movement within a time of a dose, after at least ``needed`` of the first ``doses`` doses."""

    movement: MovementKind = "sbm"
    within: Duration = 4.0
    every: Duration = 24.0
    """Time between doses, the first at randomisation."""
    doses: Annotated[int, Field(ge=1)] = 4
    needed: Annotated[int, Field(ge=1)] = 2


class RomeParams(Part):
    """Rome IV opioid-induced constipation, judged week by week: at least ``items`` of six.

    The items are straining, hard stool, incomplete evacuation, blockage and manual help, each in more than
    ``share`` of the movements, and fewer than ``sbm_per_week`` spontaneous movements per week.
    """

    items: Annotated[int, Field(ge=1, le=6)] = 2
    share: Fraction = 0.25
    sbm_per_week: float = 3.0


class AboveParams(Part):
    """The quantity is above the threshold in at least one week of the window."""

    quantity: DiaryQuantity = "bfi"
    threshold: float = 28.8


class BelowParams(Part):
    """The quantity is below the threshold in at least one week of the window."""

    quantity: DiaryQuantity = "sbm_per_week"
    threshold: float = 3.0


class PainResponseParams(Part):
    """Pain falls by at least this fraction of its baseline."""

    reduction: Fraction = 0.3


class _Endpoint(Part):
    """What all endpoints have."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
    """Short name, unique in the study."""
    label: Annotated[str, Field(min_length=1, max_length=200)]
    """The name in tables and figures."""
    unit: str
    """The unit of the estimate (%, per week, h)."""
    window: WindowText | None = None
    """Which weeks or days of treatment count; all of them when left out."""
    primary: bool = False
    """Whether it is the primary endpoint."""


class Responder(_Endpoint):
    """Share of patients with enough positive weeks (the 9-of-12 rule)."""

    rule: Literal["responder"]
    params: ResponderParams = ResponderParams()


class MeanResponder(_Endpoint):
    """Share of patients above the thresholds on average over the window."""

    rule: Literal["mean_responder"]
    params: MeanResponderParams = MeanResponderParams()


class MeanChange(_Endpoint):
    """Mean (or median, over patients) change of a diary quantity from the run-in to the window."""

    rule: Literal["mean_change"]
    params: QuantityParams = QuantityParams()


class Mean(_Endpoint):
    """Mean (or median, over patients) of a diary quantity in the window."""

    rule: Literal["mean"]
    params: QuantityParams = QuantityParams()


class Measured(_Endpoint):
    """Mean (or median, over patients) of an observable of the model in the window."""

    rule: Literal["measured"]
    params: MeasuredParams


class Between(_Endpoint):
    """Share of patients with a diary quantity between two numbers, on average over the window."""

    rule: Literal["between"]
    params: BetweenParams = BetweenParams()


class TimeToFirst(_Endpoint):
    """Kaplan-Meier median of the time from the first dose to the first movement."""

    rule: Literal["time_to_first"]
    params: FirstParams = FirstParams()


class AnyWithin(_Endpoint):
    """Share of patients with a movement within a time of the first dose."""

    rule: Literal["any_within"]
    params: AnyWithinParams = AnyWithinParams()


class AfterDoses(_Endpoint):
    """Share of patients with a movement soon after enough of the first doses."""

    rule: Literal["after_doses"]
    params: AfterDosesParams = AfterDosesParams()


class RomeOic(_Endpoint):
    """Share of patients who meet Rome IV opioid-induced constipation in any week of the window."""

    rule: Literal["rome_iv_oic"]
    params: RomeParams = RomeParams()


class AnyWeekAbove(_Endpoint):
    """Share of patients with a diary quantity above a threshold in any week of the window."""

    rule: Literal["any_week_above"]
    params: AboveParams = AboveParams()


class AnyWeekBelow(_Endpoint):
    """Share of patients with a diary quantity below a threshold in any week of the window."""

    rule: Literal["any_week_below"]
    params: BelowParams = BelowParams()


class PainResponse(_Endpoint):
    """Share of patients whose mean pain in the window is enough below that of the run-in."""

    rule: Literal["pain_response"]
    params: PainResponseParams = PainResponseParams()


Endpoint = Annotated[
    Responder
    | MeanResponder
    | MeanChange
    | Mean
    | Measured
    | Between
    | TimeToFirst
    | AnyWithin
    | AfterDoses
    | RomeOic
    | AnyWeekAbove
    | AnyWeekBelow
    | PainResponse,
    Field(discriminator="rule"),
]
RULES: tuple[str, ...] = (
    "responder",
    "mean_responder",
    "mean_change",
    "mean",
    "measured",
    "between",
    "time_to_first",
    "any_within",
    "after_doses",
    "rome_iv_oic",
    "any_week_above",
    "any_week_below",
    "pain_response",
)
"""The names of all rules."""
