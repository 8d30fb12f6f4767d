"""How the results were computed, as name and value, from whatever the manifest holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["facts"]

_LEFT_OUT = {"study", "arms"}
"""Parts of the manifest that the report tells elsewhere."""


def facts(manifest: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return every plain value of the manifest with a readable name; nested parts one level after another."""
    return list(_walk({name: value for name, value in manifest.items() if name not in _LEFT_OUT}, ""))


def _walk(part: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in part.items():
        shown = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            if all(not isinstance(inner, (dict, list)) for inner in value.values()):
                yield shown, ", ".join(f"{_name(key)} {inner}" for key, inner in value.items()) or "none"
            else:
                yield from _walk(value, f"{shown}: ")
        elif isinstance(value, (list, tuple)):
            yield shown, ", ".join(str(item) for item in value) if value else "none"
        elif value is not None:
            yield shown, str(value)


def _name(key: object) -> str:
    return str(key).replace("_", " ")
