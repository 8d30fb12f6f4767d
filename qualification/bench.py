"""Small experiments on virtual people, for the cases of ``cases.tsv`` that are not whole trials."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from opiome import cohort, engine, model, regimen, streams
from opiome.model import untreated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from opiome.cohort import Cohort
    from opiome.engine import Program
    from opiome.model import Model

    Array = NDArray[np.float64]

WEEK = 168.0
DAY = 24.0
NO_ILLNESS = {
    name: {"distribution": "fixed", "median": 0}
    for name in (
        *("cancer", "cachexia", "brain_metastases", "mood", "serotonin_blocker", "vinca", "anticholinergic"),
        *("low_intake", "immobility", "hypercalcaemia", "recent_antibiotic"),
    )
}
EXTRA = (
    *("lps_blood", "probiotic", "tight_junction", "dependence", "rectosigmoid_G3", "rectosigmoid_volume"),
    *(f"rectosigmoid_{acid}" for acid in ("acetate", "propionate", "butyrate")),
    *(f"{part}_{acid}_made" for part in ("right", "left") for acid in ("acetate", "propionate", "butyrate")),
)


class Bench:
    """A model, its compiled program and two populations: healthy adults and cancer patients."""

    def __init__(self, n: int = 200, seed: int = 1, species: str = "human") -> None:
        self.n, self.seed, self.species = n, seed, species

    @cached_property
    def model(self) -> Model:
        return model.load(species=self.species)

    @cached_property
    def program(self) -> Program:
        known = [*self.model.observables["id"], *EXTRA]
        return engine.compile(self.model.sbml, outputs=list(dict.fromkeys(known)))

    @cached_property
    def whole(self) -> Program:
        """The program with every variable: the untreated state needs them, not only those looked at."""
        return engine.compile(self.model.sbml)

    @cached_property
    def healthy(self) -> Cohort:
        return self._people(NO_ILLNESS if self.species == "human" else {})

    @cached_property
    def patients(self) -> Cohort:
        return self._people({})

    @cached_property
    def no_chemotherapy(self) -> Cohort:
        """Cancer patients who have had no chemotherapy, and what is given with it, for a month."""
        return self._people({name: NO_ILLNESS[name] for name in ("vinca", "serotonin_blocker")})

    def _people(self, population: Mapping[str, Mapping[str, object]]) -> Cohort:
        found = cohort.build(self.model, population, self.n, self.seed, program=self.whole)
        return found.take(found.outcome == 0)

    @cached_property
    def typical(self) -> Cohort:
        """One person with every parameter at its typical value; for runs without a regimen (``doses`` only).

        A regimen would put the variability of a person into the drug's parameters.
        """
        solved = untreated(self.model, self.whole, self.whole.defaults)
        parameters = self.whole.defaults | solved.parameters
        return replace(
            self.healthy.take([0]),
            parameters={name: np.broadcast_to(np.asarray(v, float), (1,)) for name, v in parameters.items()},
            start=np.asarray(solved.start, dtype=np.float64),
        )

    def run(
        self,
        people: Cohort,
        regimens: Sequence[str],
        at: ArrayLike,
        *,
        parameters: Mapping[str, ArrayLike] | None = None,
        doses: Sequence[Mapping[str, float | str]] = (),
        start: Array | None = None,
        rtol: float = 1e-4,
    ) -> dict[str, Array]:
        """Observable id to (n, k) values at the hours ``at``; ``doses`` are further event rows."""
        times = np.atleast_1d(np.asarray(at, dtype=np.float64))
        end = float(times[-1])
        lines = [regimen.parse(text, self.model) for text in regimens]
        values = dict(people.parameters)
        values |= cohort.parameters_of(self.model, people, regimen.parameters(lines, self.model))
        given = {k: np.asarray(v, dtype=np.float64) for k, v in (parameters or {}).items()}
        values |= {k: np.broadcast_to(v, (len(people),)) for k, v in given.items()}
        tables = [regimen.events(lines, self.model, 0.0, end + 1.0)] if lines else []
        if doses:
            tables.append(engine.EventTable.from_rows([{"ID": -1, "EVID": 1, **row} for row in doses]))
        run = self.program.ensemble(
            values,
            n=len(people),
            start=people.start if start is None else start,
            events=engine.EventTable.concat(tables) if tables else None,
            rtol=rtol,
            threads=2,
        )
        block = run.advance(end, at=times)
        return {name: block.values[:, :, j] for j, name in enumerate(self.program.outputs)}


def interval(
    values: Array, n: float, statistic: str = "median", draws: int = 400
) -> tuple[float, float, float]:
    """A statistic of ``values`` and its 90 % interval over samples of n people drawn from them."""
    pick = {"median": np.median, "mean": np.mean}[statistic]
    size = int(n)
    u = streams.uniform(1, "qualification/resample", np.arange(draws)[:, None], draw=np.arange(size)[None, :])
    samples = values[(u * len(values)).astype(np.int64)]
    found = pick(samples, axis=1)
    return float(pick(values)), float(np.quantile(found, 0.05)), float(np.quantile(found, 0.95))
