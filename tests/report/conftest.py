"""A made-up result of a two-arm trial, from closed-form curves: fixed, and no claim about any drug."""

from __future__ import annotations

import math
from types import SimpleNamespace

import polars as pl
import pytest

ARMS = {"active": "antagonist 0.2 mg daily", "placebo": "placebo"}
PATIENTS = 60
WEEK = 168.0
SPREAD = {"q05": -1.64, "q25": -0.67, "q50": 0.0, "q75": 0.67, "q95": 1.64}
NODES = dict(zip([f"N{place}" for place in range(1, 19)], [
    -1.9, -0.6, 0.3, 0.5, -0.2, 0.15, -0.3, -0.5, -0.8, -0.1, 0.05, 0.05, 0.02, -0.1, 0.4, 0.0, 0.0, 2.4,
], strict=True))  # fmt: skip


def curve(before: float, after: float, hour: float) -> float:
    start = before * (1 - 0.1 * math.exp((-hour - 6 * WEEK) / (4 * WEEK)))
    return start if hour < 0 else after + (before - after) * math.exp(-hour / (1.2 * WEEK))


def bands() -> pl.DataFrame:
    observables = {
        "nrs": (5.1, {"active": 5.0, "placebo": 5.1}, 0.25),
        "bm_rate": (1.6 / WEEK, {"active": 5.2 / WEEK, "placebo": 3.4 / WEEK}, 0.35),
        "whole_gut_transit": (61.0, {"active": 38.0, "placebo": 58.0}, 0.3),
        "butyrate_flux": (4.1, {"active": 5.6, "placebo": 4.2}, 0.3),
        "plasma_lps": (3.4, {"active": 2.9, "placebo": 3.4}, 0.5),
        "il6": (2.6, {"active": 2.4, "placebo": 2.6}, 0.5),
        "tolerance": (1.4, {"active": 1.45, "placebo": 1.5}, 0.2),
        "share_G1": (0.4, {"active": 0.46, "placebo": 0.4}, 0.4),
        "share_G2": (0.2, {"active": 0.28, "placebo": 0.2}, 0.4),
        "share_G5": (0.05, {"active": 0.03, "placebo": 0.05}, 0.6),
    }
    rows = []
    for arm in ARMS:
        for observable, (before, after, spread) in observables.items():
            for day in range(-14, 84):
                hour = day * 24.0 + 12.0
                middle = curve(before, after[arm], hour)
                quantiles = {name: middle * math.exp(z * spread) for name, z in SPREAD.items()}
                if observable == "nrs":
                    quantiles = {name: min(value, 10.0) for name, value in quantiles.items()}
                rows.append(
                    {
                        "arm": arm,
                        "observable": observable,
                        "time_h": hour,
                        "mean": middle,
                        **quantiles,
                        "n": PATIENTS,
                    }
                )
    return pl.DataFrame(rows)


def endpoint(
    name: tuple[str, str], arm: str, unit: str, numbers: tuple, published=None, *, role="check"
) -> dict:
    endpoint, label = name
    estimate, low, high = numbers
    told = published is not None
    room = 0.6 * (high - low)
    hit = low - room <= published <= high + room if told else None
    return {
        "endpoint": endpoint,
        "label": label,
        "arm": arm,
        "kind": "proportion" if unit == "%" else "mean",
        "unit": unit,
        "estimate": estimate,
        "low": low,
        "high": high,
        "n": PATIENTS,
        "published": published,
        "published_low": None,
        "published_high": None,
        "published_n": None if published is None else 270,
        "source": None if published is None else "report_2026",
        "role": role if published is not None else None,
        "hit": hit,
        "predictive_low": low - room if told else None,
        "predictive_high": high + room if told else None,
        "error": estimate - published if told else None,
        "error_allowed": max(5.0 if unit == "%" else 0.0, 0.2 * published) if told else None,
        "primary": endpoint == "responder",
    }


