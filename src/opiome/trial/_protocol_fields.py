"""The rules of a protocol as a study file declares them: what is looked at, when, and what is done.

Every rule looks at the diary and at what the clinic knows, and at nothing else; ``over`` says how many of the
last days count. Rules act on the morning of a day: at the study's ``visits``, or ``every`` so often.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from opiome.trial._fields import Duration, Part, Test

__all__ = [
    "AddedDrug",
    "DiaryRule",
    "RegimenText",
    "Rescue",
    "RescueOpioid",
    "Rotation",
    "RotationTrigger",
    "Rules",
    "StoppingRule",
    "Titration",
    "TitrationStep",
]

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=64)]
RegimenText = Annotated[
    str,
    Field(
        min_length=1, max_length=200, examples=["morphine CR 30 mg every 12 h", "naldemedine 0.2 mg daily"]
    ),
]
TWO_DAYS, ONE_WEEK = 48.0, 168.0


class Rescue(Part):
    """A rescue laxative."""

    regimen: RegimenText
    """What is taken (bisacodyl 10 mg as needed)."""
    after: Duration
    """Time without a bowel movement after which it is taken, in the run-in and during treatment."""


class RescueOpioid(Part):
    """An opioid for breakthrough pain, one dose for each episode, during treatment."""

    regimen: RegimenText
    """What is taken, without a dose (morphine IR as needed); 'every 4 h as needed' is the least interval."""
    share: Annotated[float, Field(gt=0, le=1)] = 1 / 6
    """One dose as a share of the day's morphine equivalent."""
    least: Annotated[float, Field(ge=0)] = 5.0
    """The smallest dose, in mg of oral morphine equivalent."""
    most: Annotated[float, Field(gt=0)] = 120.0
    """The largest dose, in mg of oral morphine equivalent."""
    per_day: Annotated[int, Field(ge=1, le=24)] = 4
    """At most this many doses a day."""


class DiaryRule(Part):
    """What the rules that look at the diary have in common."""

    over: Duration = TWO_DAYS
    """How many of the last days of the diary are looked at; whole days."""
    every: Duration | None = None
    """How often it is looked at, from randomisation on; at the visits when left out."""
    arms: tuple[Identifier, ...] = ()
    """The arms that have the rule; all of them when left out."""


class TitrationStep(Part):
    """A change of the dose on a condition."""

    when: Test
    """A condition on the diary (nrs >= 4)."""
    change: Annotated[float, Field(gt=-100, le=300)]
    """Change of the daily dose in per cent; negative to lower it."""


class Titration(DiaryRule):
    """The dose of every opioid that is taken at stated times, changed by what the diary says."""

    steps: Annotated[tuple[TitrationStep, ...], Field(min_length=1)]
    """The first step whose condition holds is taken."""
    ceiling: Annotated[float, Field(gt=0)] | None = None
    """The largest daily dose, in mg of oral morphine equivalent; nobody is raised above it."""


class AddedDrug(DiaryRule):
    """A drug that is added, once, when a condition holds, and then goes on."""

    when: Test
    """A condition on the diary (rome_items >= 2)."""
    regimen: RegimenText
    """What is added (naldemedine 0.2 mg daily)."""
    over: Duration = ONE_WEEK


class RotationTrigger(Part):
    """A reason to change the opioid: inadequate relief in spite of a raised dose, or intolerance."""

    when: Test
    """A condition on the diary (nrs >= 5, nausea >= 6)."""
    after_raises: Annotated[int, Field(ge=0)] = 0
    """Only after the dose was raised as often as this since the last change."""


class Rotation(DiaryRule):
    """A change to another opioid on inadequate relief or intolerance."""

    triggers: Annotated[tuple[RotationTrigger, ...], Field(min_length=1)]
    """Reasons, any of which is enough."""
    to: Annotated[tuple[RegimenText, ...], Field(min_length=1)]
    """The opioids to change to, in this order; the drug that is being taken is passed over."""
    share: Annotated[float, Field(gt=0, le=2)] = 0.75
    """First dose of the new opioid, relative to the equianalgesic one."""


class StoppingRule(DiaryRule):
    """What is stopped when a condition holds."""

    when: Test
    """A condition on the diary (bm_per_week > 28, cows >= 13, progressed = 1)."""
    stop: Literal["study drug", "opioid", "trial"]
    """The arm's own regimen and what rules added, the opioids taken at stated times, or taking part."""
    reason: Annotated[str, Field(min_length=1, max_length=60)]
    """The reason in the table of patients (diarrhoea)."""
    over: Duration = ONE_WEEK


class Rules(Part):
    """What happens in answer to the diary."""

    rescue_laxative: Rescue | None = None
    """The rescue laxative that the protocol allows."""
    rescue_opioid: RescueOpioid | None = None
    """The opioid for breakthrough pain."""
    titration: Titration | None = None
    """How the dose of the opioid is raised and lowered."""
    rotation: Rotation | None = None
    """When the opioid is changed for another."""
    add: tuple[AddedDrug, ...] = ()
    """Drugs that are added on a condition."""
    stop: tuple[StoppingRule, ...] = ()
    """When the study drug, the opioid or taking part is stopped."""
    strengths: Literal["any", "marketed"] = "any"
    """Whether opioids are taken in any dose, or in what the strengths of their products make: a dose that the
    study leaves open or that a rule changes is then rounded."""

    @property
    def changes_doses(self) -> bool:
        """Whether a rule may change or stop what was prescribed."""
        return bool(self.titration or self.rotation or self.add or self.stop)
