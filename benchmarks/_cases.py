"""The models, patients and doses that engines are compared on."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path(__file__).parent / "models"


@dataclass
class Case:
    """One problem: SBML, patients' parameters, a dose into ``state`` every ``interval`` h, output times."""

    name: str
    sbml: str
    patients: int
    hours: float
    parameters: dict[str, Any] = field(default_factory=dict)
    state: str = ""
    amount: float = 0.0
    interval: float = 12.0
    log_times: bool = False

    @property
    def times(self) -> np.ndarray:
        """Daily, or logarithmic, output times; never 0."""
        if self.log_times:
            return np.geomspace(1e-3 * self.hours, self.hours, 12)
        return np.arange(24.0, self.hours + 1.0, 24.0)

    @property
    def doses(self) -> np.ndarray:
        """Dose times."""
        return np.arange(0.0, self.hours, self.interval) if self.state else np.empty(0)

    @property
    def sha256(self) -> str:
        """The hash of the model."""
        return hashlib.sha256(self.sbml.encode()).hexdigest()

    def error(self, values: np.ndarray, reference: np.ndarray, peak: np.ndarray) -> np.ndarray:
        """Per patient: the worst |y - ref| / (|ref| + 1e-3 peak) over times and states."""
        scale = np.abs(reference) + 1e-3 * peak[:, None, :] + 1e-300
        return (np.abs(values - reference) / scale).max(axis=(1, 2))


def _antimony(name: str) -> str:
    import antimony

    antimony.clearPreviousLoads()
    if antimony.loadAntimonyString((MODELS / name).read_text(encoding="utf-8")) < 0:
        raise RuntimeError(antimony.getLastError())
    return antimony.getSBMLString(antimony.getMainModuleName())


def _spread(names: list[str], defaults: dict[str, float], n: int, cv: float) -> dict[str, Any]:
    rng = np.random.Generator(np.random.Philox(2024))
    return {name: defaults[name] * np.exp(cv * rng.standard_normal(n)) for name in names}


def opiome(patients: int = 32, days: int = 84) -> Case:
    """The frozen copy of opiome's own model, an opioid every 12 h; 36 parameters differ between patients."""
    from opiome import engine

    sbml = gzip.decompress((MODELS / "opiome.xml.gz").read_bytes()).decode()
    defaults = engine.compile(sbml, outputs=[]).defaults
    able = [k for k, v in sorted(defaults.items()) if v > 0 and v != 1 and not k.startswith("edge_")]
    names = able[:: max(1, len(able) // 36)][:36]
    values = _spread(names, defaults, patients, 0.2)
    return Case("opiome", sbml, patients, 24.0 * days, values, "opioid_depot", 60_000.0)


def small() -> list[Case]:
    """A stiff binding model, one compartment with 168 doses, Robertson and HIRES."""
    one = MODELS.parents[1] / "tests" / "engine" / "models" / "oral.ant"
    return [
        Case(
            "binding", _antimony("binding.ant"), 32, 2016.0,
            _spread(["CL", "V", "Kd"], {"CL": 8.0, "V": 40.0, "Kd": 0.5}, 32, 0.3), "depot", 100.0,
        ),
        Case(
            "one compartment", _antimony(str(one)), 32, 2016.0,
            _spread(["CL", "V", "ka"], {"CL": 4.0, "V": 23.0, "ka": 1.1}, 32, 0.3), "depot", 100.0,
        ),
        Case("Robertson", _antimony("robertson.ant"), 4096, 1e4, log_times=True),
        Case("HIRES", _antimony("hires.ant"), 4096, 321.8122, log_times=True),
    ]  # fmt: skip
