"""``opiome lint`` and ``opiome studies``."""

from __future__ import annotations

import click

from opiome.errors import StudyError

__all__ = ["lint", "studies"]


@click.command()
@click.argument("study")
def lint(study: str) -> None:
    """Check STUDY, a file or the name of a shipped study, without running it."""
    from opiome.trial import lint as problems_of

    problems = problems_of(study)
    if problems:
        raise StudyError(problems)
    click.echo(f"{study}: no problems.")


@click.command()
def studies() -> None:
    """List the studies that come with opiome; each runs by its name."""
    from opiome.trial import shipped_studies

    shipped = shipped_studies()
    width = max(len(name) for name in shipped)
    for name, study in shipped.items():
        click.echo(f"{name:<{width}}  {study.title}")
