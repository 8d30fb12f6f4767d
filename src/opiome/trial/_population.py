"""The study's population in the terms of the cohort room."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from opiome.cohort import Marginal, Profiles
from opiome.cohort import correlations as default_correlations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from opiome.cohort import Cohort
    from opiome.model import Model
    from opiome.trial._fields import Covariate
    from opiome.trial._schema import Study

__all__ = ["correlations", "marginal", "overrides", "profiles", "weighted"]


def overrides(covariates: Mapping[str, Covariate]) -> dict[str, dict[str, Any]]:
    """What a study says about its covariates, as overrides of the model's table; what is unsaid stays."""
    return {name: given.fields() for name, given in covariates.items()}


def correlations(study: Study) -> dict[tuple[str, str], float] | None:
    """The correlations of covariates: the model's table with the study's in their place; None as in it."""
    own = study.population.correlations
    if not own:
        return None
    named = {frozenset((item.a, item.b)) for item in own}
    kept = {pair: rho for pair, rho in default_correlations().items() if frozenset(pair) not in named}
    return kept | {(item.a, item.b): item.rho for item in own}


def weighted(study: Study, cohort: Cohort, ome: NDArray[np.float64]) -> Cohort:
    """The same people with the weights that the study gives them; ``ome`` has shape (n,)."""
    weights = cohort.weights
    known = {**cohort.codes, "ome": ome}
    for item in study.population.represents:
        weights = weights * np.where(item.when.mask(known[item.when.quantity]), item.weight, 1.0)
    return replace(cohort, weights=weights)


def profiles(study: Study, model: Model) -> Profiles | None:
    """The people of the study's cohort file; None where everybody is drawn. Raises CohortError."""
    given = study.population.cohort
    return None if given is None else Profiles.read(given.file, model)


def marginal(name: str, given: Covariate) -> Marginal:
    """A distribution that no table of the model knows (the morphine equivalent of a study)."""
    return Marginal(id=name, **given.fields())
