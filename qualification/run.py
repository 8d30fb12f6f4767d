"""Run the qualification cases and write ``docs/qualification.md``: ``python qualification/run.py``.

Answers are kept in ``results.tsv`` with the hash of the model and the date, so that a run that was cut
off goes on where it stopped. ``--people`` and ``--patients`` set the sizes, ``--only PREFIX`` chooses stages
and ``--fresh`` forgets what is kept.
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
from pathlib import Path
from typing import TYPE_CHECKING

import experiments
import mouse
import page
import table
import trials
from bench import Bench
from rules import Judged

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "qualification.md"
FIELDS = ("id", "value", "low", "high", "model", "date")


def stages(people: int, patients: int, cases: Collection[str]) -> Iterator[tuple[str, object]]:
    """Yield the name and the answers of each stage, cheap ones first."""
    bench = Bench(people)
    for function in experiments.EXPERIMENTS:
        yield function.__name__, function(bench)
    yield "mouse", mouse.answers(Bench(1, species="mouse"))
    yield "trials", trials.answers(patients, cases)


def write(cases: list[dict[str, str]], kept: dict[str, dict[str, str]], file: Path) -> None:
    """Judge the answers and write the page and its pictures beside it."""
    judged = [Judged(case, kept.get(case["id"])) for case in cases]
    reasons = {row["id"]: row["reason"] for row in table.read(HERE / "misses.tsv")}
    page.draw(judged, file.parent / page.PICTURES)
    standing = table.read(HERE / "standing.tsv")
    file.write_text(page.render(judged, reasons, standing), encoding="utf-8")


def main() -> None:
    """Run what is missing, keep it, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--only", default="")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--results", type=Path, default=HERE / "results.tsv")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    cases = table.read(HERE / "cases.tsv")
    sha = Bench(1).model.sha256[:12]
    before = [] if options.fresh else table.read(options.results)
    kept = {row["id"]: row for row in before if row["model"] == sha}
    known = {case["id"] for case in cases}
    for name, found in stages(options.people, options.patients, known):
        if not name.startswith(options.only) or f"stage:{name}" in kept:
            continue
        for case, answer in found:  # type: ignore[attr-defined]
            if case not in known:
                raise SystemExit(f"'{case}' is not a row of cases.tsv")
            today = dt.datetime.now(tz=dt.UTC).date().isoformat()
            numbers = (f"{x:.5g}" if math.isfinite(x) else "nan" for x in answer)
            kept[case] = dict(zip(FIELDS, (case, *numbers, sha, today), strict=True))
            print(case, *(kept[case][k] for k in FIELDS[1:4]), flush=True)
        kept[f"stage:{name}"] = dict.fromkeys(FIELDS, "") | {"id": f"stage:{name}", "model": sha}
        table.write(options.results, FIELDS, kept.values())
    write(cases, kept, options.page)
    print(options.page)


if __name__ == "__main__":
    main()
