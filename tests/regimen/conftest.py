"""A small drug table of the shape that the model has, so that these tests do not move with its numbers."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pytest

DRUGS = """
morphine|CR|MST;morphine sulfate|opioid|oral|opioid;rescue|depot_pr:1|379.4|mg|5|1000|bolus|
morphine|IR||opioid|oral|opioid;rescue|depot:1|379.4|mg|1|300|bolus|
morphine|SC||opioid|subcutaneous|opioid;rescue|depot:1|379.4|mg|0.2|500|bolus|
morphine|IV||opioid|intravenous|opioid;rescue|central:1|379.4|mg|0.2|500|bolus|
oxycodone|CR|OxyContin|opioid|oral|opioid;rescue|depot:0.38;depot_pr:0.62|351.8|mg|5|400|bolus|
fentanyl|TD|fentanyl patch|opioid|transdermal|opioid;rescue|depot:1|336.5|ug/h|6|600|rate|
oxycodone/naloxone|CR|OXN|opioid|oral||opioid_depot:1;antagonist_depot_pr:0.5|351.8|mg|5|160|bolus|@combination
naloxone|CR||antagonist|oral|antagonist|depot_pr:1|363.8|mg|1|80|bolus|
naldemedine|oral||antagonist|oral|antagonist|depot:1|570.6|mg|0.05|3|bolus|
fluorouracil|IV|5-FU|chemotherapy|intravenous||chemo:0.07|130.1|mg|50|6000|bolus|
macrogol|oral|PEG 3350;polyethylene glycol|laxative|oral||osmotic:0.5||g|1|100|bolus|
bisacodyl|oral||laxative|oral||stimulant:1||mg|1|30|bolus|
"""
PHARMACOLOGY = """
morphine||CL|91.9
morphine|SC|ka|4
morphine||ka|6
oxycodone||CL|61
fentanyl||CL|50
fentanyl|TD|lag|4.7
naloxone||CL|90
naldemedine||CL|9.1
"""
COMBINATION = "opioid=oxycodone:CR antagonist=naloxone:CR"
_COLUMNS = (
    "drug formulation names class route slots compartments molar_mass dose_unit min_dose max_dose mode"
    " parameters_key"
)


def _frame(text, columns, numbers):
    rows = [dict(zip(columns.split(), line.split("|"), strict=True)) for line in text.strip().splitlines()]
    types = {name: pl.Float64 if name in numbers else pl.String for name in columns.split()}
    data = [{k: (float(v) if v else None) if k in numbers else v for k, v in row.items()} for row in rows]
    return pl.DataFrame(data, schema=types)


@dataclass(frozen=True)
class Tables:
    """What the regimen room reads of a model."""

    drugs: pl.DataFrame
    pharmacology: pl.DataFrame

    def slot_parameters(self, drug, formulation, slot):
        found = {}
        for wanted in ("", formulation):
            for row in self.pharmacology.iter_rows(named=True):
                if row["drug"] == drug and row["formulation"] == wanted:
                    found[f"{slot}_{row['quantity']}"] = row["value"]
        return found


@pytest.fixture(scope="session")
def tables():
    return Tables(
        _frame(DRUGS.replace("@combination", COMBINATION), _COLUMNS, {"molar_mass", "min_dose", "max_dose"}),
        _frame(PHARMACOLOGY, "drug formulation quantity value", {"value"}),
    )
