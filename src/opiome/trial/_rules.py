"""What a study must satisfy beyond its schema: names that exist, times that fit, regimens one can give.

One small function per rule; each yields problems with their path in the file.
"""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from opiome import regimen
from opiome.errors import DoseError, Problem, nearest
from opiome.trial._endpoint_rules import endpoint_rules
from opiome.trial._endpoints import RULES
from opiome.trial._people_rules import people_problems
from opiome.trial._problems import problem_at, unknown
from opiome.trial._protocol_rules import ignored_share, protocol_problems, regimen_problems, unseen
from opiome.trial._reach_rules import (
    low_ceiling,
    missing_items,
    never_met,
    never_seen,
    whole_days,
    without_opioid,
)
from opiome.trial._strengths import strength_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opiome.model import Model
    from opiome.trial._endpoint_fields import Endpoint
    from opiome.trial._fields import Condition
    from opiome.trial._schema import Published, Study
    from opiome.trial._yaml import Document, Steps

    Found = Iterator[tuple[Steps, Problem]]

__all__ = ["arm_problems", "check"]

_RATIO = "ratio"


def check(study: Study | None, document: Document, model: Model | None) -> list[Problem]:
    """Every problem beyond the schema; regimens are read even where the rest is not yet valid."""
    found = list(_regimens(document, model)) if model is not None else []
    if study is not None:
        for rule in _RULES:
            found += rule(study)
        if model is not None:
            found += people_problems(study, model)
            found += _observables(study, model)
            found += unseen(study, model)
            found += ignored_share(study, model)
            found += without_opioid(study, model)
            found += low_ceiling(study, model)
            found += strength_problems(study, model)
            found += _lines(study, model)
            if not found:
                found += _slots(study, model)
    return [problem_at(document, path, problem) for path, problem in found]


def arm_problems(study: Study, model: Model) -> Found:
    """What is wrong with the regimens of the arms, each of which can be read, and with all together."""
    found = list(_lines(study, model))
    yield from found or _slots(study, model)


# -- regimens, read from the file itself -------------------------------------------------------------------


def _regimens(document: Document, model: Model | None) -> Found:
    if model is None:
        return
    for path, text in _texts(document.data, ()):
        try:
            dosing = regimen.parse(text, model)
        except DoseError as error:
            for problem in error.problems:
                yield path, problem
            continue
        for problem in regimen_problems(path, text, dosing):
            yield path, problem
        if dosing.is_open and _needs_dose(path, document.data):
            yield path, Problem(f"'{text}' has no dose", expected="a dose such as '30 mg'", remedy=_ome(path))


def _needs_dose(path: Steps, study: Any) -> bool:  # noqa: ANN401  # plain data of a file
    if path[:3] == ("background", "opioid", "choices"):
        return study["background"]["opioid"].get("ome") is None
    if path[:2] in {("rules", "rescue_opioid"), ("rules", "rotation")}:
        return False
    return path[0] in {"arms", "rules"} or path[1:2] in {("laxatives",), ("other",)}


def _ome(path: Steps) -> str | None:
    return "add one, or 'ome' beside the choices" if path[0] == "background" else None


def _texts(data: object, path: Steps) -> Iterator[tuple[Steps, str]]:
    """Every regimen of a file: the texts under ``regimen``, ``background.other`` and ``rotation.to``."""
    if isinstance(data, dict):
        for name, value in data.items():
            here = (*path, str(name))
            if name == "regimen" or here in {("background", "other"), ("rules", "rotation", "to")}:
                yield from _leaves(value, here)
            else:
                yield from _texts(value, here)
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from _texts(value, (*path, i))


