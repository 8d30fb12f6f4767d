"""What lint rules on tables share: did you mean, and cells that must be one of a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opiome.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opiome.errors import Problem
    from opiome.model._tables import Row

__all__ = ["choice", "meant"]

_FEW = 9


def meant(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return a remedy: the nearest known word, or something else to do."""
    guess = nearest(word, known)
    return f"did you mean '{guess}'?" if guess else otherwise


def choice(row: Row, column: str, known: Iterable[str], what: str) -> Iterator[Problem]:
    """Yield a problem where a filled cell holds none of the known words."""
    text, words = row.text(column), list(known)
    if text and text not in words:
        expected = f"one of {', '.join(words)}" if len(words) <= _FEW else f"a known {what}"
        remedy = meant(text, words, f"write a known {what}")
        yield row.problem(f"unknown {what} '{text}'", column, expected=expected, remedy=remedy)
