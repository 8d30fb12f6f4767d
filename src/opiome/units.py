"""Quantities as people write them, turned into the model's own units in one place.

The model's units are hours, nmol, litres, grams and millimoles (``docs/design/contracts.md``). Parsing is by
pint; what pint cannot know (a dose in mg needs a molar mass) is asked for by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from opiome.errors import InputError, Problem, nearest

if TYPE_CHECKING:
    import pint

__all__ = ["Quantity", "hours", "nanomoles", "quantity"]

_TEXT = re.compile(r"\s*([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*([^\d\s].*?)?\s*")
_SPELLINGS = {
    "ug": "microgram",
    "mcg": "microgram",
    "µg": "microgram",
    "μg": "microgram",
    "l": "litre",
    "L": "litre",
    "h": "hour",
    "d": "day",
    "wk": "week",
    "mo": "month",
}
_COMMON = (
    "mg",
    "g",
    "ug",
    "mcg",
    "nmol",
    "umol",
    "mmol",
    "mL",
    "L",
    "h",
    "hour",
    "hours",
    "min",
    "d",
    "day",
    "days",
    "week",
    "weeks",
    "month",
    "months",
    "year",
    "mg/h",
    "ug/h",
    "mg/kg",
    "cfu",
)


@dataclass(frozen=True)
class Quantity:
    """A number with a unit as it was written, such as 30 mg."""

    value: float
    unit: str

    def to(self, unit: str) -> float:
        """The number in another unit; raises InputError if the dimensions differ."""
        import pint

        try:
            return float(
                _registry().Quantity(self.value, _pint_unit(self.unit)).to(_pint_unit(unit)).magnitude
            )
        except pint.DimensionalityError:
            raise InputError(
                Problem(f"'{self}' cannot be expressed in {unit}", expected=f"a quantity in {unit}")
            ) from None

    def is_like(self, unit: str) -> bool:
        """Whether the quantity has the dimension of ``unit``."""
        registry = _registry()
        return bool(registry.Unit(_pint_unit(self.unit)).is_compatible_with(registry.Unit(_pint_unit(unit))))

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}".strip()


@cache
def _registry() -> pint.UnitRegistry[float]:
    import pint

    registry: pint.UnitRegistry[float] = pint.UnitRegistry()
    registry.define("cfu = []")
    return registry


def _pint_unit(unit: str) -> str:
    return re.sub(r"[A-Za-zµμ]+", lambda word: _SPELLINGS.get(word.group(), word.group()), unit)


def quantity(text: str) -> Quantity:
    """Read ``30 mg``, ``25 ug/h``, ``12 weeks`` or ``7``; raises InputError with the nearest unit."""
    import pint

    match = _TEXT.fullmatch(text)
    if not match:
        raise InputError(
            Problem(f"'{text}' is not a quantity", expected="a number and a unit, such as '30 mg'")
        )
    number, unit = match.group(1), match.group(2) or ""
    try:
        _registry().Unit(_pint_unit(unit))
    except (pint.PintError, ValueError, TypeError, AttributeError):
        likely = nearest(unit, _COMMON)
        raise InputError(
            Problem(
                f"unknown unit '{unit}' in '{text}'",
                expected="a unit such as mg, ug/h, h, days or weeks",
                remedy=f"did you mean '{likely}'?" if likely else None,
            )
        ) from None
    return Quantity(float(number), unit)


def hours(text: str | float) -> float:
    """A duration in hours from ``2 weeks``, ``12 h`` or ``3 d``; a bare number is refused: it has no unit."""
    given = quantity(str(text))
    if not given.unit or not given.is_like("hour"):
        raise InputError(Problem(f"'{text}' is not a duration", expected="a number and h, days or weeks"))
    return given.to("hour")


def nanomoles(given: Quantity, molar_mass: float | None) -> float:
    """An amount in nmol; a mass needs ``molar_mass`` (g/mol). Raises InputError for anything else."""
    if given.is_like("nmol"):
        return given.to("nmol")
    if not given.is_like("gram"):
        raise InputError(
            Problem(f"'{given}' is not an amount of a drug", expected="a mass (mg) or moles (nmol)")
        )
    if molar_mass is None:
        raise InputError(Problem(f"'{given}' needs a molar mass", expected="an amount in nmol"))
    return given.to("gram") / molar_mass * 1e9
