"""People with stool profiles of their own: the cohort file of ``opiome profile`` as a population."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from opiome.cohort._marginal import Marginal, marginals
from opiome.errors import CohortError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

    from opiome.model import Model

__all__ = ["Profiles"]

_MADE_BY = "make it with `opiome profile TABLE --out FOLDER`"


@dataclass(frozen=True, eq=False)
class Profiles:
    """The people of a cohort file, in the order of its rows.

    Virtual patient ``k`` has row ``k`` modulo the number of rows. When the rows are used up they are used
    again in the same order: the next patient is a new person, drawn anew in everything that the file does
    not say, with the same bacteria and the same covariates of the file.

    Attributes:
        file: where they come from.
        sha256: of the file.
        samples: the sample of each row, shape (k,).
        subjects: the person whose sample it is, shape (k,).
        composition: guild id to its share of stool bacteria, shape (k,).
        covariates: covariate id to numbers, shape (k,); NaN where the file does not say.
        loads: bacteria per gram of stool over those of a healthy person, shape (k,); NaN where not measured.
        represents: how many people each row stands for, shape (k,): the file's column ``represents``, or 1.
        unfit: why a row cannot be a patient of the model, shape (k,); empty where it can. Screening leaves
            such rows out.
    """

    file: Path
    sha256: str
    samples: tuple[str, ...]
    subjects: tuple[str, ...]
    composition: Mapping[str, NDArray[np.float64]]
    covariates: Mapping[str, NDArray[np.float64]]
    loads: NDArray[np.float64]
    represents: NDArray[np.float64]
    unfit: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.subjects)

    def rows(self, patients: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each numbered patient, shape (n,)."""
        return patients % len(self)

    def known(self, patients: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """What the file says of the covariates of numbered patients, id to shape (n,); NaN where silent."""
        rows = self.rows(patients)
        return {name: values[rows] for name, values in self.covariates.items()}

    def masses(
        self, patients: NDArray[np.int64], drawn: Mapping[str, NDArray[np.float64]], model: Model
    ) -> dict[str, NDArray[np.float64]]:
        """The bacteria in each part of the colon (``*_bacteria_untreated``, g) of numbered patients.

        Whose load was measured has the model's typical mass times that load; the others keep what was drawn.
        """
        loads = self.loads[self.rows(patients)]
        measured = np.isfinite(loads)
        return {
            name: np.where(measured, typical * np.where(measured, loads, 1.0), drawn[name])
            for name, (typical, _, _) in _masses(model).items()
            if name in drawn
        }

    @classmethod
    def read(cls, path: str | Path, model: Model) -> Self:
        """Read a cohort file for a model; columns named after covariates of the model are the people's own.

        Raises:
            CohortError: with every problem of the file.
        """
        from opiome.microbiome import GUILDS, read_cohort

        file = Path(path)
        table = read_cohort(file)
        guilds = list(model.guilds["id"])
        if guilds != list(GUILDS):
            raise CohortError(
                Problem(
                    f"holds the guilds {', '.join(GUILDS)}, and the model {', '.join(guilds)}",
                    file=file,
                    remedy="use a model with these guilds",
                )
            )
        spread = marginals(model.covariates)
        told = {name: _numbers(table, spread[name], file) for name in spread if name in table.columns}
        problems = [value for value in told.values() if isinstance(value, Problem)]
        if problems:
            raise CohortError(problems)
        codes = {name: value for name, value in told.items() if not isinstance(value, Problem)}
        loads = _loads(table, model)
        unfit = [_unfit(codes, spread, row) or _unfit_load(loads[row], model) for row in range(table.height)]
        return cls(
            file=file,
            sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
            samples=_texts(table, "sample"),
            subjects=_texts(table, "subject" if "subject" in table.columns else "sample"),
            composition={name: table[f"composition_{name}"].cast(float).to_numpy() for name in guilds},
            covariates=codes,
            represents=_represents(table, file),
            loads=loads,
            unfit=tuple(unfit),
        )


def _represents(table: pl.DataFrame, file: Path) -> NDArray[np.float64]:
    """How many people each row stands for; raises CohortError unless all are numbers above 0."""
    import polars as pl

    if "represents" not in table.columns:
        return np.ones(table.height)
    weights = table["represents"].cast(pl.Float64, strict=False).fill_null(math.nan).to_numpy()
    wrong = np.flatnonzero(~((weights > 0) & np.isfinite(weights)))
    if len(wrong):
        raise CohortError(
            Problem(
                f"row {wrong[0] + 1} does not say how many people it stands for",
                file=file,
                field="represents",
                expected="numbers above 0 in every row, or no such column",
            )
        )
    return weights


def _texts(table: pl.DataFrame, column: str) -> tuple[str, ...]:
    """A column of names; the patient's number where the file has no such column."""
    cells = table[column if column in table.columns else "patient"].to_list()
    return tuple("" if cell is None else str(cell) for cell in cells)


def _numbers(table: pl.DataFrame, marginal: Marginal, file: Path) -> NDArray[np.float64] | Problem:
    """A covariate as numbers; categories (labels, or the numbers that they look like) as their positions.

    Labels that the model does not know become -1, which no covariate can be.
    """
    import polars as pl

    column = table[marginal.id]
    if marginal.distribution == "categorical":
        labels = [label for label, _ in marginal.values]
        told = [f"{cell:g}" if isinstance(cell, float) else cell for cell in column.to_list()]
        places = [math.nan if cell is None else _place(labels, str(cell)) for cell in told]
        return np.array(places, dtype=np.float64)
    try:
        return column.cast(pl.Float64).fill_null(math.nan).to_numpy()
    except pl.exceptions.PolarsError:
        return Problem(
            f"the column '{marginal.id}' is a covariate of the model and not a number in every row",
            file=file,
            field=marginal.id,
            expected="numbers, empty where unknown",
            remedy=f"rename or remove the column, or {_MADE_BY}",
        )


def _place(labels: list[str], cell: str) -> float:
    return float(labels.index(cell)) if cell in labels else -1.0


def _unfit(codes: Mapping[str, NDArray[np.float64]], spread: Mapping[str, Marginal], row: int) -> str:
    """The first covariate of a row that the model does not know how to be; empty if there is none."""
    for name, values in codes.items():
        value, marginal = values[row], spread[name]
        if math.isnan(value):
            continue
        if marginal.distribution == "categorical":
            if value < 0:
                return f"{name} of the profile not one of {', '.join(label for label, _ in marginal.values)}"
        elif marginal.distribution == "bernoulli" and value not in {0.0, 1.0}:
            return f"{name} of the profile neither 0 nor 1"
        elif not marginal.lower <= value <= marginal.upper:
            return f"{name} of the profile outside {marginal.lower:g} to {marginal.upper:g}"
    return ""


def _masses(model: Model) -> dict[str, tuple[float, float, float]]:
    """Typical value and bounds of the bacteria in each part of the colon."""
    rows = model.parameters.filter(model.parameters["id"].str.ends_with("_bacteria_untreated"))
    return {
        row["id"]: (float(row["value"]), float(row["lower"]), float(row["upper"]))
        for row in rows.iter_rows(named=True)
    }


def _loads(table: pl.DataFrame, model: Model) -> NDArray[np.float64]:
    """Loads over that of a healthy person, shape (k,): as the file says, or from cells per gram."""
    import polars as pl

    name = next((n for n in ("load_ratio", "load_cells_per_g") if n in table.columns), None)
    if name is None:
        return np.full(table.height, math.nan)
    values = table[name].cast(pl.Float64).fill_null(math.nan).to_numpy()
    if name == "load_ratio":
        return np.asarray(values, dtype=np.float64)
    healthy = model.parameters.filter(model.parameters["id"] == "stool_cells_healthy")["value"]
    return np.asarray(values / float(healthy[0]), dtype=np.float64)


def _unfit_load(load: float, model: Model) -> str:
    """Why bacteria of that load are outside what the model's parameters may be; empty if they are inside."""
    spans = [(lower / typical, upper / typical) for typical, lower, upper in _masses(model).values()]
    least, most = max(span[0] for span in spans), min(span[1] for span in spans)
    if math.isnan(load) or least <= load <= most:
        return ""
    return f"bacterial load of the profile outside {least:.2g} to {most:.2g} times the healthy one"
