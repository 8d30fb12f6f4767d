"""Endpoints and contrasts as rows that figures, tables and sentences share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from opiome.report._words import decimals, interval, number, quantity, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opiome.report._tables import Tables

__all__ = ["Row", "contrast_rows", "endpoint_rows", "primary"]


@dataclass(frozen=True)
class Row:
    """One estimate of the model with the published value beside it.

    ``low`` to ``high`` is the 95 % interval of the estimate; ``predictive_low`` to ``predictive_high`` holds
    the results of 90 % of trials of the published size. ``reference`` is the arm that ``arm`` is compared
    with, empty for an endpoint; ``neutral`` is the value of a contrast that means no difference.
    """

    endpoint: str
    label: str
    arm: str
    arm_label: str
    unit: str
    estimate: float | None
    low: float | None
    high: float | None
    n: int | None = None
    published: float | None = None
    published_low: float | None = None
    published_high: float | None = None
    published_n: int | None = None
    hit: bool | None = None
    predictive_low: float | None = None
    predictive_high: float | None = None
    error: float | None = None
    error_allowed: float | None = None
    kind: str = ""
    role: str = ""
    source: str = ""
    reference: str = ""
    measure: str = ""
    p: float | None = None
    neutral: float | None = None

    @property
    def digits(self) -> int | None:
        """Decimals that the numbers of this row share."""
        return decimals(self.unit, self.estimate, self.low, self.high)

    @property
    def model_text(self) -> str:
        """The estimate with its unit; a median time that was not reached says so."""
        if self.estimate is None and self.kind == "time" and self.n:
            return "median not reached"
        return quantity(self.estimate, self.unit, self.digits)

    @property
    def interval_text(self) -> str:
        """The interval of the estimate."""
        return interval(self.low, self.high, self.digits)

    @property
    def predictive_text(self) -> str:
        """The predictive interval at the published number of patients."""
        return interval(self.predictive_low, self.predictive_high, self.digits)

    @property
    def error_text(self) -> str:
        """Estimate minus published value, signed."""
        if self.error is None:
            return ""
        return ("+" if self.error > 0 else "") + number(self.error, self.digits)

    @property
    def far(self) -> bool:
        """Whether the error is larger than the study's rule allows."""
        return (
            self.error is not None and self.error_allowed is not None and abs(self.error) > self.error_allowed
        )

    @property
    def published_text(self) -> str:
        """The published value with its unit."""
        return quantity(self.published, self.unit, self.digits)

    @property
    def published_interval_text(self) -> str:
        """The published interval."""
        return interval(self.published_low, self.published_high, self.digits)

    @property
    def p_text(self) -> str:
        """The p value, as journals write it."""
        if self.p is None:
            return ""
        return "< 0.001" if self.p < 0.001 else number(self.p, 3)  # noqa: PLR2004  (the usual limit)

    @property
    def verdict(self) -> str:
        """``hit``, ``miss``, ``not judged`` or ``not published``."""
        return verdict(self.hit, self.published)


def endpoint_rows(tables: Tables) -> list[Row]:
    """Return one row per endpoint and arm, in the order of the table."""
    return [
        Row(
            endpoint=row["endpoint"] or "",
            label=row["label"] or row["endpoint"] or "",
            arm=row["arm"] or "",
            arm_label=tables.labels.get(row["arm"] or "", row["arm"] or "all arms"),
            unit=_unit(row["unit"]),
            role=row["role"] or "",
            source=_source(tables, row["source"]),
            **{name: row[name] for name in (*_NUMBERS, *_COMPARED)},
        )
        for row in tables.endpoints.iter_rows(named=True)
    ]


_COMPARED = ("hit", "predictive_low", "predictive_high", "error", "error_allowed")
_NUMBERS = (
    "estimate",
    "low",
    "high",
    "n",
    "published",
    "published_low",
    "published_high",
    "published_n",
    "kind",
)


def contrast_rows(tables: Tables) -> list[Row]:
    """Return one row per contrast, with the label and unit of its endpoint."""
    known = {row.endpoint: row for row in reversed(endpoint_rows(tables))}
    rows = []
    for row in tables.contrasts.iter_rows(named=True):
        endpoint, measure = row["endpoint"] or "", row["measure"] or ""
        of = known.get(endpoint)
        ratio = "ratio" in measure.casefold()
        unit = row["unit"] if row["unit"] is not None else of.unit if of else ""
        rows.append(
            Row(
                endpoint=endpoint,
                label=row["label"] or (of.label if of else endpoint),
                arm=row["arm"] or "",
                arm_label=tables.labels.get(row["arm"] or "", row["arm"] or ""),
                reference=tables.labels.get(row["reference"] or "", row["reference"] or ""),
                measure=measure.replace("_", " ") or "difference",
                unit="" if ratio else "percentage points" if _unit(unit) == "%" else _unit(unit),
                neutral=1.0 if ratio else 0.0,
                role=row["role"] or "",
                source=_source(tables, row["source"]),
                **{name: row[name] for name in ("estimate", "low", "high", "p", "published", *_COMPARED)},
            )
        )
    return rows


def primary(tables: Tables) -> str:
    """Return the id of the primary endpoint: the one that the table or the study names, else the first."""
    marked = tables.endpoints.filter(pl.col("primary"))["endpoint"].drop_nulls()
    if len(marked):
        return str(marked[0])
    study = tables.manifest.get("study")
    listed: Any = study.get("endpoints") if isinstance(study, dict) else None
    for endpoint in listed if isinstance(listed, (list, tuple)) else ():
        if isinstance(endpoint, dict) and endpoint.get("primary"):
            return str(endpoint.get("id", ""))
    found = tables.endpoints["endpoint"].drop_nulls()
    return str(found[0]) if len(found) else ""


def _unit(unit: str | None) -> str:
    return {"percent": "%", "hour": "h", "per_week": "per week"}.get(unit or "", unit or "")


def _source(tables: Tables, source: str | None) -> str:
    study: Mapping[str, Any] | object = tables.manifest.get("study")
    listed = study.get("sources") if isinstance(study, dict) else None
    full = listed.get(source) if isinstance(listed, dict) and source else None
    return str(full or source or "")
