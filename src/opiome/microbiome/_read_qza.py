"""QIIME 2 artefacts, read as the zip archives that they are and never unpacked to disk."""

from __future__ import annotations

import io
import re
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from opiome.errors import Problem, ProfileError
from opiome.microbiome._text import MAX_RATIO, MAX_UNPACKED

__all__ = ["Artefact", "read_artefact"]

_MAX_MEMBERS = 100_000
_TYPES = {"FeatureTable[Frequency]", "FeatureTable[RelativeFrequency]", "FeatureData[Taxonomy]"}


@dataclass(frozen=True)
class Artefact:
    """The semantic type of an artefact and its one data file."""

    type: str
    name: str
    data: bytes


def _unsafe(info: zipfile.ZipInfo) -> str | None:
    path = PurePosixPath(info.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"^[A-Za-z]:", info.filename):
        return f"the member {info.filename!r} points outside the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return f"the member {info.filename!r} is a symbolic link"
    if info.flag_bits & 0x1:
        return f"the member {info.filename!r} is encrypted"
    if info.file_size > MAX_UNPACKED or info.file_size > MAX_RATIO * max(info.compress_size, 1024):
        return f"the member {info.filename!r} claims {info.file_size} bytes from {info.compress_size} packed"
    return None


def read_artefact(data: bytes, path: Path) -> Artefact:
    """Read the type and the data of a ``.qza``.

    Raises ProfileError for a broken archive, a member that leaves it, a link, an encrypted member, a
    compression bomb, and an artefact that holds neither a feature table nor a taxonomy.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception as error:  # zipfile raises a dozen kinds for broken archives
        raise ProfileError(
            Problem(
                f"the archive cannot be opened ({error})",
                file=path,
                expected="a QIIME 2 artefact (.qza)",
                remedy="copy or export it again",
            )
        ) from error
    with archive:
        members = archive.infolist()
        problems = [
            Problem(text, file=path, field=info.filename) for info in members if (text := _unsafe(info))
        ]
        if len(members) > _MAX_MEMBERS or sum(info.file_size for info in members) > MAX_UNPACKED:
            problems.append(
                Problem(
                    f"unpacks to {sum(i.file_size for i in members)} bytes, {len(members)} members",
                    file=path,
                    expected=f"at most {MAX_UNPACKED} bytes",
                )
            )
        if problems:
            problems[-1] = problems[-1].at(
                remedy="do not trust this archive: export the artefact again with QIIME 2"
            )
            raise ProfileError(problems)
        names = [info.filename for info in members]
        meta = next((n for n in names if re.fullmatch(r"[^/]+/metadata\.yaml", n)), None)
        wanted = next(
            (n for n in names if re.fullmatch(r"[^/]+/data/(feature-table\.biom|taxonomy\.tsv)", n)), None
        )
        if any(n.startswith("xl/") for n in names):
            raise ProfileError(
                Problem(
                    "is an Excel workbook",
                    file=path,
                    expected="a text table, BIOM or .qza",
                    remedy="save the sheet as tab-separated text or CSV",
                )
            )
        if meta is None or wanted is None:
            raise ProfileError(
                Problem(
                    "is a zip archive without metadata.yaml and a feature table or taxonomy",
                    file=path,
                    expected="a QIIME 2 artefact of type FeatureTable[Frequency] (or RelativeFrequency), or"
                    " FeatureData[Taxonomy]",
                    remedy="pass feature-table.qza and taxonomy.qza, or a plain table",
                )
            )
        kind = re.search(
            r"^type:\s*(\S.*)$", _member(archive, meta, path).decode("utf-8", "replace"), re.MULTILINE
        )
        semantic = kind[1].strip().strip("'\"") if kind else ""
        if semantic.partition(" % ")[0] not in _TYPES:
            raise ProfileError(
                Problem(
                    f"is an artefact of type {semantic or 'unknown'}",
                    file=path,
                    field="type",
                    expected="FeatureTable[Frequency], FeatureTable[RelativeFrequency] or"
                    " FeatureData[Taxonomy]",
                    remedy="pass the table before it was turned into presences, balances or compositions",
                )
            )
        return Artefact(semantic, wanted, _member(archive, wanted, path))


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    claimed = archive.getinfo(name).file_size
    try:
        with archive.open(name) as stream:
            content = stream.read(
                claimed + 1
            )  # a member that is longer than it claims is cut, and fails its check
    except Exception as error:  # zipfile raises a dozen kinds for broken archives
        raise ProfileError(
            Problem(
                f"the member {name!r} is broken ({error})",
                file=path,
                field=name,
                remedy="copy or export the archive again",
            )
        ) from error
    if len(content) != claimed:
        raise ProfileError(Problem(f"the member {name!r} is not as long as it claims", file=path, field=name))
    return content
