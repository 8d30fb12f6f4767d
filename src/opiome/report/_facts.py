"""How the results were computed, as name and value, from what the manifest holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["facts"]

_LEFT_OUT = {"study", "arms"}
"""Parts of the manifest that the report tells elsewhere."""
_NAMES = {
    "opiome": "Version of the result format",
    "versions": "Versions",
    "seed": "Seed",
    "study_sha256": "Hash of the study (SHA-256)",
    "model": "Model",
    "tables_sha256": "Hashes of other tables (SHA-256)",
    "twins": "Same patients in every arm",
    "seconds": "Seconds spent",
    "counts: screened": "People screened",
    "counts: randomised": "Patients randomised",
    "counts: excluded": "Screened, not randomised",
    "counts: failed": "Simulations that failed, by arm",
    "counts: per_arm": "Patients in the estimates, by arm",
    "nonspecific_effect": "Effect of being in a trial on bowel frequency, all arms (factor)",
    "files": "Hashes of the result files (SHA-256)",
}


def facts(manifest: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return every plain value of the manifest with a readable name; nested parts one after another."""
    found = _walk({name: value for name, value in manifest.items() if name not in _LEFT_OUT}, "")
    return [(_NAMES.get(name, _plain(name)), text) for name, text in found]


def _walk(part: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in part.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            if any(isinstance(inner, (dict, list)) for inner in value.values()):
                yield from _walk(value, f"{path}: ")
            else:
                yield path, "; ".join(f"{key}: {_text(inner)}" for key, inner in value.items()) or "none"
        elif isinstance(value, (list, tuple)):
            yield path, ", ".join(_text(item) for item in value) or "none"
        elif value is not None:
            yield path, _text(value)


def _text(value: object) -> str:
    return (
        {True: "yes", False: "no"}[value]
        if isinstance(value, bool)
        else "not known"
        if value is None
        else str(value)
    )


def _plain(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]
