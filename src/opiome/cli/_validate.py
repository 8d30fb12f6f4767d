"""``opiome validate``: the library of published trials, run again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opiome import files

if TYPE_CHECKING:
    from opiome.trial import Validation

__all__ = ["validate"]

_HASH = 16


@click.command()
@click.argument("studies", nargs=-1)
@click.option(
    "--patients", type=click.IntRange(min=1), default=None, help="Patients per arm, instead of each study's."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results/validation"),
    show_default=True,
    help="Result folder; studies that are finished there are not run again.",
)
@click.option("--threads", type=click.IntRange(min=1), default=None, help="Threads.  [default: all cores]")
def validate(studies: tuple[str, ...], patients: int | None, out: Path, threads: int | None) -> None:
    """Run the STUDIES (all shipped ones without names) and put published values beside predictions.

    It writes a table (validation.parquet, validation.md) and a figure (validation.svg), and can be stopped
    and started again: a study whose file, model and size have not changed is not run twice.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from opiome.trial import validate as run_library

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Reading studies", total=None)

        def tell(study: str, done: int, total: int) -> None:
            bar.update(task, description=study, completed=done, total=total)

        found = run_library(studies or None, out, patients, threads=threads, progress=tell)
    _write(found, out)
    for name, reason in found.failed.items():
        click.echo(f"opiome: {name} was not run: {reason}", err=True)
    click.echo(f"{found.summary}.")
    click.echo(f"Page: {(out / 'validation.md').resolve()}")


def _write(found: Validation, out: Path) -> None:
    """The table, the figure, the page and what they were made with."""
    from opiome.report import validation_page, validation_picture

    with files.whole(out / "validation.parquet") as part:
        found.table.write_parquet(part, compression="zstd")
    files.write_text(out / "validation.json", json.dumps(found.facts, indent=2) + "\n")
    if len(found.table):
        validation_picture(found.table, out / "validation.svg")
    size = found.facts["patients"]
    facts = {
        "Date": datetime.now(UTC).date().isoformat(),
        "Model": f"`{found.facts['model_sha256'][:_HASH]}`",
        "Patients": f"{size} per arm" if size else "as each study says",
        "Studies": str(found.table["study"].n_unique()),
    }
    validation_page(found.table, found.summary, out / "validation.md", facts=facts, failed=found.failed)
