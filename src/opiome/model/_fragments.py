"""Antimony fragments: reading them, filling their placeholders, knowing where each line came from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opiome.errors import Problem, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from opiome.model._tables import Table

__all__ = [
    "Instance",
    "Line",
    "bindings_of",
    "expand",
    "fill",
    "instances_of",
    "joined_lines",
    "read_fragments",
    "statements",
]

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_OPEN_ENDS = ("+", "-", "*", "/", "^", ",", "(", "=", "&&", "||")
_FRAME = re.compile(r"^\s*(model|module|end|import|using|function|at)\b(?!\s*(?:'|:?=))")
_ALGEBRAIC = re.compile(r"^\s*\d[\d.]*\s*=(?![=>])")
_CALL = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        "abs ceil exp factorial floor ln log log10 max min piecewise pow power quotient rem root sqr sqrt "
        "sin cos tan sec csc cot sinh cosh tanh sech csch coth asin acos atan asec acsc acot asinh acosh "
        "atanh arcsin arccos arctan and or not xor implies eq neq gt lt geq leq delay",
    )
)
"""What Antimony can call and the engine or a better message (``delay``) understands."""
_COMMENT = re.compile(r"(//|#).*$")
_DEFINITION = re.compile(
    r"^(?:(?:\w+\s*:(?!=))|(?:(?P<id>[A-Za-z_]\w*)\s*(?P<kind>'?\s*:?=)(?![>=])))\s*(?P<rest>.*)$"
)


@dataclass(frozen=True)
class Line:
    """One line of assembled Antimony text and where it was written."""

    text: str
    file: Path
    number: int
    instance: str = ""

    @property
    def code(self) -> str:
        """The line without its comment."""
        return _COMMENT.sub("", self.text)

    def problem(
        self,
        message: str,
        *,
        field: str | None = None,
        expected: str | None = None,
        remedy: str | None = None,
    ) -> Problem:
        """Return a problem at this line; the instance is named, as one line may stand for several."""
        if self.instance:
            message = f"{message} (in instance '{self.instance}')"
        return Problem(message, self.file, self.number, None, field, expected, remedy)


@dataclass(frozen=True)
class Statement:
    """A definition in a fragment: ``id := ...`` (rule), ``id' = ...`` (rate) or ``id = ...`` (initial)."""

    id: str
    kind: str
    formula: str
    line: Line


@dataclass(frozen=True)
class Instance:
    """A fragment under one set of placeholder values."""

    fragment: str
    name: str
    bindings: dict[str, str]


def bindings_of(text: str) -> dict[str, str]:
    """Read ``seg=left up=right`` as a dict; parts without ``=`` raise ValueError."""
    pairs = [part.split("=", 1) for part in text.replace(";", " ").split()]
    return {key: value for key, value in pairs}  # noqa: C416 - a part without "=" must raise here


def instances_of(table: Table, fragments: Iterable[str]) -> tuple[list[Instance], list[Problem]]:
    """Read ``instances.tsv``; a fragment that it does not name is used once, as it stands."""
    names = list(fragments)
    found: list[Instance] = []
    problems: list[Problem] = []
    for row in table:
        fragment = row.text("fragment").removesuffix(".ant")
        if fragment not in names:
            guess = nearest(fragment, names)
            problems.append(
                row.problem(
                    f"unknown fragment '{fragment}'",
                    "fragment",
                    expected="a file of mechanisms/ without '.ant'",
                    remedy=f"did you mean '{guess}'?" if guess else "add the file or remove the row",
                )
            )
            continue
        try:
            found.append(Instance(fragment, row.text("instance"), bindings_of(row.text("bindings"))))
        except ValueError:
            problems.append(
                row.problem(
                    f"'{row.text('bindings')}' cannot be read",
                    "bindings",
                    expected="name=value pairs, such as 'seg=left up=right'",
                    remedy="write each binding as name=value",
                )
            )
    repeated = {instance.fragment for instance in found}
    return [*(Instance(name, "", {}) for name in names if name not in repeated), *found], problems


