"""Doses that can be handed out: what whole tablets, patches or syringes of a product make.

With ``rules.strengths: marketed`` every dose of an opioid that the study leaves open or that a rule changes
is rounded to the nearest one that ``regimen/strengths.tsv`` makes, the lower one where two are as near. A
raise that rounding would undo takes the next dose above, a reduction the next below, where there is one; no
raise goes beyond its ceiling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opiome import regimen
from opiome.errors import DoseError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from opiome.model import Model
    from opiome.regimen import Product
    from opiome.trial._schema import Study
    from opiome.trial._yaml import Steps

    Found = Iterator[tuple[Steps, Problem]]
    Doses = NDArray[np.float64]

__all__ = ["rounded", "stepped", "strength_problems"]

_EQUAL = 1e-9  # relative; rounding of doses that were scaled


def rounded(product: Product, doses: Doses) -> Doses:
    """The nearest doses that can be handed out, shape (n,); as they are where strengths are unknown."""
    if not len(doses) or not (made := regimen.doses_made(product, float(np.max(doses)))):
        return doses
    grid = np.array(made)
    return np.asarray(grid[_nearest(grid, doses)])


def stepped(product: Product, now: Doses, wanted: Doses, most: ArrayLike) -> Doses:
    """The doses that can be handed out instead of ``wanted``, from those of ``now`` on; shape (n,).

    A change stays a change: up is at least the next dose above, down at least the next below. Nobody is
    raised above ``most``, and who has the smallest dose keeps it.
    """
    if not len(now) or not (made := regimen.doses_made(product, 2.0 * float(np.max([now, wanted])))):
        return np.where(wanted > now, np.maximum(np.minimum(wanted, most), now), wanted)
    grid = np.array(made)
    place = _nearest(grid, wanted)
    above = np.searchsorted(grid, now * (1 + _EQUAL), side="right")
    below = np.searchsorted(grid, now * (1 - _EQUAL), side="left") - 1
    highest = np.searchsorted(grid, np.broadcast_to(most, now.shape) * (1 + _EQUAL), side="right") - 1
    up, down = wanted > now * (1 + _EQUAL), wanted < now * (1 - _EQUAL)
    place = np.where(
        up, np.minimum(np.maximum(place, above), highest), np.where(down, np.minimum(place, below), place)
    )
    new = grid[np.clip(place, 0, len(grid) - 1)]
    stays = (up & (place < above)) | (down & (place < 0)) | ~(up | down)
    return np.where(stays, now, new)


def _nearest(grid: Doses, doses: Doses) -> NDArray[np.intp]:
    """Positions of the nearest values of an ascending grid, the lower one in the middle of two."""
    if len(grid) == 1:
        return np.zeros(len(doses), dtype=np.intp)
    right = np.clip(np.searchsorted(grid, doses), 1, len(grid) - 1)
    return np.asarray(np.where(doses - grid[right - 1] <= grid[right] - doses, right - 1, right))


def strength_problems(study: Study, model: Model, *, written: bool = True) -> Found:
    """Opioids whose doses cannot be rounded and, if ``written``, those in a dose that nobody can hand out."""
    if study.rules.strengths == "any":
        return
    for path, text in _opioids(study):
        try:
            dosing = regimen.parse(text, model)
        except DoseError:
            continue  # told elsewhere
        product = dosing.product
        if product is None or product.drug_class != "opioid" or not dosing.is_active:
            continue
        if not regimen.strengths(product):
            yield path, _unknown(product)
        elif written and dosing.dose is not None:
            yield from ((path, problem) for problem in _not_made(dosing.dose, product))
    yield from _several(study, model)


def _unknown(product: Product) -> Problem:
    return Problem(
        f"the strengths of {product.title} are not known, so its doses cannot be rounded",
        expected="an opioid of regimen/strengths.tsv",
        remedy="choose one of them, or leave 'strengths: marketed' out",
    )


def _not_made(dose: float, product: Product) -> Iterator[Problem]:
    doses = regimen.made_of(product, dose)
    if doses != (dose,):
        listed = ", ".join(f"{one:g}" for one in regimen.strengths(product))
        unit = product.dose_unit
        yield Problem(
            f"{dose:g} {unit} is not made of the strengths of {product.title} ({listed} {unit})",
            expected=" or ".join(f"{one:g} {unit}" for one in doses),
            remedy="round the dose, or leave 'strengths: marketed' out",
        )


def _opioids(study: Study) -> Iterator[tuple[Steps, str]]:
    """Every regimen of the study that can be an opioid, with its path."""
    background, rules = study.background, study.rules
    for i, choice in enumerate(background.opioid.choices if background.opioid else ()):
        yield ("background", "opioid", "choices", i, "regimen"), choice.regimen
    for i, text in enumerate(background.other):
        yield ("background", "other", i), text
    for name, arm in study.arms.items():
        for i, text in enumerate(arm.regimen):
            yield ("arms", name, "regimen", i), text
    for i, text in enumerate(rules.rotation.to if rules.rotation else ()):
        yield ("rules", "rotation", "to", i), text
    if rules.rescue_opioid is not None:
        yield ("rules", "rescue_opioid", "regimen"), rules.rescue_opioid.regimen


def _several(study: Study, model: Model) -> Found:
    """Arms that are titrated with more than one line of opioid: one change cannot fit the tablets of both."""
    before = [study.background.opioid.choices[0].regimen] if study.background.opioid else []
    for name, arm in study.arms.items():
        if study.titration_of(name) is None:
            continue
        texts = [*arm.regimen, *study.background.other, *(before if arm.keep_background else ())]
        lines = 0
        for text in texts:
            try:
                dosing = regimen.parse(text, model)
            except DoseError:
                continue  # told elsewhere
            product = dosing.product
            opioid = product is not None and product.drug_class == "opioid"
            lines += opioid and dosing.is_active and not dosing.as_needed
        if lines > 1:
            yield (
                ("arms", name, "regimen"),
                Problem(
                    f"{lines} lines of opioid are titrated together, and one step cannot fit both",
                    expected="one opioid at stated times in an arm whose doses are rounded",
                    remedy="leave 'strengths: marketed' out, or give the arm one opioid",
                ),
            )
