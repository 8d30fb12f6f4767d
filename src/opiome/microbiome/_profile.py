"""One table of stool profiles, whatever file it came from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from opiome.microbiome._lineage import Lineage, parse_lineage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

__all__ = ["GUILDS", "Profile", "Raw"]

GUILDS = ("G1", "G2", "G3", "G4", "G5", "G6", "G7")


@dataclass
class Raw:
    """What a reader found: ``values`` (n_taxa, n_samples) as written, ``apart`` (n_samples,) alike."""

    format: str
    samples: list[str]
    taxonomy: list[str]
    values: NDArray[np.float64] | csr_array
    apart: NDArray[np.float64]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class Profile:
    """Samples x taxa.

    ``values`` is a sparse array (n_samples, n_taxa): reads when ``kind`` is ``counts``, else fractions of
    what the pipeline classified. ``set_apart`` (n_samples,) is the part of the whole that is not
    classified, in fractions; it is in no other number. ``taxonomy`` holds the names as written, ``files``
    where they came from, and ``notes`` what a reader decided on the way.
    """

    samples: tuple[str, ...]
    taxonomy: tuple[str, ...]
    values: csr_array
    kind: str
    set_apart: NDArray[np.float64]
    format: str
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def lineages(self) -> tuple[Lineage, ...]:
        """The taxa, read into lineages."""
        return tuple(parse_lineage(name) for name in self.taxonomy)

    @cached_property
    def depth(self) -> NDArray[np.float64]:
        """Reads per sample (n_samples,); NaN where the table holds fractions."""
        total = np.asarray(self.values.sum(axis=1), dtype=np.float64).ravel()
        return total if self.kind == "counts" else np.full(total.shape, np.nan)

    @cached_property
    def fractions(self) -> csr_array:
        """Fractions of what is classified (n_samples, n_taxa); every row sums to 1."""
        from scipy.sparse import csr_array, diags_array

        total = np.asarray(self.values.sum(axis=1), dtype=np.float64).ravel()
        return csr_array(diags_array(1.0 / np.where(total > 0, total, 1.0)) @ self.values)

    @cached_property
    def detection(self) -> NDArray[np.float64]:
        """The smallest fraction that a sample can show (n_samples,): one read, or its smallest entry."""
        if self.kind == "counts":
            return 1.0 / np.maximum(self.depth, 1.0)
        matrix = self.fractions
        smallest = [
            matrix.data[a:b][matrix.data[a:b] > 0].min() if (matrix.data[a:b] > 0).any() else 1.0
            for a, b in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)
        ]
        return np.asarray(smallest, dtype=np.float64)

    def rows(self, wanted: Sequence[int] | NDArray[np.int64]) -> Profile:
        """Return the profile of some samples, by row number, in that order."""
        index = np.asarray(wanted, dtype=np.int64)
        return replace(
            self,
            samples=tuple(self.samples[i] for i in index),
            values=self.values[index],
            set_apart=self.set_apart[index],
        )

    def at_rank(self, rank: str) -> tuple[list[str], NDArray[np.float64]]:
        """Fractions summed by ``genus`` or ``species``: names and a dense array (n_samples, n_names).

        Taxa without a name at that rank keep their finest name, in brackets, so that no abundance is lost.
        """
        from scipy.sparse import csr_array

        wanted = {"genus": 5, "species": 6}[rank]
        columns: dict[str, int] = {}
        where = np.array(
            [
                columns.setdefault(
                    lineage.names[wanted]
                    or (lineage.species_as_written if wanted > 5 else "")  # noqa: PLR2004
                    or f"({lineage.label})",
                    len(columns),
                )
                for lineage in self.lineages
            ]
        )
        gather = csr_array(
            (np.ones(len(where)), (np.arange(len(where)), where)), shape=(len(where), len(columns))
        )
        return list(columns), np.asarray((self.fractions @ gather).todense())
