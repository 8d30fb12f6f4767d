"""The library of published trials run again: what the model predicts beside what was published.

One Parquet file for each study holds its rows. Its name ends in a hash of everything that the numbers depend
on (study, model, diary tables, code, size), so a run that was interrupted goes on where it stopped, and a
change of any of these runs again what it touches and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opiome import files
from opiome.errors import OpiomeError, Problem, ResultsError
from opiome.trial._load import load_study, shipped_studies
from opiome.trial._results import made
from opiome.trial._run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from opiome.model import Model
    from opiome.trial._results import Results
    from opiome.trial._schema import Published, Study

__all__ = ["Validation", "code_sha256", "validate"]

_ROOMS = ("engine", "model", "regimen", "cohort", "trial")
_SUFFIXES = {".py", ".tsv", ".ant"}
_APART = {
    "_validate.py",
    "_twins.py",
    "_patient.py",
    "_replicates.py",
    "_lint.py",
    "_design.py",
    "_design_draws.py",
    "_design_fields.py",
    "_design_file.py",
    "_design_pool.py",
    "_design_trials.py",
    "__init__.py",
}
"""Modules of the trial that no number of a run depends on."""
_TEXT = (
    "study",
    "title",
    "endpoint",
    "label",
    "arm",
    "arm_label",
    "against",
    "kind",
    "unit",
    "role",
    "evidence",
    "source",
)
_NUMBERS = (
    "published",
    "published_low",
    "published_high",
    "estimate",
    "predictive_low",
    "predictive_high",
)
_COUNTS = ("published_n", "simulated")


@dataclass(frozen=True)
class Validation:
    """Published values beside predictions.

    Attributes:
        table: one row for each published value: ``study title endpoint label arm arm_label against kind unit
            role evidence source published published_low published_high estimate predictive_low
            predictive_high published_n simulated covered``. ``covered``: the published value lies in the
            model's 90 % predictive interval at the published number of patients; empty where the interval
            cannot be given. ``against`` is the arm that a published difference is taken from.
        facts: hashes of model, numbers of patients, seed, and for each study the key of its result file.
        failed: studies that could not be run, with the reason.
    """

    table: pl.DataFrame
    facts: dict[str, Any]
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """``N of M published values lie in the model's 90 % predictive interval (check: ...; fit: ...)``."""
        covered, judged = _score(self.table)
        parts = []
        for role in ("check", "fit"):
            of_role = _score(self.table.filter(self.table["role"] == role))
            parts.append(f"{role}: {of_role[0]} of {of_role[1]}")
        return (
            f"{covered} of {judged} published values lie in the model's 90 % predictive interval"
            f" ({'; '.join(parts)})"
        )


def _score(table: pl.DataFrame) -> tuple[int, int]:
    known = table["covered"].drop_nulls()
    return int(known.sum()), len(known)


def validate(
    studies: Sequence[str | Path] | None = None,
    folder: str | Path = "results/validation",
    patients: int | None = None,
    *,
    seed: int | None = None,
    threads: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    model: Model | None = None,
) -> Validation:
    """Run studies and put every published value beside its prediction.

    Studies whose result file is in ``folder`` already, made with the same study, model, code and size, are
    not run again. A study that cannot be run is named in ``failed``; the others go on.

    Args:
        studies: files or names of shipped studies; all shipped studies with published values when left out.
        folder: where the result files go (``studies/NAME-KEY.parquet``); made if need be.
        patients: patients for each unit of allocation; each study's own number when left out.
        seed: the seed of every random stream; each study's own when left out.
        threads: threads of the engine; all cores when left out.
        progress: called with the name of the study about to be run, and how many of how many are done.
        model: a loaded model; the shipped one when left out.

    Raises:
        StudyError: a study cannot be read; told before anything is run.
        ResultsError: the folder cannot be written.
    """
    import polars as pl

    if model is None:
        from opiome import model as models

        model = models.load()
    loaded = [load_study(name, model) for name in studies or shipped_studies()]
    loaded = [study for study in loaded if study.published]
    place = made(Path(folder) / "studies")
    parts, keys, failed = [_empty()], {}, {}
    for done, study in enumerate(loaded):
        if progress is not None:
            progress(study.name, done, len(loaded))
        key = _key(study, model, patients, seed)
        file = place / f"{study.name}-{key[:16]}.parquet"
        try:
            rows = _read(file)
            if rows is None:
                rows = _rows(study, run(study, patients, seed, threads, model=model))
                _write(rows, file)
        except OpiomeError as error:
            if isinstance(error, ResultsError):
                raise
            failed[study.name] = str(error)
            continue
        parts.append(rows)
        keys[study.name] = key
    if progress is not None:
        progress("", len(loaded), len(loaded))
    facts = {
        "model_sha256": model.sha256,
        "patients": patients,
        "seed": seed,
        "studies": keys,
    }
    return Validation(pl.concat(parts), facts, failed)