def _leaves(value: object, path: Steps) -> Iterator[tuple[Steps, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for i, item in enumerate(value):
            if isinstance(item, str):
                yield (*path, i), item


# -- names and times of a valid study ----------------------------------------------------------------------


def _endpoints(study: Study) -> Found:
    seen: set[str] = set()
    for i, endpoint in enumerate(study.endpoints):
        path: Steps = ("endpoints", i)
        if endpoint.id in seen:
            yield (*path, "id"), Problem(f"the endpoint '{endpoint.id}' is given twice", remedy="rename one")
        seen.add(endpoint.id)
        if endpoint.label in {one.label for one in study.endpoints[:i]}:
            problem = Problem(f"the label '{endpoint.label}' is given twice", remedy="tell them apart")
            yield (*path, "label"), problem
        if endpoint.window is not None and endpoint.window.end > study.treatment.duration:
            days = study.treatment.duration / 24
            yield (
                (*path, "window"),
                Problem(f"'{endpoint.window.text}' ends after treatment", expected=f"at most day {days:g}"),
            )
    primary = [i for i, endpoint in enumerate(study.endpoints) if endpoint.primary]
    for i in primary[1:]:
        yield (
            ("endpoints", i, "primary"),
            Problem("a second primary endpoint", expected="one primary endpoint"),
        )


def _published(study: Study) -> Found:
    endpoints = {endpoint.id: endpoint for endpoint in study.endpoints}
    seen: set[tuple[str, str, bool]] = set()
    for i, result in enumerate(study.published):
        path: Steps = ("published", i)
        key = (result.endpoint, result.arm, result.against is None)
        if key in seen:
            what = f"a second value for '{result.endpoint}' and '{result.arm}'"
            yield path, Problem(what, remedy="leave one out")
        seen.add(key)
        if result.endpoint not in endpoints:
            yield (*path, "endpoint"), unknown(result.endpoint, endpoints, "endpoint")
        else:
            yield from _value(result, endpoints[result.endpoint], path)
        yield from _compared(result, study, path)
        if result.source not in study.sources:
            yield (*path, "source"), unknown(result.source, study.sources, "source")


def _value(result: Published, endpoint: Endpoint, path: Steps) -> Found:
    """A published value that is not what its endpoint can be."""
    proportion = result.against is None and result.unit == "%" and RULES[endpoint.rule].kind == "proportion"
    ends = [end for end in (result.low, result.value, result.high) if end is not None]
    if result.unit != (unit := _unit(result, endpoint)):
        of = "the endpoint's unit" if unit != _RATIO else "the unit of a hazard ratio"
        yield (*path, "unit"), Problem(f"'{result.unit}' is not {of}", expected=f"'{unit}'")
    elif unit == _RATIO and min(ends) <= 0:
        yield (*path, "value"), Problem("a hazard ratio of 0 or below", expected="numbers above 0")
    elif proportion and not 0 <= result.value <= 100:  # noqa: PLR2004  # per cent
        yield (*path, "value"), Problem(f"{result.value:g} % of patients", expected="0 to 100 %")
    if any(one > other for one, other in pairwise(ends)):
        problem = Problem("the interval does not hold the value", expected="low <= value <= high")
        yield (*path, "value"), problem


def _compared(result: Published, study: Study, path: Steps) -> Found:
    """Arms of a published value that do not exist or are not compared."""
    if result.arm not in study.arms:
        yield (*path, "arm"), unknown(result.arm, study.arms, "arm")
    if result.n_against is not None and result.against is None:
        yield (*path, "n_against"), Problem("'n_against' is given and 'against' is not", remedy="add it")
    if result.against == result.arm:
        problem = Problem(f"'{result.arm}' is compared with itself", expected="another arm")
        yield (*path, "against"), problem
    elif result.against is not None and result.against != study.reference_arm:
        problem = Problem(f"'{result.against}' is not the reference arm", expected=f"'{study.reference_arm}'")
        yield (*path, "against"), problem


def _unit(result: Published, endpoint: Endpoint) -> str:
    """The unit of a published value: that of the endpoint, but a hazard ratio has none."""
    return _RATIO if result.against is not None and endpoint.analysis == "cox" else endpoint.unit


def _reference(study: Study) -> Found:
    if study.reference is not None and study.reference not in study.arms:
        yield ("reference",), unknown(study.reference, study.arms, "arm")


def _labels(study: Study) -> Found:
    labels = [arm.label for arm in study.arms.values()]
    for k, (name, arm) in enumerate(study.arms.items()):
        if arm.label in labels[:k]:
            problem = Problem(f"the label '{arm.label}' is given twice", remedy="tell the arms apart")
            yield ("arms", name, "label"), problem


def _visits(study: Study) -> Found:
    for i, visit in enumerate(study.visits):
        if visit > study.treatment.duration:
            weeks = study.treatment.duration / 168
            yield ("visits", i), Problem("the visit is after treatment", expected=f"at most {weeks:g} weeks")


def _contradictions(study: Study) -> Found:
    for name, conditions in (
        ("entry", study.population.entry),
        ("eligibility", study.population.eligibility),
    ):
        for i, quantity in _empty(conditions):
            yield (
                ("population", name, i),
                Problem(f"nobody can meet all conditions on '{quantity}'", remedy="relax one of them"),
            )


def _empty(conditions: Sequence[Condition]) -> Iterator[tuple[int, str]]:
    """Positions of the conditions that leave no value of their quantity with those before them."""
    ranges: dict[str, tuple[float, bool, float, bool]] = {}
    for i, condition in enumerate(conditions):
        low, low_open, high, high_open = ranges.get(
            condition.quantity, (float("-inf"), False, float("inf"), False)
        )
        for sign, limit in condition.tests:
            if sign in {">", ">=", "="} and limit >= low:
                low, low_open = limit, sign == ">" or (limit == low and low_open)
            if sign in {"<", "<=", "="} and limit <= high:
                high, high_open = limit, sign == "<" or (limit == high and high_open)
        ranges[condition.quantity] = (low, low_open, high, high_open)
        if low > high or (low == high and (low_open or high_open)):
            yield i, condition.quantity


_RULES: tuple[Callable[[Study], Found], ...] = (
    _endpoints,
    _published,
    _reference,
    _labels,
    _visits,
    _contradictions,
    endpoint_rules,
    protocol_problems,
    whole_days,
    never_seen,
    never_met,
    missing_items,
)


# -- against the model -------------------------------------------------------------------------------------


def _observables(study: Study, model: Model) -> Found:
    known = model.observables["id"].to_list()
    for i, endpoint in enumerate(study.endpoints):
        if endpoint.rule == "measured" and endpoint.params.observable not in known:
            near = nearest(endpoint.params.observable, known)
            yield (
                ("endpoints", i, "params", "observable"),
                Problem(
                    f"unknown observable '{endpoint.params.observable}'",
                    expected="one of the model's (`opiome model list observables`)",
                    remedy=f"did you mean '{near}'?" if near else None,
                ),
            )


def _lines(study: Study, model: Model) -> Found:
    """Lines of an arm that do nothing or too much: begun after the end, a stop of nothing, the same twice."""
    opioid = study.background.opioid
    before = [*([c.regimen for c in opioid.choices] if opioid else []), *study.background.other]
    before += [text for choice in study.background.laxatives for text in choice.regimen]
    for name, arm in study.arms.items():
        taken = {drug for text in (*before, *arm.regimen) if (drug := _given(text, model))}
        for i, text in enumerate(arm.regimen):
            path: Steps = ("arms", name, "regimen", i)
            if text in arm.regimen[:i]:
                yield path, Problem(f"'{text}' is given twice", remedy="write the whole dose into one line")
            try:
                dosing = regimen.parse(text, model)
            except DoseError:
                continue  # said elsewhere
            if (dosing.first_day - 1) * 24 >= study.treatment.duration:
                days = study.treatment.duration / 24
                yield path, Problem(f"'{text}' begins after treatment", expected=f"at most day {days:g}")
            if dosing.action == "stop" and dosing.drug not in taken:
                yield (
                    path,
                    Problem(
                        f"nobody takes {dosing.drug}, so it cannot be stopped",
                        expected=f"one of {', '.join(sorted(taken))}" if taken else None,
                    ),
                )


def _given(text: str, model: Model) -> str | None:
    try:
        dosing = regimen.parse(text, model)
    except DoseError:
        return None
    return dosing.drug if dosing.is_active else None


def _slots(study: Study, model: Model) -> Found:
    """Every combination of background choice and arm must fit into the model's drug slots.

    What was taken before keeps its place also in arms that give it up: some of it is still in the body.
    """
    background, rules = study.background, study.rules
    opioids = [[c.regimen] for c in background.opioid.choices] if background.opioid else [[]]
    laxatives = [list(choice.regimen) for choice in background.laxatives] or [[]]
    needed = [rule.regimen for rule in (rules.rescue_laxative, rules.rescue_opioid) if rule]
    for name, arm in study.arms.items():
        added = [rule.regimen for rule in rules.add if not rule.arms or name in rule.arms]
        told: set[str] = set()
        for before in product(opioids, laxatives):
            texts = [*before[0], *before[1], *background.other, *arm.regimen, *added, *needed]
            try:
                regimen.slots([regimen.parse(text, model) for text in texts], model)
            except DoseError as error:
                for problem in error.problems:
                    if problem.message not in told:
                        told.add(problem.message)
                        yield ("arms", name, "regimen"), problem.at(column=None)
