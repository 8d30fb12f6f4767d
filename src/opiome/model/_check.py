"""What assembled SBML must satisfy before it is a model: nothing undefined, no libSBML error, units that agree."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libsbml

from opiome.errors import Problem
from opiome.model._assemble import undefined
from opiome.model._dimensions import mismatches

if TYPE_CHECKING:
    from pathlib import Path

    from opiome.model._assemble import Assembly

__all__ = ["check"]

_ELEMENT = re.compile(r'(?:variable|symbol|<(?:reaction|parameter|species|compartment)[^>]* id)="(\w+)"')
_REPORTED_BY_US = {10501, 10503, 10511, 10512, 10513, 10521, 10522, 10523, 10531, 10532, 10533, 10541, 10542, 99505, 99508}


def check(sbml: str, assembly: Assembly, folder: Path) -> list[Problem]:
    """Return every problem of an assembled model; an empty list means that it may be used."""
    document = libsbml.readSBMLFromString(sbml)
    model = document.getModel()
    if model is None:
        return [Problem("Antimony wrote no model", file=folder, remedy="check that the fragments hold equations")]
    problems = _holes(model, assembly, folder)
    if not any(rule.isRate() for rule in model.getListOfRules()) and not model.getNumReactions():
        problems.append(Problem("the model has no state", file=folder, expected="at least one rate equation (x' = ...)",
                                remedy="add rate equations to the fragments"))
    if problems:
        return problems  # what follows would only repeat these
    for mismatch in mismatches(model):
        line = assembly.line_of(mismatch.symbol)
        more = {"expected": mismatch.expected, "remedy": "correct the equation or the unit of one of its terms"}
        problems.append(line.problem(mismatch.message, **more) if line
                        else Problem(mismatch.message, file=folder, field=mismatch.symbol, **more))
    return problems + _consistency(document, sbml, assembly, folder, seen=bool(problems))


def _holes(model: libsbml.Model, assembly: Assembly, folder: Path) -> list[Problem]:
    ruled = {rule.getVariable() for rule in model.getListOfRules() if not rule.isRate()}
    started = {item.getSymbol() for item in model.getListOfInitialAssignments()}
    rates = {rule.getVariable() for rule in model.getListOfRules() if rule.isRate()}
    names = [item.getId() for item in model.getListOfParameters()]
    empty = [
        item.getId() for item in model.getListOfParameters()
        if not item.isSetValue() and item.getId() not in ruled | started
    ]
    empty += [
        item.getId() for item in model.getListOfSpecies()
        if not (item.isSetInitialAmount() or item.isSetInitialConcentration()) and item.getId() not in ruled | started
    ]
    problems = undefined([name for name in empty if name not in rates], [n for n in names if n not in empty], assembly, folder)
    for name in sorted(set(empty) & rates):
        line = assembly.line_of(name)
        message, remedy = f"state '{name}' has no initial value", f"write '{name} = ...' in the fragment"
        problems.append(line.problem(message, remedy=remedy) if line else Problem(message, file=folder, remedy=remedy))
    return problems


def _consistency(
    document: libsbml.SBMLDocument, sbml: str, assembly: Assembly, folder: Path, *, seen: bool,
) -> list[Problem]:
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
        line = assembly.line_of(symbol) if symbol else None
        message = f"libSBML {error.getErrorId()}: {message}"
        remedy = "correct the equation or the declaration"
        problems.append(line.problem(message, field=symbol, remedy=remedy) if line
                        else Problem(message, file=folder, field=symbol, remedy=remedy))
    return problems


def _element(text: list[str], line: int) -> str | None:
    for number in range(min(line, len(text)) - 1, -1, -1):
        match = _ELEMENT.search(text[number])
        if match:
            return match[1]
    return None
