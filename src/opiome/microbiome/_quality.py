"""What a reader of the results must know about each sample, and the refusal of what is not stool."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError
from opiome.microbiome._distances import bray_curtis
from opiome.microbiome._lineage import genus_key
from opiome.microbiome._measures import definitions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from opiome.microbiome._guilds import GuildTable
    from opiome.microbiome._profile import Profile

__all__ = ["FLAGS", "Flag", "quality", "refuse_other_sites"]

FLAGS = {
    "shallow": "fewer reads than asked for: left out of the patients",
    "unmapped": "more than 20 % of the abundance is in no guild",
    "family": "more than 20 % of the abundance is placed by family only",
    "unclassified": "the pipeline could not classify more than half of the reads",
    "dominated": "one genus makes up more than 60 %",
    "outlier": "unlike the other samples of this table",
    "zero_unsure": "Akkermansia is zero, but the sample could not show less than 0.01 %",
    "not_stool_like": "marker genera of another body site outweigh those of stool: left out of the patients",
}
_UNMAPPED, _FAMILY, _UNCLASSIFIED, _DOMINATED, _SHOW = 0.2, 0.2, 0.5, 0.6, 1e-4
_OUTLIER_MADS, _FEWEST = 3.5, 8  # the modified z of Iglewicz and Hoaglin (1993)
_FOREIGN, _STOOL = 0.5, 0.1


@dataclass(frozen=True)
class Flag:
    """One remark on one sample."""

    sample: str
    flag: str
    detail: str


@lru_cache(maxsize=1)
def _sites() -> dict[str, str]:
    lines = (files("opiome.microbiome") / "body_sites.tsv").read_text(encoding="utf-8").splitlines()
    return {
        genus_key(line.split("\t")[0]): line.split("\t")[1]
        for line in lines
        if not line.startswith(("#", "genus\t"))
    }


def _site_shares(profile: Profile) -> tuple[NDArray[np.float64], list[str], NDArray[np.float64]]:
    """The share of stool markers (n,), and the leading other site and its share for each sample."""
    sites = _sites()
    mark = [sites.get(genus_key(lineage.genus).split("_")[0], "") for lineage in profile.lineages]
    others = sorted(set(sites.values()) - {"stool"})
    share = {
        site: np.asarray(profile.fractions @ np.array([m == site for m in mark], dtype=np.float64))
        for site in ("stool", *others)
    }
    stacked = np.stack([share[site] for site in others])
    return share["stool"], [others[i] for i in stacked.argmax(axis=0)], stacked.max(axis=0)


def refuse_other_sites(
    profile: Profile, guilds: GuildTable, told: Sequence[bool] | None = None
) -> NDArray[np.bool_]:
    """Return which samples (n,) do not look like stool. Raises ProfileError when more than half do not.

    Samples that the metadata call stool (``told``) are believed: after antibiotics stool can look like a
    mouth. Of the others, one does not look like stool when marker genera of mouth, skin, vagina or airway
    hold more than 50 %, and both those of stool and the guild G2 less than 10 %.
    """
    stool, site, foreign = _site_shares(profile)
    gut = np.maximum(stool, guilds.fractions[:, 1])
    odd = (foreign > _FOREIGN) & (gut < _STOOL)
    if told is not None:
        odd &= ~np.asarray(told, dtype=bool)
    if odd.mean() > 0.5:  # noqa: PLR2004 (more than half)
        rows = np.flatnonzero(odd)
        names = sorted({site[i] for i in rows}, key=[site[i] for i in rows].count, reverse=True)
        raise ProfileError(
            [
                Problem(
                    f"sample {profile.samples[i]} holds {100 * foreign[i]:.0f} % genera of the {site[i]} and"
                    f" {100 * stool[i]:.0f} % genera of stool",
                    file=profile.files[0] if profile.files else None,
                    field=profile.samples[i],
                    expected="stool",
                    remedy=f"this looks like a table of the {names[0]}; if not, pass --body-site stool",
                )
                for i in rows[:5]
            ]
        )
    return np.asarray(odd)


def strangeness(profile: Profile) -> NDArray[np.float64]:
    """How unlike the other samples each one (n,) is, in robust deviations.

    The median Bray-Curtis dissimilarity of genera to the other samples, less its median over the table,
    over 1.4826 times its median absolute deviation. Zero for a table of fewer than 8 samples.
    """
    n = len(profile.samples)
    if n < _FEWEST:
        return np.zeros(n)
    distances = bray_curtis(profile)
    typical = np.array([np.median(np.delete(row, i)) for i, row in enumerate(distances)])
    spread = 1.4826 * np.median(np.abs(typical - np.median(typical)))
    return np.asarray((typical - np.median(typical)) / spread) if spread > 0 else np.zeros(n)


def quality(profile: Profile, guilds: GuildTable, odd: NDArray[np.bool_], min_depth: float) -> list[Flag]:
    """Every remark, sample by sample, in the order of :data:`FLAGS`."""
    names, genera = profile.at_rank("genus")
    top = genera.argmax(axis=1)
    akkermansia = np.array(
        [
            genus_key(lineage.genus) == definitions()["akkermansia"].label.casefold()
            for lineage in profile.lineages
        ],
        dtype=np.float64,
    )
    zero = np.asarray(profile.fractions @ akkermansia) <= 0
    far = strangeness(profile)
    flags: list[Flag] = []
    for i, sample in enumerate(profile.samples):
        seen = {
            "shallow": profile.depth[i] < min_depth and f"{profile.depth[i]:.0f} reads",
            "unmapped": guilds.mapped[i] < 1 - _UNMAPPED and f"{100 * (1 - guilds.mapped[i]):.0f} %",
            "family": guilds.by_level["family"][i] > _FAMILY
            and f"{100 * guilds.by_level['family'][i]:.0f} %",
            "unclassified": profile.set_apart[i] > _UNCLASSIFIED and f"{100 * profile.set_apart[i]:.0f} %",
            "dominated": genera[i, top[i]] > _DOMINATED
            and f"{names[top[i]]} {100 * genera[i, top[i]]:.0f} %",
            "outlier": far[i] > _OUTLIER_MADS and f"{far[i]:.1f} robust deviations",
            "zero_unsure": zero[i]
            and profile.detection[i] > _SHOW
            and f"limit {100 * profile.detection[i]:.2g} %",
            "not_stool_like": bool(odd[i]) and "see the composition",
        }
        flags += [Flag(sample, name, str(detail)) for name, detail in seen.items() if detail]
    return flags
