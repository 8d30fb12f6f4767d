"""The strengths in which products exist, by ``strengths.tsv``: which doses a patient can be handed."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opiome.regimen._catalogue import Product

__all__ = ["doses_made", "made_of", "strengths"]

_STEP = 1e-3  # strengths are whole multiples of it


@cache
def _table() -> dict[tuple[str, str], tuple[float, ...]]:
    text = resources.files("opiome.regimen").joinpath("strengths.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {
        (row["drug"], row["formulation"]): tuple(float(part) for part in row["strengths"].split(";"))
        for row in rows
    }


def strengths(product: Product) -> tuple[float, ...]:
    """The strengths of a product, ascending, in its dose unit; empty where the table does not know it."""
    return _table().get((product.drug, product.formulation), ())


def made_of(product: Product, dose: float) -> tuple[float, ...]:
    """The doses next to ``dose`` that whole tablets, patches or syringes make.

    Returns:
        The dose itself where it can be made; otherwise the next below (if any) and above. Empty where the
        strengths of the product are not known.
    """
    wanted = round(dose / _STEP)
    sums = _sums(product, wanted)
    if not sums:
        return ()
    if wanted in sums:
        return (dose,)
    below = max(one for one in sums if one < wanted)
    above = min(one for one in sums if one > wanted)
    return tuple(one * _STEP for one in (below, above) if one)


def doses_made(product: Product, most: float) -> tuple[float, ...]:
    """All doses that whole tablets, patches or syringes make, ascending, to the first at or above ``most``.

    Empty where the strengths of the product are not known.
    """
    limit = round(most / _STEP)
    sums = sorted(_sums(product, limit) - {0})
    last = next((k for k, one in enumerate(sums) if one >= limit), 0)
    return tuple(one * _STEP for one in sums[: last + 1])


def _sums(product: Product, wanted: int) -> set[int]:
    """What the strengths make, from nothing to one smallest strength beyond a dose; in steps."""
    units = [round(strength / _STEP) for strength in strengths(product)]
    if not units:
        return set()
    most = wanted + min(units)
    sums = {0}
    grown = sums
    while grown:
        grown = {one + unit for one in grown for unit in units if one + unit <= most} - sums
        sums |= grown
    return sums
