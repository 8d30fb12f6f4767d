"""Which of the model's drug slots each product of a regimen takes, and the parameters that put it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opiome.errors import DoseError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opiome.model import Model
    from opiome.regimen._catalogue import Product
    from opiome.regimen._dosing import Dosing

__all__ = ["parameters", "slots"]


def slots(dosings: Sequence[Dosing], model: Model) -> dict[tuple[str, str], str]:
    """Give every product its slot.

    Scheduled products choose before as-needed ones, in the order of the regimen; each takes the first free
    slot that its row of the drug table allows. Two formulations of one drug share a slot where the slot's
    parameters agree, so that immediate and prolonged release morphine add up in one body.

    Returns:
        (drug, formulation) to slot; the slot is empty for a product that enters states of its own.

    Raises:
        DoseError: more drugs of one kind than the model has slots for.
    """
    chosen: dict[tuple[str, str], str] = {}
    taken: dict[str, dict[str, float]] = {}
    holder: dict[str, str] = {}
    problems: list[Problem] = []
    active = [(d, d.product) for d in dosings if d.is_active and d.product is not None]
    for dosing, product in sorted(active, key=lambda pair: pair[0].as_needed):
        key = (product.drug, product.formulation)
        if key in chosen:
            continue
        if not product.slots:
            chosen[key] = ""
            continue
        for slot in _preferred(product, dosing, holder):
            values = _named(model.slot_parameters(product.drug, product.formulation, slot), slot)
            if slot not in taken:
                taken[slot], holder[slot] = values, product.drug
            elif not (holder[slot] == product.drug and _agree(taken[slot], values)):
                continue
            taken[slot] |= values
            chosen[key] = slot
            break
        else:
            problems.append(
                Problem(
                    f"'{dosing.text}': no room for another {product.drug_class or 'drug of its kind'}",
                    expected=f"at most {len(product.slots)} at once",
                    remedy=f"stop {', '.join(sorted(set(holder.values())))} first or leave one out",
                )
            )
    if problems:
        raise DoseError(problems)
    return chosen


def _preferred(product: Product, dosing: Dosing, holder: dict[str, str]) -> list[str]:
    """The product's slots: first one that holds its drug already; as-needed opioids prefer ``rescue``."""
    order = list(product.slots)
    if dosing.as_needed and "rescue" in order:
        order.sort(key=lambda slot: slot != "rescue")
    return sorted(order, key=lambda slot: holder.get(slot) != product.drug)


def _named(values: dict[str, float], slot: str) -> dict[str, float]:
    return {name.removeprefix(f"{slot}_"): value for name, value in values.items()}


def _agree(one: dict[str, float], other: dict[str, float]) -> bool:
    return all(one[name] == value for name, value in other.items() if name in one)


def parameters(dosings: Sequence[Dosing], model: Model) -> dict[str, float]:
    """Return the slot parameters of all products of a regimen, such as ``{"opioid_CL": 91.9, ...}``.

    Raises DoseError where the products do not fit into the slots of the model.
    """
    found: dict[str, float] = {}
    for (drug, formulation), slot in slots(dosings, model).items():
        if slot:
            found |= model.slot_parameters(drug, formulation, slot)
    return found
