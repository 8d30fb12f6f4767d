"""Oral morphine equivalents, by the factors of ``equivalence.tsv``."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from opiome.errors import DoseError, Problem
from opiome.units import Quantity

if TYPE_CHECKING:
    from opiome.model import Model
    from opiome.regimen._catalogue import Product
    from opiome.regimen._dosing import Dosing

__all__ = ["dose_for", "morphine_equivalent"]

QUANTITY = "ome_factor"


@cache
def _factors() -> dict[tuple[str, str], float]:
    """(drug, route) to mg of oral morphine for 1 mg, or mg per day for each ug/h."""
    text = resources.files("opiome.regimen").joinpath("equivalence.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {(row["drug"], row["route"]): float(row["factor"]) for row in rows}


def _factor(product: Product, model: Model) -> float | None:
    """The factor of a product; None if it is no opioid. A model's own ``ome_factor`` wins over the table."""
    for row in model.pharmacology.iter_rows(named=True):
        fits = row["formulation"] in {product.formulation, "", "*"}
        if row["drug"] == product.drug and row["quantity"] == QUANTITY and fits:
            return float(row["value"])
    return _factors().get((product.drug, product.route))


def morphine_equivalent(dosing: Dosing, model: Model) -> float:
    """Oral morphine equivalent of a regimen in mg per day; 0 if it is no opioid, or as needed.

    Factors and their sources stand in ``regimen/equivalence.tsv``; a model may give a drug of its own an
    ``ome_factor`` in ``pharmacology.tsv``. Raises DoseError for a regimen without a dose.
    """
    if dosing.product is None or not dosing.is_active or dosing.as_needed:
        return 0.0
    factor = _factor(dosing.product, model)
    if factor is None:
        return 0.0
    if dosing.dose is None:
        raise DoseError(Problem(f"'{dosing.text}' has no dose", expected="a dose such as '30 mg'"))
    return factor * _per_day(dosing, dosing.dose)


def dose_for(dosing: Dosing, ome: float, model: Model) -> float:
    """The dose (in the product's unit; a rate for a patch) that is worth ``ome`` mg of morphine a day.

    Raises DoseError for a product without a factor.
    """
    factor = _factor(dosing.product, model) if dosing.product else None
    if factor is None or dosing.as_needed:
        raise DoseError(
            Problem(
                f"'{dosing.text}' has no morphine equivalent",
                expected="an opioid of regimen/equivalence.tsv, at stated times",
                remedy="write the dose into the regimen",
            )
        )
    return ome / (factor * _per_day(dosing, 1.0))


def _per_day(dosing: Dosing, dose: float) -> float:
    """What the factor multiplies: mg per day, or the rate in ug/h of a patch."""
    product = dosing.product
    if product is None:
        return 0.0
    if product.dose_unit.endswith("/h"):
        return Quantity(dose, product.dose_unit).to("ug/h")
    return Quantity(dosing.with_dose(dose).daily_dose(), product.dose_unit).to("mg")
