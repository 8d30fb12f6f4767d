"""Prescriptions that a rule may change: their doses are handed to the engine day by day.

A course is a train of doses of one patient into one state, in hours since randomisation. The doses of a day
are given on its morning as they then are prescribed; a patch or pump is cut at midnight of the trial's day,
so that a new dose replaces the old one there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from opiome.engine import EventTable
    from opiome.trial._timeline import Row

__all__ = ["Courses"]

_DAY = 24.0
_SLACK = 1e-9  # h; rounding of TIME + k II
_NUMBERS = ("TIME", "AMT", "II", "ADDL", "DUR", "LAG", "END")


def _nothing() -> dict[str, NDArray[np.float64]]:
    return {name: np.empty(0) for name in _NUMBERS}


def _no_names() -> NDArray[np.object_]:
    return np.empty(0, dtype=object)


@dataclass
class Courses:
    """The courses of n patients; every column has shape (k,).

    Attributes:
        row: the patient row of each course.
        state: the state that it enters.
        opioid: whether it is an opioid taken at stated times: titration and rotation act on it.
        study: whether it is the arm's own or was added by a rule: stopping the study drug ends it.
        columns: ``TIME``, ``AMT``, ``II``, ``ADDL``, ``DUR`` and ``LAG`` as in an event table, and ``END``,
            the time (h) from which on nothing more of it is given.
    """

    row: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    state: NDArray[np.object_] = field(default_factory=_no_names)
    opioid: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))
    study: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))
    columns: dict[str, NDArray[np.float64]] = field(default_factory=_nothing)

    def __len__(self) -> int:
        return len(self.row)

    def add(self, rows: Sequence[Row], *, opioid: bool, study: bool) -> None:
        """Put event rows among the courses; a rate becomes a duration, a fraction an amount."""
        if not rows:
            return
        new = {name: np.array([float(row.get(name) or 0.0) for row in rows]) for name in _NUMBERS[:-1]}
        rate = np.array([float(row.get("RATE") or 0.0) for row in rows])
        with np.errstate(divide="ignore", invalid="ignore"):
            new["DUR"] = np.where(rate > 0, new["AMT"] / rate, new["DUR"])
        new["AMT"] = new["AMT"] * np.array([float(row.get("F", 1.0)) for row in rows])
        new["END"] = np.full(len(rows), np.inf)
        self.row = np.concatenate([self.row, [int(row["ID"]) for row in rows]]).astype(np.int64)
        self.state = np.concatenate([self.state, np.array([row["CMT"] for row in rows], dtype=object)])
        self.opioid = np.concatenate([self.opioid, np.full(len(rows), opioid)])
        self.study = np.concatenate([self.study, np.full(len(rows), study)])
        self.columns = {name: np.concatenate([self.columns[name], new[name]]) for name in _NUMBERS}

    def scale(self, factor: NDArray[np.float64]) -> None:
        """Multiply the doses of everybody's opioid, from now on, by a factor each; shape (n,)."""
        self.columns["AMT"] = self.columns["AMT"] * np.where(self.opioid, factor[self.row], 1.0)

    def end(
        self, patients: NDArray[np.bool_], time: float, *, opioid: bool = False, study: bool = False
    ) -> None:
        """Stop the opioids or the study drug of some patients, a mask of shape (n,), from a time (h) on."""
        kind = (self.opioid & opioid) | (self.study & study)
        last = np.minimum(self.columns["END"], time)
        self.columns["END"] = np.where(kind & patients[self.row], last, self.columns["END"])

    def day(self, start: float, patients: NDArray[np.bool_]) -> EventTable:
        """What some patients (a mask, shape (n,)) take in the 24 h from ``start`` on."""
        from opiome.engine import EventTable

        parts = [*self._single(start, patients), *self._running(start, patients)]
        if not parts:
            return EventTable.from_rows([])
        chosen, times, amounts, lasting = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((chosen, times))
        chosen = chosen[order]
        return EventTable(
            ID=self.row[chosen],
            TIME=times[order],
            AMT=amounts[order],
            CMT=self.state[chosen],
            DUR=lasting[order],
        )

    _Part = tuple["NDArray[np.intp]", "NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]

    def _single(self, start: float, patients: NDArray[np.bool_]) -> list[_Part]:
        """Boluses that arrive on the day: a lag counts from when the dose is taken."""
        column = self.columns
        bolus = patients[self.row] & (column["DUR"] <= 0)
        return [
            (
                rows,
                np.maximum(given[rows] + column["LAG"][rows], start),
                column["AMT"][rows],
                np.zeros(len(rows)),
            )
            for given in self._doses(start - column["LAG"], start + _DAY - column["LAG"])
            if len(rows := np.flatnonzero(bolus & (given < column["END"] - _SLACK)))
        ]

    def _running(self, start: float, patients: NDArray[np.bool_]) -> list[_Part]:
        """Infusions and patches that run on the day: the part of each that lies in it."""
        column = self.columns
        lasting = column["DUR"]
        infused = patients[self.row] & (lasting > 0)
        found: list[Courses._Part] = []
        for given in self._doses(start - column["LAG"] - lasting, start + _DAY - column["LAG"]):
            begin = np.maximum(given + column["LAG"], start)
            stop = np.minimum(np.minimum(given + column["LAG"] + lasting, start + _DAY), column["END"])
            rows = np.flatnonzero(infused & (stop - begin > _SLACK) & np.isfinite(given))
            if len(rows):
                length = stop[rows] - begin[rows]
                found.append((rows, begin[rows], column["AMT"][rows] * length / lasting[rows], length))
        return found

    def _doses(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Times of the doses taken in [low, high): the first of each course, the second, ...; else inf."""
        if not len(self):
            return []
        first, interval, last = self.columns["TIME"], self.columns["II"], self.columns["ADDL"]
        step = np.where(interval > 0, interval, 1.0)
        k = np.maximum(np.ceil((low - first) / step - _SLACK), 0.0)
        found: list[NDArray[np.float64]] = []
        while True:
            time = first + k * interval
            inside = (k <= last) & (time >= low - _SLACK) & (time < high - _SLACK)
            if not inside.any():
                return found
            found.append(np.where(inside, time, np.inf))
            k = k + 1
