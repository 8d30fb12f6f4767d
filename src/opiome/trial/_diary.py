"""The diary: what patients write down, day by day, and nothing that they could not see.

Columns are days. The run-in has the first ``lead`` columns (days -lead to -1); day 1, the first day of
treatment, is column ``lead``. There is no day 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl
    from numpy.typing import NDArray

__all__ = ["COUNTS", "DAILY", "DAYS", "Diary", "Movements"]

COUNTS = (
    "bm",
    "sbm",
    "csbm",
    "sbm_without_straining",
    "straining",
    "hard",
    "incomplete",
    "blockage",
    "manual",
)
"""What is counted each day: movements, spontaneous ones, those that are also complete, or without straining;
and, of all movements, those with straining, a hard stool, incomplete evacuation, blockage or manual help."""

DAILY = ("nausea", "sedation", "delirium", "cows", "breakthrough", "rescue_opioid", "ome")
"""What else is known of each day: nausea and sedation (scores 0-10), delirium (0 or 1), withdrawal (COWS,
0-48), episodes of breakthrough pain, doses of rescue opioid, and the prescribed oral morphine equivalent
(mg/day; rescue doses not counted)."""
DAYS = ("death_day", "progression_day", "stopped_day", "added_day", "rotated_day")
"""The days on which something happened to a patient for the first time."""
_NOTED = ("rotations", "reason", "stop_reason", "weights")


@dataclass(frozen=True)
class Movements:
    """Bowel movements, one element each.

    ``row`` is the position of the patient in the diary, ``time`` hours since randomisation (negative in the
    run-in), ``bristol`` the stool form 1-7, ``hard`` whether that form counts as hard; the others are yes or
    no. ``spontaneous`` means that no rescue laxative was taken in the 24 h before.
    """

    row: NDArray[np.intp]
    time: NDArray[np.float64]
    spontaneous: NDArray[np.bool_]
    complete: NDArray[np.bool_]
    bristol: NDArray[np.int8]
    hard: NDArray[np.bool_]
    straining: NDArray[np.bool_]
    blockage: NDArray[np.bool_]
    manual: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def none(cls) -> Self:
        """No movements."""
        yes = np.empty(0, dtype=bool)
        form = np.empty(0, dtype=np.int8)
        return cls(np.empty(0, dtype=np.intp), np.empty(0), yes, yes, form, yes, yes, yes, yes)

    @classmethod
    def join(cls, parts: list[Self], offsets: list[int] | None = None) -> Self:
        """One after the other, ordered by row and time; ``offsets`` shift the rows of each part."""
        if not parts:
            return cls.none()
        shift = offsets or [0] * len(parts)
        columns = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__
        }
        columns["row"] = np.concatenate([part.row + by for part, by in zip(parts, shift, strict=True)])
        order = np.lexsort((columns["time"], columns["row"]))
        return cls(**{name: values[order] for name, values in columns.items()})

    def select(self, chosen: NDArray[np.bool_]) -> Self:
        """The movements of a mask."""
        return type(self)(**{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})


@dataclass
class Diary:
    """The diaries of n patients over d days.

    Attributes:
        patients: patient numbers, shape (n,).
        lead: days of the run-in.
        counts: the names of :data:`COUNTS` to numbers of movements, shape (n, d).
        bristol: sum of the stool forms of the day, shape (n, d).
        rescue: doses of rescue laxative, shape (n, d).
        nrs: daily pain 0-10, shape (n, d); NaN where none was written.
        recorded: whether the diary was filled in, shape (n, d); False from dropout on. A day that was not
            recorded has no counts.
        followed: hours since randomisation until which each patient was followed, shape (n,).
        movements: the recorded movements.
        daily: the names of :data:`DAILY` to values, shape (n, d); NaN where nothing was written. The
            prescribed dose is known on every day until the patient leaves.
        death_day: day of death, shape (n,), NaN for those who did not die while they were followed. Days are
            counted from randomisation: 1.0 is the end of the first day.
        progression_day: day of the image that showed progression, shape (n,), NaN if none did.
        stopped_day: day from which a rule stopped the study drug of someone who stayed, shape (n,), or NaN.
        added_day: day on which a rule added a drug for the first time, shape (n,), or NaN.
        rotated_day: day on which the opioid was changed for the first time, shape (n,), or NaN.
        rotations: changes of opioid on each day, shape (n, d).
        reason: why each patient left, shape (n,): ``death``, ``dropout``, the condition of a driver or the
            reason of a stopping rule; empty for those who stayed to the end.
        stop_reason: why a rule stopped a drug of someone who stayed, shape (n,); empty where none did.
        weights: how many people each patient stands for, shape (n,).
        measured: what the clinic measured beside the diary: observables by id, daily means of shape (n, d),
            NaN once a patient has left. Only those that an endpoint asks for.
    """

    patients: NDArray[np.int64]
    lead: int
    counts: dict[str, NDArray[np.int16]]
    bristol: NDArray[np.int16]
    rescue: NDArray[np.int16]
    nrs: NDArray[np.float64]
    recorded: NDArray[np.bool_]
    followed: NDArray[np.float64]
    movements: Movements
    daily: dict[str, NDArray[np.float32]]
    death_day: NDArray[np.float64]
    progression_day: NDArray[np.float64]
    stopped_day: NDArray[np.float64]
    added_day: NDArray[np.float64]
    rotated_day: NDArray[np.float64]
    rotations: NDArray[np.int8]
    reason: NDArray[np.str_]
    stop_reason: NDArray[np.str_]
    weights: NDArray[np.float64]
    measured: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @classmethod
    def blank(cls, patients: NDArray[np.int64], lead: int, days: int, measured: Iterable[str] = ()) -> Self:
        """Empty diaries of ``days`` days, the first ``lead`` of them before randomisation."""
        shape = (len(patients), days)
        return cls(
            patients=patients,
            lead=lead,
            counts={name: np.zeros(shape, dtype=np.int16) for name in COUNTS},
            bristol=np.zeros(shape, dtype=np.int16),
            rescue=np.zeros(shape, dtype=np.int16),
            nrs=np.full(shape, np.nan),
            recorded=np.zeros(shape, dtype=bool),
            followed=np.full(len(patients), 24.0 * (days - lead)),
            movements=Movements.none(),
            daily={name: np.full(shape, np.nan, dtype=np.float32) for name in DAILY},
            death_day=np.full(len(patients), np.nan),
            progression_day=np.full(len(patients), np.nan),
            stopped_day=np.full(len(patients), np.nan),
            added_day=np.full(len(patients), np.nan),
            rotated_day=np.full(len(patients), np.nan),
            rotations=np.zeros(shape, dtype=np.int8),
            reason=np.zeros(len(patients), dtype="U64"),
            stop_reason=np.zeros(len(patients), dtype="U64"),
            weights=np.ones(len(patients)),
            measured={name: np.full(shape, np.nan, dtype=np.float32) for name in measured},
        )

    def __len__(self) -> int:
        return len(self.patients)

    @property
    def days(self) -> NDArray[np.int64]:
        """The day of each column: ..., -2, -1, 1, 2, ..."""
        day = np.arange(self.recorded.shape[1]) - self.lead
        return np.where(day >= 0, day + 1, day)

    def record(self, column: int, moves: Movements, recorded: NDArray[np.bool_]) -> Movements:
        """Write down the movements of one day; returns those of patients who filled in the diary."""
        self.recorded[:, column] = recorded
        moves = moves.select(recorded[moves.row])
        row, normal = moves.row, moves.spontaneous
        marks = {
            "bm": np.ones(len(moves), dtype=bool),
            "sbm": normal,
            "csbm": normal & moves.complete,
            "sbm_without_straining": normal & ~moves.straining,
            "straining": moves.straining,
            "hard": moves.hard,
            "incomplete": ~moves.complete,
            "blockage": moves.blockage,
            "manual": moves.manual,
        }
        for name, mark in marks.items():
            np.add.at(self.counts[name][:, column], row[mark], 1)
        np.add.at(self.bristol[:, column], row, moves.bristol.astype(np.int16))
        return moves

    def lengthened(self, days: int) -> Diary:
        """A diary of the run-in with room for the treatment, which everybody begins."""
        found = Diary.blank(self.patients, self.lead, days, self.measured)
        for name in ("bristol", "rescue", "nrs", "recorded", "rotations"):
            getattr(found, name)[:, : self.lead] = getattr(self, name)
        for name, values in self.counts.items():
            found.counts[name][:, : self.lead] = values
        for name, scores in (*self.daily.items(), *self.measured.items()):
            (found.daily | found.measured)[name][:, : self.lead] = scores
        found.movements, found.weights = self.movements, self.weights
        return found

    def take(self, rows: NDArray[np.intp]) -> Diary:
        """The diaries of some rows (positions, each at most once), in that order."""
        place = np.full(len(self), -1, dtype=np.intp)
        place[rows] = np.arange(len(rows))
        moves = self.movements.select(place[self.movements.row] >= 0)
        columns = {name: getattr(moves, name) for name in Movements.__dataclass_fields__}
        columns["row"] = place[moves.row]
        return Diary(
            patients=self.patients[rows],
            lead=self.lead,
            counts={name: values[rows] for name, values in self.counts.items()},
            bristol=self.bristol[rows],
            rescue=self.rescue[rows],
            nrs=self.nrs[rows],
            recorded=self.recorded[rows],
            followed=self.followed[rows],
            movements=Movements.join([Movements(**columns)]),
            daily={name: values[rows] for name, values in self.daily.items()},
            **{name: getattr(self, name)[rows] for name in (*DAYS, *_NOTED)},
            measured={name: values[rows] for name, values in self.measured.items()},
        )

    @classmethod
    def join(cls, parts: list[Diary]) -> Diary:
        """The diaries of several groups of patients, one group under the other."""
        starts = np.cumsum([0, *(len(part) for part in parts)])[:-1].tolist()
        return cls(
            patients=np.concatenate([part.patients for part in parts]),
            lead=parts[0].lead,
            counts={name: np.concatenate([part.counts[name] for part in parts]) for name in COUNTS},
            bristol=np.concatenate([part.bristol for part in parts]),
            rescue=np.concatenate([part.rescue for part in parts]),
            nrs=np.concatenate([part.nrs for part in parts]),
            recorded=np.concatenate([part.recorded for part in parts]),
            followed=np.concatenate([part.followed for part in parts]),
            movements=Movements.join([part.movements for part in parts], starts),
            daily={name: np.concatenate([part.daily[name] for part in parts]) for name in DAILY},
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in (*DAYS, *_NOTED)},
            measured={
                name: np.concatenate([part.measured[name] for part in parts]) for name in parts[0].measured
            },
        )

    def frame(self, arm: str) -> pl.DataFrame:
        """One row per patient and recorded day, as in ``diary.parquet``."""
        import polars as pl

        row, column = np.nonzero(self.recorded)
        names = {"bm": "bowel_movements", "sbm": "spontaneous", "csbm": "spontaneous_complete"}
        columns: dict[str, object] = {
            "patient": self.patients[row],
            "day": self.days[column].astype(np.int32),
        }
        columns |= {names.get(name, name): values[row, column] for name, values in self.counts.items()}
        columns["complete"] = (self.counts["bm"] - self.counts["incomplete"])[row, column]
        columns["bristol_sum"] = self.bristol[row, column]
        columns["rescue"] = self.rescue[row, column]
        columns["nrs"] = self.nrs[row, column]
        columns |= {name: values[row, column] for name, values in self.daily.items()}
        known = pl.col("nrs", *DAILY).fill_nan(None)
        table = pl.DataFrame(columns).with_columns(pl.lit(arm).alias("arm"), known)
        return table.select("patient", "arm", "day", pl.exclude("patient", "arm", "day"))

    def movement_frame(self, arm: str) -> pl.DataFrame:
        """One row per recorded movement, as in ``movements.parquet``; ``time_h`` since randomisation."""
        import polars as pl

        moves = self.movements
        table = {
            "patient": self.patients[moves.row],
            "time_h": moves.time,
            **{
                name: getattr(moves, name)
                for name in ("spontaneous", "complete", "bristol", "straining", "blockage", "manual")
            },
        }
        frame = pl.DataFrame(table).with_columns(pl.lit(arm).alias("arm"))
        return frame.select("patient", "arm", pl.exclude("patient", "arm"))
