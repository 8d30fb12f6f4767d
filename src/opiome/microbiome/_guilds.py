"""Taxa to guilds, by the versioned table ``taxa_guilds.tsv``.

A taxon is looked up by species, then by genus (for MetaPhlAn bins: the genus that GTDB gives the bin), then
by family. What is found only by family is a *fallback* and is counted apart. A taxon that no row names
stays unmapped and is listed; there is no guild for the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError
from opiome.microbiome._lineage import Lineage, genus_key, species_key
from opiome.microbiome._profile import GUILDS, Profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

__all__ = ["Assignment", "GuildMap", "GuildTable", "guild_map", "map_guilds"]

_SUM_TOLERANCE = 1e-9
_COLUMNS = ["rank", "name", "synonyms", "shares", "basis", "source", "evidence", "found", "note"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one row says: ``shares`` (7,) sums to 1, or is all zero for a taxon that belongs to no guild.

    ``evidence`` is ``seen``, ``derived``, ``assumed`` or ``recalled``, and ``found`` what the source says.
    """

    name: str
    rank: str
    shares: tuple[float, ...]
    basis: str
    source: str
    evidence: str
    found: str
    note: str

    @property
    def guild(self) -> str:
        """The guilds by name, the largest share first; ``none`` if there is none."""
        pairs = sorted(
            ((s, g) for s, g in zip(self.shares, GUILDS, strict=True) if s), key=lambda p: (-p[0], p[1])
        )
        return "+".join(g for _, g in pairs) or "none"


@dataclass(frozen=True)
class GuildMap:
    """The mapping table: rows by rank and name, and the genus and family of MetaPhlAn bins."""

    version: str
    rows: Mapping[tuple[str, str], Assignment]
    bins: Mapping[str, tuple[str, str]]

    def find(self, lineage: Lineage) -> Assignment | None:
        """Return the row that a taxon falls under, finest first; None when no row names it."""
        bin_genus = self.bins.get(lineage.sgb, ("", ""))[1]
        for species in (lineage.species, lineage.species_as_written):
            if species and (row := self.rows.get(("species", species_key(species)))):
                return row
        for genus in (bin_genus, lineage.genus):
            if genus and (row := self._spelled("genus", genus)):
                return row
        return self.family(lineage)

    def family(self, lineage: Lineage) -> Assignment | None:
        """Return the row of the family of a taxon; None when no row names it."""
        for family in (self.bins.get(lineage.sgb, ("", ""))[0], lineage.family):
            if family and (row := self._spelled("family", family)):
                return row
        return None

    def _spelled(self, rank: str, name: str) -> Assignment | None:
        key = genus_key(name)
        for shorter in (r"", r"_\d+$", r"(_[a-z]{1,2})?(_\d+)?$"):
            row = self.rows.get((rank, re.sub(shorter, "", key) if shorter else key))
            if row:
                return row
        return None


def _shares(cell: str) -> tuple[float, ...] | None:
    if cell == "none":
        return (0.0,) * len(GUILDS)
    found = dict.fromkeys(GUILDS, 0.0)
    for part in cell.split(";"):
        guild, _, share = part.partition(":")
        if guild not in found or not re.fullmatch(r"0?\.\d+|1(\.0+)?|0\.\d+", share):
            return None
        found[guild] = float(share)
    shares = tuple(found.values())
    return shares if abs(sum(shares) - 1.0) < _SUM_TOLERANCE else None


