"""From a sentence of the dosing language to a dosing: which product, how much, when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opiome.errors import DoseError, InputError, Problem
from opiome.regimen._catalogue import catalogue
from opiome.regimen._language import read
from opiome.units import Quantity, nanomoles

if TYPE_CHECKING:
    from opiome.model import Model
    from opiome.regimen._catalogue import Catalogue, Product
    from opiome.regimen._vocabulary import Sentence

__all__ = ["Dosing", "parse"]

_DAY = 24.0
_LEAST_PROLONGED_H = 6.0  # prolonged release is labelled for 8, 12 or 24 h


@dataclass(frozen=True)
class Dosing:
    """One line of a regimen, understood.

    Attributes:
        text: the line as it was written.
        action: ``give``, ``stop`` (``product`` says what, ``first_day`` from when on) or ``placebo``.
        product: the row of the drug table; None for placebo.
        dose: one dose, or a rate per hour where ``rate`` is true, in ``product.dose_unit`` (``/h`` for a
            rate); None where the regimen leaves it open (``morphine CR every 12 h``) for :meth:`with_dose`.
        rate: whether ``dose`` is per hour: an infusion or a patch.
        every: hours between doses; None for a single dose or a continuous infusion.
        over: duration of each infusion in hours; None for a bolus or a continuous infusion.
        first_day: the first day, 1 being the first 24 h of the phase.
        last_day: the last day, included; None for until the end.
        as_needed: taken when the trial's rules say so; ``every`` is then the shortest interval.
    """

    text: str
    action: str
    product: Product | None = None
    dose: float | None = None
    rate: bool = False
    every: float | None = None
    over: float | None = None
    first_day: int = 1
    last_day: int | None = None
    as_needed: bool = False

    @property
    def is_active(self) -> bool:
        """Whether a drug is given."""
        return self.action == "give"

    @property
    def is_open(self) -> bool:
        """Whether the dose is still to be set."""
        return self.is_active and self.dose is None

    @property
    def drug(self) -> str:
        """The drug's id; empty for placebo."""
        return self.product.drug if self.product else ""

    def daily_dose(self) -> float:
        """The dose per 24 h in ``product.dose_unit`` while the regimen lasts; 0 where it is as needed."""
        if self.dose is None or self.as_needed or not self.is_active:
            return 0.0
        if self.rate:
            if self.over is not None and self.every is not None:
                return self.dose * self.over * _DAY / self.every
            return self.dose * _DAY
        return self.dose * _DAY / self.every if self.every else self.dose

    def with_dose(self, dose: float) -> Dosing:
        """The same regimen with another dose (in the same unit)."""
        return replace(self, dose=dose)

    def amount(self, dose: float | None = None) -> float:
        """A dose (this regimen's own by default) in the unit of the model's states.

        That is nmol where the drug table gives a molar mass, else the table's dose unit; per hour for a rate.
        """
        given = self.dose if dose is None else dose
        if given is None or self.product is None:
            raise DoseError(Problem(f"'{self.text}' has no dose", expected="a dose such as '30 mg'"))
        unit = base_unit(self.product)
        if self.product.molar_mass is None:
            return given
        return nanomoles(Quantity(given, unit), self.product.molar_mass)


def base_unit(product: Product) -> str:
    """The unit of an amount of the product: its dose unit without a ``/h``."""
    return product.dose_unit.removesuffix("/h")


def parse(text: str, model: Model) -> Dosing:
    """Read one regimen such as ``morphine 30 mg every 12 h from day 1 to day 14``.

    Args:
        text: the regimen; the language is described in ``docs/design/regimen.md``.
        model: a loaded model, for its drug table.

    Raises:
        DoseError: with every problem found; ``column`` of each is its place in ``text``, counted from 1.
    """
    sentence = read(text)
    problems = list(sentence.problems)
    if sentence.action == "placebo":
        if problems:
            raise DoseError(problems)
        return Dosing(text, "placebo", first_day=sentence.first_day, last_day=sentence.last_day)
    known = catalogue(model)
    product = _product(sentence, known, problems)
    dose = None
    if product is not None and sentence.dose is not None:
        dose = _dose(sentence, product, problems)
    if product is not None:
        problems += _formulation_problems(sentence, product, known)
    if problems:
        raise DoseError(sorted(problems, key=lambda problem: problem.column or 0))
    return Dosing(
        text=text,
        action=sentence.action,
        product=product,
        dose=dose,
        rate=_is_rate(sentence.dose) if sentence.dose else _per_hour(product),
        every=sentence.every,
        over=sentence.over,
        first_day=sentence.first_day,
        last_day=sentence.last_day,
        as_needed=sentence.as_needed,
    )


