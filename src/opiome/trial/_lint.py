"""Everything that is wrong with a study file, as a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opiome.errors import ModelError, Problem, StudyError
from opiome.trial._load import find_study, read_study

if TYPE_CHECKING:
    from pathlib import Path

    from opiome.model import Model

__all__ = ["lint"]


def lint(path_or_name: str | Path, model: Model | None = None) -> list[Problem]:
    """Return every problem of a study file; an empty list means that it can be run.

    Args:
        path_or_name: a YAML file, or the name of a study that comes with opiome.
        model: the model whose drugs and covariates the study may use; the shipped one by default.
    """
    try:
        return read_study(find_study(path_or_name), model)[1]
    except (StudyError, ModelError) as error:
        return list(error.problems)
