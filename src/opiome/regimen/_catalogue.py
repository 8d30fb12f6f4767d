"""The drugs that can be dosed: rows of the model's ``drugs.tsv``, found by the words of a regimen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opiome.errors import DoseError, Problem, nearest
from opiome.regimen._vocabulary import FORMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opiome.model import Model
    from opiome.regimen._vocabulary import Word

__all__ = ["Catalogue", "Product", "catalogue"]

_SPLIT = re.compile(r"\s*[;,|]\s*")


@dataclass(frozen=True)
class Product:
    """One molecule in one formulation, as the drug table has it.

    ``compartments`` holds (state or suffix of the slot's states, fraction of the dose); ``min_dose`` and
    ``max_dose`` are single doses (or rates, for products given per hour) in ``dose_unit``. ``parts`` holds
    (slot, drug, formulation) of a fixed combination, whose molecules take slots of their own.
    """

    drug: str
    formulation: str
    names: tuple[str, ...]
    drug_class: str
    route: str
    slots: tuple[str, ...]
    compartments: tuple[tuple[str, float], ...]
    molar_mass: float | None
    dose_unit: str
    min_dose: float | None
    max_dose: float | None
    mode: str
    parts: tuple[tuple[str, str, str], ...] = ()

    @property
    def title(self) -> str:
        """Drug and formulation, as a table shows them."""
        return f"{self.drug} {self.formulation}".strip()


class Catalogue:
    """All products in the order of the table; a drug's first formulation is the one its name alone means."""

    def __init__(self, products: Iterable[Product]) -> None:
        self.products = tuple(products)
        self._by_name: dict[str, list[Product]] = {}
        for product in self.products:
            for name in {product.drug, *product.names}:
                listed = self._by_name.setdefault(name.casefold(), [])
                if product not in listed:
                    listed.append(product)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a regimen may use, in the order of the table."""
        return tuple(dict.fromkeys(name for p in self.products for name in (p.drug, *p.names)))

    def find(self, words: Sequence[Word], forms: Sequence[Word], *, per_hour: bool = False) -> Product:
        """The product that drug words, formulation and route words mean together.

        ``per_hour`` says that the dose is a rate, which prefers a product made for it where several fit.
        Raises DoseError with a problem at the word that does not fit.
        """
        found, rest = self._drug(words)
        remaining = found
        for form in (*rest, *forms):
            kept = [product for product in remaining if _matches(product, form.key)]
            if not kept:
                raise DoseError(_no_form(found, form, understood=form not in rest))
            remaining = kept
        if per_hour:
            rates = [p for p in remaining if p.dose_unit.endswith("/h") or p.route == "intravenous"]
            remaining = rates or remaining
        return remaining[0]

    def _drug(self, words: Sequence[Word]) -> tuple[list[Product], Sequence[Word]]:
        """Every formulation of the drug that the words begin with, and the words after its name."""
        for taken in range(len(words), 0, -1):
            name = " ".join(word.text for word in words[:taken])
            found = self._by_name.get(name.casefold())
            if found is None:
                continue
            drugs = list(dict.fromkeys(product.drug for product in found))
            if len(drugs) > 1:
                problem = Problem(f"'{name}' may be {' or '.join(drugs)}", column=words[0].column)
                raise DoseError(problem.at(expected="one of them"))
            return found, words[taken:]
        name = " ".join(word.text for word in words)
        raise DoseError(
            Problem(
                f"unknown drug '{name}'",
                column=words[0].column,
                expected="a drug of the model (`opiome model list drugs`)",
                remedy=_suggest(name, self.names),
            )
        )


def _no_form(found: Sequence[Product], form: Word, *, understood: bool) -> Problem:
    """No product has the formulation or route; a word that is neither is not ``understood``."""
    drug = found[0].drug
    offered = sorted({part for p in found for part in (p.formulation, p.route) if part})
    expected = f"one of {', '.join(offered)}" if offered else f"{drug} without a formulation"
    if understood:
        return Problem(f"no {form.text} form of {drug} is known", column=form.column, expected=expected)
    return Problem(
        f"'{form.text}' is not understood after '{drug}'",
        column=form.column,
        expected=f"a dose, or {expected}",
        remedy=_suggest(form.text, [*offered, *FORMS]),
    )


def _suggest(word: str, candidates: Iterable[str]) -> str | None:
    likely = nearest(word, candidates)
    return f"did you mean '{likely}'?" if likely else None


def _matches(product: Product, key: str) -> bool:
    meant = {key, FORMS.get(key, key).casefold()}
    offered = {product.formulation.casefold(), product.route.casefold()}
    offered |= {FORMS.get(part, part).casefold() for part in tuple(offered)}
    return bool(meant & offered)


def _compartments(text: str) -> tuple[tuple[str, float], ...]:
    parts = [part for part in _SPLIT.split(text) if part]
    split = [part.partition(":") for part in parts]
    return tuple((name.strip(), float(share) if share else 1.0) for name, _, share in split)


def _parts(text: str) -> tuple[tuple[str, str, str], ...]:
    """Read ``opioid=oxycodone:CR antagonist=naloxone:CR``."""
    found = []
    for part in text.split():
        slot, _, product = part.partition("=")
        drug, _, formulation = product.partition(":")
        found.append((slot, drug, formulation))
    return tuple(found)


def _product(row: dict[str, Any]) -> Product:
    def listed(column: str) -> tuple[str, ...]:
        return tuple(part for part in _SPLIT.split(row[column] or "") if part)

    return Product(
        drug=row["drug"],
        formulation=row["formulation"] or "",
        names=listed("names"),
        drug_class=row["class"] or "",
        route=row["route"] or "",
        slots=listed("slots"),
        compartments=_compartments(row["compartments"] or ""),
        molar_mass=row["molar_mass"],
        dose_unit=row["dose_unit"],
        min_dose=row["min_dose"],
        max_dose=row["max_dose"],
        mode=row["mode"] or "",
        parts=_parts(row["parameters_key"] or ""),
    )


def catalogue(model: Model) -> Catalogue:
    """The catalogue of a model's drug table."""
    return Catalogue(_product(row) for row in model.drugs.iter_rows(named=True))
