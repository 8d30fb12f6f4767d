"""The virtual patients from whom the trials of a design are drawn: each lives through every arm, once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from opiome import files
from opiome.errors import CohortError
from opiome.trial._answers import Answers
from opiome.trial._compare import answered
from opiome.trial._conditions import every_rule
from opiome.trial._design_draws import Possible
from opiome.trial._design_file import arms_of, duration_of, endpoint_of
from opiome.trial._randomise import strata
from opiome.trial._schema import Arm, Treatment
from opiome.trial._twins import Twins
from opiome.trial._validate import code_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from opiome.model import Model
    from opiome.trial._design_file import LoadedDesign
    from opiome.trial._protocol_fields import Rules, Titration
    from opiome.trial._run import Progress
    from opiome.trial._schema import Study

__all__ = ["Pool", "Whole", "pool", "whole"]

_FIELDS = ("values", "event", "baseline", "visits", "stratum", "weights")


@dataclass(frozen=True)
class Whole:
    """A study that has the arms of all candidates; ``names`` are their names in it, by candidate and arm."""

    study: Study
    names: list[dict[str, str]]


@dataclass(frozen=True)
class Pool:
    """The answers of a pool of patients.

    ``answers`` holds, for each candidate, arm name to the answers of everybody (the reference among them; the
    same people in the same order in each arm). ``lost`` people could not be simulated in some arm.
    ``refused`` says why there is nobody.
    """

    answers: list[dict[str, Answers]]
    lost: int = 0
    refused: str = ""


def whole(loaded: LoadedDesign) -> Whole:
    """The study in which everybody lives through the arms of all candidates, for as long as the longest."""
    study, design = loaded.study, loaded.design
    reference = study.reference_arm
    arms: dict[str, Arm] = {}
    names: list[dict[str, str]] = []
    origin: dict[str, str] = {}
    ruled = {name for _, rule in every_rule(study) for name in rule.arms}
    for candidate in design.candidates:
        own = {}
        for name, arm in arms_of(candidate, study).items():
            alike = [
                k for k, one in arms.items()
                if _taken(one) == _taken(arm) and (origin[k] == name or not ruled & {origin[k], name})
            ]  # fmt: skip
            place = alike[0] if alike else name
            while not alike and place in arms:
                place += "_"
            arms.setdefault(place, arm.model_copy(update={"allocation": 1.0}))
            origin.setdefault(place, name)
            own[name] = place
        names.append(own)
    arms[reference] = study.arms[reference].model_copy(update={"allocation": 1.0})
    duration = max(duration_of(candidate, study) for candidate in design.candidates)
    update = {
        "arms": arms,
        "reference": reference,
        "treatment": Treatment.model_construct(duration=duration),
        "endpoints": tuple(endpoint_of(candidate, study) for candidate in design.candidates),
        "multiplicity": None,
        "published": (),
        "rules": _rules_of(study, origin),
    }
    return Whole(study.model_copy(update=update), names)


def _rules_of(study: Study, origin: Mapping[str, str]) -> Rules:
    """The rules of the protocol, for the arms that have them under other names too."""

    def widened(rule: Any) -> Any:  # noqa: ANN401  # any of the rules that look at the diary
        if rule is None or not rule.arms:
            return rule
        more = (place for place, name in origin.items() if name in rule.arms and place not in rule.arms)
        return rule.model_copy(update={"arms": (*rule.arms, *more)})

    rules = study.rules
    update = {name: widened(getattr(rules, name)) for name in ("titration", "rotation")}
    update |= {name: tuple(widened(rule) for rule in getattr(rules, name)) for name in ("add", "stop")}
    return rules.model_copy(update=update)


def _taken(arm: Arm) -> tuple[tuple[str, ...], bool, Titration | None]:
    return arm.regimen, arm.keep_background, arm.titration


def pool(
    loaded: LoadedDesign,
    all_arms: Whole,
    model: Model,
    values: dict[str, float],
    file: Path,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Pool:
    """The pool under a model with other values of some parameters, simulated or read from an earlier run.

    People are screened under the model as drawn: whoever runs the trial will recruit by what is true.

    Args:
        loaded: the design.
        all_arms: what :func:`whole` returns.
        model: the model as it is.
        values: the parameters that differ from it.
        file: where the pool is kept; the name gets a hash of all that the pool depends on.
        threads: threads of the engine.
        progress: called as the run goes on.
    """
    key = _key(loaded, all_arms, model, values)
    kept = file.with_name(f"{file.name}-{key[:16]}.npz")
    if kept.exists():
        return _read(kept, len(all_arms.names))
    possible: Any = Possible(model, values)
    try:
        people = Twins.screened(
            all_arms.study, loaded.design.pool, loaded.seed, threads, progress, model=possible, quick=True
        )
    except CohortError as error:
        found = Pool([], refused=str(error))
    else:
        found = _answers(loaded, all_arms, people, progress)
    _write(found, kept)
    return found


def _answers(loaded: LoadedDesign, all_arms: Whole, people: Twins, progress: Progress | None) -> Pool:
    done, total = 0, len(all_arms.study.arms) * people.days * len(people)

    def day_done(size: int) -> None:
        nonlocal done
        done += size
        if progress is not None:
            progress("treatment", done, total)

    diaries, well = people.through(day_done=day_done)
    rows = np.flatnonzero(well)
    named = strata(all_arms.study, people.accepted)
    stratum = [named[row] for row in rows]
    diaries = {arm: diary.take(rows) for arm, diary in diaries.items()}
    found, reference = [], loaded.study.reference_arm
    for candidate, names in zip(loaded.design.candidates, all_arms.names, strict=True):
        chosen = {name: diaries[place] for name, place in names.items()} | {reference: diaries[reference]}
        own = dict.fromkeys(chosen, stratum)
        found.append(answered(endpoint_of(candidate, loaded.study), chosen, own))
    return Pool(found, len(well) - len(rows))


def _key(loaded: LoadedDesign, all_arms: Whole, model: Model, values: dict[str, float]) -> str:
    study = all_arms.study
    facts = {
        "study": study.model_dump_json(exclude={"treatment"}),
        "duration": study.treatment.duration,
        "names": all_arms.names,
        "values": values,
        "pool": loaded.design.pool,
        "seed": loaded.seed,
        "model": model.sha256,
        "code": code_sha256(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _write(found: Pool, file: Path) -> None:
    """Write a pool whole or not at all."""
    arrays: dict[str, Any] = {"lost": np.array(found.lost), "refused": np.array(found.refused)}
    for k, arms in enumerate(found.answers):
        for arm, answers in arms.items():
            arrays[f"{k}/{arm}/kind"] = np.array(answers.kind)
            for name in _FIELDS:
                if (values := getattr(answers, name)) is not None:
                    arrays[f"{k}/{arm}/{name}"] = values
    with files.whole(file) as part, part.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def _read(file: Path, candidates: int) -> Pool:
    with np.load(file, allow_pickle=False) as kept:
        found: list[dict[str, dict[str, Any]]] = [{} for _ in range(candidates)]
        for key in kept.files:
            if "/" in key:
                k, arm, name = key.split("/")
                found[int(k)].setdefault(arm, {})[name] = kept[key]
        refused = str(kept["refused"])
        answers = [{arm: Answers(str(own.pop("kind")), **own) for arm, own in arms.items()} for arms in found]
        return Pool([] if refused else answers, int(kept["lost"]), refused)
