"""What tests of several rooms share: other simulators."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def copasi():
    """SBML text, variables and times (from 0 on, h) to what COPASI's LSODA computes: (times, variables)."""
    import basico

    def simulate(text, names, times):
        other = basico.load_model_from_string(text)
        try:
            frame = basico.run_time_course(
                values=np.asarray(times).tolist(),
                method="lsoda",
                r_tol=1e-10,
                a_tol=1e-12,
                use_sbml_id=True,
                model=other,
            )
        finally:
            basico.remove_datamodel(other)
        return frame[list(names)].to_numpy()

    return simulate


@pytest.fixture(scope="session")
def libroadrunner():
    """SBML text to a model in libRoadRunner, loaded the quick way.

    It writes code for the initial value of every variable, with all rules that this hangs on expanded,
    unless initial conditions are declared fixed: the larger part of loading, and nobody asks for them.
    """
    import roadrunner
    from roadrunner import Config

    quick = {
        Config.LOADSBMLOPTIONS_MUTABLE_INITIAL_CONDITIONS: False,
        Config.LLVM_BACKEND: Config.LLJIT,
        Config.LLJIT_OPTIMIZATION_LEVEL: Config.NONE,
    }

    def load(text):
        before = {key: Config.getValue(key) for key in quick}
        for key, value in quick.items():
            Config.setValue(key, value)
        try:
            return roadrunner.RoadRunner(text)
        finally:
            for key, value in before.items():
                Config.setValue(key, value)

    return load
