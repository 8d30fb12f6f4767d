"""The study's population in the terms of the cohort room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opiome.cohort import Marginal, Profiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opiome.model import Model
    from opiome.trial._fields import Covariate
    from opiome.trial._schema import Study

__all__ = ["marginal", "overrides", "profiles"]


def overrides(covariates: Mapping[str, Covariate]) -> dict[str, dict[str, Any]]:
    """What a study says about its covariates, as overrides of the model's table; what is unsaid stays."""
    return {name: given.fields() for name, given in covariates.items()}


def profiles(study: Study, model: Model) -> Profiles | None:
    """The people of the study's cohort file; None where everybody is drawn. Raises CohortError."""
    given = study.population.cohort
    return None if given is None else Profiles.read(given.file, model)


def marginal(name: str, given: Covariate) -> Marginal:
    """A distribution that no table of the model knows (the morphine equivalent of a study)."""
    return Marginal(id=name, **given.fields())
