"""Many patients reduced on the way: integer histograms with fixed edges, so that memory does not grow with n.

Counts and fixed-point sums are integers: the order of patients, chunks and threads cannot change a digit.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from opiome import files
from opiome.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from opiome.engine._ensemble import Ensemble

FIXED_POINT = 2.0**20  # parts of a bin to which values are rounded before they are summed


class Bands:
    """Quantiles and means of outputs over patients at fixed times.

    Args:
        times: (k,) output times, h.
        low: (o,) lower edge of each output's histogram.
        high: (o,) upper edge.
        bins: equal bins between the edges; a quantile is exact to one bin width. Values outside are
            counted at the edges.

    Raises:
        InputError: edges that are not finite or do not ascend.
    """

    def __init__(
        self, times: NDArray[np.float64], low: Sequence[float], high: Sequence[float], bins: int = 1000
    ) -> None:
        self.times = np.asarray(times, dtype=np.float64)
        self.low, self.high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        if (
            self.low.shape != self.high.shape
            or not (np.isfinite(self.low) & np.isfinite(self.high) & (self.low < self.high)).all()
        ):
            raise InputError(
                Problem("edges are not finite or do not ascend", field="low, high", remedy="give low < high")
            )
        self.bins = bins
        self.width = (self.high - self.low) / bins
        self.counts = np.zeros((len(self.times), len(self.low), bins), np.int64)
        self._sums = np.zeros((len(self.times), len(self.low)), np.int64)

    def add(self, values: NDArray[np.float64]) -> None:
        """Count the patients of ``values`` (n, k, o); failed ones (NaN) are left out from then on.

        Raises:
            InputError: other times or outputs than the bands have.
        """
        k, o, bins = self.counts.shape
        if values.shape[1:] != (k, o):
            raise InputError(
                Problem(
                    f"{values.shape[1]} times and {values.shape[2]} outputs",
                    field="bands",
                    expected=f"{k} times and {o} outputs",
                    remedy="give edges for each output of the program, or compile it with these outputs",
                )
            )
        for time in range(k):
            for output in range(o):
                column = values[:, time, output]
                place = (column[np.isfinite(column)] - self.low[output]) / self.width[output]
                place = np.clip(place, 0.0, bins)
                index = np.minimum(place.astype(np.int64), bins - 1)
                self.counts[time, output] += np.bincount(index, minlength=bins)
                self._sums[time, output] += np.rint(place * FIXED_POINT).astype(np.int64).sum()

    def merge(self, other: Bands) -> None:
        """Add the counts of another worker's bands with the same times and edges."""
        same = np.array_equal(self.times, other.times) and np.array_equal(self.low, other.low)
        if not (same and np.array_equal(self.high, other.high) and self.bins == other.bins):
            raise InputError(Problem("bands have other times or edges", remedy="merge bands made alike"))
        self.counts += other.counts
        self._sums += other._sums

    def write(self, path: str | Path, patients: int) -> None:
        """Keep what was counted of the first ``patients`` in a file (npz), so that a stopped run goes on."""
        with files.whole(path) as part, part.open("wb") as stream:
            np.savez(
                stream, times=self.times, low=self.low, high=self.high, counts=self.counts, sums=self._sums,
                patients=patients,
            )  # fmt: skip

    @classmethod
    def read(cls, path: str | Path) -> tuple[Bands, int]:
        """What :meth:`write` kept: the bands, and of how many patients."""
        with np.load(path) as kept:
            bands = cls(kept["times"], kept["low"], kept["high"], kept["counts"].shape[2])
            bands.counts[:], bands._sums[:] = kept["counts"], kept["sums"]
            return bands, int(kept["patients"])

    def digest(self) -> str:
        """A hash of every count and sum: equal where two runs agree to the bit."""
        return hashlib.sha256(self.counts.tobytes() + self._sums.tobytes()).hexdigest()

    @property
    def n(self) -> NDArray[np.int64]:
        """Patients counted, (k, o)."""
        return self.counts.sum(axis=2)  # type: ignore[no-any-return]

    def mean(self) -> NDArray[np.float64]:
        """Means (k, o), of values clipped to the edges; NaN where nobody was counted."""
        with np.errstate(invalid="ignore"):
            return self.low + self.width * (self._sums / FIXED_POINT) / self.n

    def quantile(self, q: float) -> NDArray[np.float64]:
        """The quantile ``q`` (k, o), interpolated inside its bin; NaN where nobody was counted."""
        total = self.n
        rank = q * total
        below = np.cumsum(self.counts, axis=2)
        index = np.minimum((below < rank[..., None]).sum(axis=2), self.bins - 1)
        inside = np.take_along_axis(self.counts, index[..., None], axis=2)[..., 0]
        before = np.take_along_axis(below, index[..., None], axis=2)[..., 0] - inside
        with np.errstate(invalid="ignore", divide="ignore"):
            part = np.where(inside > 0, (rank - before) / inside, 0.0)
        result = self.low + self.width * (index + np.clip(part, 0.0, 1.0))
        return np.where(total > 0, result, np.nan)


def stream(
    ensembles: Iterable[Ensemble],
    until: float,
    bands: Bands,
    folder: str | Path | None = None,
) -> Bands:
    """Advance one ensemble after the other and reduce each before the next is made.

    Args:
        ensembles: chunks of patients, best as a generator, so that one at a time is in memory.
        until: end of the simulation, h.
        bands: what is counted; its times are the output times.
        folder: where raw trajectories go, one Parquet file per chunk (``patient time_h`` and a column per
        output); a
            chunk whose file is there already is read and not simulated again.

    Returns:
        ``bands``.
    """
    first = 0
    place = Path(folder) if folder is not None else None
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
    for number, run in enumerate(ensembles):
        path = place / f"chunk-{number:06d}.parquet" if place is not None else None
        shape = (len(run), len(bands.times), len(run.program.outputs))
        if path is not None and path.exists():
            values = _read(path, run.program.outputs).reshape(shape)
        else:
            values = run.advance(until, at=bands.times).values
            if path is not None:
                _write(path, values, bands.times, run.program.outputs, first)
        bands.add(values)
        first += len(run)
    return bands


def _write(
    path: Path, values: NDArray[np.float64], times: NDArray[np.float64], outputs: Sequence[str], first: int
) -> None:
    import polars as pl

    n, k, _ = values.shape
    frame = pl.DataFrame(
        {
            "patient": np.repeat(np.arange(first, first + n), k),
            "time_h": np.tile(times, n),
            **{name: np.ascontiguousarray(values[:, :, i]).reshape(-1) for i, name in enumerate(outputs)},
        }
    )
    with files.whole(path) as part:
        frame.write_parquet(part)


def _read(path: Path, outputs: Sequence[str]) -> NDArray[np.float64]:
    import polars as pl

    return pl.read_parquet(path, columns=list(outputs)).to_numpy()
