"""``opiome export``."""

from __future__ import annotations

from pathlib import Path

import click

from opiome.errors import InputError, Problem

__all__ = ["export"]


@click.command()
@click.option("--sbml", "file", type=click.Path(path_type=Path), required=True, help="SBML file to write.")
@click.option("--species", type=click.Choice(["human", "mouse"]), default="human", show_default=True)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def export(file: Path, species: str, force: bool) -> None:  # noqa: FBT001  # click passes flags by name
    """Write the model as SBML Level 3, for any simulator that reads it."""
    from opiome import load_model
    from opiome.exchange import export_sbml

    if file.exists() and not force:
        raise InputError(Problem("exists already", file=file, remedy="name another file or add --force"))
    export_sbml(file, load_model(species=species), overwrite=force)
    click.echo(file.resolve())
