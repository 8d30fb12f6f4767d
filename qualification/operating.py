"""COMPOSE-1 as it would come out again and again: trials with everybody simulated, and null trials.

- ``python qualification/operating.py pool``: simulate 20,000 people on placebo, 1,000 at a time; resumes
- ``python qualification/operating.py null``: draw 10,000 null trials from them; writes ``operating.tsv``
- ``python qualification/operating.py replicates``: 1,000 trials, everybody simulated; resumes; writes
  ``replicates.tsv``
- ``python qualification/operating.py page``: writes the page of the documentation from both tables

The pool is screened and lives through prior therapy, run-in and 12 weeks on placebo. A null trial has
COMPOSE-1's size and draws both arms from the pool. A replicate is the whole trial with new candidates. Both
are followed as closely as docs/design/trial.md says of many trials. Everything is kept in
``results/operating``, named by a hash of study, model and code; ``--processes`` share the work.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import table
from null_trials import FAST, samples

from opiome import files, trial
from opiome import model as models

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from opiome.model import Model
    from opiome.trial import Study

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "operating.md"
OUT, REPLICATES = HERE / "operating.tsv", HERE / "replicates.tsv"
CHUNK = 1000
BATCH = 20  # replicates in one file: a minute or two of work
SIZES = {"naldemedine": 273, "placebo": 272}  # Hale 2017
ANALYSED = {
    "responder": ("risk_difference", "cmh"),
    "sbm_change": ("welch", "ancova", "mmrm"),
    "csbm_change": ("welch",),
    "sbm_easy_change": ("welch",),
    "first_sbm": ("log_rank", "cox"),
    "sbm_24h": ("risk_difference",),
}
TOLD = ("naldemedine", "placebo", "difference")
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
    parts = [study.model_dump_json(), model.sha256, trial.code_sha256()]
    folder = place / f"{what}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    facts = json.dumps({"model_sha256": model.sha256, "chunk": CHUNK})
    (folder / "facts.json").write_text(facts, encoding="utf-8")
    return folder


def simulate(patients: int, place: Path, processes: int) -> None:
    """The pool in chunks, each with a seed of its own; finished chunks are not simulated again."""
    folder = folder_of(place, "pool", study_of("placebo"), models.load())
    chunks = math.ceil(patients / CHUNK)
    share([(chunk, folder / f"{k:04d}.npz", k) for k in range(chunks)], processes)


def share(work: list[tuple[Callable[[Path, int], None], Path, int]], processes: int) -> None:
    """Do what is not done yet, in so many processes of one thread each."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the processes share the cores
    todo = [(do, file, k) for do, file, k in work if not file.exists()]
    start = time.perf_counter()
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for done, _ in enumerate(pool.map(call, todo), 1):
            spent = (time.perf_counter() - start) / 60
            left = spent * (len(todo) - done) / done
            print(f"{done} of {len(todo)} in {spent:.1f} min; about {left:.0f} min to go", flush=True)


def call(task: tuple[Callable[[Path, int], None], Path, int]) -> None:
    """One piece of work, in a process of its own."""
    do, file, k = task
    do(file, k)


def chunk(file: Path, k: int) -> None:
    """A part of the pool: the answers of its people."""
    study = study_of("placebo")
    start, spent = time.perf_counter(), time.process_time()
    seed = study.seed + 1000 + k
    people = trial.Twins.screened(study, CHUNK, seed=seed, threads=1, model=models.load(), quick=True)
    arrays = {
        f"{endpoint}/{name}": values
        for endpoint, arms in people.answers().items()
        for name in FIELDS
        if (values := getattr(arms["placebo"], name)) is not None
    }
    arrays["seconds"] = np.array([time.perf_counter() - start, time.process_time() - spent])
    with files.whole(file) as part, part.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def newest(place: Path) -> Path:
    """The folder of the pool that was begun last."""
    found = sorted(place.glob("pool-*/facts.json"), key=lambda file: file.stat().st_mtime)
    if not found:
        raise SystemExit("there is no pool yet: run 'python qualification/operating.py pool' first")
    return found[-1].parent


def null(trials: int, place: Path) -> None:
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
        pool = trial.Answers(trial.RULES[endpoint.rule].kind, **parts)
        for analysis in ANALYSED[endpoint.id]:
            row = {"endpoint": endpoint.id, "label": endpoint.label, "analysis": analysis}
            row |= errors(pool, analysis, trials, study.seed)
            row |= {"model_sha256": facts["model_sha256"][:16], "core_minutes": f"{spent:.0f}"}
            rows.append(row | {"date": datetime.now(UTC).date().isoformat()})
            print(f"{endpoint.label}, {analysis}: {row['error']}", flush=True)
    table.write(OUT, list(rows[0]), rows)


def errors(pool: trial.Answers, analysis: str, trials: int, seed: int) -> dict[str, Any]:
    """How many of so many null trials are significant, with Wilson's interval."""
    from scipy.stats import binomtest

    size, hits = SIZES["placebo"], 0
    for arm, reference in samples(len(pool), size, trials, seed):
        hits += int((FAST[analysis](pool, arm, reference) < LEVEL).sum())
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


