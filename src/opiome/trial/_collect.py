"""What is kept of the patients of a run: tables, answers, and nothing of a chunk that is done.

Diaries of long trials would fill the memory, so answers to endpoints are taken from each chunk of patients
as it ends, and the tables of diaries and movements are compressed until the last patient is through where
they are large.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from opiome.trial._answers import Answers
from opiome.trial._compare import known_of
from opiome.trial._diary import DAYS
from opiome.trial._endpoints import answers
from opiome.trial._results import Results
from opiome.trial._summaries import bands, node_changes, patient_rows

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from opiome.trial._live import Group
    from opiome.trial._screen import Accepted
    from opiome.trial._setting import Setting

__all__ = ["Collected"]

_DAY = 24.0
_MANY = 2_000_000
"""Patient-days of a trial from which the tables of diaries and movements are compressed."""


class Collected:
    """The tables as chunks of patients are added to them, arm by arm.

    ``failed`` and ``well`` count the patients of each arm by whether they could be simulated to the end.
    """

    def __init__(self, setting: Setting, stratum: list[str]) -> None:
        self.setting = setting
        self.stratum = np.array(stratum, dtype=object)
        self.failed: dict[str, int] = {}
        self.well: dict[str, int] = {}
        self._answers: dict[str, dict[str, list[Answers]]] = {e.id: {} for e in setting.study.endpoints}
        self._weights: dict[str, list[NDArray[np.float64]]] = {}
        self._strata: dict[str, list[str]] = {}
        self._pictured: list[tuple[NDArray[np.intp], NDArray[np.float32]]] = []
        self._tables: dict[str, list[pl.DataFrame]] = {"patients": [], "bands": []}
        self._nodes: list[dict[str, object]] = []
        large = len(stratum) * setting.days >= _MANY
        self._long = {name: _Rows(large=large) for name in ("diary", "movements")}

    def add(
        self,
        arm: str,
        accepted: Accepted,
        members: NDArray[np.intp],
        treated: tuple[Group, NDArray[np.int64]],
    ) -> None:
        """Add some patients of an arm. Whose integration failed is in ``patients`` and in no other table."""
        from opiome.engine import Outcome

        setting = self.setting
        group, outcome = treated
        well = np.flatnonzero(outcome == 0)
        self.failed[arm] = self.failed.get(arm, 0) + len(outcome) - len(well)
        self.well[arm] = self.well.get(arm, 0) + len(well)
        cohort = accepted.cohort.take(members)
        end = _DAY * (setting.days - setting.lead)
        columns = {
            "screened_attempts": accepted.attempts[members],
            "ome": accepted.taking.ome[members],
            "followed_h": group.diary.followed,
            "completed": group.diary.followed >= end,
            "represents": cohort.weights,
            "stratum": self.stratum[members],
            "reason": group.diary.reason,
            "stop_reason": group.diary.stop_reason,
            **{name: getattr(group.diary, name) for name in DAYS},
        }
        words = setting.therapy.label(accepted.taking.take(members))
        names = [Outcome(int(code)).name for code in outcome]
        self._tables["patients"].append(patient_rows(arm, cohort, words, columns, names))
        group, members = group.take(well), members[well]
        self._strata.setdefault(arm, []).extend(self.stratum[members].tolist())
        self._weights.setdefault(arm, []).append(group.diary.weights)
        for endpoint in setting.study.endpoints:
            self._answers[endpoint.id].setdefault(arm, []).append(answers(group.diary, endpoint))
        self._long["diary"].add(group.diary.frame(arm))
        self._long["movements"].add(group.diary.movement_frame(arm))
        self._pictured.append((members[: len(group.means)], group.means))

    def finish(self, arm: str, accepted: Accepted) -> None:
        """All patients of the arm are added: draw bands and nodes of those whose observables were kept."""
        setting = self.setting
        means = np.concatenate([part for _, part in self._pictured])
        cohort = accepted.cohort.take(np.concatenate([rows for rows, _ in self._pictured]))
        self._pictured = []
        self._tables["bands"].append(bands(arm, means, setting.watch.names, setting.lead))
        nodes = dict(zip(setting.model.nodes["id"], setting.model.nodes["observable"], strict=True))
        self._nodes += node_changes(
            arm,
            nodes,
            means,
            untreated=setting.watch.untreated(setting.program, cohort),
            outputs=setting.watch.names,
            lead=setting.lead,
        )

    @property
    def answers(self) -> dict[str, dict[str, Answers]]:
        """The answers of everybody who could be simulated, by endpoint and arm."""
        weights = {arm: np.concatenate(parts) for arm, parts in self._weights.items()}
        strata = self._strata if self.setting.study.strata else None
        return {
            endpoint: known_of({arm: Answers.join(parts) for arm, parts in own.items()}, weights, strata)
            for endpoint, own in self._answers.items()
        }

    def results(self, manifest: dict[str, Any], endpoints: pl.DataFrame, contrasts: pl.DataFrame) -> Results:
        """All tables together."""
        import polars as pl

        frames = {name: pl.concat(parts) for name, parts in self._tables.items()}
        text = dict.fromkeys(("arm", "node", "observable"), pl.String())
        nodes = pl.DataFrame(
            self._nodes, schema={**text, "change": pl.Float64, "change_untreated": pl.Float64}
        )
        frames["patients"] = frames["patients"].with_columns(pl.col("ome", *DAYS).fill_nan(None))
        long = {name: rows.table() for name, rows in self._long.items()}
        return Results(manifest, endpoints=endpoints, contrasts=contrasts, nodes=nodes, **frames, **long)


class _Rows:
    """A table that grows by parts, each compressed until all are there where the table is large."""

    def __init__(self, *, large: bool) -> None:
        self._large = large
        self._parts: list[pl.DataFrame | bytes] = []

    def add(self, part: pl.DataFrame) -> None:
        """Add rows."""
        if not self._large:
            self._parts.append(part)
            return
        packed = io.BytesIO()
        part.write_ipc(packed, compression="zstd")
        self._parts.append(packed.getvalue())

    def table(self) -> pl.DataFrame:
        """All rows; the parts are gone."""
        import polars as pl

        parts, self._parts = self._parts, []
        found: list[pl.DataFrame] = []
        while parts:
            part = parts.pop(0)
            found.append(pl.read_ipc(part) if isinstance(part, bytes) else part)
        return pl.concat(found, rechunk=False)
