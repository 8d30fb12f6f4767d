"""What pydantic found wrong with a study, said in the words of the study file."""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Annotated, Union, get_args, get_origin

from opiome.errors import InputError, Problem, nearest
from opiome.trial._fields import Part
from opiome.trial._schema import Study

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from opiome.trial._yaml import Document, Steps

__all__ = ["field_name", "of_validation", "problem_at", "unknown"]

_REMOVE = "remove it"
_TYPES = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping (name: value)",
    "model_type": "a mapping (name: value)",
    "model_attributes_type": "a mapping (name: value)",
}


def field_name(path: Sequence[str | int]) -> str:
    """Write a path as ``arms.placebo.regimen[0]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def problem_at(document: Document, path: Steps, problem: Problem, *, key: bool = False) -> Problem:
    """Place a problem at a path of the file; a column it has counts from the start of the value's text."""
    place = document.place(path)
    line, column = place.key if key or place.offset is None else place.value
    if problem.column is not None and place.offset is not None and not key:
        column += place.offset + problem.column - 1
    field = _one_line(field_name(path)) or None
    message, remedy = _one_line(problem.message), problem.remedy and _one_line(problem.remedy)
    return problem.at(
        file=document.file, line=line, column=column, field=field, message=message, remedy=remedy
    )


