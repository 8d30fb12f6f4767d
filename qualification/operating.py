"""Errors of the first kind of COMPOSE-1's analyses: null trials drawn from one pool of placebo patients.

- ``python qualification/operating.py pool``: simulate 20,000 people, 500 at a time; resumes
- ``python qualification/operating.py null``: draw 10,000 null trials; writes ``operating.tsv`` and the page
- ``python qualification/operating.py replicates``: 1,000 trials, everybody simulated; resumes

The pool is screened and lives through prior therapy, run-in and 12 weeks on placebo. A null trial has
COMPOSE-1's size and draws both arms from the pool. The replicates have no pool and are about 27 times the
work. Everything is kept in ``results/operating``, named by a hash of study, model and code.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from null_trials import FAST, samples

from opiome import files, trial
from opiome import model as models
from opiome.trial._analyses import ANALYSES, contrast, usual
from opiome.trial._answers import Answers
from opiome.trial._compare import answered
from opiome.trial._validate import code_sha256

if TYPE_CHECKING:
    from opiome.model import Model
    from opiome.trial import Study

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "operating.md"
CHUNK = 500
SIZES = {"naldemedine": 273, "placebo": 272}  # Hale 2017
ANALYSED = {
    "responder": ("risk_difference", "cmh"),
    "sbm_change": ("welch", "ancova", "mmrm"),
    "csbm_change": ("welch",),
    "first_sbm": ("log_rank", "cox"),
    "sbm_24h": ("risk_difference",),
}
LEVEL = 0.05
FIELDS = ("values", "event", "baseline", "visits")


def study_of(*arms: str) -> Study:
    """COMPOSE-1 with some of its arms, without what was published and without strata."""
    study = trial.load_study("compose-1")
    own = {name: study.arms[name] for name in arms}
    changed = {"arms": own, "reference": "placebo", "published": (), "strata": ()}
    return study.model_copy(update=changed)


def folder_of(place: Path, what: str, study: Study, model: Model) -> Path:
    """Where the results of this study, model and code are kept."""
    parts = [study.model_dump_json(), model.sha256, code_sha256()]
    folder = place / f"{what}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    facts = json.dumps({"model_sha256": model.sha256, "chunk": CHUNK})
    (folder / "facts.json").write_text(facts, encoding="utf-8")
    return folder


def simulate(patients: int, place: Path, threads: int) -> None:
    """The pool in chunks, each with a seed of its own; finished chunks are not simulated again."""
    study, model = study_of("placebo"), models.load()
    folder = folder_of(place, "pool", study, model)
    for k in range(math.ceil(patients / CHUNK)):
        file = folder / f"{k:04d}.npz"
        if file.exists():
            continue
        start, spent = time.perf_counter(), time.process_time()
        seed = study.seed + 1000 + k
        people = trial.Twins.screened(study, CHUNK, seed=seed, threads=threads, model=model)
        diaries, well = people.through()
        diary = diaries["placebo"].take(np.flatnonzero(well))
        arrays = {"seconds": np.array([time.perf_counter() - start, time.process_time() - spent])}
        for endpoint in study.endpoints:
            answers = answered(endpoint, {"placebo": diary})["placebo"]
            for name in FIELDS:
                if (values := getattr(answers, name)) is not None:
                    arrays[f"{endpoint.id}/{name}"] = values
        with files.whole(file) as part, part.open("wb") as stream:
            np.savez_compressed(stream, **arrays)
        wall, cpu = arrays["seconds"]
        print(
            f"{(k + 1) * CHUNK} people; the last {CHUNK} in {wall:.0f} s, {cpu:.0f} s of a core", flush=True
        )


def newest(place: Path) -> Path:
    """The folder of the pool that was begun last."""
    found = sorted(place.glob("pool-*/facts.json"), key=lambda file: file.stat().st_mtime)
    if not found:
        raise SystemExit("there is no pool yet: run 'python qualification/operating.py pool' first")
    return found[-1].parent


def null(trials: int, place: Path, out: Path) -> None:
    """Null trials for every endpoint and analysis; one row each in ``operating.tsv``."""
    folder, study = newest(place), study_of("placebo")
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    chunks = [dict(np.load(file)) for file in sorted(folder.glob("*.npz"))]
    spent = sum(float(chunk["seconds"][1]) for chunk in chunks) / 60
    rows: list[dict[str, Any]] = []
    for endpoint in study.endpoints:
        parts = {
            name: np.concatenate([chunk[f"{endpoint.id}/{name}"] for chunk in chunks])
            for name in FIELDS
            if f"{endpoint.id}/{name}" in chunks[0]
        }
        pool = Answers(trial.RULES[endpoint.rule].kind, **parts)
        for analysis in ANALYSED.get(endpoint.id, (usual(pool.kind),)):
            count = trials if analysis in FAST else max(trials // 100, 20)  # a thousand times the work
            row = {"endpoint": endpoint.id, "label": endpoint.label, "analysis": analysis}
            row |= errors(pool, analysis, count, study.seed)
            row |= {"model_sha256": facts["model_sha256"][:16], "core_minutes": f"{spent:.0f}"}
            rows.append(row | {"date": datetime.now(UTC).date().isoformat()})
            print(f"{endpoint.label}, {analysis}: {row['error']}", flush=True)
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    PAGE.write_text(page(rows), encoding="utf-8")


def errors(pool: Answers, analysis: str, trials: int, seed: int) -> dict[str, Any]:
    """How many of so many null trials are significant, with Wilson's interval."""
    from scipy.stats import binomtest

    size, hits = SIZES["placebo"], 0
    for arm, reference in samples(len(pool), size, trials, seed):
        if analysis in FAST:
            hits += int((FAST[analysis](pool, arm, reference) < LEVEL).sum())
        else:
            pairs = zip(arm, reference, strict=True)
            hits += sum(contrast(pool.take(a), pool.take(b), analysis).p < LEVEL for a, b in pairs)
    limits = binomtest(hits, trials).proportion_ci(0.95, method="wilson")
    return {
        "pool": len(pool),
        "trials": trials,
        "patients_per_arm": size,
        "error": f"{hits / trials:.4f}",
        "low": f"{limits.low:.4f}",
        "high": f"{limits.high:.4f}",
        "holds": bool(limits.low <= LEVEL <= limits.high),
    }


