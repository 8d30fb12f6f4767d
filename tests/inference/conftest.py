"""A short study of the shipped model, small enough to run in seconds."""

from __future__ import annotations

import pytest

from opiome import load_model
from opiome.trial import Study

STUDY = {
    "opiome": 1,
    "name": "short",
    "title": "A short study",
    "sources": {"me": "Nobody 2026"},
    "background": {
        "duration": "4 weeks",
        "opioid": {"choices": [{"weight": 1, "regimen": "morphine CR 60 mg every 12 h"}]},
    },
    "run_in": {"duration": "1 week"},
    "arms": {
        "naldemedine": {"label": "Naldemedine", "regimen": ["naldemedine 0.2 mg daily"]},
        "placebo": {"label": "Placebo", "regimen": ["placebo"]},
    },
    "reference": "placebo",
    "treatment": {"duration": "1 week"},
    "endpoints": [
        {
            "id": "sbm",
            "label": "SBM per week",
            "rule": "mean",
            "params": {"quantity": "sbm_per_week"},
            "unit": "per week",
            "primary": True,
        },
        {
            "id": "responder",
            "label": "Responders",
            "rule": "mean_responder",
            "params": {"quantity": "sbm_per_week", "threshold": 3, "increase": 1},
            "window": "week 1",
            "unit": "%",
        },
        {
            "id": "first",
            "label": "First",
            "rule": "time_to_first",
            "params": {"movement": "sbm"},
            "unit": "h",
        },
    ],
    "patients": 8,
    "seed": 3,
}


@pytest.fixture(scope="session")
def model():
    return load_model()


@pytest.fixture(scope="session")
def study():
    return Study.model_validate(STUDY)
