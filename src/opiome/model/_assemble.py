"""Fragments and tables to one Antimony text, and from there to checked SBML."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from opiome.errors import Problem, nearest
from opiome.model._fragments import Line, Statement, statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from opiome.model._resolve import Parameter
    from opiome.model._tables import Table

__all__ = ["Assembly", "assemble", "to_sbml"]

MODEL_ID = "opiome"
_LONGEST = 120  # characters of a line in a message
_ANTIMONY = threading.Lock()  # libantimony keeps one global state
_WORD = re.compile(r"[A-Za-z_]\w*")
_HAS = re.compile(r"\b([A-Za-z_]\w*)\s+has\s+([A-Za-z_]\w*)")
_ERROR_LINE = re.compile(r"line (\d+):\s*(.*)", re.DOTALL)
_MODEL_UNITS = {"time_unit": "hour", "substance": "nmol", "extent": "nmol", "volume": "L"}


@dataclass(frozen=True)
class Assembly:
    """Antimony text of the whole model; ``origin[i]`` says who wrote line ``i + 1`` (None: the loader)."""

    antimony: str
    lines: list[Line]
    origin: list[Line | None]
    folder: Path

    @cached_property
    def statements(self) -> list[Statement]:
        """Every definition of the assembled text."""
        return statements(self.lines)

    def line_of(self, symbol: str, *, start: bool = False) -> Line | None:
        """Return the line of a symbol's equation (``start``: its initial value), else the first naming it."""
        own = [statement for statement in self.statements if statement.id == symbol]
        wanted = [statement for statement in own if (statement.kind == "initial") == start]
        for statement in wanted or own:
            return statement.line
        word = re.compile(rf"\b{re.escape(symbol)}\b")
        return next((line for line in self.lines if word.search(line.code)), None)

    def problem(
        self,
        symbol: str | None,
        message: str,
        *,
        expected: str | None = None,
        remedy: str,
        start: bool = False,
    ) -> Problem:
        """Return a problem at the line of a symbol's equation, or of the folder where there is none."""
        line = self.line_of(symbol, start=start) if symbol else None
        if line is None:
            return Problem(message, self.folder, field=symbol, expected=expected, remedy=remedy)
        return line.problem(message, expected=expected, remedy=remedy)


def assemble(
    lines: list[Line], parameters: Mapping[str, Parameter], units: Table, folder: Path
) -> tuple[Assembly, list[Problem]]:
    """Write one flat Antimony model: units, parameters with values and units, then the fragments."""
    defined = {row.text("id"): row.text("definition") for row in units}
    problems = _twice(lines, parameters) + _unknown_units(lines, parameters, defined)
    used = {word for line in lines for word in _WORD.findall(line.code)} | set(_MODEL_UNITS.values())
    used |= {parameter.unit for parameter in parameters.values()}
    text: list[tuple[str, Line | None]] = [(f"model {MODEL_ID}", None)]
    for name, definition in defined.items():
        if name in used and name != "dimensionless":
            text.append((f"  unit {name} = {definition}", None))
    for kind, name in _MODEL_UNITS.items():
        text.append((f"  unit {kind} = {defined.get(name, '')}", None))
    for item in parameters.values():
        value = f"{item.id} = {item.value!r}"
        origin = Line(value, item.row.file, item.row.line)
        text += [(f"  {value}", origin), (f"  {item.id} has {item.unit}", origin)]
    text.extend((f"  {line.code.strip()}", line) for line in lines if line.code.strip())
    # an initial value that is a bare number would make its symbol dimensionless: units have the last word
    for line in lines:
        text.extend((f"  {symbol} has {unit}", line) for symbol, unit in _HAS.findall(line.code))
    text.append(("end", None))
    written = "\n".join(code for code, _ in text) + "\n"
    return Assembly(written, lines, [line for _, line in text], folder), problems


