"""The sample metadata table: matched to the samples, with the columns that mean something to opiome."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opiome.errors import Problem, ProfileError, nearest
from opiome.microbiome._text import decode, grid, gunzip

if TYPE_CHECKING:
    import os

    from opiome.microbiome._profile import Profile

__all__ = ["Metadata", "read_metadata"]

_SAMPLE = (
    "sample",
    "sampleid",
    "sample_id",
    "sample-id",
    "sample name",
    "sample_name",
    "#sampleid",
    "id",
    "run",
    "name",
)
_SUBJECT = re.compile(
    r"^(subject|patient|participant|host_?subject|individual|person|donor)([ _.-]?id)?$", re.IGNORECASE
)
_TIME = re.compile(r"^(time[ _.-]?point|visit|day|week|month|time|days?_since.*)$", re.IGNORECASE)
_SITE = re.compile(
    r"^(body[ _.-]?(site|habitat|product)|env[ _.-]?(material|medium)|sample[ _.-]?(type|site|source)"
    r"|isolation[ _.-]?source|specimen([ _.-]?type)?|material)$",
    re.IGNORECASE,
)
_STOOL = re.compile(r"stool|f(a)?eces|f(a)?ecal|gut|feces|large intestine|colon|rectal", re.IGNORECASE)
_NO_STOOL = re.compile(
    r"biops|mucos|lavage|aspirat|ile(um|al)|duoden|jejun|gastric|stomach|oral|saliva|tongue|skin|vagin|blood|urine",
    re.IGNORECASE,
)
_BATCH = re.compile(
    r"(^|[ _.-])(batch|run|plate|kit|extraction|sequenc\w*|platform|instrument\w*|lane|primer"
    r"|region|cent(er|re)|site|lab)"
    r"([ _.-]|$)",
    re.IGNORECASE,
)
_MISSING = {"", "na", "nan", "n/a", "none", "null", "missing", "not applicable", "not collected", "unknown"}
_COVARIATES = {
    "age": re.compile(r"^age([ _.-]?\(?(years?|y)\)?)?$", re.IGNORECASE),
    "female": re.compile(r"^(sex|gender|female)$", re.IGNORECASE),
    "weight": re.compile(r"^(body[ _.-]?)?weight([ _.-]?\(?kg\)?)?$", re.IGNORECASE),
    "egfr": re.compile(r"^e?gfr$", re.IGNORECASE),
    "albumin": re.compile(r"^albumin([ _.-]?\(?g[ _./-]?l\)?)?$", re.IGNORECASE),
    "ecog": re.compile(r"^ecog([ _.-]?ps)?$", re.IGNORECASE),
}
_SEX = {"female": 1.0, "f": 1.0, "woman": 1.0, "1": 1.0, "male": 0.0, "m": 0.0, "man": 0.0, "0": 0.0}
_SHOWN = 5
_COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")


@dataclass(frozen=True)
class Metadata:
    """One row per sample of the profile, in its order; cells as written, missing ones None."""

    file: Path | None
    columns: dict[str, list[str | None]]
    lines: tuple[int, ...] = ()

    def column(self, name: str) -> list[str | None]:
        """Return a column. Raises ProfileError that names the nearest one."""
        if name in self.columns:
            return self.columns[name]
        close = nearest(name, self.columns)
        raise ProfileError(
            Problem(
                f"there is no column {name!r}",
                file=self.file,
                field=name,
                expected=f"one of {', '.join(self.columns) or 'none'}",
                remedy=f"did you mean {close!r}?" if close else "check --metadata",
            )
        )

    def first(self, pattern: re.Pattern[str]) -> str | None:
        """The first column whose name matches."""
        return next((name for name in self.columns if pattern.match(name)), None)

    @property
    def subject(self) -> str | None:
        """The column that says whose a sample is, if a name tells."""
        return self.first(_SUBJECT)

    @property
    def time(self) -> str | None:
        """The column that says when a sample was taken, if a name tells."""
        name = self.first(_TIME)
        return name if name and any(number(cell) is not None for cell in self.columns[name]) else None

    @property
    def batches(self) -> list[str]:
        """The columns that look like batches, kits, runs or centres and have at least two values."""
        return [
            name
            for name, cells in self.columns.items()
            if _BATCH.search(name)
            and 2 <= len({c for c in cells if c is not None}) <= max(2, len(cells) // 2)  # noqa: PLR2004
        ]

    def foreign_site(self, samples: tuple[str, ...]) -> list[Problem]:
        """One problem for each sample that the metadata calls something else than stool."""
        name = self.first(_SITE)
        if name is None:
            return []
        return [
            Problem(
                f"sample {sample} is {cell!r}",
                file=self.file,
                line=line,
                field=name,
                expected="stool",
                remedy="leave this sample out: the guilds are those of stool",
            )
            for sample, cell, line in zip(
                samples, self.columns[name], self.lines or [None] * len(samples), strict=True
            )
            if cell is not None and (_NO_STOOL.search(cell) or not _STOOL.search(cell))
        ]

    def stool(self) -> list[bool]:
        """Whether the metadata call each sample stool, in so many words."""
        name = self.first(_SITE)
        cells = self.columns[name] if name else [None] * len(self.lines)
        return [bool(cell and _STOOL.search(cell) and not _NO_STOOL.search(cell)) for cell in cells]

    def covariates(self) -> dict[str, list[float | None]]:
        """The columns that are covariates of the model, by its ids and in its units; missing values None."""
        out: dict[str, list[float | None]] = {}
        for covariate, pattern in _COVARIATES.items():
            name = self.first(pattern)
            if name is None:
                continue
            if covariate == "female":
                values = [_SEX.get((cell or "").strip().casefold()) for cell in self.columns[name]]
            else:
                values = [number(cell) for cell in self.columns[name]]
            units = self.columns.get(f"{name}.Units")
            if (
                covariate == "age"
                and units
                and any((u or "years").casefold() not in {"years", "year", "y"} for u in units)
            ):
                continue
            if any(value is not None for value in values):
                out[covariate] = values
        return out


def number(cell: str | None) -> float | None:
    """A finite number, or None; ``60,5`` has a decimal comma, ``1,234`` may have none and is no number."""
    if cell is not None and _COMMA.fullmatch(cell) and not _THOUSANDS.fullmatch(cell):
        cell = cell.replace(",", ".")
    try:
        value = float(cell) if cell is not None else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < float("inf") else None


def read_metadata(path: str | os.PathLike[str], profile: Profile) -> Metadata:
    """Read a metadata table (TSV or CSV) and put it in the order of the profile's samples.

    The sample column is found by name, else by what it holds. Raises ProfileError when a sample has no row
    or two.
    """
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ProfileError(Problem(f"cannot be read ({error.strerror or error})", file=file)) from error
    table = grid(decode(gunzip(data, file) if data[:2] == b"\x1f\x8b" else data, file), file)
    rows = [
        (row, line)
        for row, line in zip(table.rows, table.lines, strict=True)
        if not row[0].startswith("#q2:types")
    ]
    wanted = set(profile.samples)
    by_hits = sorted(
        range(len(table.header)),
        key=lambda i: (
            -len(wanted & {row[i] for row, _ in rows}),
            table.header[i].casefold() not in _SAMPLE,
            i,
        ),
    )
    key = by_hits[0]
    found: dict[str, tuple[list[str], int]] = {}
    problems: list[Problem] = []
    for row, line in rows:
        name = row[key]
        if name in wanted and name in found:
            problems.append(
                Problem(
                    f"sample {name} stands twice (first in line {found[name][1]})",
                    file=file,
                    line=line,
                    field=table.header[key],
                    expected="one row per sample",
                    remedy="remove one of the rows",
                )
            )
        found.setdefault(name, (row, line))
    missing = [sample for sample in profile.samples if sample not in found]
    if len(missing) == len(profile.samples):
        named = next((i for i, name in enumerate(table.header) if name.casefold() in _SAMPLE), 0)
        raise ProfileError(
            Problem(
                f"no column holds the samples of the table (such as {profile.samples[0]!r};"
                f" {table.header[named] or 'the first column'} holds such as {rows[0][0][named]!r})",
                file=file,
                expected="a column with the same sample names as the table",
                remedy="check that table and metadata belong together and spell the samples alike",
            )
        )
    for sample in missing[:_SHOWN]:
        close = nearest(sample, found)
        problems.append(
            Problem(
                f"sample {sample} has no row",
                file=file,
                field=table.header[key],
                expected="one row per sample of the table",
                remedy=f"did you mean {close!r}?"
                if close
                else "add the row, or take the sample out of the table",
            )
        )
    if len(missing) > _SHOWN:
        problems.append(Problem(f"and {len(missing) - _SHOWN} more samples have no row", file=file))
    if problems:
        raise ProfileError(problems)
    ordered = [found[sample] for sample in profile.samples]
    columns = {
        name: [None if row[i].strip().casefold() in _MISSING else row[i].strip() for row, _ in ordered]
        for i, name in enumerate(table.header)
        if i != key
    }
    return Metadata(file, columns, tuple(line for _, line in ordered))
