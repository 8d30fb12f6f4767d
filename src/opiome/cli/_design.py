"""``opiome design``: candidate designs compared before a patient is enrolled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opiome import files
from opiome.cli._run import PIPE_WIDTH, Bar

if TYPE_CHECKING:
    from opiome.trial import Designs, LoadedDesign

__all__ = ["design"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Result folder; pools that are finished there are not simulated again.  [default: results/NAME]",
)
@click.option("--threads", type=click.IntRange(min=1), default=None, help="Threads.  [default: all cores]")
def design(file: Path, out: Path | None, threads: int | None) -> None:
    """Compare the candidate designs of FILE: power, assurance, errors under the null.

    It writes tables (design.parquet, draws.parquet) and a page (design.html), and can be stopped and started
    again. The results are a research tool's, never advice for a patient.
    """
    from opiome import load_model
    from opiome.trial import compare_designs, load_design

    with Bar() as bar:
        bar.tell("read", 0, 1)
        model = load_model()
        loaded = load_design(file, model)
        bar.tell("read", 1, 1)
        folder = out or Path("results") / loaded.design.name
        found = compare_designs(loaded, folder, threads, bar.tell, model=model)
    _write(found, loaded, folder)


def _write(found: Designs, loaded: LoadedDesign, folder: Path) -> None:
    from rich.console import Console

    from opiome.report import design_html, design_summary

    for table, name in ((found.table, "design.parquet"), (found.draws, "draws.parquet")):
        with files.whole(folder / name) as part:
            table.write_parquet(part, compression="zstd")
    files.write_text(folder / "design.json", json.dumps(found.facts, indent=2, ensure_ascii=False) + "\n")
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    console.print(design_summary(found.table, loaded.design.title))
    page = design_html(
        found.table, folder / "design.html", loaded.design.title, found.facts, draws=found.draws
    )
    click.echo(f"Page: {page.resolve()}")