REPLICATED = """# COMPOSE-1, again and again

## What would the trial have found, had it been run often?

{trials} trials of COMPOSE-1 at its real size ({patients} patients randomised in each). Every candidate,
{screened} for each trial on average, lived through 8 weeks of prior therapy and the run-in, and every patient
through 12 weeks. The table holds what 90 % of the trials found: what one trial may find by chance if the
model is right.

| endpoint | naldemedine | placebo | difference | p < 0.05, % of trials |
|---|---|---|---|---|
"""
REPLICATED_FOOT = """
Model {model_sha256}, {date}. {minutes} minutes of one core in all, {seconds} s for each trial; {failed}
patients could not be simulated.
"""
HEAD = """
## How often are null trials significant?

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
strata the Cochran-Mantel-Haenszel test is that of one table. Counted over all
outcomes, the score test of two shares of 272 has a size of 4.9 to 5.0 % at shares of 25 to 33 %: what lies
further below is chance, and the first two rows judge the same trials.

Written by `python qualification/operating.py` with `pool`, `null`, `replicates` and `page`; the first and the
third resume where they stopped.
"""


def percent(share: str) -> str:
    """A share of the table in per cent."""
    return f"{100 * float(share):.2f}"


def page() -> None:
    """Write the page of the documentation from the tables."""
    text = ""
    if REPLICATES.exists():
        rows = table.read(REPLICATES)
        text += REPLICATED.format(**rows[0])
        for row in rows:
            told = [
                f"{row[f'{of}_low']} to {row[f'{of}_high']}"
                for of in ("naldemedine", "placebo", "difference")
            ]
            text += (
                f"| {row['label']}, {row['unit']} | {' | '.join(told)} | {percent(row['significant'])} |\n"
            )
        text += REPLICATED_FOOT.format(**rows[0])
    if OUT.exists():
        rows = table.read(OUT)
        held = sum(row["holds"] == "True" for row in rows)
        text += HEAD.format(held=held, analyses=len(rows), **rows[0])
        for row in rows:
            name = trial.ANALYSES[row["analysis"]].label
            limits = f"{percent(row['low'])} to {percent(row['high'])}"
            text += f"| {row['label']} | {name} | {row['trials']} | {percent(row['error'])} | {limits} |\n"
        text += FOOT.format(**rows[0])
    PAGE.write_text(text, encoding="utf-8")


def replicates(trials: int, place: Path, processes: int) -> None:
    """COMPOSE-1 at its real size, every patient simulated, some trials in one file, so that it resumes."""
    import polars as pl

    folder = folder_of(place, "replicates", trial.load_study("compose-1"), models.load())
    wanted = [folder / f"{k:05d}.parquet" for k in range(0, trials, BATCH)]
    share([(repeated, file, k * BATCH) for k, file in enumerate(wanted)], processes)
    found = pl.concat([pl.read_parquet(file) for file in wanted]).filter(pl.col("trial") < trials)
    rows = told(found, json.loads((folder / "facts.json").read_text(encoding="utf-8")))
    table.write(REPLICATES, list(rows[0]), rows)


def repeated(file: Path, first: int) -> None:
    """Some trials: estimates of both arms, difference and p of each endpoint."""
    import polars as pl

    study = trial.load_study("compose-1").model_copy(update={"published": ()})
    spent = time.process_time()
    parts = []
    numbers = range(first, first + BATCH)
    for one in trial.replicates(study, numbers, SIZES["naldemedine"], threads=1, model=models.load()):
        arms = one.endpoints.pivot("arm", index=["endpoint", "label", "unit"], values="estimate")
        found = arms.join(one.contrasts.select("endpoint", difference="estimate", p="p"), on="endpoint")
        facts = {"trial": one.number, "screened": one.screened, "failed": one.failed}
        parts.append(found.with_columns(pl.lit(value).alias(name) for name, value in facts.items()))
    seconds = (time.process_time() - spent) / BATCH
    with files.whole(file) as part:
        pl.concat(parts).with_columns(pl.lit(seconds).alias("seconds")).write_parquet(part)


def told(found: pl.DataFrame, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each endpoint: what the middle 90 % of the trials found."""
    trials = found.unique("trial")
    common = {
        "trials": len(trials),
        "patients": 2 * SIZES["naldemedine"],
        "screened": f"{trials['screened'].mean():.0f}",
        "failed": int(trials["failed"].sum()),
        "seconds": f"{trials['seconds'].mean():.1f}",
        "minutes": f"{trials['seconds'].sum() / 60:.0f}",
        "model_sha256": facts["model_sha256"][:16],
        "date": datetime.now(UTC).date().isoformat(),
    }
    rows = []
    for (endpoint,), part in found.group_by("endpoint", maintain_order=True):
        row: dict[str, Any] = {"endpoint": endpoint, "label": part["label"][0], "unit": part["unit"][0]}
        for of in ("naldemedine", "placebo", "difference"):
            row[of] = f"{part[of].mean():.2f}"
            row |= {
                f"{of}_{end}": f"{part[of].quantile(at):.2f}" for end, at in (("low", 0.05), ("high", 0.95))
            }
        row["significant"] = f"{(part['p'] < LEVEL).mean():.4f}"
        rows.append(row | common)
    return rows


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("pool", "null", "replicates", "page"))
    parser.add_argument("--patients", type=int, default=20_000, help="people in the pool")
    parser.add_argument("--trials", type=int, default=None, help="10,000 null trials or 1,000 replicates")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("results/operating"))
    given = parser.parse_args()
    if given.what == "pool":
        simulate(given.patients, given.folder, given.processes)
    elif given.what == "null":
        null(given.trials or 10_000, given.folder)
    elif given.what == "replicates":
        replicates(given.trials or 1000, given.folder, given.processes)
    else:
        page()


if __name__ == "__main__":
    main()
