"""A knock-out for readers: a page with a tornado per endpoint, and a table for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from opiome import pages
from opiome.report._biology import read_biology
from opiome.report._page import write_page
from opiome.report._tornado import MOST, arrow_words, moves, numbers_of, tornado
from opiome.report._words import joined, lower

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.console import RenderableType

    from opiome.trial import Study

    Rows = list[dict[str, Any]]

__all__ = ["knockout_html", "knockout_summary"]

_MODES = {
    "baseline": (
        "Each arrow was never there: the untreated state of every person was solved again around the same "
        "bacteria, and prior therapy and run-in were lived without it."
    ),
    "acute": "Each arrow was switched off at randomisation; everything before is as it was.",
}


def knockout_html(
    frame: pl.DataFrame, path: str | Path, study: Study, mode: str = "baseline", model: object = None
) -> Path:
    """Write a knock-out as one self-contained HTML file.

    Args:
        frame: what :func:`opiome.inference.knockout` returns.
        path: the file to write; its folder must exist. An existing file is replaced.
        study: the study that was rerun.
        mode: the mode of the knock-out.
        model: the model behind it; by default the tables of the model in the package.

    Raises:
        ResultsError: the file cannot be written.
    """
    nodes = dict(read_biology(model).nodes.select("id", "label").iter_rows())
    panels = [_panel(rows, nodes, study, f"tornado{place}") for place, rows in enumerate(_comparisons(frame))]
    page = pages.render(
        "opiome.report",
        "knockout.html",
        title=study.title or study.name,
        study_name=study.name,
        mode=_MODES.get(mode, mode),
        people=frame["n"].max() or 0,
        edges=frame["edge"].n_unique(),
        most=MOST,
        sentences=_answer(frame, study, nodes),
        panels=panels,
    )
    return write_page(page, path)


def _comparisons(frame: pl.DataFrame) -> list[Rows]:
    """The rows of each endpoint's contrasts, or of its arms where the study has no contrast."""
    has = (frame["reference"] != "").any()
    chosen = frame.filter((pl.col("reference") != "") if has else pl.lit(value=True))
    groups = chosen.group_by("endpoint", "arm", "reference", maintain_order=True)
    return [rows.sort("rank").to_dicts() for _, rows in groups]


def _panel(rows: Rows, nodes: Mapping[str, str], study: Study, key: str) -> dict[str, Any]:
    first = rows[0]
    unit = "percentage points" if first["unit"] == "%" and first["kind"] == "proportion" else first["unit"]
    who = _who(first, study)
    return {
        "label": first["label"],
        "who": who,
        "rest": _unmoved(rows),
        "svg": tornado(rows, nodes, key, f"Change of “{first['label']}”, {lower(who)}, {unit}"),
        "rows": [
            {
                "rank": row["rank"],
                "edge": row["edge"].replace("_", " "),
                "arrow": arrow_words(row, nodes),
                "grade": row["grade"],
                "contested": row["contested"] == "yes",
                "numbers": numbers_of(row),
                "moves": moves(row),
                "n": row["n"],
                "moved": row["moved"],
                "lost": row["lost"],
            }
            for row in rows
        ],
    }


def _unmoved(rows: Rows) -> str:
    """How many arrows change nobody's answer, as a sentence."""
    still = sum(not row["moved"] for row in rows)
    if not still:
        return ""
    others = "" if still == len(rows) else "other "
    said = "arrow switched off changes" if still == 1 else "arrows switched off change"
    return f"The {still} {others}{said} nobody’s answer."


def _who(row: Mapping[str, Any], study: Study) -> str:
    names = [study.arms[arm].label or arm for arm in (row["arm"], row["reference"]) if arm]
    return f"{names[0]} v {lower(names[1])}" if len(names) > 1 else names[0]


def _answer(frame: pl.DataFrame, study: Study, nodes: Mapping[str, str]) -> list[str]:
    """What the knock-out says of the main endpoint, in sentences."""
    main = next((e.id for e in study.endpoints if e.primary), study.endpoints[0].id)
    sentences = []
    for rows in _comparisons(frame.filter(pl.col("endpoint") == main)):
        who = _who(rows[0], study)
        what = f"“{rows[0]['label']}” ({lower(who)})"
        hinges = [row for row in rows if moves(row)]
        if not hinges:
            sentences.append(
                f"{what}: no arrow switched off moves it beyond chance in {rows[0]['n']} people."
            )
            continue
        parts = []
        for row in hinges[:3]:
            before, after, _, _ = numbers_of(row)
            unit = "points" if row["unit"] == "%" else row["unit"]
            parts.append(
                f"{row['edge'].replace('_', ' ')} ({arrow_words(row, nodes)}: {before} → {after} {unit})"
            )
        count = f"{len(hinges)} of {len(rows)} arrows" if len(rows) > 1 else "the only arrow"
        verb = "moves" if len(hinges) == 1 else "move"
        sentences.append(f"{what} hinges on {joined(parts)}; {count} switched off {verb} it beyond chance.")
    return sentences


def knockout_summary(frame: pl.DataFrame, study: Study, most: int = 5) -> RenderableType:
    """Return the arrows that each endpoint hinges on most, to be printed by a rich console.

    Args:
        frame: what :func:`opiome.inference.knockout` returns.
        study: the study that was rerun.
        most: arrows per comparison.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    nodes = dict(read_biology().nodes.select("id", "label").iter_rows())
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    for name, right in (("Endpoint", False), ("Switched off", False), ("With", True), ("Without", True),
                        ("Change (95 % interval)", True)):  # fmt: skip
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=right)
    for rows in _comparisons(frame):
        shown = [row for row in rows if row["moved"]][:most]
        for place, row in enumerate(shown or rows[:1]):
            before, after, change, spread = numbers_of(row)
            unit = "points" if row["unit"] == "%" else row["unit"]
            name = f"{row['label']}, {lower(_who(row, study))}, {unit}" if place == 0 else ""
            text = f"{change} ({spread})" if spread else change
            style = "bold" if moves(row) else "dim"
            table.add_row(name, row["edge"], before, after, Text(text, style=style))
        if rest := _unmoved(rows):
            table.add_row("", Text(rest, style="dim"), "", "", "")
    said = [Text(sentence) for sentence in _answer(frame, study, nodes)]
    closing = Text("Research tool, not advice for a patient.", style="italic")
    return Group(Text(study.title or study.name, style="bold"), table, Text(""), *said, closing)
