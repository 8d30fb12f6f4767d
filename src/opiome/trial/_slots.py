"""Which drug each patient has in which of the model's opioid slots, as rules change drugs.

A slot can be given to another drug when nothing is left of the one before: whatever is in its states would
otherwise turn into the new molecule.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from opiome.cohort import Cohort
    from opiome.engine import Ensemble
    from opiome.regimen import Product
    from opiome.trial._therapy import Therapy

    Key = tuple[str, str]

__all__ = ["OpioidSlots"]

_LEFT = 0.01  # of the largest amount: what a slot may still hold when it is given to another drug
_EMPTY = -1
_SET = 2  # EVID: a parameter gets the value AMT


@dataclass
class OpioidSlots:
    """The opioid slots of n patients.

    Attributes:
        names: the slots.
        products: the drugs that may stand in them, as (drug, formulation).
        holder: slot to the position in ``products`` of what it holds, shape (n,); -1 for nothing.
        current: position in ``names`` of the slot of the opioid of stated times, shape (n,); -1 without.
    """

    therapy: Therapy
    cohort: Cohort
    names: tuple[str, ...]
    products: list[Key]
    holder: dict[str, NDArray[np.int64]]
    current: NDArray[np.int64]
    _peak: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        therapy: Therapy,
        cohort: Cohort,
        products: Sequence[Product],
        groups: Sequence[tuple[NDArray[np.intp], Mapping[Key, str], Key | None]],
    ) -> OpioidSlots:
        """The slots at randomisation.

        Args:
            therapy: the study's regimens.
            cohort: the people, shape (n,).
            products: what rules may put into a slot.
            groups: rows of patients, the slots of what they take, and their opioid of stated times.
        """
        names = tuple(dict.fromkeys(slot for product in products for slot in product.slots))
        taken = [key for _, where, _ in groups for key, slot in where.items() if slot in names]
        keys = list(dict.fromkeys([*((p.drug, p.formulation) for p in products), *taken]))
        holder = {slot: np.full(len(cohort), _EMPTY, dtype=np.int64) for slot in names}
        current = np.full(len(cohort), _EMPTY, dtype=np.int64)
        for rows, where, main in groups:
            for key, slot in where.items():
                if slot in names:
                    holder[slot][rows] = keys.index(key)
            if main is not None and where.get(main) in names:
                current[rows] = names.index(where[main])
        return cls(therapy, cohort, names, keys, holder, current)

    def watch(self, run: Ensemble) -> None:
        """Remember the largest amounts that the slots have held; called every morning."""
        for slot in self.names:
            now = self._amounts(run, slot)
            self._peak[slot] = np.maximum(now, self._peak[slot]) if slot in self._peak else now.copy()

    def place(
        self, run: Ensemble, product: Product, patients: NDArray[np.bool_], *, main: bool
    ) -> NDArray[np.int64]:
        """Give a drug a slot in as many of some patients as have a free one.

        A slot that holds the drug comes first, then one never used, then one from which the drug before has
        gone.

        Args:
            run: the ensemble; the parameters of slots that are taken over are set in it from now on.
            product: the drug.
            patients: who is to have it, a mask of shape (n,).
            main: whether it becomes the opioid of stated times.

        Returns:
            The position in ``names`` of each one's slot, shape (n,); -1 for those who have to wait.
        """
        key = self._key((product.drug, product.formulation))
        found = np.full(len(patients), _EMPTY, dtype=np.int64)
        for test in (self._holds, self._unused, self._gone):
            for position, slot in enumerate(self.names):
                if slot in product.slots:
                    fits = patients & (found == _EMPTY) & test(run, slot, key)
                    if test != self._holds:
                        fits &= self.current != position
                        self._take_over(run, slot, key, fits)
                    found[fits] = position
        if main:
            self.current = np.where(found == _EMPTY, self.current, found)
        return found

    def _key(self, key: Key) -> int:
        return self.products.index(key)

    def _amounts(self, run: Ensemble, slot: str) -> NDArray[np.float64]:
        columns = [i for i, name in enumerate(run.program.states) if name.startswith(f"{slot}_")]
        return np.asarray(run.states)[:, columns]

    def _holds(self, _run: Ensemble, slot: str, key: int) -> NDArray[np.bool_]:
        """Who has the drug in the slot already, in this formulation or one with the same parameters."""
        alike = [k for k in range(len(self.products)) if self._alike(k, key, slot)]
        return np.isin(self.holder[slot], alike)

    def _alike(self, one: int, other: int, slot: str) -> bool:
        if one == other:
            return True
        (drug, form), (second, second_form) = self.products[one], self.products[other]
        if drug != second:
            return False
        values = self.therapy.model.slot_parameters(drug, form, slot)
        return values == self.therapy.model.slot_parameters(second, second_form, slot)

    def _unused(self, _run: Ensemble, slot: str, _key: int) -> NDArray[np.bool_]:
        return np.asarray(self.holder[slot] == _EMPTY)

    def _gone(self, run: Ensemble, slot: str, _key: int) -> NDArray[np.bool_]:
        peak = self._peak.get(slot)
        if peak is None:
            return np.zeros(len(self.cohort), dtype=bool)
        return np.asarray((self._amounts(run, slot) <= _LEFT * peak).all(axis=1))

    def _take_over(self, run: Ensemble, slot: str, key: int, patients: NDArray[np.bool_]) -> None:
        """Put a drug into a slot: its parameters hold from now on, as events that a replay can give again."""
        from opiome.engine import EventTable

        rows = np.flatnonzero(patients)
        if not len(rows):
            return
        drug, formulation = self.products[key]
        own = self.therapy.drug_in_slot(self.cohort.take(rows), drug, formulation, slot)
        parts = [
            EventTable(
                ID=rows,
                TIME=np.full(len(rows), run.time),
                AMT=values,
                EVID=np.full(len(rows), _SET),
                CMT=np.full(len(rows), name, dtype=object),
            )
            for name, values in own.items()
            if name in run.program.defaults
        ]
        run.give(EventTable.concat(parts))
        self.holder[slot][rows] = key
        if slot in self._peak:
            self._peak[slot][rows] = 0.0
