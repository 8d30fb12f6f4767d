"""What is computed for each sample; definitions and sources stand in ``measures.tsv``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError
from opiome.microbiome._logratio import ilr, mahalanobis, replace_zeros, shrunk_covariance
from opiome.microbiome._toposcore import akkermansia, akkermansia_class, toposcore

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from opiome.microbiome._guilds import GuildTable
    from opiome.microbiome._profile import Profile

__all__ = ["Measure", "Reference", "definitions", "measures", "reference_from", "shipped_reference"]

_FEWEST = 10


@dataclass(frozen=True)
class Measure:
    """One row of ``measures.tsv``."""

    id: str
    label: str
    unit: str
    definition: str
    source: str


@dataclass(frozen=True, eq=False)
class Reference:
    """Reference guild compositions: ``mean`` (6,) and ``covariance`` (6, 6) in ilr, from ``n`` people."""

    name: str
    source: str
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    n: int
    subjects: tuple[str, ...] = ()
    coordinates: NDArray[np.float64] | None = None


@lru_cache(maxsize=1)
def definitions() -> dict[str, Measure]:
    """Every measure by id."""
    lines = (files("opiome.microbiome") / "measures.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [Measure(*line.split("\t")) for line in lines]
    return {row.id: row for row in rows}


@lru_cache(maxsize=1)
def shipped_reference() -> Reference:
    """Healthy people, from ``reference_guilds.tsv`` (made by ``qualification/microbiome.py``)."""
    text = (files("opiome.microbiome") / "reference_guilds.tsv").read_text(encoding="utf-8")
    facts: dict[str, str] = {}
    rows: list[list[float]] = []
    for line in text.splitlines():
        if line.startswith("# "):
            key, _, value = line[2:].partition(": ")
            facts[key] = value
        elif not line.startswith("row\t"):
            rows.append([float(cell) for cell in line.split("\t")[1:]])
    table = np.array(rows)
    return Reference(facts["name"], facts["source"], table[0], table[1:], int(facts["n"]))


def person_means(
    coordinates: NDArray[np.float64], subjects: Sequence[str]
) -> tuple[list[str], NDArray[np.float64]]:
    """Average the rows of each person: the people in order of appearance, and their means."""
    people = list(dict.fromkeys(subjects))
    index = np.array([people.index(subject) for subject in subjects]) if len(people) < len(subjects) else None
    if index is None:
        return people, coordinates
    sums = np.zeros((len(people), coordinates.shape[1]))
    np.add.at(sums, index, coordinates)
    return people, sums / np.bincount(index)[:, None]


def reference_from(
    guilds: GuildTable, profile: Profile, members: NDArray[np.bool_], subjects: Sequence[str], name: str
) -> Reference:
    """Make a reference of some samples, one value per person. Raises ProfileError for fewer than 10."""
    rows = np.flatnonzero(members)
    y = ilr(replace_zeros(guilds.composition[rows], profile.detection[rows]))
    people, means = person_means(y, [subjects[int(i)] for i in rows])
    if len(people) < _FEWEST:
        raise ProfileError(
            Problem(
                f"the reference {name} holds {len(people)} people",
                field="reference",
                expected=f"at least {_FEWEST}",
                remedy="choose a larger group, or leave the option out to compare with the shipped reference",
            )
        )
    covariance, _ = shrunk_covariance(means)
    return Reference(name, "this table", means.mean(axis=0), covariance, len(people), tuple(people), means)


def _dysbiosis(
    guilds: GuildTable, profile: Profile, reference: Reference, subjects: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.stats import f as f_distribution

    y = ilr(replace_zeros(guilds.composition, profile.detection))
    distance = mahalanobis(y, reference.mean, reference.covariance)
    n = np.full(len(y), reference.n, dtype=np.float64)
    if reference.coordinates is not None:
        for person, name in enumerate(reference.subjects):
            own = np.array([subject == name for subject in subjects])
            others = np.delete(reference.coordinates, person, axis=0)
            distance[own] = mahalanobis(y[own], others.mean(axis=0), shrunk_covariance(others)[0])
            n[own] = reference.n - 1
    p = y.shape[1]
    scaled = distance**2 * n * (n - p) / ((n + 1.0) * (n - 1.0) * p)
    return distance, np.asarray(100.0 * f_distribution.cdf(scaled, p, n - p))


def _rarefied(profile: Profile, depth: float) -> NDArray[np.float64]:
    """Expected taxa in ``depth`` reads drawn without replacement (Hurlbert 1971)."""
    from scipy.special import gammaln

    out = np.full(len(profile.samples), np.nan)
    values = profile.values
    for i, total in enumerate(profile.depth):
        if total < depth:
            continue
        counts = values.data[values.indptr[i] : values.indptr[i + 1]]
        rest = total - counts[counts > 0]
        possible = rest >= depth
        missed = np.zeros_like(rest)
        missed[possible] = np.exp(
            gammaln(rest[possible] + 1)
            - gammaln(rest[possible] - depth + 1)
            - gammaln(total + 1)
            + gammaln(total - depth + 1)
        )
        out[i] = (1.0 - missed).sum()
    return out


def measures(
    profile: Profile,
    guilds: GuildTable,
    *,
    reference: Reference | None = None,
    subjects: Sequence[str] | None = None,
    min_depth: float = 1000.0,
) -> pl.DataFrame:
    """Compute the measures of ``measures.tsv`` that the table allows: one row per sample.

    ``reference`` defaults to the shipped healthy people; ``subjects`` (n_samples,) says whose each sample is.
    Scores that need species are null for a table of genera, those that need reads are null for fractions.
    """
    import polars as pl
    from skbio.diversity import alpha

    subjects = subjects or profile.samples
    matrix = profile.values
    rows = [matrix.data[a:b] for a, b in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)]
    counted = profile.kind == "counts"
    nothing = [None] * len(rows)
    accepted = profile.depth[profile.depth >= min_depth]
    fraction = akkermansia(profile)
    columns: dict[str, object] = {
        "sample": list(profile.samples),
        "richness": [int((row > 0).sum()) for row in rows],
        "richness_rarefied": _rarefied(profile, float(accepted.min()))
        if counted and len(accepted)
        else nothing,
        "shannon": [float(alpha.shannon(row / row.sum(), base=np.e)) for row in rows],
        "simpson": [float(alpha.simpson(row / row.sum())) for row in rows],
        "pielou": [float(alpha.pielou_e(row / row.sum())) if (row > 0).sum() > 1 else 0.0 for row in rows],
        "chao1": [float(alpha.chao1(row.astype(np.int64))) for row in rows] if counted else nothing,
        "akkermansia": fraction,
        "akkermansia_class": [akkermansia_class(value) for value in fraction],
    }
    scored = toposcore(profile)
    columns |= {
        "sig1": scored.n1 if scored else nothing,
        "sig2": scored.n2 if scored else nothing,
        "toposcore": scored.score if scored else nothing,
        "toposcore_class": list(scored.category) if scored else nothing,
        "toposcore_call": list(scored.call) if scored else nothing,
    }
    distance, percentile = _dysbiosis(guilds, profile, reference or shipped_reference(), subjects)
    columns |= {"dysbiosis": distance, "dysbiosis_percentile": percentile}
    types: dict[str, pl.DataType] = dict.fromkeys(("richness_rarefied", "chao1", "toposcore"), pl.Float64())
    types |= dict.fromkeys(("sig1", "sig2"), pl.Int64())
    types |= dict.fromkeys(("toposcore_class", "toposcore_call"), pl.String())
    return pl.DataFrame(columns, schema_overrides=types)
