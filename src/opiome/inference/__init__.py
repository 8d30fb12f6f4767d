"""What an answer rests on: which arrows of the map an endpoint hinges on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opiome.inference._edges import choose_edges
    from opiome.inference._knockout import knockout

__all__ = ["choose_edges", "knockout"]

_HOME = {"choose_edges": "_edges", "knockout": "_knockout"}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
