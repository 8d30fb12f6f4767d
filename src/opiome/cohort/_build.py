"""Building a cohort: covariates, parameters, then each person's untreated steady state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from opiome.cohort._cohort import Cohort
from opiome.cohort._covariates import draw_covariates
from opiome.cohort._marginal import Marginal, marginals
from opiome.cohort._parameters import Variation, individual, variations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl
    from numpy.typing import ArrayLike, NDArray

    from opiome.cohort._profiles import Profiles
    from opiome.engine import Program
    from opiome.model import Model

    Overrides = Mapping[str, Mapping[str, Any]]

__all__ = ["build", "parameters_of", "people"]


def people(
    model: Model,
    population: Overrides | None,
    patients: ArrayLike,
    seed: int,
    correlations: Mapping[tuple[str, str], float] | None = None,
    *,
    profiles: Profiles | None = None,
) -> tuple[dict[str, NDArray[np.float64]], pl.DataFrame]:
    """The covariates of numbered patients, before any model is solved (cheap: eligibility is judged on them).

    With ``profiles`` the covariates of the file are the patients' own, the others are drawn conditionally on
    them, and the frame names the sample and the
    person (``subject``) of each.

    Returns:
        The covariates as numbers (id to shape (n,)) and as a frame with the labels of the categories.

    Raises:
        CohortError: a covariate or an override is unknown or impossible.
    """
    import polars as pl

    spread = marginals(model.covariates, population)
    numbers = np.asarray(patients, dtype=np.int64)
    known = profiles.known(numbers) if profiles is not None else None
    codes = draw_covariates(spread, numbers, seed, correlations, known)
    told = {}
    if profiles is not None:
        rows = profiles.rows(numbers).tolist()
        told = {
            "sample": [profiles.samples[row] for row in rows],
            "subject": [profiles.subjects[row] for row in rows],
        }
    return codes, pl.DataFrame({name: _labels(spread[name], values) for name, values in codes.items()} | told)


def build(
    model: Model,
    population: Overrides | None,
    n: int,
    seed: int,
    first: int = 0,
    *,
    program: Program | None = None,
    correlations: Mapping[tuple[str, str], float] | None = None,
    keep: Callable[[Mapping[str, NDArray[np.float64]]], NDArray[np.bool_]] | None = None,
    profiles: Profiles | None = None,
    tested: bool = True,
) -> Cohort:
    """Build the people numbered ``first`` to ``first + n - 1``, in the untreated steady state.

    Args:
        model: a loaded model (``opiome.model.load``).
        population: covariate id to the fields of its distribution that differ from ``covariates.tsv``.
        n: how many people.
        seed: the study seed.
        first: the number of the first one.
        program: the compiled model; compiled (from the cache) when left out.
        correlations: pairs of covariates to correlations; the defaults of ``correlations.tsv`` when left out.
        keep: covariates to a mask of the people to keep; the others are never solved.
        profiles: people with stool profiles; the untreated state of each then has these bacteria.
        tested: whether floras that would not stay as they are are refused; without it ``Model.stable`` tells
            it later of those who matter.

    Returns:
        The cohort. A person whose baseline could not be solved has an outcome other than 0 and stays in it.

    Raises:
        CohortError: a covariate, an effect or an override is unknown or impossible.
    """
    ids = np.arange(first, first + n, dtype=np.int64)
    codes, frame = people(model, population, ids, seed, correlations, profiles=profiles)
    if keep is not None:
        chosen = np.flatnonzero(keep(codes))
        ids, frame = ids[chosen], frame[chosen]
        codes = {name: values[chosen] for name, values in codes.items()}
    if program is None:
        from opiome import engine

        program = engine.compile(model.sbml)
    spread = marginals(model.covariates)
    drawn = {
        name: individual(variation, variation.value, ids, covariates=codes, marginals=spread, seed=seed)
        for name, variation in variations(model.parameters, spread).items()
        if name in program.defaults
    }
    own: dict[str, Any] = {} if tested else {"tested": False}
    weights = np.ones(len(ids))
    if profiles is not None:
        rows = profiles.rows(ids)
        weights = profiles.represents[rows]
        own["composition"] = {guild: shares[rows] for guild, shares in profiles.composition.items()}
        drawn |= profiles.masses(ids, drawn, model)
    if len(ids):
        solved, start, outcome = model.baseline(program, drawn, **own)
    else:
        solved, start, outcome = drawn, np.empty((0, len(program.states))), np.empty(0, dtype=np.int64)
    outcome = np.asarray(outcome, dtype=np.int64)
    return Cohort(
        ids=ids,
        covariates=frame,
        codes=codes,
        parameters={
            name: np.broadcast_to(np.asarray(values, dtype=np.float64), ids.shape)
            for name, values in solved.items()
        },
        start=np.asarray(start, dtype=np.float64),
        states=tuple(program.states),
        weights=weights,
        outcome=outcome,
        seed=seed,
        reasons=_reasons(model, program, solved, outcome),
    )


def parameters_of(
    model: Model,
    cohort: Cohort,
    typical: Mapping[str, ArrayLike],
    cv: Mapping[str, float] | None = None,
    names: Mapping[str, str] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """The cohort's own values of some parameters around other typical values.

    This is how a drug is put into a slot: its typical clearance takes the place of the slot's, and each
    person keeps their own covariate effects and variability.

    Args:
        model: the model that the cohort was built with.
        cohort: the people.
        typical: parameter id to a number, or to one number per person.
        cv: between-subject variability that replaces that of ``parameters.tsv``, as fractions.
        names: parameter id to the name of its random numbers, where that is not the id: a person who takes
            one drug in two slots clears it alike in both (``morphine/CL``).

    Returns:
        Parameter id to values, shape (n,).
    """
    spread = marginals(model.covariates)
    table = variations(model.parameters, spread)
    found: dict[str, NDArray[np.float64]] = {}
    for name, value in typical.items():
        base = replace(table.get(name, Variation(name, 0.0)), id=(names or {}).get(name, name))
        own = (cv or {}).get(name)
        if own is not None:
            law = base.distribution if base.distribution != "fixed" else "lognormal"
            base = replace(base, distribution=law, cv=own)
        found[name] = individual(
            base,
            np.asarray(value, dtype=np.float64),
            cohort.ids,
            covariates=cohort.codes,
            marginals=spread,
            seed=cohort.seed,
        )
    return found


def _reasons(
    model: Model, program: Program, parameters: Mapping[str, ArrayLike], outcome: NDArray[np.int64]
) -> tuple[str, ...]:
    """Why people have no untreated state; empty for those who have. They alone are solved again for it."""
    reasons = [""] * len(outcome)
    lost = np.flatnonzero(outcome)
    if len(lost):
        from opiome.model import untreated

        again = {
            name: np.broadcast_to(np.asarray(values, dtype=np.float64), outcome.shape)[lost]
            for name, values in parameters.items()
        }
        for row, reason in zip(lost, untreated(model, program, again).reasons, strict=True):
            reasons[row] = reason
    return tuple(reasons)


def _labels(marginal: Marginal, values: NDArray[np.float64]) -> NDArray[np.float64] | list[str]:
    if marginal.distribution != "categorical":
        return values
    names = [label for label, _ in marginal.values]
    return [names[int(value)] for value in values]