def unknown(word: str, known: Collection[str], what: str) -> Problem:
    """A name that is none of the known ones."""
    near = nearest(word, known)
    return Problem(
        f"unknown {what} '{word}'",
        expected=f"one of {', '.join(known)}" if known else None,
        remedy=f"did you mean '{near}'?" if near else None,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def of_validation(error: ValidationError, document: Document, root: type[Part] = Study) -> list[Problem]:
    """Every problem of a validation error of a ``root``, in the order of the file."""
    found = error.errors(include_url=False)
    places = [item["loc"] for item in found]
    meant = {
        (*loc[:-1], _meant(loc, root)) for loc in (i["loc"] for i in found if i["type"] == "extra_forbidden")
    }
    problems = []
    for item in found:
        loc, kind = item["loc"], item["type"]
        if kind == "too_short" and any(len(o) > len(loc) and o[: len(loc)] == loc for o in places):
            continue  # pydantic counts the items that were good
        if kind == "missing" and loc in meant:
            continue  # it is there, misspelt
        problems += _translate(item, document, root)
    return problems


def _translate(item: ErrorDetails, document: Document, root: type[Part]) -> list[Problem]:
    loc, kind, context = item["loc"], item["type"], item.get("ctx", {})
    path = _file_path(loc, document)
    raised = context.get("error")
    if kind == "value_error" and isinstance(raised, InputError):
        return [problem_at(document, path, problem) for problem in raised.problems]
    if kind == "missing":
        problem = Problem(f"'{path[-1]}' is missing", expected=_meaning(loc, root))
        return [problem_at(document, path[:-1], problem, key=True)]
    if kind == "extra_forbidden":
        return [problem_at(document, path, _unknown_key(loc, root), key=True)]
    if kind.startswith("union_tag"):
        return [_wrong_rule(path, context.get("tag"), document)]
    if path and path[-1] == "[key]":
        problem = Problem(
            f"'{item['input']}' is not a name", expected="letters, digits, '_', '-'; a letter first"
        )
        return [problem_at(document, path[:-1], problem, key=True)]
    return [problem_at(document, path, _wrong_value(item, root))]


def _wrong_rule(path: Steps, tag: str | None, document: Document) -> Problem:
    if tag is None:
        problem = Problem("'rule' is missing", expected=f"one of {', '.join(_rule_names())}")
        return problem_at(document, path, problem, key=True)
    return problem_at(document, (*path, "rule"), _choice(tag, _rule_names(), "rule"))


def _wrong_value(item: ErrorDetails, root: type[Part]) -> Problem:
    if item["type"] == "literal_error":
        return _literal(item["loc"], item["input"], root)
    if item["type"] == "too_short":
        return Problem(f"{_shown(item['input'])} holds nothing", expected="at least 1 item")
    if item["type"] in _TYPES:
        return Problem(f"{_shown(item['input'])} does not fit", expected=_TYPES[item["type"]])
    return Problem(f"{_shown(item['input'])}: {_lower(item['msg'])}")


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None:
        return "an empty value"
    text = str(value)
    return f"'{text[:60]}{'...' if len(text) > 60 else ''}'"  # noqa: PLR2004  # a message stays one paragraph


def _lower(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _file_path(loc: tuple[str | int, ...], document: Document) -> Steps:
    """The path in the file: pydantic names the chosen rule of an endpoint as a step of its own."""
    steps: list[str | int] = []
    data = document.data
    for step in loc:
        if isinstance(data, dict) and step not in data and data.get("rule") == step:
            continue
        steps.append(step)
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            data = None
    return tuple(steps)


def _keys(loc: tuple[str | int, ...], root: type[Part]) -> tuple[str, ...]:
    part = _part(loc, root)
    return tuple(part.model_fields) if part else ()


def _meant(loc: tuple[str | int, ...], root: type[Part]) -> str | None:
    """The key that an unknown key probably stands for."""
    return nearest(str(loc[-1]), _keys(loc[:-1], root))


def _unknown_key(loc: tuple[str | int, ...], root: type[Part]) -> Problem:
    name = str(loc[-1])
    problem = _choice(name, _keys(loc[:-1], root), "key")
    # a key that is known elsewhere is misplaced rather than misspelt
    if name in root.model_fields:
        return problem.at(remedy=f"'{name}' belongs at the top of the file")
    if place := _place(name, root, loc):
        return problem.at(remedy=f"'{name}' belongs under '{place}'")
    return problem


def _place(name: str, root: type[Part], loc: tuple[str | int, ...]) -> str | None:
    """The part of a file, directly under its root or under the part at hand, that has a key of this name."""
    here = _part(loc[:-1], root) if len(loc) > 1 else root
    for part in dict.fromkeys((here or root, root)):
        for key, field in part.model_fields.items():
            if any(name in inner.model_fields for inner in _parts(field.annotation)):
                return key
    return None


def _choice(given: str, known: Sequence[str], what: str) -> Problem:
    problem = unknown(given, known, what)
    return problem if problem.remedy else problem.at(remedy=_REMOVE)


def _literal(loc: tuple[str | int, ...], given: object, root: type[Part]) -> Problem:
    part = _part(loc[:-1], root)
    info = part.model_fields.get(str(loc[-1])) if part else None
    known = [str(value) for value in _literals(info.annotation)] if info else []
    near = nearest(str(given), known)
    return Problem(
        f"{_shown(given)} does not fit",
        expected=("one of " if len(known) > 1 else "") + ", ".join(known),
        remedy=f"did you mean '{near}'?" if near else None,
    )


def _literals(annotation: object) -> list[object]:
    if get_origin(annotation) in {Union, UnionType, Annotated}:
        return [value for inner in get_args(annotation) for value in _literals(inner)]
    return [value for value in get_args(annotation) if value is not None and not isinstance(value, type)]


def _meaning(loc: tuple[str | int, ...], root: type[Part]) -> str | None:
    """The first line of what the schema says about a key."""
    part = _part(loc[:-1], root)
    info = part.model_fields.get(str(loc[-1])) if part else None
    text = (info.description or "").splitlines()[0] if info and info.description else ""
    return _lower(text).rstrip(".") or None


def _rule_names() -> list[str]:
    endpoints = Study.model_fields["endpoints"].annotation
    return [str(name) for part in _parts(endpoints) for name in _tags(part)]


def _part(loc: Sequence[str | int], root: type[Part]) -> type[Part] | None:
    """The class that reads the part of a ``root`` at a location of pydantic's."""
    current: type[Part] = root
    annotation: object = root
    for step in loc:
        if isinstance(annotation, type) and issubclass(annotation, Part):
            info = annotation.model_fields.get(str(step))
            annotation = info.annotation if info else None
        elif isinstance(step, str):
            tagged = [p for p in _parts(annotation) if step in _tags(p)]
            annotation = tagged[0] if tagged else _item(annotation)
        else:
            annotation = _item(annotation)
        parts = _parts(annotation)
        if not parts:
            return None
        if len(parts) == 1 and get_origin(annotation) not in {tuple, dict}:
            annotation = parts[0]
        current = parts[0]
    return current if isinstance(annotation, type) else None


def _tags(part: type[Part]) -> list[object]:
    return _literals(part.model_fields["rule"].annotation) if "rule" in part.model_fields else []


def _item(annotation: object) -> object:
    """What a list or mapping holds."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return inner[1]
    if origin is tuple:
        return inner[0]
    if origin is Annotated:
        return _item(inner[0])
    return annotation


def _parts(annotation: object) -> list[type[Part]]:
    """The classes of study parts within an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return [annotation]
    return [part for inner in get_args(annotation) for part in _parts(inner)]
