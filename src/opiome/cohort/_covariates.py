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
    from collections.abc import Mapping, Sequence

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
    given: Mapping[str, NDArray[np.float64]] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Draw every covariate of the numbered patients.

    Each covariate has its own stream of random numbers, so that a new one never changes the others.

    Args:
        marginals: covariate id to distribution; their order is the order of the copula.
        patients: patient numbers, shape (n,).
        seed: the study seed.
        rho: pairs of covariates to the correlation of their normal scores; default ``correlations.tsv``.
        given: what is known of these patients, covariate id to shape (n,), NaN where it is not. The others
            are drawn conditionally on it.

    Returns:
        Covariate id to values, shape (n,); those that were given as they are.

    Raises:
        CohortError: the correlations are not those of any joint distribution.
    """
    from scipy.special import ndtr

    ids = list(marginals)
    matrix = _matrix(ids, correlations() if rho is None else rho)
    factor = _factor(ids, matrix)
    raw = [streams.normal(seed, f"covariate/{name}", patients) for name in ids]
    # a fixed order of sums: BLAS would sum differently for another n
    scores = [_sum(factor[i][: i + 1], raw[: i + 1]) for i in range(len(ids))]
    if given:
        scores = _conditioned(marginals, matrix, scores, given, patients=patients, seed=seed)
    drawn = {name: marginals[name].quantile(np.asarray(ndtr(scores[i]))) for i, name in enumerate(ids)}
    for name, values in (given or {}).items():
        drawn[name] = np.where(np.isnan(values), drawn[name], values)
    return drawn


def _sum(weights: Sequence[float], columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    total = np.zeros(len(columns[0]))
    for weight, column in zip(weights, columns, strict=True):
        if weight:
            total = total + weight * column
    return total


def _conditioned(
    marginals: Mapping[str, Marginal],
    matrix: list[list[float]],
    scores: list[NDArray[np.float64]],
    given: Mapping[str, NDArray[np.float64]],
    *,
    patients: NDArray[np.int64],
    seed: int,
) -> list[NDArray[np.float64]]:
    """Normal scores given some of them: z + R_ug R_gg^-1 (known - z_g), which has the conditional law.

    (Conditioning by kriging, Chiles and Delfiner, Geostatistics, 2nd ed., 7.3.) What nobody knew is as it
    would have been drawn, moved by what is known.
    """
    from scipy.special import ndtri

    ids = list(marginals)
    known: dict[int, NDArray[np.float64]] = {}
    for name, values in given.items():
        u = streams.uniform(seed, f"covariate/{name}/given", patients)
        known[ids.index(name)] = np.asarray(ndtri(marginals[name].level(values, u)))
    if not known:
        return scores
    columns = sorted(known)
    told = np.column_stack([~np.isnan(known[i]) for i in columns])
    found = [score.copy() for score in scores]
    for pattern in np.unique(told, axis=0):
        rows = np.flatnonzero((told == pattern).all(axis=1))
        group = [i for i, there in zip(columns, pattern, strict=True) if there]
        inverse = _factor([ids[i] for i in group], [[matrix[i][j] for j in group] for i in group])
        moved = _solve(inverse, [known[i][rows] - scores[i][rows] for i in group])
        for i in range(len(ids)):
            weights = [matrix[i][j] for j in group]
            if group and any(weights):
                found[i][rows] = scores[i][rows] + _sum(weights, moved)
    return found


def _solve(factor: list[list[float]], right: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Solve L L' x = b for every patient at once, in a fixed order of sums."""
    size = len(right)
    half: list[NDArray[np.float64]] = []
    for i in range(size):
        rest = right[i] - _sum(factor[i][:i], half) if i else right[i]
        half.append(rest / factor[i][i])
    found: list[NDArray[np.float64]] = [np.empty(0)] * size
    for i in reversed(range(size)):
        rest = half[i]
        for j in range(i + 1, size):
            rest = rest - factor[j][i] * found[j]
        found[i] = rest / factor[i][i]
    return found


def _matrix(ids: list[str], rho: Mapping[tuple[str, str], float]) -> list[list[float]]:
    position = {name: i for i, name in enumerate(ids)}
    matrix = [[float(i == j) for j in range(len(ids))] for i in range(len(ids))]
    for (a, b), value in rho.items():
        if a in position and b in position:
            i, j = position[a], position[b]
            matrix[i][j] = matrix[j][i] = value
    return matrix


def _factor(ids: list[str], matrix: list[list[float]]) -> list[list[float]]:
    """The lower Cholesky factor of a correlation matrix, in plain floats."""
    size = len(ids)
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
