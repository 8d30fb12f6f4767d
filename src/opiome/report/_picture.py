"""One picture of a study: three courses over time above the map of mechanisms, as an SVG file."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from opiome.errors import Problem, ResultsError
from opiome.report._bands import PANEL_HEIGHT, PANEL_WIDTH, band_panel
from opiome.report._biology import read_biology
from opiome.report._courses import courses
from opiome.report._map import ARMS_PER_MAP, MAP_HEIGHT, MAP_WIDTH, changes_by_arm, draw_map
from opiome.report._palette import arm_styles
from opiome.report._phases import phases, shown_from
from opiome.report._svg import INK, MUTED, element
from opiome.report._tables import read_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["picture"]

_HEAD, _TITLE, _EDGE = 56.0, 26.0, 14.0
_FONT = "Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"


def picture(
    results: object,
    path: str | Path,
    panels: Sequence[str] = ("sbm", "transit", "butyrate"),
    model: object = None,
) -> Path:
    """Write one SVG picture of a study, for a slide or a page: courses over time, and the map of mechanisms.

    Args:
        results: A result folder (path), or an object with the same tables as polars frames.
        path: The SVG file to write; an existing file is replaced.
        panels: Up to three keys of ``panels.tsv``; those for which there are no numbers are left out.
        model: The model behind the results; by default the tables of the model in the package.

    Raises:
        ResultsError: The results cannot be read, or the file cannot be written.
    """
    tables, biology = read_tables(results), read_biology(model)
    found = phases(tables)
    styles = arm_styles(tables.arms)
    drawn = {course.key: course for course in courses(tables, biology, shown_from(found))}
    parts = []
    for place, key in enumerate(key for key in panels[:3] if key in drawn):
        course, left = drawn[key], _EDGE + place * (MAP_WIDTH - PANEL_WIDTH) / 2
        parts.append(
            f'<text x="{left:g}" y="{_HEAD + 12:g}" font-size="15" font-weight="600">{escape(course.title)} '
            f'<tspan font-weight="400" fill="{MUTED}">{escape(course.unit)}</tspan></text>'
        )
        svg = band_panel(course, styles, tables.labels, found)
        parts.append(_placed(svg, left, _HEAD + _TITLE, PANEL_WIDTH, PANEL_HEIGHT))
    top = _HEAD + (_TITLE + PANEL_HEIGHT + 24 if parts else 0)
    changes = changes_by_arm(tables, biology, "change")
    shown = {arm: changes[arm] for arm in tables.arms[:ARMS_PER_MAP]}
    parts.append(_placed(draw_map(biology, shown, tables.labels), _EDGE, top, MAP_WIDTH, MAP_HEIGHT))
    study = tables.manifest.get("study")
    title = str(study.get("title") or "") if isinstance(study, dict) else ""
    width, height = MAP_WIDTH + 2 * _EDGE, top + MAP_HEIGHT + _EDGE
    text = element(
        "svg",
        element("rect", width="100%", height="100%", fill="#fff"),
        element("text", escape(title), x=_EDGE, y=30, font_size=18, font_weight=600),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        font_family=_FONT,
        fill=INK,
    )
    target = Path(path)
    try:
        target.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ResultsError(
            Problem(
                f"the picture cannot be written ({error.strerror})",
                file=target,
                remedy="choose another folder",
            )
        ) from error
    return target


def _placed(svg: str, x: float, y: float, width: float, height: float) -> str:
    """Return an SVG element put at a place inside another."""
    return svg.replace("<svg ", f'<svg x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" ', 1)
