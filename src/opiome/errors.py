"""Every error that opiome raises on purpose.

::

    OpiomeError                 what a user reads is str(error); exit code 1
      InputError                something that was given is wrong; exit code 2; also a ValueError
        StudyError              a study file
        ModelError              a model folder
        DoseError               a dose, a regimen or an event table
        CohortError             a cohort or its covariates
        ProfileError            a stool profile or its metadata
        ResultsError            a result folder
      EngineError               the engine cannot go on; also a RuntimeError
        UnsupportedSbmlError         a construct of the model that the engine refuses by name

An :class:`InputError` carries every problem that was found, not only the first.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = [
    "CohortError",
    "DoseError",
    "EngineError",
    "InputError",
    "ModelError",
    "OpiomeError",
    "Problem",
    "ProfileError",
    "ResultsError",
    "StudyError",
    "UnsupportedSbmlError",
    "nearest",
]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input, where it is, and what to do about it.

    ``str(problem)`` is one paragraph: ``file:line:column: field: message; expected ...; remedy``.
    """

    message: str
    file: str | Path | None = None
    line: int | None = None
    column: int | None = None
    field: str | None = None
    expected: str | None = None
    remedy: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        parts = [part for part in (place, self.field, self.message) if part]
        text = ": ".join(parts)
        if self.expected:
            text += f"; expected {self.expected}"
        if self.remedy:
            text += f". {self.remedy[:1].upper()}{self.remedy[1:]}"
        return text if text.endswith((".", "?", "!")) else text + "."

    def at(self, **place: object) -> Problem:
        """Return the same problem with some of its fields (``file``, ``line``, ...) replaced."""
        return replace(self, **place)  # type: ignore[arg-type]


class OpiomeError(Exception):
    """The base of every error that opiome raises on purpose."""

    exit_code = 1


class InputError(OpiomeError, ValueError):
    """Something that was given is wrong; ``problems`` holds all that was found."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StudyError(InputError):
    """A study file is wrong."""


class ModelError(InputError):
    """A model folder is wrong."""


class DoseError(InputError):
    """A dose, a regimen or an event table is wrong."""


class CohortError(InputError):
    """A cohort or its covariates are wrong, or nobody qualifies."""


class ProfileError(InputError):
    """A stool profile or its metadata is wrong."""


class ResultsError(InputError):
    """A result folder cannot be read or written."""


class EngineError(OpiomeError, RuntimeError):
    """The engine cannot go on."""


class UnsupportedSbmlError(EngineError):
    """The model holds a construct that the engine refuses by name."""


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate most like ``word`` (case ignored), or None if none is similar."""
    by_key = {candidate.casefold(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(word.casefold(), by_key, n=1, cutoff=0.6)
    return by_key[matches[0]] if matches else None
