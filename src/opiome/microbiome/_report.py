"""The cohort report: one HTML file without scripts or anything from outside."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from opiome import pages
from opiome.microbiome import _figures as figures
from opiome.microbiome._contrasts import contrasts
from opiome.microbiome._measures import definitions
from opiome.microbiome._profile import GUILDS
from opiome.microbiome._quality import FLAGS

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from opiome.microbiome._analysis import Analysis
    from opiome.microbiome._guilds import GuildTable
    from opiome.microbiome._resample import GuildDistribution

__all__ = ["write_report"]

_MOST_TAXA = 15
_MOST_FLAGS = 40


@lru_cache(maxsize=1)
def guild_names() -> dict[str, str]:
    """The names of the guilds, from the model's table."""
    lines = (files("opiome.model") / "guilds.tsv").read_text(encoding="utf-8").splitlines()
    header = lines[0].split("\t")
    key, name = header.index("id"), header.index("name")
    return {
        cells[key]: cells[name] for cells in (line.split("\t") for line in lines[1:]) if cells[key] in GUILDS
    }


def _distributions(analysis: Analysis) -> list[dict[str, str]]:
    shown: tuple[tuple[str, dict[str, Any]], ...] = (
        ("shannon", {}),
        ("akkermansia", {"logarithmic": True, "fraction": True, "marks": ((0.04799, "high from 4.8 %"),)}),
        ("dysbiosis", {}),
        ("toposcore", {"marks": ((0.5351, "SIG1 below"), (0.7911, "SIG2 above"))}),
    )
    panels = []
    for name, more in shown:
        values = analysis.measures[name].to_list()
        if all(value is None for value in values):
            continue
        measure = definitions()[name]
        svg = figures.strips(measure.label, values, analysis.profile.samples, analysis.groups, **more)
        panels.append(
            {
                "svg": svg,
                "label": measure.label,
                "unit": measure.unit if name != "akkermansia" else "",
                "definition": measure.definition,
                "source": measure.source,
            }
        )
    return panels


def _summary(analysis: Analysis) -> list[dict[str, str]]:
    """Mean and quartiles of each guild."""
    names = guild_names()
    out = []
    for k, guild in enumerate(GUILDS):
        x = 100.0 * analysis.guilds.fractions[:, k]
        low, middle, high = np.quantile(x, [0.25, 0.5, 0.75])
        out.append(
            {
                "id": guild,
                "name": names[guild],
                "colour": figures.COLOURS[guild],
                "mean": f"{x.mean():.1f}",
                "median": f"{middle:.2g}" if middle < 10 else f"{middle:.0f}",  # noqa: PLR2004
                "range": f"{low:.2g} to {high:.2g}",
                "seen": f"{100 * (x > 0).mean():.0f}",
            }
        )
    return out


def _contrast_rows(analysis: Analysis) -> dict[str, Any] | None:
    """Groups against the reference group: one line for each guild and measure, a pair of cells for each."""
    found = contrasts(analysis)
    if not found:
        return None
    names = guild_names()
    groups = list(dict.fromkeys((one.group, one.people) for one in found))
    lines: dict[str, dict[str, Any]] = {}
    for one in found:
        guild = one.quantity in GUILDS
        share = guild or one.quantity == "akkermansia"
        line = lines.setdefault(
            one.quantity,
            {
                "label": f"{one.label} {names[one.label]}" if guild else one.label,
                "colour": figures.COLOURS[one.label] if guild else "",
                "base": _short(one.reference_value, percent=share),
                "cells": {},
            },
        )
        line["cells"][one.group] = {
            "value": _short(one.value, percent=share),
            "effect": f"x {one.effect:.2f}" if guild else "",
            "q": "< 0.001" if one.q < 0.001 else f"{one.q:.3f}",  # noqa: PLR2004 (as printed)
            "sure": one.q < 0.05,  # noqa: PLR2004 (as usual)
        }
    return {
        "reference": found[0].reference,
        "reference_people": found[0].reference_people,
        "groups": groups,
        "lines": list(lines.values()),
    }


def _short(value: float, *, percent: bool) -> str:
    return f"{100 * value:.2g} %" if percent else f"{value:.2f}"


