"""A study as a COMBINE archive: one virtual patient in each of its arms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opiome.errors import InputError, Problem
from opiome.exchange._archive import writable, write_archive
from opiome.exchange._export import sbml_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from opiome.model import Model
    from opiome.trial import Study

__all__ = ["write_study"]

_DAY = 24.0


def write_study(
    path: Path | str,
    study: Study,
    *,
    patient: int | None = None,
    seed: int | None = None,
    days: float | None = None,
    variables: Sequence[str] | None = None,
    model: Model | None = None,
    overwrite: bool = False,
) -> Path:
    """Write every arm of a study, for one person, as a COMBINE archive and return its path.

    Each arm is an SBML model with this person's parameters, the state at randomisation (time 0) and, as
    events, all that was given in the simulated trial: study drug without missed doses, prior therapy that
    goes on, rescue doses and what the rules of the protocol changed. The SED-ML file asks for every hour of
    the treatment. Tables beside it hold the person's covariates and the doses of each arm.

    Args:
        path: file to write, usually ``*.omex``.
        study: what :func:`opiome.trial.load_study` returns.
        patient: number of the person; the first who qualifies when left out.
        seed: the seed of every random stream; the study's own when left out.
        days: how long to simulate; the whole treatment when left out.
        variables: ids of what is reported; the model's observables when left out.
        model: a loaded model; the shipped one when left out.
        overwrite: replace an existing file.

    Raises:
        InputError: the file exists or cannot be written, or the time or a variable is out of range.
        CohortError: nobody qualifies, or this person cannot be simulated.
        DoseError: something was given that SBML cannot say (a steady-state dose, a reset).
    """
    import numpy as np
    import polars as pl

    from opiome import model as models
    from opiome import trial

    loaded = models.load(species=study.species) if model is None else model
    names = list(loaded.observables["id"]) if variables is None else list(variables)
    hours = study.treatment.duration if days is None else _DAY * days
    target = writable(path, overwrite=overwrite)
    _check(study, loaded, names, hours)
    if patient is None:
        screened = trial.Twins.screened(study, 1, seed, model=loaded)
        patient = int(screened.accepted.cohort.ids[0])
    arms, tables = {}, {}
    for arm in study.arms:
        course = trial.patient(study, patient, arm, seed, model=loaded)
        replay, name = course.replay, arm.replace("-", "_")
        events = replay.events
        events = events.take(np.flatnonzero(np.asarray(events.TIME) < hours))
        arms[name] = sbml_text(
            loaded, parameters=replay.parameters, start=replay.start, events=events, until=hours
        )
        tables[f"doses_{name}"] = events.to_polars().write_csv(separator="\t")
        person = course.cohort.covariates.insert_column(0, pl.Series("patient", [patient]))
        tables["patient"] = person.write_csv(separator="\t")
    return write_archive(target, arms, names, hours, round(hours), tables=tables, overwrite=overwrite)


def _check(study: Study, model: Model, variables: Sequence[str], hours: float) -> None:
    problems = []
    longest = study.treatment.duration
    if not 1 <= hours <= longest:
        problems.append(
            Problem(
                f"{hours / _DAY:g} days cannot be simulated",
                file=study.name,
                field="days",
                expected=f"an hour to {longest / _DAY:g} days, the treatment of the study",
                remedy="ask for fewer days, or leave them out for the whole treatment",
            )
        )
    known = {s.id for s in model.draft.assembly.statements}
    problems += [
        Problem(f"the model has no variable '{name}'", field="variables", remedy="name a state or variable")
        for name in variables
        if name not in known
    ]
    if problems:
        raise InputError(problems)
