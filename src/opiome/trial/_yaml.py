"""Reading YAML with the place of every key and value; anchors, tags and deep nesting are refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from opiome.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ruamel.yaml.error import StringMark
    from ruamel.yaml.events import Event

__all__ = ["Document", "Place", "Steps", "read_yaml"]

Steps = tuple["str | int", ...]
MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
_INTEGER = re.compile(r"[-+]?\d{1,18}")
_FLOAT = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "~": None, "": None}
_PRINTABLE = frozenset("\t\n\r")


@dataclass(frozen=True)
class Place:
    """Line and column (from 1) of a key and its value; ``offset`` is where the value's text begins."""

    key: tuple[int, int]
    value: tuple[int, int]
    offset: int | None = None


@dataclass
class Document:
    """A YAML file as plain data, the place of everything in it, and what is wrong with it."""

    file: Path
    data: Any = None
    places: dict[Steps, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Steps) -> Place:
        """Return the place of a path, or of the nearest part above it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place((1, 1), (1, 1)))


def read_yaml(file: Path) -> Document:
    """Read a YAML file; what is wrong is in ``problems``, ``data`` is None where nothing can be used."""
    document = Document(file)
    text = _text(document)
    if text is not None:
        _Builder(document).build(text)
    return document


def _text(document: Document) -> str | None:
    file = document.file
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        document.problems.append(Problem(f"cannot be read ({error.strerror})", file=file))
        return None
    if len(raw) > MAX_BYTES:
        size = file.stat().st_size / 2**20
        document.problems.append(
            Problem(
                f"is {size:.1f} MB" if size >= 1 else "is too large",
                file=file,
                expected=f"a study file of at most {MAX_BYTES // 1024} kB",
                remedy="name a study file (`opiome studies` lists those that come with opiome)",
            )
        )
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        document.problems.append(
            Problem("is not a text file in UTF-8", file=file, line=line, expected="a study file in YAML")
        )
        return None
    for number, line_text in enumerate(text.splitlines(), start=1):
        odd = next((i for i, c in enumerate(line_text) if c < " " and c not in _PRINTABLE), None)
        if odd is not None:
            document.problems.append(
                Problem(
                    "holds control characters: it is not a text file",
                    file=file,
                    line=number,
                    column=odd + 1,
                    expected="a study file in YAML",
                )
            )
            return None
    return text


class _Stop(Exception):  # noqa: N818  # a signal within this module, never seen outside
    """The file cannot be used any further."""


class _Builder:
    """Builds plain data from YAML events: no recursion, no object construction."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.path: list[str | int] = []
        self.stack: list[Any] = []
        self.key: tuple[str, tuple[int, int]] | None = None
        self.seen = 0

    def build(self, text: str) -> None:
        try:
            self._events(YAML(typ="safe", pure=True).parse(text))
        except _Stop:
            self.document.data = None
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._stop_at(error.problem or "is not YAML", mark)
        except (YAMLError, ValueError) as error:
            self._stop_at(str(error).splitlines()[0], None)

    def _events(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, NodeEvent):
                self._plain_only(event)
            if isinstance(event, MappingStartEvent):
                self._open({}, event)
            elif isinstance(event, SequenceStartEvent):
                self._open([], event)
            elif isinstance(event, CollectionEndEvent):
                self._close()
            elif isinstance(event, ScalarEvent):
                self._scalar(event)
            elif isinstance(event, DocumentStartEvent):
                self.seen += 1
                if self.seen > 1:
                    self._refuse("a second document begins here", event, "keep one study in a file")

    def _plain_only(self, event: NodeEvent) -> None:
        if isinstance(event, AliasEvent) or event.anchor:
            self._refuse("anchors and aliases (& and *) are not supported", event, "write the part out again")
        tag = getattr(event, "tag", None)
        if tag is not None and str(tag) not in {"!", "None"}:
            self._refuse(f"the tag '{tag}' is not supported", event, "remove it")

    def _refuse(self, message: str, event: Event, remedy: str) -> None:
        self._report(message, event.start_mark, remedy)
        raise _Stop

    def _report(self, message: str, mark: StringMark | None, remedy: str | None = None) -> None:
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
        self.document.problems.append(
            Problem(message, file=self.document.file, line=line, column=column, remedy=remedy)
        )

    def _stop_at(self, message: str, mark: StringMark | None) -> None:
        self.document.data = None
        self._report(
            f"is not valid YAML ({message})", mark, "correct the indentation, quotes or brackets here"
        )

    def _open(self, container: dict[str, Any] | list[Any], event: Event) -> None:
        if len(self.stack) >= MAX_DEPTH:
            self._refuse(
                f"is nested more than {MAX_DEPTH} levels deep", event, "a study file needs at most 6"
            )
        if self.stack and isinstance(self.stack[-1], dict) and self.key is None:
            self._refuse("a list or mapping cannot be a key", event, "write a name before the colon")
        self._place(container, event, None)
        self.stack.append(container)

    def _close(self) -> None:
        self.stack.pop()
        if self.path:
            self.path.pop()

    def _scalar(self, event: ScalarEvent) -> None:
        if self.stack and isinstance(self.stack[-1], dict) and self.key is None:
            at = (event.start_mark.line + 1, event.start_mark.column + 1)
            if event.value in self.stack[-1]:
                self._report(f"the key '{event.value}' is given twice", event.start_mark, "keep one of them")
            self.key = (event.value, at)
            return
        plain = event.style is None
        offset = 0 if plain else 1 if event.style in {"'", '"'} else None
        self._place(_value(event.value) if plain else event.value, event, offset)
        if self.stack:
            self.path.pop()

    def _place(self, value: object, event: Event, offset: int | None) -> None:
        """Put a value where the builder stands; the path then ends with its key or position."""
        at = (event.start_mark.line + 1, event.start_mark.column + 1)
        if not self.stack:
            self.document.data = value
            self.document.places[()] = Place(at, at, offset)
            return
        parent = self.stack[-1]
        if isinstance(parent, list):
            self.path.append(len(parent))
            parent.append(value)
            key_at = at
        else:
            name, key_at = self.key or ("", at)
            self.key = None
            self.path.append(name)
            parent[name] = value
        self.document.places[tuple(self.path)] = Place(key_at, key_at if value is None else at, offset)


def _value(text: str) -> object:
    """A plain scalar by the core schema of YAML 1.2, without the odd numbers (octal, .inf)."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
