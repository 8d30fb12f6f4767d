"""Cases that are endpoints of whole trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from bench import interval

from opiome import streams, trial

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from experiments import Answer

OIC_J = 212
"""People in the study."""
CERP, DRAWS, LAST_DAY = 130, 400, 28
"""People in an arm of the study, trials drawn from the simulated one, its last day."""
CERP_ARMS = ("morphine", "fentanyl")
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
    yield from _cerp(trial.run(trial.load_study("cerp"), patients=min(patients, CERP)))
    results = trial.run(trial.load_study("first-opioid"), patients=patients)
    rows = {(r["endpoint"], r["arm"]): r for r in results.endpoints.to_dicts()}
    week_before = results.diary.filter(pl.col("day") < 1).group_by("patient").agg(pl.col("spontaneous").sum())
    yield "oicj_sbm_before", interval(week_before.sort("patient")["spontaneous"].to_numpy(), OIC_J, "mean")
    yield "oicj_sbm_after", _mixed(rows, "sbm")
    yield "oicj_rome_week1", _mixed(rows, "rome_iv_week_1")
    yield "oicj_rome_2weeks", _mixed(rows, "rome_iv")
    lower = rows["rome_iv", "laxative"]["estimate"] < rows["rome_iv", "morphine"]["estimate"]
    yield "oicj_laxative", (float(lower),) * 3


def _cerp(results: trial.Results) -> Iterator[tuple[str, Answer]]:
    """Who is no better, how far doses rose, and how often they rise further on fentanyl than on morphine."""
    rows = {(r["endpoint"], r["arm"]): r for r in results.endpoints.to_dicts()}
    better = _answer(rows["response", "morphine"])
    yield "cerp_nonresponse", (100 - better[0], 100 - better[2], 100 - better[1])
    for arm in CERP_ARMS:
        yield f"cerp_rise_{arm}", _answer(rows["dose_rise", arm])
    last, first = (results.diary.filter(pl.col("day") == day) for day in (LAST_DAY, 1))
    doses = last.join(first, on=("patient", "arm"), suffix="_first").filter(pl.col("ome_first") > 0)
    rise = {arm: doses.filter(pl.col("arm") == arm).sort("patient") for arm in CERP_ARMS}
    drawn = {arm: _means((d["ome"] / d["ome_first"]).drop_nulls().to_numpy(), arm) for arm, d in rise.items()}
    yield "cerp_escalation", (float((drawn["fentanyl"] > drawn["morphine"]).mean()),) * 3


def _means(values: np.ndarray, purpose: str) -> np.ndarray:
    """Means of as many people as were in an arm of CERP, drawn again and again."""
    draw = np.arange(CERP)[None, :]
    u = streams.uniform(1, f"qualification/cerp/{purpose}", np.arange(DRAWS)[:, None], draw=draw)
    return values[(u * len(values)).astype(np.int64)].mean(axis=1)


def _answer(row: dict[str, float]) -> Answer:
    low, high = row.get("predictive_low"), row.get("predictive_high")
    return row["estimate"], row["low"] if low is None else low, row["high"] if high is None else high


def _mixed(rows: dict[tuple[str, str], dict[str, float]], endpoint: str) -> Answer:
    """Half of the people of OIC-J took a laxative, half did not."""
    pair = [_answer(rows[endpoint, arm]) for arm in ("morphine", "laxative")]
    return tuple((a + b) / 2 for a, b in zip(*pair, strict=True))  # type: ignore[return-value]
