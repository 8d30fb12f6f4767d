"""Loading a model folder, with the compiled SBML kept by content."""

from __future__ import annotations

import contextlib
import hashlib
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from opiome import files
from opiome.errors import ModelError
from opiome.model._draft import BUILT_IN, read_draft
from opiome.model._model import Model

if TYPE_CHECKING:
    from opiome.model._draft import Draft

__all__ = ["load"]


def load(folder: Path | str | None = None, species: str = "human", *, strict: bool | None = None) -> Model:
    """Read, assemble, compile and check a model folder (the shipped one by default).

    SBML that has passed is kept under the user's cache folder by the hash of all that it was made from,
    so that the same model loads without compiling again.

    Args:
        folder: the model folder.
        species: ``human`` or ``mouse``.
        strict: refuse whatever :func:`lint` calls an error; else only what cannot run. By default every
            folder but the shipped one is held to lint (the shipped one is by its tests).

    Raises:
        ModelError: with every problem found, each at its file and line.
    """
    draft = read_draft(folder, species)
    strict = draft.folder.resolve() != BUILT_IN.resolve() if strict is None else strict
    if draft.problems:
        raise ModelError(draft.problems)
    kept = _cache_file(draft, "strict" if strict else "loose")
    sbml = _kept(kept)
    if sbml is None:
        sbml = _strict(draft) if strict else _loose(draft)
        with contextlib.suppress(OSError):
            _write(kept, sbml)
    return Model(sbml, draft)


def _loose(draft: Draft) -> str:
    from opiome.model._assemble import to_sbml
    from opiome.model._check import check, loops

    problems = loops(draft.assembly)
    if problems:
        raise ModelError(problems)
    sbml, problems = to_sbml(draft.assembly)
    problems = problems or check(sbml, draft.assembly)
    if problems:
        raise ModelError(problems)
    return sbml


def _strict(draft: Draft) -> str:
    from opiome.model._lint import Subject, findings

    subject = Subject(draft)
    errors = [finding for finding in findings(subject) if finding.severity == "error"]
    if errors:
        raise ModelError(errors)
    return subject.compiled[0]


def _kept(path: Path) -> str | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = path.read_text(encoding="utf-8")
        return text if text.rstrip().endswith("</sbml>") else None
    return None


def _cache_file(draft: Draft, checks: str) -> Path:
    import platformdirs

    root = Path(os.environ.get("OPIOME_CACHE") or platformdirs.user_cache_path("opiome"))
    key = hashlib.sha256(f"{_loader()} {checks} {draft.species} {draft.sha256}".encode()).hexdigest()
    return root / "model" / f"{key}.sbml"


@cache
def _loader() -> str:
    """Hash of the code and libraries that turn text into SBML: a new version never reads old results."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for file in sorted(here.glob("_*.py")):
        digest.update(file.read_bytes())
    for package in ("antimony", "python-libsbml"):
        digest.update(version(package).encode())
    return digest.hexdigest()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.write_text(path, text)
