"""The tables beside this code that say what is shown where: ``panels.tsv`` and ``map_regions.tsv``."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["read_rows"]


def read_rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a tab-separated table of this room, all cells text."""
    lines = files("opiome.report").joinpath(name).read_text(encoding="utf-8").splitlines()
    header = lines[0].split("\t")
    rows = [line.split("\t") for line in lines[1:] if line.strip()]
    return [dict(zip(header, row + [""] * (len(header) - len(row)), strict=True)) for row in rows]
