"""Null trials many at once against the analyses of the package, trial by trial."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from opiome.trial import Answers, contrast

sys.path.insert(0, str(Path(__file__).parents[2] / "qualification"))

import operating
from null_trials import BLOCK, FAST, samples


def pools():
    rng = np.random.default_rng(3)
    baseline = rng.normal(size=300)
    values = np.where(rng.random(300) < 0.1, np.nan, 0.6 * baseline + rng.gamma(1.0, size=300))
    times = np.round(rng.exponential(30, 300))  # ties
    visits = 0.6 * baseline[:, None] + rng.normal(size=(300, 1)) + rng.gamma(1.0, size=(300, 4))
    visits[np.arange(4) >= np.where(rng.random(300) < 0.3, rng.integers(0, 4, 300), 4)[:, None]] = np.nan
    visits[rng.random((300, 4)) < 0.03] = np.nan
    return {
        "proportion": Answers("proportion", (rng.random(300) < 0.2).astype(float)),
        "mean": Answers("mean", values, baseline=baseline),
        "visits": Answers("mean", visits[:, -1], baseline=baseline, visits=visits),
        "time": Answers("time", np.minimum(times, 60.0), times <= 60),
    }


KINDS = {
    "risk_difference": "proportion",
    "cmh": "proportion",
    "welch": "mean",
    "ancova": "mean",
    "mmrm": "visits",
    "log_rank": "time",
    "cox": "time",
}


@pytest.mark.parametrize("analysis", FAST)
def test_many_at_once_are_as_one_by_one(analysis):
    pool = pools()[KINDS[analysis]]
    arm, reference = next(samples(300, 40, 25, seed=2))
    found = FAST[analysis](pool, arm, reference)
    one_by_one = [
        contrast(pool.take(a), pool.take(b), analysis).p for a, b in zip(arm, reference, strict=True)
    ]
    assert found == pytest.approx(one_by_one, rel=1e-9)


def test_samples_do_not_depend_on_how_many_there_are():
    few, many = next(samples(300, 40, 5, seed=2)), list(samples(300, 40, BLOCK + 5, seed=2))
    assert (few[0] == many[0][0][:5]).all()
    assert [block[0].shape[0] for block in many] == [BLOCK, 5]
    assert 0 <= many[1][1].min() <= many[1][1].max() < 300


def test_replicates_are_told_with_the_middle_90_per_cent(tmp_path, monkeypatch):
    trials = np.arange(101)
    found = pl.DataFrame(
        {"endpoint": "e", "label": "Responders", "unit": "%", "trial": trials, "screened": 700, "failed": 0,
         "seconds": 8.0, "naldemedine": 40.0 + trials / 10, "placebo": 30.0 + trials / 10,
         "difference": 10.0, "p": np.where(trials < 25, 0.2, 0.01)}
    )  # fmt: skip
    row = operating.told(found, {"model_sha256": "0" * 64})[0]
    assert (row["naldemedine_low"], row["naldemedine"], row["naldemedine_high"]) == (
        "40.50",
        "45.00",
        "49.50",
    )
    assert row["significant"] == f"{76 / 101:.4f}"
    assert (row["trials"], row["minutes"]) == (101, "13")
    for name in ("OUT", "REPLICATES", "PAGE"):
        monkeypatch.setattr(operating, name, tmp_path / name)
    operating.table.write(operating.REPLICATES, list(row), [row])
    operating.page()
    page = operating.PAGE.read_text(encoding="utf-8")
    assert "| Responders, % | 40.50 to 49.50 | 30.50 to 39.50 | 10.00 to 10.00 | 75.25 |" in page
    assert "null" not in page
