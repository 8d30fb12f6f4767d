"""Reading a design file: every problem at once, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from opiome import regimen
from opiome.errors import DoseError, InputError, Problem, StudyError, nearest
from opiome.trial import _problems
from opiome.trial._design_draws import unknown_names
from opiome.trial._design_fields import Design
from opiome.trial._endpoint_rules import endpoint_rules, unfit
from opiome.trial._fields import Window
from opiome.trial._load import load_study
from opiome.trial._protocol_rules import protocol_problems
from opiome.trial._reach_rules import low_ceiling, never_met, never_seen, without_opioid
from opiome.trial._rules import arm_problems
from opiome.trial._schema import Arm, Treatment
from opiome.trial._strengths import strength_problems
from opiome.trial._yaml import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opiome.model import Model
    from opiome.trial._design_fields import Candidate
    from opiome.trial._endpoint_fields import Endpoint
    from opiome.trial._schema import Study
    from opiome.trial._yaml import Document, Steps

    Found = Iterator[tuple[Steps, Problem]]

__all__ = ["LoadedDesign", "arms_of", "duration_of", "endpoint_of", "load_design"]

_DAY = 24.0


@dataclass(frozen=True)
class LoadedDesign:
    """A design file, the study that its candidates vary, and the folder of the file."""

    design: Design
    study: Study
    folder: Path

    @property
    def seed(self) -> int:
        """The seed of every random stream."""
        return self.study.seed if self.design.seed is None else self.design.seed


def load_design(path: str | Path, model: Model | None = None) -> LoadedDesign:
    """Read a design file and the study that it varies.

    Args:
        path: a YAML file.
        model: the model whose drugs the arms may use; the shipped one by default.

    Raises:
        StudyError: with every problem of the file and of the study.
    """
    if model is None:
        from opiome import model as models

        model = models.load()
    file = Path(path)
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "there is no such file"
        raise StudyError(Problem(what, file=file, expected="a design file (YAML)"))
    document = read_yaml(file)
    problems = list(document.problems)
    design, study = None, None
    if isinstance(document.data, dict) and "arms" in document.data and "candidates" not in document.data:
        what, remedy = "is a study, not a design file", f"run it with 'opiome run {file}'"
        problems.append(Problem(what, file=file, line=1, remedy=remedy))
    elif isinstance(document.data, dict):
        try:
            design = Design.model_validate(document.data)
        except ValidationError as error:
            problems += _problems.of_validation(error, document, Design)
    elif not problems:
        expected = "a mapping that begins with 'opiome: 1'"
        problems.append(Problem("is not a design", file=file, line=1, expected=expected))
    if design is not None:
        study, more = _study(design, document, model)
        problems += more
    if design is not None and study is not None:
        found = [*_checks(design, study, model), *unknown_names(design, file.parent, model)]
        problems += [_problems.problem_at(document, steps, problem) for steps, problem in found]
    if design is None or study is None or problems:
        raise StudyError(problems)
    return LoadedDesign(design, study, file.parent)


def _study(design: Design, document: Document, model: Model) -> tuple[Study | None, list[Problem]]:
    beside = document.file.parent / design.study
    try:
        study = load_study(beside if beside.is_file() else design.study, model)
    except InputError as error:
        problems = error.problems
        if any(problem.line for problem in problems):
            return None, list(problems)
        return None, [_problems.problem_at(document, ("study",), problem) for problem in problems]
    if design.strengths == "any":
        return study, []
    rules = study.rules.model_copy(update={"strengths": design.strengths})
    rounded = study.model_copy(update={"rules": rules})
    wrong = [problem for _, problem in strength_problems(rounded, model, written=False)]
    return rounded, [_problems.problem_at(document, ("strengths",), problem) for problem in wrong]


def endpoint_of(candidate: Candidate, study: Study) -> Endpoint:
    """The endpoint that decides a candidate, with its own window and analysis."""
    if candidate.endpoint is not None:
        chosen = next(one for one in study.endpoints if one.id == candidate.endpoint)
    else:
        chosen = next((one for one in study.endpoints if one.primary), study.endpoints[0])
    window = candidate.window or chosen.window
    if window is None:
        days = round(duration_of(candidate, study) / _DAY)
        window = Window(f"days 1-{days}", 0.0, days * _DAY)
    changed: dict[str, object] = {"window": window}
    if candidate.window is not None:
        changed["label"] = f"{chosen.label} (here {candidate.window.text})"
    if candidate.analysis is not None:
        changed["analysis"] = candidate.analysis
    return chosen.model_copy(update=changed)


def duration_of(candidate: Candidate, study: Study) -> float:
    """Hours of treatment of a candidate."""
    return candidate.duration or study.treatment.duration


def arms_of(candidate: Candidate, study: Study) -> dict[str, Arm]:
    """The arms that a candidate compares with the reference."""
    found = {}
    if not candidate.arms:
        found = {name: arm for name, arm in study.arms.items() if name != study.reference_arm}
    for name, given in candidate.arms.items():
        own = study.arms.get(name)
        if given is None and own is not None:
            found[name] = own
        elif given is not None:
            label = name.replace("_", " ")
            keep = own.keep_background if own else study.arms[study.reference_arm].keep_background
            found[name] = Arm(label=label, regimen=given, keep_background=keep)
    for name, rule in candidate.titration.items():
        found[name] = found[name].model_copy(update={"titration": rule})
    return found


def _checks(design: Design, study: Study, model: Model) -> Found:
    labels = [candidate.label for candidate in design.candidates]
    for i, candidate in enumerate(design.candidates):
        path: Steps = ("candidates", i)
        if candidate.label in labels[:i]:
            problem = Problem(f"the candidate '{candidate.label}' is given twice", remedy="rename one")
            yield (*path, "label"), problem
        if design.strengths == "marketed":
            yield from _strengths(candidate, study, model, path)
        wrong = [*_named(candidate, study, path), *_arms(candidate, study, model, path)]
        if candidate.titration and not wrong:
            wrong += _titration(candidate, study, model, path)
        yield from wrong or _together(candidate, study, model, path)
        known = [endpoint.id for endpoint in study.endpoints]
        if candidate.endpoint is not None and candidate.endpoint not in known:
            near = nearest(candidate.endpoint, known)
            yield (
                (*path, "endpoint"),
                Problem(
                    f"'{study.name}' has no endpoint '{candidate.endpoint}'",
                    expected=f"one of {', '.join(known)}",
                    remedy=f"did you mean '{near}'?" if near else None,
                ),
            )
            continue
        yield from _times(candidate, study, path)


def _arms(candidate: Candidate, study: Study, model: Model, path: Steps) -> Found:
    others = [name for name in study.arms if name != study.reference_arm]
    if not candidate.arms and not others:
        problem = Problem(f"'{study.name}' has one arm: there is nothing to compare", expected="'arms'")
        yield (*path, "arms"), problem
    for name, given in candidate.arms.items():
        here: Steps = (*path, "arms", name)
        if name == study.reference_arm:
            yield here, Problem(f"'{name}' is the reference", expected="arms to compare with it")
        elif given is None and name not in study.arms:
            near = nearest(name, others)
            yield (
                here,
                Problem(
                    f"'{study.name}' has no arm '{name}'",
                    expected=f"a regimen, or one of {', '.join(others)}",
                    remedy=f"did you mean '{near}'?" if near else None,
                ),
            )
        elif given is not None and not given:
            yield here, Problem(f"'{name}' takes nothing", expected="a regimen, or 'placebo'")
        for k, text in enumerate(given or ()):
            try:
                dosing = regimen.parse(text, model)
            except DoseError as error:
                for problem in error.problems:
                    yield (*here, k), problem
                continue
            if dosing.is_open or dosing.as_needed:
                problem = Problem(f"'{text}' has no dose or time", expected="such as '0.2 mg daily'")
                yield (*here, k), problem


def _named(candidate: Candidate, study: Study, path: Steps) -> Found:
    """Arms of allocation and titration that the candidate does not have."""
    own = [*(candidate.arms or [name for name in study.arms if name != study.reference_arm])]
    for key, names in (("allocation", [*own, study.reference_arm]), ("titration", own)):
        for name in getattr(candidate, key):
            if name not in names:
                near = nearest(name, names)
                yield (
                    (*path, key, name),
                    Problem(
                        f"the candidate has no arm '{name}'",
                        expected=f"one of {', '.join(names)}",
                        remedy=f"did you mean '{near}'?" if near else None,
                    ),
                )


def _strengths(candidate: Candidate, study: Study, model: Model, path: Steps) -> Found:
    """Doses that no tablets, patches or syringes make."""
    for name, given in candidate.arms.items():
        arm = study.arms.get(name)
        for k, text in enumerate(given or (arm.regimen if given is None and arm else ())):
            try:
                dosing = regimen.parse(text, model)
            except DoseError:
                continue  # told elsewhere
            if dosing.product is None or dosing.dose is None:
                continue
            doses = regimen.made_of(dosing.product, dosing.dose)
            if doses and doses != (dosing.dose,):
                unit = dosing.product.dose_unit
                listed = ", ".join(f"{one:g}" for one in regimen.strengths(dosing.product))
                yield (
                    (*path, "arms", name, *([k] if given else [])),
                    Problem(
                        f"{dosing.dose:g} {unit} is not made of the strengths of {dosing.product.title}"
                        f" ({listed} {unit})",
                        expected=" or ".join(f"{one:g} {unit}" for one in doses),
                        remedy="round the dose, or leave 'strengths: marketed' out",
                    ),
                )


def _titration(candidate: Candidate, study: Study, model: Model, path: Steps) -> Found:
    """What is wrong with the titration of the candidate's arms, as it would be in a study."""
    arms = {name: arm for name, arm in arms_of(candidate, study).items() if name in candidate.titration}
    duration = Treatment.model_construct(duration=duration_of(candidate, study))
    alone = study.model_copy(update={"arms": arms, "reference": None, "treatment": duration})
    checks = (
        protocol_problems(alone), never_seen(alone), never_met(alone), without_opioid(alone, model),
        low_ceiling(alone, model),
    )  # fmt: skip
    for steps, problem in chain(*checks):
        if steps[0] == "arms":
            _, name, *rest = steps
            yield (*path, *rest[:1], name, *rest[1:]), problem
    for steps, problem in strength_problems(alone, model, written=False):
        if steps[0] == "arms":
            yield (*path, "titration", steps[1]), problem


