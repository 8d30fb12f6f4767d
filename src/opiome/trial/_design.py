"""What designs can be expected to do: power, assurance and errors of trials drawn from simulated pools.

Power is the share of trials, drawn from a pool of virtual patients, that find a difference; assurance is its
mean over draws of a model whose edges and parameters are not known (O'Hagan, Pharm Stat 2005;4:187).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from opiome.errors import CohortError, Problem
from opiome.trial._analyses import ANALYSES, usual
from opiome.trial._compare import PER_HOUR
from opiome.trial._design_draws import draws
from opiome.trial._design_file import arms_of, duration_of, endpoint_of
from opiome.trial._design_pool import pool, whole
from opiome.trial._design_trials import BATCHES, drawn
from opiome.trial._results import made

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from opiome.model import Model
    from opiome.trial._design_fields import Candidate
    from opiome.trial._design_file import LoadedDesign
    from opiome.trial._design_pool import Pool
    from opiome.trial._run import Progress
    from opiome.trial._schema import Study

__all__ = ["Designs", "compare_designs"]

_DAY = 24.0


@dataclass(frozen=True)
class Designs:
    """Candidate designs compared.

    Attributes:
        table: one row for each candidate and size: ``candidate label arms endpoint endpoint_label unit kind
            analysis measure duration_days patients_per_arm patients power power_low power_high opposite
            nominal type1 type1_low type1_high assurance assurance_low assurance_high effect effect_low
            effect_high``. Rates are fractions; effects have the endpoint's unit (per cent for shares). Of
            unequal arms ``patients_per_arm`` is what 'patients' says and ``arms`` tells the size of each.
        draws: one row for each draw of the model, candidate and size: ``draw candidate patients_per_arm power
            effect changed refused``; ``changed`` is the JSON of the parameters that differ.
        facts: hashes, seed, pool, replicates, people lost.
    """

    table: pl.DataFrame
    draws: pl.DataFrame
    facts: dict[str, Any]


def compare_designs(
    loaded: LoadedDesign,
    folder: str | Path,
    threads: int | None = None,
    progress: Progress | None = None,
    *,
    model: Model | None = None,
) -> Designs:
    """Simulate the pools of a design and draw its trials.

    Pools are kept in ``folder`` (``pools/``), so that a run that was stopped goes on where it was.

    Args:
        loaded: what :func:`opiome.trial.load_design` returns.
        folder: where pools are kept; made if need be.
        threads: threads of the engine; all cores when left out.
        progress: called as the run goes on: phases ``screening``, ``treatment``, ``trials``, ``draws``.
        model: a loaded model; the shipped one when left out.

    Raises:
        StudyError: the arms do not fit the model.
        CohortError: not enough candidates qualify under the model as it is.
        ResultsError: the folder cannot be written.
    """
    if model is None:
        from opiome import model as models

        model = models.load()
    place = made(Path(folder) / "pools")
    all_arms, design = whole(loaded), loaded.design
    base = pool(loaded, all_arms, model, {}, place / "model", threads=threads, progress=progress)
    if base.refused:
        raise CohortError(Problem(base.refused, remedy="relax the entry criteria of the study"))
    rows, toward = _base_rows(loaded, base, progress)
    draw_rows: list[dict[str, Any]] = []
    asked = draws(design.uncertainty, model, loaded.seed, loaded.folder) if design.uncertainty else []
    lost = [base.lost]
    for d, values in enumerate(asked):
        if progress is not None:
            progress("draws", d, len(asked))
        one = pool(loaded, all_arms, model, values, place / f"draw-{d:03d}", threads=threads)
        lost.append(one.lost)
        draw_rows += _draw_rows(loaded, one, (d, values, len(asked)), toward)
    if progress is not None and asked:
        progress("draws", len(asked), len(asked))
    _assurance(rows, draw_rows)
    facts = {
        "opiome": 1,
        "design": design.name,
        "study": loaded.study.name,
        "model_sha256": model.sha256,
        "seed": loaded.seed,
        "pool": design.pool,
        "replicates": design.replicates,
        "alpha": design.alpha,
        "draws": len(asked),
        "refused": len({row["draw"] for row in draw_rows if row["refused"]}),
        "lost": sum(lost),
    }
    return Designs(_frame(rows, _TABLE), _frame(draw_rows, _DRAWS), facts)


def _sizes(candidate: Candidate, loaded: LoadedDesign) -> tuple[int, ...]:
    if candidate.patients is not None:
        return tuple(sorted(set(candidate.patients)))
    endpoint, arms = endpoint_of(candidate, loaded.study), arms_of(candidate, loaded.study)
    published = [
        item.n
        for item in loaded.study.published
        if item.endpoint == endpoint.id and item.arm in arms and item.n
    ]
    return (published[0] if published else loaded.study.patients,)


def _each(candidate: Candidate, study: Study, size: int) -> list[int]:
    """Patients in each arm, the reference last."""
    names = [*arms_of(candidate, study), study.reference_arm]
    return [max(2, round(size * candidate.allocation.get(name, 1.0))) for name in names]


def _told(candidate: Candidate, study: Study, each: Sequence[int]) -> str:
    """The arms in words, with their sizes where these differ."""
    labels = [arm.label for arm in arms_of(candidate, study).values()]
    if len(set(each)) == 1:
        return ", ".join(labels)
    labels.append(study.arms[study.reference_arm].label)
    return ", ".join(f"{label} ({n})" for label, n in zip(labels, each, strict=True))


def _base_rows(
    loaded: LoadedDesign, base: Pool, progress: Progress | None
) -> tuple[list[dict[str, Any]], dict[int, tuple[float, ...]]]:
    """The table under the model as it is, and the direction that counts for each candidate."""
    design, study = loaded.design, loaded.study
    total = sum(len(_sizes(candidate, loaded)) for candidate in design.candidates)
    rows: list[dict[str, Any]] = []
    toward: dict[int, tuple[float, ...]] = {}
    for k, candidate in enumerate(design.candidates):
        endpoint, answers = endpoint_of(candidate, study), base.answers[k]
        reference = answers[study.reference_arm]
        arms = [answers[name] for name in arms_of(candidate, study)]
        name = endpoint.analysis or usual(reference.kind)
        for size in _sizes(candidate, loaded):
            if progress is not None:
                progress("trials", len(rows), total)
            common: dict[str, Any] = {"analysis": endpoint.analysis, "alpha": design.alpha}
            each = _each(candidate, study, size)
            under = drawn(arms, reference, each, design.replicates, loaded.seed, **common)
            null = drawn(arms, reference, each, design.replicates, loaded.seed, null=True, **common)
            toward[k] = under.toward
            scale = 1.0 if under.measure == "hazard ratio" else _scale(endpoint.unit, reference.kind)
            rows.append(
                {
                    "candidate": k,
                    "label": candidate.label,
                    "arms": _told(candidate, study, each),
                    "endpoint": endpoint.id,
                    "endpoint_label": endpoint.label,
                    "unit": endpoint.unit,
                    "kind": reference.kind,
                    "analysis": ANALYSES[name].label,
                    "measure": under.measure,
                    "duration_days": round(duration_of(candidate, study) / _DAY),
                    "patients_per_arm": size,
                    "patients": sum(each),
                    "power": under.rate,
                    "power_low": under.low,
                    "power_high": under.high,
                    "opposite": under.opposite,
                    "type1": null.rate,
                    "nominal": design.alpha,
                    "type1_low": null.low,
                    "type1_high": null.high,
                    "effect": scale * under.effect,
                    "effect_low": scale * under.effect_low,
                    "effect_high": scale * under.effect_high,
                }
            )
    if progress is not None:
        progress("trials", total, total)
    return rows, toward


def _scale(unit: str, kind: str) -> float:
    if kind == "time":
        return PER_HOUR.get(unit, 1.0)
    return 100.0 if kind == "proportion" and unit == "%" else 1.0


def _draw_rows(
    loaded: LoadedDesign,
    one: Pool,
    draw: tuple[int, Mapping[str, float], int],
    toward: Mapping[int, tuple[float, ...]],
) -> list[dict[str, Any]]:
    """The power of every candidate under one draw of the model; a trial that cannot recruit has none."""
    design, study = loaded.design, loaded.study
    number, values, in_all = draw
    replicates = max(math.ceil(design.replicates / in_all), 5 * BATCHES)
    rows: list[dict[str, Any]] = []
    for k, candidate in enumerate(design.candidates):
        endpoint = endpoint_of(candidate, study)
        for size in _sizes(candidate, loaded):
            row: dict[str, Any] = {
                "draw": number,
                "candidate": k,
                "patients_per_arm": size,
                "power": 0.0,
                "changed": json.dumps(dict(values), sort_keys=True),
                "refused": one.refused or None,
            }
            if not one.refused:
                answers = one.answers[k]
                reference = answers[study.reference_arm]
                found = drawn(
                    [answers[name] for name in arms_of(candidate, study)],
                    reference,
                    _each(candidate, study, size),
                    replicates,
                    loaded.seed,
                    analysis=endpoint.analysis,
                    alpha=design.alpha,
                    toward=toward[k],
                )
                scale = 1.0 if found.measure == "hazard ratio" else _scale(endpoint.unit, reference.kind)
                row |= {"power": found.rate, "effect": scale * found.effect}
            rows.append(row)
    return rows


def _assurance(rows: list[dict[str, Any]], draw_rows: list[dict[str, Any]]) -> None:
    """The mean power over the draws of the model, with the interval of that mean."""
    from scipy.stats import t

    for row in rows:
        own = np.array(
            [
                one["power"]
                for one in draw_rows
                if (one["candidate"], one["patients_per_arm"]) == (row["candidate"], row["patients_per_arm"])
            ]
        )
        if len(own) > 1:
            mean = float(own.mean())
            reach = float(t.ppf(0.975, len(own) - 1) * own.std(ddof=1) / math.sqrt(len(own)))
            row["assurance"] = mean
            row["assurance_low"], row["assurance_high"] = max(mean - reach, 0.0), min(mean + reach, 1.0)


_TABLE = (
    "candidate:i label:s arms:s endpoint:s endpoint_label:s unit:s kind:s analysis:s measure:s"
    " duration_days:i patients_per_arm:i patients:i power power_low power_high opposite"
    " nominal type1 type1_low type1_high assurance assurance_low assurance_high effect effect_low effect_high"
)
_DRAWS = "draw:i candidate:i patients_per_arm:i power effect changed:s refused:s"


def _frame(rows: list[dict[str, Any]], columns: str) -> pl.DataFrame:
    import polars as pl

    types = {"s": pl.String(), "i": pl.Int64(), "": pl.Float64()}
    parts = [part.partition(":") for part in columns.split()]
    return pl.DataFrame(rows, schema={name: types[kind] for name, _, kind in parts}).fill_nan(None)
