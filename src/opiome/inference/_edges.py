"""Which edges a knock-out switches off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opiome.errors import ModelError, Problem, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opiome.model import Model

__all__ = ["choose_edges"]


def choose_edges(model: Model, edges: str | Sequence[str] = "contested") -> list[dict[str, Any]]:
    """The rows of ``edges.tsv`` that are asked for, each once, in the order asked for.

    Args:
        model: a loaded model.
        edges: ``contested``, ``all``, or ids of edges (with or without ``edge_`` before them).

    Raises:
        ModelError: with every unknown edge; or none is named; or the model has no contested edge.
    """
    rows = {row["id"]: row for row in model.edges.iter_rows(named=True)}
    if edges == "all":
        return list(rows.values())
    if edges == "contested":
        found = [row for row in rows.values() if row["contested"] == "yes"]
        if found:
            return found
        raise ModelError(
            Problem(
                "the model has no contested edge",
                file=model.folder / "edges.tsv",
                field="edges",
                remedy="name edges by their ids, or ask for all",
            )
        )
    named = [edges] if isinstance(edges, str) else list(edges)
    names = list(dict.fromkeys(name.strip().removeprefix("edge_") for name in named if name.strip()))
    if not names:
        raise ModelError(
            Problem(
                "no edge is named",
                field="edges",
                expected="contested, all, or ids of edges",
                remedy="'opiome model list edges' shows them",
            )
        )
    problems = []
    for name in names:
        if name not in rows:
            near = nearest(name, rows)
            problems.append(
                Problem(
                    f"the model has no edge '{name}'",
                    field="edges",
                    expected="contested, all, or ids of edges",
                    remedy=f"did you mean '{near}'?" if near else "'opiome model list edges' shows them",
                )
            )
    if problems:
        raise ModelError(problems)
    return [rows[name] for name in names]
