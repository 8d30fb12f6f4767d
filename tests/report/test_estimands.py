"""What the report says of estimands and analyses."""

from __future__ import annotations

from types import SimpleNamespace as Made

import polars as pl

from opiome.report._estimands import judged


def tables(p=(None, None), sizes=(10.0, 12.0, 10.0, 12.0)):
    told = ["composite for death"] * 2 + ["policy"] * 2
    endpoints = {"label": ["R", "R", "C", "C"], "estimand": told, "n": [10, 12, 10, 12], "n_effective": sizes}
    contrasts = {"label": ["R", "C"], "analysis": ["CMH", "Welch"], "p_adjusted": p}
    frame = pl.DataFrame(contrasts, schema_overrides={"p_adjusted": pl.Float64})
    return Made(endpoints=pl.DataFrame(endpoints), contrasts=frame)


def test_estimand_and_analysis_of_each_endpoint():
    first, second = judged(tables())
    assert first == {
        "label": "R",
        "estimand": "composite for death",
        "analysis": "CMH",
        "adjusted": "",
        "effective": "",
    }
    assert second["analysis"] == "Welch"


def test_adjusted_p_and_effective_patients():
    first, second = judged(tables(p=[0.0004, 0.0312], sizes=[7.5, 12.0, 10.0, 12.0]))
    assert (first["adjusted"], second["adjusted"]) == ("< 0.001", "0.031")
    assert first["effective"] == "7.5 of 10, 12.0 of 12"
    assert second["effective"] == ""


def test_tables_of_an_earlier_version():
    old = Made(endpoints=pl.DataFrame({"label": ["R"]}), contrasts=pl.DataFrame({"label": ["R"]}))
    assert judged(old) == []
