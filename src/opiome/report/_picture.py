"""One picture of a study as an SVG file: courses over time, the forest plot, the map of mechanisms."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from opiome import files
from opiome.errors import Problem, ResultsError
from opiome.report._bands import PANEL_HEIGHT, PANEL_WIDTH, band_panel
from opiome.report._biology import read_biology
from opiome.report._courses import courses
from opiome.report._forest import forest
from opiome.report._map import ARMS_PER_MAP, MAP_HEIGHT, MAP_WIDTH, changes_by_arm, draw_map
from opiome.report._palette import arm_styles
from opiome.report._phases import phases, shown_from
from opiome.report._rows import endpoint_rows
from opiome.report._svg import INK, MUTED, element
from opiome.report._tables import read_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opiome.report._biology import Biology
    from opiome.report._tables import Tables

__all__ = ["picture"]

_HEAD, _TITLE, _EDGE, _SPACE = 56.0, 26.0, 14.0, 26.0
_FONT = "Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"


def picture(
    results: object,
    path: str | Path,
    parts: Sequence[str] = ("courses", "forest"),
    panels: Sequence[str] = ("sbm", "transit", "butyrate"),
    model: object = None,
) -> Path:
    """Write one SVG picture of a study, for a slide or a page.

    Args:
        results: A result folder (path), or an object with the same tables as polars frames.
        path: The SVG file to write; an existing file is replaced.
        parts: What stands under the title, from the top: ``courses`` over time, the ``forest`` plot of the
            endpoints beside published values, the ``map`` of mechanisms.
        panels: Up to three keys of ``panels.tsv`` for the courses; those without numbers are left out.
        model: The model behind the results; by default the tables of the model in the package.

    Raises:
        ResultsError: The results cannot be read, or the file cannot be written.
    """
    tables, biology = read_tables(results), read_biology(model)
    make: dict[str, Callable[[], tuple[str, float]]] = {
        "courses": lambda: _courses(tables, biology, panels),
        "forest": lambda: _forest(tables),
        "map": lambda: _map(tables, biology),
    }
    if wrong := [part for part in parts if part not in make]:
        expected = f"parts among {', '.join(make)}"
        raise ResultsError([Problem(f"no part '{part}' of a picture", expected=expected) for part in wrong])
    drawn, top = [], _HEAD
    for part in parts:
        svg, height = make[part]()
        drawn.append(_placed(svg, _EDGE, top, MAP_WIDTH, height))
        top += height + _SPACE
    study = tables.manifest.get("study")
    title = str(study.get("title") or "") if isinstance(study, dict) else ""
    width, height = MAP_WIDTH + 2 * _EDGE, top + _EDGE
    text = element(
        "svg",
        element("rect", width="100%", height="100%", fill="#fff"),
        element("text", escape(title), x=_EDGE, y=30, font_size=18, font_weight=600),
        *drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        font_family=_FONT,
        fill=INK,
    )
    target = Path(path)
    try:
        files.write_text(target, text + "\n")
    except OSError as error:
        raise ResultsError(
            Problem(
                f"the picture cannot be written ({error.strerror})",
                file=target,
                remedy="choose another folder",
            )
        ) from error
    return target


def _courses(tables: Tables, biology: Biology, panels: Sequence[str]) -> tuple[str, float]:
    """Return panels side by side as one SVG element, and its height."""
    found = phases(tables)
    styles = arm_styles(tables.arms)
    drawn = {course.key: course for course in courses(tables, biology, shown_from(found))}
    parts = []
    for place, key in enumerate(key for key in panels[:3] if key in drawn):
        course, left = drawn[key], place * (MAP_WIDTH - PANEL_WIDTH) / 2
        unit = element("tspan", escape(course.unit), font_weight=400, fill=MUTED)
        parts.append(
            element("text", f"{escape(course.title)} {unit}", x=left, y=14, font_size=15, font_weight=600)
        )
        svg = band_panel(course, styles, tables.labels, found)
        parts.append(_placed(svg, left, _TITLE, PANEL_WIDTH, PANEL_HEIGHT))
    height = _TITLE + PANEL_HEIGHT if parts else 0.0
    return element("svg", *parts, viewBox=f"0 0 {MAP_WIDTH:g} {height:g}"), height


def _forest(tables: Tables) -> tuple[str, float]:
    """Return the forest plot of the endpoints, and its height."""
    svg = forest(endpoint_rows(tables), arm_styles(tables.arms))
    size = re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', svg)
    return (svg, float(size[1])) if size else (element("svg"), 0.0)


def _map(tables: Tables, biology: Biology) -> tuple[str, float]:
    """Return the map with the first arms, and its height."""
    changes = changes_by_arm(tables, biology, "change")
    shown = {arm: changes[arm] for arm in tables.arms[:ARMS_PER_MAP]}
    return draw_map(biology, shown, tables.labels), MAP_HEIGHT


def _placed(svg: str, x: float, y: float, width: float, height: float) -> str:
    """Return an SVG element put at a place inside another."""
    return svg.replace("<svg ", f'<svg x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" ', 1)
