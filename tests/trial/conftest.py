"""A tiny model of an opioid that constipates, its antagonist and a laxative, on the real engine."""

from __future__ import annotations

import re
from importlib import resources

import antimony
import numpy as np
import polars as pl
import pytest

from opiome.trial import Study

TEXT = """
model tiny
  opioid_depot = 0; opioid_blood = 0; rescue_depot = 0; rescue_blood = 0;
  antagonist_depot = 0; antagonist_blood = 0; stimulant = 0; gut = 1;
  opioid_ka = 1; opioid_CL = 60; opioid_V = 200; rescue_ka = 1; rescue_CL = 60; rescue_V = 200;
  antagonist_ka = 1; antagonist_CL = 10; antagonist_V = 150;
  stimulant_k = 0.1; stimulant_gain = 8; stimulant_half = 5000; habit = 0.042; half = 40; ki = 1.0;
  block = 0.9; pain0 = 8; gut_k = 0.05;
  opioid_depot' = -opioid_ka*opioid_depot;
  opioid_blood' = opioid_ka*opioid_depot - opioid_CL*opioid_blood/opioid_V;
  rescue_depot' = -rescue_ka*rescue_depot;
  rescue_blood' = rescue_ka*rescue_depot - rescue_CL*rescue_blood/rescue_V;
  antagonist_depot' = -antagonist_ka*antagonist_depot;
  antagonist_blood' = antagonist_ka*antagonist_depot - antagonist_CL*antagonist_blood/antagonist_V;
  stimulant' = -stimulant_k*stimulant;
  conc := opioid_blood/opioid_V + rescue_blood/rescue_V;
  enteric_signal := conc/(conc + half*(1 + antagonist_blood/(antagonist_V*ki)));
  gut' = gut_k*(1 - block*enteric_signal - gut);
  bm_rate := habit*gut*(1 + stimulant_gain*stimulant/(stimulant + stimulant_half));
  completeness := 0.8 - 0.5*enteric_signal;
  straining := 0.1 + 0.5*enteric_signal;
  bristol := 4 - 2*enteric_signal;
  nrs := pain0*(1 - 0.6*conc/(conc + half));
end
"""
DRUGS = [
    # drug, formulation, class, slots, compartments, molar mass, unit, least, most
    ("morphine", "IR", "opioid", "opioid;rescue", "depot:1", 285.34, "mg", 1, 1000),
    ("oxycodone", "IR", "opioid", "opioid;rescue", "depot:1", 315.36, "mg", 1, 1000),
    ("hydromorphone", "IR", "opioid", "opioid;rescue", "depot:1", 285.34, "mg", 0.1, 200),
    ("naldemedine", "oral", "antagonist", "antagonist", "depot:1", 570.6, "mg", 0.05, 3),
    ("bisacodyl", "oral", "laxative", "", "stimulant:1", 361.4, "mg", 1, 20),
]
PHARMACOLOGY = [
    ("morphine", "CL", 60.0, None),
    ("oxycodone", "CL", 30.0, 0.3),
    ("hydromorphone", "CL", 50.0, None),
    ("morphine", "ome_factor", 1.0, None),
    ("hydromorphone", "ome_factor", 5.0, None),
    ("oxycodone", "ome_factor", 1.5, None),
    ("naldemedine", "CL", 10.0, None),
]


def _parameters(program):
    rows = [
        {"id": name, "value": value, "distribution": "fixed", "cv": None, "covariates": ""}
        for name, value in program.defaults.items()
    ]
    own = {
        "habit": ("lognormal", 0.4, ""),
        "opioid_CL": ("lognormal", 0.3, "weight^0.75"),
        "half": ("lognormal", 0.5, ""),
    }
    for row in rows:
        if row["id"] in own:
            row["distribution"], row["cv"], row["covariates"] = own[row["id"]]
    return pl.DataFrame(rows, schema_overrides={"cv": pl.Float64})


