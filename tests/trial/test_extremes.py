"""How often people go to the toilet when much comes together: seldom more than clinics see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from opiome import cohort, engine, model, regimen
from opiome.trial._bowel import SIGNS, Bowel
from opiome.trial._numbers import diary_numbers

if TYPE_CHECKING:
    from opiome.cohort import Cohort
    from opiome.engine import Program
    from opiome.model import Model

PEOPLE = 100
MORPHINE = "morphine CR 60 mg every 12 h"
SEEN = (*SIGNS, "stool_output")
WORST = 22
"""Severe diarrhoea is some 10 to 20 stools a day, in the worst cases a few more."""


@dataclass(frozen=True)
class Ward:
    """People on the shipped model."""

    model: Model
    program: Program
    people: Cohort

    def run(self, lines: list[str], first_day: int, days: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Movements per day, shape (n, days), and what they were drawn from, (n, hours) each."""
        dosings = [regimen.parse(line, self.model) for line in lines]
        given = cohort.parameters_of(self.model, self.people, regimen.parameters(dosings, self.model))
        end = 24.0 * (first_day + days)
        run = self.program.ensemble(
            {**self.people.parameters, **given},
            n=len(self.people),
            start=self.people.start,
            events=regimen.events(dosings, self.model, 0.0, end + 1.0),
        )
        values = run.advance(end, at=24.0 * first_day + np.arange(24 * days) + 0.5).values
        hourly = {name: values[:, :, self.program.outputs.index(name)] for name in SEEN}
        bowel = Bowel.start(self.people.ids, hourly["bm_rate"][:, 0], 0.0, diary_numbers(), 1)
        counts = np.zeros((len(self.people), days), dtype=np.int64)
        for day in range(days):
            signs = {name: hourly[name][:, 24 * day : 24 * day + 24] for name in SIGNS}
            moves = bowel.day(day, 24.0 * day, signs)
            np.add.at(counts[:, day], moves.row, 1)
        return counts, hourly


@pytest.fixture(scope="module")
def ward() -> Ward:
    shipped = model.load()
    whole = engine.compile(shipped.sbml)
    people = cohort.build(shipped, {}, PEOPLE, 1, program=whole)
    return Ward(shipped, engine.compile(shipped.sbml, outputs=SEEN), people.take(people.outcome == 0))


@pytest.mark.parametrize(
    ("lines", "day"),
    [
        ([f"{MORPHINE} from day 1 to day 35"], 35),
        (
            [
                MORPHINE,
                "magnesium oxide 660 mg three times daily from day 22",
                "senna 24 mg daily from day 22",
                "naldemedine 0.2 mg daily from day 22",
            ],
            21,
        ),
    ],
    ids=["abrupt stop", "antagonist and two laxatives"],
)
def test_the_worst_day_stays_where_severe_diarrhoea_does(ward: Ward, lines: list[str], day: int) -> None:
    counts, hourly = ward.run(lines, day, 5)
    worst = counts.max(axis=1)
    assert 10 < worst.max() <= WORST
    assert np.quantile(worst, 0.9) < 0.75 * WORST
    assert worst.mean() > 3
    # nothing leaves in smaller portions than a rectum can feel, and what does not leave stays in the sum
    smallest = ward.program.defaults["smallest_movement"]
    assert (hourly["stool_output"] / hourly["bm_rate"]).min() > 0.9 * smallest


def test_an_ordinary_bowel_has_neither_floor_nor_bursts(ward: Ward) -> None:
    """Macrogol loosens: there are as many movements as called for, and none at the smallest size."""
    counts, hourly = ward.run(["macrogol 17 g daily"], 0, 28)
    assert counts.sum() == pytest.approx(hourly["bm_rate"].sum(), rel=0.02)
    size = hourly["stool_output"] / hourly["bm_rate"]
    assert np.quantile(size, 0.01) > 1.5 * ward.program.defaults["smallest_movement"]
