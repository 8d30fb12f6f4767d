"""The small things that a study file is made of: durations, conditions, windows and distributions.

Each is written as people write it (``12 weeks``, ``sbm_per_week < 3``, ``weeks 11-12``) and read into a value
with the model's units. A value that cannot be read raises :class:`opiome.errors.InputError`, which is a
ValueError, so pydantic reports it at the field where it stands.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping  # noqa: TC003  # pydantic resolves the annotations
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from opiome.errors import InputError, Problem
from opiome.units import hours

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "CohortFile",
    "CohortPath",
    "Condition",
    "Covariate",
    "Duration",
    "Part",
    "Test",
    "Window",
    "WindowText",
]

_DAY = 24.0
_WEEK = 7.0 * _DAY
_COMPARE: Mapping[str, Callable[[Any, float], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
_CONDITION = re.compile(r"\s*([A-Za-z_]\w*)\s*(<=|>=|<|>|=)\s*([-+]?\d+(?:\.\d+)?)\s*")
_RANGE = re.compile(r"\s*([A-Za-z_]\w*)\s+([-+]?\d+(?:\.\d+)?)\s*(?:-|to)\s*([-+]?\d+(?:\.\d+)?)\s*")
_WINDOW = re.compile(r"\s*(weeks?|days?)\s+(\d+)\s*(?:(?:-|to)\s*(\d+)\s*)?", re.IGNORECASE)


class Part(BaseModel):
    """A part of a study file: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, given: Any) -> Any:  # noqa: ANN401  # whatever the file holds
        if not isinstance(given, dict):
            return given
        numbers = {name for name, field in cls.model_fields.items() if _is_number(field.annotation)}
        wrong = {name: str(value).lower() for name, value in given.items()
                 if name in numbers and isinstance(value, bool)}  # fmt: skip
        return given | wrong  # a text, which the field then refuses


def _is_number(annotation: object) -> bool:
    """Whether a field holds a number, and nothing else but None."""
    return annotation in {int, float} or any(_is_number(inner) for inner in get_args(annotation)[:1])


def _positive_hours(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, str):
        raise InputError(
            Problem(
                f"'{given}' is not a duration", expected="a number and a unit, such as '12 weeks' or '72 h'"
            )
        )
    duration = hours(given)
    if duration <= 0:
        raise InputError(Problem(f"'{given}' is not a positive duration", expected="a duration above 0"))
    return duration


def _write_hours(duration: float) -> str:
    for unit, size in (("weeks", _WEEK), ("days", _DAY)):
        if duration >= size and duration % size == 0:
            return f"{duration / size:g} {unit}"
    return f"{duration!r} h"


Duration = Annotated[
    float,
    BeforeValidator(_positive_hours),
    PlainSerializer(_write_hours, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\s*\d+(\.\d+)?\s*[A-Za-z]+\s*$",
            "description": "A duration with its unit: 12 weeks, 3 d, 72 h",
            "examples": ["12 weeks", "2 d", "72 h"],
        }
    ),
]
"""A duration; the value is in hours, the text has a unit."""


