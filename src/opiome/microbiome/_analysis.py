"""From files to everything that is known about a set of samples, and to a folder of results."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from opiome.errors import Problem, ProfileError
from opiome.microbiome._changes import changes
from opiome.microbiome._contrasts import contrast_table, contrasts
from opiome.microbiome._distances import aitchison, bray_curtis, permanova, principal_coordinates
from opiome.microbiome._guilds import GuildTable, map_guilds
from opiome.microbiome._load import Load, measured_load
from opiome.microbiome._measures import Reference, measures, reference_from, shipped_reference
from opiome.microbiome._metadata import Metadata, number, read_metadata
from opiome.microbiome._patients import drawn_patients, sample_patients
from opiome.microbiome._profile import GUILDS, Profile
from opiome.microbiome._quality import Flag, quality, refuse_other_sites
from opiome.microbiome._read import read_profile
from opiome.microbiome._resample import GuildDistribution, fit_distribution

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

__all__ = ["Analysis", "BatchEffect", "analyse"]

_PERMUTATIONS = 199


@dataclass(frozen=True)
class BatchEffect:
    """How much of the Aitchison distances a metadata column explains (PERMANOVA, one sample per person).

    ``with_groups`` is Cramer's V between the column and the groups, 0 to 1: at 1 each batch holds one group,
    and what differs between groups may as well differ between batches. None without groups.
    """

    column: str
    levels: int
    r_squared: float
    p: float
    with_groups: float | None = None


@dataclass(frozen=True, eq=False)
class Analysis:
    """A set of samples with guilds, measures, quality flags and, where given, people, times and batches.

    ``accepted`` (n,) are the samples of stool deep enough to make patients; ``subjects`` (n,) whose they are;
    ``times`` (n,) when they were taken, in the unit of the metadata; ``load`` bacteria per gram, if measured;
    ``points`` (n, 2) the first two principal coordinates of Aitchison distances of genera and ``explained``
    (2,) their shares.
    """

    profile: Profile
    guilds: GuildTable
    measures: pl.DataFrame
    flags: tuple[Flag, ...]
    accepted: NDArray[np.bool_]
    subjects: tuple[str, ...]
    times: tuple[float | None, ...] | None
    groups: tuple[str, ...] | None
    load: Load | None
    metadata: Metadata | None
    reference: Reference
    batches: tuple[BatchEffect, ...]
    points: NDArray[np.float64]
    explained: NDArray[np.float64]
    min_depth: float

    def fit(self) -> GuildDistribution:
        """Fit the guild compositions of the accepted samples, one value per person."""
        rows = np.flatnonzero(self.accepted)
        return fit_distribution(
            self.guilds.composition[rows], self.profile.detection[rows], [self.subjects[i] for i in rows]
        )

    def write(
        self,
        out: str | os.PathLike[str],
        *,
        per: str = "sample",
        patients: int | None = None,
        seed: int = 1,
        overwrite: bool = False,
    ) -> Path:
        """Write the cohort file, the tables, the manifest and the report to a new folder, all or nothing.

        With ``patients`` the cohort is that many people drawn from the fitted distribution, else one patient
        per sample or per person. Raises ProfileError when the folder exists, unless ``overwrite``.
        """
        from opiome.microbiome._report import write_report

        target = Path(out)
        if target.exists() and not overwrite:
            raise ProfileError(
                Problem("the folder exists", file=target, remedy="choose another one, or pass --overwrite")
            )
        distribution = self.fit() if patients else None
        cohort = (
            drawn_patients(distribution, patients, seed)
            if distribution and patients
            else sample_patients(self, per)
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            cohort.write_parquet(folder / "cohort.parquet")
            self._tables(folder)
            made = {"per": per, "patients": patients, "seed": seed if patients else None, "n": cohort.height}
            (folder / "manifest.json").write_text(
                json.dumps(self._manifest(made), indent=2) + "\n", encoding="utf-8"
            )
            if distribution:
                content = {
                    "space": "isometric log-ratio, Helmert basis, guilds in the order G1..G7",
                    "mean": distribution.mean.tolist(),
                    "between": distribution.between.tolist(),
                    "within": distribution.within.tolist() if distribution.within is not None else None,
                    "patterns": distribution.patterns.astype(int).tolist(),
                    "pattern_weights": distribution.weights.tolist(),
                    "detection": distribution.detection,
                    "people": distribution.n,
                    "shrinkage": distribution.shrinkage,
                }
                (folder / "distribution.json").write_text(
                    json.dumps(content, indent=2) + "\n", encoding="utf-8"
                )
            write_report(self, folder / "report.html", cohort, distribution)
            folder.chmod(0o755)
            if target.exists():
                shutil.rmtree(target)
            folder.replace(target)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return target

    def _tables(self, folder: Path) -> None:
        import polars as pl

        guilds = pl.DataFrame(
            {"sample": list(self.profile.samples)}
            | {guild: self.guilds.fractions[:, k] for k, guild in enumerate(GUILDS)}
            | {"no_guild": 1.0 - self.guilds.mapped}
            | {f"by_{name}": values for name, values in self.guilds.by_level.items()}
            | ({} if self.load is None else {self.load.column: self.load.values})
            | {"set_apart": self.profile.set_apart}
        )
        guilds.write_csv(folder / "guilds.tsv", separator="\t")
        self.measures.write_csv(folder / "measures.tsv", separator="\t")
        self.guilds.unmapped().drop("written").write_csv(folder / "unmapped.tsv", separator="\t")
        flags = pl.DataFrame(
            [vars_of(flag) for flag in self.flags], schema=["sample", "flag", "detail"], orient="row"
        )
        flags.write_csv(folder / "flags.tsv", separator="\t")
        compared = contrasts(self)
        if compared:
            contrast_table(compared).write_csv(folder / "contrasts.tsv", separator="\t")
        found = changes(self)
        if found is not None:
            found.write_parquet(folder / "changes.parquet")

    def _manifest(self, made: dict[str, Any]) -> dict[str, Any]:
        from importlib.metadata import PackageNotFoundError, version

        try:
            opiome = version("opiome")
        except PackageNotFoundError:
            opiome = "unknown"
        return {
            "opiome": opiome,
            "mapping": self.guilds.version,
            "files": [
                {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
                for path in self.profile.files
            ],
            "format": self.profile.format,
            "kind": self.profile.kind,
            "samples": len(self.profile.samples),
            "people": len(set(self.subjects)),
            "accepted": int(self.accepted.sum()),
            "min_depth": self.min_depth,
            "load": "relative only" if self.load is None else self.load.told,
            "reference": {
                "name": self.reference.name,
                "source": self.reference.source,
                "people": self.reference.n,
            },
            "zeros": "65 % of the detection limit of the sample in composition_G*; kept in observed_G*",
            "notes": list(self.profile.notes),
            "cohort": made,
        }


def vars_of(flag: Flag) -> tuple[str, str, str]:
    """A flag as a row."""
    return flag.sample, flag.flag, flag.detail


def _times(metadata: Metadata | None, column: str | None) -> tuple[float | None, ...] | None:
    name = column or (metadata.time if metadata else None)
    if name is None or metadata is None:
        return None
    return tuple(number(cell) for cell in metadata.column(name))


def _batches(
    metadata: Metadata | None,
    named: Sequence[str],
    subjects: Sequence[str],
    distances: NDArray[np.float64],
    told: Sequence[str | None] | None,
) -> tuple[BatchEffect, ...]:
    if metadata is None:
        return ()
    effects = []
    first = {subject: i for i, subject in reversed(list(enumerate(subjects)))}
    for column in dict.fromkeys([*named, *metadata.batches]):
        cells = metadata.column(column)
        rows = [i for i in sorted(first.values()) if cells[i] is not None]
        groups = [str(cells[i]) for i in rows]
        levels = len(set(groups))
        if levels < 2 or len(rows) <= levels + 1:  # noqa: PLR2004 (two groups)
            continue
        r_squared, _, p = permanova(distances[np.ix_(rows, rows)], groups, _PERMUTATIONS)
        own = [told[i] for i in rows] if told else []
        effects.append(BatchEffect(column, levels, r_squared, p, _cramer(groups, own)))
    return tuple(effects)


def _cramer(batch: Sequence[str], group: Sequence[str | None]) -> float | None:
    """Cramer's V of two columns; None where the groups are fewer than two or not told."""
    pairs = [(b, g) for b, g in zip(batch, group, strict=True) if g is not None] if group else []
    batches, groups = (sorted({str(pair[k]) for pair in pairs}) for k in (0, 1))
    if min(len(batches), len(groups)) < 2:  # noqa: PLR2004 (two of each)
        return None
    seen = np.zeros((len(batches), len(groups)))
    for b, g in pairs:
        seen[batches.index(b), groups.index(str(g))] += 1.0
    due = seen.sum(axis=1, keepdims=True) * seen.sum(axis=0, keepdims=True) / seen.sum()
    return float(np.sqrt(((seen - due) ** 2 / due).sum() / (seen.sum() * (min(seen.shape) - 1))))


