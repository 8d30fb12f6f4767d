"""What a study file says: version 1 of the schema, as pydantic models.

One class per part of the file, each key with its meaning; the JSON Schema for editors
(``studies/schema/study-1.json``) is generated from these classes and a test holds the two in step. Only what
the program does has a key: a key that is not here is refused by name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from opiome.errors import InputError
from opiome.trial._endpoint_fields import Endpoint, Multiplicity  # noqa: TC001  # pydantic reads them
from opiome.trial._fields import CohortPath, Covariate, Duration, Part, Test
from opiome.trial._protocol_fields import RegimenText, Rules, Titration

__all__ = [
    "Arm",
    "Background",
    "BackgroundOpioid",
    "Choice",
    "Correlation",
    "Dropout",
    "DropoutDriver",
    "Events",
    "NonSpecific",
    "OpioidChoice",
    "Population",
    "Published",
    "Represented",
    "RunIn",
    "Screening",
    "Study",
    "Treatment",
    "json_schema",
]

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=64)]
Label = Annotated[str, Field(min_length=1, max_length=400)]
Weight = Annotated[float, Field(gt=0)]
FOUR_WEEKS = 28 * 24.0


class Correlation(Part):
    """The correlation of the normal scores of two covariates, in place of that of the model's table."""

    a: Identifier
    b: Identifier
    rho: Annotated[float, Field(gt=-1, lt=1)]


class Represented(Part):
    """How many people those who meet a condition stand for; several conditions multiply."""

    when: Test
    """A condition on a covariate or on 'ome' (brain_metastases = 1)."""
    weight: Weight
    """How many; the others stand for one."""


