"""Oral morphine equivalents, by the factors of the model's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opiome.errors import DoseError, Problem
from opiome.units import Quantity

if TYPE_CHECKING:
    from opiome.model import Model
    from opiome.regimen._catalogue import Product
    from opiome.regimen._dosing import Dosing

__all__ = ["dose_for", "factor", "morphine_equivalent"]

_DAY = 24.0
QUANTITY = "ome_factor"


def factor(product: Product, model: Model) -> float | None:
    """Oral morphine (mg) for one unit of the product, from ``pharmacology.tsv``; None if it is no opioid.

    The quantity is ``ome_factor``: mg per mg for doses, mg per day for each ug/h for patches. A row that
    names the formulation wins over one that does not.
    """
    general = None
    for row in model.pharmacology.iter_rows(named=True):
        if row["drug"] != product.drug or row["quantity"] != QUANTITY:
            continue
        if row["formulation"] == product.formulation and product.formulation:
            return float(row["value"])
        if row["formulation"] in {"", "*"}:
            general = float(row["value"])
    return general


def morphine_equivalent(dosing: Dosing, model: Model) -> float:
    """Oral morphine equivalent of a regimen in mg per day; 0 if it is no opioid, or as needed.

    The factors and their sources stand in ``pharmacology.tsv`` (quantity ``ome_factor``). Raises DoseError
    for a regimen without a dose.
    """
    if dosing.product is None or not dosing.is_active:
        return 0.0
    each = factor(dosing.product, model)
    if each is None or dosing.as_needed:
        return 0.0
    if dosing.dose is None:
        raise DoseError(Problem(f"'{dosing.text}' has no dose", expected="a dose such as '30 mg'"))
    return each * _factor_amount(dosing)


def dose_for(dosing: Dosing, ome: float, model: Model) -> float:
    """The dose (in the product's unit; a rate for a patch) that is worth ``ome`` mg of morphine a day.

    Raises DoseError for a product without a factor.
    """
    each = factor(dosing.product, model) if dosing.product else None
    if each is None:
        raise DoseError(
            Problem(
                f"'{dosing.text}' has no morphine equivalent",
                expected="an opioid with an 'ome_factor' in pharmacology.tsv",
                remedy="write the dose into the regimen",
            )
        )
    unit_dose = dosing.with_dose(1.0)
    return ome / (each * _factor_amount(unit_dose))


def _factor_amount(dosing: Dosing) -> float:
    """What the factor multiplies: mg per day, or the rate in ug/h of a patch."""
    product = dosing.product
    if product is None or dosing.dose is None:
        return 0.0
    if product.dose_unit.endswith("/h"):
        return Quantity(dosing.dose, product.dose_unit).to("ug/h")
    return Quantity(dosing.daily_dose(), product.dose_unit).to("mg")
