"""Trials of bowel habit again and again on stored hours: nothing of the diary feeds back on the gut.

The rates of the model are computed once for the candidates of a study, hour by hour and arm by arm
(``record``). Evacuation (the last equations of ``bowel.ant``), the diary, entry, rescue and endpoints are run
on them with other numbers in a few seconds. Three things are approximate: a rescue laxative multiplies the
rate by the mean course of those who were given one at randomisation, the drive of a rebound does not change
transit, and drugs are those of the recording. So a choice is checked with ``run.py`` before it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from opiome import cohort, streams, trial
from opiome.trial._bowel import SIGNS, Bowel
from opiome.trial._population import correlations, overrides, weighted
from opiome.trial._protocol import prescribe
from opiome.trial._screen import _ineligible
from opiome.trial._setting import settle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from opiome.trial._numbers import DiaryNumbers
    from opiome.trial._setting import Setting

    Array = NDArray[np.float64]

DAY, WEEK = 24, 7
STATE = ("enteric_signal", "hardness", "stool_output_ratio", "rectal_load_ratio", "motility_drive")
SEEN = (*SIGNS, *STATE)
OWN = ("rectal_opioid_blunting", "bowel_habit", "stool_output_baseline")
SPREAD = "rectal_opioid_blunting_cv"
EVACUATION = (
    *("rectal_opioid_blunting", "movement_adaptation", "rectal_urge", "rectal_urge_order"),
    *("smallest_movement", "withdrawal_urge", "enteric_withdrawal_half", "withdrawal_motility"),
    *("k_enteric_dependence", SPREAD),
)
RESCUED, RESCUE_DAYS = "rescued", 4
"""The arm in which everybody takes the rescue laxative at randomisation, and how long it is followed."""


@dataclass(frozen=True)
class Hours:
    """What the model says of the candidates of a study, hour by hour.

    Attributes:
        ids: patient numbers, shape (n,).
        own: name of ``OWN`` to each one's value, shape (n,).
        phases: ``run_in`` and each arm to the variables of ``SEEN``, shape (n, days, 24, variables).
        seed: the study seed.
    """

    ids: NDArray[np.int64]
    own: Mapping[str, Array]
    phases: Mapping[str, NDArray[np.float32]]
    seed: int

    def save(self, file: Path) -> None:
        """Write everything to an ``.npz`` file."""
        phases = {f"phase_{name}": values for name, values in self.phases.items()}
        own = {f"own_{name}": values for name, values in self.own.items()}
        np.savez(file, ids=self.ids, seed=self.seed, **phases, **own)

    def take(self, rows: NDArray[np.intp], phases: Sequence[str]) -> Hours:
        """Some of the candidates (positions), some of the phases."""
        own = {name: values[rows] for name, values in self.own.items()}
        return replace(self, ids=self.ids[rows], own=own, phases={k: self.phases[k][rows] for k in phases})

    @classmethod
    def load(cls, file: Path) -> Hours:
        """What ``save`` wrote."""
        with np.load(file) as kept:
            own = {name: kept[f"own_{name}"] for name in OWN}
            phases = {k.removeprefix("phase_"): kept[k] for k in kept.files if k.startswith("phase_")}
            return cls(kept["ids"], own, phases, int(kept["seed"]))


def record(study: str, candidates: int, *, chunk: int = 140, rescued: str | None = None) -> Hours:
    """Run the candidates of a study through its run-in and each of its arms, without rescue laxatives.

    The drive of an enteric rebound is left out: it is put back by :func:`rates`. ``rescued`` names the arm in
    which a rescue laxative is tried out.
    """
    setting = settle(trial.load_study(study), None, 1, None, chunk)
    parts = [
        _record(setting, np.arange(first, min(first + chunk, candidates)), rescued)
        for first in range(0, candidates, chunk)
    ]
    own = {name: np.concatenate([part.own[name] for part in parts]) for name in OWN}
    phases = {name: np.concatenate([part.phases[name] for part in parts]) for name in parts[0].phases}
    return Hours(np.concatenate([part.ids for part in parts]), own, phases, setting.seed)


def _record(setting: Setting, numbers: NDArray[np.int64], rescued: str | None) -> Hours:
    study, program = setting.study, setting.program
    columns = [program.outputs.index(name) for name in SEEN]
    taking = setting.therapy.draw(numbers)
    population, rho = overrides(study.population.covariates), correlations(study)
    codes, _ = cohort.people(setting.model, population, numbers, setting.seed, rho)
    refused = _ineligible(study, {**codes, "ome": taking.ome})
    eligible = np.array([not reason for reason in refused])
    people = cohort.build(
        setting.model,
        population,
        len(numbers),
        setting.seed,
        int(numbers[0]),
        program=program,
        correlations=rho,
        keep=lambda _: eligible,
    )
    rows = np.flatnonzero(eligible)
    people = weighted(study, people, taking.ome[rows])
    solved = people.outcome == 0
    people, taking = people.take(solved), taking.take(rows[solved])
    still = {"edge_enteric_withdrawal": np.zeros(len(people))}

    def follow(run: object, days: int) -> NDArray[np.float32]:
        kept = []
        for _ in range(days):
            now = float(run.time)  # type: ignore[attr-defined]
            block = run.advance(now + DAY, now + 0.5 + np.arange(DAY))  # type: ignore[attr-defined]
            kept.append(np.asarray(block.values)[:, :, columns].astype(np.float32))
        return np.stack(kept, axis=1)

    own = setting.therapy.parameters(people, taking, None)
    run = program.ensemble(
        own | still, n=len(people), start=people.start, events=setting.therapy.prior(taking), threads=1
    )
    run.advance(study.start_of_run_in)
    phases = {"run_in": follow(run, setting.lead)}
    middle = np.array(run.states)
    arms = [(arm, arm, setting.days - setting.lead) for arm in study.arms]
    if rescued is not None:
        arms.append((RESCUED, rescued, RESCUE_DAYS))
    for name, arm, days in arms:
        given = setting.therapy.parameters(people, taking, arm) | still
        fixed = prescribe(setting, people, taking, arm).fixed
        run = program.ensemble(given, n=len(people), start=middle, events=fixed, threads=1)
        if name == RESCUED:
            times = np.full(len(people), float(run.time))
            run.give(setting.therapy.rescue_doses(np.arange(len(people)), times))
        phases[name] = follow(run, days)
    return Hours(people.ids, {name: own[name] for name in OWN}, phases, setting.seed)


def rates(hours: Hours, numbers: Mapping[str, float], typical: Mapping[str, float]) -> Hours:
    """The hours with the evacuation rates that other ``numbers`` (those of ``EVACUATION``) give.

    ``typical`` has the model's own values; a person's blunting keeps its place among those of the others.
    """
    given = {name: float(numbers.get(name, typical[name])) for name in EVACUATION}
    wider = _log_sd(given[SPREAD]) / _log_sd(typical[SPREAD])
    ratio = hours.own["rectal_opioid_blunting"] / typical["rectal_opioid_blunting"]
    person = {**hours.own, "rectal_opioid_blunting": given["rectal_opioid_blunting"] * ratio**wider}
    phases, adapted, first = {}, None, None
    for name, kept in hours.phases.items():
        days = kept.reshape(len(kept), -1, kept.shape[-1]).astype(np.float64)
        state = {variable: days[..., SEEN.index(variable)] for variable in STATE}
        if name == "run_in":
            adapted = state["enteric_signal"][:, : DAY * WEEK].mean(axis=1)
        rebound, after = _rebound(state["enteric_signal"], adapted, given)
        if name == "run_in":
            adapted = first = after
        adapted = first
        new = kept.copy()
        new[..., 0] = _rate(state, rebound, person, given).reshape(kept.shape[:3])
        phases[name] = new
    return replace(hours, phases=phases)


def _log_sd(cv: float) -> float:
    return float(np.sqrt(np.log1p(cv**2)))


def _rebound(signal: Array, adapted: Array, given: Mapping[str, float]) -> tuple[Array, Array]:
    """``enteric_withdrawal`` in each hour, and the adaptation at the end."""
    out, kept = np.empty_like(signal), np.exp(-given["k_enteric_dependence"])
    half = given["enteric_withdrawal_half"] ** 6
    for hour in range(signal.shape[1]):
        fall = np.maximum(adapted - signal[:, hour], 0.0) ** 6
        out[:, hour] = fall / (half + fall)
        adapted = signal[:, hour] + (adapted - signal[:, hour]) * kept
    return out, adapted


def _rate(
    state: Mapping[str, Array], rebound: Array, own: Mapping[str, Array], g: Mapping[str, float]
) -> Array:
    """``bm_rate`` of ``bowel.ant``."""
    drive = state["motility_drive"] * (1 + g["withdrawal_motility"] * rebound)
    blunting = 1 + own["rectal_opioid_blunting"][:, None] * state["enteric_signal"]
    call = 1 + g["withdrawal_urge"] * rebound * (1 - state["hardness"]) ** 3
    full = g["rectal_urge"] * state["rectal_load_ratio"] ** g["rectal_urge_order"] * call / blunting
    output, little = state["stool_output_ratio"], g["movement_adaptation"]
    size = blunting * (1 + g["rectal_urge"]) * (output + little) / (drive * (1 + full) * (1 + little))
    floor = (g["smallest_movement"] * own["bowel_habit"] / own["stool_output_baseline"])[:, None] ** 4
    size = ((size**4 + floor) / (1 + floor)) ** 0.25
    return np.asarray(own["bowel_habit"][:, None] * output / size)


def rescue_course(hours: Hours, arm: str) -> Array:
    """The mean rate after a rescue laxative over that without, hour by hour, shape (96,)."""
    with_it, without = (hours.phases[name][:, :RESCUE_DAYS, :, 0] for name in (RESCUED, arm))
    return np.asarray(with_it.mean(axis=0) / without.mean(axis=0), dtype=np.float64).ravel()


@dataclass(frozen=True)
class Pages:
    """A diary.

    Attributes:
        counts: ``bm``, ``sbm``, ``csbm``, ``easy`` and ``rescue`` to daily numbers, shape (n, days); 0 where
            not recorded.
        recorded: whether the day was filled in, shape (n, days).
        first: hours of the first spontaneous movement, shape (n,); inf if none.
        first_complete: the same of a complete one.
    """

    counts: Mapping[str, NDArray[np.int64]]
    recorded: NDArray[np.bool_]
    first: Array
    first_complete: Array

    def weekly(self, name: str, days: slice) -> Array:
        """Movements per week over some days, shape (n,)."""
        return np.asarray(
            WEEK * self.counts[name][:, days].sum(axis=1) / np.maximum(self.recorded[:, days].sum(axis=1), 1)
        )

    def until(self, followed: NDArray[np.int64]) -> Pages:
        """What was written by people who were followed for so many days."""
        days = np.arange(self.recorded.shape[1])[None, :]
        recorded = self.recorded & (days < followed[:, None])
        return replace(self, recorded=recorded, counts={k: v * recorded for k, v in self.counts.items()})


def live(
    hours: Hours,
    phase: str,
    numbers: DiaryNumbers,
    course: Array | None,
    *,
    bowel: Bowel | None = None,
    effect: Array | float = 1.0,
    rescue_after: float = 72.0,
) -> tuple[Pages, Bowel]:
    """Keep the diary of a phase; ``course`` is that of :func:`rescue_course`, None without rescue."""
    kept, ids = hours.phases[phase], hours.ids
    lead = hours.phases["run_in"].shape[1]
    before = 0 if phase == "run_in" else lead
    shape = kept.shape[:2]
    counts = {name: np.zeros(shape, dtype=np.int64) for name in ("bm", "sbm", "csbm", "easy", "rescue")}
    recorded = np.zeros(shape, dtype=bool)
    first, complete = np.full(shape[0], np.inf), np.full(shape[0], np.inf)
    for i in range(shape[1]):
        column, start = before + i, 24.0 * (before + i - lead)
        signs = {name: kept[:, i, :, k].astype(np.float64) for k, name in enumerate(SIGNS)}
        if bowel is None:
            bowel = Bowel.start(ids, signs["bm_rate"][:, 0], start, numbers, hours.seed)
        if course is not None:
            if i:
                due = (start - bowel.last >= rescue_after) & (start - bowel.rescued >= DAY)
                taken = due & _willing(ids, column, numbers, hours.seed)
                bowel.rescued[taken] = start
                counts["rescue"][taken, i] += 1
            since = np.where(np.isfinite(bowel.rescued), start - bowel.rescued, len(course)).astype(int)
            at = np.minimum(since[:, None] + np.arange(DAY), len(course) - 1)
            signs["bm_rate"] *= np.where(since[:, None] < len(course), course[at], 1.0)
        moves = bowel.day(column, start, signs, effect)
        recorded[:, i] = streams.uniform(hours.seed, "diary/missing", ids, column) >= numbers.missing_day
        on = recorded[moves.row, i]
        for name, which in (
            ("bm", on),
            ("sbm", on & moves.spontaneous),
            ("csbm", on & moves.spontaneous & moves.complete),
            ("easy", on & moves.spontaneous & ~moves.straining),
        ):
            np.add.at(counts[name][:, i], moves.row[which], 1)
        ours = on & moves.spontaneous
        np.minimum.at(first, moves.row[ours], moves.time[ours])
        np.minimum.at(complete, moves.row[ours & moves.complete], moves.time[ours & moves.complete])
    return Pages(counts, recorded, first, complete), bowel


def _willing(ids: NDArray[np.int64], day: int, numbers: DiaryNumbers, seed: int) -> NDArray[np.bool_]:
    person = streams.normal(seed, "rescue/person", ids)
    odds = numbers.rescue_uptake / (1 - numbers.rescue_uptake)
    odds = odds * streams.exp(numbers.rescue_uptake_sd * person)
    return np.asarray(streams.uniform(seed, "rescue/day", ids, day) < odds / (1 + odds))


def followed(
    pages: Pages, ids: NDArray[np.int64], seed: int, lead: int, hazards: Sequence[float]
) -> NDArray[np.int64]:
    """Days until someone leaves; ``hazards`` per week: background, and that with less than one SBM a week."""
    sbm = pages.counts["sbm"]
    n, days = sbm.shape
    stayed = np.full(n, days)
    for day in range(days - 1):
        rare = sbm[:, max(day - WEEK + 1, 0) : day + 1].mean(axis=1) * WEEK < 1
        hazard = hazards[0] + hazards[1] * rare
        leaves = streams.uniform(seed, "dropout", ids, lead + day) < 1 - np.exp(-hazard / WEEK)
        stayed = np.where((stayed == days) & leaves, day + 1, stayed)
    return stayed
