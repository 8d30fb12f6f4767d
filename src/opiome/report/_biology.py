"""What the report reads of the model: the map, units and names, and where the numbers come from."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Biology", "read_biology"]

_TABLES = {
    "nodes": "id label observable x y",
    "edges": "id arrow from to sign grade contested species target scenario sources note",
    "observables": "id label unit group low high note",
    "parameters": "id value unit source species evidence mechanism note",
    "pharmacology": "drug formulation quantity value unit source evidence note",
    "guilds": "id name members",
    "units": "id label",
}


@dataclass(frozen=True)
class Biology:
    """The tables of a model that a report shows, all cells text; a table that is not there is empty."""

    nodes: pl.DataFrame
    edges: pl.DataFrame
    observables: pl.DataFrame
    parameters: pl.DataFrame
    pharmacology: pl.DataFrame
    guilds: pl.DataFrame
    units: pl.DataFrame

    def unit(self, observable: str) -> str:
        """Return the unit of an observable as a reader writes it; empty if dimensionless or not known."""
        found = self.observables.filter(pl.col("id") == observable)["unit"].to_list()
        name = found[0] if found else ""
        if name in {"dimensionless", "fraction", "score", "1", ""}:
            return ""
        label = self.units.filter(pl.col("id") == name)["label"].to_list()
        return (label[0] if label else "") or name.replace("_per_", "/").replace("_", " ")

    def label(self, observable: str) -> str:
        """Return the name of an observable; its id if the model has none."""
        found = self.observables.filter(pl.col("id") == observable)["label"].to_list()
        return (found[0] if found else "") or observable


def read_biology(model: object = None) -> Biology:
    """Return the tables of ``model`` (see :func:`opiome.model.load`), or of the model in the package."""
    folder = files("opiome.model")
    with as_file(folder) as path:
        frames = {
            name: _conform(_table(model, name, path), columns.split()) for name, columns in _TABLES.items()
        }
    frames["parameters"] = _of_people(frames["parameters"])
    return Biology(**frames)


def _of_people(parameters: pl.DataFrame) -> pl.DataFrame:
    """Return one row per parameter: rows for mice give way to those of the same parameter for people."""
    mouse = pl.col("species") == "mouse"
    people = parameters.filter(~mouse)
    return pl.concat([people, parameters.filter(mouse & ~pl.col("id").is_in(people["id"].implode()))])


def _table(model: object, name: str, folder: Path) -> pl.DataFrame:
    table = getattr(model, name, None)
    if callable(frame := getattr(table, "frame", None)):
        table = frame()
    if isinstance(table, pl.DataFrame):
        return table
    files_of_table = [folder / f"{name}.tsv", *sorted((folder / name).glob("*.tsv"))]
    read = [
        pl.read_csv(file, separator="\t", infer_schema=False, quote_char=None, comment_prefix="#")
        for file in files_of_table
        if file.exists()
    ]
    return pl.concat(read, how="diagonal") if read else pl.DataFrame()


def _conform(frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    if not frame.width:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None))
        .cast(pl.String)
        .fill_null("")
        .str.strip_chars()
        .alias(name)
        for name in columns
    )
