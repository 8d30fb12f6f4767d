"""Units of every expression, with their scale.

libSBML's own check compares dimensions but not scales across an equals sign: it lets 1/min stand for 1/h
and mg for g. This one works out the unit of each term in SI base units with its factor and compares both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libsbml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["DIMENSIONLESS", "Mismatch", "Unit", "mismatches", "names_of_units"]

_SI: dict[str, tuple[dict[str, float], float]] = {
    "litre": ({"m": 3.0}, 1e-3),
    "liter": ({"m": 3.0}, 1e-3),
    "metre": ({"m": 1.0}, 1.0),
    "meter": ({"m": 1.0}, 1.0),
    "gram": ({"kg": 1.0}, 1e-3),
    "kilogram": ({"kg": 1.0}, 1.0),
    "second": ({"s": 1.0}, 1.0),
    "mole": ({"mol": 1.0}, 1.0),
    "item": ({"item": 1.0}, 1.0),
    "dimensionless": ({}, 1.0),
    "radian": ({}, 1.0),
    "kelvin": ({"K": 1.0}, 1.0),
    "joule": ({"kg": 1.0, "m": 2.0, "s": -2.0}, 1.0),
    "pascal": ({"kg": 1.0, "m": -1.0, "s": -2.0}, 1.0),
    "newton": ({"kg": 1.0, "m": 1.0, "s": -2.0}, 1.0),
    "hertz": ({"s": -1.0}, 1.0),
    "ampere": ({"A": 1.0}, 1.0),
}
_LEAVES = (libsbml.AST_NAME, libsbml.AST_NAME_TIME, libsbml.AST_CONSTANT_PI, libsbml.AST_CONSTANT_E)
_ALIKE = (libsbml.AST_PLUS, libsbml.AST_MINUS, libsbml.AST_FUNCTION_MIN, libsbml.AST_FUNCTION_MAX)
_POWERS = (libsbml.AST_POWER, libsbml.AST_FUNCTION_POWER, libsbml.AST_FUNCTION_ROOT)
_SAME_AS_ARGUMENT = (libsbml.AST_FUNCTION_ABS, libsbml.AST_FUNCTION_FLOOR, libsbml.AST_FUNCTION_CEILING)
_TOLERANCE = 1e-9
_START = "initial value"
_LONGEST = 80  # characters of a formula in a message


@dataclass(frozen=True)
class Unit:
    """A unit as powers of SI base units and a factor."""

    powers: tuple[tuple[str, float], ...]
    factor: float

    @staticmethod
    def of(powers: Mapping[str, float], factor: float) -> Unit:
        """Return a unit with its zero powers dropped."""
        kept = {kind: round(power, 9) for kind, power in powers.items() if abs(power) > _TOLERANCE}
        return Unit(tuple(sorted(kept.items())), factor)

    def times(self, other: Unit, power: float = 1.0) -> Unit:
        """Return this unit times another one raised to a power."""
        powers = dict(self.powers)
        for kind, exponent in other.powers:
            powers[kind] = powers.get(kind, 0.0) + power * exponent
        return Unit.of(powers, self.factor * other.factor**power)

    def same(self, other: Unit) -> bool:
        """Whether dimension and scale agree."""
        return self.powers == other.powers and math.isclose(self.factor, other.factor, rel_tol=1e-6)


DIMENSIONLESS = Unit((), 1.0)


@dataclass(frozen=True)
class Mismatch:
    """Two units that should agree, in the equation of ``symbol``."""

    symbol: str
    message: str
    expected: str
    of_start: bool = False  # whether it is the initial value that is wrong


def unit_of_definition(definition: libsbml.UnitDefinition) -> Unit:
    """Convert an SBML unit definition."""
    unit = DIMENSIONLESS
    for part in definition.getListOfUnits():
        powers, factor = _SI[libsbml.UnitKind_toString(part.getKind())]
        scaled = Unit.of(powers, factor * part.getMultiplier() * 10.0 ** part.getScale())
        unit = unit.times(scaled, part.getExponentAsDouble())
    return unit


def names_of_units(model: libsbml.Model) -> dict[str, Unit]:
    """Return every unit that the model can name, base kinds and its own definitions."""
    units = {kind: Unit.of(powers, factor) for kind, (powers, factor) in _SI.items()}
    units.update({item.getId(): unit_of_definition(item) for item in model.getListOfUnitDefinitions()})
    return units


def mismatches(model: libsbml.Model) -> list[Mismatch]:
    """Check every rule, initial assignment and kinetic law of a model; returns all disagreements."""
    return list(_Checker(model).run())


class _Checker:
    def __init__(self, model: libsbml.Model) -> None:
        self.model = model
        self.names = names_of_units(model)
        self.time = self.names.get(model.getTimeUnits(), self.names["second"])
        extent = self.names.get(model.getExtentUnits(), self.names["mole"])
        self.symbols = self._symbols()
        self.rate = extent.times(self.time, -1.0)
        self.symbol = ""
        self.found: list[Mismatch] = []

    def _symbols(self) -> dict[str, Unit | None]:
        model = self.model
        volume = self.names.get(model.getVolumeUnits(), self.names["litre"])
        substance = self.names.get(model.getSubstanceUnits(), self.names["mole"])
        symbols: dict[str, Unit | None] = {}
        for item in model.getListOfParameters():
            symbols[item.getId()] = self.names.get(item.getUnits()) if item.isSetUnits() else None
        for item in model.getListOfCompartments():
            symbols[item.getId()] = self.names.get(item.getUnits(), volume)
        for item in model.getListOfSpecies():
            unit = self.names.get(item.getSubstanceUnits(), substance)
            size = symbols.get(item.getCompartment()) or volume
            symbols[item.getId()] = unit if item.getHasOnlySubstanceUnits() else unit.times(size, -1.0)
        for item in model.getListOfReactions():
            symbols[item.getId()] = None
        return symbols

    def run(self) -> Iterator[Mismatch]:
        for symbol, unit in self.symbols.items():
            item = self.model.getParameter(symbol)
            known = item is not None and (
                item.isSetValue() or self.model.getRuleByVariable(symbol) is not None
            )
            if unit is None and known:
                yield Mismatch(symbol, f"'{symbol}' has no unit", self._suggest(symbol))
        for rule in self.model.getListOfRules():
            unit = self.symbols.get(rule.getVariable())
            if unit is not None and rule.isRate():
                unit = unit.times(self.time, -1.0)
            yield from self._equation(
                rule.getVariable(), rule.getMath(), unit, "rate" if rule.isRate() else "equation"
            )
        for item in self.model.getListOfInitialAssignments():
            yield from self._equation(
                item.getSymbol(), item.getMath(), self.symbols.get(item.getSymbol()), _START
            )
        for reaction in self.model.getListOfReactions():
            law = reaction.getKineticLaw()
            if law is not None and law.getMath() is not None:
                yield from self._equation(reaction.getId(), law.getMath(), self.rate, "rate")

    def _suggest(self, symbol: str) -> str:
        rule = self.model.getRuleByVariable(symbol)
        if rule is None or rule.getMath() is None:
            return "a declaration such as 'x has nmol_per_L'"
        unit = self._unit(rule.getMath())
        self.found.clear()
        if unit is not None and rule.isRate():
            unit = unit.times(self.time)
        return f"'{symbol} has {self.name(unit)}'" if unit else "a declaration such as 'x has nmol_per_L'"

    def _equation(
        self, symbol: str, tree: libsbml.ASTNode | None, unit: Unit | None, what: str
    ) -> Iterator[Mismatch]:
        if tree is None:
            return
        self.symbol, self.found = symbol, []
        given = self._unit(tree)
        yield from self.found
        if given is not None and unit is not None and not given.same(unit):
            message = f"the {what} of '{symbol}' is in {self.name(given)}"
            yield Mismatch(symbol, message, self.name(unit), of_start=what == _START)

    def name(self, unit: Unit) -> str:
        """Name a unit by the model's own name for it, else by SI base units."""
        own = {item.getId() for item in self.model.getListOfUnitDefinitions()} | {"dimensionless"}
        for name, known in self.names.items():
            if name in own and known.same(unit):
                return name
        powers = " ".join(kind if power == 1 else f"{kind}^{power:g}" for kind, power in unit.powers)
        return f"{unit.factor:.6g} {powers}".strip()

    def _complain(self, node: libsbml.ASTNode, message: str, expected: str) -> None:
        formula = libsbml.formulaToL3String(node)
        short = formula if len(formula) <= _LONGEST else f"{formula[:_LONGEST]}..."
        self.found.append(
            Mismatch(self.symbol, f"equation of '{self.symbol}': {message} in '{short}'", expected)
        )

    def _unit(self, node: libsbml.ASTNode) -> Unit | None:
        """Unit of an expression; None where it depends on a symbol without unit."""
        if node.getType() in _LEAVES or node.isNumber():
            return self._leaf(node)
        if node.getType() in _POWERS:
            return self._power(node, root=node.getType() == libsbml.AST_FUNCTION_ROOT)
        return self._call(node, node.getType())

    def _call(self, node: libsbml.ASTNode, kind: int) -> Unit | None:
        children = [node.getChild(i) for i in range(node.getNumChildren())]
        if kind in _ALIKE or node.isRelational():
            unit = self._alike(node, children)
            return DIMENSIONLESS if node.isRelational() else unit
        if kind == libsbml.AST_FUNCTION_PIECEWISE:
            for condition in children[1::2]:
                self._unit(condition)
            return self._alike(node, children[0::2])
        units = [self._unit(child) for child in children]
        if kind in (libsbml.AST_TIMES, libsbml.AST_DIVIDE):
            return self._product(units, divide=kind == libsbml.AST_DIVIDE)
        if kind in _SAME_AS_ARGUMENT:
            return units[0]
        for unit in units:  # exp, ln, tanh and their like; and, or, not
            if unit is not None and not unit.same(DIMENSIONLESS):
                self._complain(node, f"argument in {self.name(unit)}", "dimensionless")
        return DIMENSIONLESS

    def _leaf(self, node: libsbml.ASTNode) -> Unit | None:
        if node.getType() == libsbml.AST_NAME_TIME:
            return self.time
        if node.getType() == libsbml.AST_NAME:
            return self.symbols.get(node.getName())
        return self.names.get(node.getUnits()) if node.isSetUnits() else DIMENSIONLESS

    @staticmethod
    def _product(units: list[Unit | None], *, divide: bool) -> Unit | None:
        result = DIMENSIONLESS
        for position, unit in enumerate(units):
            if unit is None:
                return None
            result = result.times(unit, -1.0 if divide and position else 1.0)
        return result

    def _alike(self, node: libsbml.ASTNode, children: list[libsbml.ASTNode]) -> Unit | None:
        units = [unit for unit in map(self._unit, children) if unit is not None]
        for unit in units[1:]:
            if not unit.same(units[0]):
                self._complain(
                    node, f"terms in {self.name(units[0])} and {self.name(unit)}", self.name(units[0])
                )
                break
        return units[0] if units else None

    def _power(self, node: libsbml.ASTNode, *, root: bool) -> Unit | None:
        children = [node.getChild(i) for i in range(node.getNumChildren())]
        base = self._unit(children[-1] if root else children[0])
        if base is None:
            return None
        if root and len(children) == 1:
            return DIMENSIONLESS.times(base, 0.5)
        exponent = children[0] if root else children[1]
        if exponent.isNumber():
            return DIMENSIONLESS.times(base, 1.0 / exponent.getValue() if root else exponent.getValue())
        power = self._unit(exponent)
        if power is not None and not power.same(DIMENSIONLESS):
            self._complain(node, f"exponent in {self.name(power)}", "dimensionless")
        if not base.same(DIMENSIONLESS):
            message = f"a base in {self.name(base)} under an exponent that is no number"
            self._complain(node, message, "a dimensionless base")
        return DIMENSIONLESS
