"""What assembled SBML must satisfy: all defined, all supported, no libSBML error, units that agree."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libsbml

from opiome.errors import Problem
from opiome.model._assemble import undefined
from opiome.model._dimensions import mismatches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opiome.model._assemble import Assembly

__all__ = ["check", "consistency", "holes", "loops", "unit_problems", "unsupported"]

_WORD = re.compile(r"[A-Za-z_]\w*")
_ELEMENT = re.compile(r'(?:variable|symbol|<(?:reaction|parameter|species|compartment)[^>]* id)="(\w+)"')
# libSBML's complaints on units, which unit_problems states with more detail
_ON_UNITS = frozenset({10501, 10503, *range(10511, 10514), *range(10521, 10524), *range(10531, 10534)})
_ON_UNITS |= {10541, 10542, 99505, 99508}


def check(sbml: str, assembly: Assembly) -> list[Problem]:
    """Return every problem of an assembled model; an empty list means that it may be used."""
    document = libsbml.readSBMLFromString(sbml)
    model = document.getModel()
    if model is None:
        return [
            assembly.problem(
                None, "Antimony wrote no model", remedy="check that the fragments hold equations"
            )
        ]
    problems = [*holes(model, assembly), *unsupported(model, assembly)]
    if problems:
        return problems  # what follows would only repeat these
    problems = unit_problems(model, assembly)
    return problems + consistency(document, sbml, assembly, seen=bool(problems))


def holes(model: libsbml.Model, assembly: Assembly) -> list[Problem]:
    """Return the symbols without value, states without start, and the lack of any state."""
    rules = list(model.getListOfRules())
    given = {rule.getVariable() for rule in rules if not rule.isRate()}
    given |= {item.getSymbol() for item in model.getListOfInitialAssignments()}
    rates = {rule.getVariable() for rule in rules if rule.isRate()}
    empty = [item.getId() for item in model.getListOfParameters() if not item.isSetValue()]
    empty += [
        item.getId()
        for item in model.getListOfSpecies()
        if not (item.isSetInitialAmount() or item.isSetInitialConcentration())
    ]
    empty = [name for name in empty if name not in given]
    known = [item.getId() for item in model.getListOfParameters() if item.getId() not in empty]
    problems = undefined([name for name in empty if name not in rates], known, assembly)
    for name in empty:
        if name in rates:
            remedy = f"write '{name} = ...' in the fragment"
            problems.append(assembly.problem(name, f"state '{name}' has no initial value", remedy=remedy))
    if not rates and not model.getNumReactions():
        problems.append(
            Problem("the model has no state", file=assembly.folder, remedy="add rate equations (x' = ...)")
        )
    return problems


def unsupported(model: libsbml.Model, assembly: Assembly) -> list[Problem]:
    """Return the constructs that the engine and other simulators of an export do not share."""
    problems = [
        assembly.problem(
            item.getId(),
            f"event '{item.getId()}' is not supported",
            expected="equations; doses come from the regimen",
            remedy="write it as a dose or a smooth equation",
        )
        for item in model.getListOfEvents()
    ]
    for rule in model.getListOfRules():
        if rule.isAlgebraic():
            message = "algebraic rule '0 = ...' is not supported"
            problems.append(
                assembly.problem(None, message, remedy="solve it for one variable and write ':='")
            )
        elif rule.getMath() is not None and _has_delay(rule.getMath()):
            message = f"delay() in the equation of '{rule.getVariable()}' is not supported"
            remedy = "write the delay as a chain of transit states"
            problems.append(assembly.problem(rule.getVariable(), message, remedy=remedy))
    return problems


def _has_delay(tree: libsbml.ASTNode) -> bool:
    if tree.getType() == libsbml.AST_FUNCTION_DELAY:
        return True
    return any(_has_delay(tree.getChild(i)) for i in range(tree.getNumChildren()))


def loops(assembly: Assembly) -> list[Problem]:
    """Return the algebraic loops among assignment rules, one problem per loop."""
    needs = {
        statement.id: set(_WORD.findall(statement.formula))
        for statement in assembly.statements
        if statement.kind == "rule"
    }
    return [
        assembly.problem(
            cycle[0],
            f"algebraic loop: {' -> '.join([*cycle, cycle[0]])}",
            expected="variables that can be computed one after the other",
            remedy="break the loop with a state (x' = ...) or solve it by hand",
        )
        for cycle in _cycles(needs)
    ]


def _cycles(needs: Mapping[str, set[str]]) -> Iterator[list[str]]:
    done: set[str] = set()
    for start in needs:
        cycle = _cycle(start, needs, [], done)
        if cycle:
            yield cycle


def _cycle(name: str, needs: Mapping[str, set[str]], path: list[str], done: set[str]) -> list[str]:
    if name in path:
        return path[path.index(name) :]
    if name in done or name not in needs:
        return []
    path.append(name)
    for other in sorted(needs[name]):
        found = _cycle(other, needs, path, done)
        if found:
            done.update(path)
            return found
    path.pop()
    done.add(name)
    return []


def unit_problems(model: libsbml.Model, assembly: Assembly) -> list[Problem]:
    """Return the equations whose units disagree in dimension or scale."""
    remedy = "correct the equation or the unit of one of its terms"
    return [
        assembly.problem(m.symbol, m.message, expected=m.expected, remedy=remedy, start=m.of_start)
        for m in mismatches(model)
    ]


def consistency(
    document: libsbml.SBMLDocument, sbml: str, assembly: Assembly, *, seen: bool
) -> list[Problem]:
    """Return libSBML's own complaints; ``seen`` leaves out those on units, which were reported before."""
    for category, wanted in (
        (libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, True),
        (libsbml.LIBSBML_CAT_MODELING_PRACTICE, False),
    ):
        document.setConsistencyChecks(category, wanted)
    document.checkConsistency()
    text = sbml.splitlines()
    problems = []
    for i in range(document.getNumErrors()):
        error = document.getError(i)
        if seen and error.getErrorId() in _ON_UNITS:
            continue
        message = f"libSBML {error.getErrorId()}: {' '.join(error.getMessage().split())}"
        symbol = _element(text, error.getLine())
        problems.append(assembly.problem(symbol, message, remedy="correct the equation or the declaration"))
    return problems


def _element(text: list[str], line: int) -> str | None:
    for number in range(min(line, len(text)) - 1, -1, -1):
        match = _ELEMENT.search(text[number])
        if match:
            return match[1]
    return None
