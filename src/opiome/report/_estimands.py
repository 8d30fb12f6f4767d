"""How each endpoint is judged: its estimand, how arms are compared, and adjusted p values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opiome.report._words import number

if TYPE_CHECKING:
    import polars as pl

    from opiome.report._tables import Tables

__all__ = ["judged"]


def judged(tables: Tables) -> list[dict[str, Any]]:
    """One row for each endpoint of the tables, in their order; empty where they do not tell estimands."""
    endpoints, contrasts = tables.endpoints, tables.contrasts
    if "estimand" not in endpoints.columns:
        return []
    found = []
    for label in endpoints["label"].unique(maintain_order=True):
        own = endpoints.filter(endpoints["label"] == label)
        compared = contrasts.filter(contrasts["label"] == label) if "analysis" in contrasts.columns else None
        found.append(
            {
                "label": label,
                "estimand": own["estimand"][0] or "",
                "analysis": (compared["analysis"][0] or "") if compared is not None and len(compared) else "",
                "adjusted": _adjusted(compared),
                "effective": _effective(own),
            }
        )
    return found


def _adjusted(compared: pl.DataFrame | None) -> str:
    if compared is None or "p_adjusted" not in compared.columns:
        return ""
    values = compared["p_adjusted"].drop_nulls().to_list()
    return ", ".join("< 0.001" if value < 0.001 else number(value, 3) for value in values)  # noqa: PLR2004


def _effective(own: pl.DataFrame) -> str:
    """Effective numbers of patients by arm, where they differ from the patients."""
    if "n_effective" not in own.columns:
        return ""
    pairs = [(n, size) for n, size in own.select("n", "n_effective").iter_rows() if size is not None]
    if all(abs(n - size) < 0.5 for n, size in pairs):  # noqa: PLR2004  # as many as there are
        return ""
    return ", ".join(f"{number(size, 1)} of {n}" for n, size in pairs)