HEAD = """# Operating characteristics under the null

Trials of COMPOSE-1's size ({patients_per_arm} patients in each of two arms), both arms drawn from one pool
of {pool} virtual placebo patients; prior therapy, screening, run-in and 12 weeks of diary were simulated for
each. Every significant trial is an error of the first kind; the nominal rate is 5 %. In {held} of {analyses}
analyses the 95 % interval of the rate holds 5 %.

| endpoint | analysis | trials | significant, % | 95 % interval |
|---|---|---|---|---|
"""
FOOT = """
Model {model_sha256}, {date}; {core_minutes} minutes of one core for the pool. Patients are drawn with
replacement, so trials share them: what is tested is the analysis on such diaries, not the pool. Without
strata the Cochran-Mantel-Haenszel test is that of one table. Tests of shares stay a little below 5 % because
counts are whole numbers. MMRM and Cox are a thousand times the work of the others and have fewer trials.

Written by `python qualification/operating.py pool` and `python qualification/operating.py null`, which resume
where they stopped. `python qualification/operating.py replicates` simulates every patient of 1,000 trials of
COMPOSE-1, one file for each trial: about 27 times the work of a pool of 20,000.
"""


def percent(share: str) -> str:
    """A share of the table in per cent."""
    return f"{100 * float(share):.2f}"


def page(rows: list[dict[str, Any]]) -> str:
    """The page of the documentation that tells the table."""
    held = sum(row["holds"] for row in rows)
    lines = [
        f"| {row['label']} | {ANALYSES[row['analysis']].label} | {row['trials']} |"
        f" {percent(row['error'])} | {percent(row['low'])} to {percent(row['high'])} |\n"
        for row in rows
    ]
    head = HEAD.format(held=held, analyses=len(rows), **rows[0])
    return head + "".join(lines) + FOOT.format(**rows[0])


def replicates(trials: int, place: Path, threads: int) -> None:
    """COMPOSE-1 at its real size, every patient simulated; one file for each trial, so that it resumes."""
    import polars as pl

    study, model = study_of("naldemedine", "placebo"), models.load()
    folder = folder_of(place, "replicates", study, model)
    size = SIZES["naldemedine"]
    for k in range(trials):
        file = folder / f"{k:05d}.parquet"
        if file.exists():
            continue
        start = time.perf_counter()
        results = trial.run(study, patients=size, seed=study.seed + k, threads=threads, model=model)
        with files.whole(file) as part:
            results.contrasts.write_parquet(part)
        left = (trials - k - 1) * (time.perf_counter() - start) / 3600
        print(f"trial {k + 1} of {trials}; about {left:.1f} h to go", flush=True)
    found = pl.concat([pl.read_parquet(file) for file in sorted(folder.glob("*.parquet"))])
    summary = found.group_by("endpoint", maintain_order=True).agg(
        (pl.col("p") < 0.05).mean().alias("significant"), pl.col("estimate").mean()
    )
    print(summary)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("pool", "null", "replicates"))
    parser.add_argument("--patients", type=int, default=20_000, help="people in the pool")
    parser.add_argument("--trials", type=int, default=None, help="10,000 null trials or 1,000 replicates")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("results/operating"))
    parser.add_argument("--out", type=Path, default=HERE / "operating.tsv")
    given = parser.parse_args()
    if given.what == "pool":
        simulate(given.patients, given.folder, given.threads)
    elif given.what == "null":
        null(given.trials or 10_000, given.folder, given.out)
    else:
        replicates(given.trials or 1000, given.folder, given.threads)


if __name__ == "__main__":
    main()
