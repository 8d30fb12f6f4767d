"""The report: one HTML file that needs nothing else, made from the result tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from opiome import files, pages
from opiome.errors import Problem, ResultsError
from opiome.report._bands import band_panel
from opiome.report._biology import Biology, read_biology
from opiome.report._courses import Course, courses, expected
from opiome.report._estimands import judged
from opiome.report._evidence import assumptions, evidence_shares, grades_text
from opiome.report._facts import facts
from opiome.report._flow import flow
from opiome.report._forest import forest
from opiome.report._map import ARMS_PER_MAP, changes_by_arm, draw_map
from opiome.report._palette import arm_styles
from opiome.report._phases import Phase, phases, shown_from
from opiome.report._rows import Row, contrast_rows, endpoint_rows, primary
from opiome.report._tables import Tables, read_tables
from opiome.report._words import answer, fold, joined, number

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["html", "write_page"]

_GUILDS = (
    "Shares of the bacteria in the rectosigmoid, each panel on its own scale. "
    "Under each panel, the members of the guild."
)
_DAY = 24.0
_LONG = 28 * _DAY
"""A background of this length or more is told in weeks."""

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
    tables = read_tables(results)
    page = _render(tables, read_biology(model), other_model=_differs(tables, model))
    return write_page(page, path)


def write_page(page: str, path: str | Path) -> Path:
    """Write a page; raises ResultsError where that cannot be done."""
    target = Path(path)
    try:
        files.write_text(target, page)
    except OSError as error:
        raise ResultsError(
            Problem(
                f"the report cannot be written ({error.strerror})",
                file=target,
                remedy="choose another folder",
            )
        ) from error
    return target


def _differs(tables: Tables, model: object) -> bool:
    """Return whether the results come from another version of the model than ``model``."""
    ran = tables.manifest.get("model")
    known = (ran.get("sha256") if isinstance(ran, dict) else None, getattr(model, "sha256", None))
    return None not in known and known[0] != known[1]


def _render(tables: Tables, biology: Biology, *, other_model: bool) -> str:
    return pages.render(
        "opiome.report",
        "report.html",
        contents=_CONTENTS,
        count=_count,
        number=number,
        other_model=other_model,
        **_context(tables, biology),
    )


def _count(value: float | None) -> str:
    return number(value, 0)


def _context(tables: Tables, biology: Biology) -> dict[str, Any]:
    styles = arm_styles(tables.arms)
    rows, contrasts = endpoint_rows(tables), contrast_rows(tables)
    study = tables.manifest.get("study")
    study = study if isinstance(study, dict) else {"name": study} if isinstance(study, str) else {}
    name = str(study.get("name") or "")
    absent = [table for table in tables.absent if table != "diary"]
    untreated = tables.nodes["change_untreated"].null_count() < tables.nodes.height
    grades, contested = grades_text(biology)
    return {
        "title": str(study.get("title") or name or "Simulated trial"),
        "study_name": name if study.get("title") else "",
        "sentences": answer(tables, primary(tables), rows, contrasts),
        "score": _score(rows),
        "absent": joined([f"table of {table}" for table in absent]),
        "many_absent": len(absent) > 1,
        "styles": styles,
        "arms": tables.arms,
        "labels": tables.labels,
        "rows": rows,
        "contrasts": contrasts,
        "predictive": any(row.predictive_text for row in rows),
        "predictive_contrasts": any(row.predictive_text for row in contrasts),
        "judged": judged(tables),
        "errors": any(row.error is not None for row in rows),
        "derived": any(row.published is not None for row in contrasts),
        "sources": list(dict.fromkeys(row.source for row in (*rows, *contrasts) if row.source)),
        "forest_wide": forest([*rows, *contrasts], styles),
        "forest_narrow": forest([*rows, *contrasts], styles, narrow=True),
        "flow": flow(tables),
        "maps": _maps(tables, biology, "change", "map"),
        "untreated_maps": _maps(tables, biology, "change_untreated", "untreated") if untreated else [],
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


def _score(rows: Sequence[Row]) -> dict[str, object]:
    judged = [row for row in rows if row.published is not None and row.hit is not None]
    return {"judged": len(judged), "hits": sum(bool(row.hit) for row in judged), "rows": judged}


def _over_time(tables: Tables, biology: Biology) -> dict[str, Any]:
    """Return the panels over time, those of the guilds apart."""
    found = phases(tables)
    start = shown_from(found)
    styles = arm_styles(tables.arms)
    drawn = courses(tables, biology, start)

    def panel(course: Course) -> dict[str, str]:
        svg = band_panel(course, styles, tables.labels, found)
        return {"title": course.title, "unit": course.unit, "note": course.note, "svg": svg}

    shown = {course.key for course in drawn}
    return {
        "panels": [panel(course) for course in drawn if course.section == "main"],
        "guilds": [panel(course) for course in drawn if course.section == "guilds"],
        "guild_note": _GUILDS,
        "missing": [title for key, title in expected() if key not in shown],
        "phase_note": " ".join(note for note in (_before(found, drawn), _visits(found)) if note),
    }


def _before(found: Sequence[Phase], drawn: Sequence[Course]) -> str:
    """Return what is to be said of a background that is not drawn, or not in full."""
    background = next((phase for phase in found if phase.name == "background"), None)
    if background is None or not drawn:
        return ""
    first = min(frame["time_h"][0] for course in drawn for frame in course.by_arm.values())
    if first <= background.start + _DAY:
        return ""
    size, unit = (168.0, "weeks") if background.end - background.start >= _LONG else (_DAY, "days")
    length = number((background.end - background.start) / size, 0)
    kept = "only its end is drawn" if first < background.end - _DAY else "the results hold no course of it"
    return f"Before the run-in, {length} {unit} of background therapy were simulated; {kept}."


def _visits(found: Sequence[Phase]) -> str:
    return "Triangles on the time axis are visits." if any(phase.visits for phase in found) else ""


def _maps(tables: Tables, biology: Biology, column: str, key: str) -> list[str]:
    if biology.nodes.is_empty():
        return []
    changes = changes_by_arm(tables, biology, column)
    arms = list(tables.arms)
    groups = [arms[place : place + ARMS_PER_MAP] for place in range(0, len(arms), ARMS_PER_MAP)] or [[]]
    return [
        draw_map(biology, {arm: changes[arm] for arm in group}, tables.labels, f"{key}{place}")
        for place, group in enumerate(groups)
    ]


def _node_rows(tables: Tables, biology: Biology) -> list[dict[str, object]]:
    if tables.nodes.is_empty():
        return []
    changes, untreated = (
        changes_by_arm(tables, biology, "change"),
        changes_by_arm(tables, biology, "change_untreated"),
    )
    return [
        {
            "label": node["label"],
            "observable": biology.label(node["observable"]),
            "folds": [
                (fold(changes[arm].get(node["id"])), _known(untreated[arm].get(node["id"])))
                for arm in tables.arms
            ],
        }
        for node in biology.nodes.iter_rows(named=True)
    ]


def _known(change: float | None) -> str:
    return "" if change is None else fold(change)


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