def _key(study: Study, model: Model, patients: int | None, seed: int | None) -> str:
    """A hash of everything that the rows of a study depend on."""
    parts = [
        study.model_dump_json(),
        model.sha256,
        code_sha256(),
        study.patients if patients is None else patients,
    ]
    parts.append(study.seed if seed is None else seed)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@cache
def code_sha256() -> str:
    """A hash of the code and tables between a study and its endpoints."""
    digest = hashlib.sha256()
    root = Path(str(resources.files("opiome")))
    found = [root / name for name in ("streams.py", "_philox.py", "units.py")]
    for room in _ROOMS:
        found += [file for file in (root / room).rglob("*") if file.suffix in _SUFFIXES]
    for file in sorted(found):
        if file.name not in _APART or file.parent.name != "trial":
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _rows(study: Study, results: Results) -> pl.DataFrame:
    """One row for each published value of a study."""
    import polars as pl

    own = {(row["endpoint"], row["arm"]): row for row in results.endpoints.iter_rows(named=True)}
    differences = {(row["endpoint"], row["arm"]): row for row in results.contrasts.iter_rows(named=True)}
    kinds = {row["endpoint"]: row["kind"] for row in results.endpoints.iter_rows(named=True)}
    sizes = results.manifest["counts"]["per_arm"]
    found = []
    for item in study.published:
        row = (own if item.against is None else differences)[item.endpoint, item.arm]
        found.append(_row(study, item, row, (kinds[item.endpoint], sizes[item.arm])))
    return pl.DataFrame(found, schema=_empty().schema)


def _row(study: Study, item: Published, row: dict[str, Any], known: tuple[str, int]) -> dict[str, object]:
    low, high = row["predictive_low"], row["predictive_high"]
    judged = low is not None or high is not None  # the interval of a time may have no upper end
    return {
        "study": study.name,
        "title": study.title,
        "endpoint": item.endpoint,
        "label": row["label"],
        "arm": item.arm,
        "arm_label": study.arms[item.arm].label,
        "against": item.against,
        "kind": known[0],
        "unit": item.unit,
        "role": item.role,
        "evidence": item.evidence,
        "source": study.sources[item.source],
        "published": item.value,
        "published_low": item.low,
        "published_high": item.high,
        "published_n": item.n,
        "estimate": row["estimate"],
        "predictive_low": low,
        "predictive_high": high,
        "simulated": known[1],
        "covered": _inside(item.value, low, high) if judged else None,
    }


def _inside(value: float, low: float | None, high: float | None) -> bool:
    least = -math.inf if low is None else low
    most = math.inf if high is None else high
    return bool(least <= value <= most)


def _empty() -> pl.DataFrame:
    import polars as pl

    schema: dict[str, Any] = dict.fromkeys(_TEXT, pl.String())
    schema |= dict.fromkeys(_NUMBERS, pl.Float64()) | dict.fromkeys(_COUNTS, pl.Int64())
    return pl.DataFrame(schema=schema | {"covered": pl.Boolean()})


def _read(file: Path) -> pl.DataFrame | None:
    """The rows of a result file; None where there is none, or not a whole one."""
    import polars as pl

    try:
        rows = pl.read_parquet(file)
    except (FileNotFoundError, pl.exceptions.PolarsError):
        return None
    return rows if rows.schema == _empty().schema else None


def _write(rows: pl.DataFrame, file: Path) -> None:
    """Write a result file whole or not at all."""
    try:
        with files.whole(file) as part:
            rows.write_parquet(part, compression="zstd")
    except OSError as error:
        problem = Problem(
            f"cannot be written ({error.strerror or error})", file=file, remedy="name another folder"
        )
        raise ResultsError(problem) from None
