"""Long straight-line code cut into device functions short enough for a compiler.

Type inference and register allocation take time that grows faster than the length of a function. Values that
cross a cut wait in a scratch array; a slot is used again once its value has been read for the last time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MOST = 400  # statements per function
NAME = re.compile(r"\bv\d+\b")
TRUTH = re.compile(r" (<|<=|==|and|or) |^not ")


@dataclass
class Piece:
    """Statements of one function, with what it loads before and stores after."""

    lines: list[str]
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    @property
    def text(self) -> list[str]:
        """All statements in order."""
        return [*self.before, *self.lines, *self.after]


@dataclass
class Uses:
    """Where values are computed and read: numbers of pieces."""

    made: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    truth: set[str] = field(default_factory=set)
    readers: list[list[str]] = field(default_factory=list)  # per piece, what earlier ones computed

    def add(self, k: int, lines: list[str]) -> None:
        """Read the statements of piece k."""
        read: dict[str, None] = {}
        for line in lines:
            target, _, expression = line.partition(" = ")
            for name in NAME.findall(expression):
                self.last[name] = k
                if self.made[name] < k:
                    read[name] = None
            if NAME.fullmatch(target):
                self.made[target] = k
                if TRUTH.search(expression):
                    self.truth.add(target)
        self.readers.append(list(read))

    def crossing(self, k: int) -> list[str]:
        """What piece k computes for later ones."""
        return [name for name, at in self.made.items() if at == k < self.last.get(name, k)]


def pieces(lines: list[str], most: int = MOST) -> tuple[list[Piece], int]:
    """Cut statements ``name = value`` or ``array[row] = name``; also the size of the scratch array ``w``."""
    parts = [Piece(lines[i : i + most]) for i in range(0, len(lines), most)] or [Piece([])]
    uses = Uses()
    for k, part in enumerate(parts):
        uses.add(k, part.lines)
    slot: dict[str, int] = {}
    free: list[int] = []
    size = 0
    for k, part in enumerate(parts):
        for name in uses.readers[k]:
            part.before.append(f"{name} = w[{slot[name]}]" + (" != 0.0" if name in uses.truth else ""))
            if uses.last[name] == k:
                free.append(slot[name])
        for name in uses.crossing(k):
            if not free:
                free.append(size)
                size += 1
            slot[name] = free.pop()
            part.after.append(f"w[{slot[name]}] = {name}")
    return parts, size


def functions(name: str, arguments: str, lines: list[str], most: int = MOST) -> str:
    """The text of a device function, whole or as one that calls its pieces."""
    parts, size = pieces(lines, most)
    if len(parts) == 1:
        return function(name, arguments, parts[0].lines)
    texts = [function(f"{name}_{k}", f"{arguments}, w", part.text) for k, part in enumerate(parts)]
    calls = [f"{name}_{k}({arguments}, w)" for k in range(len(parts))]
    scratch = f"w = cuda.local.array({max(1, size)}, np.float64)"
    return "\n".join([*texts, function(name, arguments, [scratch, *calls])])


def function(name: str, arguments: str, lines: list[str]) -> str:
    """The text of one device function."""
    body = "\n".join(f"    {line}" for line in lines or ["pass"])
    return f"\n@cuda.jit(device=True)\ndef {name}({arguments}):\n{body}\n"
