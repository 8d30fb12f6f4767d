"""``opiome profile``: stool profiles in, a cohort file and a report out."""

from __future__ import annotations

import click

__all__ = ["profile"]


@click.command()
@click.argument("tables", nargs=-1, required=True, type=click.Path(dir_okay=False))
@click.option("--metadata", type=click.Path(dir_okay=False), help="Table with one row per sample.")
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder to make.")
@click.option("--subject", help="Metadata column: whose the sample is. Default: found by its name.")
@click.option("--time", help="Metadata column: when it was taken. Default: found by its name.")
@click.option("--group", help="Metadata column to group the figures by.")
@click.option(
    "--reference",
    metavar="COLUMN=VALUE",
    help="The samples to compare with. Default: shipped healthy people.",
)
@click.option("--load", help="Metadata column: bacterial load (or its decimal logarithm).")
@click.option(
    "--load-unit",
    type=click.Choice(["cells", "relative"]),
    default="cells",
    show_default=True,
    help="Cells per gram, or any other unit of which the --reference group has 1.",
)
@click.option("--batch", multiple=True, help="Metadata column: batch, kit or centre. May be repeated.")
@click.option(
    "--patients", type=click.IntRange(min=1), help="Draw this many people from a fitted distribution."
)
@click.option(
    "--per",
    type=click.Choice(["sample", "person"]),
    default="sample",
    show_default=True,
    help="One virtual patient per sample, or per person.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of --patients.")
@click.option(
    "--min-depth",
    type=click.FloatRange(min=0),
    default=1000,
    show_default=True,
    help="Reads below which a sample makes no patient.",
)
@click.option(
    "--body-site",
    type=click.Choice(["stool"]),
    help="Say that these samples are stool, whatever they look like.",
)
@click.option("--overwrite", is_flag=True, help="Replace the folder if it exists.")
def profile(  # noqa: PLR0917 (click passes options by name)
    tables: tuple[str, ...],
    metadata: str | None,
    out: str,
    subject: str | None,
    time: str | None,
    group: str | None,
    reference: str | None,
    load: str | None,
    load_unit: str,
    batch: tuple[str, ...],
    patients: int | None,
    per: str,
    seed: int,
    min_depth: float,
    body_site: str | None,
    overwrite: bool,  # noqa: FBT001 (click passes flags by name)
) -> None:
    """Turn stool profiles into virtual patients and a report.

    TABLES is one table (BIOM, .qza, MetaPhlAn, Kraken 2, Bracken, or text with genera or species), several
    single-sample files, or a feature table with its taxonomy. A study can then say
    `population: FOLDER/cohort.parquet`.
    """
    from opiome.microbiome import analyse

    found = analyse(
        *tables,
        metadata=metadata,
        subject=subject,
        time=time,
        group=group,
        reference=reference,
        load=load,
        load_unit=load_unit,
        batch=batch,
        min_depth=min_depth,
        body_site=body_site,
    )
    folder = found.write(out, per=per, patients=patients, seed=seed, overwrite=overwrite)
    guilds = found.guilds
    click.echo(
        f"{len(found.profile.samples)} samples of {len(set(found.subjects))} people;"
        f" {100 * guilds.mapped.mean():.1f} % of"
        f" abundance in guilds, {100 * guilds.mapped_at_genus.mean():.1f} % by species or genus."
    )
    flagged = len({flag.sample for flag in found.flags})
    if flagged:
        click.echo(f"{flagged} samples carry a quality flag; see the report.")
    click.echo(f"{folder / 'report.html'}\n{folder / 'cohort.parquet'}")
