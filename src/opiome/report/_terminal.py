"""The summary on the terminal: arms by endpoints, published values beside them, hit or miss in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from opiome.report._rows import Row, contrast_rows, endpoint_rows
from opiome.report._tables import read_tables
from opiome.report._words import agreement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

__all__ = ["summary"]

_STYLES = {"hit": "bold green", "miss": "bold red"}


def summary(results: object) -> RenderableType:
    """Return what ``results`` say, to be printed by a rich console.

    Args:
        results: A result folder (path), or an object with the same tables as polars frames.

    Raises:
        ResultsError: The results cannot be read.
    """
    tables = read_tables(results)
    rows, contrasts = endpoint_rows(tables), contrast_rows(tables)
    study = tables.manifest.get("study")
    title = str(study.get("title") or study.get("name") or "") if isinstance(study, dict) else ""
    parts: list[RenderableType] = [Text(title, style="bold")] if title else []
    if rows:
        parts.append(_table("Endpoint", rows))
    if contrasts:
        parts.append(_table("Contrast", contrasts))
    parts.append(Padding(Text(" ".join(agreement(rows, contrasts))), (1, 0)))
    parts.append(Text("Research tool, not advice for a patient.", style="italic"))
    return Group(*parts)


def _table(heading: str, rows: Sequence[Row]) -> Table:
    predicted = any(row.predictive_text for row in rows)
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    for name in (heading, "Arm"):
        table.add_column(name, overflow="fold")
    for name in ("Model (95 % interval)", *(("90 % predicted",) if predicted else ()), "Published"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    before = None
    for row in rows:
        name = row.label if row.label != before else ""
        before = row.label
        who = f"{row.arm_label} v {row.reference}" if row.reference else row.arm_label
        model = f"{row.model_text} ({row.interval_text})" if row.interval_text else row.model_text
        cells = [name, who, model, *((row.predictive_text or "–",) if predicted else ()), row.published_text]
        table.add_row(
            *(Text(cell.replace("percentage points", "points")) for cell in cells),
            Text(row.verdict, style=_STYLES.get(row.verdict, "dim")),
        )
    return table
