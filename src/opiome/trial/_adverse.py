"""What befalls patients beside their bowels: adverse events, breakthrough pain, progression and death.

Each is drawn from an observable of the model; the numbers that turn an index into a score, a count or a
death stand in ``events.tsv``. A model that lacks an observable gives no such events.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from opiome import streams
from opiome.errors import ModelError, Problem
from opiome.trial._numbers import table_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from opiome.trial._diary import Diary

__all__ = ["EVENT_SIGNS", "AdverseEvents", "EventNumbers", "event_numbers"]

EVENT_SIGNS = ("nausea", "sedation", "delirium", "cows", "tumour", "death_hazard")
"""The observables that adverse events, progression and death are drawn from, where the model has them."""
_DAY, _YEAR = 24.0, 365.25
_MOST_COWS, _MOST_EPISODES = 48.0, 24


@dataclass(frozen=True)
class EventNumbers:
    """The values of ``events.tsv``, which gives each one's unit, range, source and grade."""

    symptom_top: float
    symptom_sd: float
    delirium_spell: float
    breakthrough_share: float
    breakthrough_per_day: float
    breakthrough_pain: float
    cows_sd: float
    progression_ratio: float
    imaging_every: float
    other_death: float


@cache
def event_numbers() -> EventNumbers:
    """The shipped numbers; raises ModelError if a row is missing or unknown."""
    values = {row["id"]: float(row["value"]) for row in table_rows("events.tsv")}
    expected = {item.name for item in fields(EventNumbers)}
    if set(values) != expected:
        names = ", ".join(sorted(set(values) ^ expected))
        raise ModelError(
            Problem(
                f"missing or unknown rows: {names}", file="events.tsv", remedy="restore the shipped table"
            )
        )
    return EventNumbers(**values)


@dataclass
class AdverseEvents:
    """The events of n patients in one phase, day by day.

    Attributes:
        patients: patient numbers, shape (n,).
        seed: the study seed.
        cancer: 1 for people with cancer, shape (n,); only they have breakthrough episodes, progress, and die
            of it.
        mortal: whether anybody can die in this phase (nobody dies before randomisation).
        numbers: the numbers of ``events.tsv``.
        least: the least tumour burden of each person on an image so far, shape (n,); NaN before the first.
    """

    patients: NDArray[np.int64]
    seed: int
    cancer: NDArray[np.float64]
    mortal: bool
    numbers: EventNumbers
    least: NDArray[np.float64]

    @classmethod
    def start(
        cls, patients: NDArray[np.int64], seed: int, cancer: NDArray[np.float64] | None, *, mortal: bool
    ) -> AdverseEvents:
        """Nothing has happened yet; without ``cancer`` nobody has one."""
        sick = np.zeros(len(patients)) if cancer is None else np.asarray(cancer, dtype=np.float64)
        return cls(patients, seed, sick, mortal, event_numbers(), np.full(len(patients), np.nan))

    def breakthrough(self, column: int, pain: NDArray[np.float64]) -> NDArray[np.int64]:
        """Episodes of breakthrough pain on a day, given the mean pain before it (0-10); shape (n,).

        A Poisson number with a mean proportional to pain, for those who have episodes at all.
        """
        numbers = self.numbers
        prone = streams.uniform(self.seed, "breakthrough/person", self.patients) < numbers.breakthrough_share
        mean = numbers.breakthrough_per_day * np.nan_to_num(pain) / numbers.breakthrough_pain
        u = streams.uniform(self.seed, "breakthrough/day", self.patients, column)
        return _poisson(np.where(prone & (self.cancer > 0), mean, 0.0), u)

    def write(
        self, diary: Diary, column: int, means: Mapping[str, NDArray[np.float64]], filled: NDArray[np.bool_]
    ) -> None:
        """Write the scores of a day, where the diary was filled in.

        Args:
            diary: the diaries; changed in place.
            column: the day's column.
            means: daily means of the observables of :data:`EVENT_SIGNS`, shape (n,) each.
            filled: who filled in the diary, shape (n,).
        """
        numbers, patients = self.numbers, self.patients
        found: dict[str, NDArray[np.float64]] = {}
        for name in ("nausea", "sedation"):
            if name in means:
                noise = numbers.symptom_sd * streams.normal(self.seed, f"diary/{name}", patients, column)
                # somebody without the cause has no symptom: noise is no more than the symptom itself
                level = numbers.symptom_top * means[name]
                score = level + np.clip(noise, -level, level)
                found[name] = np.clip(np.rint(score), 0, numbers.symptom_top)
        if "delirium" in means:
            spell = int(column // numbers.delirium_spell)
            u = streams.uniform(self.seed, "diary/delirium", patients, spell)
            found["delirium"] = (u < means["delirium"]).astype(np.float64)
        if "cows" in means:
            level = means["cows"]
            noise = numbers.cows_sd * streams.normal(self.seed, "diary/cows", patients, column)
            found["cows"] = np.clip(np.rint(level + np.clip(noise, -level, level)), 0, _MOST_COWS)
        for name, values in found.items():
            diary.daily[name][:, column] = np.where(filled, values, np.nan)

    def progress(
        self, diary: Diary, column: int, means: Mapping[str, NDArray[np.float64]], present: NDArray[np.bool_]
    ) -> None:
        """Look at the tumour on the days of images, the first on day 1, and note progression."""
        day = column - diary.lead
        if "tumour" not in means or day < 0 or day % int(self.numbers.imaging_every):
            return
        burden = means["tumour"]
        with np.errstate(invalid="ignore"):
            grown = burden >= self.numbers.progression_ratio * self.least
        new = grown & present & (self.cancer > 0) & np.isnan(diary.progression_day)
        diary.progression_day[new] = float(day + 1)
        self.least = np.fmin(self.least, burden)

    def die(
        self, diary: Diary, column: int, means: Mapping[str, NDArray[np.float64]], present: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Who dies at the end of a day, by the hazard of the cancer and that of other causes; shape (n,)."""
        if not self.mortal or "death_hazard" not in means:
            return np.zeros(len(self.patients), dtype=bool)
        hazard = _DAY * np.nan_to_num(means["death_hazard"]) * self.cancer + self.numbers.other_death / _YEAR
        u = streams.uniform(self.seed, "death", self.patients, column)
        dying = present & (u < 1.0 - streams.exp(-hazard))
        diary.death_day[dying] = float(column + 1 - diary.lead)
        return np.asarray(dying)


def _poisson(mean: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.int64]:
    """Poisson numbers by inversion of one uniform each, at most 24."""
    term = streams.exp(-mean)
    reached = term.copy()
    count = np.zeros(mean.shape, dtype=np.int64)
    for k in range(1, _MOST_EPISODES + 1):
        count += u > reached
        term = term * mean / k
        reached = reached + term
    return count
