"""Stool profiles against public data: writes ``docs/microbiome.md`` and the shipped reference population.

Run as ``python qualification/microbiome.py`` with the public tables beside the checkout (``../shared/data``).
``--check`` computes everything and compares it with what is stored instead of writing it. The words of the
page stand in ``microbiome_page.md``; this script makes the numbers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from _markdown import ROUNDING, Row, percent, results, table
from _toposcore import DATA, SPECIES_TABLE, clinical, published_classes, recount, survival

from opiome.microbiome import GUILDS, analyse, guild_map, map_guilds, read_metadata, read_profile
from opiome.microbiome._logratio import clr, ilr, ilr_inverse, replace_zeros
from opiome.microbiome._measures import definitions, person_means, reference_from
from opiome.microbiome._patients import sample_patients

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opiome.microbiome import Analysis, GuildTable

ROOT = Path(__file__).resolve().parents[1]
WORDS = Path(__file__).with_name("microbiome_page.md")
PAGE = ROOT / "docs" / "microbiome.md"
REFERENCE = ROOT / "src" / "opiome" / "microbiome" / "reference_guilds.tsv"
TABLES = (
    "american_gut/ag-fecal.biom",
    "american_gut/AmericanGutMetaphlanWGS.biom",
    "toposcore/metaphlan4_example.tsv",
    SPECIES_TABLE,
    "mars_ibs_2020/genera.counts.tsv",
)
ACIDS = {"Acetate": 0.64, "Propionate": 0.79, "Butyrate": 0.74}
FOLDS = (1.5, 2.0, 3.0)
TONES = {
    "butyrate_tone": "butyrate to the mucosa",
    "scfa_tone": "all acids to the mucosa",
    "flora_score": "favourable balance",
    "flora_signal": "flora signal",
}
HEALTHY = (0.8, 1.25)  # of the reference patient: the median of healthy people should be about 1
WEEKS = 26


def coverage() -> str:
    """How much of each table is placed, by which rank."""
    rows = []
    for name in TABLES:
        profile = read_profile(DATA / name)
        guilds = map_guilds(profile)
        has = np.array([float(bool(lineage.genus or lineage.sgb)) for lineage in profile.lineages])
        missing = guilds.unmapped()
        rows.append(
            (
                f"`{name.split('/')[1]}`",
                profile.format,
                f"{len(profile.samples)} x {len(profile.taxonomy)}",
                percent(guilds.mapped_at_genus.mean()),
                percent(guilds.inherited.mean()),
                percent(guilds.by_level["family"].mean()),
                percent(1 - guilds.mapped.mean()),
                percent((guilds.mapped_at_genus / (profile.fractions @ has)).mean()),
                *(
                    percent(rest_on(guilds, grade))
                    for grade in (("seen",), ("derived",), ("recalled", "assumed"))
                ),
                percent(profile.set_apart.mean()),
                f"{missing['taxon'][0]} ({percent(missing['mean'][0])} %)" if missing.height else "none",
            )
        )
    header = (
        "table",
        "read as",
        "samples x taxa",
        "by species or genus, %",
        "of which guild taken from the family, %",
        "by family only, %",
        "in no guild, %",
        "placed of what has a genus, %",
        "by rows whose source was read, %",
        "by rows that follow from their family, %",
        "by rows not checked, %",
        "set apart, %",
        "largest in no guild",
    )
    return table(rows, header)


def rest_on(guilds: GuildTable, grades: tuple[str, ...]) -> float:
    """The share of abundance in guilds by rows of these grades of evidence."""
    placed = guilds.taxa.filter(pl.col("guild") != "none", pl.col("evidence").is_in(list(grades)))
    return float(placed["mean"].sum())


def families() -> tuple[str, dict[str, str]]:
    """How far the guild of a family agrees with the guilds of its genera, where both are known.

    For each family row, over the mean composition of the table of genera: the abundance that rows from
    cultured members place, and how much of it lies in the guild of the family.
    """
    profile = read_profile(DATA / "mars_ibs_2020/genera.counts.tsv")
    mapping = guild_map()
    mean = np.asarray(profile.fractions.mean(axis=0)).ravel()
    found: dict[str, list[float]] = {}
    for lineage, share in zip(profile.lineages, mean, strict=True):
        row = mapping.find(lineage)
        above = mapping.family(lineage)
        if row is None or above is None or row.rank == "family" or row.basis != "cultured":
            continue
        cell = found.setdefault(above.name, [0.0, 0.0])
        cell[0] += share
        cell[1] += share * sum(map(min, row.shares, above.shares))
    largest = sorted(found.items(), key=lambda item: -item[1][0])[:10]
    total, agree = (sum(cell[k] for cell in found.values()) for k in (0, 1))
    rows = [(name, percent(placed), percent(same / placed)) for name, (placed, same) in largest]
    words = {"family_placed": percent(total), "family_agree": percent(agree / total)}
    return table(
        rows, ("family", "abundance with a cultured genus, %", "of it in the guild of the family, %")
    ), words


def acids(analysis: Analysis) -> tuple[list[Row], str]:
    """Short-chain fatty acids and guilds of constipated against healthy people, one value per person."""
    from scipy.stats import mannwhitneyu

    told = pl.read_csv(DATA / "mars_ibs_2020/metadata.tsv", separator="\t", infer_schema_length=0)
    measured = pl.read_csv(DATA / "mars_ibs_2020/mtb.tsv", separator="\t", infer_schema_length=0)
    people = (
        measured.join(told.select("Sample", "Subject", "Study.Group"), on="Sample")
        .with_columns(*(pl.col(f"NMR_{acid}").cast(pl.Float64, strict=False).alias(acid) for acid in ACIDS))
        .group_by("Subject", "Study.Group", maintain_order=True)
        .agg(*(pl.col(acid).median() for acid in ACIDS))
    )
    rows = []
    for acid, expected in ACIDS.items():
        c, h = (people.filter(pl.col("Study.Group") == g)[acid].drop_nulls().to_numpy() for g in ("C", "H"))
        ours = float(np.median(c) / np.median(h))
        rows.append(
            Row(
                f"{acid}, constipated / healthy (Mann-Whitney p {mannwhitneyu(c, h).pvalue:.4f})",
                f"{len(c)} and {len(h)}",
                f"{ours:.2f}",
                f"{expected:.2f}",
                abs(ours - expected) <= ROUNDING,
            )
        )
    y = clr(replace_zeros(analysis.guilds.composition, analysis.profile.detection))
    subjects, means = person_means(y, analysis.subjects)
    group = dict(zip(analysis.subjects, analysis.groups or (), strict=True))
    c, h = (means[[group[subject] == g for subject in subjects]] for g in ("C", "H"))
    lines = [
        (
            guild,
            f"{np.exp(np.mean(c[:, k]) - np.mean(h[:, k])):.2f}",
            f"{mannwhitneyu(c[:, k], h[:, k]).pvalue:.3f}",
        )
        for k, guild in enumerate(GUILDS)
    ]
    return rows, table(lines, ("guild", "constipated / healthy, against the mean of all guilds", "p"))


def slowed(analysis: Analysis) -> dict[str, str]:
    """What the model gives for the healthy people when their colonic transit alone is slowed."""
    from opiome import engine
    from opiome import model as models

    model = models.load()
    program = engine.compile(model.sbml)
    healthy = sample_patients(analysis, "person").filter(pl.col("metadata_Study.Group") == "H")
    composition = {guild: healthy[f"composition_{guild}"].to_numpy() for guild in GUILDS}
    parameters, start, outcome = model.baseline(program, {}, composition)
    if outcome.any():
        raise SystemExit("The untreated steady state of a healthy person was not found.")
    transit = "colonic_transit_untreated"
    output = {name: i for i, name in enumerate(program.outputs)}

    def read(states: NDArray[np.float64], fold: float) -> dict[str, float]:
        given = {**parameters, transit: np.full(len(states), program.defaults[transit] * fold)}
        seen = program.evaluate(states, given)
        volume = seen[:, output["rectosigmoid_volume"]]
        column = {acid: program.states.index(f"rectosigmoid_{acid.lower()}") for acid in ACIDS}
        out = {acid: float(np.median(states[:, i] / volume)) for acid, i in column.items()}
        return out | {
            name: float(np.median(seen[:, output[name]])) for name in ("whole_gut_transit", "scfa_production")
        }

    before = read(start, 1.0)
    untreated = program.evaluate(start, parameters)
    stool = {f"stool_{guild}": program.defaults[f"stool_{guild}"] for guild in GUILDS}
    tones = {name: float(np.median(untreated[:, output[name]])) for name in TONES}
    rows, found = [], {}
    for fold in FOLDS:
        run = program.ensemble(parameters, start=start, rtol=1e-4)
        run.set(transit, np.full(len(start), program.defaults[transit] * fold))
        run.advance(WEEKS * 168.0)
        if run.outcome.any():
            raise SystemExit("A slowed patient failed.")
        after = read(run.states, fold)
        found[fold] = {acid: after[acid] / before[acid] for acid in ACIDS}
        rows.append(
            (
                f"x {fold:g}",
                f"{before['whole_gut_transit']:.1f} -> {after['whole_gut_transit']:.1f}",
                *(f"{found[fold][acid]:.2f}" for acid in ACIDS),
                f"{after['scfa_production'] / before['scfa_production']:.2f}",
            )
        )
    rows.append(("measured, constipated / healthy", "", *(f"{value:.2f}" for value in ACIDS.values()), ""))
    header = ("colonic transit", "whole gut, h", *(acid.lower() for acid in ACIDS), "acids made")
    against = []
    for acid, measured in ACIDS.items():
        values = [found[fold][acid] for fold in FOLDS]
        if min(values) <= measured and max(values) < 1.0:
            continue
        verdict = (
            "falls too little"
            if max(values) < 1.0
            else "rises"
            if min(values) >= 1.0
            else "falls, then rises"
        )
        numbers = ", ".join(f"{value:.2f}" for value in values)
        against.append(
            f"- {acid} with slowed transit alone: {numbers} in the model ({verdict}),"
            f" {measured:.2f} measured."
        )
    agreeing = len(ACIDS) - len(against)
    off = {fold: {acid: found[fold][acid] / ACIDS[acid] for acid in ACIDS} for fold in FOLDS}
    best = min(FOLDS, key=lambda fold: max(abs(np.log(value)) for value in off[fold].values()))
    best_text = (
        f"No one slowing gives all three at once: the closest is x {best:g}, with "
        + ", ".join(f"{acid.lower()} {value:.2f}" for acid, value in off[best].items())
        + " times the measured ratio."
    )
    against += [
        f"- Healthy people's {TONES[name]}: median {value:.2f} of that of the model's reference patient."
        for name, value in tones.items()
        if not HEALTHY[0] <= value <= HEALTHY[1]
    ]
    text = (
        f"{agreeing} of {len(ACIDS)} acids fall as far as measured. More time makes more acid and takes more"
        " of it up; which of the two wins at the end of the colon is what the table shows. The measured"
        " ratios are no experiment on transit: constipated people differ from healthy ones in diet and"
        " flora too."
    )
    return {
        "model": model.sha256[:12],
        "reference_g2": percent(stool["stool_G2"] / sum(stool.values())),
        "tones": ", ".join(f"{TONES[name]} {value:.2f}" for name, value in tones.items()),
        "slow": table(rows, header),
        "slow_text": text,
        "slow_best": best_text,
        "slow_against": "\n".join(against),
    }


def reference_text() -> str:
    """The shipped reference population, as it is made."""
    profile = read_profile(DATA / "mars_ibs_2020/genera.counts.tsv")
    told = read_metadata(DATA / "mars_ibs_2020/metadata.tsv", profile)
    members = np.array([cell == "H" for cell in told.column("Study.Group")])
    guilds = map_guilds(profile)
    made = reference_from(guilds, profile, members, [cell or "" for cell in told.column("Subject")], "H")
    source = "healthy people of Mars et al., Cell 2020 (doi:10.1016/j.cell.2020.08.007), person means"
    out = [
        "# name: healthy adults",
        f"# source: {made.n} {source}",
        "# made_by: qualification/microbiome.py",
        f"# n: {made.n}",
        "# space: isometric log-ratio, Helmert basis, guilds in the order G1..G7",
        f"# mapping: {guilds.version}",
        "row\t" + "\t".join(f"y{k + 1}" for k in range(len(made.mean))),
        "mean\t" + "\t".join(f"{v:.6f}" for v in made.mean),
    ]
    out += [
        f"covariance_{k + 1}\t" + "\t".join(f"{v:.6f}" for v in row) for k, row in enumerate(made.covariance)
    ]
    return "\n".join(out) + "\n"


def graded() -> str:
    """How many rows of the mapping table rest on what."""
    rows = {id(row): row for row in guild_map().rows.values()}.values()
    count = {
        grade: sum(row.evidence == grade for row in rows)
        for grade in ("seen", "derived", "assumed", "recalled")
    }
    return ", ".join(f"{n} {grade}" for grade, n in count.items())


def guild_means() -> str:
    """Mean guild fractions of each table, and of healthy people."""
    rows = []
    for name in TABLES:
        profile = read_profile(DATA / name)
        guilds = map_guilds(profile)
        rows.append((f"`{name.split('/')[1]}`", *(percent(v) for v in guilds.composition.mean(axis=0))))
        if name.startswith("mars"):
            told = read_metadata(DATA / "mars_ibs_2020/metadata.tsv", profile)
            healthy = [i for i, cell in enumerate(told.column("Study.Group")) if cell == "H"]
            y = ilr(replace_zeros(guilds.composition[healthy], profile.detection[healthy]))
            people, means = person_means(y, [told.column("Subject")[i] or "" for i in healthy])
            rows.append(
                (
                    f"of these, {len(people)} healthy people",
                    *(percent(v) for v in ilr_inverse(means).mean(axis=0)),
                )
            )
    return table(rows, ("table", *GUILDS))


def page() -> str:
    """The whole page."""
    everyone = clinical()
    mars = analyse(
        DATA / "mars_ibs_2020/genera.counts.tsv",
        metadata=DATA / "mars_ibs_2020/metadata.tsv",
        group="Study.Group",
    )
    classes = published_classes(everyone)
    outcomes, adjusted = survival(everyone)
    counts, words = recount(everyone)
    measured, shifts = acids(mars)
    by_family, family_words = families()
    disagree = [row for row in (*classes, *outcomes, *counts, *measured) if row.agrees is False]
    defined = [(f"`{d.id}`", d.definition, d.source or "-") for d in definitions().values()]
    return WORDS.read_text(encoding="utf-8").format(
        version=guild_map().version,
        coverage=coverage(),
        families=by_family,
        **family_words,
        graded=graded(),
        rows=len({id(row) for row in guild_map().rows.values()}),
        guilds=guild_means(),
        measures=table(defined, ("measure", "definition", "source")),
        scores=results([*classes, *outcomes]),
        adjusted=adjusted,
        uncounted=everyone["N_SIGB1"].null_count(),
        counts=results(counts),
        acids=results(measured),
        shifts=shifts,
        disagreements="\n".join(
            f"- {row.what}: {row.ours} here, {row.expected} expected." for row in disagree
        ),
        **words,
        **slowed(mars),
    )


def main() -> int:
    """Write the page and the reference, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with what is stored; write nothing")
    given = parser.parse_args()
    if not DATA.is_dir():
        print("The public tables are not beside the checkout (../shared/data); nothing was done.")
        return 1
    reference = reference_text()
    if not given.check:
        REFERENCE.write_text(reference, encoding="utf-8")
    made = {REFERENCE: reference, PAGE: page()}
    stale = (
        [path for path, text in made.items() if path.read_text(encoding="utf-8") != text]
        if given.check
        else []
    )
    for path in stale:
        print(f"{path.relative_to(ROOT)} is not what this command makes: run it without --check.")
    if not given.check:
        PAGE.write_text(made[PAGE], encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)} and {REFERENCE.relative_to(ROOT)}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
