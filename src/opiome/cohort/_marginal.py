"""The distribution of one covariate in a population, and its inverse."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from opiome import streams
from opiome.errors import CohortError, Problem, nearest

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["DISTRIBUTIONS", "Marginal", "marginals"]

_EDGE = 1e-9  # a fraction of 0 or 1 has no normal score
DISTRIBUTIONS = ("normal", "lognormal", "peaked", "bernoulli", "categorical", "fixed")
_POSITIVE = frozenset({"lognormal", "peaked"})


@dataclass(frozen=True)
class Marginal:
    """How one covariate is spread over a population, truncated to [lower, upper].

    ``median`` is the probability of 1 for ``bernoulli`` and the value itself for ``fixed``; ``cv`` is a
    fraction of the median. ``peaked`` is a ``lognormal`` in which a share of people has exactly the median:
    ``values`` is then ``peak:SHARE``. ``values`` also holds the (label, probability) pairs of a
    ``categorical`` covariate, whose numbers are the positions 0, 1, 2, ... of the labels. ``reference`` is
    the covariate of the typical patient, for whom every covariate effect is 1.
    """

    id: str
    distribution: str
    median: float
    cv: float = 0.0
    lower: float = -math.inf
    upper: float = math.inf
    reference: float = 0.0
    values: tuple[tuple[str, float], ...] = ()

    def problems(self) -> list[Problem]:
        """Everything that makes the distribution impossible."""
        field = f"covariates.{self.id}"
        found: list[Problem] = []
        if self.distribution not in DISTRIBUTIONS:
            near = nearest(self.distribution, DISTRIBUTIONS)
            found.append(
                Problem(
                    f"unknown distribution '{self.distribution}'",
                    field=field,
                    expected=", ".join(DISTRIBUTIONS),
                    remedy=f"did you mean '{near}'?" if near else None,
                )
            )
        if not self.lower <= self.upper:
            found.append(Problem(f"lower {self.lower:g} is above upper {self.upper:g}", field=field))
        if self.cv < 0:
            found.append(Problem(f"cv is {self.cv:g}", field=field, expected="a fraction, at least 0"))
        if self.distribution == "bernoulli" and not 0 <= self.median <= 1:
            found.append(
                Problem(f"probability {self.median:g}", field=field, expected="a fraction from 0 to 1")
            )
        if self.distribution in _POSITIVE and self.median <= 0:
            found.append(
                Problem(f"median {self.median:g}", field=field, expected="a median above 0 for a lognormal")
            )
        if self.distribution == "peaked" and not 0 < self.peak < 1:
            found.append(
                Problem(
                    "no share of people at the peak",
                    field=field,
                    expected="'peak:SHARE', a share from 0 to 1",
                )
            )
        if self.distribution == "categorical" and not (
            self.values and math.isclose(sum(weight for _, weight in self.values), 1, abs_tol=1e-6)
        ):
            found.append(
                Problem(
                    "the shares of the categories do not add up to 1",
                    field=field,
                    expected="'label:share' pairs such as 'morphine:0.6;oxycodone:0.4'",
                )
            )
        spread = self.distribution in {"normal", *_POSITIVE}
        if spread and not found and not self.lower <= self.median <= self.upper:
            found.append(
                Problem(
                    f"the median {self.median:g} lies outside {self.lower:g} to {self.upper:g}", field=field
                )
            )
        return found

    @property
    def peak(self) -> float:
        """The share of people who have exactly the median of a ``peaked`` covariate, else 0."""
        return dict(self.values).get("peak", 0.0) if self.distribution == "peaked" else 0.0

    def quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values below which the fractions ``u`` (in (0, 1), any shape) of the population lie."""
        if self.distribution == "fixed":
            return np.full(u.shape, self.median)
        if self.distribution == "bernoulli":
            return (u > 1 - self.median).astype(np.float64)
        if self.distribution == "categorical":
            edges = np.cumsum([weight for _, weight in self.values])[:-1]
            return np.searchsorted(edges, u).astype(np.float64)
        if not self.peak:
            return self._truncated(u)
        start = self._below * (1 - self.peak)
        others = np.where(u < start, u, u - self.peak) / (1 - self.peak)
        at_peak = (u >= start) & (u <= start + self.peak)
        return np.where(at_peak, self.median, self._truncated(np.clip(others, _EDGE, 1 - _EDGE)))

    def level(self, values: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inverse of :meth:`quantile`: fractions in (0, 1) of the population below the values.

        Where several fractions give the same value (a category, yes or no), ``u`` in (0, 1) says which of
        them is meant. NaN for values that nobody has, and for a distribution without spread, of which a
        value tells nothing.
        """
        from scipy.special import ndtr

        if self.distribution in {"bernoulli", "categorical"}:
            shares = [weight for _, weight in self.values] or [1 - self.median, self.median]
            edges = np.concatenate([[0.0], np.cumsum(shares)])
            known = np.isin(values, np.arange(len(shares)))
            place = np.where(known, values, 0).astype(np.intp)
            found = edges[place] + u * (edges[place + 1] - edges[place])
        elif self.distribution == "fixed" or self.cv == 0:
            return np.full(values.shape, np.nan)
        else:
            low, high = (float(ndtr(self._score(end))) for end in (self.lower, self.upper))
            known = (values >= self.lower) & (values <= self.upper)
            score = np.array(
                [self._score(float(value)) if ok else 0.0 for value, ok in zip(values, known, strict=True)]
            )
            found = (ndtr(score) - low) / (high - low)
            if self.peak:
                start = self._below * (1 - self.peak)
                beside = (1 - self.peak) * found + np.where(values > self.median, self.peak, 0.0)
                found = np.where(values == self.median, start + u * self.peak, beside)
        return np.where(known, np.clip(found, _EDGE, 1 - _EDGE), np.nan)

    @property
    def _below(self) -> float:
        """The fraction of the truncated distribution that lies below its median before truncation."""
        from scipy.special import ndtr

        low, high = float(ndtr(self._score(self.lower))), float(ndtr(self._score(self.upper)))
        return (0.5 - low) / (high - low)

    def _truncated(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        from scipy.special import ndtr, ndtri

        if self.cv == 0:
            return np.full(u.shape, self.median)
        low, high = float(ndtr(self._score(self.lower))), float(ndtr(self._score(self.upper)))
        z = np.asarray(ndtri(low + u * (high - low)), dtype=np.float64)
        if self.distribution == "normal":
            drawn = self.median + self.cv * abs(self.median) * z
        else:
            drawn = self.median * streams.exp(self._sdlog * z)
        return np.clip(drawn, self.lower, self.upper)

    @property
    def _sdlog(self) -> float:
        return math.sqrt(math.log1p(self.cv**2))

    def _score(self, value: float) -> float:
        """The standard normal score of a value of the untruncated distribution."""
        if math.isinf(value):
            return value
        if self.distribution == "normal":
            return (value - self.median) / (self.cv * abs(self.median))
        return math.log(value / self.median) / self._sdlog if value > 0 else -math.inf


def marginals(
    table: pl.DataFrame, overrides: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Marginal]:
    """The marginals of a model's covariate table with a study's own values put in their place.

    Args:
        table: ``model.covariates``, a polars frame with the columns of ``covariates.tsv``.
        overrides: covariate id to the fields of :class:`Marginal` that differ in this study. An override
            without a distribution but with only a median keeps the rest of the default row.

    Raises:
        CohortError: with every unknown covariate, unknown field and impossible distribution.
    """
    found = {row["id"]: _from_row(row) for row in table.iter_rows(named=True)}
    problems: list[Problem] = []
    for name, fields in (overrides or {}).items():
        if name not in found:
            near = nearest(name, found)
            problems.append(
                Problem(
                    f"unknown covariate '{name}'",
                    field="population.covariates",
                    expected=f"a covariate that the model's species carries: {', '.join(found)}",
                    remedy=f"did you mean '{near}'?" if near else None,
                )
            )
            continue
        known = {key: _value(key, value) for key, value in fields.items() if value is not None}
        unknown = sorted(set(known) - set(Marginal.__dataclass_fields__))
        problems += [Problem(f"unknown field '{key}'", field=f"covariates.{name}") for key in unknown]
        if unknown:
            continue
        if "values" in known and found[name].distribution == "categorical":
            known["values"], wrong = _in_place(name, found[name].values, known["values"])
            problems += wrong
        own = replace(found[name], **known)
        problems += _impossible(found[name], own)
        found[name] = own
    problems += [problem for marginal in found.values() for problem in marginal.problems()]
    if problems:
        raise CohortError(problems)
    return found


def _impossible(default: Marginal, own: Marginal) -> Iterator[Problem]:
    """Values that the table's covariate cannot have: effects count on its limits and its categories."""
    named = default.distribution == "categorical"
    if own.distribution == "fixed" and named and own.median not in range(len(default.values)):
        yield Problem(
            f"no category has the number {own.median:g}",
            field=f"covariates.{own.id}",
            expected=", ".join(f"{k} ({label})" for k, (label, _) in enumerate(default.values)),
        )
    if own.distribution == "fixed" and not own.lower <= own.median <= own.upper:
        yield Problem(
            f"nobody can have the value {own.median:g}",
            field=f"covariates.{own.id}",
            expected=f"{own.lower:g} to {own.upper:g}",
        )
    if own.distribution == "categorical" and not named and math.isfinite(own.upper):
        labels = [label for label, _ in own.values]
        misplaced = any(label.isdecimal() and label != str(k) for k, label in enumerate(labels))
        if misplaced or own.lower != 0 or len(labels) != own.upper + 1:
            yield Problem(
                f"'{own.id}' is a number: {', '.join(labels)} are not a share for each that it can be",
                field=f"covariates.{own.id}.values",
                expected=f"a share for every whole number from {own.lower:g} to {own.upper:g}, in this order",
            )


def _in_place(
    name: str, default: tuple[tuple[str, float], ...], given: tuple[tuple[str, float], ...]
) -> tuple[tuple[tuple[str, float], ...], list[Problem]]:
    """The given shares in the order of the table's categories: effects count their places."""
    labels = [label for label, _ in default]
    shares = dict(given)
    wrong = [
        Problem(
            f"unknown category '{label}'",
            field=f"covariates.{name}.values",
            expected=", ".join(labels),
            remedy=f"did you mean '{near}'?" if (near := nearest(label, labels)) else None,
        )
        for label in shares
        if label not in labels
    ]
    return tuple((label, shares.get(label, 0.0)) for label in labels), wrong


def _value(key: str, value: object) -> Any:  # noqa: ANN401  # the type of that field
    if key != "values":
        return value
    return tuple(value.items()) if isinstance(value, Mapping) else _categories(str(value))


def _from_row(row: Mapping[str, Any]) -> Marginal:
    def number(column: str, missing: float) -> float:
        return missing if row.get(column) in (None, "") else float(row[column])

    return Marginal(
        id=row["id"],
        distribution=row["distribution"],
        median=number("median", 0.0),
        cv=number("cv", 0.0),
        lower=number("lower", -math.inf),
        upper=number("upper", math.inf),
        reference=number("reference", 0.0),
        values=_categories(row.get("values") or ""),
    )


def _categories(text: str) -> tuple[tuple[str, float], ...]:
    pairs = [part.rpartition(":") for part in text.split(";") if part.strip()]
    return tuple((label.strip(), float(share)) for label, _, share in pairs)
