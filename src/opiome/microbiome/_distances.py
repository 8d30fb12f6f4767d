"""Distances between samples, their map, and how much of them a batch explains."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from opiome.microbiome._logratio import clr, replace_zeros
from opiome.streams import uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from opiome.microbiome._profile import Profile

__all__ = ["aitchison", "bray_curtis", "permanova", "principal_coordinates"]


def bray_curtis(profile: Profile) -> NDArray[np.float64]:
    """Bray-Curtis dissimilarities (n, n) of genus fractions, by scikit-bio."""
    from skbio.diversity import beta_diversity

    _, genera = profile.at_rank("genus")
    return np.asarray(beta_diversity("braycurtis", genera, ids=[str(i) for i in range(len(genera))]).data)


def aitchison(profile: Profile) -> NDArray[np.float64]:
    """Aitchison distances (n, n) of genera, zeros replaced by 65 % of the detection limit."""
    from scipy.spatial.distance import pdist, squareform

    _, genera = profile.at_rank("genus")
    common = (genera > 0).mean(axis=0) >= min(0.1, 2.0 / len(genera))
    kept = genera[:, common]
    return np.asarray(squareform(pdist(clr(replace_zeros(kept, profile.detection)))))


def principal_coordinates(distances: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first two principal coordinates (n, 2) and the share of variation on each (2,), by scikit-bio."""
    from skbio import DistanceMatrix
    from skbio.stats.ordination import pcoa

    n = len(distances)
    if n < 3:  # noqa: PLR2004 (two points lie on a line)
        line = np.zeros((n, 2))
        if n == 2:  # noqa: PLR2004
            line[:, 0] = (-distances[0, 1] / 2.0, distances[0, 1] / 2.0)
        return line, np.array([1.0 if n > 1 else 0.0, 0.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # negative eigenvalues of a non-Euclidean measure are expected
        found = pcoa(DistanceMatrix((distances + distances.T) / 2.0, ids=[str(i) for i in range(n)]))
    points = np.zeros((n, 2))
    coordinates = found.samples.to_numpy()[:, :2]
    points[:, : coordinates.shape[1]] = coordinates
    for axis in range(2):  # the sign is arbitrary: the largest coordinate is positive
        points[:, axis] *= np.sign(points[np.argmax(np.abs(points[:, axis])), axis]) or 1.0
    share = np.zeros(2)
    share[: coordinates.shape[1]] = found.proportion_explained.to_numpy()[:2]
    return points, share


def permanova(
    distances: NDArray[np.float64], groups: Sequence[str], permutations: int = 999
) -> tuple[float, float, float]:
    """How much of the squared distances the groups explain: R squared, pseudo-F and permutation p.

    Anderson 2001 (doi:10.1111/j.1442-9993.2001.01070.pp.x). The permutations come from the counter-based
    streams with a fixed seed, so that the p value is the same on every machine. Needs 2 groups and more
    samples than groups.
    """
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    n, a = len(codes), int(codes.max()) + 1
    squared = distances**2
    total = squared.sum() / (2.0 * n)
    sizes = np.bincount(codes)

    def within(labels: NDArray[np.int64]) -> float:
        member = np.zeros((n, a))
        member[np.arange(n), labels] = 1.0
        return float((np.einsum("ia,ia->a", member, squared @ member) / (2.0 * sizes)).sum())

    observed = within(codes)
    order = np.argsort(
        uniform(0, "permanova", np.arange(n)[None, :], draw=np.arange(permutations)[:, None]),
        axis=1,
        kind="stable",
    )
    as_small = sum(within(codes[row]) <= observed * (1.0 + 1e-12) for row in order)
    f = ((total - observed) / (a - 1.0)) / (observed / (n - a)) if observed > 0 else np.inf
    return (
        float((total - observed) / total) if total > 0 else 0.0,
        float(f),
        (1.0 + as_small) / (1.0 + permutations),
    )
