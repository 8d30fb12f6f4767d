"""Models written in Antimony, and the simulators that the engine is compared with."""

from __future__ import annotations

import os
from pathlib import Path

import antimony
import numpy as np
import pytest

MODELS = Path(__file__).parent / "models"


def to_sbml(text: str) -> str:
    """Antimony text to SBML text."""
    antimony.clearPreviousLoads()
    antimony.freeAll()
    assert antimony.loadAntimonyString(text) >= 0, antimony.getLastError()
    return antimony.getSBMLString(antimony.getMainModuleName())


@pytest.fixture(scope="session")
def sbml():
    """Antimony text to SBML."""
    return to_sbml


@pytest.fixture(scope="session")
def oral():
    return to_sbml((MODELS / "oral.ant").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def gut():
    return to_sbml((MODELS / "gut.ant").read_text(encoding="utf-8"))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Tests compile anew and leave the user's cache alone."""
    os.environ["OPIOME_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def roadrunner_run():
    """``run(sbml, selections, times)``: libRoadRunner's CVODE at tight tolerances."""
    import roadrunner

    roadrunner.Logger.disableLogging()

    def run(sbml, selections, times):
        rr = roadrunner.RoadRunner(sbml)
        rr.integrator.relative_tolerance, rr.integrator.absolute_tolerance = 1e-11, 1e-13
        rr.integrator.maximum_num_steps = 200_000
        rr.timeCourseSelections = ["time", *selections]
        return np.array(rr.simulate(times=[float(t) for t in times]))[:, 1:]

    return run
