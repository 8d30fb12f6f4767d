"""Knock-outs: the same people live through a study again with one edge of the map switched off."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from opiome.errors import Problem, StudyError
from opiome.inference._edges import choose_edges
from opiome.inference._paired import change
from opiome.trial import Twins, answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from opiome.model import Model
    from opiome.trial import Diary, Progress, Study

    Lived = tuple[dict[str, Diary], NDArray[np.bool_]]

__all__ = ["MODES", "PATIENTS", "knockout"]

MODES = ("baseline", "acute")
PATIENTS = 100
"""People who live through the study when no number is given; each of them is in every arm."""


def knockout(
    study: Study,
    edges: str | Sequence[str] = "contested",
    patients: int | None = None,
    seed: int | None = None,
    threads: int | None = None,
    *,
    mode: str = "baseline",
    progress: Progress | None = None,
    model: Model | None = None,
) -> pl.DataFrame:
    """Rank the arrows of the map by how far a study's endpoints move when each is switched off.

    The study's population is screened once, with every arrow on; the same people then go through every arm,
    again for each edge with its gate at 0. They are not screened again: without the opioid's effect on the
    gut nobody would qualify for a trial in constipation, and a change of people would be taken for a change
    of biology.

    Args:
        study: what :func:`opiome.trial.load_study` returns.
        edges: ``contested``, ``all`` or ids of edges.
        patients: how many people; :data:`PATIENTS` when left out. Each is in every arm.
        seed: the seed of every random stream; the study's own when left out.
        threads: threads of the engine; all cores when left out.
        mode: ``baseline`` (the arrow was never there: the untreated state is solved again around the same
            composition of the flora, and prior therapy and run-in are lived without it) or ``acute`` (the
            arrow is switched off at randomisation).
        progress: called as phases go on, as in :func:`opiome.trial.run`.
        model: a loaded model; the shipped one when left out.

    Returns:
        One row per endpoint, edge and arm (``reference`` empty) or contrast (``reference`` named), columns
        ``endpoint label kind unit rank edge from to sign grade contested arm reference before after change
        low high n moved lost``. ``before``, ``after`` and ``change`` have the endpoint's unit; ``low`` to
        ``high`` is the paired 95 % interval of the change; ``n`` counts the people behind it, ``moved``
        those of them who answer differently, ``lost`` those who could not be simulated without the edge.
        ``rank`` orders the edges of an endpoint by the largest change of a contrast, then of an arm, then by
        how many people answer differently.

    Raises:
        ModelError: an edge is unknown, or none is asked for.
        StudyError: the mode is unknown, or the study does not fit the model.
        CohortError: not enough candidates qualify.
    """
    if mode not in MODES:
        raise StudyError(
            Problem(f"unknown mode '{mode}' of knock-outs", field="mode", expected=" or ".join(MODES))
        )
    if model is None:
        from opiome import model as models

        model = models.load(species=study.species)
    chosen = choose_edges(model, edges)
    people = Twins.screened(
        study, PATIENTS if patients is None else patients, seed, threads, progress, model=model
    )
    done, total = 0, (len(chosen) + 1) * len(study.arms) * people.days * len(people)

    def day_done(size: int) -> None:
        nonlocal done
        done += size
        if progress is not None:
            progress("treatment", done, total)

    whole = people.through(day_done=day_done)
    rows: list[dict[str, Any]] = []
    for edge in chosen:
        without = people.through({edge["gate"]: 0.0}, acute=mode == "acute", day_done=day_done)
        rows += _rows(study, edge, whole, without, people.setting.seed)
    return _ranked(study, rows)


def _rows(
    study: Study, edge: dict[str, Any], whole: Lived, without: Lived, seed: int
) -> list[dict[str, Any]]:
    """What one edge does to every endpoint, by arm and by contrast."""
    both = np.flatnonzero(whole[1] & without[1])
    about = {name: edge[name] for name in ("from", "to", "sign", "grade", "contested")}
    rows = []
    for endpoint in study.endpoints:
        before, after = (
            {arm: answers(diary.take(both), endpoint) for arm, diary in lived.items()}
            for lived in (whole[0], without[0])
        )
        for arm, reference in _compared(study):
            pair = [arm, reference] if reference else [arm]
            found = change([before[a] for a in pair], [after[a] for a in pair], seed)
            scale = 100.0 if before[arm].kind == "proportion" and endpoint.unit == "%" else 1.0
            numbers = {
                name: scale * getattr(found, name) for name in ("before", "after", "change", "low", "high")
            }
            rows.append(
                {
                    "endpoint": endpoint.id,
                    "label": endpoint.label,
                    "kind": before[arm].kind,
                    "unit": endpoint.unit,
                    "edge": edge["id"],
                    **about,
                    "arm": arm,
                    "reference": reference,
                    **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
                    "n": found.n,
                    "moved": found.moved,
                    "lost": int(whole[1].sum()) - len(both),
                }
            )
    return rows


def _compared(study: Study) -> list[tuple[str, str]]:
    """Every arm alone, then every arm against the reference."""
    alone = [(arm, "") for arm in study.arms]
    return alone + [(arm, study.reference_arm) for arm in study.arms if arm != study.reference_arm]


def _ranked(study: Study, rows: list[dict[str, Any]]) -> pl.DataFrame:
    import polars as pl

    numbers = dict.fromkeys(("before", "after", "change", "low", "high"), pl.Float64())
    frame = pl.DataFrame(
        rows, schema_overrides={**numbers, **dict.fromkeys(("n", "moved", "lost"), pl.Int64())}
    )
    size = pl.col("change").abs()
    moved = frame.group_by("endpoint", "edge", maintain_order=True).agg(
        pl.col("label").first(),
        size.filter(pl.col("reference") != "").max().fill_null(0.0).alias("contrast"),
        size.filter(pl.col("reference") == "").max().fill_null(0.0).alias("arm"),
        pl.col("moved").max(),
    )
    order = [endpoint.id for endpoint in study.endpoints]
    place = pl.col("endpoint").replace_strict(order, list(range(len(order))), return_dtype=pl.Int64)
    ranked = (
        moved.sort(place, "contrast", "arm", "moved", "edge", descending=[False, True, True, True, False])
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("endpoint"))
        .select("endpoint", "edge", "rank")
    )
    return (
        frame.join(ranked, on=["endpoint", "edge"], how="left", maintain_order="left")
        .select(
            "endpoint",
            "label",
            "kind",
            "unit",
            "rank",
            pl.exclude("endpoint", "label", "kind", "unit", "rank"),
        )
        .sort(place, "rank", maintain_order=True)
    )
