"""Writing the model, or one patient of it, as an SBML file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import libsbml

from opiome import files
from opiome.errors import InputError, ModelError, Problem, nearest
from opiome.exchange._annotate import annotate, paragraph
from opiome.exchange._doses import add_doses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opiome.engine import EventTable
    from opiome.model import Model

__all__ = ["export_sbml", "sbml_text"]


def export_sbml(
    path: Path | str,
    model: Model,
    *,
    parameters: Mapping[str, float] | None = None,
    start: Mapping[str, float] | None = None,
    events: EventTable | None = None,
    patient: int = 0,
    overwrite: bool = False,
) -> Path:
    """Write a model as SBML Level 3 Version 2 and return the path.

    Without more arguments it is the model as loaded. With ``parameters`` and ``start`` it is one patient:
    values replace the defaults, start states replace initial values (a solved baseline is part of a patient,
    not of the model). With ``events`` the file also gives that patient row's doses.
    Every start value is a number, the one that the model computes from the parameters of the file; its
    formula is kept in the notes of the state.

    Raises:
        InputError: unknown names, a file that exists (unless ``overwrite``) or cannot be written.
        DoseError: events that SBML cannot say (steady-state doses, resets).
    """
    target = Path(path)
    if target.exists() and not overwrite:
        raise InputError(
            Problem("exists already", file=target, remedy="choose another name, or ask for overwriting")
        )
    text = sbml_text(model, parameters=parameters, start=start, events=events, patient=patient)
    try:
        files.write_text(target, text)
    except OSError as error:
        raise InputError(
            Problem(
                f"cannot be written ({error.strerror})",
                file=target,
                remedy="choose a folder that you may write to",
            )
        ) from error
    return target


def sbml_text(
    model: Model,
    *,
    parameters: Mapping[str, float] | None = None,
    start: Mapping[str, float] | None = None,
    events: EventTable | None = None,
    patient: int = 0,
    until: float = math.inf,
) -> str:
    """Return the text that :func:`export_sbml` writes, with the doses before a time ``until`` (h)."""
    document = libsbml.readSBMLFromString(model.sbml)
    sbml = document.getModel()
    problems = [
        *_unknown(
            parameters or (), (p.getId() for p in sbml.getListOfParameters() if p.getConstant()), "parameter"
        ),
        *_unknown(start or (), (r.getVariable() for r in sbml.getListOfRules() if r.isRate()), "state"),
    ]
    if problems:
        raise InputError(problems)
    for name, value in (parameters or {}).items():
        sbml.getParameter(name).setValue(float(value))
    annotate(document, model)
    _start(sbml, model, parameters or {}, start or {})
    if events is not None:
        add_doses(document, events, patient, until)
    _verify(document)
    text: str = libsbml.writeSBMLToString(document)
    return text


def _start(
    sbml: libsbml.Model, model: Model, parameters: Mapping[str, float], start: Mapping[str, float]
) -> None:
    """Give each state its start value as a number, and keep the formula of one that is computed as a note.

    libRoadRunner writes code for the initial value of every variable: it would put the formula of a state
    wherever a rule that it expands names it, and need minutes to load the model.
    """
    formulas = {
        a.getSymbol(): libsbml.formulaToL3String(a.getMath()) for a in sbml.getListOfInitialAssignments()
    }
    values = {name: float(value) for name, value in start.items()}
    if formulas.keys() - start.keys():
        from opiome import engine

        program = engine.compile(model.sbml)
        given = {name: float(value) for name, value in parameters.items()}
        computed = dict(zip(program.states, program.start(given, n=1)[0], strict=True))
        for name in formulas.keys() & computed.keys() - start.keys():
            values[name] = float(computed[name])
            sbml.getParameter(name).setNotes(paragraph(f"starts at {formulas[name]}"))
    for name, value in values.items():
        sbml.removeInitialAssignment(name)
        sbml.getParameter(name).setValue(value)


def _unknown(given: Iterable[str], known: Iterable[str], what: str) -> list[Problem]:
    names = set(known)
    return [
        Problem(
            f"the model has no {what} '{name}'",
            field=name,
            remedy=f"did you mean '{guess}'?" if (guess := nearest(name, names)) else f"name a {what}",
        )
        for name in given
        if name not in names
    ]


def _verify(document: libsbml.SBMLDocument) -> None:
    """Refuse to write what libSBML finds inconsistent: that would be our fault, not the user's."""
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_MODELING_PRACTICE, False)  # noqa: FBT003 - libSBML's signature
    document.checkConsistency()
    log = document.getErrorLog()
    errors = [log.getError(i) for i in range(log.getNumErrors())]
    if errors:
        raise ModelError(
            Problem(
                f"export is inconsistent SBML: {' '.join(error.getMessage().split())}", line=error.getLine()
            )
            for error in errors
        )
