"""What the model says is alike in all people is alike, so that the engine reads it once."""

from __future__ import annotations

import numpy as np

from opiome import cohort, engine, model


def test_people_differ_in_nothing_that_is_alike():
    loaded = model.load()
    program = engine.compile(loaded.sbml)
    people = cohort.build(loaded, {}, 24, 3, program=program)
    differ = {name for name, values in people.parameters.items() if np.ptp(np.atleast_1d(values)) > 0}
    assert len(differ) > 80
    assert not differ.intersection(loaded.alike)
    assert set(loaded.alike) < set(program.parameters)
    assert len(loaded.alike) > len(program.parameters) / 2
    given = {
        name
        for row in loaded.drugs.iter_rows(named=True)
        if "opioid" in row["slots"].split()
        for name in loaded.slot_parameters(row["drug"], row["formulation"], "opioid")
    }
    assert given
    assert not given.intersection(loaded.alike)
