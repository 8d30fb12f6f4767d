"""Endpoints as a study file names them: one class per rule, with the parameters of that rule.

The rules themselves are computed in the trial; a test holds the rule names here and there in step.
Definitions follow the trials that used them: the placebo rate moves a great deal with the rule.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from opiome.errors import InputError
from opiome.trial._fields import Duration, Part, WindowText

__all__ = [
    "DIARY_QUANTITIES",
    "RULES",
    "DiaryQuantity",
    "Endpoint",
    "Estimand",
    "MovementKind",
    "Multiplicity",
]

DiaryQuantity = Literal[
    "bm_per_week",
    "sbm_per_week",
    "csbm_per_week",
    "sbm_without_straining_per_week",
    "rescue_per_week",
    "bristol",
    "bfi",
    "nrs",
    "pac_sym",
    "pac_qol",
    "nausea",
    "sedation",
    "delirium_per_week",
    "cows",
    "breakthrough_per_day",
    "rescue_opioid_per_day",
    "ome",
    "ome_rise",
    "rotations",
    "rome_items",
    "progressed",
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
    "pac_sym": "symptoms of constipation (PAC-SYM), 0-4",
    "pac_qol": "burden of constipation (PAC-QOL), 0-4",
    "nausea": "mean nausea, 0-10",
    "sedation": "mean drowsiness, 0-10",
    "delirium_per_week": "days with delirium per week",
    "cows": "mean withdrawal score (COWS), 0-48",
    "breakthrough_per_day": "episodes of breakthrough pain per day",
    "rescue_opioid_per_day": "doses of rescue opioid per day",
    "ome": "prescribed oral morphine equivalent, mg/day, rescue doses not counted",
    "ome_rise": "prescribed dose above that of the first day of treatment, %",
    "rotations": "changes of opioid since randomisation",
    "rome_items": "items of Rome IV opioid-induced constipation that are met, 0-6",
    "progressed": "1 if an image has shown progression of the tumour, else 0",
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


class AllWeeksParams(Part):
    """At least ``increase`` over baseline in every week that can be judged, and enough positive weeks."""

    quantity: DiaryQuantity = "sbm_per_week"
    threshold: float = 3.0
    """A week is positive from this value on."""
    increase: float = 1.0
    weeks: Annotated[int, Field(ge=1)] = 9
    """Positive weeks that are needed in the window."""
    diary_days: Annotated[int, Field(ge=0, le=7)] = 4
    """A week with fewer diary days is neither judged nor positive."""


class ChangedParams(Part):
    """The change from the run-in lies between two numbers, both included; negative for a fall."""

    quantity: DiaryQuantity = "bfi"
    at_least: float | None = None
    at_most: float | None = None
    harm: bool = False
    """Whether such a change is a harm; a composite strategy then counts an intercurrent event as one."""

    @model_validator(mode="after")
    def _one_limit(self) -> ChangedParams:
        if self.at_least is None and self.at_most is None:
            raise InputError("'changed' needs 'at_least' or 'at_most': any change would count")
        return self


DailyScore = Literal["nausea", "sedation", "delirium", "cows", "breakthrough", "rescue_opioid"]


class AnyDayParams(Part):
    """A daily score reaches a limit on at least one day."""

    score: DailyScore
    """Nausea and sedation 0-10, delirium 0 or 1, COWS 0-48, episodes of breakthrough pain, rescue opioid."""
    threshold: float
    """The score that counts, and any above it."""


class EscalationParams(Part):
    """The opioid escalation index: rise of the prescribed dose in per cent of the first one, a day."""

    per_day: float = 5.0
    """The index above which a patient counts."""


class OccurredParams(Part):
    """Something that happens to a patient once."""

    event: Literal["death", "progression", "stopped", "added", "rotated", "left"]


class SurvivalParams(Part):
    """Until what; who leaves the trial before is censored."""

    until: Literal["death", "progression", "progression or death"] = "death"


Strategy = Literal["treatment policy", "hypothetical", "composite", "while on treatment"]
"""The strategies of ICH E9(R1) for intercurrent events that this program has (not principal strata)."""


class Estimand(Part):
    """What becomes of patients with an intercurrent event (ICH E9(R1)). A plain text holds for all events.

    ``treatment policy``: the diary counts whether or not the event happens; after leaving or death there is
    none. ``composite``: the event is the unfavourable answer. ``hypothetical``: what follows the event is
    missing, and so is the patient where the answer was not settled before. ``while on treatment``: the answer
    is that of the diary up to the event.
    """

    rescue: Strategy = "treatment policy"
    """The rescue laxative is taken."""
    discontinuation: Strategy = "composite"
    """The study drug is stopped, or the patient leaves the trial."""
    death: Strategy = "composite"
    """The patient dies."""

    @model_validator(mode="before")
    @classmethod
    def _for_all(cls, given: Any) -> Any:  # noqa: ANN401  # whatever the file holds
        return dict.fromkeys(cls.model_fields, given) if isinstance(given, str) else given


Analysis = Literal[
    "risk_difference",
    "cmh",
    "welch",
    "ancova",
    "mmrm",
    "mann_whitney",
    "log_rank",
    "stratified_log_rank",
    "cox",
]


class Multiplicity(Part):
    """How the error of several tests is kept at one level."""

    method: Literal["holm", "hochberg", "fixed_sequence", "gatekeeping"]
    """Holm and Hochberg take all tests together; the others take them in the order of ``families``."""
    families: tuple[tuple[str, ...], ...] = ()
    """Ids of endpoints, family after family; a family is tested once all before it is significant."""
    endpoints: tuple[str, ...] = ()
    """The endpoints that Holm and Hochberg take together; all when left out."""


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
    estimand: Estimand | None = None
    """What becomes of patients who take rescue, discontinue or die; the rule's own way when left out."""
    analysis: Analysis | None = None
    """How arms are compared; the usual way of the kind of answer when left out."""


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


class AllWeeks(_Endpoint):
    """Share of patients above baseline in all weeks and above a threshold in enough (lubiprostone's rule)."""

    rule: Literal["all_weeks"]
    params: AllWeeksParams = AllWeeksParams()


class Changed(_Endpoint):
    """Share of patients whose quantity has changed by so much (BFI -12, pain not lower)."""

    rule: Literal["changed"]
    params: ChangedParams


class AnyDay(_Endpoint):
    """Share of patients whose daily score reaches a limit on any day of the window."""

    rule: Literal["any_day"]
    params: AnyDayParams


class Escalation(_Endpoint):
    """Share of patients whose opioid dose rises faster than a limit over the window."""

    rule: Literal["escalation"]
    params: EscalationParams = EscalationParams()


class DoseRise(_Endpoint):
    """Mean rise of the prescribed opioid dose over the window, in per cent of the first one."""

    rule: Literal["dose_rise"]
    params: Part = Part()


class Occurred(_Endpoint):
    """Share of patients to whom something happens in the window."""

    rule: Literal["occurred"]
    params: OccurredParams


class Survival(_Endpoint):
    """Kaplan-Meier median of overall or progression-free survival, from randomisation."""

    rule: Literal["survival"]
    params: SurvivalParams = SurvivalParams()


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
    | PainResponse
    | AllWeeks
    | Changed
    | AnyDay
    | Escalation
    | DoseRise
    | Occurred
    | Survival,
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
    "all_weeks",
    "changed",
    "any_day",
    "escalation",
    "dose_rise",
    "occurred",
    "survival",
)
"""The names of all rules."""
