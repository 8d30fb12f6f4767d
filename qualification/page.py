"""The page of the qualification: score first, then every case, hits and misses alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Row = dict[str, str]


def render(cases: list[Row], answers: dict[str, Row], holds: Callable[[Row, Row], bool]) -> str:
    """Render the page in Markdown."""
    judged = [(case, answers.get(case["id"])) for case in cases]
    lines = ["# Qualification: what the model gets right, and what it does not", ""]
    for tag, meaning in (
        ("check", "not used when numbers were chosen"),
        ("fit", "used when numbers were chosen"),
    ):
        some = [(case, answer) for case, answer in judged if case["tag"] == tag]
        good = sum(answer is not None and holds(case, answer) for case, answer in some)
        missing = sum(answer is None for _, answer in some)
        text = f"**{good} of {len(some)} cases hold** ({tag}: {meaning})"
        lines.append(text + (f"; {missing} have no experiment yet and count as misses." if missing else "."))
        lines.append("")
    model = next((a["model"] for a in answers.values() if a["value"]), "none")
    date = max((a["date"] for a in answers.values()), default="")
    lines += [
        f"Model {model}, {date}. Rules that stood before the first run: `qualification/cases.tsv`.",
        "Written by `python qualification/run.py`.",
        "",
    ]
    for situation in dict.fromkeys(case["situation"] for case in cases):
        lines += [f"## {situation}", "", "| | behaviour | published | model | tag |", "|---|---|---|---|---|"]
        lines += [_row(case, answer, holds) for case, answer in judged if case["situation"] == situation]
        lines.append("")
    return "\n".join(lines)


def _row(case: Row, answer: Row | None, holds: Callable[[Row, Row], bool]) -> str:
    verdict = "no experiment" if answer is None else "holds" if holds(case, answer) else "**miss**"
    unit = case["unit"]
    if case["rule"] == "direction":
        published = "sign"
        model = "" if answer is None else f"{100 * float(answer['value']):.0f} % agree"
    else:
        span = f"{case['low']} to {case['high']}" if case["rule"] == "range" else case["published"]
        published = f"{span} {unit}"
        model = "" if answer is None else f"{answer['value']} {unit}"
        if answer is not None and answer["low"] != answer["high"]:
            model += f" ({answer['low']} to {answer['high']})"
    return f"| {verdict} | {case['measure']} | {published} | {model} | {case['tag']} |"
