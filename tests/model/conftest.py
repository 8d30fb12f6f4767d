"""A small, complete and correct model folder that tests break in one place at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

UNITS = """
id definition label
dimensionless dimensionless -
hour 3600~second h
per_hour 1~/~(3600~second) 1/h
per_minute 1~/~(60~second) 1/min
nmol 1e-9~mole nmol
mmol 1e-3~mole mmol
L litre L
nmol_per_L 1e-9~mole~/~litre nmol/L
nmol_per_hour 1e-9~mole~/~(3600~second) nmol/h
L_per_hour litre~/~(3600~second) L/h
g gram g
mg 1e-3~gram mg
"""
DRUG = """// One drug: depot and blood
{slot}_depot has nmol; {slot}_blood has nmol
{slot}_concentration has nmol_per_L
{slot}_depot = 0
{slot}_blood = 0
{slot}_depot' = -{slot}_ka*{slot}_depot
{slot}_blood' = {slot}_F*{slot}_ka*{slot}_depot -
    {slot}_CL*{slot}_concentration
{slot}_concentration := {slot}_blood/{slot}_V
"""
EFFECT = """// What the drug does
effect has dimensionless
tolerance has dimensionless
effect := opioid_concentration/(opioid_concentration + half*tolerance)
tolerance = tolerance_start
tolerance' = k_tolerance*(1 + edge_signal_tolerance*effect - tolerance)
"""
TABLES = {
    "units": UNITS,
    "instances": """
fragment instance bindings
drug opioid slot=opioid
""",
    "covariates": """
id unit reference distribution median cv lower upper values source note
weight dimensionless 70 lognormal 70 0.2 40 120 - doi:10.1000/w -
""",
    "drugs": """
drug formulation names class route slots compartments molar_mass dose_unit min_dose max_dose mode source
morphine IR morphine opioid oral opioid depot 285.34 mg 1 500 bolus doi:10.1000/m
""",
    "pharmacology": """
drug formulation quantity value unit cv source evidence note
morphine - ka 6 per_hour - doi:10.1000/m seen -
morphine - CL 92 L_per_hour - doi:10.1000/m seen -
morphine - V 278 L - doi:10.1000/m seen -
morphine IR F 0.37 dimensionless - doi:10.1000/m seen -
""",
    "parameters/effect": """
id value unit lower upper distribution cv covariates source grade species evidence mechanism note
half 50 nmol_per_L 10 200 lognormal 0.4 weight^0.75 doi:10.1000/h B human seen effect -
half 40 nmol_per_L 10 200 lognormal 0.4 - doi:10.1000/h B mouse seen effect -
tolerance_start 1 dimensionless - - fixed - - - - human assumed effect by~definition
k_tolerance 0.03 per_hour 0.01 0.1 fixed - - doi:10.1000/k B human seen effect -
day_to_day 0.2 dimensionless - - fixed - - doi:10.1000/d B human seen diary -
""",
    "edges": """
id arrow from to sign grade contested species target scenario sources note
signal_tolerance 9 N1 N2 + B no mouse tolerance opioid doi:10.1000/e -
""",
    "nodes": """
id label observable x y
N1 Effect effect 0.1 0.5
N2 Half concentration 0.5 0.5
""",
    "observables": """
id label unit group low high note
effect Effect dimensionless drug 0 1 -
concentration Concentration nmol_per_L drug 0 100 -
""",
    "guilds": """
id name members metabolism gram favourable source
G1 Bacteroidetes Bacteroides saccharolytic negative no doi:10.1000/g
""",
    "scenarios": """
id action what value start_h every_h until_h note
opioid give morphine~IR~opioid 30 0 12 48 -
opioid read - - 36 6 48 -
""",
}


def write_table(path: Path, text: str) -> None:
    """Write a table from its readable form: ``~`` is a blank inside a cell, ``-`` an empty cell."""
    lines = []
    for line in text.strip().splitlines():
        cells = ["" if cell == "-" else cell.replace("~", " ") for cell in line.split()]
        lines.append("\t".join(cells))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


class Folder:
    """A model folder on disk whose files can be changed by replacing text."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def change(self, file: str, old: str, new: str) -> int:
        """Replace ``old`` by ``new`` (both in readable form for tables); returns the line where it stood."""
        path = self.path / file
        text = path.read_text(encoding="utf-8")
        if file.endswith(".tsv"):
            old, new = (_cells(part) for part in (old, new))
        assert text.count(old) == 1, (old, text)
        line = text[: text.index(old)].count("\n") + 1
        path.write_text(text.replace(old, new), encoding="utf-8")
        return line

    def append(self, file: str, new: str) -> int:
        """Add a line; returns its number."""
        path = self.path / file
        text = path.read_text(encoding="utf-8")
        path.write_text(text + (_cells(new) if file.endswith(".tsv") else new) + "\n", encoding="utf-8")
        return text.count("\n") + 1


def _cells(text: str) -> str:
    return "\t".join("" if cell == "-" else cell.replace("~", " ") for cell in text.split(" "))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A correct model folder, with a cache of its own."""
    monkeypatch.setenv("OPIOME_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "model"
    for name, text in TABLES.items():
        write_table(path / f"{name}.tsv", text)
    (path / "mechanisms").mkdir()
    (path / "mechanisms" / "drug.ant").write_text(DRUG, encoding="utf-8")
    (path / "mechanisms" / "effect.ant").write_text(
        EFFECT + "concentration has nmol_per_L\nconcentration := opioid_concentration\n", encoding="utf-8"
    )
    return Folder(path)
