"""Errors of the first kind of COMPOSE-1's analyses, from null trials drawn from one pool of placebo patients.

    python qualification/operating.py pool --patients 20000    simulate the pool, 500 people at a time; resumes
    python qualification/operating.py null --trials 10000      draw null trials, write operating.tsv
    python qualification/operating.py replicates --trials 1000 COMPOSE-1 at its real size, each trial simulated

The pool is screened and lives through prior therapy, run-in and 12 weeks on placebo. A null trial has COMPOSE-1's
size and draws both arms from the pool. The replicates simulate every patient of every trial: no pool, and about
27 times the work. Everything is kept in results/operating, named by a hash of study, model and code.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from opiome import model as models
from opiome import trial
from opiome.trial._analyses import ANALYSES, usual
from opiome.trial._answers import Answers
from opiome.trial._compare import answered
from opiome.trial._design_trials import drawn
from opiome.trial._validate import code_sha256

HERE = Path(__file__).parent
CHUNK = 500
SIZES = {"naldemedine": 273, "placebo": 272}  # Hale 2017
ANALYSED = {
    "responder": ("risk_difference", "cmh"),
    "sbm_change": ("welch", "ancova", "mmrm"),
    "csbm_change": ("welch",),
    "first_sbm": ("log_rank", "cox"),
    "sbm_24h": ("risk_difference",),
}
FIELDS = ("values", "event", "baseline", "visits")


def study_of(*arms):
    """COMPOSE-1 with some of its arms, without what was published."""
    study = trial.load_study("compose-1")
    own = {name: study.arms[name] for name in arms}
    return study.model_copy(update={"arms": own, "reference": "placebo", "published": ()})


def key_of(study, model):
    parts = [study.model_dump_json(), model.sha256, code_sha256()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def simulate(patients, folder, threads):
    """The pool in chunks, each with a seed of its own; finished chunks are not simulated again."""
    study, model = study_of("placebo"), models.load()
    place = folder / f"pool-{key_of(study, model)}"
    place.mkdir(parents=True, exist_ok=True)
    (place / "facts.json").write_text(json.dumps({"model_sha256": model.sha256, "chunk": CHUNK}), encoding="utf-8")
    for k in range(math.ceil(patients / CHUNK)):
        file = place / f"{k:04d}.npz"
        if file.exists():
            continue
        start, spent = time.perf_counter(), time.process_time()
        people = trial.Twins.screened(study, CHUNK, seed=study.seed + 1000 + k, threads=threads, model=model)
        diaries, well = people.through()
        diary = diaries["placebo"].take(np.flatnonzero(well))
        arrays = {"seconds": np.array([time.perf_counter() - start, time.process_time() - spent])}
        for endpoint in study.endpoints:
            answers = answered(endpoint, {"placebo": diary})["placebo"]
            for name in FIELDS:
                if (values := getattr(answers, name)) is not None:
                    arrays[f"{endpoint.id}/{name}"] = values
        part = file.with_suffix(".part")
        with part.open("wb") as stream:
            np.savez_compressed(stream, **arrays)
        part.replace(file)
        wall, cpu = arrays["seconds"]
        print(f"{(k + 1) * CHUNK} people; the last {CHUNK} in {wall:.0f} s ({cpu:.0f} s of a core)", flush=True)
    return place


def newest(folder):
    places = sorted(folder.glob("pool-*/facts.json"), key=lambda file: file.stat().st_mtime)
    if not places:
        raise SystemExit("there is no pool yet: run 'python qualification/operating.py pool' first")
    return places[-1].parent


def null(trials, folder, out):
    """Null trials for every endpoint and analysis; one row each in ``operating.tsv``."""
    from scipy.stats import binomtest

    place, study = newest(folder), study_of("placebo")
    facts = json.loads((place / "facts.json").read_text(encoding="utf-8"))
    chunks = [dict(np.load(file)) for file in sorted(place.glob("*.npz"))]
    spent = sum(float(chunk["seconds"][1]) for chunk in chunks)
    columns = ("endpoint", "analysis", "pool", "trials", "patients_per_arm", "error", "low", "high", "nominal",
               "covers", "model_sha256", "date")  # fmt: skip
    rows = []
    for endpoint in study.endpoints:
        parts = {
            name: np.concatenate([chunk[f"{endpoint.id}/{name}"] for chunk in chunks])
            for name in FIELDS
            if f"{endpoint.id}/{name}" in chunks[0]
        }
        kind = trial.RULES[endpoint.rule].kind
        pool = Answers(kind, **parts)
        for analysis in ANALYSED.get(endpoint.id, (usual(kind),)):
            count = trials if analysis != "mmrm" else max(trials // 10, 20)  # 100 times the work of a t test
            found = drawn([pool], pool, SIZES["placebo"], count, seed=study.seed, analysis=analysis, null=True)
            hits = round(found.rate * count)
            limits = binomtest(hits, count).proportion_ci(0.95, method="wilson")
            row = (endpoint.id, analysis, len(pool), count, SIZES["placebo"], f"{found.rate:.4f}",
                   f"{limits.low:.4f}", f"{limits.high:.4f}", 0.05, limits.low <= 0.05 <= limits.high,
                   facts["model_sha256"][:16], datetime.now(UTC).date().isoformat())  # fmt: skip
            rows.append(row)
            print(f"{endpoint.label}: {ANALYSES[analysis].label}: {found.rate:.4f}", flush=True)
    text = "\n".join("\t".join(str(cell) for cell in row) for row in [columns, *rows])
    out.write_text(text + "\n", encoding="utf-8")
    print(f"{len(pool)} placebo patients took {spent / 60:.0f} minutes of a core; table in {out}")


def replicates(trials, folder, threads):
    """COMPOSE-1 at its real size, every patient simulated; one file for each trial, so that it resumes."""
    study, model = study_of("naldemedine", "placebo"), models.load()
    place = folder / f"replicates-{key_of(study, model)}"
    place.mkdir(parents=True, exist_ok=True)
    for k in range(trials):
        file = place / f"{k:05d}.parquet"
        if file.exists():
            continue
        start = time.perf_counter()
        results = trial.run(study, patients=SIZES["naldemedine"], seed=study.seed + k, threads=threads, model=model)
        results.contrasts.write_parquet(file)
        left = (trials - k - 1) * (time.perf_counter() - start) / 3600
        print(f"trial {k + 1} of {trials}; about {left:.1f} h to go", flush=True)
    import polars as pl

    files = sorted(place.glob("*.parquet"))
    found = pl.concat([pl.read_parquet(file) for file in files])
    print(found.group_by("endpoint", maintain_order=True).agg((pl.col("p") < 0.05).mean(), pl.col("estimate").mean()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("pool", "null", "replicates"))
    parser.add_argument("--patients", type=int, default=20_000)
    parser.add_argument("--trials", type=int, default=None)
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
