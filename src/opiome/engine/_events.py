"""What is done to whom and when: a table with NONMEM's column names, checked as a whole before it runs."""
# ruff: noqa: RUF009, ANN401 - each column has its default from one of three small makers of fields

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from opiome.errors import DoseError, Problem, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

OBSERVATION, DOSE, SET_PARAMETER, RESET, RESET_AND_DOSE, END = range(6)
MOST_EVENTS = 50_000_000


def _integers(value: int) -> Any:
    return field(default_factory=lambda: np.full(0, value, np.int64))


def _numbers(value: float) -> Any:
    return field(default_factory=lambda: np.full(0, value))


def _names() -> Any:
    return field(default_factory=lambda: np.empty(0, dtype=object))


DEFAULTS: dict[str, Any] = {
    "ID": -1, "TIME": math.nan, "AMT": math.nan, "EVID": DOSE, "CMT": "", "RATE": 0.0,
    "II": 0.0, "ADDL": 0, "SS": 0, "LAG": 0.0, "F": 1.0, "DUR": 0.0, "SITE": "",
}  # fmt: skip


@dataclass(frozen=True)
class EventTable:
    """Dose and parameter events; equal-length columns, one row per record.

    ``ID`` patient row from 0, -1 for every patient. ``TIME`` h. ``AMT`` amount, or the value that a
    parameter gets. ``EVID`` 0 observation (ignored), 1 dose, 2 set parameter ``CMT`` to ``AMT``, 3 reset to
    the start state, 4 reset and dose, 5 end what is given into ``CMT`` (at ``SITE``, if named).
    ``CMT`` state or parameter. ``RATE`` 0 bolus, > 0 amount per hour. ``II``, ``ADDL`` repeat every II h,
    ADDL more times. ``SS`` 1: the drug's own states start in the steady state of this dose every II h; 2:
    that state is added (linear drugs only). ``LAG`` h delay of the dose. ``F`` fraction of the amount that
    arrives. ``DUR`` h, infusion time instead of ``RATE``. ``SITE`` two infusions of one patient at the same
    named site must not overlap (patches).

    Every record needs ``TIME``; doses need ``CMT`` and ``AMT``, changes of parameters too. Ties are ordered
    reset < end < set < dose. A reset cancels running infusions, pending lagged and additional doses. An end
    (a patch removed, a course stopped) cancels additional doses recorded before it; infusions stop then, or
    a lag later; what was swallowed before still arrives.
    """

    ID: NDArray[np.int64] = _integers(-1)
    TIME: NDArray[np.float64] = _numbers(math.nan)
    AMT: NDArray[np.float64] = _numbers(math.nan)
    EVID: NDArray[np.int64] = _integers(DOSE)
    CMT: NDArray[np.object_] = _names()
    RATE: NDArray[np.float64] = _numbers(0.0)
    II: NDArray[np.float64] = _numbers(0.0)
    ADDL: NDArray[np.int64] = _integers(0)
    SS: NDArray[np.int64] = _integers(0)
    LAG: NDArray[np.float64] = _numbers(0.0)
    F: NDArray[np.float64] = _numbers(1.0)
    DUR: NDArray[np.float64] = _numbers(0.0)
    SITE: NDArray[np.object_] = _names()

    def __post_init__(self) -> None:
        """Bring every column to the length of the longest; columns not given take their defaults."""
        sizes = {f.name: np.size(getattr(self, f.name)) for f in fields(self)}
        n = max(sizes.values())
        for name, size in sizes.items():
            kind = type(DEFAULTS[name])
            dtype: Any = {int: np.int64, float: np.float64, str: object}[kind]
            if size not in (0, 1, n):
                raise DoseError(
                    Problem(
                        f"has {size} rows where other columns have {n}",
                        field=name,
                        remedy="give equal lengths",
                    )
                )
            try:
                given = np.asarray(getattr(self, name), dtype=dtype).reshape(-1)
            except (TypeError, ValueError) as error:
                raise DoseError(Problem(f"is not {kind.__name__}: {error}", field=name)) from error
            if kind is int and not np.array_equal(given, np.asarray(getattr(self, name)).reshape(-1)):
                raise DoseError(Problem("is not a whole number", field=name, remedy="give 0, 1, 2, ..."))
            column = given if size == n else np.full(n, given[0] if size else DEFAULTS[name], dtype=dtype)
            object.__setattr__(self, name, column)
        idle = np.isin(self.EVID, (OBSERVATION, RESET, END)) & np.isnan(self.AMT)
        object.__setattr__(self, "AMT", np.where(idle, 0.0, self.AMT))

    def __len__(self) -> int:
        return len(self.TIME)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> EventTable:
        """Make a table of dictionaries; missing keys take their defaults.

        Raises:
            DoseError: unknown column names.
        """
        rows = list(rows)
        unknown = sorted({key for row in rows for key in row} - set(DEFAULTS))
        if unknown:
            raise DoseError(
                Problem(
                    f"unknown column `{name}`",
                    field=name,
                    remedy=f"did you mean `{near}`?"
                    if (near := nearest(name, DEFAULTS))
                    else f"use {list(DEFAULTS)}",
                )
                for name in unknown
            )
        return cls(**{name: [row.get(name, value) for row in rows] for name, value in DEFAULTS.items()})  # type: ignore[arg-type]

    @classmethod
    def concat(cls, tables: Sequence[EventTable]) -> EventTable:
        """One table after the other."""
        if not tables:
            return cls()
        return cls(**{name: np.concatenate([getattr(t, name) for t in tables]) for name in DEFAULTS})

    def take(self, rows: NDArray[Any]) -> EventTable:
        """Some rows, by index or mask."""
        return EventTable(**{name: getattr(self, name)[rows] for name in DEFAULTS})

    def to_polars(self) -> pl.DataFrame:
        """The table as a polars frame."""
        import polars as pl

        text = {"CMT", "SITE"}
        return pl.DataFrame(
            {
                name: [str(v) for v in getattr(self, name)] if name in text else getattr(self, name)
                for name in DEFAULTS
            }
        )


