"""Cases that are endpoints of whole trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from bench import interval

from opiome import trial

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from experiments import Answer

OIC_J = 212
"""People in the study."""
ENDPOINTS = {"responder": "responder", "sbm": "sbm_change", "first": "first_sbm"}
STUDIES = {
    "compose1": ("compose-1", {"naldemedine": "naldemedine", "placebo": "placebo"}),
    "compose4": ("compose-4", {"naldemedine": "naldemedine", "placebo": "placebo"}),
    "webster": ("webster-2b", {"0_1": "low", "0_2": "middle", "0_4": "high", "placebo": "placebo"}),
    "kodiac4": ("kodiac-04", {"25": "high", "12_5": "low", "placebo": "placebo"}),
}
FMT = {"fmt_week_4": "weeks_3_4", "fmt_week_12": "weeks_9_12", "fmt_week_24": "weeks_21_24"}


def answers(patients: int, cases: Collection[str]) -> Iterator[tuple[str, Answer]]:
    """Run each study with ``patients`` per arm and yield those of its endpoints that are ``cases``."""
    for prefix, (name, arms) in STUDIES.items():
        results = trial.run(trial.load_study(name), patients=patients)
        rows = {(r["endpoint"], r["arm"]): r for r in results.endpoints.to_dicts()}
        for short, endpoint in ENDPOINTS.items():
            for label, arm in arms.items():
                row = rows.get((endpoint, arm))
                if row is not None and (case := f"{prefix}_{short}_{label}") in cases:
                    yield case, _answer(row)
    results = trial.run(trial.load_study("fmt-ding-2018"), patients=patients)
    rows = {r["endpoint"]: r for r in results.endpoints.to_dicts()}
    for case, endpoint in FMT.items():
        yield case, _answer(rows[endpoint])
    results = trial.run(trial.load_study("first-opioid"), patients=patients)
    rows = {(r["endpoint"], r["arm"]): r for r in results.endpoints.to_dicts()}
    week_before = results.diary.filter(pl.col("day") < 1).group_by("patient").agg(pl.col("spontaneous").sum())
    yield "oicj_sbm_before", interval(week_before.sort("patient")["spontaneous"].to_numpy(), OIC_J, "mean")
    yield "oicj_sbm_after", _mixed(rows, "sbm")
    yield "oicj_rome_week1", _mixed(rows, "rome_iv_week_1")
    yield "oicj_rome_2weeks", _mixed(rows, "rome_iv")
    lower = rows["rome_iv", "laxative"]["estimate"] < rows["rome_iv", "morphine"]["estimate"]
    yield "oicj_laxative", (float(lower),) * 3


def _answer(row: dict[str, float]) -> Answer:
    low, high = row.get("predictive_low"), row.get("predictive_high")
    return row["estimate"], row["low"] if low is None else low, row["high"] if high is None else high


def _mixed(rows: dict[tuple[str, str], dict[str, float]], endpoint: str) -> Answer:
    """Half of the people of OIC-J took a laxative, half did not."""
    pair = [_answer(rows[endpoint, arm]) for arm in ("morphine", "laxative")]
    return tuple((a + b) / 2 for a, b in zip(*pair, strict=True))  # type: ignore[return-value]
