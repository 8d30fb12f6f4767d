"""The library of published trials in one figure and one page: predictions against published values."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from opiome import files
from opiome.errors import Problem, ResultsError
from opiome.report._svg import INK, MUTED, RULE, beside, element, figure, inline, quiet
from opiome.report._words import decimals, interval, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["validation_page", "validation_picture"]

_WIDTH, _ROW, _AXIS, _HEAD, _TITLE = 1100.0, 16.0, 34.0, 26.0, 58.0
_LEFT, _RIGHT = 580.0, 850.0
_STUDY, _LABEL, _MODEL, _PUBLISHED, _VERDICT = 6.0, 150.0, 862.0, 985.0, 1040.0
_LETTERS = 72
_LONGEST = 400.0
"""The end of the time axis (h) where no value lies beyond it."""
_FONT = "Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"
_ALL = 100.0
_UNITS = {
    "%": "Per cent",
    "per week": "Movements per week",
    "h": "Hours",
    "points": "Bowel Function Index, points",
    "NRS": "Pain, 0-10",
    "score": "Bristol stool form",
}
_MARKS = {True: ("✓", "#0a5ea8"), False: ("✗", "#b04a00"), None: ("–", MUTED)}
"""Blue and orange: told apart by every kind of colour vision, and on paper by the mark."""

_HOW = (
    "Made by `opiome validate`. Each study of the library is run as its trial was; a published value is "
    "covered if it lies in the 90 % predictive interval of the model at the published number of "
    "patients. `fit`: the value, or a number of the model that was chosen with it, was used in "
    "calibration; it is no test. `check`: only compared. `recalled`: the value was not read in its "
    "source. Which trials are not here, and why, is told in opiome's documentation "
    "(`docs/design/studies.md`)."
)

Row = dict[str, Any]


@dataclass(frozen=True)
class _Panel:
    """The rows of one unit, which share an axis; differences between arms stand apart."""

    title: str
    unit: str
    rows: Sequence[Row]

    @property
    def height(self) -> float:
        """Pixels with head and axis."""
        return _HEAD + len(self.rows) * _ROW + _AXIS


def validation_picture(table: pl.DataFrame, path: str | Path) -> Path:
    """Write the figure of a validation: each published value beside the model's predictive interval.

    Args:
        table: The table of ``opiome.trial.validate``.
        path: The SVG file to write; an existing file is replaced.

    Raises:
        ResultsError: The table is empty, or the file cannot be written.
    """
    rows = table.to_dicts()
    if not rows:
        raise ResultsError(Problem("the validation has no rows", remedy="run studies with published values"))
    panels = _panels(rows)
    height = sum(panel.height for panel in panels)
    drawn = figure(_WIDTH, height)
    top = 0.0
    for panel in panels:
        _draw(drawn, panel, top, height)
        top += panel.height
    svg = inline(drawn, "validation", _described(rows)).replace(
        "<svg ", f'<svg y="{_TITLE:g}" width="{_WIDTH:g}" height="{height:g}" ', 1
    )
    text = element(
        "svg",
        element("rect", width="100%", height="100%", fill="#fff"),
        element("text", _headline(rows), x=_STUDY, y=22, font_size=17, font_weight=600),
        element(
            "text",
            "Band: 90 % predictive interval at the published number of patients; dot: model. Diamond: "
            "published, filled: the model was set with it (fit), hollow: only compared (check).",
            x=_STUDY,
            y=43,
            font_size=12.5,
            fill=MUTED,
        ),
        svg,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH:g} {height + _TITLE:g}",
        width=_WIDTH,
        height=height + _TITLE,
        font_family=_FONT,
        fill=INK,
    )
    return _written(Path(path), text + "\n")


def _panels(rows: Sequence[Row]) -> list[_Panel]:
    """The rows by unit; published differences between arms come last, on axes of their own."""
    found: dict[tuple[bool, str], list[Row]] = {}
    order = {unit: place for place, unit in enumerate(_UNITS)}
    for row in rows:
        found.setdefault((row["against"] is not None, row["unit"]), []).append(row)
    panels = []
    for between, unit in sorted(found, key=lambda key: (key[0], order.get(key[1], len(order)), key[1])):
        title = _UNITS.get(unit, unit)
        panels.append(
            _Panel(f"Difference between arms: {title}" if between else title, unit, found[between, unit])
        )
    return panels


def _draw(drawn: Figure, panel: _Panel, top: float, height: float) -> None:
    room = len(panel.rows) * _ROW
    axes = drawn.add_axes(
        (
            _LEFT / _WIDTH,
            1 - (top + _HEAD + room) / height,
            (_RIGHT - _LEFT) / _WIDTH,
            room / height,
        )
    )
    axes.set_ylim(room, 0)
    times = panel.unit == "h"
    if times:
        axes.set_xscale("log")
    axes.set_xlim(*_range(panel))
    quiet(axes)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(
        LogLocator(subs=(1.0, 3.0)) if times else MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
    )
    if times:
        axes.xaxis.set_minor_locator(LogLocator(subs=()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}".replace("-", "\N{MINUS SIGN}")))
    axes.grid(axis="x", color=RULE, linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    if axes.get_xlim()[0] < 0 < axes.get_xlim()[1]:
        axes.axvline(0, color=MUTED, linewidth=0.8)
    for x, text in (
        (_STUDY, panel.title),
        (_MODEL, "model (90 %)"),
        (_PUBLISHED, "published"),
        (_VERDICT, "covered"),
    ):
        _write(axes, x, -_HEAD / 2, text, INK if x == _STUDY else MUTED, bold=x == _STUDY)
    last = ""
    for place, row in enumerate(panel.rows):
        y = (place + 0.5) * _ROW
        if row["study"] != last:
            _write(axes, _STUDY, y, textwrap.shorten(row["study"], 24, placeholder="…"), INK)
            if last:
                axes.axhline(place * _ROW, color=RULE, linewidth=0.5)
            last = row["study"]
        _row(axes, row, y)


def _row(axes: Axes, row: Row, y: float) -> None:
    mark, colour = _MARKS[row["covered"]]
    low, high = row["predictive_low"], row["predictive_high"]
    first, last = axes.get_xlim()
    if low is not None or high is not None:
        ends = [first if low is None else low, last if high is None else high]
        axes.plot(ends, [y, y], color=colour, linewidth=6, alpha=0.3, solid_capstyle="butt")
    if row["estimate"] is not None:
        axes.plot([row["estimate"]], [y], marker="o", markersize=4.2, color=colour)
    face = INK if row["role"] == "fit" else "white"
    axes.plot(
        [row["published"]], [y], marker="D", markersize=5, markerfacecolor=face, markeredgecolor=INK,
        markeredgewidth=1.1, clip_on=False, zorder=3,
    )  # fmt: skip
    arm = textwrap.shorten(row["arm_label"], _LETTERS // 2, placeholder="…")
    text = f"{textwrap.shorten(row['label'], _LETTERS - len(arm), placeholder='…')} · {arm}"
    digits = decimals(row["unit"], row["estimate"], row["published"])
    spread = f" ({interval(low, high, digits)})" if interval(low, high, digits) else ""
    _write(axes, _LABEL, y, text, MUTED)
    _write(axes, _MODEL, y, f"{number(row['estimate'], digits)}{spread}", INK)
    _write(axes, _PUBLISHED, y, number(row["published"], digits), INK)
    _write(axes, _VERDICT, y, f"{mark} {row['role']}", colour)


def _write(axes: Axes, x: float, y: float, text: str, colour: str, *, bold: bool = False) -> None:
    weight = "bold" if bold else "normal"
    beside(axes, (_LEFT, _RIGHT), (x, y), text, color=colour, fontsize=11, fontweight=weight)


def _range(panel: _Panel) -> tuple[float, float]:
    names = ("published", "estimate", "predictive_low", "predictive_high")
    values = [row[name] for row in panel.rows for name in names if row[name] is not None]
    low, high = min(values), max(values)
    if panel.unit == "h":
        return max(0.7 * low, 0.1), min(max(1.4 * high, 1.0), max(_LONGEST, high))
    shares = panel.unit == "%" and low >= 0 and high <= _ALL  # a dose can rise by more than that
    room = 0.04 * (high - low) or 1.0
    return (0.0 if low >= 0 else low - room), (_ALL if shares else high + room)


def _inside(rows: Sequence[Row]) -> str:
    judged = [row for row in rows if row["covered"] is not None]
    return f"{sum(row['covered'] for row in judged)} of {len(judged)}"


def _headline(rows: Sequence[Row]) -> str:
    checks = [row for row in rows if row["role"] == "check"]
    only = f", {_inside(checks)} of those only compared" if checks else ""
    return f"{_inside(rows)} published values lie where the model predicts them{only}"


def _described(rows: Sequence[Row]) -> str:
    return escape(
        f"{len(rows)} published values beside the model's 90 % predictive intervals; "
        f"{_inside(rows)} lie inside. The numbers are in the table."
    )


def validation_page(
    table: pl.DataFrame,
    summary: str,
    path: str | Path,
    *,
    facts: Mapping[str, str],
    failed: Mapping[str, str] | None = None,
    picture: str = "validation.svg",
) -> Path:
    """Write the validation as a Markdown page: the score, the figure, the misses, every value.

    Args:
        table: The table of ``opiome.trial.validate``.
        summary: The score in one sentence.
        path: The Markdown file to write; an existing file is replaced.
        facts: What the page states of the run (date, hash of the model, patients).
        failed: Studies that could not be run, with the reason.
        picture: The figure, as the page refers to it.

    Raises:
        ResultsError: The file cannot be written.
    """
    lines = [
        "# Validation: published trials run again", "", f"{summary}.", "",
        _HOW,
        "", *(f"- {name}: {value}" for name, value in facts.items()), "",
        f"![Predicted intervals against published values]({picture})", "",
        "## Studies", "", "| study | check | fit | title |", "|---|---|---|---|",
        *_studies(table), "", "## Values", "",
        "| study | endpoint | arm | unit | model (90 %) | published | n | role | covered |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_line(row) for row in table.iter_rows(named=True)),
    ]  # fmt: skip
    if failed:
        lines += ["", "## Not run", "", *(f"- {name}: {reason}" for name, reason in failed.items())]
    return _written(Path(path), "\n".join(lines) + "\n")


def _studies(table: pl.DataFrame) -> list[str]:
    found = []
    for (name, title), rows in table.group_by(["study", "title"], maintain_order=True):
        scores = []
        for role in ("check", "fit"):
            covered = rows.filter(rows["role"] == role)["covered"].drop_nulls()
            scores.append(f"{int(covered.sum())} of {len(covered)}" if len(covered) else "")
        found.append(f"| {name} | {scores[0]} | {scores[1]} | {_cell(title)} |")
    return found


def _line(row: Row) -> str:
    digits = decimals(row["unit"], row["estimate"], row["published"])
    spread = interval(row["predictive_low"], row["predictive_high"], digits)
    word = "to" if row["unit"] == "ratio" else "minus"
    arm = row["arm_label"] + (f" {word} {row['against']}" if row["against"] else "")
    published = number(row["published"], digits) + (" (recalled)" if row["evidence"] == "recalled" else "")
    covered = {True: "yes", False: "**no**", None: "not judged"}[row["covered"]]
    cells = (
        row["study"], row["label"], arm, row["unit"], f"{number(row['estimate'], digits)} ({spread})",
        published, row["published_n"] or "", row["role"], covered,
    )  # fmt: skip
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|")


def _written(path: Path, text: str) -> Path:
    try:
        files.write_text(path, text)
    except OSError as error:
        raise ResultsError(
            Problem(f"cannot be written ({error.strerror})", file=path, remedy="choose another folder")
        ) from error
    return path