def check(
    table: EventTable,
    n: int,
    now: float,
    states: Sequence[str],
    parameters: Sequence[str],
    *,
    earlier: EventTable | None = None,
    most: int = 30,
) -> list[Problem]:
    """Everything that is wrong with a table, by row and field (at most ``most`` problems, then a count).

    ``earlier`` are events that were accepted before.
    """
    problems: list[Problem] = []
    evid, dose = table.EVID, np.isin(table.EVID, (DOSE, RESET_AND_DOSE))

    def report(bad: NDArray[np.bool_], name: str, message: str, remedy: str) -> None:
        for row in np.flatnonzero(bad)[:most]:
            who = table.ID[row]
            patient = "every patient" if who == -1 else f"patient {who}"
            value = getattr(table, name)[row]
            problems.append(
                Problem(f"{message} (row {row}, {patient}, {name} = {value})", field=name, remedy=remedy)
            )

    for name in ("TIME", "AMT"):
        report(
            np.isnan(getattr(table, name)), name, "is missing or not a number", "every such record needs it"
        )
        report(np.isinf(getattr(table, name)), name, "is not a finite number", "give a number")
    for name in ("RATE", "II", "LAG", "F", "DUR"):
        report(~np.isfinite(getattr(table, name)), name, "is not a finite number", "give a number")
    with np.errstate(invalid="ignore"):
        report((table.ID < -1) | (n <= table.ID), "ID", "no such patient", f"use 0 to {n - 1}, or -1 for all")
        report(
            now > table.TIME,
            "TIME",
            f"lies before the present time {now:g} h",
            "events begin at the present time",
        )
        report((evid < 0) | (evid > END), "EVID", "unknown kind of event", "use 0, 1, 2, 3, 4 or 5")
        for name in ("RATE", "II", "LAG", "F", "DUR", "ADDL"):
            report(dose & (getattr(table, name) < 0), name, "is negative", "give 0 or more")
        report(dose & (table.AMT < 0), "AMT", "is a negative dose", "give 0 or more")
        report(
            dose & (table.RATE > 0) & (table.DUR > 0),
            "DUR",
            "RATE and DUR are both given",
            "give one of them",
        )
        infinite = (table.SS > 0) & (table.AMT == 0) & (table.RATE > 0)
        report(
            dose & (table.II > 0) & (table.ADDL == 0) & (table.SS == 0), "II", "II without ADDL or SS",
            "say how many more doses follow (ADDL), or SS",
        )  # fmt: skip
        report(
            dose & (table.ADDL > 0) & (table.II <= 0), "ADDL", "ADDL without II", "give the interval II > 0"
        )
        report((table.SS < 0) | (table.SS > 2), "SS", "unknown kind of steady state", "use 0, 1 or 2")  # noqa: PLR2004
        report(
            dose & (table.SS > 0) & (table.II <= 0) & ~infinite,
            "SS",
            "SS without II",
            "give the interval II > 0",
        )
        report(
            dose & (table.SS > 0) & (table.LAG > 0) & (table.LAG >= table.II) & ~infinite, "LAG",
            "steady state with a lag as long as the interval", "give a lag shorter than II",
        )  # fmt: skip
        report(
            dose & (table.RATE > 0) & (table.AMT == 0) & ~infinite, "AMT", "an infusion of nothing",
            "give the amount, or SS for a constant infusion at steady state",
        )  # fmt: skip
        report(
            table.ADDL > MOST_EVENTS,
            "ADDL",
            "more additional doses than can be kept",
            "give a shorter course",
        )
    given = table.CMT.astype(str) != ""
    report(
        ~given & (dose | np.isin(evid, (SET_PARAMETER, END))),
        "CMT",
        "is missing",
        "name a state or parameter",
    )
    into = given & (dose | (evid == END))
    for wanted, names, what in (
        (into, states, "state"),
        (given & (evid == SET_PARAMETER), parameters, "parameter"),
    ):
        rows = np.flatnonzero(wanted)
        for name in sorted(set(table.CMT[rows].astype(str)) - set(names)):
            near = nearest(name, names)
            problems += [
                Problem(
                    f"`{name}` is no {what} of the model (row {row}, patient {table.ID[row]})",
                    field="CMT",
                    remedy=f"did you mean `{near}`?" if near else f"give the id of a {what}",
                )
                for row in rows[table.CMT[rows].astype(str) == name]
            ]
    problems += _unknown_sites(table, earlier or EventTable())
    problems += _overlaps(table, earlier or EventTable())
    if len(problems) > most:
        problems = [
            *problems[:most],
            Problem(f"... and {len(problems) - most} more problems in the event table"),
        ]
    return problems