@dataclass(frozen=True)
class Condition:
    """A comparison that a patient meets or not, such as ``sbm_per_week < 3`` or ``age 18-80``.

    ``tests`` holds (operator, number) pairs that must all hold; a range is inclusive at both ends.
    """

    quantity: str
    tests: tuple[tuple[str, float], ...]

    def holds(self, value: float) -> bool:
        """Whether the value (in the unit of the quantity's table) meets the condition; NaN never does."""
        return all(_COMPARE[sign](value, limit) for sign, limit in self.tests)

    def mask(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which values meet the condition, in the shape of ``values``; NaN never does."""
        with np.errstate(invalid="ignore"):
            met = [np.asarray(_COMPARE[sign](values, limit)) for sign, limit in self.tests]
        return np.asarray(np.logical_and.reduce(met))

    def __str__(self) -> str:
        if len(self.tests) == 2:  # noqa: PLR2004  (a range has two ends)
            return f"{self.quantity} {self.tests[0][1]:g} to {self.tests[1][1]:g}"
        sign, limit = self.tests[0]
        return f"{self.quantity} {sign} {limit:g}"


def _read_condition(given: object) -> Condition:
    if isinstance(given, Condition):
        return given
    text = given if isinstance(given, str) else ""
    if match := _CONDITION.fullmatch(text):
        return Condition(match.group(1), ((match.group(2), float(match.group(3))),))
    if match := _RANGE.fullmatch(text):
        low, high = float(match.group(2)), float(match.group(3))
        if low > high:
            raise InputError(Problem(f"the range '{given}' is empty", expected="the lower end first"))
        return Condition(match.group(1), ((">=", low), ("<=", high)))
    raise InputError(
        Problem(f"'{given}' is not a condition", expected="such as 'sbm_per_week < 3' or 'age 18-80'")
    )


Test = Annotated[
    Condition,
    BeforeValidator(_read_condition),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "description": "A comparison (sbm_per_week < 3) or an inclusive range (age 18-80)",
            "examples": ["sbm_per_week < 3", "age 18-80"],
        }
    ),
]


@dataclass(frozen=True)
class Window:
    """A stretch of treatment; ``start`` and ``end`` are hours since randomisation, the end excluded."""

    text: str
    start: float
    end: float

    @property
    def days(self) -> range:
        """The days of the window, the first day of treatment being 1."""
        return range(round(self.start / _DAY) + 1, round(self.end / _DAY) + 1)


def _read_window(given: object) -> Window:
    if isinstance(given, Window):
        return given
    match = _WINDOW.fullmatch(given) if isinstance(given, str) else None
    if not match:
        raise InputError(
            Problem(f"'{given}' is not a window", expected="such as 'weeks 11-12', 'week 1' or 'days 1-14'")
        )
    first, last = int(match.group(2)), int(match.group(3) or match.group(2))
    if first < 1 or last < first:
        raise InputError(
            Problem(f"the window '{given}' is empty", expected="counting from 1, the earlier end first")
        )
    size = _WEEK if match.group(1).casefold().startswith("week") else _DAY
    return Window(str(given).strip(), (first - 1) * size, last * size)


WindowText = Annotated[
    Window,
    BeforeValidator(_read_window),
    PlainSerializer(lambda window: window.text, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\s*([Ww]eeks?|[Dd]ays?)\s+\d+\s*((-|to)\s*\d+\s*)?$",
            "description": "Weeks or days of treatment, counted from 1, both ends included",
            "examples": ["weeks 11-12", "week 1", "days 1-14"],
        }
    ),
]


@dataclass(frozen=True)
class CohortFile:
    """A cohort file: ``text`` as the study writes it, ``file`` where it is, seen from the study file."""

    text: str
    file: Path


def _read_cohort_file(given: object, info: ValidationInfo) -> CohortFile:
    if isinstance(given, CohortFile):
        return given
    if not isinstance(given, str) or not given.strip():
        raise InputError(
            Problem(
                f"'{given}' is not the path of a file",
                expected="a cohort file of `opiome profile`, such as 'my-cohort/cohort.parquet'",
            )
        )
    return CohortFile(given, Path((info.context or {}).get("folder", ".")) / given)


CohortPath = Annotated[
    CohortFile,
    BeforeValidator(_read_cohort_file),
    PlainSerializer(lambda cohort: cohort.text, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "description": "A cohort file of `opiome profile`; the path is relative to the study file",
            "examples": ["my-cohort/cohort.parquet"],
        }
    ),
]


class Covariate(Part):
    """How one covariate is spread over the patients, in the columns and units of ``covariates.tsv``.

    A plain number stands for the median. What is left out is as in the model's table.
    """

    distribution: Literal["fixed", "normal", "lognormal", "bernoulli", "categorical"] | None = None
    """How the covariate varies between people."""
    median: float | None = None
    """The median (fixed: the value; normal: also the mean; bernoulli: the probability of 1)."""
    mean: float | None = None
    """The mean, instead of the median (lognormal: needs cv)."""
    cv: Annotated[float, Field(ge=0)] | None = None
    """The coefficient of variation, as a fraction."""
    sd: Annotated[float, Field(ge=0)] | None = None
    """The standard deviation, instead of cv."""
    lower: float | None = None
    """Nobody is below this."""
    upper: float | None = None
    """Nobody is above this."""
    values: dict[str, Annotated[float, Field(ge=0)]] | None = None
    """Categorical: each value with its weight."""

    @model_validator(mode="before")
    @classmethod
    def _plain_number(cls, given: Any) -> Any:  # noqa: ANN401  # whatever the file holds
        if isinstance(given, int | float) and not isinstance(given, bool):
            return {"median": given}
        return given

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for wrong, message in self._checks():
            if wrong:
                raise InputError(message)
        return self

    def _checks(self) -> Iterator[tuple[bool, str]]:
        """What must not be, in the order in which it is worth telling."""
        kind, centre = self.distribution, self.centre
        yield (
            self.median is not None and self.mean is not None,
            "'median' and 'mean' are given; leave one out",
        )
        yield self.cv is not None and self.sd is not None, "'cv' and 'sd' are given; leave one out"
        yield self.sd is not None and not centre, "'sd' needs a median or mean other than 0 beside it"
        low, high = self.lower, self.upper
        yield low is not None and high is not None and low > high, "'lower' is above 'upper': nobody is left"
        partial = kind is None and (self.mean is not None or self.values is not None)
        yield partial, "'mean' and 'values' need a 'distribution' beside them"
        if kind is None:
            return
        if kind == "categorical":
            no_weight = not self.values or sum(self.values.values()) <= 0
            yield no_weight, "a categorical covariate needs 'values', a weight above 0 for each value"
            return
        yield centre is None, f"a {kind} covariate needs either 'median' or 'mean'"
        spread = self.cv is not None or self.sd is not None
        yield kind in {"normal", "lognormal"} and not spread, f"a {kind} covariate needs either 'cv' or 'sd'"
        yield (
            kind == "lognormal" and (centre or 0) <= 0,
            "a lognormal covariate needs a median or mean above 0",
        )
        yield (
            kind == "bernoulli" and not 0 <= (centre or 0) <= 1,
            "a bernoulli median is a probability, 0 to 1",
        )

    @property
    def centre(self) -> float | None:
        """The median, or the mean where that was given."""
        return self.median if self.median is not None else self.mean

    @property
    def spread(self) -> float | None:
        """The coefficient of variation, as a fraction; None where it is that of the model's table."""
        if self.sd is not None and self.centre:
            return self.sd / abs(self.centre)
        return 0.0 if self.distribution == "fixed" else self.cv

    def fields(self) -> dict[str, Any]:
        """The covariate in the columns of ``covariates.tsv``; only those that the study gives."""
        centre, cv = self.centre, self.spread
        if self.distribution == "lognormal" and self.mean is not None and cv is not None:
            centre = self.mean / math.sqrt(1 + cv**2)
        found: dict[str, Any] = {
            "distribution": self.distribution, "median": centre, "cv": cv,
            "lower": self.lower, "upper": self.upper,
        }  # fmt: skip
        if self.distribution == "lognormal" and self.sd is not None and self.median is not None:
            # (sd/median)^2 = cv^2 (1 + cv^2) for a lognormal
            found["cv"] = math.sqrt((math.sqrt(1 + 4 * (self.sd / self.median) ** 2) - 1) / 2)
        if self.values:
            total = sum(self.values.values())
            found["values"] = {name: weight / total for name, weight in self.values.items()}
        return {name: value for name, value in found.items() if value is not None}