class Population(Part):
    """Who is asked to take part. A plain text is the path of a cohort file."""

    cohort: CohortPath | None = None
    """Real people: each row's bacteria and covariates; the rest is drawn. Rows are taken in order."""
    reuse: bool = True
    """Whether rows are used again, for new people with the same profile, when all have been tried."""
    covariates: dict[Identifier, Covariate] = Field(default_factory=dict)
    """Covariates that differ from the model's own table: a new median, or a distribution."""
    correlations: tuple[Correlation, ...] = ()
    """Correlations between covariates that differ from the model's own."""
    represents: tuple[Represented, ...] = ()
    """Weights that make the patients stand for a population in which some are rarer or commoner."""
    eligibility: tuple[Test, ...] = ()
    """Conditions on covariates (age 18-80)."""
    entry: tuple[Test, ...] = ()
    """Conditions on the simulated run-in diary (sbm_per_week < 3)."""

    @model_validator(mode="before")
    @classmethod
    def _plain_path(cls, given: Any) -> Any:  # noqa: ANN401  # whatever the file holds
        return {"cohort": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _reuse_of_what(self) -> Self:
        if not self.reuse and self.cohort is None:
            raise InputError("'reuse' says how often the rows of 'cohort' are used, and there is no 'cohort'")
        return self

    def overrides(self) -> dict[str, dict[str, Any]]:
        """Covariate id to the columns of ``covariates.tsv`` that differ, as ``cohort.build`` takes them."""
        return {name: covariate.fields() for name, covariate in self.covariates.items()}


class OpioidChoice(Part):
    """One opioid that some of the patients have been taking."""

    weight: Weight = 1.0
    """Share of the patients, relative to the other choices."""
    regimen: RegimenText
    """A regimen without a dose: the dose comes from 'ome'; or one with a dose."""


class BackgroundOpioid(Part):
    """The opioid that patients arrive on."""

    ome: Covariate | None = None
    """Oral morphine equivalent in mg/day, as a distribution between patients."""
    choices: Annotated[tuple[OpioidChoice, ...], Field(min_length=1)]
    """The opioids and how common each is."""

    @model_validator(mode="after")
    def _whole_distribution(self) -> Self:
        if self.ome is not None and self.ome.distribution not in {"fixed", "normal", "lognormal"}:
            raise InputError("'ome' needs a 'distribution': fixed, normal or lognormal")
        return self


class Choice(Part):
    """One thing, out of several, that some of the patients have been taking."""

    weight: Weight = 1.0
    """Share of the patients, relative to the other choices."""
    regimen: tuple[RegimenText, ...]
    """What these patients take; an empty list for nothing."""


class Background(Part):
    """Therapy before the run-in; it goes on during the trial unless an arm says otherwise."""

    duration: Duration
    """How long before the run-in; at least 4 weeks."""
    opioid: BackgroundOpioid | None = None
    """Leave out for opioid-naive patients."""
    laxatives: tuple[Choice, ...] = ()
    """Laxatives, as weighted choices; one is drawn for each patient."""
    other: tuple[RegimenText, ...] = ()
    """What every patient takes besides."""

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if self.duration < FOUR_WEEKS:
            raise InputError(
                "'duration' is shorter than 4 weeks; patients would not arrive as trial patients do"
            )
        return self


class RunIn(Part):
    """The weeks before randomisation in which the diary is kept and entry is judged."""

    duration: Duration = 2 * 168.0
    """How long it lasts."""
    laxatives: Literal["continued", "stopped"] = "continued"
    """Whether background laxatives go on, from the start of the run-in until the end of the trial."""


class Screening(Part):
    """Candidates who fail are counted and replaced until the number of patients is reached."""

    attempts: Annotated[int, Field(ge=1, le=1000)] = 50
    """At most this many candidates for each patient needed."""


class Arm(Part):
    """One arm of the trial."""

    label: Label
    """The name in tables and figures."""
    regimen: Annotated[tuple[RegimenText, ...], Field(min_length=1)]
    """What the arm takes from randomisation on; 'placebo' for nothing active."""
    allocation: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Patients in this arm, relative to the other arms."""
    titration: Titration | None = None
    """How the doses of this arm's opioids are changed, in place of 'rules.titration'."""
    keep_background: bool = True
    """Whether the background therapy goes on."""


class Odds(Part):
    """A condition and what it does to the odds of being given a treatment."""

    when: Test
    """Who: a condition on a covariate, on 'ome' or on the run-in diary."""
    times: Annotated[float, Field(gt=0, le=1e6)]
    """Their odds are multiplied by this."""


class Indication(Part):
    """Who is given what, where nobody is randomised: a treatment follows from the patient.

    Whatever else the same patients have in common (more pain, more tumour, less strength) then lies between
    the arms, as it does in a cohort that was observed. The two arms of the same study with every patient in
    both (twins), or without this part, differ by the treatment only.
    """

    arm: Identifier
    """The arm of those who are given the treatment; the other arm is everybody else."""
    share: Annotated[float, Field(gt=0, lt=1)]
    """Its share among patients to whom no condition applies."""
    odds: Annotated[tuple[Odds, ...], Field(min_length=1)]
    """What raises or lowers the odds; conditions multiply."""


class Treatment(Part):
    """From randomisation to the end."""

    duration: Duration
    """How long the arms are treated and followed."""


class DropoutDriver(Part):
    """A state that makes leaving more likely."""

    when: Test
    """A condition on the diary of the last 7 days (nrs > 7)."""
    per_week: Annotated[float, Field(ge=0)]
    """Hazard per week added while the condition holds."""


class Dropout(Part):
    """How patients leave before the end."""

    background_per_week: Annotated[float, Field(ge=0)] = 0.0
    """Hazard per week that does not depend on the patient's state."""
    drivers: tuple[DropoutDriver, ...] = ()
    """Hazards that come on top in some states."""


class Events(Part):
    """What can befall a patient beside the bowels, drawn with the numbers of ``trial/events.tsv``."""

    death: bool = True
    """Whether patients can die, from randomisation on; it competes with every other event."""


class NonSpecific(Part):
    """What being in a trial does to the frequency of bowel movements, in all arms, the run-in excluded.

    It multiplies the evacuation rate and is kept apart from drug effects. Equal bounds switch off its spread
    between persons.
    """

    median: Annotated[float, Field(ge=1, le=2)] | None = None
    """Median over persons; the calibrated value of ``diary.tsv`` when left out."""
    lower: Annotated[float, Field(ge=1, le=2)] = 1.0
    """Lower end of the prior."""
    upper: Annotated[float, Field(ge=1, le=2)] = 2.0
    """Upper end of the prior."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.median is not None and not self.lower <= self.median <= self.upper:
            raise InputError("'median' does not lie between 'lower' and 'upper'")
        return self


class Published(Part):
    """One published result, shown beside the prediction."""

    endpoint: Identifier
    """The id of the endpoint."""
    arm: Identifier
    """The name of the arm."""
    against: Identifier | None = None
    """The reference arm, where the value is the difference of 'arm' from it; left out, the arm's own."""
    value: float
    """The published value, in the endpoint's unit."""
    low: float | None = None
    """Lower end of the published 95 % interval."""
    high: float | None = None
    """Upper end of the published 95 % interval."""
    n: Annotated[int, Field(ge=1)] | None = None
    """Patients in the arm."""
    n_against: Annotated[int, Field(ge=1)] | None = None
    """Patients in the arm of 'against'."""
    unit: str
    """The unit of the value; the same as the endpoint's."""
    source: Identifier
    """The id of an entry of 'sources'."""
    evidence: Literal["seen", "recalled"] = "seen"
    """Whether the number was read in the source or recalled."""
    role: Literal["fit", "check"]
    """Whether the number is used in calibration (fit) or only compared (check)."""


class Study(Part):
    """A study: who, on what, in which arms, judged how. Durations are in hours once read."""

    opiome: Literal[1]
    """Version of this schema."""
    name: Identifier
    """Short name, also that of the result folder."""
    title: Label
    """One line that says what the study asks."""
    sources: dict[Identifier, Label] = Field(default_factory=dict)
    """Where the design and the published results come from."""
    species: Literal["human"] = "human"
    """Only people for now."""
    population: Population = Population()
    background: Background
    run_in: RunIn = RunIn()
    screening: Screening = Screening()
    arms: Annotated[dict[Identifier, Arm], Field(min_length=1)]
    """The arms by name; the last is the reference of comparisons unless 'reference' names another."""
    reference: Identifier | None = None
    """The arm that the others are compared with."""
    treatment: Treatment
    strata: tuple[Test, ...] = ()
    """Randomisation is balanced within these conditions (on covariates, 'ome' or the run-in diary)."""
    indication: Indication | None = None
    """For a cohort that was observed: who is given what. Patients are randomised when left out."""
    visits: tuple[Duration, ...] = ()
    """When patients are seen, counted from randomisation."""
    rules: Rules = Rules()
    dropout: Dropout = Dropout()
    events: Events = Events()
    nonspecific_effect: NonSpecific = NonSpecific()
    endpoints: Annotated[tuple[Endpoint, ...], Field(min_length=1)]
    """What is counted at the end."""
    multiplicity: Multiplicity | None = None
    """How several tests are taken together; p values stand alone when left out."""
    published: tuple[Published, ...] = ()
    """Published results."""
    patients: Annotated[int, Field(ge=1, le=10_000_000)] = 500
    """Virtual patients per unit of allocation (per arm, where all arms have allocation 1)."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Seed of every random stream."""

    @property
    def changes_doses(self) -> bool:
        """Whether a rule may change or stop what was prescribed."""
        return self.rules.changes_doses or any(arm.titration for arm in self.arms.values())

    def titration_of(self, arm: str) -> Titration | None:
        """How the doses of an arm's opioids are changed: its own rule, or that of all arms."""
        rule = self.rules.titration
        if self.arms[arm].titration is not None:
            return self.arms[arm].titration
        return rule if rule is None or not rule.arms or arm in rule.arms else None

    @property
    def reference_arm(self) -> str:
        """The arm that the others are compared with."""
        return self.reference or list(self.arms)[-1]

    @property
    def start_of_run_in(self) -> float:
        """Model time (h) at which the run-in starts."""
        return self.background.duration

    @property
    def randomisation(self) -> float:
        """Model time (h) at which treatment starts."""
        return self.background.duration + self.run_in.duration

    @property
    def end(self) -> float:
        """Model time (h) at which the trial ends."""
        return self.randomisation + self.treatment.duration


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a study file, version 1."""
    schema = Study.model_json_schema(mode="validation")
    median = {"type": "number", "description": "A new median (bernoulli: probability)"}
    schema["$defs"]["Covariate"] = {"anyOf": [median, schema["$defs"]["Covariate"]]}
    file = schema["$defs"]["Population"]["properties"]["cohort"]["anyOf"][0]
    schema["$defs"]["Population"] = {"anyOf": [file, schema["$defs"]["Population"]]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://opiome.org/schema/study-1.json",
        **schema,
        "title": "opiome study, version 1",
    }
