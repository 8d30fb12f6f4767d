"""What the endpoints of a study must satisfy beyond their schema: analyses, units, multiplicity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opiome.errors import Problem
from opiome.trial._analyses import ANALYSES, usual
from opiome.trial._endpoints import RULES
from opiome.trial._problems import unknown
from opiome.trial._reach_rules import window_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opiome.trial._endpoint_fields import Endpoint, Multiplicity
    from opiome.trial._schema import Study
    from opiome.trial._yaml import Steps

    Found = Iterator[tuple[Steps, Problem]]

__all__ = ["endpoint_rules", "unfit"]

TIME_UNITS = ("h", "days", "weeks", "months")


def endpoint_rules(study: Study) -> Found:
    """Problems of analyses, units, estimands and multiplicity, with their path in the file."""
    for i, endpoint in enumerate(study.endpoints):
        path: Steps = ("endpoints", i)
        yield from _analysis(endpoint, path)
        yield from _unit(endpoint, path)
        yield from _survival(study, endpoint, path)
        yield from _limits(study, endpoint, path)
        yield from _weighted(study, endpoint, path)
    yield from _multiplicity(study)


def _kind(endpoint: Endpoint) -> str:
    return str(getattr(endpoint.params, "statistic", RULES[endpoint.rule].kind))


def unfit(endpoint: Endpoint, analysis: str | None) -> Problem | None:
    """What is wrong with an analysis that is not for answers of the endpoint's kind."""
    kind = _kind(endpoint)
    if analysis is None or ANALYSES[analysis].kind == kind:
        return None
    return Problem(
        f"the analysis '{analysis}' is not for a {kind}, which '{endpoint.id}' is",
        expected=" or ".join(name for name, one in ANALYSES.items() if one.kind == kind),
    )


def _analysis(endpoint: Endpoint, path: Steps) -> Found:
    if (problem := unfit(endpoint, endpoint.analysis)) is not None:
        yield (*path, "analysis"), problem
    elif endpoint.analysis == "mmrm" and endpoint.rule not in {"mean", "mean_change"}:
        yield (
            (*path, "analysis"),
            Problem(
                f"'{endpoint.rule}' is not asked visit by visit, which an MMRM needs",
                expected="welch or ancova, or the rule mean or mean_change",
            ),
        )
    elif endpoint.analysis == "mmrm" and (
        endpoint.window is None or endpoint.window.start < endpoint.window.end - endpoint.window.start
    ):
        yield (
            (*path, "analysis"),
            Problem(
                "an MMRM needs several visits, and the window is the only one",
                expected="a window that is the last of several stretches of its length, such as weeks 11-12",
            ),
        )


def _limits(study: Study, endpoint: Endpoint, path: Steps) -> Found:
    """Parameters that leave nobody with a yes, or everybody, and windows that a rule does not look at."""
    window = window_problem(endpoint)
    if window is not None:
        yield (*path, "window"), window
    for one, other in (("low", "high"), ("at_least", "at_most"), ("last_weeks", "of_last"),
                       ("needed", "doses")):  # fmt: skip
        low, high = getattr(endpoint.params, one, None), getattr(endpoint.params, other, None)
        if low is not None and high is not None and low > high:
            problem = Problem(f"'{one}' is above '{other}': nobody counts", expected=f"at most {high:g}")
            yield (*path, "params"), problem
    if endpoint.rule == "between" and endpoint.params.low is None and endpoint.params.high is None:
        yield path, Problem("everybody would count", expected="'low' or 'high' among the params")
    if endpoint.rule in {"responder", "all_weeks"}:
        hours = endpoint.window.end - endpoint.window.start if endpoint.window else study.treatment.duration
        weeks = max(int(hours // 168), 1)
        if endpoint.params.weeks > weeks:
            what = f"{endpoint.params.weeks} positive weeks are needed of {weeks}: nobody responds"
            yield (*path, "params"), Problem(what, expected=f"'weeks' of at most {weeks}")
    if endpoint.rule == "after_doses":
        last = endpoint.params.doses
        if (last - 1) * endpoint.params.every >= study.treatment.duration:
            what = f"dose {last} would be given after treatment"
            yield (*path, "params"), Problem(what, expected="fewer 'doses'")


def _weighted(study: Study, endpoint: Endpoint, path: Steps) -> Found:
    """Where patients stand for unlike numbers of people only the usual analyses have a form."""
    if study.population.represents and endpoint.analysis not in {None, usual(_kind(endpoint))}:
        yield (
            (*path, "analysis"),
            Problem(
                f"'{endpoint.analysis}' has no form for patients who stand for unlike numbers of people",
                expected=f"'{usual(_kind(endpoint))}'",
                remedy="leave the analysis out, or 'population.represents'",
            ),
        )


def _unit(endpoint: Endpoint, path: Steps) -> Found:
    if _kind(endpoint) == "proportion" and endpoint.unit != "%":
        problem = Problem(f"'{endpoint.unit}' is not the unit of a share of patients", expected="'%'")
        yield (*path, "unit"), problem
    if RULES[endpoint.rule].kind == "time" and endpoint.unit not in TIME_UNITS:
        yield (
            (*path, "unit"),
            Problem(f"'{endpoint.unit}' is not a unit of time", expected=" or ".join(TIME_UNITS)),
        )


def _survival(study: Study, endpoint: Endpoint, path: Steps) -> Found:
    """Nobody dies in a study that switches death off."""
    events = getattr(study, "events", None)
    asked = getattr(endpoint.params, "until", getattr(endpoint.params, "event", ""))
    if asked == "death" and events is not None and not events.death:
        yield (
            path,
            Problem(
                f"'{endpoint.id}' asks for deaths, and 'events.death' is off",
                remedy="switch it on or leave the endpoint out",
            ),
        )


def _multiplicity(study: Study) -> Found:
    rule = study.multiplicity
    if rule is None:
        return
    yield from _families(rule)
    known = [endpoint.id for endpoint in study.endpoints]
    named: list[tuple[Steps, str]]
    named = [(("multiplicity", "families", i, k), name) for i, family in enumerate(rule.families)
             for k, name in enumerate(family)]  # fmt: skip
    named += [(("multiplicity", "endpoints", i), name) for i, name in enumerate(rule.endpoints)]
    seen: set[str] = set()
    for path, name in named:
        if name not in known:
            yield path, unknown(name, known, "endpoint")
        elif name in seen:
            yield path, Problem(f"the endpoint '{name}' is named twice", remedy="name it once")
        seen.add(name)


def _families(rule: Multiplicity) -> Found:
    ordered = rule.method in {"fixed_sequence", "gatekeeping"}
    if ordered and not rule.families:
        problem = Problem(f"'{rule.method}' tests in an order, and none is given", expected="'families'")
        yield ("multiplicity", "families"), problem
    if not ordered and rule.families:
        problem = Problem(f"'{rule.method}' has no order of families", expected="'endpoints'")
        yield ("multiplicity", "families"), problem
    if ordered and rule.endpoints:
        problem = Problem(f"'{rule.method}' takes the endpoints of 'families'", remedy="remove 'endpoints'")
        yield ("multiplicity", "endpoints"), problem
    if ordered and rule.method == "gatekeeping":
        empty = [i for i, family in enumerate(rule.families) if not family]
        for i in empty:
            yield ("multiplicity", "families", i), Problem("the family is empty", remedy="remove it")
    if rule.method == "fixed_sequence":
        for i, family in enumerate(rule.families):
            if len(family) != 1:
                problem = Problem(
                    "a step of a fixed sequence is one endpoint", expected="[[first], [second]]"
                )
                yield ("multiplicity", "families", i), problem
