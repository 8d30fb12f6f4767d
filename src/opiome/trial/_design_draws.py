"""Draws of a model whose edges and parameters are not known: the model as it might be."""

from __future__ import annotations

import csv
import math
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from opiome import streams
from opiome.errors import Problem, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl

    from opiome.model import Model
    from opiome.trial._design_fields import Design, Uncertainty
    from opiome.trial._yaml import Steps

__all__ = ["Possible", "draws", "inclusion", "unknown_names"]

_MOST = 1.7976931348623157e308  # the largest number that is not infinite
_Z = 1.959964  # standard deviations from the median to the ends of a 95 % interval


class Possible:
    """A model with other values of some parameters; all else is that of the model."""

    def __init__(self, model: Model, values: dict[str, float]) -> None:
        self._model = model
        self.values = values

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the model has
        return getattr(self._model, name)

    @property
    def parameters(self) -> pl.DataFrame:
        """The table of parameters with the other values in it."""
        import polars as pl

        table = self._model.parameters
        changed = [self.values.get(name, value) for name, value in table.select("id", "value").iter_rows()]
        return table.with_columns(pl.Series("value", changed, dtype=pl.Float64))


@cache
def inclusion() -> dict[str, float]:
    """The prior probability that an edge of a grade exists (``inclusion.tsv``)."""
    text = resources.files("opiome.trial").joinpath("inclusion.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {row["grade"]: float(row["probability"]) for row in rows}


def draws(uncertainty: Uncertainty, model: Model, seed: int, folder: Path) -> list[dict[str, float]]:
    """The parameters that differ from the model's in each draw.

    Edges are independent of each other and of the parameters; a posterior's rows are drawn as they stand.
    """
    if uncertainty.posterior is not None:
        table = _table(folder / uncertainty.posterior)
        rows = list(table.iter_rows(named=True))
        picked = streams.uniform(seed, "design/posterior", range(uncertainty.draws))
        return [{name: float(value) for name, value in rows[int(u * len(rows))].items()} for u in picked]
    found: list[dict[str, float]] = [{} for _ in range(uncertainty.draws)]
    for edge in model.edges.iter_rows(named=True):
        if uncertainty.edges == "none" or (uncertainty.edges == "contested" and edge["contested"] != "yes"):
            continue
        chance = inclusion().get(edge["grade"], 1.0)
        lots = streams.uniform(seed, f"design/edge/{edge['id']}", range(uncertainty.draws))
        for values, lot in zip(found, lots, strict=True):
            if lot >= chance:
                values[edge["gate"]] = 0.0
    rows_of = {row["id"]: row for row in model.parameters.iter_rows(named=True)}
    for name in uncertainty.parameters:
        row = rows_of[name]
        scores = streams.normal(seed, f"design/parameter/{name}", range(uncertainty.draws))
        for values, score in zip(found, scores, strict=True):
            values[name] = _around(row, float(score))
    return found


def _around(row: dict[str, Any], score: float) -> float:
    """A value whose logarithm is two half normals, 2.5 % beyond each limit; kept within the limits."""
    value, lower, upper = (float(row[name]) for name in ("value", "lower", "upper"))
    spread = abs(math.log((upper if score > 0 else lower) / value)) / _Z
    return min(max(value * math.exp(spread * score), lower), upper)


def _says_how_uncertain(row: dict[str, Any]) -> bool:
    value, lower, upper = (row[name] for name in ("value", "lower", "upper"))
    return lower is not None and upper is not None and bool(0 < lower <= value <= upper)


def unknown_names(design: Design, folder: Path, model: Model) -> Iterator[tuple[Steps, Problem]]:
    """What the uncertainty of a design names and the model does not have, or cannot vary."""
    asked = design.uncertainty
    if asked is None:
        return
    rows = {row["id"]: row for row in model.parameters.iter_rows(named=True) if row["in_equations"]}
    for i, name in enumerate(asked.parameters):
        path: Steps = ("uncertainty", "parameters", i)
        row = rows.get(name)
        if row is None:
            yield path, _unknown(name, list(rows))
        elif not _says_how_uncertain(row):
            yield (
                path,
                Problem(
                    f"the limits of '{name}' do not say how uncertain it is",
                    expected="0 < lower <= value <= upper in the model's table",
                    remedy="name other parameters, or give a 'posterior'",
                ),
            )
    if asked.posterior is not None:
        yield from _posterior(folder / asked.posterior, rows, set(model.edges["gate"]))


def _posterior(file: Path, rows: dict[str, Any], gates: set[str]) -> Iterator[tuple[Steps, Problem]]:
    path: Steps = ("uncertainty", "posterior")
    try:
        table = _table(file)
    except (OSError, ValueError) as error:
        yield path, Problem(f"{file} cannot be read ({error})", expected="a TSV or Parquet file of draws")
        return
    if not len(table):
        yield path, Problem(f"{file} holds no draw", expected="one row for each draw")
    for name in table.columns:
        if name not in rows:
            yield path, _unknown(name, list(rows))
            continue
        if not table[name].dtype.is_numeric() or table[name].is_null().any():
            yield path, Problem(f"column '{name}' of {file} holds what is no number", expected="numbers")
            continue
        low, high = (0.0, 1.0) if name in gates else _signs(rows[name])
        if not table[name].is_between(low, high).all():
            scale = "0 to 1" if name in gates else "finite numbers" + (" of 0 and above" if low == 0 else "")
            yield path, Problem(f"column '{name}' of {file} holds what cannot be", expected=scale)


def _signs(row: dict[str, Any]) -> tuple[float, float]:
    """The finite numbers that a parameter can be: below 0 only where the model's table has it there."""
    negative = min(row["value"], row["lower"] if row["lower"] is not None else 0.0) < 0
    return -_MOST if negative else 0.0, _MOST


def _table(file: Path) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.read_parquet(file) if file.suffix == ".parquet" else pl.read_csv(file, separator="\t")
    except pl.exceptions.PolarsError as error:
        raise ValueError(str(error).splitlines()[0]) from None


def _unknown(name: str, known: list[str]) -> Problem:
    near = nearest(name, known)
    return Problem(
        f"the model has no parameter '{name}'",
        expected="an id of 'opiome model list parameters'",
        remedy=f"did you mean '{near}'?" if near else None,
    )
