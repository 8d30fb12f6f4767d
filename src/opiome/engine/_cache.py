"""Compiled models on disk, found by their content; the folder belongs to the user alone."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from opiome import files

GENERATORS = {
    "_cut.py", "_derivatives.py", "_elementary.py", "_graph.py", "_implicit.py", "_kernels.py",
    "_linear_system.py", "_lu.py", "_mathml.py", "_rows.py", "_sbml.py", "_shared.py", "_steps.py",
    "_system.py", "_tableaux.py", "_twin.py", "_vector.py",
}  # fmt: skip
VERSION = 3  # raise it when the code that is generated, or what is stored beside it, changes


def _generator() -> str:
    """The hash of the code generator, taken once per process, about when its modules load."""
    digest = hashlib.sha256(str(VERSION).encode())
    for name in sorted(GENERATORS):
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()


_GENERATOR = _generator()


def folder() -> Path | None:
    """The cache folder, or None where none can be trusted (``OPIOME_CACHE=off`` turns it off).

    Loading machine code from a folder that others can write to would run their code, so its owner and mode
    are checked.
    """
    where = os.environ.get("OPIOME_CACHE", "")
    if where == "off":
        return None
    if where:
        path = Path(where) / "engine"
    else:
        import platformdirs

        path = Path(platformdirs.user_cache_dir("opiome")) / "engine"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError:
        return None
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o022):
        return None
    return path


def key(*parts: str) -> str:
    """A name made of the content and of the version of the code generator."""
    digest = hashlib.sha256(_GENERATOR.encode())
    for part in parts:
        digest.update(b"\0" + part.encode())
    return digest.hexdigest()


def load(name: str) -> tuple[dict[str, Any], bytes] | None:
    """What was stored under a name, or None."""
    path = folder()
    if path is None:
        return None
    try:
        meta = json.loads((path / f"{name}.json").read_text("utf-8"))
        binary = (path / f"{name}.o").read_bytes()
    except (OSError, ValueError):
        return None
    return (meta, binary) if hashlib.sha256(binary).hexdigest() == meta.get("sha256") else None


def store(name: str, meta: dict[str, Any], binary: bytes) -> None:
    """Store machine code and its description; a full or read-only disk is no error."""
    path = folder()
    if path is None:
        return
    text = json.dumps({**meta, "sha256": hashlib.sha256(binary).hexdigest()})
    try:
        for data, suffix in ((binary, ".o"), (text.encode(), ".json")):
            with files.whole(path / f"{name}{suffix}") as part:
                part.write_bytes(data)
    except OSError:
        return