def _together(candidate: Candidate, study: Study, model: Model, path: Steps) -> Found:
    """Arms of a candidate that do nothing or too much, or do not fit into the model, as in a study."""
    reference = study.arms[study.reference_arm]
    given = {
        name: reference.model_copy(update={"regimen": regimens})
        for name, regimens in candidate.arms.items()
        if regimens
    }
    if not given:
        return
    duration = Treatment.model_construct(duration=duration_of(candidate, study))
    alone = study.model_copy(update={"arms": given, "reference": None, "treatment": duration})
    for steps, problem in arm_problems(alone, model):
        _, name, _, *rest = steps
        yield (*path, "arms", name, *rest), problem
    seen: dict[tuple[str, ...], str] = {}
    for name, regimens in candidate.arms.items():
        same = seen.setdefault(regimens, name) if regimens else name
        if same != name:
            yield (
                (*path, "arms", name),
                Problem(f"'{name}' takes what '{same}' takes", remedy="leave one out"),
            )


def _times(candidate: Candidate, study: Study, path: Steps) -> Found:
    duration = duration_of(candidate, study)
    if duration % _DAY:
        yield (*path, "duration"), Problem(f"{duration:g} h is not a whole number of days")
    endpoint = endpoint_of(candidate, study)
    if endpoint.window is not None and endpoint.window.end > duration:
        yield (
            (*path, "window" if candidate.window else "duration"),
            Problem(
                f"the window of '{endpoint.id}' ('{endpoint.window.text}') ends after treatment",
                expected=f"at most day {duration / _DAY:g}",
                remedy="give the candidate a 'window' that fits",
            ),
        )
    if (problem := unfit(endpoint, candidate.analysis)) is not None:
        yield (*path, "analysis"), problem
    elif candidate.analysis == "mmrm" or candidate.window is not None:
        alone = study.model_copy(update={"endpoints": (endpoint,), "multiplicity": None})
        for steps, problem in endpoint_rules(alone):
            yield (*path, str(steps[-1])), problem
