"""Reading a study file: every problem at once, each with its line and column."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from opiome.errors import ModelError, Problem, StudyError, nearest
from opiome.trial import _problems, _rules
from opiome.trial._schema import Study
from opiome.trial._yaml import read_yaml

if TYPE_CHECKING:
    from opiome.model import Model

__all__ = ["Shipped", "find_study", "load_study", "read_study", "shipped_studies"]


@dataclass(frozen=True)
class Shipped:
    """A study that comes with opiome: its one-line title and its file."""

    title: str
    file: Path


def shipped_studies() -> dict[str, Shipped]:
    """The studies that come with opiome, by name."""
    folder = Path(str(resources.files("opiome") / "studies"))
    return {file.stem: Shipped(_title(file), file) for file in sorted(folder.glob("*.yaml"))}


def _title(file: Path) -> str:
    """The title of a shipped study, on one plain line there; reading 40 files as YAML takes seconds."""
    with file.open(encoding="utf-8") as lines:
        return next((line[6:].strip() for line in lines if line.startswith("title:")), "")


def find_study(path_or_name: str | Path) -> Path:
    """The file of a study: a path, or the name of one that comes with opiome. Raises StudyError."""
    path = Path(path_or_name)
    folder = Path(str(resources.files("opiome") / "studies"))
    named = folder / f"{path_or_name}.yaml"
    if path.is_dir():
        raise StudyError(Problem("is a folder", file=path, expected="a study file"))
    if path.exists():
        return path
    if path.name == str(path_or_name) and named.exists():
        return named
    shipped = [file.stem for file in sorted(folder.glob("*.yaml"))]
    near = nearest(path.stem, shipped)
    raise StudyError(
        Problem(
            f"there is no study '{path_or_name}'",
            expected=f"a file, or one of {', '.join(shipped)}",
            remedy=f"did you mean '{near}'?" if near else None,
        )
    )


def load_study(path_or_name: str | Path, model: Model | None = None) -> Study:
    """Read a study file and check it against the model that will run it.

    Args:
        path_or_name: a YAML file, or the name of a study that comes with opiome (``compose-4``).
        model: the model whose drugs and covariates the study may use; the shipped one by default.

    Returns:
        The study; immutable, durations in hours.

    Raises:
        StudyError: with every problem of the file.
        ModelError: the model itself cannot be read.
    """
    study, problems = read_study(find_study(path_or_name), model)
    if study is None or problems:
        raise StudyError(problems)
    return study


def read_study(path: Path, model: Model | None = None) -> tuple[Study | None, list[Problem]]:
    """The study of a file (None where it does not fit the schema), and all problems in file order."""
    document = read_yaml(path)
    problems = list(document.problems)
    if document.data is None and problems:
        return None, problems
    if not isinstance(document.data, dict):
        what = "is empty" if document.data is None else "is not a study"
        expected = "a mapping that begins with 'opiome: 1'"
        return None, [*problems, Problem(what, file=path, line=1, expected=expected)]
    if "candidates" in document.data and "arms" not in document.data:
        what, remedy = "is a design file, not a study", f"compare its candidates with 'opiome design {path}'"
        return None, [*problems, Problem(what, file=path, line=1, remedy=remedy)]
    study: Study | None = None
    try:
        study = Study.model_validate(document.data, context={"folder": path.parent})
    except ValidationError as error:
        problems += _problems.of_validation(error, document)
    problems += _rules.check(study, document, _model(model, problems))
    order: dict[Problem, Any] = {p: (p.line or 0, p.column or 0) for p in problems}
    return study, sorted(order, key=lambda problem: order[problem])


def _model(model: Model | None, problems: list[Problem]) -> Model | None:
    """The model; None where it cannot be read but the study has problems of its own to tell first."""
    if model is not None:
        return model
    from opiome.model import load

    try:
        return load()
    except ModelError:
        if problems:
            return None
        raise
