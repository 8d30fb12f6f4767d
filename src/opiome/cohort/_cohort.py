"""A cohort: numbered people with their covariates, parameters and untreated steady state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from opiome import files
from opiome.errors import CohortError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Cohort"]

_COVARIATE, _PARAMETER, _STATE = "covariate:", "parameter:", "state:"


@dataclass(frozen=True)
class Cohort:
    """``n`` people, in the order of their rows.

    Attributes:
        ids: patient numbers, shape (n,). A number is a person: the same seed gives the same person in every
            arm, chunk and study size.
        covariates: polars frame of n rows, the units of ``covariates.tsv``; categories as their labels.
            People with a stool profile also have its ``sample`` and ``subject``.
        codes: the same covariates as numbers (categories as positions), id to shape (n,).
        parameters: parameter id to values, shape (n,), in the parameter's own unit.
        start: state of the untreated steady state, shape (n, n_states), in the model's units.
        states: the names of the columns of ``start``.
        weights: how many people each one stands for, shape (n,).
        outcome: outcome of the baseline solution, shape (n,); 0 is OK.
        seed: the study seed that drew them.
        reasons: why people have no untreated state, shape (n,); empty for the others. () if not known.
    """

    ids: NDArray[np.int64]
    covariates: pl.DataFrame
    codes: Mapping[str, NDArray[np.float64]]
    parameters: Mapping[str, NDArray[np.float64]]
    start: NDArray[np.float64]
    states: tuple[str, ...]
    weights: NDArray[np.float64]
    outcome: NDArray[np.int64]
    seed: int
    reasons: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def effective_size(self) -> float:
        """Kish's effective sample size of the weights."""
        total = float(self.weights.sum())
        return total * total / float((self.weights * self.weights).sum()) if len(self) else 0.0

    def take(self, rows: ArrayLike) -> Self:
        """The people of some rows (positions or a mask), in that order; a person may be taken twice."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.intp)
        return type(self)(
            ids=self.ids[index],
            covariates=self.covariates[index],
            codes={name: values[index] for name, values in self.codes.items()},
            parameters={name: values[index] for name, values in self.parameters.items()},
            start=self.start[index],
            states=self.states,
            weights=self.weights[index],
            outcome=self.outcome[index],
            seed=self.seed,
            reasons=tuple(self.reasons[i] for i in index) if self.reasons else (),
        )

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Several cohorts of one study, one under the other."""
        import polars as pl

        head = parts[0]
        return cls(
            ids=np.concatenate([part.ids for part in parts]),
            covariates=pl.concat([part.covariates for part in parts]),
            codes={name: np.concatenate([part.codes[name] for part in parts]) for name in head.codes},
            parameters={
                name: np.concatenate([part.parameters[name] for part in parts]) for name in head.parameters
            },
            start=np.concatenate([part.start for part in parts]),
            states=head.states,
            weights=np.concatenate([part.weights for part in parts]),
            outcome=np.concatenate([part.outcome for part in parts]),
            seed=head.seed,
            reasons=tuple(reason for part in parts for reason in part.reasons),
        )

    def write(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the cohort as one Parquet file; an existing file is kept unless ``overwrite``."""
        import polars as pl

        path = Path(path)
        if path.exists() and not overwrite:
            raise CohortError(
                Problem("the file exists", file=path, remedy="choose another name or ask to overwrite it")
            )
        columns: dict[str, object] = {
            "patient": self.ids,
            "weight": self.weights,
            "outcome": self.outcome,
            "seed": np.full(len(self), self.seed, dtype=np.uint64),
        }
        columns |= {f"covariate={name}": self.covariates[name] for name in self.covariates.columns}
        columns |= {f"{_COVARIATE}{name}": values for name, values in self.codes.items()}
        columns |= {f"{_PARAMETER}{name}": values for name, values in self.parameters.items()}
        columns |= {f"{_STATE}{name}": self.start[:, i] for i, name in enumerate(self.states)}
        with files.whole(path) as part:
            pl.DataFrame(columns).write_parquet(part)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read what :meth:`write` wrote; raises CohortError for anything else."""
        import polars as pl

        try:
            table = pl.read_parquet(Path(path))
            ids, weights, outcome = (table[name].to_numpy() for name in ("patient", "weight", "outcome"))
            seed = int(table["seed"][0]) if table.height else 0
        except (OSError, pl.exceptions.PolarsError) as error:
            raise CohortError(
                Problem(
                    f"not a cohort ({error})",
                    file=path,
                    expected="a Parquet file written by Cohort.write",
                )
            ) from None

        def numbers(prefix: str) -> dict[str, NDArray[np.float64]]:
            names = [name for name in table.columns if name.startswith(prefix)]
            return {name.removeprefix(prefix): table[name].to_numpy() for name in names}

        states = numbers(_STATE)
        labels = [name for name in table.columns if name.startswith("covariate=")]
        return cls(
            ids=ids,
            covariates=table.select(pl.col(name).alias(name.partition("=")[2]) for name in labels),
            codes=numbers(_COVARIATE),
            parameters=numbers(_PARAMETER),
            start=np.column_stack(list(states.values())) if states else np.empty((len(ids), 0)),
            states=tuple(states),
            weights=weights,
            outcome=outcome,
            seed=seed,
        )
