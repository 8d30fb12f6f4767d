"""Formulas as LaTeX: parsed by libSBML, names written as people read them, long lines broken where they add.

A formula is made of pieces; between two of them a line may end. A fraction is one piece unless it is wider
than a line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from opiome.report._layout_tables import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

    import libsbml

__all__ = ["Writer", "equation", "plain"]

_LINE = 88.0
"""Letters on a line, about."""
_SHORT = 36.0
"""A bracket of fewer letters stays on one line."""
_PART = re.compile(r"\{(\w+)\}|([^_{}]+)")
_HOLE = re.compile(r"\{(\w+)\}")
_SUM, _PRODUCT, _ATOM = 1, 2, 3
_SIDES = {"rate": r"\frac{\mathrm{d}}{\mathrm{d}t}\,%s", "rule": "%s", "initial": "%s(0)"}
_RELATIONS = {"lt": "<", "gt": ">", "leq": r"\le", "geq": r"\ge", "eq": "=", "neq": r"\ne"}


@dataclass(frozen=True)
class Piece:
    """LaTeX that stays on one line, how many letters wide it is, and how deep a break before it lies."""

    text: str
    width: float
    depth: int = 0


@dataclass(frozen=True)
class Formula:
    """Pieces of a formula, and how strongly they hold together (sum, product, atom)."""

    pieces: tuple[Piece, ...]
    level: int

    @property
    def text(self) -> str:
        """The formula on one line."""
        return " ".join(piece.text for piece in self.pieces)

    @property
    def width(self) -> float:
        """Letters of the formula."""
        return sum(piece.width for piece in self.pieces)


def _atom(text: str, width: float) -> Formula:
    return Formula((Piece(text, width),), _ATOM)


def _after(sign: str, formula: Formula) -> tuple[Piece, ...]:
    first, *rest = formula.pieces
    return (Piece(f"{sign} {first.text}", first.width + 2), *rest)


def _deeper(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    return tuple(replace(piece, depth=piece.depth + 1) for piece in pieces)


def _bracketed(formula: Formula, least: int) -> Formula:
    """The formula, in brackets where it holds together less than ``least``."""
    if formula.level >= least:
        return formula
    first, *rest = formula.pieces
    if not rest or formula.width < _SHORT:
        return _atom(rf"\left({formula.text}\right)", formula.width + 1)
    last = rest.pop()
    size = "Big" if r"\frac" in formula.text else "big"
    pieces = (
        Piece(rf"\{size}l({first.text}", first.width + 0.5),
        *_deeper(rest),
        Piece(rf"{last.text}\{size}r)", last.width + 0.5, last.depth + 1),
    )
    return Formula(pieces, _ATOM)


@cache
def _words() -> dict[str, dict[str, str]]:
    return {row["word"]: row for row in read_rows("symbols.tsv")}


@dataclass(frozen=True)
class Writer:
    """How names are written.

    Attributes:
        instances: what stands for a repeated part (``right``, ``opioid``).
        repeated: names in front of which that is a subscript (``right_water``, but not ``opioid_opening``).
        is_number: whether a name is a number of a table (italic) and not a variable (upright).
    """

    instances: AbstractSet[str]
    repeated: AbstractSet[str]
    is_number: Callable[[str], bool]

    def symbol(self, name: str) -> Formula:
        """A name, placeholders and instances as subscripts; a gate of an edge as a gamma."""
        if name == "{gate}":
            return _atom(r"\gamma", 1)
        if name.startswith("edge_"):
            about = name.removeprefix("edge_").replace("_", " ")
            return _atom(rf"\gamma_{{\text{{{about}}}}}", 1 + 0.7 * len(about))
        parts = [(match[1], match[2]) for match in _PART.finditer(name)]
        holes = [hole for hole, _ in parts if hole]
        words = [word for _, word in parts if word] or [holes.pop()]
        under = [rf"\textit{{{hole.replace('_', ' ')}}}" for hole in holes]
        size = sum(len(hole) for hole in holes)
        lead: list[str] = []
        while len(words) > 1 and name in self.repeated and self.instances & {words[0], words[-1]}:
            lead.append(words.pop(0 if words[0] in self.instances else -1))
        known = _words()
        tail: list[str] = []
        if len(words) > 1 and words[-1] in known and not known[words[-1]]["text"]:
            tail = [known[words.pop()]["subscript"]]
        mark = next((place for place in (0, -1) if known.get(words[place], {}).get("base")), None)
        if mark is not None:
            row = known[words.pop(mark)]
            base, width = row["base"], 1.5
            tail = [t for t in (row["subscript"], " ".join(map(plain, words)), *tail) if t]
        else:
            said = " ".join(map(plain, words))
            base, width = rf"\{'textit' if self.is_number(name) else 'text'}{{{said}}}", float(len(said))
        told = [rf"\text{{{text}}}" for text in (*tail, *lead)]
        size += sum(len(text) for text in (*tail, *lead))
        below = ",".join([*told, *under])
        return _atom(f"{base}_{{{below}}}" if below else base, width + 0.7 * size)

    def formula(self, text: str) -> Formula:
        """A formula of Antimony.

        Raises:
            ValueError: libSBML cannot read it.
        """
        import libsbml

        held: dict[str, str] = {}

        def hold(match: re.Match[str]) -> str:
            word = f"ZZ{match[1].replace('_', '')}ZZ"
            held[word] = match[0]
            return word

        node = libsbml.parseL3Formula(_HOLE.sub(hold, text))
        if node is None:
            raise ValueError(libsbml.getLastParseL3Error())
        return self._node(node, held)

    def _node(self, node: libsbml.ASTNode, held: dict[str, str]) -> Formula:
        import libsbml

        kind = node.getType()
        if kind in {libsbml.AST_TIMES, libsbml.AST_DIVIDE}:
            return self._fractions(node, held)
        parts = [self._node(node.getChild(i), held) for i in range(node.getNumChildren())]
        if node.isNumber():
            return _number(node)
        if kind in {libsbml.AST_PLUS, libsbml.AST_MINUS}:
            return _sum(parts) if kind == libsbml.AST_PLUS else _difference(parts)
        if kind in {libsbml.AST_POWER, libsbml.AST_FUNCTION_POWER}:
            return _power(*parts, bare=node.getChild(0).isName() or node.getChild(0).isNumber())
        if kind in {libsbml.AST_NAME, libsbml.AST_NAME_TIME}:
            name = node.getName()
            for word, hole in held.items():
                name = name.replace(word, hole)
            return self.symbol(name)
        return _function(node.getName() or "", parts)

    def _fractions(self, node: libsbml.ASTNode, held: dict[str, str]) -> Formula:
        """A chain of factors and divisors: ``a*b/c/d*e/f`` is ``ab/(cd)`` times ``e/f``."""
        import libsbml

        groups: list[tuple[list[Formula], list[Formula]]] = [([], [])]

        def read(part: libsbml.ASTNode) -> None:
            if part.getType() == libsbml.AST_TIMES:
                for i in range(part.getNumChildren()):
                    read(part.getChild(i))
            elif part.getType() == libsbml.AST_DIVIDE:
                read(part.getChild(0))
                groups[-1][1].append(self._node(part.getChild(1), held))
            else:
                if groups[-1][1]:
                    groups.append(([], []))
                groups[-1][0].append(self._node(part, held))

        read(node)
        return _product([_fraction(_product(over), under) for over, under in groups])


def _number(node: libsbml.ASTNode) -> Formula:
    value = float(node.getValue())
    text = f"{value:g}"
    mantissa, found, power = text.partition("e")
    if found:
        text = (f"{mantissa} \\cdot " if mantissa != "1" else "") + f"10^{{{int(power)}}}"
    unit = node.getUnits().replace("_per_", "/").replace("_", " ")
    if unit and unit != "dimensionless":
        return _atom(rf"{text}\,\mathrm{{{unit}}}", len(text) + len(unit))
    return _atom(text, len(text))


def _sum(parts: list[Formula]) -> Formula:
    pieces = _term(parts[0])
    for part in parts[1:]:
        pieces += _term(part) if part.text.startswith("-") else _signed("+", part)
    return Formula(pieces, _SUM)


def _difference(parts: list[Formula]) -> Formula:
    if len(parts) == 1:
        return Formula(_signed("-", _bracketed(parts[0], _PRODUCT)), _SUM)
    return Formula(_term(parts[0]) + _signed("-", _bracketed(parts[1], _PRODUCT)), _SUM)


def _term(formula: Formula) -> tuple[Piece, ...]:
    """A term of a sum: lines break between terms rather than inside one."""
    return formula.pieces if formula.level == _SUM else (formula.pieces[0], *_deeper(formula.pieces[1:]))


def _signed(sign: str, formula: Formula) -> tuple[Piece, ...]:
    first, *rest = _after(sign, formula)
    return (first, *rest) if formula.level == _SUM else (first, *_deeper(rest))


def _product(parts: list[Formula]) -> Formula:
    if len(parts) == 1:
        return parts[0]
    inner = [_bracketed(part, _PRODUCT) for part in parts]
    pieces = inner[0].pieces
    for part in inner[1:]:
        pieces += _after(r"\cdot", part)
    return Formula(pieces, _PRODUCT)


def _power(base: Formula, exponent: Formula, *, bare: bool) -> Formula:
    under = base if bare else _atom(rf"\left({base.text}\right)", base.width + 1)
    return _atom(f"{{{under.text}}}^{{{exponent.text}}}", under.width + 0.7 * exponent.width)


def _fraction(over: Formula, divisors: list[Formula]) -> Formula:
    if not divisors:
        return over
    under = _product(divisors)
    width = max(over.width, under.width)
    if width <= _LINE:
        return Formula((Piece(rf"\frac{{{over.text}}}{{{under.text}}}", width),), _PRODUCT)
    left = _bracketed(over, _PRODUCT)
    return Formula(left.pieces + _after(r"\big/", _bracketed(under, _ATOM)), _PRODUCT)


def _function(name: str, parts: list[Formula]) -> Formula:
    inner, width = ", ".join(part.text for part in parts), sum(part.width for part in parts)
    if name == "sqrt":
        return _atom(rf"\sqrt{{{parts[-1].text}}}", width + 2)
    if name == "abs":
        return _atom(rf"\left|{inner}\right|", width + 1)
    if name in _RELATIONS:
        sides = f" {_RELATIONS[name]} ".join(part.text for part in parts)
        return Formula((Piece(sides, width + 2),), _SUM)
    if name == "piecewise":
        rows = [rf"{parts[i].text} & \text{{if }} {parts[i + 1].text}" for i in range(0, len(parts) - 1, 2)]
        rows += [rf"{parts[-1].text} & \text{{otherwise}}"] if len(parts) % 2 else []
        told = " \\\\ ".join(rows)
        return _atom(rf"\begin{{cases}}{told}\end{{cases}}", width + 8)
    known = name if name in {"ln", "exp", "min", "max", "log", "sin", "cos", "tanh"} else ""
    head = rf"\{known}" if known else rf"\operatorname{{{name}}}"
    return _atom(rf"{head}\!\left({inner}\right)", width + len(name) + 1)


def plain(word: str) -> str:
    """A word of a name as people write it: ``il6`` is IL-6."""
    row = _words().get(word)
    return (row["text"] or word) if row else word


def equation(writer: Writer, kind: str, name: str, formula: str) -> str:
    """One equation as LaTeX for display; lines after the first are indented.

    Args:
        writer: how names are written.
        kind: ``rate``, ``rule`` or ``initial``.
        name: what the equation gives.
        formula: in Antimony's notation.
    """
    left = writer.symbol(name)
    side = _SIDES[kind] % left.text
    lines = _lines(writer.formula(formula).pieces, _LINE - left.width - 5)
    if len(lines) == 1:
        return f"{side} = {lines[0]}"
    rest = [rf"& \quad {{}} {line}" for line in lines[1:]]
    told = [rf"{side} = {{}} & {lines[0]}", *rest]
    return "\n".join([r"\begin{aligned}", " \\\\\n".join(told), r"\end{aligned}"])


def _lines(pieces: tuple[Piece, ...], room: float) -> list[str]:
    """Break a formula where it holds together least, as deep as the width of a line asks for."""
    lines: list[list[Piece]] = []
    for deepest in range(1 + max(piece.depth for piece in pieces)):
        parts: list[list[Piece]] = []
        for piece in pieces:
            if parts and piece.depth > deepest:
                parts[-1].append(piece)
            else:
                parts.append([piece])
        lines = []
        for part in parts:
            if lines and _width(lines[-1]) + _width(part) <= room:
                lines[-1] += part
            else:
                lines.append(part)
        if all(_width(line) <= room for line in lines):
            break
    return [" ".join(piece.text for piece in line) for line in lines]


def _width(pieces: Iterable[Piece]) -> float:
    return sum(piece.width for piece in pieces)
