"""The pharmacology half of the shipped model with the gut held constant, simulated by libroadrunner."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import libsbml
import numpy as np
import pytest
import roadrunner

from opiome import model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

SHIPPED = Path(model.__file__).parent

FRAGMENTS = (
    "drug",
    "agonist",
    "antagonist",
    "receptor",
    "metabolites",
    "tolerance",
    "brain",
    "pain",
    "tumour",
    "therapy",
)
# what the gut gives, at its healthy and untreated value
GUT = {
    "flora_signal": 1.0,
    "butyrate_tone": 1.0,
    "butyrate_ratio": 1.0,
    "scfa_flux_ratio": 1.0,
    "plasma_lps_ratio": 1.0,
    "tnf_ratio": 1.0,
    "flora_load": 1.0,
    "flora_load_ratio": 1.0,
    "flora_score": 1.0,
    "akkermansia_fraction": 0.015,
    "glucuronidase": 1.0,
}
CYTOKINES = {"il6": 2.0, "il6_untreated": 2.0}

# oral morphine equivalents per mg or per ug/h (CDC 2022; EAPC 75:1 for buprenorphine); interval (h)
OPIOIDS = {
    "morphine CR": (1.0, 12),
    "oxycodone CR": (1.5, 12),
    "hydromorphone CR": (5.0, 24),
    "methadone oral": (4.7, 8),
    "tapentadol CR": (0.4, 12),
    "fentanyl TD": (2.4, 72),
    "buprenorphine TD": (1.8, 96),
    "tramadol CR": (0.2, 12),
    "codeine IR": (0.15, 6),
}

Dose = tuple[str, str, str, float, float, float, float]
"""Drug, formulation, slot, dose in the drug's unit, first, interval, end (h)."""


def write_half(shipped: Path, folder: Path) -> Path:
    """Copy the pharmacology half of the shipped model folder; the gut's variables become parameters."""
    (folder / "mechanisms").mkdir(parents=True)
    (folder / "parameters").mkdir()
    for name in FRAGMENTS:
        shutil.copy(shipped / "mechanisms" / f"{name}.ant", folder / "mechanisms")
    for name in ("units", "pharmacology", "drugs", "covariates"):
        shutil.copy(shipped / f"{name}.tsv", folder)
    shutil.copy(shipped / "parameters" / "pharmacology.tsv", folder / "parameters")
    text = "".join(path.read_text(encoding="utf-8") for path in (folder / "mechanisms").glob("*.ant"))
    _copy_rows(shipped, folder, "instances", lambda row: row[0] in FRAGMENTS)
    text += (folder / "instances.tsv").read_text(encoding="utf-8")
    _copy_rows(shipped, folder, "edges", lambda row: f"edge_{row[0]}" in text)
    rows = [f"{name}\t{value}\tdimensionless\tgut" for name, value in GUT.items()]
    rows += [f"{name}\t{value}\tpg_per_mL\tgut" for name, value in CYTOKINES.items()]
    (folder / "parameters" / "gut.tsv").write_text(
        "\n".join(["id\tvalue\tunit\tmechanism", *rows, ""]), encoding="utf-8"
    )
    return folder


def _copy_rows(shipped: Path, folder: Path, name: str, keep: Callable[[list[str]], bool]) -> None:
    lines = (shipped / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines[1:] if line and keep(line.split("\t"))]
    (folder / f"{name}.tsv").write_text("\n".join([lines[0], *kept, ""]), encoding="utf-8")


def regimen(name: str, equivalents: float, end: float = 336.0) -> Dose:
    """So many mg/d of oral morphine equivalents of an opioid."""
    factor, every = OPIOIDS[name]
    drug, formulation = name.split()
    dose = equivalents / factor * (1.0 if formulation == "TD" else every / 24)
    return (drug, formulation, "opioid", dose, 0.0, float(every), end)


@dataclass(frozen=True)
class Course:
    """What was read along a course of treatment; ``course["nrs"]`` has one value per ``time`` (h)."""

    time: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float64]]

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self.values[name]

    def mean(self, name: str, start: float, end: float) -> float:
        """The mean of a variable over a window of time (h)."""
        window = (self.time >= start) & (self.time <= end)
        return float(self.values[name][window].mean())


