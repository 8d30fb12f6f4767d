"""Choose the numbers of evacuation and diary on fit rows of trials: ``python qualification/habit_fit.py``.

Without ``--free`` it prints the fit rows with the present numbers. ``--set NAME=VALUE`` changes a number,
``--free NAME=LOW:HIGH`` (several) lets one vary, and the fit prints the rows before and after. Hours of the
model are kept in ``--hours`` (a folder) and recorded where they are missing; after a change of the model
give another folder. No check row is read.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import habit
import numpy as np
from habit import Hours
from scipy.optimize import minimize

from opiome import model, streams, trial
from opiome.trial._numbers import DiaryNumbers, diary_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

OIC_J_BEFORE, OIC_J_AFTER = 7.0, 4.7
"""Movements per week before and after the first opioid, cases ``oicj_sbm_before`` and ``oicj_sbm_after``."""
POINTS, RELATIVE, MINOR, CAP = 5.0, 0.2, 0.15, 4.0
"""Allowed errors of the qualification (points, share), weight of rows of symptoms, largest counted error."""
MAJOR = ("responder", "sbm_change", "first_sbm", "sbm_24h", "sbm")
Row = tuple[str, str, str]


@dataclass(frozen=True)
class Fitted:
    """A fit study: its file, candidates recorded, most movements in the run-in, hazards of leaving."""

    study: str
    candidates: int
    entry: int
    hazards: tuple[float, float]


TRIALS = (
    Fitted("compose-1", 700, 4, (0.015, 0.01)),
    Fitted("compose-4", 1200, 5, (0.02, 0.0)),
)
STARTED, STARTERS = "first-opioid", 300
WILLING = ("placebo", "naldemedine")


def hours(folder: Path) -> dict[str, Hours]:
    """The recorded hours of the fit studies."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {item.study: (item.candidates, WILLING[0]) for item in TRIALS} | {STARTED: (STARTERS, None)}
    for study, (candidates, rescued) in wanted.items():
        if not (file := folder / f"{study}.npz").exists():
            habit.record(study, candidates, rescued=rescued).save(file)
    return {study: Hours.load(folder / f"{study}.npz") for study in wanted}


def published(study: str) -> dict[Row, float]:
    """The fit rows of a trial: (study, endpoint, arm) to the value."""
    rows = trial.load_study(study).published
    return {(study, r.endpoint, r.arm): float(r.value) for r in rows if r.role == "fit" and not r.against}


def run_trial(
    item: Fitted, kept: Hours, rated: Callable[[Hours], Hours], numbers: DiaryNumbers, course: Array
) -> tuple[dict[Row, float], dict[Row, Array]]:
    """The endpoints of a trial, and the times to the first movement that smooth comparisons need."""
    lead = kept.phases["run_in"].shape[1]
    everybody = kept.take(np.arange(len(kept.ids)), ["run_in"])
    before, bowel = habit.live(rated(everybody), "run_in", numbers, course)
    rows = np.flatnonzero(before.counts["sbm"].sum(axis=1) <= item.entry)
    kept = rated(kept.take(rows, ["run_in", *WILLING]))
    ids, own = kept.ids, slice(0, lead)
    base = {name: before.weekly(name, own)[rows] for name in ("sbm", "csbm", "easy")}
    score = streams.normal(kept.seed, "nonspecific effect", ids)
    effect = numbers.nonspecific_median * np.exp(numbers.nonspecific_sd * score)
    found: dict[Row, float] = {(item.study, "baseline", "all"): base["sbm"].mean()}
    times: dict[Row, Array] = {}
    for arm in WILLING:
        pages, _ = habit.live(kept, arm, numbers, course, bowel=bowel.take(rows), effect=effect)
        stayed = habit.followed(pages, ids, kept.seed, lead, item.hazards)
        pages = pages.until(stayed)
        days = pages.recorded.shape[1]
        window = slice(days - 14, days)
        there = pages.recorded[:, window].any(axis=1)
        found[item.study, "responder", arm] = 100 * _responds(pages, base["sbm"], days).mean()
        for name, endpoint in (("sbm", "sbm_change"), ("csbm", "csbm_change"), ("easy", "sbm_easy_change")):
            found[item.study, endpoint, arm] = (pages.weekly(name, window) - base[name])[there].mean()
        found[item.study, "sbm_24h", arm] = 100 * (pages.first <= 24).mean()
        for endpoint, first in (("first_sbm", pages.first), ("first_csbm", pages.first_complete)):
            found[item.study, endpoint, arm] = float(np.median(np.minimum(first, 24.0 * days)))
            times[item.study, endpoint, arm] = first
        found[item.study, "rescued", arm] = 100 * (pages.counts["rescue"].sum(axis=1) > 0).mean()
    return found, times


