"""A patient's parameters: typical value x covariate effects x between-subject variability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opiome import streams
from opiome.errors import CohortError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

    from opiome.cohort._marginal import Marginal

__all__ = ["Variation", "individual", "variations"]

_WIDEST = 3.0  # nobody is drawn further than 3 standard deviations from the typical patient


@dataclass(frozen=True)
class Effect:
    """One covariate effect: (covariate/reference)^power, or factor^(covariate - reference)."""

    covariate: str
    power: float | None = None
    factor: float | None = None

    def of(self, values: NDArray[np.float64], reference: float) -> NDArray[np.float64]:
        """The multiplier of each patient, shape (n,)."""
        if self.power is not None:
            return streams.exp(self.power * streams.log(values / reference))
        return streams.exp((values - reference) * math.log(self.factor or 1.0))


@dataclass(frozen=True)
class Variation:
    """How one parameter differs between patients (a row of ``parameters.tsv``)."""

    id: str
    value: float
    distribution: str = "fixed"
    cv: float = 0.0
    effects: tuple[Effect, ...] = ()


def variations(table: pl.DataFrame, marginals: Mapping[str, Marginal]) -> dict[str, Variation]:
    """Read the between-subject part of ``model.parameters`` (a polars frame, columns of parameters.tsv).

    Raises:
        CohortError: with every effect that cannot be read, names no covariate, or cannot be computed.
    """
    found: dict[str, Variation] = {}
    problems: list[Problem] = []
    for row in table.iter_rows(named=True):
        effects = []
        for text in (part.strip() for part in (row.get("covariates") or "").split(";")):
            if not text:
                continue
            effect = _effect(text)
            if effect is None or effect.covariate not in marginals:
                problems.append(
                    Problem(
                        f"covariate effect '{text}' cannot be read",
                        field=f"parameters.{row['id']}.covariates",
                        expected="'weight^0.75' or 'female*1.1' with a covariate of covariates.tsv",
                    )
                )
            elif effect.power is not None and marginals[effect.covariate].reference <= 0:
                problems.append(
                    Problem(
                        f"'{text}' divides by the reference of {effect.covariate}, which is not above 0",
                        field=f"parameters.{row['id']}.covariates",
                        remedy="use the form 'covariate*factor' or give the covariate a reference",
                    )
                )
            else:
                effects.append(effect)
        found[row["id"]] = Variation(
            id=row["id"],
            value=float(row["value"]),
            distribution=row.get("distribution") or "fixed",
            cv=float(row.get("cv") or 0.0),
            effects=tuple(effects),
        )
    if problems:
        raise CohortError(problems)
    return found


def _effect(text: str) -> Effect | None:
    for sign in "^*":
        name, found, number = text.partition(sign)
        try:
            value = float(number)
        except ValueError:
            continue
        if not found or (sign == "*" and value <= 0):
            continue
        name = name.strip()
        return Effect(name, power=value) if sign == "^" else Effect(name, factor=value)
    return None


def individual(
    variation: Variation,
    typical: float | NDArray[np.float64],
    patients: NDArray[np.int64],
    *,
    covariates: Mapping[str, NDArray[np.float64]],
    marginals: Mapping[str, Marginal],
    seed: int,
) -> NDArray[np.float64]:
    """One parameter of the numbered patients around a typical value (a number, or one per patient).

    The draw depends on the seed, the patient's number and the parameter's name only: a patient whose opioid
    is changed keeps the same relative clearance.

    Returns:
        Values, shape (n,), in the parameter's unit.
    """
    values = np.broadcast_to(np.asarray(typical, dtype=np.float64), patients.shape).copy()
    for effect in variation.effects:
        values = values * effect.of(covariates[effect.covariate], marginals[effect.covariate].reference)
    if variation.distribution == "fixed" or variation.cv == 0:
        return values
    z = np.clip(streams.normal(seed, f"parameter/{variation.id}", patients), -_WIDEST, _WIDEST)
    if variation.distribution == "lognormal":
        return values * streams.exp(math.sqrt(math.log1p(variation.cv**2)) * z)
    if variation.distribution == "normal":
        return values * (1.0 + variation.cv * z)
    if variation.distribution == "logitnormal":
        odds = values / (1.0 - np.minimum(values, 1.0 - 1e-12)) * streams.exp(variation.cv * z)
        return odds / (1.0 + odds)
    raise CohortError(
        Problem(
            f"unknown distribution '{variation.distribution}'",
            field=f"parameters.{variation.id}.distribution",
            expected="fixed, lognormal, normal or logitnormal",
        )
    )
