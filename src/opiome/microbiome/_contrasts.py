"""Groups of people against each other: guilds and measures, one value per person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opiome.microbiome._logratio import clr, replace_zeros
from opiome.microbiome._measures import definitions, person_means
from opiome.microbiome._profile import GUILDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from opiome.microbiome._analysis import Analysis

__all__ = ["Contrast", "contrast_table", "contrasts"]

_FEWEST = 5
_MEASURES = ("shannon", "akkermansia", "dysbiosis", "toposcore")
_NOT_TOLD = "not told"


@dataclass(frozen=True)
class Contrast:
    """One quantity in one group of people against the reference group.

    ``value`` and ``reference_value`` are medians over people. ``effect`` is, for a guild, its ratio to the
    geometric mean of all guilds over that in the reference group; for a measure the difference of medians.
    ``p`` is Mann-Whitney's, ``q`` the same after Benjamini and Hochberg over all lines of the table.
    """

    quantity: str
    label: str
    group: str
    reference: str
    people: int
    reference_people: int
    value: float
    reference_value: float
    effect: float
    p: float
    q: float


def contrasts(analysis: Analysis, reference: str | None = None) -> list[Contrast]:
    """Compare the groups of accepted samples; empty where fewer than two groups have five people.

    ``reference`` defaults to the reference group of the analysis if it is one of the groups, else to the
    group with most people. A person is in the group of their first sample.
    """
    if analysis.groups is None:
        return []
    rows = np.flatnonzero(analysis.accepted)
    subjects = [analysis.subjects[int(i)] for i in rows]
    first = {subject: int(i) for i, subject in reversed(list(zip(rows, subjects, strict=True)))}
    people = list(dict.fromkeys(subjects))
    group = np.array([analysis.groups[first[person]] for person in people], dtype=object)
    sizes = {str(name): int((group == name).sum()) for name in dict.fromkeys(sorted(set(group)))}
    large = [name for name, n in sizes.items() if n >= _FEWEST and name != _NOT_TOLD]
    named = reference or analysis.reference.name.partition("=")[2]
    base = named if named in large else max(large, key=lambda name: sizes[name], default="")
    if len(large) < 2:  # noqa: PLR2004 (two groups)
        return []
    found = []
    for quantity, label, values, shown in _quantities(analysis, rows, subjects):
        there = group == base
        for name in large:
            here = group == name
            if name == base or not np.isfinite(values[here | there]).all():
                continue
            found.append(_compared(quantity, label, values, shown, (name, here), (base, there)))
    return _adjusted(found)


def _quantities(
    analysis: Analysis, rows: NDArray[np.int64], subjects: Sequence[str]
) -> list[tuple[str, str, NDArray[np.float64], NDArray[np.float64]]]:
    """Id, label, and per person the value compared and the value shown."""
    whole = replace_zeros(analysis.guilds.composition[rows], analysis.profile.detection[rows])
    _, balances = person_means(clr(whole), subjects)
    _, shares = person_means(analysis.guilds.composition[rows], subjects)
    out = [(guild, guild, balances[:, k], shares[:, k]) for k, guild in enumerate(GUILDS)]
    for name in _MEASURES:
        column = analysis.measures[name].cast(float).to_numpy()[rows]
        if np.isfinite(column).all():
            values = person_means(column[:, None], subjects)[1][:, 0]
            out.append((name, definitions()[name].label, values, values))
    return out


def _compared(  # noqa: PLR0917 (one call)
    quantity: str,
    label: str,
    values: NDArray[np.float64],
    shown: NDArray[np.float64],
    mine: tuple[str, NDArray[np.bool_]],
    base: tuple[str, NDArray[np.bool_]],
) -> Contrast:
    from scipy.stats import mannwhitneyu

    x, y = values[mine[1]], values[base[1]]
    value, against = float(np.median(shown[mine[1]])), float(np.median(shown[base[1]]))
    effect = float(np.exp(x.mean() - y.mean())) if quantity in GUILDS else value - against
    p = float(mannwhitneyu(x, y).pvalue)
    return Contrast(quantity, label, mine[0], base[0], len(x), len(y), value, against, effect, p, p)


def _adjusted(found: list[Contrast]) -> list[Contrast]:
    if not found:
        return []
    from dataclasses import replace

    from scipy.stats import false_discovery_control

    q = false_discovery_control([one.p for one in found])
    return [replace(one, q=float(value)) for one, value in zip(found, q, strict=True)]


def contrast_table(found: Sequence[Contrast]) -> pl.DataFrame:
    """The contrasts as a frame, one row each."""
    import polars as pl

    return pl.DataFrame([vars(one) for one in found])