@lru_cache(maxsize=1)
def guild_map() -> GuildMap:
    """Read the shipped mapping table. Raises ProfileError with every bad row."""
    folder = files("opiome.microbiome")
    version = ""
    rows: dict[tuple[str, str], Assignment] = {}
    problems: list[Problem] = []
    for number, line in enumerate(
        (folder / "taxa_guilds.tsv").read_text(encoding="utf-8").splitlines(), start=1
    ):
        if line.startswith("#"):
            version = line.partition("version:")[2].strip() or version
            continue
        cells = line.split("\t")
        if cells == _COLUMNS:
            continue
        rank, name, synonyms, shares, basis, source, evidence, found, note = cells
        parsed = _shares(shares)
        if parsed is None:
            problems.append(
                Problem(
                    f"{name} has shares {shares!r}",
                    file="taxa_guilds.tsv",
                    line=number,
                    field="shares",
                    expected="none, or G1:0.5;G3:0.5 with a sum of 1",
                )
            )
            continue
        row = Assignment(name, rank, parsed, basis, source, evidence, found, note)
        key = species_key if rank == "species" else genus_key
        problems += [
            Problem(f"{rank} {spelling} stands twice", file="taxa_guilds.tsv", line=number)
            for spelling in (name, *filter(None, synonyms.split("|")))
            if rows.setdefault((rank, key(spelling)), row) is not row
        ]
    if problems:
        raise ProfileError(problems)
    bins: dict[str, tuple[str, str]] = {}
    for line in (folder / "sgb_genera.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith(("#", "family\t")):
            family, genus, numbers = line.split("\t")
            bins.update(dict.fromkeys(numbers.split(","), (family, genus)))
    return GuildMap(version, rows, bins)


@dataclass(frozen=True, eq=False)
class GuildTable:
    """Samples x guilds, and what could not be placed; all fractions of what the pipeline classified.

    ``fractions`` (n_samples, 7) is the part placed in each guild, from species, genus and family rows
    together; ``composition`` makes each row sum to 1. ``by_level`` gives, per sample, how much was placed
    by each rank.
    """

    samples: tuple[str, ...]
    fractions: NDArray[np.float64]
    by_level: Mapping[str, NDArray[np.float64]]
    inherited: NDArray[np.float64]
    taxa: pl.DataFrame
    version: str

    @property
    def mapped(self) -> NDArray[np.float64]:
        """The fraction of abundance that is in a guild (n_samples,)."""
        return np.asarray(self.fractions.sum(axis=1))

    @property
    def mapped_at_genus(self) -> NDArray[np.float64]:
        """The fraction that a species or genus row put in a guild (n_samples,), family fallbacks left out."""
        return np.asarray(self.by_level["species"] + self.by_level["genus"])

    @property
    def composition(self) -> NDArray[np.float64]:
        """Fractions of the mapped part (n_samples, 7); rows sum to 1, NaN where nothing is mapped."""
        total = self.mapped[:, None]
        return np.divide(self.fractions, total, out=np.full_like(self.fractions, np.nan), where=total > 0)

    def unmapped(self) -> pl.DataFrame:
        """The taxa in no guild, by falling mean abundance: ``taxon rank mean max reason``."""
        import polars as pl

        table = self.taxa.filter(pl.col("guild") == "none", pl.col("mean") > 0)
        return table.select("taxon", "rank", "mean", "max", "reason", "written").sort(
            ["mean", "taxon"], descending=[True, False]
        )


def map_guilds(profile: Profile, mapping: GuildMap | None = None) -> GuildTable:
    """Sum the taxa of a profile into guilds."""
    import polars as pl

    mapping = mapping or guild_map()
    found = [mapping.find(lineage) if lineage.bacterial else None for lineage in profile.lineages]
    shares = np.array([row.shares if row else (0.0,) * len(GUILDS) for row in found]).reshape(-1, len(GUILDS))
    level = np.array([row.rank if row and any(row.shares) else "none" for row in found], dtype=object)
    family_based = np.array([bool(row and row.basis == "family" and row.rank != "family") for row in found])
    fractions = profile.fractions
    column = np.asarray(fractions.max(axis=0).todense()).ravel()
    taxa = pl.DataFrame(
        {
            "taxon": [lineage.label for lineage in profile.lineages],
            "rank": [lineage.rank for lineage in profile.lineages],
            "guild": [row.guild if row else "none" for row in found],
            "level": level.tolist(),
            "row": [row.name if row else "" for row in found],
            "evidence": [row.evidence if row else "" for row in found],
            "reason": [_reason(row, lineage) for row, lineage in zip(found, profile.lineages, strict=True)],
            "mean": np.asarray(fractions.mean(axis=0)).ravel(),
            "max": column,
            "written": list(profile.taxonomy),
        }
    )
    inherited = family_based & (level != "none")
    return GuildTable(
        samples=profile.samples,
        fractions=np.asarray(fractions @ shares),
        by_level={
            name: np.asarray(fractions @ (level == name).astype(np.float64))
            for name in ("species", "genus", "family")
        },
        inherited=np.asarray(fractions @ inherited.astype(np.float64)),
        taxa=taxa,
        version=mapping.version,
    )


def _reason(row: Assignment | None, lineage: Lineage) -> str:
    if row is None:
        if not lineage.bacterial:
            return "not a bacterium"
        return "not in the table" if lineage.genus else f"named to {lineage.rank} only"
    if any(row.shares):
        return ""
    return row.note.replace("by its family", "metabolism of its family not known:")
