"""Correlated covariates of numbered patients: a Gaussian copula over the marginals."""

from __future__ import annotations

import csv
import math
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from opiome import streams
from opiome.errors import CohortError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from opiome.cohort._marginal import Marginal

__all__ = ["correlations", "draw_covariates"]


@cache
def correlations() -> dict[tuple[str, str], float]:
    """The default correlations of normal scores between covariates, from ``correlations.tsv``."""
    text = resources.files("opiome.cohort").joinpath("correlations.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {(row["a"], row["b"]): float(row["rho"]) for row in rows}


def draw_covariates(
    marginals: Mapping[str, Marginal],
    patients: NDArray[np.int64],
    seed: int,
    rho: Mapping[tuple[str, str], float] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Draw every covariate of the numbered patients.

    Each covariate has its own stream of random numbers, so that a new one never changes the others.

    Args:
        marginals: covariate id to distribution; their order is the order of the copula.
        patients: patient numbers, shape (n,).
        seed: the study seed.
        rho: pairs of covariates to the correlation of their normal scores; default ``correlations.tsv``.

    Returns:
        Covariate id to values, shape (n,).

    Raises:
        CohortError: the correlations are not those of any joint distribution.
    """
    from scipy.special import ndtr

    ids = list(marginals)
    factor = _factor(ids, correlations() if rho is None else rho)
    scores = [streams.normal(seed, f"covariate/{name}", patients) for name in ids]
    drawn: dict[str, NDArray[np.float64]] = {}
    for i, name in enumerate(ids):
        score = np.zeros(len(patients))
        for j in range(i + 1):  # a fixed order of sums: BLAS would sum differently for another n
            if factor[i][j]:
                score = score + factor[i][j] * scores[j]
        drawn[name] = marginals[name].quantile(np.asarray(ndtr(score)))
    return drawn


def _factor(ids: list[str], rho: Mapping[tuple[str, str], float]) -> list[list[float]]:
    """The lower Cholesky factor of the correlation matrix, in plain floats."""
    position = {name: i for i, name in enumerate(ids)}
    size = len(ids)
    matrix = [[float(i == j) for j in range(size)] for i in range(size)]
    for (a, b), value in rho.items():
        if a in position and b in position:
            i, j = position[a], position[b]
            matrix[i][j] = matrix[j][i] = value
    factor = [[0.0] * size for _ in ids]
    for i in range(size):
        for j in range(i + 1):
            rest = matrix[i][j] - math.fsum(factor[i][k] * factor[j][k] for k in range(j))
            if i == j:
                if rest <= 1e-9:  # noqa: PLR2004  # rounding of a singular matrix
                    raise CohortError(
                        Problem(
                            f"the correlations with '{ids[i]}' contradict those of the covariates before it",
                            field="population.correlations",
                            expected="a positive definite correlation matrix",
                            remedy="bring the largest correlations closer to 0",
                        )
                    )
                factor[i][i] = math.sqrt(rest)
            else:
                factor[i][j] = rest / factor[j][j]
    return factor
