"""Results: the tables of one run and its manifest, in memory or as a folder of Parquet files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from opiome import files
from opiome.errors import Problem, ResultsError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TABLES", "Results", "made"]

TABLES = ("patients", "bands", "diary", "movements", "endpoints", "contrasts", "nodes")
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Results:
    """What a trial gave.

    Attributes:
        manifest: versions, seed, hashes, the study, counts of screened and excluded, seconds of each phase.
        patients: one row per patient and arm: covariates, prior therapy, attempts until the place was filled.
        bands: mean and quantiles over patients of the daily mean of each observable; ``time_h`` is the middle
            of the day, in hours since randomisation.
        diary: one row per patient and recorded day; there is no day 0.
        movements: one row per recorded bowel movement.
        endpoints: estimates by arm beside the published values.
        contrasts: each arm against the reference.
        nodes: log2 change of each node of the mechanism map, by arm.
    """

    manifest: dict[str, Any]
    patients: pl.DataFrame
    bands: pl.DataFrame
    diary: pl.DataFrame
    movements: pl.DataFrame
    endpoints: pl.DataFrame
    contrasts: pl.DataFrame
    nodes: pl.DataFrame

    def write(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the tables and the manifest; returns the folder.

        An existing folder with anything in it is left alone unless ``overwrite``; then only the files of a
        result folder are replaced. The manifest is written last: a folder with one is complete.

        Raises:
            ResultsError: the folder is not empty, or cannot be written.
        """
        folder = Path(folder)
        try:
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not overwrite:
                raise ResultsError(
                    Problem(
                        "there is something here already",
                        file=folder,
                        expected="a new or empty folder",
                        remedy="choose another name or ask to overwrite it",
                    )
                )
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _MANIFEST).unlink(missing_ok=True)
            hashes = {}
            for name in TABLES:
                file = folder / f"{name}.parquet"
                getattr(self, name).write_parquet(file, compression="zstd")
                hashes[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
            text = json.dumps(self.manifest | {"files": hashes}, indent=2, ensure_ascii=False)
            files.write_text(folder / _MANIFEST, text + "\n")
        except OSError as error:
            raise ResultsError(
                Problem(
                    f"cannot be written ({error.strerror or error})",
                    file=folder,
                    remedy="choose a folder that you may write to",
                )
            ) from None
        return folder

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read a folder that :meth:`write` wrote.

        Raises:
            ResultsError: with every file that is missing or cannot be read.
        """
        import polars as pl

        folder = Path(folder)
        problems: list[Problem] = []
        found: dict[str, Any] = {}
        for item in fields(cls):
            file = folder / (_MANIFEST if item.name == "manifest" else f"{item.name}.parquet")
            try:
                found[item.name] = (
                    json.loads(file.read_text(encoding="utf-8"))
                    if item.name == "manifest"
                    else pl.read_parquet(file)
                )
            except FileNotFoundError:
                problems.append(Problem("is missing", file=file, remedy="run the study again"))
            except (OSError, ValueError, pl.exceptions.PolarsError) as error:
                problems.append(Problem(f"cannot be read ({error})", file=file, remedy="run the study again"))
        if problems:
            raise ResultsError(problems)
        return cls(**found)


def made(folder: Path) -> Path:
    """The folder, made where it is missing; raises ResultsError if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = Problem(
            f"cannot be made ({error.strerror or error})", file=folder, remedy="name another folder"
        )
        raise ResultsError(problem) from None
    return folder
