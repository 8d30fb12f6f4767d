"""Cells and tables of Markdown: text as it is, sources as links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["cell", "linked", "sourced", "spread", "table"]

_SPECIAL = re.compile(r"([\\`*_\[\]{}<>|$#~])")
_SOURCE = re.compile(
    r"(?P<doi>(?:doi:?\s*)?10\.\d{4,9}/[^\s;,]*[^\s;,.:)])|(?P<pmid>PMID:?\s*\d+)|(?P<pmc>PMC\d+)",
    re.IGNORECASE,
)


def cell(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def linked(text: str) -> str:
    """A source with its DOIs, PMIDs and PMC numbers as links."""
    parts, end = [], 0
    for match in _SOURCE.finditer(text):
        parts += [cell(text[end : match.start()]), " " if text[end : match.start()].endswith(" ") else ""]
        parts.append(_link(match))
        end = match.end()
        parts.append(" " if text[end : end + 1] == " " else "")
    return "".join([*parts, cell(text[end:])]).strip()


def _link(match: re.Match[str]) -> str:
    found = match[0]
    if match["doi"]:
        doi = found[found.index("10.") :]
        return f"[doi:{cell(doi)}](<https://doi.org/{doi}>)"
    if match["pmid"]:
        return f"[{found}](https://pubmed.ncbi.nlm.nih.gov/{re.sub(r'[^0-9]', '', found)}/)"
    return f"[{found}](https://pmc.ncbi.nlm.nih.gov/articles/{found.upper()}/)"


def sourced(source: str, note: str) -> str:
    """A source with its links, then the note as a sentence of its own."""
    told = cell(note[:1].upper() + note[1:]) if source else cell(note)
    return ". ".join(part for part in (linked(source).rstrip("."), told) if part)


def spread(row: Mapping[str, Any]) -> str:
    """How a number differs between people, and its plausible range."""
    parts = []
    if row["distribution"] not in {"", "fixed"} and row["cv"]:
        kind = "SD on the logit scale" if row["distribution"] == "logitnormal" else "CV"
        size = f"{row['cv']:g}" if kind != "CV" else f"{100 * row['cv']:g} %"
        parts.append(f"{row['distribution']}, {kind} {size}")
    if row["covariates"]:
        parts.append(cell(row["covariates"].replace(";", "; ").replace("  ", " ")))
    if row["lower"] is not None and row["upper"] is not None:
        parts.append(f"{row['lower']:g} to {row['upper']:g}")
    return "; ".join(parts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; columns that are empty in every row are left out."""
    kept = [i for i, name in enumerate(head) if any(row[i] for row in rows) or (not rows and name)]
    lines = [[head[i] for i in kept], ["---"] * len(kept), *([row[i] for i in kept] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