def _unknown_units(
    lines: list[Line], parameters: Mapping[str, Parameter], defined: Mapping[str, str]
) -> list[Problem]:
    def remedy(unit: str) -> str:
        guess = nearest(unit, defined)
        return f"did you mean '{guess}'?" if guess else "add it to units.tsv"

    expected = "a name of units.tsv"
    problems = [
        item.row.problem(
            f"unknown unit '{item.unit}' of parameter '{item.id}'",
            "unit",
            expected=expected,
            remedy=remedy(item.unit),
        )
        for item in parameters.values()
        if item.unit and item.unit not in defined
    ]
    problems += [
        line.problem(f"unknown unit '{unit}' of '{symbol}'", expected=expected, remedy=remedy(unit))
        for line in lines
        for symbol, unit in _HAS.findall(line.code)
        if unit not in defined
    ]
    missing = sorted(set(_MODEL_UNITS.values()) - set(defined)) if defined else []
    problems += [
        Problem(f"units.tsv lacks '{unit}', a unit of the whole model", remedy="add it to units.tsv")
        for unit in missing
    ]
    return problems


def _twice(lines: list[Line], parameters: Mapping[str, Parameter]) -> list[Problem]:
    """Find symbols that are defined twice: Antimony keeps the last one without a word."""
    problems = []
    first: dict[str, Line] = {}
    for statement in statements(lines):
        if statement.id in parameters:
            row = parameters[statement.id].row
            problems.append(
                statement.line.problem(
                    f"'{statement.id}' is a parameter and also has an equation",
                    expected="either an equation or a row in parameters",
                    remedy=f"remove the equation or the row at {row.file.name}:{row.line}",
                )
            )
        kind = "value" if statement.kind == "initial" else "equation"
        known = first.setdefault(f"{statement.id} {kind}", statement.line)
        if known is not statement.line:
            problems.append(
                statement.line.problem(
                    f"'{statement.id}' has a second {kind}",
                    expected=f"one {kind}",
                    remedy=f"remove this one or the one at {known.file.name}:{known.number}",
                )
            )
    return problems


def to_sbml(assembly: Assembly) -> tuple[str, list[Problem]]:
    """Compile to SBML Level 3 Version 2; all problems carry the fragment's file and line."""
    import antimony

    with _ANTIMONY:
        antimony.clearPreviousLoads()
        antimony.setBareNumbersAreDimensionless(True)
        code = antimony.loadAntimonyString(assembly.antimony)
        complaint = "" if code >= 0 else str(antimony.getLastError() or "Antimony refuses the text")
        warnings = str(antimony.getWarnings() or "")
        sbml = "" if complaint else antimony.getSBMLString(MODEL_ID)
        antimony.clearPreviousLoads()
        antimony.freeAll()
    problems = [_located(text, assembly) for text in (complaint, *warnings.splitlines()) if text.strip()]
    return sbml, problems


def _located(text: str, assembly: Assembly) -> Problem:
    match = _ERROR_LINE.search(text)
    origin = None
    if match:
        number = int(match[1])
        origin = assembly.origin[number - 1] if 0 < number <= len(assembly.origin) else None
        text = match[2].strip()
    remedy = "correct the Antimony text of this line"
    if origin is None:
        return Problem(
            f"Antimony: {text.strip()}",
            file=assembly.folder,
            remedy="look for the named symbol in the fragments",
        )
    code = origin.code.strip()
    code = code if len(code) <= _LONGEST else f"{code[:_LONGEST]}..."
    return origin.problem(f"Antimony: {text}: {code}", remedy=remedy)


def undefined(symbols: Iterable[str], known: Iterable[str], assembly: Assembly) -> list[Problem]:
    """Turn symbols without value or equation into problems, each at the first line that uses it."""
    names = list(known)
    problems = []
    for symbol in symbols:
        guess = nearest(symbol, [name for name in names if name != symbol])
        remedy = f"did you mean '{guess}'? Otherwise give" if guess else "give"
        remedy += f" '{symbol}' a row in parameters, or an equation"
        problems.append(assembly.problem(symbol, f"'{symbol}' has no value and no equation", remedy=remedy))
    return problems
