"""``opiome knockout``: which arrows of the map a study's answer hinges on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opiome import files
from opiome.cli._run import PIPE_WIDTH, Bar, prepare

if TYPE_CHECKING:
    import polars as pl

    from opiome.trial import Study

__all__ = ["knockout"]


@click.command()
@click.argument("study")
@click.option(
    "--edges",
    default="contested",
    show_default=True,
    help="contested, all, or ids of edges with commas between them ('opiome model list edges').",
)
@click.option("--acute", is_flag=True, help="Switch off at randomisation instead of from the start.")
@click.option(
    "--patients", type=click.IntRange(min=1), default=None, help="People in every arm.  [default: 100]"
)
@click.option("--seed", type=click.IntRange(min=0), default=None, help="Seed, instead of the study's.")
@click.option("--threads", type=click.IntRange(min=1), default=None, help="Threads.  [default: all cores]")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="Result folder.  [default: results/NAME-knockout]",
)
@click.option("--force", is_flag=True, help="Replace the results in an existing folder.")
def knockout(  # noqa: PLR0917  # click passes them by name
    study: str,
    edges: str,
    acute: bool,  # noqa: FBT001  # click passes flags by name
    patients: int | None,
    seed: int | None,
    threads: int | None,
    out: Path | None,
    force: bool,  # noqa: FBT001  # click passes flags by name
) -> None:
    """Rerun STUDY with arrows of the map switched off, on the same people, and rank the arrows.

    The people are screened once, with every arrow on; each of them goes through every arm, again for each
    arrow without it. The results are a research tool's, never advice for a patient.
    """
    from opiome import load_model
    from opiome.inference import choose_edges
    from opiome.inference import knockout as rerun

    mode = "acute" if acute else "baseline"
    wanted = edges if edges in {"contested", "all"} else edges.split(",")
    with Bar() as bar:
        bar.tell("read", 0, 1)
        loaded, folder = prepare(study, out, force=force, ending="-knockout")
        model = load_model(species=loaded.species)
        choose_edges(model, wanted)
        bar.tell("read", 1, 1)
        frame = rerun(loaded, wanted, patients, seed, threads, mode=mode, progress=bar.tell, model=model)
    facts = {"opiome": 1, "study": loaded.name, "mode": mode, "model_sha256": model.sha256}
    facts |= {
        "seed": loaded.seed if seed is None else seed,
        "edges": frame["edge"].unique(maintain_order=True).to_list(),
    }
    _write(frame, loaded, folder, facts)


def _write(frame: pl.DataFrame, study: Study, folder: Path, facts: dict[str, object]) -> None:
    from rich.console import Console

    from opiome.report import knockout_html, knockout_summary

    folder.mkdir(parents=True, exist_ok=True)
    with files.whole(folder / "knockout.parquet") as part:
        frame.write_parquet(part, compression="zstd")
    files.write_text(folder / "knockout.json", json.dumps(facts, indent=2) + "\n")
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    console.print(knockout_summary(frame, study))
    page = knockout_html(frame, folder / "knockout.html", study, str(facts["mode"]))
    click.echo(f"Page: {page.resolve()}")
