"""Which doses tablets, patches and syringes make."""

from __future__ import annotations

import csv
from importlib import resources

import pytest

from opiome import regimen


@pytest.fixture(scope="module")
def products():
    from opiome import model as models

    return {(p.drug, p.formulation): p for p in regimen.catalogue(models.load()).products}


@pytest.mark.parametrize(
    ("drug", "formulation", "dose", "made"),
    [
        ("naldemedine", "oral", 0.2, (0.2,)),
        ("naldemedine", "oral", 0.4, (0.4,)),
        ("naldemedine", "oral", 0.1, (0.2,)),
        ("naldemedine", "oral", 0.3, (0.2, 0.4)),
        ("morphine", "CR", 45, (45,)),
        ("morphine", "CR", 47, (45, 50)),
        ("fentanyl", "TD", 37, (37,)),
        ("fentanyl", "TD", 40, (37, 48)),
        ("methylnaltrexone", "SC", 20, (20,)),
        ("methylnaltrexone", "SC", 10, (8, 12)),
        ("buprenorphine", "TD", 52.5, (52.5,)),
        ("amoxicillin", "oral", 333, ()),
    ],
)
def test_doses_next_to_one(products, drug, formulation, dose, made):
    assert regimen.made_of(products[drug, formulation], dose) == pytest.approx(made)


def test_every_row_is_a_product_with_its_unit_and_strengths_within_its_doses(products):
    text = (resources.files("opiome") / "regimen" / "strengths.tsv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        product = products[row["drug"], row["formulation"]]
        known = regimen.strengths(product)
        assert row["unit"] == product.dose_unit
        assert list(known) == sorted(known)
        assert known[0] > 0
        assert row["source"]
        assert row["evidence"] == "recalled"
