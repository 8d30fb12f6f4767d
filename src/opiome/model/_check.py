"""What assembled SBML must satisfy before it is a model: nothing undefined, no libSBML error, units that agree."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libsbml

from opiome.errors import Problem
from opiome.model._assemble import undefined
from opiome.model._dimensions import mismatches
from opiome.model._fragments import statements

if TYPE_CHECKING:
    from pathlib import Path

    from opiome.model._assemble import Assembly

__all__ = ["check", "consistency", "holes", "loops", "unit_problems", "unsupported"]

_WORD = re.compile(r"[A-Za-z_]\w*")
_ELEMENT = re.compile(r'(?:variable|symbol|<(?:reaction|parameter|species|compartment)[^>]* id)="(\w+)"')
_REPORTED_BY_US = {
    10501,
    10503,
    10511,
    10512,
    10513,
    10521,
    10522,
    10523,
    10531,
    10532,
    10533,
    10541,
    10542,
    99505,
    99508,
}


def check(sbml: str, assembly: Assembly, folder: Path) -> list[Problem]:
    """Return every problem of an assembled model; an empty list means that it may be used."""
    document = libsbml.readSBMLFromString(sbml)
    model = document.getModel()
    if model is None:
        return [
            Problem("Antimony wrote no model", file=folder, remedy="check that the fragments hold equations")
        ]
    problems = [
        *holes(model, assembly, folder),
        *unsupported(model, assembly, folder),
    ]
    if problems:
        return problems  # what follows would only repeat these
    problems = unit_problems(model, assembly, folder)
    return problems + consistency(document, sbml, assembly, folder, seen=bool(problems))


def _place(assembly: Assembly, folder: Path, symbol: str | None, message: str, **more: str) -> Problem:
    line = assembly.line_of(symbol) if symbol else None
    return line.problem(message, **more) if line else Problem(message, file=folder, field=symbol, **more)


def unit_problems(model: libsbml.Model, assembly: Assembly, folder: Path) -> list[Problem]:
    """Return the equations whose units disagree in dimension or scale."""
    return [
        _place(
            assembly,
            folder,
            m.symbol,
            m.message,
            expected=m.expected,
            remedy="correct the equation or the unit of one of its terms",
        )
        for m in mismatches(model)
    ]


def unsupported(model: libsbml.Model, assembly: Assembly, folder: Path) -> list[Problem]:
    """Return the constructs that neither the engine nor the other simulators of an export can share."""
    problems = []
    for item in model.getListOfEvents():
        problems.append(
            _place(
                assembly,
                folder,
                item.getId(),
                f"event '{item.getId()}' is not supported",
                expected="equations; doses come from the regimen",
                remedy="write it as a dose or a smooth equation",
            )
        )
    for rule in model.getListOfRules():
        if rule.isAlgebraic():
            problems.append(
                _place(
                    assembly,
                    folder,
                    None,
                    "algebraic rule '0 = ...' is not supported",
                    remedy="solve it for one variable and write ':='",
                )
            )
        elif rule.getMath() is not None:
            problems += _delays(rule.getVariable(), rule.getMath(), assembly, folder)
    return problems


def _delays(symbol: str, tree: libsbml.ASTNode, assembly: Assembly, folder: Path) -> list[Problem]:
    if tree.getType() == libsbml.AST_FUNCTION_DELAY:
        return [
            _place(
                assembly,
                folder,
                symbol,
                f"delay() in the equation of '{symbol}' is not supported",
                remedy="write the delay as a chain of transit states",
            )
        ]
    return [
        p for i in range(tree.getNumChildren()) for p in _delays(symbol, tree.getChild(i), assembly, folder)
    ]


def loops(assembly: Assembly, folder: Path) -> list[Problem]:
    """Return the algebraic loops among assignment rules, one problem per loop."""
    needs = {
        statement.id: set(_WORD.findall(statement.formula))
        for statement in statements(assembly.lines)
        if statement.kind == "rule"
    }
    problems = []
    done: set[str] = set()
    for start in needs:
        path: list[str] = []
        cycle = _cycle(start, needs, path, done)
        if cycle:
            problems.append(
                _place(
                    assembly,
                    folder,
                    cycle[0],
                    f"algebraic loop: {' -> '.join([*cycle, cycle[0]])}",
                    expected="variables that can be computed one after the other",
                    remedy="break the loop with a state (x' = ...) or solve it by hand",
                )
            )
    return problems


def _cycle(name: str, needs: dict[str, set[str]], path: list[str], done: set[str]) -> list[str]:
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


def holes(model: libsbml.Model, assembly: Assembly, folder: Path) -> list[Problem]:
    """Return the symbols without value, states without start, and the lack of any state."""
    ruled = {rule.getVariable() for rule in model.getListOfRules() if not rule.isRate()}
    started = {item.getSymbol() for item in model.getListOfInitialAssignments()}
    rates = {rule.getVariable() for rule in model.getListOfRules() if rule.isRate()}
    names = [item.getId() for item in model.getListOfParameters()]
    empty = [
        item.getId()
        for item in model.getListOfParameters()
        if not item.isSetValue() and item.getId() not in ruled | started
    ]
    empty += [
        item.getId()
        for item in model.getListOfSpecies()
        if not (item.isSetInitialAmount() or item.isSetInitialConcentration())
        and item.getId() not in ruled | started
    ]
    problems = undefined(
        [name for name in empty if name not in rates], [n for n in names if n not in empty], assembly, folder
    )
    problems += [
        _place(
            assembly,
            folder,
            name,
            f"state '{name}' has no initial value",
            remedy=f"write '{name} = ...' in the fragment",
        )
        for name in sorted(set(empty) & rates)
    ]
    if not rates and not model.getNumReactions():
        problems.append(
            Problem(
                "the model has no state",
                file=folder,
                expected="at least one rate equation (x' = ...)",
                remedy="add rate equations to the fragments",
            )
        )
    return problems


def consistency(
    document: libsbml.SBMLDocument,
    sbml: str,
    assembly: Assembly,
    folder: Path,
    *,
    seen: bool,
) -> list[Problem]:
    """Return libSBML's own complaints; ``seen``: leave out those on units, which were reported with more detail."""
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, True)
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_MODELING_PRACTICE, False)
    document.checkConsistency()
    text = sbml.splitlines()
    problems = []
    for i in range(document.getNumErrors()):
        error = document.getError(i)
        if seen and error.getErrorId() in _REPORTED_BY_US:
            continue
        message = " ".join(error.getMessage().split())
        symbol = _element(text, error.getLine())
        problems.append(
            _place(
                assembly,
                folder,
                symbol,
                f"libSBML {error.getErrorId()}: {message}",
                remedy="correct the equation or the declaration",
            )
        )
    return problems


def _element(text: list[str], line: int) -> str | None:
    for number in range(min(line, len(text)) - 1, -1, -1):
        match = _ELEMENT.search(text[number])
        if match:
            return match[1]
    return None
