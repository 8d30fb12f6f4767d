"""The page of a comparison of designs, and its summary on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opiome import pages
from opiome.report._design_picture import candidate_rows, size_curves
from opiome.report._page import write_page
from opiome.report._words import decimals, interval, joined, number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl
    from rich.console import RenderableType

__all__ = ["design_html", "design_summary"]

_WANTED = 0.8


def design_html(
    table: pl.DataFrame,
    path: str | Path,
    title: str,
    facts: Mapping[str, Any],
    draws: pl.DataFrame | None = None,
) -> Path:
    """Write a comparison of designs as one self-contained HTML file.

    Args:
        table: the table of :class:`opiome.trial.Designs`.
        path: the file to write; its folder must exist. An existing file is replaced.
        title: what is to be decided.
        facts: the facts of :class:`opiome.trial.Designs`.
        draws: its table of draws; spread of the power between them is told where it is given.

    Raises:
        ResultsError: the file cannot be written.
    """
    rows = table.to_dicts()
    page = pages.render(
        "opiome.report",
        "design.html",
        title=title,
        facts=facts,
        alpha=f"{100 * float(facts['alpha']):g}",
        sentences=_answer(rows),
        picture=candidate_rows(rows, float(facts["alpha"]), "designs"),
        curves=size_curves(rows, "curves"),
        rows=[_cells(row, draws) for row in rows],
        assured=any(row["assurance"] is not None for row in rows),
    )
    return write_page(page, path)


def _cells(row: Mapping[str, Any], draws: pl.DataFrame | None) -> dict[str, Any]:
    digits = decimals(row["unit"], row["effect"])
    ratio = row["measure"] == "hazard ratio"
    unit = "" if ratio else "points" if row["unit"] == "%" and row["kind"] == "proportion" else row["unit"]
    return {
        "label": row["label"],
        "arms": row["arms"],
        "endpoint": row["endpoint_label"],
        "analysis": row["analysis"],
        "days": row["duration_days"],
        "per_arm": row["patients_per_arm"],
        "patients": row["patients"],
        "power": _share(row, "power"),
        "assurance": _share(row, "assurance"),
        "spread": _spread(row, draws),
        "type1": _share(row, "type1"),
        "opposite": number(100 * row["opposite"], 1),
        "effect": number(row["effect"], digits),
        "effects": interval(row["effect_low"], row["effect_high"], digits),
        "measure": f"{row['measure']}{f', {unit}' if unit else ''}",
    }


def _share(row: Mapping[str, Any], name: str) -> tuple[str, str]:
    """A rate in per cent and its interval; empty where there is none."""
    if row[name] is None:
        return "", ""
    low, high = (100 * row[f"{name}_{end}"] for end in ("low", "high"))
    return number(100 * row[name], 1), interval(low, high, 1)


def _spread(row: Mapping[str, Any], draws: pl.DataFrame | None) -> str:
    """The range of the middle 80 % of the power over the draws of the model."""
    import polars as pl

    if draws is None or row["assurance"] is None:
        return ""
    own = draws.filter(
        (pl.col("candidate") == row["candidate"]) & (pl.col("patients_per_arm") == row["patients_per_arm"])
    )["power"]
    low, high = own.quantile(0.1), own.quantile(0.9)
    return interval(100 * low, 100 * high, 0) if low is not None and high is not None else ""


def _answer(rows: list[dict[str, Any]]) -> list[str]:
    """What the table says, in sentences."""
    enough = [row for row in rows if row["power"] >= _WANTED]
    said = []
    if enough:
        least = min(enough, key=lambda row: (row["patients"], -row["power"]))
        verb = "has" if len(enough) == 1 else "have"
        said.append(
            f"Of {len(rows)} designs {len(enough)} {verb} a power of 80 % or more;"
            f" the smallest of them is “{least['label']}” with {least['patients']} patients in all"
            f" ({_share(least, 'power')[0]} %)."
        )
    else:
        best = max(rows, key=lambda row: row["power"])
        said.append(
            f"No design has a power of 80 %; “{best['label']}” with {best['patients']} patients in all"
            f" comes closest ({_share(best, 'power')[0]} %)."
        )
    assured = [row for row in rows if row["assurance"] is not None]
    if assured:
        best = max(assured, key=lambda row: row["assurance"])
        said.append(
            f"Averaged over what is not known of the model, “{best['label']}” with"
            f" {best['patients']} patients in all is the most likely to find the difference"
            f" ({_share(best, 'assurance')[0]} %)."
        )
    loose = [row for row in rows if not row["type1_low"] <= row["nominal"] <= row["type1_high"]]
    if loose:
        names = joined([f"“{row['label']}” ({_share(row, 'type1')[0]} %)" for row in loose])
        said.append(f"The error under the null is off the nominal one in {names}, by its 95 % interval.")
    else:
        said.append("The error under the null is nominal in all, as far as so many trials can tell.")
    return said


def design_summary(table: pl.DataFrame, title: str) -> RenderableType:
    """The comparison as a table for the terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows = table.to_dicts()
    shown = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    for name in ("Design", "Endpoint"):
        shown.add_column(name, overflow="fold")
    for name in ("Days", "Per arm", "Power (95 % interval), %", "Assurance, %", "Null, %"):
        shown.add_column(name, justify="right", overflow="fold")
    for row in rows:
        power, assurance, error = (_share(row, name) for name in ("power", "assurance", "type1"))
        shown.add_row(
            row["label"],
            row["endpoint_label"],
            str(row["duration_days"]),
            str(row["patients_per_arm"]),
            Text(f"{power[0]} ({power[1]})", style="bold" if row["power"] >= _WANTED else ""),
            assurance[0] or "–",
            error[0],
        )
    closing = Text("Research tool, not advice for a patient.", style="italic")
    return Group(Text(title, style="bold"), shown, Text(""), *(Text(one) for one in _answer(rows)), closing)
