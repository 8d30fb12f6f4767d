"""The page of the qualification: score first, then every case, hits and misses alike."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from figures import board, slug, strips

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rules import Judged, Row

__all__ = ["draw", "render"]

PICTURES = "images/qualification"


STANDING = {
    "negative": "no state below zero, random patients on random regimens, five weeks",
    "drift": "no state of the gut moves by 0.1 % in 12 weeks, random untreated people",
    "stability 1": "a stable untreated state, random floras (Dirichlet 1)",
    "stability 0.3": "the same, uneven floras (Dirichlet 0.3)",
    "stability 0.1": "the same, very uneven floras (Dirichlet 0.1)",
}


def render(judged: Sequence[Judged], reasons: Mapping[str, str], standing: Sequence[Row] = ()) -> str:
    """Render the page in Markdown; ``reasons`` explain misses, by case; ``standing`` are the large checks."""
    lines = ["# Qualification: what the model gets right, and what it does not", ""]
    for tag, meaning in (
        ("check", "not used when numbers were chosen"),
        ("fit", "used when numbers were chosen"),
    ):
        some = [j for j in judged if j.case["tag"] == tag]
        good = sum(j.holds for j in some)
        missing = sum(j.answer is None for j in some)
        text = f"**{good} of {len(some)} cases hold** ({tag}: {meaning})"
        lines.append(text + (f"; {missing} have no experiment yet and count as misses." if missing else "."))
        lines.append("")
    answers = [j.answer for j in judged if j.answer is not None]
    model = next((a["model"] for a in answers), "none")
    date = max((a["date"] for a in answers), default="")
    lines += [
        f"Model {model}, {date}. Rules that stood before the first run: `qualification/cases.tsv`.",
        "Written by `python qualification/run.py`.",
        "",
        f"![All cases, a square for each]({PICTURES}/board.svg)",
        "",
    ]
    for situation, group in _situations(judged).items():
        picture = f"{PICTURES}/{slug(situation)}.svg"
        lines += [f"## {situation}", "", f"![Published and model: {situation}]({picture})", ""]
        lines += ["| | behaviour | published | model | tag |", "|---|---|---|---|---|"]
        lines += [_row(j) for j in group]
        lines.append("")
        lines += [
            f"- **{j.case['measure']}**: {reasons.get(j.case['id'], 'not explained yet')}"
            for j in group
            if j.verdict == "miss"
        ]
        if lines[-1]:
            lines.append("")
    return "\n".join([*lines, *_standing(standing)])


def _standing(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    lines = [
        "## What must hold for everybody",
        "",
        "Written by `python qualification/standing.py`. Refused: no stable untreated state; failed: not",
        "integrated; broken: what the check asks does not hold; largest: how far anybody strays.",
        "",
        "| check | people | refused | failed | broken | largest | model, date |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        worst = f"{row['worst']} ({row['where']})" if row["where"] else ""
        cells = (
            STANDING.get(row["check"], row["check"]),
            *(row[k] for k in ("people", "refused", "failed", "broken")),
        )
        lines.append(f"| {' | '.join(cells)} | {worst} | {row['model']}, {row['date']} |")
    return [*lines, ""]


def draw(judged: Sequence[Judged], folder: Path) -> list[Path]:
    """Draw the board and a picture per situation into a folder; those of situations that are gone go."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {folder / "board.svg": board(judged)}
    for situation, group in _situations(judged).items():
        pictures[folder / f"{slug(situation)}.svg"] = strips(situation, group)
    for stale in set(folder.glob("*.svg")) - pictures.keys():
        stale.unlink()
    for file, text in pictures.items():
        file.write_text(text, encoding="utf-8")
    return list(pictures)


def _situations(judged: Sequence[Judged]) -> dict[str, list[Judged]]:
    return {name: list(group) for name, group in groupby(judged, key=lambda j: j.case["situation"])}


def _row(judged: Judged) -> str:
    case, answer = judged.case, judged.answer
    verdict = "**miss**" if judged.verdict == "miss" else judged.verdict
    unit = case["unit"]
    if judged.sign:
        published = "sign"
        model = "" if answer is None else f"{100 * float(answer['value']):.0f} % agree"
    else:
        span = f"{case['low']} to {case['high']}" if case["rule"] == "range" else case["published"]
        published = f"{span} {unit}"
        model = "" if answer is None else f"{answer['value']} {unit}"
        if answer is not None and answer["low"] != answer["high"]:
            model += f" ({answer['low']} to {answer['high']})"
    return f"| {verdict} | {case['measure']} | {published} | {model} | {case['tag']} |"