def read_fragments(folder: Path) -> tuple[dict[str, list[Line]], list[Problem]]:
    """Read ``mechanisms/*.ant`` in the order of their names."""
    fragments: dict[str, list[Line]] = {}
    problems = []
    for path in sorted((folder / "mechanisms").glob("*.ant")):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(
                Problem(f"cannot be read as UTF-8 text ({error})", file=path, remedy="save it as UTF-8")
            )
            continue
        fragments[path.stem] = [Line(line, path, n) for n, line in enumerate(text.splitlines(), start=1)]
    if not fragments:
        problems.append(
            Problem(
                "the model has no equations",
                file=folder / "mechanisms",
                expected="at least one Antimony fragment (*.ant)",
                remedy="check that this is a model folder",
            )
        )
    return fragments, problems


def fill(text: str, bindings: dict[str, str]) -> tuple[str, list[str]]:
    """Fill ``{name}`` placeholders; returns the text and the names that have no value."""
    missing = [name for name in _PLACEHOLDER.findall(text) if name not in bindings]
    return _PLACEHOLDER.sub(lambda m: bindings.get(m.group(1), m.group(0)), text), missing


def expand(fragments: dict[str, list[Line]], instances: list[Instance]) -> tuple[list[Line], list[Problem]]:
    """Write out every instance of every fragment."""
    lines: list[Line] = []
    problems = [problem for written in fragments.values() for problem in _improper(written)]
    for instance in instances:
        for line in joined_lines(fragments[instance.fragment]):
            code, missing = fill(line.code, instance.bindings)
            filled = Line(code, line.file, line.number, instance.name)
            problems.extend(
                filled.problem(
                    f"placeholder '{{{name}}}' has no value",
                    expected=f"one of {sorted(instance.bindings) or 'none'}",
                    remedy=f"bind '{name}=...' for fragment '{instance.fragment}' in instances.tsv",
                )
                for name in missing
            )
            lines.append(filled)
    return lines, problems


def _improper(lines: list[Line]) -> Iterable[Problem]:
    """Yield what a fragment must not hold: frames, algebraic rules, unknown functions, open brackets."""
    for line in lines:
        for part in line.code.split(";"):
            match = _FRAME.match(part)
            if match:
                yield line.problem(
                    f"'{match[1]}' does not belong into a fragment",
                    expected="equations, initial values and units",
                    remedy="remove the statement: the loader writes the frame of the model",
                )
            elif _ALGEBRAIC.match(part):
                yield line.problem(
                    f"algebraic rule '{part.strip()}' is not supported",
                    expected="a rule ':=' or a rate",
                    remedy="solve it for one variable and write ':='",
                )
            elif not match:
                yield from _unknown_functions(line, part)
    opened = None
    depth = 0
    for line in lines:
        before, depth = depth, depth + line.code.count("(") - line.code.count(")")
        opened = line if before == 0 < depth else opened
    if depth > 0 and opened is not None:
        yield opened.problem("a bracket is opened and never closed", remedy="close it")


def _unknown_functions(line: Line, statement: str) -> Iterable[Problem]:
    for name in _CALL.findall(statement):
        if name not in FUNCTIONS and name != "at":
            guess = nearest(name, FUNCTIONS)
            yield line.problem(
                f"unknown function '{name}'",
                expected="a function of Antimony, such as exp, ln, max or piecewise",
                remedy=f"did you mean '{guess}'?" if guess else "write the formula with known functions",
            )


def joined_lines(lines: list[Line]) -> Iterable[Line]:
    """Join the lines of a formula that goes on while a bracket is open or an operator ends the line.

    Antimony itself wants every statement on one line.
    """
    text, first = "", None
    for line in lines:
        first = first or line
        text = f"{text} {line.code.strip()}" if text else line.code
        if text.count("(") > text.count(")") or text.rstrip().endswith(_OPEN_ENDS):
            continue
        yield Line(text, first.file, first.number)
        text, first = "", None
    if first:
        yield Line(text, first.file, first.number)


def statements(lines: Iterable[Line]) -> list[Statement]:
    """Return the definitions in assembled text (a formula that runs over several lines: its first part)."""
    found = []
    for line in lines:
        for part in line.code.split(";"):
            match = _DEFINITION.match(part.strip())
            if match and match["id"]:
                kind = match["kind"].replace(" ", "")
                found.append(
                    Statement(
                        match["id"], {":=": "rule", "'=": "rate", "=": "initial"}[kind], match["rest"], line
                    )
                )
    return found
