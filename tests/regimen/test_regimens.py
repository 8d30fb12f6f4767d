"""A table of regimens as people write them, with totals reckoned by hand: nothing is lost, nothing doubled.

``regimens.tsv``: the text, the days of the phase, how many doses (patches, infusions) are given, their total
in ``unit``, and the hours of the first and the last. The drugs are those of the shipped model.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from opiome.model._draft import read_draft
from opiome.model._model import Model
from opiome.regimen import events, parse

MODEL = Model("", read_draft(None, "human"))
with (Path(__file__).parent / "regimens.tsv").open(newline="", encoding="utf-8") as FILE:
    REGIMENS = list(csv.DictReader(FILE, delimiter="\t"))
MILLIGRAMS = {"mg": 1.0, "ug": 1e-3, "ug/h": 1e-3}


def test_the_table_is_large_and_holds_every_drug():
    assert len(REGIMENS) >= 120
    assert len({row["text"] for row in REGIMENS}) == len(REGIMENS)
    taken = {parse(row["text"], MODEL).drug for row in REGIMENS}
    assert set(MODEL.drugs["drug"]) <= taken


@pytest.mark.parametrize("row", REGIMENS, ids=[row["text"] for row in REGIMENS])
def test_what_is_given_is_what_was_reckoned(row):
    dosing = parse(row["text"], MODEL)
    table = events(dosing, MODEL, 0.0, 24.0 * float(row["days"]))
    doses, states = int(row["doses"]), sorted(set(table.CMT))
    if not doses:
        assert not len(table)
        return
    product = dosing.product
    for state, (_, share) in zip(states, sorted(product.compartments), strict=True):
        mine = np.array([str(name) == state for name in table.CMT])
        repeats = table.ADDL[mine].astype(int)
        times = np.concatenate(
            [
                first + interval * np.arange(more + 1)
                for first, interval, more in zip(table.TIME[mine], table.II[mine], repeats, strict=True)
            ]
        )
        assert len(times) == doses
        assert (times.min(), times.max()) == (float(row["first_h"]), float(row["last_h"]))
        given = float((table.AMT[mine] * (repeats + 1)).sum())
        assert given == pytest.approx(in_the_model(row, product) * share, rel=1e-9)


def in_the_model(row, product):
    """The total in the unit of the states: nmol where the drug table has a molar mass."""
    total = float(row["total"])
    if product.molar_mass:
        return total * MILLIGRAMS[row["unit"]] / product.molar_mass * 1e6
    assert row["unit"] == product.dose_unit
    return total
