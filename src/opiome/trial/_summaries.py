"""Tables over patients: bands of the observables, changes of the map's nodes, who took part."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from opiome.cohort import Cohort

__all__ = ["bands", "node_changes", "patient_rows"]

_QUANTILES = (0.05, 0.25, 0.50, 0.75, 0.95)
_WEEK = 7
_FLOOR = 1e-3  # of the larger mean: what was absent before cannot rise without bound


def bands(arm: str, means: NDArray[np.float32], outputs: Sequence[str], lead: int) -> pl.DataFrame:
    """Mean and quantiles of daily means over the patients still in the trial.

    Args:
        arm: name of the arm.
        means: daily means, shape (n, days, k), NaN where a patient has left.
        outputs: the k observables.
        lead: days of the run-in.
    """
    import polars as pl

    parts = []
    days = means.shape[1]
    time = 24.0 * (np.arange(days) - lead) + 12.0
    for k, name in enumerate(outputs):
        values = means[:, :, k].astype(np.float64)
        count = (~np.isnan(values)).sum(axis=0)
        ordered = np.sort(values, axis=0)  # NaN last
        total = np.nancumsum(values, axis=0)[-1] if len(values) else np.zeros(days)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / count
        columns = {f"q{round(100 * q):02d}": _quantile(ordered, count, q) for q in _QUANTILES}
        parts.append(
            pl.DataFrame({"time_h": time, "mean": mean, **columns, "n": count}).with_columns(
                pl.lit(arm).alias("arm"), pl.lit(name).alias("observable")
            )
        )
    return pl.concat(parts).select("arm", "observable", pl.exclude("arm", "observable")).fill_nan(None)


def _quantile(ordered: NDArray[np.float64], count: NDArray[np.int64], q: float) -> NDArray[np.float64]:
    """Linear-interpolation quantiles of the first ``count`` values of each column."""
    if not len(ordered):
        return np.full(ordered.shape[1], np.nan)
    position = q * np.maximum(count - 1, 0)
    low = np.floor(position).astype(np.intp)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    column = np.arange(ordered.shape[1])
    below, above = ordered[low, column], ordered[high, column]
    return np.asarray(np.where(count > 0, below + (above - below) * (position - low), np.nan))


def node_changes(
    arm: str,
    nodes: Mapping[str, str],
    means: NDArray[np.float32],
    *,
    untreated: NDArray[np.float64],
    outputs: Sequence[str],
    lead: int,
) -> list[dict[str, object]]:
    """Log2 fold change of each node's observable over the last week in the trial.

    ``change`` is against the last week of the run-in, ``change_untreated`` against the patients' own
    untreated state; both compare means over patients.

    Args:
        arm: name of the arm.
        nodes: node id to observable.
        means: daily means, shape (n, days, k).
        untreated: the observables of the untreated state, shape (n, k).
        outputs: the k observables.
        lead: days of the run-in.
    """
    rows: list[dict[str, object]] = []
    for node, name in nodes.items():
        if name not in outputs:
            continue
        k = outputs.index(name)
        end, before = _mean(means[:, -_WEEK:, k]), _mean(means[:, max(lead - _WEEK, 0) : lead, k])
        rows.append(
            {
                "arm": arm,
                "node": node,
                "observable": name,
                "change": _log2_fold(end, before),
                "change_untreated": _log2_fold(end, _mean(untreated[:, k])),
            }
        )
    return rows


def _mean(values: NDArray[np.floating]) -> float:
    known = values[~np.isnan(values)].astype(np.float64)
    return math.fsum(known.tolist()) / len(known) if len(known) else math.nan


def _log2_fold(now: float, before: float) -> float | None:
    if not (math.isfinite(now) and math.isfinite(before)):
        return None
    floor = _FLOOR * max(abs(now), abs(before))
    if floor == 0:
        return 0.0
    return math.log2((max(now, 0.0) + floor) / (max(before, 0.0) + floor))


def patient_rows(
    arm: str,
    cohort: Cohort,
    therapy: Mapping[str, list[str]],
    columns: Mapping[str, NDArray[Any]],
    outcome: Sequence[str],
) -> pl.DataFrame:
    """One row per patient of an arm: outcome, what the trial noted, prior therapy, covariates."""
    import polars as pl

    head = pl.DataFrame({"patient": cohort.ids, "outcome": list(outcome), **columns, **therapy})
    table = pl.concat([head, cohort.covariates], how="horizontal")
    return table.with_columns(pl.lit(arm).alias("arm")).select("patient", "arm", pl.exclude("patient", "arm"))
