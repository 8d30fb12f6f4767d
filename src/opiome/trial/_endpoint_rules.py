"""What the endpoints of a study must satisfy beyond their schema: analyses, units, multiplicity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opiome.errors import Problem, nearest
from opiome.trial._analyses import ANALYSES
from opiome.trial._endpoints import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opiome.trial._endpoint_fields import Endpoint
    from opiome.trial._schema import Study
    from opiome.trial._yaml import Steps

    Found = Iterator[tuple[Steps, Problem]]

__all__ = ["endpoint_rules"]

TIME_UNITS = ("h", "days", "weeks", "months")


def endpoint_rules(study: Study) -> Found:
    """Problems of analyses, units, estimands and multiplicity, with their path in the file."""
    for i, endpoint in enumerate(study.endpoints):
        path: Steps = ("endpoints", i)
        yield from _analysis(endpoint, path)
        yield from _unit(endpoint, path)
        yield from _survival(study, endpoint, path)
    yield from _multiplicity(study)


def _kind(endpoint: Endpoint) -> str:
    return str(getattr(endpoint.params, "statistic", RULES[endpoint.rule].kind))


def _analysis(endpoint: Endpoint, path: Steps) -> Found:
    kind = _kind(endpoint)
    if endpoint.analysis is not None and ANALYSES[endpoint.analysis].kind != kind:
        fitting = [name for name, one in ANALYSES.items() if one.kind == kind]
        yield (
            (*path, "analysis"),
            Problem(
                f"the analysis '{endpoint.analysis}' is not for a {kind}, which '{endpoint.id}' is",
                expected=" or ".join(fitting),
            ),
        )
    elif endpoint.analysis == "mmrm" and endpoint.rule not in {"mean", "mean_change"}:
        yield (
            (*path, "analysis"),
            Problem(
                f"'{endpoint.rule}' is not asked visit by visit, which an MMRM needs",
                expected="welch or ancova, or the rule mean or mean_change",
            ),
        )
    elif endpoint.analysis == "mmrm" and (endpoint.window is None or endpoint.window.start == 0):
        yield (
            (*path, "analysis"),
            Problem(
                "an MMRM needs several visits, and the window is the only one",
                expected="a window that is the last of several stretches of its length, such as weeks 11-12",
            ),
        )


def _unit(endpoint: Endpoint, path: Steps) -> Found:
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
    known = [endpoint.id for endpoint in study.endpoints]
    ordered = rule.method in {"fixed_sequence", "gatekeeping"}
    if ordered and not rule.families:
        problem = Problem(f"'{rule.method}' tests in an order, and none is given", expected="'families'")
        yield ("multiplicity", "families"), problem
    if not ordered and rule.families:
        problem = Problem(f"'{rule.method}' has no order of families", expected="'endpoints'")
        yield ("multiplicity", "families"), problem
    if rule.method == "fixed_sequence":
        for i, family in enumerate(rule.families):
            if len(family) != 1:
                problem = Problem(
                    "a step of a fixed sequence is one endpoint", expected="[[first], [second]]"
                )
                yield ("multiplicity", "families", i), problem
    named: list[tuple[Steps, str]]
    named = [(("multiplicity", "families", i, k), name) for i, family in enumerate(rule.families)
             for k, name in enumerate(family)]  # fmt: skip
    named += [(("multiplicity", "endpoints", i), name) for i, name in enumerate(rule.endpoints)]
    seen: set[str] = set()
    for path, name in named:
        if name not in known:
            near = nearest(name, known)
            remedy = f"did you mean '{near}'?" if near else None
            yield (
                path,
                Problem(f"unknown endpoint '{name}'", expected=f"one of {', '.join(known)}", remedy=remedy),
            )
        elif name in seen:
            yield path, Problem(f"the endpoint '{name}' is named twice", remedy="name it once")
        seen.add(name)