def analyse(
    *paths: str | os.PathLike[str],
    metadata: str | os.PathLike[str] | None = None,
    subject: str | None = None,
    time: str | None = None,
    group: str | None = None,
    reference: str | None = None,
    load: str | None = None,
    load_unit: str = "cells",
    batch: Sequence[str] = (),
    min_depth: float = 1000.0,
    body_site: str | None = None,
) -> Analysis:
    """Read stool profiles and compute what opiome can say about them.

    Args:
        paths: the files, as :func:`read_profile` takes them.
        metadata: a table with one row per sample; the options below name its columns.
        subject: whose the sample is; found by usual names when not given.
        time: when it was taken, a number; found by usual names when not given.
        group: how to group the figures.
        reference: ``COLUMN=VALUE``, the samples to take as reference; default the shipped healthy people.
        load: bacterial load; may be empty for some samples.
        load_unit: ``cells`` per gram, or ``relative``: anything in proportion to it (qPCR copies), of which
            the reference group has 1.
        batch: what the samples were processed with, beside the columns that look like it.
        min_depth: reads below which a sample makes no patient (tables of reads only).
        body_site: ``stool`` accepts a table that does not look like it.

    Raises:
        ProfileError: with every problem found.
    """
    profile = read_profile(*paths)
    told = read_metadata(metadata, profile) if metadata is not None else None
    if told is not None and body_site != "stool":
        foreign = told.foreign_site(profile.samples)
        if foreign:
            raise ProfileError(foreign[:10])
    for option, column in (("subject", subject), ("time", time), ("group", group), ("reference", reference)):
        if column is not None and told is None:
            raise ProfileError(Problem(f"--{option} needs --metadata", field=column))
    guilds = map_guilds(profile)
    nothing = np.flatnonzero(~(guilds.mapped > 0))
    if len(nothing):
        raise ProfileError(
            [
                Problem(
                    f"no taxon of sample {profile.samples[i]} is in a guild",
                    field=profile.samples[i],
                    expected="bacteria of stool",
                    remedy="check the taxonomy, or leave the sample out",
                )
                for i in nothing[:10]
            ]
        )
    odd = (
        np.zeros(len(profile.samples), dtype=bool)
        if body_site == "stool"
        else refuse_other_sites(profile, guilds, told.stool() if told else None)
    )
    name = subject or (told.subject if told else None)
    owner = told.column(name) if told and name else []
    subjects = tuple(o or s for o, s in zip(owner, profile.samples, strict=True)) if name else profile.samples
    compared = shipped_reference()
    members = None
    if reference is not None and told is not None:
        column, _, value = reference.partition("=")
        members = np.array([cell == value for cell in told.column(column)])
        compared = reference_from(guilds, profile, members, subjects, reference)
    frame = measures(profile, guilds, reference=compared, subjects=subjects, min_depth=min_depth)
    if members is not None:
        frame = frame.with_columns(dysbiosis_bray=_to_reference(profile, members, subjects))
    distances = aitchison(profile)
    points, explained = principal_coordinates(distances)
    shallow = np.nan_to_num(profile.depth, nan=np.inf) < min_depth
    groups = told.column(group) if told and group else None
    if groups is None and told and reference:
        groups = told.column(reference.partition("=")[0])
    return Analysis(
        profile,
        guilds,
        frame,
        tuple(quality(profile, guilds, odd, min_depth)),
        ~shallow & ~odd,
        subjects,
        _times(told, time),
        tuple(g or "not told" for g in groups) if groups else None,
        measured_load(told, load, load_unit, members=members, samples=profile.samples, subjects=subjects),
        told,
        compared,
        _batches(told, batch, subjects, distances, groups),
        points,
        explained,
        min_depth,
    )


def _to_reference(
    profile: Profile, members: NDArray[np.bool_], subjects: Sequence[str]
) -> NDArray[np.float64]:
    """Median Bray-Curtis dissimilarity to the reference samples of other people (Lloyd-Price 2019)."""
    distances = bray_curtis(profile)
    who = np.array(subjects, dtype=object)
    return np.array([float(np.median(distances[i, members & (who != who[i])])) for i in range(len(subjects))])
