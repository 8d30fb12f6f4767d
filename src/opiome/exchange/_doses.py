"""One patient's doses as SBML events, so that any simulator gives them.

A bolus adds to its state; an infusion raises the input rate of its state and lowers it again; a parameter
change sets the parameter; an end (a patch removed, a course stopped) shortens what it ends. Steady-state
doses and resets have no counterpart in SBML and are refused by name.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import libsbml

from opiome.errors import DoseError, Problem

if TYPE_CHECKING:
    from opiome.engine import EventTable

__all__ = ["add_doses"]

_DOSE, _SET, _END = 1, 2, 5
_EVERYONE = -1


def add_doses(
    document: libsbml.SBMLDocument, events: EventTable, patient: int, until: float = math.inf
) -> None:
    """Write the events of one patient row before a time (h) into a document.

    Raises DoseError for what SBML cannot say.
    """
    problems = []
    sbml = document.getModel()
    for row in range(len(events)):
        if events.ID[row] not in (_EVERYONE, patient) or not events.EVID[row]:
            continue
        if events.EVID[row] not in (_DOSE, _SET, _END) or events.SS[row]:
            problems.append(_refused(events, row))
        elif events.EVID[row] != _END:
            _add(sbml, events, row, until, _ended(events, row, patient))
    if problems:
        raise DoseError(problems)


def _refused(events: EventTable, row: int) -> Problem:
    steady = bool(events.SS[row])
    what = "a steady-state dose" if steady else f"a reset (EVID {events.EVID[row]})"
    return Problem(
        f"event row {row}: {what} cannot be written as an SBML event",
        field="SS" if steady else "EVID",
        expected="doses, ends and parameter changes",
        remedy="give the doses one by one"
        if steady
        else "leave it out, or start the simulation at that time",
    )


def _ended(events: EventTable, row: int, patient: int) -> float:
    """When the record of a dose is ended by a later one (h); inf where none ends it."""
    times = [
        float(events.TIME[end])
        for end in range(len(events))
        if events.EVID[end] == _END
        and events.ID[end] in (_EVERYONE, patient)
        and events.TIME[end] > events.TIME[row]
        and events.CMT[end] == events.CMT[row]
        and (not events.SITE[end] or events.SITE[end] == events.SITE[row])
    ]
    return min(times, default=math.inf)


def _add(sbml: libsbml.Model, events: EventTable, row: int, until: float, ended: float) -> None:
    target = str(events.CMT[row])
    amount = float(events.AMT[row]) * float(events.F[row])
    duration = float(events.DUR[row])
    if not duration and events.RATE[row] > 0:
        duration = amount / float(events.RATE[row])
    for repeat in range(int(events.ADDL[row]) + 1):
        time = float(events.TIME[row] + repeat * events.II[row])
        if time >= until or (time >= ended and events.EVID[row] != _SET):
            break
        name = f"dose_{row}_{repeat}"
        if events.EVID[row] == _SET:
            sbml.getParameter(target).setConstant(False)
            _event(sbml, f"set_{row}_{repeat}", time, target, f"{float(events.AMT[row])!r}")
        elif duration:
            rate = _input_rate(sbml, target)
            lag = float(events.LAG[row])
            time += lag
            _event(sbml, name, time, rate, f"{rate} + {amount / duration!r}")
            stop = min(time + duration, ended + lag)
            _event(sbml, f"{name}_end", stop, rate, f"{rate} - {amount / duration!r}")
        else:
            _event(sbml, name, time + float(events.LAG[row]), target, f"{target} + {amount!r}")


def _input_rate(sbml: libsbml.Model, state: str) -> str:
    """Return the parameter that holds the state's input per hour, added to its rate where it is new."""
    name = f"input_{state}"
    if sbml.getParameter(name) is None:
        parameter = sbml.createParameter()
        parameter.setId(name)
        parameter.setValue(0.0)
        parameter.setConstant(False)
        rule = sbml.getRateRule(state)
        parameter.setUnits(_per_hour(sbml, sbml.getParameter(state).getUnits()))
        rule.setMath(libsbml.parseL3Formula(f"({libsbml.formulaToL3String(rule.getMath())}) + {name}"))
    return name


def _per_hour(sbml: libsbml.Model, unit: str) -> str:
    name = f"{unit}_per_model_hour"
    if sbml.getUnitDefinition(name) is None:
        known = sbml.getUnitDefinition(unit)
        definition = known.clone() if known is not None else libsbml.UnitDefinition(sbml.getSBMLNamespaces())
        definition.setId(name)
        if known is None:
            _unit(definition, libsbml.UnitKind_forName(unit), 1, 1.0)
        _unit(definition, libsbml.UNIT_KIND_SECOND, -1, 3600.0)
        sbml.addUnitDefinition(definition)
    return name


def _unit(definition: libsbml.UnitDefinition, kind: int, exponent: int, multiplier: float) -> None:
    part = definition.createUnit()
    part.setKind(kind)
    part.setExponent(exponent)
    part.setScale(0)
    part.setMultiplier(multiplier)


def _event(sbml: libsbml.Model, name: str, time: float, target: str, formula: str) -> None:
    event = sbml.createEvent()
    event.setId(name)
    event.setUseValuesFromTriggerTime(False)
    trigger = event.createTrigger()
    trigger.setInitialValue(False)
    trigger.setPersistent(True)
    hour = sbml.getTimeUnits()
    trigger.setMath(_formula(f"time >= {time!r} {hour}"))
    unit = sbml.getParameter(target).getUnits()
    assignment = event.createEventAssignment()
    assignment.setVariable(target)
    assignment.setMath(_formula(f"{formula} {unit}"))


def _formula(text: str) -> libsbml.ASTNode:
    settings = libsbml.L3ParserSettings()
    settings.setParseUnits(True)
    return libsbml.parseL3FormulaWithSettings(text, settings)
