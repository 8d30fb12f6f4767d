"""The tables of a result folder, read once and given the columns that the report asks for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from opiome.errors import Problem, ResultsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Tables", "read_tables"]

_TEXT, _NUMBER, _COUNT, _FLAG = pl.String(), pl.Float64(), pl.Int64(), pl.Boolean()

COLUMNS: dict[str, dict[str, pl.DataType]] = {
    "patients": {"patient": _COUNT, "arm": _TEXT, "outcome": _TEXT, "completed": _FLAG},
    "bands": {
        "arm": _TEXT,
        "observable": _TEXT,
        "time_h": _NUMBER,
        "mean": _NUMBER,
        "q05": _NUMBER,
        "q25": _NUMBER,
        "q50": _NUMBER,
        "q75": _NUMBER,
        "q95": _NUMBER,
        "n": _COUNT,
    },
    "diary": {"patient": _COUNT, "arm": _TEXT, "day": _COUNT, "spontaneous": _NUMBER},
    "endpoints": {
        "endpoint": _TEXT,
        "label": _TEXT,
        "arm": _TEXT,
        "kind": _TEXT,
        "unit": _TEXT,
        "estimate": _NUMBER,
        "low": _NUMBER,
        "high": _NUMBER,
        "n": _COUNT,
        "published": _NUMBER,
        "published_low": _NUMBER,
        "published_high": _NUMBER,
        "published_n": _COUNT,
        "source": _TEXT,
        "role": _TEXT,
        "hit": _FLAG,
        "predictive_low": _NUMBER,
        "predictive_high": _NUMBER,
        "error": _NUMBER,
        "error_allowed": _NUMBER,
        "primary": _FLAG,
    },
    "contrasts": {
        "endpoint": _TEXT,
        "label": _TEXT,
        "arm": _TEXT,
        "reference": _TEXT,
        "measure": _TEXT,
        "unit": _TEXT,
        "estimate": _NUMBER,
        "low": _NUMBER,
        "high": _NUMBER,
        "p": _NUMBER,
        "published": _NUMBER,
        "source": _TEXT,
        "role": _TEXT,
        "hit": _FLAG,
        "predictive_low": _NUMBER,
        "predictive_high": _NUMBER,
        "error": _NUMBER,
        "error_allowed": _NUMBER,
    },
    "nodes": {"arm": _TEXT, "node": _TEXT, "change": _NUMBER, "change_untreated": _NUMBER},
}


@dataclass(frozen=True)
class Tables:
    """The tables of one result folder; a table that is not there is an empty frame.

    Attributes:
        manifest: How the results were computed; empty if there is none.
        patients: One row per simulated patient.
        bands: Quantiles over time (``time_h``: hours from randomisation) by arm and observable.
        diary: One row per patient-day.
        endpoints: Estimates by endpoint and arm, with published values.
        contrasts: Differences between arms.
        nodes: Log2 fold change of each node of the map by arm, from the run-in and from the untreated state.
        absent: Names of the tables that the results do not hold.
        arms: Arms in the order in which a reader meets them.
        labels: What each arm is called in figures and tables.
    """

    manifest: Mapping[str, Any]
    patients: pl.DataFrame
    bands: pl.DataFrame
    diary: pl.DataFrame
    endpoints: pl.DataFrame
    contrasts: pl.DataFrame
    nodes: pl.DataFrame
    absent: tuple[str, ...]
    arms: tuple[str, ...]
    labels: Mapping[str, str]


def read_tables(results: object) -> Tables:
    """Return the tables of ``results``: a folder of parquet files, or an object with polars frames.

    A missing table or column is filled with nulls, so that a report can say what is not there.

    Raises:
        ResultsError: There is no such folder, no table in it, or a file in it cannot be read.
    """
    if isinstance(results, (str, Path)):
        frames, manifest = _from_folder(Path(results))
    else:
        frames = {name: getattr(results, name, None) for name in COLUMNS}
        manifest = getattr(results, "manifest", None)
    found = {name: frame for name, frame in frames.items() if isinstance(frame, pl.DataFrame)}
    if not found:
        raise ResultsError(
            Problem(
                f"no result table in {type(results).__name__} {str(results)[:200]!r}",
                expected="a folder or an object with tables such as endpoints, bands and patients",
                remedy="run `opiome run STUDY --out FOLDER` first",
            )
        )
    tables = {name: _conform(found.get(name), columns) for name, columns in COLUMNS.items()}
    facts = _plain(manifest)
    labels = _arms(facts, tables)
    return Tables(
        manifest=facts,
        absent=tuple(name for name in COLUMNS if name not in found),
        arms=tuple(labels),
        labels=labels,
        **tables,
    )


def _from_folder(folder: Path) -> tuple[dict[str, pl.DataFrame | None], object]:
    if not folder.is_dir():
        raise ResultsError(
            Problem("no such result folder", file=folder, remedy="run `opiome run STUDY --out FOLDER` first")
        )
    frames: dict[str, pl.DataFrame | None] = {}
    problems: list[Problem] = []
    for name in COLUMNS:
        file = folder / f"{name}.parquet"
        try:
            frames[name] = pl.read_parquet(file) if file.exists() else None
        except (pl.exceptions.PolarsError, OSError) as error:
            problems.append(
                Problem(
                    f"cannot be read ({error})",
                    file=file,
                    expected="a parquet table",
                    remedy="run the study again",
                )
            )
    manifest: object = None
    file = folder / "manifest.json"
    if file.exists():
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            problems.append(
                Problem(f"cannot be read ({error})", file=file, expected="JSON", remedy="run the study again")
            )
    if problems:
        raise ResultsError(problems)
    return frames, manifest


def _plain(manifest: object) -> dict[str, Any]:
    dump = getattr(manifest, "model_dump", None)
    if callable(dump):
        manifest = dump(mode="json")
    return dict(manifest) if isinstance(manifest, dict) else {}


def _conform(frame: pl.DataFrame | None, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return ``frame`` with every column of ``columns``, in its type; NaN becomes null."""
    if frame is None:
        return pl.DataFrame(schema=dict(columns))
    out = frame.with_columns(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype, strict=False).alias(name)
        for name, dtype in columns.items()
    )
    floats = [
        name
        for name, dtype in out.schema.items()
        if dtype.is_float() and not out[name].drop_nulls().is_finite().all()
    ]
    finite = [pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in floats]
    return out.with_columns(finite)


def _arms(manifest: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    """Return the label of every arm: those of the manifest or its study first, then those of the tables."""
    study = manifest.get("study")
    labels: dict[str, str] = {}
    for listed in (manifest.get("arms"), study.get("arms") if isinstance(study, dict) else None):
        if isinstance(listed, dict):
            for arm, facts in listed.items():
                labels[str(arm)] = _label(facts) or labels.get(str(arm)) or str(arm)
        elif isinstance(listed, (list, tuple)):
            for facts in listed:
                arm = facts.get("id", facts.get("name")) if isinstance(facts, dict) else facts
                labels[str(arm)] = _label(facts) or labels.get(str(arm)) or str(arm)
    for name in ("endpoints", "patients", "bands", "nodes"):
        for arm in tables[name]["arm"].drop_nulls().unique(maintain_order=True):
            labels.setdefault(arm, arm)
    return labels


def _label(facts: object) -> str:
    return str(facts.get("label") or "") if isinstance(facts, dict) else ""