def _flag_rows(analysis: Analysis) -> list[dict[str, str]]:
    by_flag: dict[str, list[str]] = {}
    for flag in analysis.flags:
        by_flag.setdefault(flag.flag, []).append(f"{flag.sample} ({flag.detail})")
    return [
        {
            "flag": name,
            "meaning": meaning,
            "n": str(len(by_flag[name])),
            "samples": ", ".join(by_flag[name][:_MOST_FLAGS])
            + (
                f" and {len(by_flag[name]) - _MOST_FLAGS} more, in flags.tsv"
                if len(by_flag[name]) > _MOST_FLAGS
                else ""
            ),
        }
        for name, meaning in FLAGS.items()
        if name in by_flag
    ]


def checked(guilds: GuildTable, grades: tuple[str, ...]) -> float:
    """The share of the abundance in guilds that rows of these grades of evidence place."""
    import polars as pl

    placed = guilds.taxa.filter(pl.col("guild") != "none")
    total = float(placed["mean"].sum())
    return (
        float(placed.filter(pl.col("evidence").is_in(list(grades)))["mean"].sum()) / total if total else 0.0
    )


def write_report(
    analysis: Analysis, path: Path, cohort: pl.DataFrame, distribution: GuildDistribution | None
) -> None:
    """Write the report of a set of samples; ``cohort`` and ``distribution`` are what was made of them."""
    profile, guilds = analysis.profile, analysis.guilds
    unmapped = guilds.unmapped().head(_MOST_TAXA)
    comparison = None
    if distribution is not None:
        drawn = cohort.select([f"composition_{guild}" for guild in GUILDS]).to_numpy()
        comparison = figures.guild_quantiles(list(distribution.comparison(drawn).iter_rows()))
    groups = sorted(set(analysis.groups)) if analysis.groups else []
    outliers = {flag.sample for flag in analysis.flags if flag.flag == "outlier"}
    content = {
        "title": ", ".join(path_.name for path_ in profile.files[:3]) or "Stool profiles",
        "n": len(profile.samples),
        "people": len(set(analysis.subjects)),
        "accepted": int(analysis.accepted.sum()),
        "format": {"plain table": "a plain table", "BIOM": "a BIOM table"}.get(
            profile.format,
            f"{profile.format} output" if profile.format in {"MetaPhlAn", "Bracken"} else profile.format,
        ),
        "kind": "reads" if profile.kind == "counts" else "fractions",
        "depth": None
        if profile.kind != "counts"
        else f"{np.median(profile.depth):,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
        "mapped": f"{100 * guilds.mapped.mean():.1f}",
        "at_genus": f"{100 * guilds.mapped_at_genus.mean():.1f}",
        "family": f"{100 * guilds.by_level['family'].mean():.1f}",
        "inherited": f"{100 * guilds.inherited.mean():.1f}",
        "set_apart": f"{100 * profile.set_apart.mean():.0f}",
        "notes": profile.notes,
        "min_depth": f"{analysis.min_depth:g}",
        "version": guilds.version,
        "reference": analysis.reference,
        "load": analysis.load.told if analysis.load is not None else "",
        "contrasts": _contrast_rows(analysis),
        "read": f"{100 * checked(guilds, ('seen', 'derived')):.0f}",
        "bars": figures.guild_bars(profile.samples, guilds.fractions, analysis.groups, guild_names()),
        "summary": _summary(analysis),
        "no_guild": figures.NO_GUILD,
        "ordination": figures.ordination(
            analysis.points,
            analysis.explained,
            samples=profile.samples,
            subjects=analysis.subjects,
            groups=analysis.groups,
            outliers=outliers,
        ),
        "groups": [(name, figures.GROUPS[k % len(figures.GROUPS)]) for k, name in enumerate(groups)],
        "repeated": len(set(analysis.subjects)) < len(profile.samples),
        "outliers": len(outliers),
        "distributions": _distributions(analysis),
        "coverage": figures.coverage(dict(guilds.by_level), guilds.inherited),
        "unmapped": [
            {
                "taxon": row["taxon"],
                "rank": row["rank"],
                "mean": f"{100 * row['mean']:.2f}",
                "max": f"{100 * row['max']:.1f}",
                "reason": row["reason"],
            }
            for row in unmapped.iter_rows(named=True)
        ],
        "flags": _flag_rows(analysis),
        "flagged": len({flag.sample for flag in analysis.flags}),
        "batches": analysis.batches,
        "cohort": cohort.height,
        "drawn": distribution,
        "comparison": comparison,
        "definitions": [d for d in definitions().values() if d.id in analysis.measures.columns],
    }
    page = pages.render("opiome.microbiome", "cohort.html", **content)
    path.write_text(page, encoding="utf-8")
