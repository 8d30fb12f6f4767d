"""The cohort file: samples, people or drawn people as virtual patients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import CohortError, Problem, ProfileError
from opiome.microbiome._logratio import ilr, ilr_inverse, replace_zeros
from opiome.microbiome._measures import person_means
from opiome.microbiome._metadata import number
from opiome.microbiome._profile import GUILDS

if TYPE_CHECKING:
    import os

    import polars as pl
    from numpy.typing import NDArray

    from opiome.microbiome._analysis import Analysis
    from opiome.microbiome._load import Load
    from opiome.microbiome._resample import GuildDistribution

__all__ = ["drawn_patients", "read_cohort", "sample_patients"]

COMPOSITION = tuple(f"composition_{guild}" for guild in GUILDS)
_SUM_TOLERANCE = 1e-6


def sample_patients(analysis: Analysis, per: str = "sample") -> pl.DataFrame:
    """One patient per accepted sample, or (``per="person"``) one per person with the mean of their samples.

    ``composition_G*`` sums to 1 and has its zeros replaced, so that any model can start from it;
    ``observed_G*`` are the fractions as seen. ``represents`` is one over the number of accepted samples of
    the same person.
    """
    import polars as pl

    profile, guilds = analysis.profile, analysis.guilds
    rows = np.flatnonzero(analysis.accepted)
    if not len(rows):
        raise ProfileError(
            Problem(
                "no sample is deep enough to make a patient",
                field="min-depth",
                expected=f"{analysis.min_depth:g} reads",
                remedy="lower --min-depth if you accept shallow samples",
            )
        )
    composition = replace_zeros(guilds.composition[rows], profile.detection[rows])
    subjects = [analysis.subjects[i] for i in rows]
    people, means = person_means(ilr(composition), subjects)
    times = analysis.times
    if per == "person":
        first = [subjects.index(person) for person in people]
        composition, rows, subjects = ilr_inverse(means), rows[first], people
        count = dict.fromkeys(people, 1)
    else:
        count = {person: subjects.count(person) for person in people} if len(people) < len(subjects) else {}
    frame: dict[str, object] = {
        "patient": np.arange(len(rows), dtype=np.int64),
        "sample": [profile.samples[i] for i in rows],
        "subject": subjects,
        "represents": [1.0 / count.get(subject, 1) for subject in subjects],
    }
    if times is not None:
        frame["time"] = [times[i] for i in rows]
    frame |= {name: composition[:, k] for k, name in enumerate(COMPOSITION)}
    frame |= {f"observed_{guild}": guilds.fractions[rows, k] for k, guild in enumerate(GUILDS)}
    frame |= {
        "mapped": guilds.mapped[rows],
        "mapped_at_genus": guilds.mapped_at_genus[rows],
        "set_apart": profile.set_apart[rows],
        "reads": profile.depth[rows],
    }
    if analysis.load is not None:
        frame[analysis.load.column] = _loads(analysis.load, rows, analysis, per)
    out = pl.DataFrame(frame, strict=False)
    out = out.hstack(analysis.measures[rows.tolist()].drop("sample").get_columns())
    metadata = analysis.metadata
    if metadata is None:
        return out
    covariates = {name: [values[i] for i in rows] for name, values in metadata.covariates().items()}
    told: dict[str, list[str | float | None]] = {}
    for name, cells in metadata.columns.items():
        picked = [cells[i] for i in rows]
        numbers = [number(cell) for cell in picked]
        numeric = all(n is not None for n, c in zip(numbers, picked, strict=True) if c is not None)
        told[f"metadata_{name}"] = numbers if numeric else picked  # type: ignore[assignment]
    return out.with_columns(
        *(pl.Series(name, values, dtype=pl.Float64) for name, values in covariates.items()),
        *(pl.Series(name, values, strict=False) for name, values in told.items()),
    )


def _loads(load: Load, rows: NDArray[np.int64], analysis: Analysis, per: str) -> list[float | None]:
    """The load of each patient; for people the geometric mean of their accepted samples."""
    values = load.values[rows]
    if per == "person":
        who = np.array(analysis.subjects, dtype=object)
        own = [load.values[analysis.accepted & (who == analysis.subjects[i])] for i in rows]
        values = np.array(
            [np.exp(np.log(v[np.isfinite(v)]).mean()) if np.isfinite(v).any() else np.nan for v in own]
        )
    return [float(value) if np.isfinite(value) else None for value in values]


def drawn_patients(distribution: GuildDistribution, n: int, seed: int) -> pl.DataFrame:
    """``n`` people drawn from the fitted distribution; other covariates are left to the study."""
    import polars as pl

    drawn = distribution.draw(n, seed)
    composition = replace_zeros(drawn, np.full(n, distribution.detection))
    return pl.DataFrame(
        {
            "patient": np.arange(n, dtype=np.int64),
            "sample": [f"drawn-{i}" for i in range(n)],
            "subject": [f"drawn-{i}" for i in range(n)],
            "represents": np.ones(n),
            **{name: composition[:, k] for k, name in enumerate(COMPOSITION)},
            **{f"observed_{guild}": drawn[:, k] for k, guild in enumerate(GUILDS)},
        }
    )


def read_cohort(path: str | os.PathLike[str]) -> pl.DataFrame:
    """Read a cohort file: one row per virtual patient, with ``patient`` and the composition in fractions.

    The columns ``composition_G1`` .. ``composition_G7`` sum to 1. Raises CohortError with every problem: an
    unreadable file, missing columns, patients that stand twice, compositions that are not fractions.
    """
    import polars as pl

    file = Path(path)
    if not file.is_file():
        raise CohortError(
            Problem(
                "is a folder" if file.is_dir() else "is not there",
                file=file,
                expected="a Parquet file of `opiome profile`",
                remedy=f"name {file / 'cohort.parquet'}"
                if (file / "cohort.parquet").exists()
                else "make it with `opiome profile TABLE --out FOLDER`",
            )
        )
    try:
        table = pl.read_parquet(file, glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CohortError(
            Problem(
                f"cannot be read ({str(error).splitlines()[0]})",
                file=file,
                expected="a Parquet file of `opiome profile`",
                remedy="make it with `opiome profile TABLE --out FOLDER`",
            )
        ) from error
    missing = [name for name in ("patient", *COMPOSITION) if name not in table.columns]
    if missing:
        raise CohortError(
            Problem(
                f"has no column {', '.join(missing)}",
                file=file,
                expected="patient and composition_G1..G7",
                remedy="make it with `opiome profile TABLE --out FOLDER`",
            )
        )
    if table.is_empty():
        raise CohortError(Problem("holds no patient", file=file))
    problems = []
    twice = table.filter(table["patient"].is_duplicated())["patient"].unique().sort().to_list()
    if twice:
        problems.append(
            Problem(
                f"patient {twice[0]} stands more than once",
                file=file,
                field="patient",
                expected="one row per patient",
            )
        )
    try:
        x = table.select(pl.col(COMPOSITION).cast(pl.Float64)).to_numpy()
    except pl.exceptions.PolarsError:
        wrong_type = Problem(
            "holds text where fractions should be",
            file=file,
            field="composition_G1..G7",
            expected="numbers",
            remedy="make it with `opiome profile TABLE --out FOLDER`",
        )
        raise CohortError([*problems, wrong_type]) from None
    wrong = ~np.isfinite(x).all(axis=1) | (x < 0).any(axis=1) | (np.abs(x.sum(axis=1) - 1.0) > _SUM_TOLERANCE)
    problems += [
        Problem(
            f"the composition of patient {table['patient'][int(i)]} sums to {x[i].sum():.4g}",
            file=file,
            line=int(i) + 1,
            field="composition_G1..G7",
            expected="fractions of at least 0 that sum to 1",
        )
        for i in np.flatnonzero(wrong)[:10]
    ]
    if problems:
        raise CohortError(problems)
    return table