class TinyModel:
    """What the trial asks of a model."""

    species, sha256 = "human", "tiny"
    alike = ("gut_k", "stimulant_k")

    def __init__(self):
        from opiome import engine

        antimony.clearPreviousLoads()
        assert antimony.loadAntimonyString(TEXT) >= 0, antimony.getLastError()
        self.sbml = antimony.getSBMLString("tiny")
        program = engine.compile(self.sbml)
        self.parameters = _parameters(program)
        self.observables = pl.DataFrame({"id": ["enteric_signal", "bm_rate", "nrs", "bristol"]})
        self.nodes = pl.DataFrame({"id": ["N1", "N2"], "observable": ["enteric_signal", "bm_rate"]})
        self.covariates = pl.DataFrame(
            [
                {
                    "id": "age",
                    "distribution": "normal",
                    "median": 60.0,
                    "cv": 0.2,
                    "reference": 60.0,
                    "values": "",
                },
                {
                    "id": "weight",
                    "distribution": "lognormal",
                    "median": 70.0,
                    "cv": 0.2,
                    "reference": 70.0,
                    "values": "",
                },
                {"id": "cancer", "distribution": "bernoulli", "median": 0.0, "reference": 0.0, "values": ""},
                {"id": "kind", "distribution": "categorical", "values": "one:0.5;two:0.5"},
            ]
        )
        columns = (
            "drug",
            "formulation",
            "class",
            "slots",
            "compartments",
            "molar_mass",
            "dose_unit",
            "min_dose",
            "max_dose",
        )
        drugs = pl.DataFrame(DRUGS, schema=list(columns), orient="row")
        self.drugs = drugs.with_columns(
            pl.lit("").alias("names"),
            pl.lit("oral").alias("route"),
            pl.lit("bolus").alias("mode"),
            pl.lit("").alias("parameters_key"),
        )
        self.pharmacology = pl.DataFrame(
            PHARMACOLOGY, schema=["drug", "quantity", "value", "cv"], orient="row"
        ).with_columns(pl.lit("").alias("formulation"))

    def slot_parameters(self, drug, formulation, slot):  # noqa: ARG002
        rows = self.pharmacology.filter((pl.col("drug") == drug) & (pl.col("quantity") == "CL"))
        return {f"{slot}_CL": row["value"] for row in rows.iter_rows(named=True)}

    def baseline(self, program, parameters, *, tested=True):  # noqa: ARG002
        n = len(parameters["habit"])
        solved = {name: np.asarray(values) for name, values in parameters.items()}
        return solved, program.start(solved, n), np.zeros(n, dtype=np.int64)

    def stable(self, program, parameters, start):  # noqa: ARG002
        return np.ones(len(start), dtype=bool)


def _study(**changes):
    """A short naldemedine trial; ``changes`` replace whole parts."""
    given = {
        "opiome": 1,
        "name": "tiny",
        "title": "A tiny trial",
        "sources": {"source": "A source"},
        "population": {"eligibility": ["age 18-80"], "entry": ["sbm_per_week < 3"]},
        "background": {
            "duration": "4 weeks",
            "opioid": {
                "ome": {"distribution": "lognormal", "median": 90, "cv": 0.5, "lower": 30, "upper": 400},
                "choices": [
                    {"weight": 2, "regimen": "morphine every 12 h"},
                    {"weight": 1, "regimen": "oxycodone every 12 h"},
                ],
            },
        },
        "run_in": {"duration": "2 weeks"},
        "arms": {
            "naldemedine": {"label": "Naldemedine", "regimen": ["naldemedine 0.2 mg daily"]},
            "placebo": {"label": "Placebo", "regimen": ["placebo"]},
        },
        "treatment": {"duration": "4 weeks"},
        "rules": {"rescue_laxative": {"regimen": "bisacodyl 10 mg as needed", "after": "72 h"}},
        "dropout": {"background_per_week": 0.02, "drivers": [{"when": "nrs > 7", "per_week": 0.05}]},
        "endpoints": [
            {"id": "responder", "label": "R", "rule": "mean_responder", "unit": "%", "window": "weeks 1-4"},
            {"id": "change", "label": "C", "rule": "mean_change", "unit": "per week", "window": "weeks 3-4"},
            {"id": "first", "label": "F", "rule": "time_to_first", "unit": "h"},
        ],
        "published": [
            {
                "endpoint": "responder",
                "arm": arm,
                "value": value,
                "n": 100,
                "unit": "%",
                "source": "source",
                "role": "check",
            }
            for arm, value in (("naldemedine", 70), ("placebo", 30))
        ],
        "patients": 40,
        "seed": 5,
    }
    return Study.model_validate(given | changes)


@pytest.fixture(scope="session")
def tiny():
    return TinyModel()


@pytest.fixture(scope="session")
def study_of():
    return _study


@pytest.fixture(scope="session")
def study():
    return _study()


@pytest.fixture(scope="session")
def cerp() -> str:
    """The study file of CERP without its adjuvants: tests of rules write their own."""
    text = (resources.files("opiome") / "studies" / "cerp.yaml").read_text(encoding="utf-8")
    return re.sub(r"  - id: adjuvant\n(?:    .*\n)+|  - \{endpoint: adjuvant.*\n|  add: .*\n", "", text)
