"""What a design file says: candidate designs of one trial, compared before a patient is enrolled."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from opiome.errors import InputError
from opiome.trial._endpoint_fields import Analysis  # noqa: TC001  # pydantic reads it at run time
from opiome.trial._fields import Duration, Part, WindowText  # pydantic reads them
from opiome.trial._protocol_fields import (
    RegimenText,  # noqa: TC001  # pydantic reads it
    Titration,  # noqa: TC001  # pydantic reads it
)
from opiome.trial._schema import Identifier, Label  # noqa: TC001  # pydantic reads them

__all__ = ["Candidate", "Design", "Uncertainty"]


Size = Annotated[int, Field(ge=2, le=100_000)]


class Uncertainty(Part):
    """What is not known of the model itself; assurance is power averaged over draws of it."""

    draws: Annotated[int, Field(ge=2, le=1000)] = 16
    """Draws of the model. Each simulates people of its own and their screening."""
    edges: Literal["contested", "all", "none"] = "contested"
    """Arrows of the map that exist or not, by the prior probability of their grade."""
    parameters: tuple[Identifier, ...] = ()
    """Parameters that are uncertain, each lognormal with 95 % between its 'lower' and 'upper'."""
    posterior: str | None = None
    """A table of draws (TSV or Parquet; a column for each parameter or gate), instead of priors."""

    @model_validator(mode="after")
    def _prior_or_posterior(self) -> Uncertainty:
        if self.posterior is not None and self.parameters:
            raise InputError("'parameters' and 'posterior' are given; leave one out")
        if self.posterior is not None and "edges" in self.model_fields_set and self.edges != "none":
            raise InputError("'edges' and 'posterior' are given; the gates are columns of the posterior")
        if self.posterior is None and not self.parameters and self.edges == "none":
            raise InputError("nothing is uncertain: ask for 'edges', 'parameters' or a 'posterior'")
        return self


class Candidate(Part):
    """One design: what differs from the study."""

    label: Label
    """The name in tables and figures."""
    arms: dict[Identifier, tuple[RegimenText, ...] | None] = Field(default_factory=dict)
    """Arms compared with the study's reference: one of the study (leave the regimen empty), or a regimen."""
    titration: dict[Identifier, Titration] = Field(default_factory=dict)
    """How the opioid doses of an arm are changed, where it differs from the study."""
    patients: Annotated[tuple[Annotated[int, Field(ge=2, le=100_000)], ...], Field(min_length=1)] | None = (
        None
    )
    """Patients per arm, one number or several; those of the study's publication or run when left out."""
    allocation: dict[Identifier, Annotated[float, Field(gt=0, le=100, strict=True)]] = Field(
        default_factory=dict
    )
    """Patients of an arm (or the reference) for each that 'patients' says; 1 when left out."""
    duration: Duration | None = None
    """How long the arms are treated; as in the study when left out."""
    endpoint: Identifier | None = None
    """The endpoint that decides; the study's primary one (or its first) when left out."""
    window: WindowText | None = None
    """The endpoint's window, where it differs."""
    analysis: Analysis | None = None
    """How arms are compared, where it differs."""

    @model_validator(mode="before")
    @classmethod
    def _one_number(cls, given: object) -> object:
        if isinstance(given, dict) and isinstance(given.get("patients"), int | float | str):
            return given | {"patients": [given["patients"]]}
        return given


class Design(Part):
    """Candidate designs of one study."""

    opiome: Literal[1]
    """Version of this schema."""
    name: Identifier
    """Short name, also that of the result folder."""
    title: Label
    """One line that says what is to be decided."""
    study: str
    """The study that the candidates vary: a file beside this one, or one that comes with opiome."""
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1, max_length=24)]
    """The designs."""
    pool: Annotated[int, Field(ge=20, le=1_000_000)] = 400
    """Virtual patients who live through every arm, from whom trials are drawn."""
    replicates: Annotated[int, Field(ge=100, le=1_000_000)] = 2000
    """Trials drawn for each candidate and size."""
    strengths: Literal["any", "marketed"] = "any"
    """Whether an arm may take any dose, or only what the strengths of its product make."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Two-sided error of the first kind of a trial, over all its arms (Holm)."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Seed of every random stream; the study's when left out."""
    uncertainty: Uncertainty | None = None
    """What is not known of the model; no assurance is given when left out."""
