"""Bowel movements as counted events: a renewal process in the time of the evacuation rate.

The model gives each patient a rate (movements per hour). Between two movements the integrated rate reaches a
threshold, drawn anew each time from a gamma distribution of mean 1: movements are more regular than a Poisson
process, and their long-run number is exactly the integral of the rate. The rate of one person differs from
day to day and week to week, and over the day; what a trial finds in an untreated arm (variation, regression
to the mean after selection) follows from that and is written nowhere. What is passed within half an hour of a
movement belongs to the same sitting: at ordinary rates that hardly ever happens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opiome import streams
from opiome.trial._diary import Movements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from opiome.trial._numbers import DiaryNumbers

__all__ = ["SIGNS", "Bowel"]

SIGNS = ("bm_rate", "completeness", "straining", "bristol")
"""The observables that a bowel movement is drawn from."""
_HOURS = 24
_WEEK, _SPELL = 7, 28  # days


@dataclass
class Bowel:
    """The evacuation of n patients, carried on from day to day.

    Attributes:
        patients: patient numbers, shape (n,).
        numbers: the diary's numbers.
        seed: the study seed.
        togo: integrated rate left until the next movement, shape (n,).
        passed: movements so far, shape (n,).
        last: hours (since randomisation) of the last movement, shape (n,).
        rescued: hours of the last rescue laxative, shape (n,); -inf before the first.
    """

    patients: NDArray[np.int64]
    numbers: DiaryNumbers
    seed: int
    togo: NDArray[np.float64]
    passed: NDArray[np.int64]
    last: NDArray[np.float64]
    rescued: NDArray[np.float64]

    @classmethod
    def start(
        cls,
        patients: NDArray[np.int64],
        rate: NDArray[np.float64],
        time: float,
        numbers: DiaryNumbers,
        seed: int,
    ) -> Bowel:
        """Patients in the middle of an interval, as someone is who is first asked at a random moment.

        The rest of the interval in progress has the equilibrium distribution of the renewal process: a
        uniform share of a length-biased gamma interval. The time since the last movement is the other share
        of it, at the present ``rate`` (per h, shape (n,)).
        """
        from scipy.special import gammaincinv

        shape = numbers.interval_shape
        whole = gammaincinv(shape + 1, streams.uniform(seed, "bowel/first", patients, 0, 0)) / shape
        share = streams.uniform(seed, "bowel/first", patients, 0, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            since = np.where(rate > 0, (1 - share) * whole / rate, np.inf)
        return cls(
            patients=patients,
            numbers=numbers,
            seed=seed,
            togo=share * whole,
            passed=np.zeros(len(patients), dtype=np.int64),
            last=time - since,
            rescued=np.full(len(patients), -np.inf),
        )

    def take(self, rows: NDArray[np.intp]) -> Bowel:
        """The state of some patients (positions)."""
        return Bowel(
            self.patients[rows],
            self.numbers,
            self.seed,
            togo=self.togo[rows],
            passed=self.passed[rows],
            last=self.last[rows],
            rescued=self.rescued[rows],
        )

    @classmethod
    def join(cls, parts: Sequence[Bowel]) -> Bowel:
        """Several groups, one under the other."""
        return cls(
            np.concatenate([part.patients for part in parts]),
            parts[0].numbers,
            parts[0].seed,
            togo=np.concatenate([part.togo for part in parts]),
            passed=np.concatenate([part.passed for part in parts]),
            last=np.concatenate([part.last for part in parts]),
            rescued=np.concatenate([part.rescued for part in parts]),
        )

    def day(
        self,
        number: int,
        start: float,
        signs: Mapping[str, NDArray[np.float64]],
        factor: float | NDArray[np.float64] = 1.0,
    ) -> Movements:
        """Pass one day.

        Args:
            number: days since the start of the simulation; it names the day's and week's variation.
            start: hours since randomisation at the start of the day.
            signs: the observables of :data:`SIGNS` in the middle of each hour, shape (n, 24); a rate that is
                not a number (a failed patient) counts as 0.
            factor: the non-specific effect of the trial on the rate of someone with next to no movements,
                once it has built up; a number or shape (n,).

        Returns:
            The movements of the day, ordered by patient and time.
        """
        plain = np.nan_to_num(signs["bm_rate"], nan=0.0)
        rate = plain * (self._variation(number) * self._nonspecific(plain, start, factor))[:, None]
        hazard = np.maximum(rate, 0.0) * np.asarray(self.numbers.rhythm)
        reached = np.cumsum(hazard, axis=1)
        total = reached[:, -1]
        parts: list[Movements] = []
        togo = self.togo
        while len(rows := np.flatnonzero(togo <= total)):
            due = togo[rows]
            hour = np.minimum((reached[rows] < due[:, None]).sum(axis=1), _HOURS - 1)
            inside = (due - (reached[rows, hour] - hazard[rows, hour])) / hazard[rows, hour]
            time = start + hour + np.clip(inside, 0.0, 1.0)
            new = time - self.last[rows] >= self.numbers.sitting
            parts.append(self._movements(rows[new], hour[new], time[new], signs))
            self.last[rows[new]] = time[new]
            self.passed[rows] += 1
            togo[rows] = due + self._interval(rows)
        self.togo = togo - total
        return Movements.join(parts)

    def _nonspecific(
        self, rate: NDArray[np.float64], start: float, factor: float | NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """What being in the trial does on a day, shape (n,): it helps the constipated.

        A share is there from the first day on (visit, attention, expectation), the rest builds up.
        A regular bowel has little to gain from attention, fluids and time on the toilet, so the effect is
        halved at ``nonspecific_half`` movements a week and fades beyond.
        """
        weekly = rate.mean(axis=1) * _HOURS * _WEEK
        begun = start >= 0
        lacking = (1.0 - self.numbers.nonspecific_at_once) * math.exp(
            -max(start / _HOURS + 0.5, 0.0) / self.numbers.nonspecific_onset
        )
        built = float(begun) * (1.0 - lacking)
        return np.asarray(
            1.0 + built * (factor - 1.0) / (1.0 + (weekly / self.numbers.nonspecific_half) ** 2)
        )

    def _interval(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        from scipy.special import gammaincinv

        u = streams.uniform(self.seed, "bowel/interval", self.patients[rows], self.passed[rows])
        return np.asarray(gammaincinv(self.numbers.interval_shape, u) / self.numbers.interval_shape)

    def _variation(self, number: int) -> NDArray[np.float64]:
        """The log-normal factor of the rate on a day, mean 1: day, week and spell; shape (n,)."""
        scale = self.numbers
        day = streams.normal(self.seed, "bowel/day", self.patients, number)
        week = streams.normal(self.seed, "bowel/week", self.patients, number // _WEEK)
        begin = np.floor(_SPELL * streams.uniform(self.seed, "bowel/spell/begin", self.patients))
        spell = (number + begin.astype(np.int64)) // _SPELL
        slow = streams.normal(self.seed, "bowel/spell", self.patients, spell)
        variance = scale.day_sd**2 + scale.week_sd**2 + scale.spell_sd**2
        return streams.exp(scale.day_sd * day + scale.week_sd * week + scale.spell_sd * slow - 0.5 * variance)

    def _movements(
        self,
        rows: NDArray[np.intp],
        hour: NDArray[np.intp],
        time: NDArray[np.float64],
        signs: Mapping[str, NDArray[np.float64]],
    ) -> Movements:
        numbers = self.numbers
        strain = signs["straining"][rows, hour]
        form = signs["bristol"][rows, hour] + numbers.bristol_sd * self._score("form", rows)
        bristol = np.clip(np.rint(form), 1, 7).astype(np.int8)
        return Movements(
            row=rows,
            time=time,
            spontaneous=time - self.rescued[rows] > numbers.rescue_window,
            complete=self._happens("complete", rows, signs["completeness"][rows, hour]),
            bristol=bristol,
            hard=bristol <= numbers.hard_form,
            straining=self._happens("straining", rows, strain),
            blockage=self._happens("blockage", rows, _scaled_odds(strain, numbers.blockage_ratio)),
            manual=self._happens("manual", rows, _scaled_odds(strain, numbers.manual_ratio)),
        )

    def _happens(
        self, sign: str, rows: NDArray[np.intp], probability: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        from scipy.special import ndtr

        return np.asarray(ndtr(self._score(sign, rows)) < probability)

    def _score(self, sign: str, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """A standard normal score per movement, alike within a person."""
        share = self.numbers.person_share
        patients = self.patients[rows]
        person = streams.normal(self.seed, f"bowel/{sign}/person", patients)
        movement = streams.normal(self.seed, f"bowel/{sign}", patients, self.passed[rows])
        return math.sqrt(share) * person + math.sqrt(1 - share) * movement


def _scaled_odds(probability: NDArray[np.float64], ratio: float) -> NDArray[np.float64]:
    """The probability whose odds are ``ratio`` times those of ``probability``."""
    return ratio * probability / (1.0 - probability + ratio * probability)
