"""Compositions in log-ratio space: zeros, coordinates, and distances to a reference.

Sources: J. Aitchison, The Statistical Analysis of Compositional Data (1986); isometric coordinates of
Egozcue et al. 2003 (doi:10.1023/A:1023818214614); multiplicative replacement of zeros of Martin-Fernandez
et al. 2003 (doi:10.1023/A:1023866030544), which puts 65 % of the detection limit in place of a zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opiome.streams import exp, log

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "clr",
    "contrasts",
    "ilr",
    "ilr_inverse",
    "mahalanobis",
    "replace_zeros",
    "shrinkage_weight",
    "shrunk_covariance",
]

_OF_DETECTION = 0.65
_FLOOR = 1e-7


def replace_zeros(fractions: ArrayLike, detection: ArrayLike) -> NDArray[np.float64]:
    """Replace zeros of (n, parts) by 65 % of each row's detection limit (n,); rows sum to 1.

    Ratios between the other parts stay. The limit is taken between 1e-7 and 1e-2, so that neither a deep nor
    a very shallow sample rules the result.
    """
    x = np.asarray(fractions, dtype=np.float64)
    delta = _OF_DETECTION * np.clip(np.asarray(detection, dtype=np.float64), _FLOOR, 1e-2)[:, None]
    zero = x <= 0
    kept = x / x.sum(axis=1, keepdims=True)
    return np.where(zero, delta, kept * (1.0 - (zero * delta).sum(axis=1, keepdims=True)))


def contrasts(parts: int) -> NDArray[np.float64]:
    """The orthonormal (Helmert) basis (parts, parts - 1) of the log-ratio space."""
    basis = np.zeros((parts, parts - 1))
    for k in range(1, parts):
        basis[:k, k - 1] = 1.0 / k
        basis[k, k - 1] = -1.0
        basis[:, k - 1] *= np.sqrt(k / (k + 1.0))
    return basis


def clr(x: ArrayLike) -> NDArray[np.float64]:
    """Centred log-ratios (n, parts) of strictly positive compositions."""
    logs = log(x)
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def ilr(x: ArrayLike) -> NDArray[np.float64]:
    """Isometric log-ratio coordinates (n, parts - 1) of strictly positive compositions (n, parts)."""
    centred = clr(x)
    return np.asarray(centred @ contrasts(centred.shape[1]))


def ilr_inverse(coordinates: ArrayLike) -> NDArray[np.float64]:
    """Compositions (n, parts) of coordinates (n, parts - 1)."""
    y = np.asarray(coordinates, dtype=np.float64)
    basis = contrasts(y.shape[1] + 1)
    logs = np.zeros((len(y), len(basis)))
    for k in range(y.shape[1]):  # a fixed order of sums, so that drawn people have the same bits everywhere
        logs += y[:, [k]] * basis[:, k]
    parts = exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(parts / parts.sum(axis=1, keepdims=True))


def shrinkage_weight(y: NDArray[np.float64]) -> float:
    """How far the covariance of rows (n, d) should be shrunk to its own diagonal, 0 to 1. Needs n >= 3.

    The weight of Schaefer and Strimmer 2005 (doi:10.2202/1544-6115.1175), which needs no choice by the user
    and goes to 0 as n grows.
    """
    n = len(y)
    centred = y - y.mean(axis=0)
    products = centred[:, :, None] * centred[:, None, :]
    mean_product = products.mean(axis=0)
    covariance = mean_product * n / (n - 1.0)
    variance_of = ((products - mean_product) ** 2).sum(axis=0) * n / (n - 1.0) ** 3
    off = ~np.eye(y.shape[1], dtype=bool)
    total = float((covariance[off] ** 2).sum())
    return float(np.clip(variance_of[off].sum() / total, 0.0, 1.0)) if total > 0 else 1.0


def shrunk_covariance(y: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The covariance of rows (n, d) shrunk to its own diagonal, and the weight of the diagonal."""
    weight = shrinkage_weight(y)
    off = ~np.eye(y.shape[1], dtype=bool)
    return np.cov(y.T) * (1.0 - weight * off), weight


def mahalanobis(
    y: NDArray[np.float64], mean: NDArray[np.float64], covariance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The distance (n,) of rows (n, d) from ``mean`` in standard deviations of ``covariance``."""
    difference = y - mean
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", difference, np.linalg.solve(covariance, difference.T).T)))
