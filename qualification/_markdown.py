"""Tables of results in Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDING = 0.0151
"""How far two printed numbers with two digits may differ: one in the last digit."""


@dataclass(frozen=True)
class Row:
    """One line of the results: what, of how many, what came out, what was expected, do they agree."""

    what: str
    n: str
    ours: str
    expected: str = ""
    agrees: bool | None = None

    def cells(self) -> tuple[str, ...]:
        """The line as table cells."""
        verdict = {True: "yes", False: "**no**", None: ""}[self.agrees]
        return self.what, self.n, self.ours, self.expected, verdict


def table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def results(rows: Sequence[Row]) -> str:
    """Result lines as a Markdown table."""
    return table([row.cells() for row in rows], ("what", "n", "here", "expected", "agree"))


def percent(value: float) -> str:
    """A fraction as a percentage with one digit."""
    return f"{100 * value:.1f}"
