"""The report: one HTML file that needs nothing else, made from the result tables."""

from __future__ import annotations

import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FunctionLoader, StrictUndefined

from opiome.errors import Problem, ResultsError
from opiome.report._bands import band_panel
from opiome.report._biology import Biology, read_biology
from opiome.report._courses import Course, courses, expected
from opiome.report._evidence import assumptions, evidence_shares, grades_text
from opiome.report._facts import facts
from opiome.report._flow import flow
from opiome.report._forest import forest
from opiome.report._map import ARMS_PER_MAP, draw_map
from opiome.report._palette import arm_styles
from opiome.report._phases import phases, shown_from
from opiome.report._rows import contrast_rows, endpoint_rows, primary
from opiome.report._tables import Tables, read_tables
from opiome.report._words import answer, fold, joined, number

__all__ = ["html"]

_CONTENTS = (
    ("endpoints", "Beside what was published"),
    ("tables", "Endpoints and contrasts"),
    ("flow", "Flow of participants"),
    ("courses", "Over time"),
    ("map", "Map of mechanisms"),
    ("evidence", "Evidence and assumptions"),
    ("computed", "How it was computed"),
)


def html(results: object, path: str | Path, model: object = None) -> Path:
    """Write the report of a study: one self-contained HTML file.

    Args:
        results: A result folder (path), or an object with the same tables as polars frames.
        path: The file to write; its folder must exist. An existing file is replaced.
        model: The model behind the results, as :func:`opiome.model.load` gives it; by default the tables of
            the model in the package.

    Returns:
        The path that was written.

    Raises:
        ResultsError: The results cannot be read, or the file cannot be written.
    """
    page = _render(read_tables(results), read_biology(model))
    target = Path(path)
    try:
        # Written beside the target and moved there, so that a full disk leaves no half report behind.
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, suffix=".part", delete=False) as part:
            part.write(page)
        Path(part.name).chmod(0o644)
        Path(part.name).replace(target)
    except OSError as error:
        raise ResultsError(
            Problem(f"the report cannot be written ({error.strerror})", file=target, remedy="choose another folder")
        ) from error
    return target


def _render(tables: Tables, biology: Biology) -> str:
    environment = Environment(
        loader=FunctionLoader(_resource), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html").render(
        css=_resource("report.css"), contents=_CONTENTS, count=_count, number=number, **_context(tables, biology)
    )


def _resource(name: str) -> str:
    return files("opiome.report").joinpath("templates", name).read_text(encoding="utf-8")


def _count(value: float | None) -> str:
    return number(value, 0)


def _context(tables: Tables, biology: Biology) -> dict[str, Any]:
    styles = arm_styles(tables.arms)
    rows, contrasts = endpoint_rows(tables), contrast_rows(tables)
    study = tables.manifest.get("study")
    study = study if isinstance(study, dict) else {"name": study} if isinstance(study, str) else {}
    name = str(study.get("name") or "")
    absent = [table for table in tables.absent if table != "diary"]
    grades, contested = grades_text(biology)
    return {
        "title": str(study.get("title") or name or "Simulated trial"),
        "study_name": name if study.get("title") else "",
        "sentences": answer(tables, primary(tables), rows, contrasts),
        "absent": joined([f"table of {table}" for table in absent]),
        "many_absent": len(absent) > 1,
        "styles": styles,
        "arms": tables.arms,
        "labels": tables.labels,
        "rows": rows,
        "contrasts": contrasts,
        "predictive": any(row.predictive_text for row in rows),
        "predictive_contrasts": any(row.predictive_text for row in contrasts),
        "errors": any(row.error is not None for row in rows),
        "derived": any(row.published is not None for row in contrasts),
        "sources": list(dict.fromkeys(row.source for row in (*rows, *contrasts) if row.source)),
        "forest_wide": forest([*rows, *contrasts], styles),
        "forest_narrow": forest([*rows, *contrasts], styles, narrow=True),
        "flow": flow(tables),
        "maps": _maps(tables, biology),
        "node_rows": _node_rows(tables, biology),
        "edge_rows": _edge_rows(biology),
        "evidence": evidence_shares(biology),
        "evidence_note": "Assumed numbers are listed below, each with its reason.",
        "assumed": assumptions(biology),
        "grades": grades,
        "contested": contested,
        "facts": facts(tables.manifest),
        **_over_time(tables, biology),
    }


def _over_time(tables: Tables, biology: Biology) -> dict[str, Any]:
    """Return the panels over time, those of the guilds apart."""
    found = phases(tables)
    start = shown_from(found)
    styles = arm_styles(tables.arms)
    drawn = courses(tables, biology, start)

    def panel(course: Course) -> dict[str, str]:
        svg = band_panel(course, styles, tables.labels, found)
        return {"title": course.title, "unit": course.unit, "note": course.note, "svg": svg}

    background = next((phase for phase in found if phase.name == "background"), None)
    note = ""
    if background and start is not None and start > background.start:
        note = f"Background therapy began {number((background.end - background.start) / 168, 0)} weeks before the run-in; "
        note += "only its end is drawn."
    shown = {course.key for course in drawn}
    return {
        "panels": [panel(course) for course in drawn if course.section == "main"],
        "guilds": [panel(course) for course in drawn if course.section == "guilds"],
        "guild_note": next((course.note for course in drawn if course.section == "guilds"), ""),
        "missing": [title for key, title in expected() if key not in shown],
        "phase_note": note,
    }


def _changes(tables: Tables) -> dict[str, dict[str, float | None]]:
    return {
        arm: dict(tables.nodes.filter(pl.col("arm") == arm).select("node", "change").iter_rows()) for arm in tables.arms
    }


def _maps(tables: Tables, biology: Biology) -> list[str]:
    if biology.nodes.is_empty():
        return []
    changes = _changes(tables)
    arms = list(tables.arms)
    groups = [arms[place : place + ARMS_PER_MAP] for place in range(0, len(arms), ARMS_PER_MAP)] or [[]]
    return [
        draw_map(biology, {arm: changes[arm] for arm in group}, tables.labels, f"map{place}")
        for place, group in enumerate(groups)
    ]


def _node_rows(tables: Tables, biology: Biology) -> list[dict[str, object]]:
    if tables.nodes.is_empty():
        return []
    changes = _changes(tables)
    return [
        {
            "label": node["label"],
            "observable": biology.label(node["observable"]),
            "folds": [fold(changes[arm].get(node["id"])) for arm in tables.arms],
        }
        for node in biology.nodes.iter_rows(named=True)
    ]


def _edge_rows(biology: Biology) -> list[dict[str, str]]:
    names = dict(biology.nodes.select("id", "label").iter_rows())
    effects = {"+": "raises", "-": "lowers"}
    return [
        {
            **row,
            "from": names.get(row["from"], row["from"]),
            "to": names.get(row["to"], row["to"]),
            "effect": effects.get(row["sign"], row["sign"]),
            "id": row["id"].replace("_", " "),
        }
        for row in biology.edges.iter_rows(named=True)
    ]