def make() -> SimpleNamespace:
    """Return the tables of the made-up trial, as the runner's results hold them."""
    responder, change = (
        ("responder", "Responders, 9 of 12 weeks"),
        ("sbm", "Change in SBM per week, weeks 11-12"),
    )
    first, pain = ("first", "Time to first SBM"), ("pain", "Pain, mean NRS in weeks 11-12")
    endpoints = pl.DataFrame(
        [
            endpoint(responder, "active", "%", (50.2, 43.9, 56.1), 47.6, role="fit"),
            endpoint(responder, "placebo", "%", (24.3, 19.9, 29.3), 36.6, role="fit"),
            endpoint(change, "active", "per week", (3.31, 2.85, 3.8), 3.42),
            endpoint(change, "placebo", "per week", (1.88, 1.5, 2.3), 2.12),
            endpoint(first, "active", "h", (14.2, 9.5, 20.1), 16.1),
            endpoint(first, "placebo", "h", (44.0, 35.0, 55.5), 46.7),
            endpoint(pain, "active", "NRS 0-10", (5.0, 4.8, 5.2)),
            endpoint(pain, "placebo", "NRS 0-10", (5.1, 4.9, 5.3)),
        ]
    )
    contrasts = pl.DataFrame(
        [
            (
                "responder",
                "active",
                "placebo",
                "risk difference",
                25.9,
                17.4,
                34.3,
                0.0002,
                13.0,
                "report_2026",
                False,
                16.0,
                35.8,
            ),
            (
                "sbm",
                "active",
                "placebo",
                "mean difference",
                1.43,
                0.83,
                2.05,
                0.0001,
                1.3,
                "report_2026",
                True,
                0.5,
                2.4,
            ),
            (
                "pain",
                "active",
                "placebo",
                "mean difference",
                -0.1,
                -0.38,
                0.18,
                0.31,
                None,
                None,
                None,
                None,
                None,
            ),
        ],
        schema=[
            *(
                "endpoint",
                "arm",
                "reference",
                "measure",
                "estimate",
                "low",
                "high",
                "p",
                "published",
                "source",
                "hit",
            ),
            *("predictive_low", "predictive_high"),
        ],
        orient="row",
    )
    outcomes = ["OK"] * 58 + ["STEP_BUDGET"] * 2
    patients = pl.DataFrame(
        {
            "patient": list(range(PATIENTS)) * 2,
            "arm": ["active"] * PATIENTS + ["placebo"] * PATIENTS,
            "age": [40.0 + (i % 30) for i in range(2 * PATIENTS)],
            "outcome": outcomes * 2,
            "completed": ([True] * 50 + [False] * 10) * 2,
            "screened_attempts": [1 + i % 3 for i in range(2 * PATIENTS)],
        }
    )
    nodes = pl.DataFrame(
        [
            {
                "arm": arm,
                "node": node,
                "change": change * (1 if arm == "active" else 0.1),
                "change_untreated": change * (0.2 if arm == "active" else -0.8),
            }
            for arm in ARMS
            for node, change in NODES.items()
        ]
    )  # fmt: skip
    manifest = {
        "opiome": 1,
        "versions": {"python": "3.11.9", "opiome": "0.1.0", "numpy": "2.1.0"},
        "seed": 20260,
        "study_sha256": "17aa" * 16,
        "model": {"species": "human", "sha256": "9f2c" * 16},
        "twins": False,
        "arms": {arm: {"label": label} for arm, label in ARMS.items()},
        "seconds": {"compile": 1.2, "screening": 20.1, "treatment": 14.0, "endpoints": 0.4},
        "counts": {
            "screened": 231,
            "randomised": 120,
            "excluded": {
                "entry: sbm_per_week < 3": 93,
                "eligibility: age 18 to 80": 15,
                "simulation failed": 3,
            },
            "failed": {"active": 2, "placebo": 2},
        },
        "study": {
            "name": "made-up",
            "title": "Does a peripheral antagonist relieve opioid-induced constipation?",
            "background": {"duration": "4 weeks"},
            "run_in": {"duration": "2 weeks"},
            "treatment": {"duration": "12 weeks"},
            "arms": {arm: {"label": label} for arm, label in ARMS.items()},
            "endpoints": [
                {"id": "responder", "primary": True},
                {"id": "sbm"},
                {"id": "first"},
                {"id": "pain"},
            ],
            "sources": {"report_2026": "A made-up report, 2026"},
        },
    }
    days = [*range(-14, 0), *range(1, 85)]
    diary = pl.DataFrame(
        {
            "patient": [p for p in range(6) for _ in days] * 2,
            "arm": [arm for arm in ARMS for _ in range(6) for _ in days],
            "day": [day for _ in range(12) for day in days],
            "spontaneous": [
                int((p * 7 + day * 3) % 7 < (2 + p % 3 if day < 1 or arm == "placebo" else 4 + p % 3))
                for arm in ARMS
                for p in range(6)
                for day in days
            ],
        }
    )
    return SimpleNamespace(
        manifest=manifest,
        patients=patients,
        bands=bands(),
        diary=diary,
        endpoints=endpoints,
        contrasts=contrasts,
        nodes=nodes,
    )


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """All of it."""
    return make()


@pytest.fixture
def results(made) -> SimpleNamespace:
    """The same with one course over time, which is drawn quickly."""
    lean = {"bands": made.bands.filter(pl.col("observable") == "nrs"), "diary": made.diary.clear()}
    return SimpleNamespace(**vars(made) | lean)
