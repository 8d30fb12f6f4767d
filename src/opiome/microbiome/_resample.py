"""A population fitted to real samples, and new people drawn from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError
from opiome.microbiome._logratio import ilr, ilr_inverse, replace_zeros, shrunk_covariance
from opiome.microbiome._measures import person_means
from opiome.microbiome._profile import GUILDS
from opiome.streams import normal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

__all__ = ["GuildDistribution", "fit_distribution"]

_FEWEST = 8
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class GuildDistribution:
    """A logistic-normal distribution of guild compositions.

    ``mean`` (6,) and ``between`` (6, 6) in ilr coordinates describe people; ``within`` (6, 6) the differences
    between samples of one person (None without repeats). ``shrinkage`` is the weight of the diagonal in
    ``between``. ``people`` (n, 7) are the compositions that it was fitted to, one per person.
    Source: Aitchison and Shen 1980, doi:10.1093/biomet/67.2.261.
    """

    mean: NDArray[np.float64]
    between: NDArray[np.float64]
    within: NDArray[np.float64] | None
    shrinkage: float
    n: int
    people: NDArray[np.float64]

    def draw(self, n: int, seed: int, first: int = 0) -> NDArray[np.float64]:
        """Compositions (n, 7) of the people from ``first`` on; person k is the same in every draw."""
        d = len(self.mean)
        z = normal(seed, "microbiome", np.arange(first, first + n)[:, None], draw=np.arange(d)[None, :])
        factor = np.linalg.cholesky(self.between)
        y = np.zeros((n, d))
        for j in range(d):  # sums in a fixed order, so that the result has the same bits everywhere
            for k in range(j + 1):
                y[:, j] += factor[j, k] * z[:, k]
        return ilr_inverse(y + self.mean)

    def comparison(self, drawn: NDArray[np.float64]) -> pl.DataFrame:
        """Quantiles among the people fitted and drawn: a frame ``guild quantile fitted drawn``."""
        import polars as pl

        return pl.DataFrame(
            [
                {
                    "guild": guild,
                    "quantile": q,
                    "fitted": float(np.quantile(self.people[:, i], q)),
                    "drawn": float(np.quantile(drawn[:, i], q)),
                }
                for i, guild in enumerate(GUILDS)
                for q in _QUANTILES
            ]
        )


def fit_distribution(
    composition: NDArray[np.float64], detection: NDArray[np.float64], subjects: Sequence[str]
) -> GuildDistribution:
    """Fit people's guild compositions (n_samples, 7); repeated samples of one person count as one person.

    Zeros are replaced by 65 % of each sample's detection limit. The covariance between people is that of
    the person means less the part that the samples within people explain (one-way random effects), shrunk
    to its diagonal.
    Raises ProfileError for fewer than 8 people.
    """
    y = ilr(replace_zeros(composition, detection))
    people, means = person_means(y, subjects)
    if len(people) < _FEWEST:
        raise ProfileError(
            Problem(
                f"the table holds {len(people)} people",
                field="patients",
                expected=f"at least {_FEWEST} to fit a distribution",
                remedy="use each sample as one patient: leave --patients out",
            )
        )
    covariance, weight = shrunk_covariance(means)
    within = None
    if len(people) < len(y):
        owner = np.array([people.index(subject) for subject in subjects])
        residual = y - means[owner]
        within = residual.T @ residual / (len(y) - len(people))
        per_person = np.bincount(owner)
        between = covariance - within * float(np.mean(1.0 / per_person))
        values, vectors = np.linalg.eigh(between)
        floor = 0.05 * np.linalg.eigvalsh(covariance)[0]
        covariance = (vectors * np.maximum(values, floor)) @ vectors.T
    return GuildDistribution(means.mean(axis=0), covariance, within, weight, len(people), ilr_inverse(means))
