"""``opiome run``: a study file in, a folder of results and a report out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opiome.errors import InputError, Problem, ResultsError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.progress import TaskID

    from opiome.trial import Results, Study

__all__ = ["PIPE_WIDTH", "Bar", "prepare", "run"]

PIPE_WIDTH = 120  # a file has no width of its own; the tables need about this much
_PHASES = {
    "read": "Reading study, model",
    "compile": "Compiling the model",
    "screening": "Screening patients",
    "treatment": "Treating patients",
    "endpoints": "Counting endpoints",
    "trials": "Drawing trials",
    "draws": "Other possible models",
}


@click.command()
@click.argument("study")
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Result folder.  [default: results/NAME]"
)
@click.option("--seed", type=click.IntRange(min=0), default=None, help="Seed, instead of the study's.")
@click.option("--threads", type=click.IntRange(min=1), default=None, help="Threads.  [default: all cores]")
@click.option(
    "--patients",
    type=click.IntRange(1, 10_000_000),
    default=None,
    help="Patients per arm, instead of the study's.",
)
@click.option("--force", is_flag=True, help="Replace the results in an existing folder.")
def run(  # noqa: PLR0917  # click passes them by name
    study: str,
    out: Path | None,
    seed: int | None,
    threads: int | None,
    patients: int | None,
    force: bool,  # noqa: FBT001  # click passes flags by name
) -> None:
    """Simulate STUDY, a study file or the name of a shipped study, and write tables and a report.

    The results are a research tool's, never advice for a patient.
    """
    from opiome import simulate

    with Bar() as bar:
        bar.tell("read", 0, 1)
        loaded, folder = prepare(study, out, force=force)
        bar.tell("read", 1, 1)
        results = simulate(loaded, patients=patients, seed=seed, threads=threads, progress=bar.tell)
    results.write(folder, overwrite=force)
    report = _report(results, folder)
    click.echo(f"Report: {report}")


def prepare(study: str, out: Path | None, *, force: bool, ending: str = "") -> tuple[Study, Path]:
    """The study and a folder that can be written; what is wrong with either is told together.

    Without ``out`` the folder is named after the study, with an ending.
    """
    from opiome import load_study

    problems: list[Problem] = []
    loaded = None
    try:
        loaded = load_study(study)
    except InputError as error:
        problems += error.problems
    folder = out or Path("results") / f"{loaded.name if loaded else Path(study).stem}{ending}"
    problem = _unusable(folder, force=force)
    if problem is not None:
        problems.append(problem)
    if loaded is None or problems:
        raise InputError(problems)
    return loaded, folder


def _unusable(folder: Path, *, force: bool) -> Problem | None:
    """Why results cannot go into a folder, before any time is spent on them."""
    try:
        if folder.exists() and not folder.is_dir():
            return Problem(
                "is a file", file=folder, expected="a folder for the results", remedy="name another --out"
            )
        if folder.is_dir() and any(folder.iterdir()) and not force:
            return Problem(
                "has something in it already",
                file=folder,
                expected="a new or empty folder for the results",
                remedy="name another --out, or add --force to replace the results in it",
            )
        above = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        return Problem(
            f"cannot be written ({error.strerror or error})",
            file=folder,
            remedy="name a folder of yours with --out",
        )
    return None


def _report(results: Results, folder: Path) -> Path:
    """Print the summary and write the report; the tables stay even where the report fails."""
    from rich.console import Console

    from opiome import write_report
    from opiome.report import summary

    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    console.print(summary(results))
    try:
        return write_report(results, folder / "report.html").resolve()
    except ResultsError as error:
        tables = Problem(f"the tables are in {folder}, the report is not")
        raise ResultsError([*error.problems, tables]) from error


class Bar:
    """Progress bars on a terminal, one per phase; they are gone when the run is over."""

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description:<20}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def tell(self, phase: str, done: int, total: int) -> None:
        """Move the bar of a phase; when it is done the next one begins, its length not yet known."""
        self._progress.update(self._task(phase), completed=done, total=max(total, 1))
        following = list(_PHASES)[list(_PHASES).index(phase) + 1 :] if phase in _PHASES else []
        if done >= total and following:
            self._task(following[0])

    def _task(self, phase: str) -> TaskID:
        if phase not in self._tasks:
            self._tasks[phase] = self._progress.add_task(_PHASES.get(phase, phase), total=None)
        return self._tasks[phase]
