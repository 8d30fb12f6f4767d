"""``opiome model list``, ``lint``, ``explain`` and ``rest``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opiome.errors import ModelError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["model"]

_TOLD = 5  # names in a message
_FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=None,
    help="A model folder; the shipped one by default.",
)
_SPECIES = click.option(
    "--species", type=click.Choice(["human", "mouse"]), default="human", show_default=True
)


@click.group()
def model() -> None:
    """Look at the model: its tables, its problems, its names."""


@model.command(name="list")
@click.argument("kind")
@click.option("--json", "as_json", is_flag=True, help="Write JSON: a list of rows, with sources.")
@_SPECIES
@_FOLDER
def list_(kind: str, as_json: bool, species: str, folder: Path | None) -> None:  # noqa: FBT001  # click's flag
    """List one KIND of the model's tables with their sources.

    KIND is mechanisms, edges, parameters, drugs, pharmacology, observables, nodes, guilds, covariates,
    scenarios, units or annotations. In a pipe the rows come out tab-separated.
    """
    from opiome import load_model

    frame = load_model(folder, species=species).table(kind)
    if as_json:
        click.echo(json.dumps(frame.to_dicts(), indent=1, ensure_ascii=False))
    elif sys.stdout.isatty():
        _show(frame.columns, frame.rows())
    else:
        click.echo(frame.write_csv(separator="\t"), nl=False)


def _show(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table that fits the terminal; columns without a value are left out."""
    from rich.console import Console
    from rich.table import Table

    filled = [i for i, _ in enumerate(columns) if any(row[i] not in {None, ""} for row in rows)]
    table = Table(*(columns[i] for i in filled), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if row[i] is None else f"{row[i]}" for i in filled))
    Console().print(table)


@model.command()
@_FOLDER
def lint(folder: Path | None) -> None:
    """Check the model: tables, fragments, units, sources and the map."""
    from opiome.model import lint as findings_of

    findings = findings_of(folder)
    errors = [finding for finding in findings if finding.severity == "error"]
    for finding in findings:
        if finding.severity != "error":
            click.echo(f"warning {finding.rule}: {finding}")
    if errors:
        raise ModelError(errors)
    click.echo(f"no errors, {len(findings)} warnings.")


@model.command()
@click.argument("name")
@_SPECIES
@_FOLDER
def explain(name: str, species: str, folder: Path | None) -> None:
    """Say what the model knows about NAME: a parameter, edge, state, observable, node or drug."""
    from opiome import load_model

    click.echo(load_model(folder, species=species).explain(name))


@model.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--check", is_flag=True, help="Write nothing; fail if a number is stale.")
def rest(folder: Path, check: bool) -> None:  # noqa: FBT001  # click's flag
    """Solve the untreated reference patient of a model FOLDER and write it into its tables.

    The tables hold numbers that follow from the others (parameters/untreated.tsv, healthy_...); this writes
    them anew after another number or an equation has changed.
    """
    from opiome import load_model
    from opiome.model import write_rest

    changed = [
        name
        for species in ("human", "mouse")
        for name in write_rest(load_model(folder, species=species), check=check)
    ]
    if changed and check:
        told = ", ".join(changed[:_TOLD]) + (", ..." if len(changed) > _TOLD else "")
        remedy = f"run `opiome model rest {folder}`"
        raise ModelError(Problem(f"{told} do not follow from the other numbers", file=folder, remedy=remedy))
    click.echo(f"{len(changed)} numbers written." if changed else "the tables are up to date.")
