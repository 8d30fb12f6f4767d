"""Visits of the study are marks on the time axis."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from opiome.report._phases import phases

STUDY = {
    "background": {"duration": "4 weeks"},
    "run_in": {"duration": "2 weeks"},
    "treatment": {"duration": "12 weeks"},
}


@pytest.mark.parametrize(
    ("visits", "marks"),
    [(["2 weeks", "84 days"], (336.0, 2016.0)), ([], ()), (None, ()), (["soon", 24.0], (24.0,))],
)
def test_visits_are_hours_from_randomisation(visits, marks):
    tables = SimpleNamespace(manifest={"study": {**STUDY, "visits": visits}})
    found = phases(tables)
    assert [phase.visits for phase in found] == [(), (), marks]