def _is_rate(dose: Quantity | None) -> bool:
    return dose is not None and "/" in dose.unit


def _per_hour(product: Product | None) -> bool:
    return product is not None and product.dose_unit.endswith("/h")


def _product(sentence: Sentence, known: Catalogue, problems: list[Problem]) -> Product | None:
    if not sentence.drug:
        return None
    try:
        return known.find(sentence.drug, sentence.forms, per_hour=_is_rate(sentence.dose))
    except DoseError as error:
        problems += error.problems
        return None


def _formulation_problems(sentence: Sentence, product: Product, known: Catalogue) -> list[Problem]:
    """Refuse to guess: a bare name means prolonged release, but hardly ever every 4 h or as needed."""
    often = sentence.every is not None and sentence.every < _LEAST_PROLONGED_H
    named = [form for form in sentence.forms if form.key != "pr"]  # prolonged release, or per rectum
    if product.formulation != "CR" or named or not (often or sentence.as_needed):
        return []
    brand = " ".join(word.text for word in sentence.drug).casefold() != product.drug.casefold()
    if brand or not any(p.drug == product.drug and p.formulation == "IR" for p in known.products):
        return []
    how = "as needed" if sentence.as_needed else f"every {sentence.every:g} h"
    return [
        Problem(
            f"{product.drug} {how} may be immediate or prolonged release",
            column=sentence.drug[0].column,
            expected=f"'{product.drug} IR' or '{product.drug} CR'",
        )
    ]


def _dose(sentence: Sentence, product: Product, problems: list[Problem]) -> float | None:
    """The dose in the table's unit, checked against the table's range."""
    given = sentence.dose
    if given is None:
        return None
    unit = base_unit(product)
    wanted = f"{unit}/h" if _is_rate(given) else unit
    try:
        value = _convert(given, wanted, product)
    except InputError:
        problems.append(
            Problem(
                f"a dose of {product.title} cannot be given in '{given.unit}'",
                column=sentence.dose_column,
                expected=f"a dose in {unit}"
                if not product.dose_unit.endswith("/h")
                else f"a rate in {wanted}",
            )
        )
        return None
    if product.dose_unit.endswith("/h") and not _is_rate(given):
        problems.append(
            Problem(
                f"a dose of {product.title} is a rate",
                column=sentence.dose_column,
                expected=f"a rate in {product.dose_unit}",
                remedy=f"write it as '{given.value:g} {given.unit}/h' or name another formulation",
            )
        )
        return None
    checked, range_unit = value, wanted
    if _is_rate(given) and not product.dose_unit.endswith("/h"):
        # the table's range is that of single doses: compare the amount of one infusion, or of one hour
        checked, range_unit = value * (sentence.over or 1.0), unit
    problems += _range_problems(checked, range_unit, given, product, sentence.dose_column)
    return value


def _convert(given: Quantity, unit: str, product: Product) -> float:
    try:
        return given.to(unit)
    except InputError:
        if product.molar_mass is None or _is_rate(given):
            raise
        grams = given.to("nmol") * product.molar_mass * 1e-9
        return Quantity(grams, "g").to(unit)


def _range_problems(value: float, unit: str, given: Quantity, product: Product, column: int) -> list[Problem]:
    low, high = product.min_dose, product.max_dose
    limits = (
        f"{low:g} to {high:g} {unit}" if low is not None and high is not None
        else f"at most {high:g} {unit}" if high is not None
        else f"at least {low:g} {unit}" if low is not None
        else "a dose above 0"
    )  # fmt: skip
    if value <= 0:
        return [Problem(f"the dose '{given}' is not above 0", column=column, expected=limits)]
    # a part in a million: 0.2 mg written as 200 ug must not fail by rounding
    if (low is not None and value < low * (1 - 1e-6)) or (high is not None and value > high * (1 + 1e-6)):
        return [
            Problem(
                f"'{given}' is an impossible single dose of {product.title}",
                column=column,
                expected=limits,
                remedy="check the unit and the number",
            )
        ]
    return []