def _unknown_sites(table: EventTable, earlier: EventTable) -> list[Problem]:
    """Ends of what is given into a state at a site where nothing is given into it."""
    every = EventTable.concat([earlier, table])
    doses = np.isin(every.EVID, (DOSE, RESET_AND_DOSE))
    used = set(zip(every.CMT[doses].astype(str), every.SITE[doses].astype(str), strict=True))
    problems = []
    for row in np.flatnonzero((table.EVID == END) & np.array([bool(s) for s in table.SITE], dtype=bool)):
        state, site = str(table.CMT[row]), str(table.SITE[row])
        if (state, site) in used:
            continue
        near = nearest(site, sorted(s for name, s in used if name == state and s))
        problems.append(
            Problem(
                f"nothing is given into `{state}` at site `{site}` (row {row}, patient {table.ID[row]})",
                field="SITE",
                remedy=f"did you mean `{near}`?" if near else "name the site of the dose that ends, or none",
            )
        )
    return problems


def _overlaps(table: EventTable, earlier: EventTable) -> list[Problem]:
    """Infusions of one patient at one named site that overlap, among each other or with earlier ones."""
    before = len(earlier)
    table = EventTable.concat([earlier, table])
    named = np.array([bool(s) for s in table.SITE], dtype=bool)
    by_site: dict[tuple[str, int], list[tuple[float, float, int]]] = {}
    ends = np.flatnonzero((table.EVID == END) & named)
    for row in np.flatnonzero(np.isin(table.EVID, (DOSE, RESET_AND_DOSE)) & named):
        rate, amount = table.RATE[row], table.AMT[row] * table.F[row]
        length = amount / rate if rate > 0 else table.DUR[row]
        mine = (table.SITE[ends] == table.SITE[row]) & np.isin(table.ID[ends], (-1, table.ID[row]))
        later = table.TIME[ends][mine & (table.TIME[ends] > table.TIME[row])]
        for k in range(int(table.ADDL[row]) + 1):
            begin = table.TIME[row] + k * table.II[row]
            if (later <= begin).any():
                break
            end = min(begin + length, later.min(initial=np.inf))
            by_site.setdefault((str(table.SITE[row]), int(table.ID[row])), []).append(
                (begin + table.LAG[row], end + table.LAG[row], int(row) - before)
            )
    problems = []
    for (site, who), spans in by_site.items():
        shared = spans + (by_site.get((site, -1), []) if who != -1 else [])
        shared.sort()
        for (_, end, a), (start, _, b) in pairwise(shared):
            if start < end * (1 - 1e-12) and max(a, b) >= 0:
                rows = f"rows {a} and {b}" if min(a, b) >= 0 else f"row {max(a, b)} and one given before"
                problems.append(
                    Problem(
                        f"infusions at site `{site}` overlap at {start:g} h ({rows}, patient {who})",
                        field="SITE",
                        remedy="end the first before the next begins (EVID 5), or name another site",
                    )
                )
                break
    return problems