def _responds(pages: habit.Pages, base: Array, days: int) -> NDArray[np.bool_]:
    """9 of 12 weeks where the trial is that long, else the mean of the trial."""
    if days < 12 * habit.WEEK:
        mean = pages.weekly("sbm", slice(0, days))
        return (mean >= 3) & (mean >= base + 1)
    weeks = [slice(habit.WEEK * w, habit.WEEK * (w + 1)) for w in range(days // habit.WEEK)]
    counts = np.stack([pages.weekly("sbm", week) for week in weeks], axis=1)
    counted = np.stack([pages.recorded[:, week].sum(axis=1) >= 4 for week in weeks], axis=1)
    good = counted & (counts >= 3) & (counts >= base[:, None] + 1)
    return (good.sum(axis=1) >= 9) & (good[:, -4:].sum(axis=1) >= 3)


def after_start(kept: Hours, numbers: DiaryNumbers) -> dict[Row, float]:
    """Movements per week before and after the first opioid, half of the people with a laxative."""
    rhythm = np.asarray(numbers.rhythm)
    weekly = {
        phase: (values[..., 0] * rhythm).mean(axis=(1, 2)) * 168 for phase, values in kept.phases.items()
    }
    enters = weekly["run_in"] >= 3
    after = (weekly["morphine"][enters].mean() + weekly["laxative"][enters].mean()) / 2
    return {
        (STARTED, "sbm", "before"): weekly["run_in"][enters].mean(),
        (STARTED, "sbm", "after"): after,
    }


class Fit:
    """The fit rows and what the numbers make of them."""

    def __init__(self, folder: Path) -> None:
        self.hours = hours(folder)
        table = model.load().parameters
        values = {row["id"]: row for row in table.iter_rows(named=True)}
        self.typical = {
            name: float(values[name.removesuffix("_cv")]["cv" if name.endswith("_cv") else "value"])
            for name in habit.EVACUATION
        }
        self.diary = diary_numbers()
        self.courses = {t.study: habit.rescue_course(self.hours[t.study], WILLING[0]) for t in TRIALS}
        self.rows = {k: v for t in TRIALS for k, v in published(t.study).items()}
        self.rows |= {(STARTED, "sbm", "before"): OIC_J_BEFORE, (STARTED, "sbm", "after"): OIC_J_AFTER}

    def run(self, given: Mapping[str, float]) -> tuple[dict[Row, float], dict[Row, Array]]:
        """The endpoints with some numbers changed."""
        diary = replace(self.diary, **{k: v for k, v in given.items() if k not in habit.EVACUATION})
        later = round(diary.clock_at_zero) - round(self.diary.clock_at_zero)
        diary = replace(diary, rhythm=tuple(np.roll(diary.rhythm, -later).tolist()))

        def rated(kept: Hours) -> Hours:
            return habit.rates(kept, given, self.typical)

        found: dict[Row, float] = {}
        times: dict[Row, Array] = {}
        for item in TRIALS:
            one, first = run_trial(item, self.hours[item.study], rated, diary, self.courses[item.study])
            found |= one
            times |= first
        return found | after_start(rated(self.hours[STARTED]), diary), times

    def errors(self, given: Mapping[str, float]) -> dict[Row, tuple[float, float]]:
        """Each row's error in allowed errors, and its weight.

        A median of a time is compared by the share of people who have moved by the published time (which
        does not jump), 10 points being the allowed error.
        """
        found, times = self.run(given)
        out = {}
        for row, value in self.rows.items():
            if row in times:
                error = (100 * (times[row] <= value).mean() - 50) / (2 * POINTS)
            else:
                share = row[1] in ("responder", "sbm_24h")
                allowed = max(RELATIVE * abs(value), POINTS if share else 0.0)
                error = (found[row] - value) / allowed
            out[row] = error, 1.0 if row[1] in MAJOR else MINOR
        return out

    def score(self, given: Mapping[str, float]) -> float:
        """The sum of weighted squares of the errors, each cut off at ``CAP``."""
        return float(sum(w * min(abs(z), CAP) ** 2 for z, w in self.errors(given).values()))

    def search(
        self, start: Mapping[str, float], free: Mapping[str, tuple[float, float]], evaluations: int
    ) -> dict[str, float]:
        """The best numbers found by Nelder and Mead's simplex inside the ranges of ``free``."""
        names = list(free)
        low, high = (np.array([free[name][k] for name in names]) for k in (0, 1))

        def given(point: Array) -> dict[str, float]:
            inside = low + (high - low) / (1 + np.exp(-point))
            return {**start, **dict(zip(names, inside.tolist(), strict=True))}

        middle = np.array([start.get(name, self.present(name)) for name in names])
        share = np.clip((middle - low) / (high - low), 0.03, 0.97)
        origin = np.log(share / (1 - share))
        corners = origin + np.vstack([np.zeros(len(names)), 0.7 * np.eye(len(names))])
        found = minimize(
            lambda point: self.score(given(point)),
            origin,
            method="Nelder-Mead",
            options={"maxfev": evaluations, "initial_simplex": corners},
        )
        return given(found.x)

    def present(self, name: str) -> float:
        """A number as it stands in the tables."""
        return self.typical[name] if name in self.typical else float(getattr(self.diary, name))

    def table(self, columns: Sequence[Mapping[str, float]]) -> str:
        """The fit rows, published and with each set of numbers, and the score."""
        runs = [self.run(given)[0] for given in columns]
        lines = ["study endpoint arm published model"]
        for row in [*self.rows, *(r for r in runs[0] if r not in self.rows)]:
            value = f"{self.rows[row]:.3g}" if row in self.rows else "-"
            lines.append(" ".join([*row, value, *(f"{run[row]:.2f}" for run in runs)]))
        return "\n".join([*lines, "score - - - " + " ".join(f"{self.score(g):.2f}" for g in columns)])


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    known = {*habit.EVACUATION, *(f.name for f in fields(DiaryNumbers))} - {"rhythm"}
    if name not in known:
        raise argparse.ArgumentTypeError(
            f"'{name}' is no number of evacuation or diary: {', '.join(sorted(known))}"
        )
    return name, value


def main() -> None:
    """Print the fit rows; fit first if something is free."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=Path, default=Path("build") / "habit")
    parser.add_argument("--set", type=_pair, action="append", default=[])
    parser.add_argument("--free", type=_pair, action="append", default=[])
    parser.add_argument("--evaluations", type=int, default=200)
    options = parser.parse_args()
    fit = Fit(options.hours)
    start = {name: float(value) for name, value in options.set}
    columns: list[Mapping[str, float]] = [{}, start] if start else [{}]
    if options.free:
        free = {name: (float(v.split(":")[0]), float(v.split(":")[1])) for name, v in options.free}
        columns.append(fit.search(start, free, options.evaluations))
        print(*(f"{name}={value:.4g}" for name, value in columns[-1].items()))
    print(fit.table(columns))


if __name__ == "__main__":
    main()