class HalfModel:
    """Runs courses of treatment with libroadrunner, an SBML simulator that is not ours."""

    def __init__(self, folder: Path, species: str = "human") -> None:
        self.model = model.load(folder, species=species, strict=False)
        roadrunner.Logger.setLevel(roadrunner.Logger.LOG_ERROR)
        self.rr = roadrunner.RoadRunner(self.model.sbml)
        self.rr.integrator.relative_tolerance = 1e-7
        self.rr.integrator.absolute_tolerance = 1e-9
        self.sbml = libsbml.readSBMLFromString(self.model.sbml)
        self.products = {(r["drug"], r["formulation"]): r for r in self.model.drugs.iter_rows(named=True)}
        rules = {rule.getVariable(): rule for rule in self.sbml.getModel().getListOfRules()}
        self.states = [name for name, rule in rules.items() if rule.isRate()]
        self.variables = [name for name, rule in rules.items() if not rule.isRate()]
        names = [item.getId() for item in self.sbml.getModel().getListOfParameters()]
        self.defaults = {name: self.rr[name] for name in names if name not in rules}
        self.start = {name: self.rr[name] for name in self.states}

    def reset(self, parameters: Mapping[str, float]) -> None:
        """Go back to the untreated patient with these parameters changed."""
        self.rr.reset()
        for name, value in {**self.defaults, **self.start, **parameters}.items():
            self.rr[name] = value

    def course(
        self,
        doses: Sequence[Dose],
        until: float,
        read: Sequence[str],
        step: float = 3.0,
        parameters: Mapping[str, float] | None = None,
    ) -> Course:
        """Simulate a course; values every ``step`` h, just before doses at the same time."""
        slots: dict[str, float] = {}
        given: list[tuple[float, str, float]] = []
        for drug, formulation, slot, dose, first, every, end in doses:
            row = next(
                r
                for r in self.model.drugs.iter_rows(named=True)
                if (r["drug"], r["formulation"]) == (drug, formulation)
            )
            if slot:
                slots |= self.model.slot_parameters(drug, formulation, slot)
            amount = dose * {"mg": 1e6, "ug/h": 1e3 * every}[row["dose_unit"]] / row["molar_mass"]
            pieces = 12 if row["mode"] == "rate" else 1  # a patch in small doses
            times = np.arange(first, end, every / pieces)
            for state, share in self.model.compartments(drug, formulation, slot).items():
                given += [(float(t), state, amount * share / pieces) for t in times]
        self.reset({**slots, **(parameters or {})})
        grid = np.arange(0.0, until + step / 2, step)
        marks = sorted({0.0, until, *(t for t, _, _ in given if t < until)})
        found: dict[float, Any] = {0.0: [self.rr[name] for name in read]}
        for begin, end in pairwise(marks):
            for t, state, amount in given:
                if t == begin:
                    self.rr[state] = self.rr[state] + amount
            times = sorted({begin, end, *(t for t in grid if begin < t < end)})
            rows = np.array(self.rr.simulate(times=times, selections=["time", *read]))
            found.update({float(row[0]): row[1:] for row in rows[1:]})
        values = np.array([found[min(found, key=lambda have, t=t: abs(have - t))] for t in grid])
        return Course(grid, {name: values[:, i] for i, name in enumerate(read)})


@pytest.fixture(scope="session")
def half_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_half(SHIPPED, tmp_path_factory.mktemp("half") / "model")


@pytest.fixture(scope="session")
def half(half_folder: Path) -> HalfModel:
    return HalfModel(half_folder)


@pytest.fixture(scope="session")
def mouse(half_folder: Path) -> HalfModel:
    return HalfModel(half_folder, species="mouse")


@pytest.fixture(scope="session")
def gut_interface() -> tuple[str, ...]:
    return (*GUT, *CYTOKINES)


@pytest.fixture(scope="session")
def opioids() -> tuple[str, ...]:
    return tuple(OPIOIDS)


@pytest.fixture(scope="session")
def daily() -> Callable[..., Dose]:
    return regimen
