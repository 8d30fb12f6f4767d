"""Loading a model folder, with the compiled SBML kept by content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from opiome.errors import ModelError
from opiome.model._draft import read_draft
from opiome.model._model import Model

if TYPE_CHECKING:
    from opiome.model._draft import Draft

__all__ = ["compiled", "load"]


def load(folder: Path | str | None = None, species: str = "human") -> Model:
    """Read, assemble, compile and check a model folder (the shipped one by default).

    SBML that has passed every check is kept under the user's cache folder by the hash of its text, so that the
    same model loads without compiling again. Raises ModelError with every problem found, each at its file and line.
    """
    draft = read_draft(folder, species)
    if draft.problems:
        raise ModelError(draft.problems)
    return Model(compiled(draft), draft)


def compiled(draft: Draft) -> str:
    """Return checked SBML for a draft, from the cache where it is there; raises ModelError."""
    kept = _cache_file(draft)
    if kept is not None:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = kept.read_text(encoding="utf-8")
            if text.rstrip().endswith("</sbml>"):
                return text
    from opiome.model._assemble import to_sbml
    from opiome.model._check import check

    sbml, problems = to_sbml(draft.assembly, draft.folder)
    problems = problems or check(sbml, draft.assembly, draft.folder)
    if problems:
        raise ModelError(problems)
    if kept is not None:
        with contextlib.suppress(OSError):
            _write(kept, sbml)
    return sbml


def _cache_file(draft: Draft) -> Path | None:
    try:
        import platformdirs

        root = Path(os.environ.get("OPIOME_CACHE") or platformdirs.user_cache_path("opiome"))
        key = hashlib.sha256(f"{_loader()}\0{draft.assembly.antimony}".encode()).hexdigest()
        return root / "model" / f"{key}.sbml"
    except (OSError, RuntimeError):
        return None


@cache
def _loader() -> str:
    """Hash of the code and libraries that turn text into SBML: a new version never reads old results."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for name in ("_assemble.py", "_check.py", "_dimensions.py"):
        digest.update((here / name).read_bytes())
    for package in ("antimony", "python-libsbml"):
        digest.update(version(package).encode())
    return digest.hexdigest()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)
