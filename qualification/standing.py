"""Standing checks on many random people: ``python qualification/standing.py``.

- ``negative``: 100,000 random patients (covariates, parameters, flora) on random regimens for four weeks and
  one week after; nobody fails, and at no hour is a state below zero by more than the integrator's tolerance.
- ``drift``: 1,000 random untreated people (parameters, flora; no illness, which moves the gut by intent); no
  state of the gut moves by 0.1 % in 12 weeks.
- ``stability``: 400 random floras of each kind of evenness; how many have a stable steady state.

Chunks that are done are kept in ``results/standing`` by the model's hash, so a run that was cut off goes on
where it stopped; ``standing.tsv`` holds the sums. ``--share 0.01`` runs a hundredth of each check.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import table
from bench import DAY, NO_ILLNESS, WEEK
from random_regimens import SEED, pick, random_regimen
from scipy.stats import gamma

from opiome import cohort, engine, model, regimen, streams
from opiome.model import untreated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench import Array

    from opiome.engine import EventTable, Program
    from opiome.model import Model

HERE = Path(__file__).parent
FIELDS = ("check", "people", "refused", "failed", "broken", "worst", "where", "model", "date")
RTOL, FINE_RTOL = 1e-4, 1e-7
LARGEST_DRIFT = 1e-3
GROUP, WEEKS = 25, 4
EVENNESS = (1.0, 0.3, 0.1)
ALWAYS_MOVING = ("tumour", "cd8")


@dataclass(frozen=True)
class Found:
    """What a chunk, or a whole check, found.

    ``refused`` have no untreated steady state, ``failed`` could not be integrated, ``broken`` break what the
    check asks for; ``worst`` is the largest violation and ``where`` its state.
    """

    people: int
    refused: int = 0
    failed: int = 0
    broken: int = 0
    worst: float = 0.0
    where: str = ""

    def __add__(self, other: Found) -> Found:
        """Two chunks together."""
        worse = max(self, other, key=lambda found: found.worst)
        counts = {k: getattr(self, k) + getattr(other, k) for k in ("people", "refused", "failed", "broken")}
        return Found(**counts, worst=worse.worst, where=worse.where)


class Standing:
    """The model and what the checks need of it."""

    def __init__(self, threads: int = 2) -> None:
        self.threads = threads

    @cached_property
    def model(self) -> Model:
        return model.load()

    @cached_property
    def program(self) -> Program:
        return engine.compile(self.model.sbml)

    @cached_property
    def watched(self) -> Program:
        """The program with every state as an output, for looking at them between events."""
        return engine.compile(self.model.sbml, outputs=list(self.program.states))

    def people(
        self, numbers: range, evenness: float, population: Mapping[str, Mapping[str, object]]
    ) -> tuple[dict[str, Array], Array, cohort.Cohort]:
        """Random people who have an untreated state: parameters, start and the people."""
        found = cohort.build(self.model, population, len(numbers), SEED, numbers.start, program=self.program)
        found = found.take(found.outcome == 0)
        shares = flora(self.model, found.ids, evenness)
        solved = untreated(self.model, self.program, found.parameters, shares)
        good = solved.outcome == 0
        values = {name: column[good] for name, column in solved.parameters.items()}
        return values, solved.start[good], found.take(good)


def flora(loaded: Model, patients: np.ndarray, evenness: float) -> dict[str, Array]:
    """Random shares of the guilds: Dirichlet draws (gamma variates, which are divided by their sum later)."""
    return {
        guild: gamma.ppf(streams.uniform(SEED, f"standing/{guild}/{evenness}", patients), evenness) + 1e-12
        for guild in loaded.guilds["id"]
    }


def negative(standing: Standing, first: int, n: int) -> Found:
    """Random people on random regimens; broken: a state below zero by more than the tolerance."""
    values, start, people = standing.people(range(first, first + n), EVENNESS[(first // n) % 2], {})
    values, events = _treated(standing, values, people)
    program = standing.watched
    end = WEEKS * WEEK
    run = program.ensemble(
        values, n=len(people), start=start, events=events, rtol=RTOL, threads=standing.threads
    )
    signed = (start < 0).any(axis=0)
    peak, least = np.abs(start), np.zeros_like(start)
    for day in range(int((end + WEEK) / DAY)):
        seen = run.advance((day + 1) * DAY, at=day * DAY + np.arange(24) + 0.1).values
        low, high = seen.min(axis=1), np.abs(seen).max(axis=1)
        peak = np.fmax(peak, high)
        with np.errstate(invalid="ignore", divide="ignore"):
            least = np.fmin(least, np.where(peak > 0, low / peak, 0.0))
    least[:, signed] = 0.0
    least = np.nan_to_num(least)
    return _found(program.states, n, np.asarray(run.outcome) != 0, -least, RTOL)


def _treated(
    standing: Standing, values: Mapping[str, Array], people: cohort.Cohort
) -> tuple[dict[str, Array], EventTable]:
    """Give each group of people a random regimen: parameters and events."""
    columns = {name: np.array(column) for name, column in values.items()}
    tables = []
    for at in range(0, len(people), GROUP):
        rows = np.arange(at, min(at + GROUP, len(people)))
        lines = random_regimen(standing.model, int(people.ids[rows[0]]), WEEKS * 7)
        group = people.take(rows)
        own = cohort.parameters_of(standing.model, group, regimen.parameters(lines, standing.model))
        for name, column in own.items():
            columns[name][rows] = column
        tables.append(regimen.events(lines, standing.model, 0.0, WEEKS * WEEK, patients=rows))
    return columns, engine.EventTable.concat(tables)


def drift(standing: Standing, first: int, n: int) -> Found:
    """Untreated people; broken: a state of the gut that moves by 0.1 % in 12 weeks."""
    values, start, people = standing.people(range(first, first + n), EVENNESS[0], NO_ILLNESS)
    # the error of a coarse solution would be taken for drift
    run = standing.program.ensemble(
        values, n=len(people), start=start, threads=standing.threads, rtol=FINE_RTOL
    )
    run.advance(12 * WEEK)
    moved = np.abs(run.states - start) / np.maximum(np.abs(start), 1e-9)
    moved[:, [i for i, s in enumerate(standing.program.states) if s.startswith(ALWAYS_MOVING)]] = 0.0
    return _found(standing.program.states, n, np.asarray(run.outcome) != 0, moved, LARGEST_DRIFT)


def stability(standing: Standing, first: int, n: int, evenness: float) -> Found:
    """Random floras at 3 to 21 movements a week, otherwise the typical patient; refused: no stable state."""
    row = np.arange(first, first + n)
    weekly = pick("habit", row, 3.0, 21.0)
    solved = untreated(
        standing.model, standing.program, {"bowel_habit": weekly / WEEK}, flora(standing.model, row, evenness)
    )
    return Found(n, refused=int((solved.outcome != 0).sum()))


def _found(states: Sequence[str], people: int, failed: Array, size: Array, allowed: float) -> Found:
    """Count who strays further than allowed; ``size`` (n, states) is how far, ``people`` who were drawn."""
    size = np.where(failed[:, None], 0.0, size)
    worst = float(size.max(initial=0.0))
    where = states[int(size.max(axis=0).argmax())] if worst > 0 else ""
    broken = int((size > allowed).any(axis=1).sum())
    return Found(people, people - len(size), int(failed.sum()), broken, worst, where)


CHECKS = {
    "negative": (negative, 100_000, 500),
    "drift": (drift, 1_000, 200),
    **{
        f"stability {evenness:g}": (lambda s, first, n, e=evenness: stability(s, first, n, e), 400, 200)
        for evenness in EVENNESS
    },
}


def run(standing: Standing, name: str, share: float, kept: Path) -> Found:
    """Run the chunks of a check that are not kept, keep them, and return the sum of all."""
    check, people, size = CHECKS[name]
    wanted = max(int(people * share), 1)
    done = {int(row["first"]): row for row in table.read(kept) if row["check"] == name}
    total = Found(0)
    for first in range(0, wanted, size):
        n = min(size, wanted - first)
        if first in done and int(done[first]["people"]) == n:
            row = done[first]
            counts = (int(row[k]) for k in ("people", "refused", "failed", "broken"))
            found = Found(*counts, float(row["worst"]), row["where"])
        else:
            found = check(standing, first, n)
            _append(kept, {"check": name, "first": first, **asdict(found)})
        total += found
        print(name, total, flush=True)
    return total


def _append(file: Path, row: Mapping[str, object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(row), delimiter="\t", lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def main() -> None:
    """Run the checks and write ``standing.tsv``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="checks whose names begin so")
    parser.add_argument("--share", type=float, default=1.0, help="share of each check's people")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, default=HERE / "standing.tsv")
    options = parser.parse_args()
    standing = Standing(options.threads)
    sha = standing.model.sha256[:12]
    kept = Path("results") / "standing" / f"{sha}.tsv"
    rows = {row["check"]: row for row in table.read(options.results)}
    for name in CHECKS:
        if name.startswith(options.only):
            found = run(standing, name, options.share, kept)
            today = dt.datetime.now(tz=dt.UTC).date().isoformat()
            numbers = asdict(found) | {"worst": f"{found.worst:.3g}"}
            rows[name] = {
                "check": name,
                **{k: str(v) for k, v in numbers.items()},
                "model": sha,
                "date": today,
            }
            table.write(options.results, FIELDS, [rows[name] for name in CHECKS if name in rows])


if __name__ == "__main__":
    main()
