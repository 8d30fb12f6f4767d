"""A population fitted to real samples, and new people drawn from it.

Zeros are common in stool (half of all people show no *Akkermansia*), and a normal distribution of
log-ratios cannot hold them: whatever replaces a zero becomes an outlier that widens every guild. So
presence and proportion are fitted apart: which guilds a person carries, by the frequencies of the patterns
seen, and the proportions of those present, by a logistic-normal distribution in which an absent guild is a
missing value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError
from opiome.microbiome._logratio import contrasts, ilr_inverse, replace_zeros, shrinkage_weight
from opiome.microbiome._profile import GUILDS
from opiome.streams import log, normal, uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["GuildDistribution", "fit_distribution"]

_FEWEST = 8
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_ROUNDS, _SETTLED = 500, 1e-9
_SMALLEST = 0.05  # of the smallest eigenvalue, when the samples within people seem to explain everything


@dataclass(frozen=True, eq=False)
class GuildDistribution:
    """Who carries which guilds, and a logistic-normal distribution of the proportions of those present.

    ``mean`` (6,) and ``between`` (6, 6) in ilr coordinates describe people; ``within`` (6, 6) the differences
    between samples of one person (None without repeats). ``shrinkage`` is the weight of the diagonal in
    ``between``. ``patterns`` (k, 7) are the sets of guilds seen together, with frequencies ``weights`` (k,);
    ``detection`` is the median detection limit. ``people`` (n, 7) are the compositions fitted, one per
    person. Source: Aitchison and Shen 1980, doi:10.1093/biomet/67.2.261.
    """

    mean: Array
    between: Array
    within: Array | None
    shrinkage: float
    patterns: NDArray[np.bool_]
    weights: Array
    detection: float
    people: Array

    @property
    def n(self) -> int:
        """The number of people fitted."""
        return len(self.people)

    def draw(self, n: int, seed: int, first: int = 0) -> Array:
        """Compositions (n, 7) of the people from ``first`` on; person k is the same in every draw.

        A guild that a person does not carry is 0.
        """
        d = len(self.mean)
        person = np.arange(first, first + n)
        z = normal(seed, "microbiome", person[:, None], draw=np.arange(d)[None, :])
        factor = np.linalg.cholesky(self.between)
        y = np.zeros((n, d))
        for j in range(d):  # sums in a fixed order, so that the result has the same bits everywhere
            for k in range(j + 1):
                y[:, j] += factor[j, k] * z[:, k]
        steps = np.cumsum(self.weights)
        which = np.searchsorted(steps, uniform(seed, "microbiome-presence", person) * steps[-1], side="right")
        parts = ilr_inverse(y + self.mean) * self.patterns[np.minimum(which, len(steps) - 1)]
        return np.asarray(parts / parts.sum(axis=1, keepdims=True))

    def comparison(self, drawn: Array) -> pl.DataFrame:
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


def fit_distribution(composition: Array, detection: Array, subjects: Sequence[str]) -> GuildDistribution:
    """Fit people's guild compositions (n_samples, 7); repeated samples of one person count as one person.

    A person carries a guild that at least half of their samples show. The covariance between people is that
    of the person means (by expectation and maximisation where guilds are absent), less the part that the
    samples within people explain (one-way random effects), shrunk to its diagonal. ``detection``
    (n_samples,) are the smallest fractions that each sample can show. Raises ProfileError for fewer than 8
    people.
    """
    people = list(dict.fromkeys(subjects))
    if len(people) < _FEWEST:
        raise ProfileError(
            Problem(
                f"the table holds {len(people)} people",
                field="patients",
                expected=f"at least {_FEWEST} to fit a distribution",
                remedy="use each sample as one patient: leave --patients out",
            )
        )
    owner = np.array([people.index(subject) for subject in subjects])
    member = np.zeros((len(people), len(owner)))
    member[owner, np.arange(len(owner))] = 1.0
    present = member @ (composition > 0) / member.sum(axis=1, keepdims=True) >= 0.5  # noqa: PLR2004 (half)
    prevalence = present.mean(axis=0)
    base = int(np.lexsort((-composition.mean(axis=0), -prevalence))[0])
    others = [k for k in range(composition.shape[1]) if k != base]
    x = composition.copy()
    x[:, base] = np.where(x[:, base] > 0, x[:, base], replace_zeros(composition, detection)[:, base])
    ratios = log(np.where(x > 0, x, 1.0))
    ratios = np.where(x[:, others] > 0, ratios[:, others] - ratios[:, [base]], np.nan)
    means = _means(member, ratios)
    centre, covariance, completed = _normal_with_gaps(means)
    within = None
    if len(people) < len(subjects):
        residual = ratios - means[owner]
        seen = np.isfinite(residual).astype(np.float64)
        residual = np.nan_to_num(residual)
        freedom = np.maximum(seen.T @ seen * (1.0 - len(people) / len(subjects)), 1.0)
        within = residual.T @ residual / freedom
        covariance = covariance - within * float(np.mean(1.0 / member.sum(axis=1)))
    turn = contrasts(composition.shape[1])[others].T  # additive to isometric log-ratios
    smallest = _SMALLEST * float(np.linalg.eigvalsh(turn @ np.cov(completed.T) @ turn.T)[0])
    between = turn @ covariance @ turn.T
    weight = shrinkage_weight(completed @ turn.T)
    between *= 1.0 - weight * ~np.eye(len(between), dtype=bool)
    values, vectors = np.linalg.eigh(between)
    between = (vectors * np.maximum(values, max(smallest, 1e-12))) @ vectors.T
    patterns, counts = np.unique(present, axis=0, return_counts=True)
    persons = np.exp(np.insert(np.nan_to_num(means, nan=-np.inf), base, 0.0, axis=1)) * present
    return GuildDistribution(
        mean=turn @ centre,
        between=between,
        within=None if within is None else turn @ within @ turn.T,
        shrinkage=weight,
        patterns=patterns,
        weights=counts / len(people),
        detection=float(np.median(detection)),
        people=persons / persons.sum(axis=1, keepdims=True),
    )


def _means(member: Array, ratios: Array) -> Array:
    """The mean of each person's samples that show a guild (n_people, 6); NaN where none does."""
    seen = np.isfinite(ratios)
    count = member @ seen
    total = member @ np.nan_to_num(ratios)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _normal_with_gaps(y: Array) -> tuple[Array, Array, Array]:
    """Mean, covariance and completed rows of a normal sample with NaN gaps.

    Expectation and maximisation (Dempster, Laird and Rubin 1977); a column that is never seen is taken as
    rare and narrow: the lowest value of the table, with the smallest variance.
    """
    n, d = y.shape
    seen = np.isfinite(y)
    never = ~seen.any(axis=0)
    start = np.where(never, np.nanmin(y), 0.0)
    start[~never] = np.nanmean(y[:, ~never], axis=0)
    filled = np.where(seen, y, start)
    mean, covariance = start, np.cov(filled.T) + 1e-9 * np.eye(d)
    patterns, which = np.unique(seen, axis=0, return_inverse=True)
    for _ in range(_ROUNDS if not seen.all() else 0):
        extra = np.zeros((d, d))
        for k, have in enumerate(patterns):
            rows = np.flatnonzero(which.ravel() == k)
            gap = ~have
            if not gap.any():
                continue
            slope = np.linalg.solve(covariance[np.ix_(have, have)], covariance[np.ix_(have, gap)])
            filled[np.ix_(rows, gap)] = mean[gap] + (y[np.ix_(rows, have)] - mean[have]) @ slope
            extra[np.ix_(gap, gap)] += len(rows) * (
                covariance[np.ix_(gap, gap)] - covariance[np.ix_(gap, have)] @ slope
            )
        mean, before = filled.mean(axis=0), covariance
        centred = filled - mean
        covariance = (centred.T @ centred + extra) / (n - 1.0) + 1e-9 * np.eye(d)
        if np.abs(covariance - before).max() < _SETTLED * max(1.0, np.abs(covariance).max()):
            break
    return mean, covariance, filled
