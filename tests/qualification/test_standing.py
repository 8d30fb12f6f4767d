"""The standing checks at a hundredth of their size, and that they see what they look for."""

import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parents[2] / "qualification"
sys.path.insert(0, str(HERE))

import standing as checks  # noqa: E402
from random_regimens import random_regimen  # noqa: E402

PARTS = 8
"""The thousand people of the small check of negative states are an eighth of them in every fast run."""


@pytest.fixture(scope="module")
def standing():
    return checks.Standing(threads=1)


def test_no_state_is_negative_in_random_people_on_random_regimens(standing):
    found = checks.negative(standing, 0, 1000 // PARTS)
    assert (found.failed, found.broken) == (0, 0), found
    assert found.refused < found.people / 20


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000 // PARTS, 1000, 1000 // PARTS))
def test_no_state_is_negative_in_the_other_people(standing, first):
    found = checks.negative(standing, first, 1000 // PARTS)
    assert (found.failed, found.broken) == (0, 0), found


def test_nothing_drifts_in_random_untreated_people(standing):
    found = checks.drift(standing, 0, 20)
    assert (found.failed, found.broken) == (0, 0), found
    assert found.refused <= 1


@pytest.mark.parametrize(("evenness", "least"), [(1.0, 40), (0.3, 39), (0.1, 37)])
def test_nearly_every_random_flora_has_a_stable_state(standing, evenness, least):
    found = checks.stability(standing, 0, 40, evenness)
    assert found.people - found.refused >= least


def test_a_negative_state_a_drift_and_a_failure_are_counted():
    failed = np.array([False, False, True])
    size = np.array([[0.0, 1e-3], [0.0, 1e-5], [9.0, 9.0]])
    found = checks._found(["water", "fibre"], 5, failed, size, 1e-4)
    assert found == checks.Found(people=5, refused=2, failed=1, broken=1, worst=1e-3, where="fibre")
    both = found + checks.Found(5, 0, 0, 2, 1e-2, "water")
    assert both == checks.Found(10, 2, 1, 3, 1e-2, "water")


def test_random_regimens_use_the_whole_drug_table(standing):
    seen = {line.drug for number in range(150) for line in random_regimen(standing.model, number, 28)}
    people = standing.model.drugs.filter(~standing.model.drugs["formulation"].is_in(["pellet", "injection"]))
    assert seen == set(people["drug"])


def test_a_check_goes_on_where_it_stopped(tmp_path, monkeypatch):
    calls = []

    def check(_standing, first, n):
        calls.append((first, n))
        return checks.Found(n, worst=float(first))

    monkeypatch.setitem(checks.CHECKS, "counting", (check, 1000, 400))
    kept = tmp_path / "kept.tsv"
    assert checks.run(None, "counting", 0.4, kept) == checks.Found(400)
    whole = checks.run(None, "counting", 1.0, kept)
    assert whole == checks.Found(1000, worst=800.0)
    assert calls == [(0, 400), (400, 400), (800, 200)]
    assert checks.run(None, "counting", 1.0, kept) == whole
    assert len(calls) == 3


def test_committed_results_hold_what_is_asked():
    rows = {row["check"]: row for row in checks.table.read(HERE / "standing.tsv")}
    assert set(rows) == set(checks.CHECKS)
    assert rows["negative"]["failed"] == rows["negative"]["broken"] == "0"
    assert rows["drift"]["failed"] == rows["drift"]["broken"] == "0"
    assert all(row["model"] and row["date"] for row in rows.values())
