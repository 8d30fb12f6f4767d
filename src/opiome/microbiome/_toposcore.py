"""The score of favourable against unfavourable species of Derosa et al. (Cell 2024), recomputed from species.

The score is (n2 / 45 - n1 / 37 + 1) / 2, with n1 and n2 the numbers of detected species of the lists SIG1
(37, seen with resistance to checkpoint inhibitors) and SIG2 (45, seen with response). At or below 0.5351
the class is SIG1, at or above 0.7911 SIG2; in between (``Gray``) *Akkermansia* decides: present below 4.799
% speaks for response, absence or more speaks against. Source: doi:10.1016/j.cell.2024.05.029.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from opiome.microbiome._lineage import genus_key, species_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from opiome.microbiome._profile import Profile

__all__ = [
    "Toposcore",
    "akkermansia",
    "akkermansia_class",
    "listed_bins",
    "score",
    "score_class",
    "topo_class",
    "toposcore",
]

LOW_CUT, HIGH_CUT = 0.5351, 0.7911
AKKERMANSIA_HIGH = 0.04799
_SPECIES_SHARE = 0.3


@dataclass(frozen=True, eq=False)
class Toposcore:
    """Per sample: counts of listed species, the score, its class, and the two-way call.

    ``present`` gives, per list, a boolean array (n_samples, n_listed); ``names`` the species in that order.
    """

    names: Mapping[str, tuple[str, ...]]
    present: Mapping[str, NDArray[np.bool_]]
    score: NDArray[np.float64]
    category: tuple[str, ...]
    call: tuple[str, ...]

    @property
    def n1(self) -> NDArray[np.int64]:
        """Species of SIG1 seen (n_samples,)."""
        return np.asarray(self.present["SIG1"].sum(axis=1))

    @property
    def n2(self) -> NDArray[np.int64]:
        """Species of SIG2 seen (n_samples,)."""
        return np.asarray(self.present["SIG2"].sum(axis=1))


@lru_cache(maxsize=1)
def _lists() -> dict[str, list[tuple[str, frozenset[str], frozenset[str]]]]:
    lists: dict[str, list[tuple[str, frozenset[str], frozenset[str]]]] = {"SIG1": [], "SIG2": []}
    for line in (
        (files("opiome.microbiome") / "toposcore_species.tsv").read_text(encoding="utf-8").splitlines()
    ):
        if line.startswith(("#", "list\t")):
            continue
        which, species, bins, gtdb = line.split("\t")
        spellings = frozenset(species_key(name) for name in (species, *filter(None, gtdb.split("|"))))
        lists[which].append((species, frozenset(filter(None, bins.split("|"))), spellings))
    return lists


def listed_bins() -> dict[str, int]:
    """How many MetaPhlAn bins the lists name for each species."""
    return {species: len(bins) for entries in _lists().values() for species, bins, _ in entries}


def score(n1: NDArray[np.int64], n2: NDArray[np.int64]) -> NDArray[np.float64]:
    """The score from the numbers of SIG1 and SIG2 species; 0 to 1, high is favourable."""
    lists = _lists()
    return np.asarray((np.asarray(n2) / len(lists["SIG2"]) - np.asarray(n1) / len(lists["SIG1"]) + 1.0) / 2.0)


def score_class(value: float) -> str:
    """``SIG1``, ``Gray`` or ``SIG2``."""
    if value <= LOW_CUT:
        return "SIG1"
    return "SIG2" if value >= HIGH_CUT else "Gray"


def akkermansia_class(fraction: float, detection: float = 0.0) -> str:
    """``zero``, ``low`` (up to 4.799 %) or ``high``; ``fraction`` of what is classified."""
    if fraction <= detection:
        return "zero"
    return "high" if fraction >= AKKERMANSIA_HIGH else "low"


def topo_class(category: str, akkermansia_is: str) -> str:
    """The two-way call: ``SIG1+`` (unfavourable) or ``SIG2+``."""
    if category == "Gray":
        return "SIG2+" if akkermansia_is == "low" else "SIG1+"
    return f"{category}+"


def akkermansia(profile: Profile) -> NDArray[np.float64]:
    """The fraction of the genus *Akkermansia* (n_samples,)."""
    hit = np.array([genus_key(lineage.genus).startswith("akkermansia") for lineage in profile.lineages])
    return np.asarray(profile.fractions @ hit.astype(np.float64))


def toposcore(profile: Profile) -> Toposcore | None:
    """Score every sample; None where the table does not name species (less than 30 % of its abundance)."""
    named = np.array([bool(lineage.species or lineage.sgb) for lineage in profile.lineages], dtype=np.float64)
    if float(np.median(profile.fractions @ named)) < _SPECIES_SHARE:
        return None
    present: dict[str, NDArray[np.bool_]] = {}
    seen = profile.fractions
    by_name: dict[str, list[int]] = {}
    by_bin: dict[str, list[int]] = {}
    for i, lineage in enumerate(profile.lineages):
        for name in {species_key(n) for n in (lineage.species, lineage.species_as_written) if n}:
            by_name.setdefault(name, []).append(i)
        if lineage.sgb:
            by_bin.setdefault(lineage.sgb, []).append(i)
    columns = seen.tocsc()
    for which, entries in _lists().items():
        hits = np.zeros((len(profile.samples), len(entries)), dtype=bool)
        for k, (_, bins, names) in enumerate(entries):
            rows = {i for name in names for i in by_name.get(name, ())} | {
                i for b in bins for i in by_bin.get(b, ())
            }
            if rows:
                hits[:, k] = np.asarray(columns[:, sorted(rows)].sum(axis=1)).ravel() > 0
        present[which] = hits
    value = score(present["SIG1"].sum(axis=1), present["SIG2"].sum(axis=1))
    category = tuple(score_class(v) for v in value)
    classes = [akkermansia_class(a) for a in akkermansia(profile)]
    return Toposcore(
        {which: tuple(entry[0] for entry in entries) for which, entries in _lists().items()},
        present,
        value,
        category,
        tuple(topo_class(c, a) for c, a in zip(category, classes, strict=True)),
    )
