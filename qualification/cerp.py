"""CERP (Corli 2016): strong opioids begun in cancer pain and raised at visits, 28 days.

Written down before the first run. People with cancer whose average pain is 4 or more begin morphine CR
60 mg/d or a fentanyl patch of 12 ug/h (first doses assumed; the trial began fentanyl low) and are seen on
days 3, 7, 14 and 21 (recalled). Who then rates the last day's average pain at 4 or more gets a dose half as
high again, in strengths that exist (10 mg twice daily; 12 ug/h), at least one strength. Ratings are whole
numbers with the day-to-day variation of the diary. Nobody leaves, switches or is limited by adverse effects.
A non-responder's rating on day 28 is that of the first day or higher; the dose rise is that of the daily
dose between first and last day, as the mean over people.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
from bench import DAY, interval

from opiome import cohort, regimen, streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Array, Bench
    from experiments import Answer

    from opiome.cohort import Cohort

VISITS, END = (3, 7, 14, 21), 28
PAIN, RAISE, LARGEST = 4.0, 1.5, 20.0
N, DRAWS, SEED = 125, 400, 1
POPULATION = {
    "age": {"distribution": "normal", "median": 67, "cv": 12 / 67, "lower": 20, "upper": 95},
    "female": {"distribution": "bernoulli", "median": 0.45},
    "cancer": {"distribution": "fixed", "median": 1},
}


@dataclass(frozen=True)
class Arm:
    """An opioid without a dose, its first dose and the step between its strengths (its dose unit)."""

    text: str
    first: float
    strength: float


ARMS = {
    "morphine": Arm("morphine CR every 12 h", 30.0, 10.0),
    "fentanyl": Arm("fentanyl patch every 72 h", 12.0, 12.0),
}


def answers(bench: Bench) -> Iterator[tuple[str, Answer]]:
    """Yield the answers of the CERP cases."""
    people = _people(bench)
    worse, rise = {}, {}
    for name, arm in ARMS.items():
        worse[name], rise[name] = _lived(bench, people, arm)
    yield "cerp_nonresponse", interval(100.0 * worse["morphine"], N, "mean")
    for name in ARMS:
        yield f"cerp_rise_{name}", interval(100.0 * rise[name], N, "mean")
    u = streams.uniform(SEED, "qualification/cerp", np.arange(DRAWS)[:, None], draw=np.arange(2 * N)[None, :])
    picked = (u * len(people)).astype(np.int64)
    larger = rise["fentanyl"][picked[:, :N]].mean(axis=1) > rise["morphine"][picked[:, N:]].mean(axis=1)
    yield "cerp_escalation", (float(larger.mean()),) * 3


def _people(bench: Bench) -> Cohort:
    """Those of the population whose untreated pain is moderate or severe."""
    found = cohort.build(bench.model, POPULATION, bench.n, SEED, program=bench.program)
    found = found.take(found.outcome == 0)
    pain = bench.run(found, [], [0.0])["nrs"][:, 0]
    return found.take(pain >= PAIN)


def _lived(bench: Bench, people: Cohort, arm: Arm) -> tuple[Array, Array]:
    """Who is a non-responder, and the relative rise of the daily dose, shape (n,) each."""
    line = regimen.parse(arm.text, bench.model)
    values = dict(people.parameters)
    values |= cohort.parameters_of(bench.model, people, regimen.parameters([line], bench.model))
    run = bench.program.ensemble(values, n=len(people), start=people.start, threads=2)
    nrs = bench.program.outputs.index("nrs")
    doses = np.full(len(people), arm.first)
    first = _rated(people, run.advance(0.0, at=[0.0]).values[:, :, nrs], 0)
    rating = first
    for day, until in zip((0, *VISITS), (*VISITS, END), strict=True):
        if day:
            step = np.maximum(np.round(doses * (RAISE - 1) / arm.strength), 1) * arm.strength
            doses = np.where(rating >= PAIN, np.minimum(doses + step, LARGEST * arm.first), doses)
        given = regimen.events(
            line, bench.model, day * DAY, until * DAY, patients=np.arange(len(people)), doses=doses
        )
        run.give(given)
        last_day = (until - 1 + np.arange(1, 13) / 12) * DAY
        rating = _rated(people, run.advance(until * DAY, at=last_day).values[:, :, nrs], until)
    return rating >= first, doses / arm.first - 1.0


def _rated(people: Cohort, pain: Array, day: int) -> Array:
    """What people write down on a day: whole numbers from 0 to 10."""
    noise = streams.normal(SEED, "qualification/cerp/rating", people.ids, occasion=day)
    return np.clip(np.round(pain.mean(axis=1) + _diary_number("nrs_sd") * noise), 0.0, 10.0)


def _diary_number(name: str) -> float:
    with (resources.files("opiome.trial") / "diary.tsv").open(encoding="utf-8") as file:
        return next(float(row["value"]) for row in csv.DictReader(file, delimiter="\t") if row["id"] == name)
