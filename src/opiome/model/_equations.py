"""The equations as they are written: one line per statement, placeholders kept, with the words between."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from opiome.model._fragments import Line, fill, joined_lines, statements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opiome.model._draft import Draft

__all__ = ["equation_rows"]

_COMMENT = re.compile(r"^\s*(?://|#)\s?(.*?)\s*$")
_HAS = re.compile(r"\b([A-Za-z_]\w*)\s+has\s+([A-Za-z_]\w*)")
_HOLE = re.compile(r"\{(\w+)\}")


def equation_rows(draft: Draft) -> list[dict[str, object]]:
    """Return one row per statement and comment of every fragment, in the order in which they are written.

    ``kind`` is ``rule``, ``rate``, ``initial`` or ``text`` (a comment, in ``formula``); placeholders stand as
    ``{seg}``; ``unit`` is the declared unit of ``id``.
    """
    rows: list[dict[str, object]] = []
    for name, lines in draft.fragments.items():
        held = {hole: f"ZZ{hole.replace('_', '')}ZZ" for line in lines for hole in _HOLE.findall(line.text)}
        filled = [Line(fill(line.text, held)[0], line.file, line.number) for line in lines]
        units = {symbol: unit for line in filled for symbol, unit in _HAS.findall(line.code)}
        for line, kind, symbol, formula in _written(filled):
            rows.append(
                {
                    "mechanism": name,
                    "line": line,
                    "kind": kind,
                    "id": _open(symbol, held),
                    "formula": _open(formula, held),
                    "unit": units.get(symbol, ""),
                }
            )
    return rows


def _open(text: str, held: dict[str, str]) -> str:
    for hole, word in held.items():
        text = text.replace(word, f"{{{hole}}}")
    return text


def _written(lines: list[Line]) -> Iterator[tuple[int, str, str, str]]:
    """Yield line number, kind, id and formula of statements and comments in their order."""
    found = [
        (s.line.number, place, s.kind, s.id, " ".join(s.formula.split()))
        for place, s in enumerate(statements(joined_lines(lines)))
    ]
    for line in lines:
        comment = _COMMENT.match(line.text)
        if comment and comment[1]:
            found.append((line.number, -1, "text", "", comment[1]))
    yield from ((number, kind, symbol, formula) for number, _, kind, symbol, formula in sorted(found))
