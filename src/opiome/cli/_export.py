"""``opiome export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opiome.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["export"]

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("study", required=False)
@click.option("--sbml", type=_FILE, default=None, help="SBML file to write: the model.")
@click.option("--omex", type=_FILE, default=None, help="COMBINE archive to write: the arms of STUDY.")
@click.option(
    "--patient", type=click.IntRange(min=0), default=None, help="Person in the archive.  [default: the first]"
)
@click.option("--seed", type=click.IntRange(min=0), default=None, help="Seed, instead of the study's.")
@click.option("--days", type=float, default=None, help="Days of treatment in the archive.  [default: all]")
@click.option("--species", type=click.Choice(["human", "mouse"]), default=None, help="[default: human]")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def export(  # noqa: PLR0917  # click passes them by name
    study: str | None,
    sbml: Path | None,
    omex: Path | None,
    patient: int | None,
    seed: int | None,
    days: float | None,
    species: str | None,
    force: bool,  # noqa: FBT001  # click passes flags by name
) -> None:
    """Write the model (--sbml) or the arms of STUDY (--omex) for other simulators.

    The archive holds one virtual patient in each arm, from randomisation on with all doses as events, and a
    description of the simulation, for COPASI, tellurium and any program that reads SBML and SED-ML.
    """
    of_study = {"STUDY": study, "--patient": patient, "--seed": seed, "--days": days}
    problems = _asked(sbml, omex, of_study, species)
    file = sbml or omex
    if file is not None and file.exists() and not force:
        problems.append(Problem("exists already", file=file, remedy="name another file or add --force"))
    if problems:
        raise InputError(problems)
    if sbml is not None:
        from opiome import load_model
        from opiome.exchange import export_sbml

        export_sbml(sbml, load_model(species=species or "human"), overwrite=force)
    elif omex is not None and study is not None:
        from opiome import load_study
        from opiome.exchange import write_study

        write_study(omex, load_study(study), patient=patient, seed=seed, days=days, overwrite=force)
    if file is not None:
        click.echo(file.resolve())


def _asked(
    sbml: Path | None, omex: Path | None, of_study: Mapping[str, object], species: str | None
) -> list[Problem]:
    """What does not go together in the command."""
    if (sbml is None) == (omex is None):
        said = "both --sbml and --omex" if sbml is not None else "neither --sbml nor --omex"
        remedy = "add --sbml FILE for the model or STUDY --omex FILE for the arms of a study"
        return [Problem(f"the command names {said}", expected="one of them", remedy=remedy)]
    if sbml is not None:
        return [
            Problem(
                f"{name} goes with --omex", expected="the model alone", remedy="leave it out or use --omex"
            )
            for name, value in of_study.items()
            if value is not None
        ]
    problems = []
    if of_study["STUDY"] is None:
        remedy = "write 'opiome export compose-4 --omex FILE'; 'opiome studies' lists the names"
        problems.append(Problem("--omex needs a study", expected="STUDY", remedy=remedy))
    if species is not None:
        problems.append(
            Problem("--species goes with --sbml", expected="the study's own", remedy="leave it out")
        )
    return problems
