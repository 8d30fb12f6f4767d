"""Every arrow of the map switched off in COMPOSE-4: ``python qualification/knockouts.py``.

It runs ``opiome knockout compose-4 --edges all`` on the same people and writes ``docs/knockout.md`` with its
picture. With ``--frame FILE`` it writes them from the ``knockout.parquet`` of an earlier run.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
from knockout_picture import picture

from opiome import model, trial
from opiome.inference import knockout

DOCS = Path(__file__).parents[1] / "docs"
STUDY, PEOPLE = "compose-4", 200
HEADER = (
    "rank",
    "arrow",
    "from",
    "to",
    "grade",
    "with",
    "without",
    "change (95 % interval)",
    "answers moved",
)

Row = dict[str, Any]


def beyond_chance(row: Row) -> bool:
    """Whether the interval of a change leaves 0 out."""
    return row["low"] is not None and (row["low"] > 0 or row["high"] < 0)


def page(frame: pl.DataFrame, nodes: dict[str, str], facts: str) -> str:
    """The page in Markdown: what hinges on what, then every arrow for every endpoint."""
    contrasts = frame.filter(pl.col("reference") != "")
    moved = {row["edge"] for row in contrasts.iter_rows(named=True) if beyond_chance(row)}
    edges, people = frame["edge"].n_unique(), frame["n"].max()
    lines = [
        "# Knock-outs: which arrows of the map an answer hinges on",
        "",
        f"COMPOSE-4 (naldemedine or placebo in cancer, two weeks) on the same {people} people, again for",
        f"each of the {edges} arrows with that arrow never there. {len(moved)} of them move the difference",
        f"between arms of some endpoint beyond chance; {edges - len(moved)} do not, in a trial of two weeks.",
        "",
        f"{facts} Written by `python qualification/knockouts.py`; for any study: `opiome knockout STUDY`.",
        "",
        "![What is left of naldemedine's effect without each arrow](images/knockout-compose-4.svg)",
        "",
    ]
    for (_, label), rows in contrasts.group_by(["endpoint", "label"], maintain_order=True):
        lines += [f"## {label}, difference between the arms", ""]
        lines += [f"| {' | '.join(HEADER)} |", "|" + "---|" * len(HEADER)]
        lines += [_line(row, nodes) for row in rows.sort("rank").iter_rows(named=True)]
        lines.append("")
    return "\n".join(lines)


def _line(row: Row, nodes: dict[str, str]) -> str:
    name = row["edge"].replace("_", " ")
    contested = ", contested" if row["contested"] == "yes" else ""
    change = "" if row["change"] is None else f"{row['change']:+.3g} ({row['low']:.3g} to {row['high']:.3g})"
    cells = (
        row["rank"], f"**{name}**" if beyond_chance(row) else name, nodes.get(row["from"], row["from"]),
        nodes.get(row["to"], row["to"]), f"{row['grade']}{contested}", _number(row["before"]),
        _number(row["after"]), change, row["moved"],
    )  # fmt: skip
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def main() -> None:
    """Run, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frame", type=Path, default=None)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--docs", type=Path, default=DOCS)
    options = parser.parse_args()
    loaded, study = model.load(), trial.load_study(STUDY)
    sha = loaded.sha256
    if options.frame is None:
        frame = knockout(study, "all", options.people, threads=options.threads, model=loaded)
    else:
        frame = pl.read_parquet(options.frame)
        sha = json.loads(options.frame.with_suffix(".json").read_text(encoding="utf-8"))["model_sha256"]
    nodes = dict(loaded.nodes.select("id", "label").iter_rows())
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    facts = f"Model {sha[:12]}, {today}, seed {study.seed}."
    svg = picture(frame.filter(pl.col("reference") != "").to_dicts(), nodes)
    (options.docs / "images" / "knockout-compose-4.svg").write_text(svg, encoding="utf-8")
    (options.docs / "knockout.md").write_text(page(frame, nodes, facts), encoding="utf-8")
    print(options.docs / "knockout.md")


if __name__ == "__main__":
    main()
