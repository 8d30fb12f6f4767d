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
    parameters agree, so that immediate and prolonged release morphine add up in one body. The molecules of a
    fixed combination take the slots that the drug table names for them.

    Returns:
        (drug, formulation) to slot; the slot is empty for a product that enters states of its own.

    Raises:
        DoseError: more drugs of one kind than the model has slots for.
    """
    allocation = _Allocation(model)
    active = [(d, d.product) for d in dosings if d.is_active and d.product is not None]
    # combinations first: they cannot choose
    for dosing, product in sorted(active, key=lambda pair: (not pair[1].parts, pair[0].as_needed)):
        allocation.place(dosing, product)
    if allocation.problems:
        raise DoseError(allocation.problems)
    return allocation.chosen


class _Allocation:
    """Slots as they fill up."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.chosen: dict[tuple[str, str], str] = {}
        self.problems: list[Problem] = []
        self._drug_in: dict[str, str] = {}
        self._values_in: dict[str, dict[str, float]] = {}

    def place(self, dosing: Dosing, product: Product) -> None:
        """Give a product its slot, or note that there is none."""
        key = (product.drug, product.formulation)
        if key in self.chosen:
            return
        if not product.slots:
            self.chosen[key] = ""
            for slot, drug, formulation in product.parts:
                if not self._take(slot, drug, formulation):
                    self._no_room(dosing, f"the {drug} in it", f"without {self._drug_in[slot]} beside it")
            return
        if not any(self._take(slot, *key) for slot in self._preferred(dosing, product)):
            what = f"another {product.drug_class or 'drug of its kind'}"
            self._no_room(dosing, what, f"at most {len(product.slots)} at once")

    def _take(self, slot: str, drug: str, formulation: str) -> bool:
        """Take a slot if it is free, or if it holds the same drug with the same parameters."""
        named = self.model.slot_parameters(drug, formulation, slot)
        values = {name.removeprefix(f"{slot}_"): value for name, value in named.items()}
        held = self._values_in.setdefault(slot, {})
        other = self._drug_in.setdefault(slot, drug)
        if other != drug or any(held.get(name, value) != value for name, value in values.items()):
            return False
        held |= values
        self.chosen[drug, formulation] = slot
        return True

    def _preferred(self, dosing: Dosing, product: Product) -> list[str]:
        """A slot that holds the drug already, then the table's order; as-needed opioids prefer ``rescue``."""
        order = list(product.slots)
        if dosing.as_needed:
            order.sort(key=lambda slot: slot != "rescue")
        return sorted(order, key=lambda slot: self._drug_in.get(slot) != product.drug)

    def _no_room(self, dosing: Dosing, what: str, expected: str) -> None:
        holders = ", ".join(sorted(set(self._drug_in.values())))
        remedy = f"stop one of {holders} first, or leave one out"
        self.problems.append(
            Problem(f"'{dosing.text}': no room for {what}", expected=expected, remedy=remedy)
        )


def parameters(dosings: Sequence[Dosing], model: Model) -> dict[str, float]:
    """Return the slot parameters of all products of a regimen, such as ``{"opioid_CL": 91.9, ...}``.

    Raises DoseError where the products do not fit into the slots of the model.
    """
    found: dict[str, float] = {}
    for (drug, formulation), slot in slots(dosings, model).items():
        if slot:
            found |= model.slot_parameters(drug, formulation, slot)
    return found
