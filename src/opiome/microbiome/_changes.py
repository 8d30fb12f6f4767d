"""Before and after: how each person's bacteria changed, for calibration.

The same numbers come from two samples and from two simulated states: :func:`guild_changes` takes fractions or
masses, so observed and predicted changes are compared like with like.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError
from opiome.microbiome._logratio import clr, replace_zeros
from opiome.microbiome._profile import GUILDS

if TYPE_CHECKING:
    import os

    import polars as pl
    from numpy.typing import ArrayLike, NDArray

    from opiome.microbiome._analysis import Analysis

__all__ = ["changes", "guild_changes", "read_changes"]

_COLUMNS = ("subject", "sample_before", "sample_after", "time_before", "time_after")


def guild_changes(before: ArrayLike, after: ArrayLike) -> NDArray[np.float64]:
    """The change of each guild against the geometric mean of all, in doublings (..., 7).

    ``before`` and ``after`` (..., 7) are positive fractions or masses (g) in the order G1..G7; their sums do
    not matter. Centred log-ratios, Aitchison 1986. Raises ProfileError where one is not above 0.
    """
    x, y = (np.asarray(values, dtype=np.float64) for values in (before, after))
    if not ((x > 0) & (y > 0) & np.isfinite(x) & np.isfinite(y)).all():
        raise ProfileError(
            Problem(
                "a guild is not above 0",
                field="before, after",
                expected="positive fractions or masses",
                remedy="replace zeros first, as composition_G* of a cohort file has them",
            )
        )
    x, y = np.broadcast_arrays(x, y)
    rows = (y.reshape(-1, len(GUILDS)), x.reshape(-1, len(GUILDS)))
    return np.asarray((clr(rows[0]) - clr(rows[1])).reshape(y.shape) / np.log(2.0))


def changes(analysis: Analysis) -> pl.DataFrame | None:
    """From each person's first accepted sample to every later one, for calibration; None without times.

    ``log2_G*`` is the change of a guild against the geometric mean of all seven (centred log-ratios, in
    doublings). With a load, ``log2_load`` is the change of all bacteria and ``log2_amount_G*`` that of each
    guild in cells; empty where one of the two samples has none.
    """
    import polars as pl

    if analysis.times is None:
        return None
    rows = np.flatnonzero(analysis.accepted)
    whole = replace_zeros(analysis.guilds.composition[rows], analysis.profile.detection[rows])
    amounts = None if analysis.load is None else np.log2(whole * analysis.load.values[rows][:, None])
    by_person: dict[str, list[int]] = {}
    for k, row in enumerate(rows):
        if analysis.times[row] is not None:
            by_person.setdefault(analysis.subjects[row], []).append(k)
    watched = [
        name
        for name in ("shannon", "akkermansia", "toposcore", "dysbiosis")
        if name in analysis.measures.columns
    ]
    values = {name: analysis.measures[name].to_list() for name in watched}
    out = []
    for person, own in by_person.items():
        before, *after = sorted(own, key=lambda k: (analysis.times[rows[k]], k))  # type: ignore[index]
        for k in after:
            a, b = int(rows[before]), int(rows[k])
            if analysis.times[a] == analysis.times[b]:
                continue
            line: dict[str, object] = {
                "subject": person,
                "sample_before": analysis.profile.samples[a],
                "sample_after": analysis.profile.samples[b],
                "time_before": analysis.times[a],
                "time_after": analysis.times[b],
            }
            shift = guild_changes(whole[before], whole[k])
            line |= {f"log2_{guild}": float(shift[g]) for g, guild in enumerate(GUILDS)}
            if amounts is not None:
                load = np.log2(analysis.load.values) if analysis.load else np.zeros(len(analysis.accepted))
                line |= {"log2_load": _known(load[b] - load[a])}
                line |= {
                    f"log2_amount_{guild}": _known(amounts[k, g] - amounts[before, g])
                    for g, guild in enumerate(GUILDS)
                }
            for name in watched:
                line |= {f"{name}_before": values[name][a], f"{name}_after": values[name][b]}
            out.append(line)
    return pl.DataFrame(out, infer_schema_length=None) if out else None


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def read_changes(path: str | os.PathLike[str]) -> pl.DataFrame:
    """Read a ``changes.parquet`` of ``opiome profile``: one row for each person and later sample.

    ``log2_G1`` .. ``log2_G7`` sum to 0 in each row. Raises ProfileError for an unreadable file, missing
    columns, and rows that are no changes.
    """
    import polars as pl

    file = Path(path)
    remedy = "make it with `opiome profile TABLE --metadata ... --out FOLDER`; it needs subjects and times"
    try:
        table = pl.read_parquet(file, glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ProfileError(
            Problem(f"cannot be read ({str(error).splitlines()[0]})", file=file, remedy=remedy)
        ) from error
    guilds = [f"log2_{guild}" for guild in GUILDS]
    missing = [name for name in (*_COLUMNS, *guilds) if name not in table.columns]
    if missing:
        raise ProfileError(Problem(f"has no column {', '.join(missing)}", file=file, remedy=remedy))
    x = table.select(guilds).to_numpy()
    wrong = np.flatnonzero(~np.isfinite(x).all(axis=1) | (np.abs(x.sum(axis=1)) > 1e-6))  # noqa: PLR2004 (rounding)
    if len(wrong):
        raise ProfileError(
            Problem(
                f"the changes of {table['subject'][int(wrong[0])]} sum to {x[wrong[0]].sum():.3g}",
                file=file,
                line=int(wrong[0]) + 1,
                field="log2_G1..G7",
                expected="centred log-ratios, whose sum is 0",
                remedy=remedy,
            )
        )
    return table
