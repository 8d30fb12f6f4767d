"""What tests of several rooms share: another simulator."""

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
