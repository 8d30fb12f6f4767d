"""Real stool profiles in, virtual patients out.

::

    files -> Profile (samples x taxa) -> GuildTable (samples x guilds) -> measures, flags, distances ->
    cohort file

``analyse(...)`` does all of it, ``Analysis.write(folder)`` keeps it; ``read_cohort(path)`` is how a study
reads it back, and ``read_changes(path)`` how a calibration reads pairs of samples.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opiome.microbiome._analysis import Analysis, BatchEffect, analyse
    from opiome.microbiome._changes import guild_changes, read_changes
    from opiome.microbiome._guilds import GuildTable, guild_map, map_guilds
    from opiome.microbiome._measures import Reference, measures, shipped_reference
    from opiome.microbiome._metadata import Metadata, read_metadata
    from opiome.microbiome._patients import read_cohort
    from opiome.microbiome._profile import GUILDS, Profile
    from opiome.microbiome._read import read_profile
    from opiome.microbiome._resample import GuildDistribution, fit_distribution
    from opiome.microbiome._toposcore import Toposcore, toposcore

__all__ = [
    "GUILDS",
    "Analysis",
    "BatchEffect",
    "GuildDistribution",
    "GuildTable",
    "Metadata",
    "Profile",
    "Reference",
    "Toposcore",
    "analyse",
    "fit_distribution",
    "guild_changes",
    "guild_map",
    "map_guilds",
    "measures",
    "read_changes",
    "read_cohort",
    "read_metadata",
    "read_profile",
    "shipped_reference",
    "toposcore",
]

_HOME = {
    "_analysis": ("Analysis", "BatchEffect", "analyse"),
    "_changes": ("guild_changes", "read_changes"),
    "_guilds": ("GuildTable", "guild_map", "map_guilds"),
    "_measures": ("Reference", "measures", "shipped_reference"),
    "_metadata": ("Metadata", "read_metadata"),
    "_patients": ("read_cohort",),
    "_profile": ("GUILDS", "Profile"),
    "_read": ("read_profile",),
    "_resample": ("GuildDistribution", "fit_distribution"),
    "_toposcore": ("Toposcore", "toposcore"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> object:
    if name in _MODULE:
        return getattr(import_module(f"opiome.microbiome.{_MODULE[name]}"), name)
    raise AttributeError(f"module 'opiome.microbiome' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
