"""Every drug of the shipped model answers to each of its names; every opioid has a morphine equivalent."""

from __future__ import annotations

import csv
from importlib import resources

import pytest

from opiome.model._draft import read_draft
from opiome.model._model import Model
from opiome.regimen import catalogue, morphine_equivalent, parse

MODEL = Model("", read_draft(None, "human"))
PRODUCTS = catalogue(MODEL).products


def factors():
    text = (resources.files("opiome") / "regimen" / "equivalence.tsv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


@pytest.mark.parametrize("product", PRODUCTS, ids=[product.title for product in PRODUCTS])
def test_each_name_and_formulation_is_understood(product):
    dose = f"{product.max_dose:g} {product.dose_unit}"
    for name in (product.drug, *product.names):
        assert parse(f"{name} {dose} every 168 h", MODEL).drug == product.drug
    if product.formulation:
        found = parse(f"{product.drug} {product.formulation} {dose} every 168 h", MODEL)
        assert found.product == product
        assert found.dose == pytest.approx(product.max_dose)


@pytest.mark.parametrize("product", PRODUCTS, ids=[product.title for product in PRODUCTS])
def test_every_opioid_and_nothing_else_has_a_morphine_equivalent(product):
    dosing = parse(
        f"{product.drug} {product.formulation} {product.max_dose:g} {product.dose_unit} daily", MODEL
    )
    assert (morphine_equivalent(dosing, MODEL) > 0) == (product.drug_class == "opioid")


def test_every_factor_has_a_source_and_a_drug():
    drugs = {(product.drug, product.route) for product in PRODUCTS}
    for row in factors():
        assert (row["drug"], row["route"]) in drugs
        assert row["source"]
        assert row["evidence"] in {"seen", "recalled", "derived", "assumed"}
        low, high = (float(row[end]) if row[end] else float(row["factor"]) for end in ("low", "high"))
        assert low <= float(row["factor"]) <= high
