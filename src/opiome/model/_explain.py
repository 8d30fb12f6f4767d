"""What the model knows about one of its names."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from opiome.errors import ModelError, Problem, nearest
from opiome.model._resolve import gate, split

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opiome.model._draft import Draft
    from opiome.model._fragments import Statement
    from opiome.model._model import Model
    from opiome.model._resolve import Parameter
    from opiome.model._tables import Row

__all__ = ["explain", "explain_in", "mechanism_rows", "users_of"]

_SIGN = {"rule": " :=", "rate": "' =", "initial": " ="}
_TITLE = re.compile(r"^\s*(?://|#)+\s*(.+?)\s*$")


def explain_in(name: str, folder: Path | str | None = None, species: str = "human") -> str:
    """Load a model folder (the shipped one by default) and explain one of its names."""
    from opiome.model._load import load

    return load(folder, species).explain(name)


def explain(model: Model, name: str) -> str:
    """Explain a parameter, edge, state, observable, node or drug; raises ModelError for an unknown name."""
    draft = model.draft
    found = draft.assembly.statements
    parts: list[str] = []
    edge = _row(draft, "edges", name.removeprefix("edge_"))
    if edge and (name == edge.text("id") or name == gate(edge.text("id"))):
        parts += _edge(edge, found)
    elif name in draft.parameters:
        parts += _parameter(draft.parameters[name], found)
    own = [s for s in found if s.id == name]
    if own:
        parts += _variable(draft, name, own, found)
        parts += _field(
            "terms", "; ".join(f"{t.relation} {t.name} ({t.id})" for t in model.terms.get(name, ()))
        )
    node = _row(draft, "nodes", name)
    if node:
        parts += [f"{name}: node of the map, '{node.text('label')}', shown by {node.text('observable')}"]
    if any(row.text("drug") == name for row in draft.tables["drugs"]):
        parts += _drug(draft, name)
    if not parts:
        known = {
            *draft.parameters,
            *(s.id for s in found),
            *(row.text("id") for row in draft.tables["edges"]),
        }
        known |= {row.text("id") for row in draft.tables["nodes"]} | {
            row.text("drug") for row in draft.tables["drugs"]
        }
        guess = nearest(name, known)
        raise ModelError(
            Problem(
                f"the model has nothing called '{name}'",
                expected="a parameter, edge, state, observable, node or drug",
                remedy=f"did you mean '{guess}'?" if guess else "'opiome model list' shows what there is",
            )
        )
    return "\n".join(parts)


def users_of(name: str, found: list[Statement]) -> list[Statement]:
    """Return the statements whose formula holds a symbol."""
    word = re.compile(rf"\b{re.escape(name)}\b")
    return [statement for statement in found if word.search(statement.formula)]


def mechanism_rows(draft: Draft) -> list[dict[str, object]]:
    """Return one row per fragment, for ``Model.mechanisms``."""
    rows = []
    for name, lines in draft.fragments.items():
        titles = (_TITLE.match(line.text) for line in lines)
        mine = {i.name for i in draft.instances if i.fragment == name}
        found = [s for s in draft.assembly.statements if s.line.file.stem == name]
        rows.append(
            {
                "id": name,
                "title": next((match[1] for match in titles if match), ""),
                "instances": " ".join(sorted(mine - {""})),
                "states": sum(s.kind == "rate" for s in found),
                "equations": sum(s.kind == "rule" for s in found),
                "parameters": sum(p.cells.get("mechanism") == name for p in draft.parameters.values()),
            }
        )
    return rows


def _row(draft: Draft, table: str, name: str) -> Row | None:
    return next((row for row in draft.tables[table] if row.text("id") == name), None)


def _field(label: str, value: object) -> list[str]:
    return (
        textwrap.wrap(f"{label}: {value}", 100, initial_indent="  ", subsequent_indent="    ")
        if value
        else []
    )


def _equation(statement: Statement) -> str:
    place = f"{statement.line.file.name}:{statement.line.number}"
    return f"    {statement.id}{_SIGN[statement.kind]} {' '.join(statement.formula.split())}    [{place}]"


def _used(name: str, found: list[Statement]) -> Iterator[str]:
    users = users_of(name, found)
    if users:
        yield "  appears in"
        yield from map(_equation, users)


def _parameter(item: Parameter, found: list[Statement]) -> list[str]:
    cells = item.cells
    lines = [f"{item.id} = {item.value:g} {item.unit}   (parameter, {item.row.file.name}:{item.row.line})"]
    spread = str(cells.get("distribution") or "fixed")
    if cells.get("cv") is not None:
        spread += f", between-subject CV {cells['cv']:g}"
    if cells.get("lower") is not None and cells.get("upper") is not None:
        spread += f", plausible {cells['lower']:g} to {cells['upper']:g}"
    for label, value in (
        ("distribution", spread),
        *(
            (c, cells.get(c))
            for c in ("covariates", "source", "grade", "species", "evidence", "mechanism", "note")
        ),
    ):
        lines += _field(label, value)
    return [*lines, *_used(item.id, found)]


def _edge(row: Row, found: list[Statement]) -> list[str]:
    name = gate(row.text("id"))
    contested = ", contested" if row.text("contested") in ("yes", "true", "1") else ""
    lines = [
        (
            f"{row.text('id')}: arrow {row.text('arrow')} from {row.text('from')} to {row.text('to')},"
            f" sign {row.text('sign')}, grade {row.text('grade')}{contested}"
            f"   (edge, {row.file.name}:{row.line})"
        ),
    ]
    lines += _field("gate", f"{name} = 1; 0 removes the mechanism")
    for column in ("species", "target", "scenario", "sources", "note"):
        lines += _field(column, row.text(column))
    return [*lines, *_used(name, found)]


def _variable(draft: Draft, name: str, own: list[Statement], found: list[Statement]) -> list[str]:
    kind = "state" if any(s.kind == "rate" for s in own) else "assignment rule"
    lines = [f"{name}   ({kind}, {own[0].line.file.name}:{own[0].line.number})"]
    observable = _row(draft, "observables", name)
    if observable:
        lines += _field("observable", f"{observable.text('label')} ({observable.text('unit')})")
        low, high = observable.number("low"), observable.number("high")
        if low is not None and high is not None:
            lines += _field("usual range", f"{low:g} to {high:g}")
        lines += _field("note", observable.text("note"))
    nodes = [row.text("id") for row in draft.tables["nodes"] if row.text("observable") == name]
    lines += _field("node of the map", ", ".join(nodes))
    lines += ["  equations", *map(_equation, own)]
    words = sorted({word for s in own for word in re.findall(r"[A-Za-z_]\w*", s.formula)} - {name})
    lines += _field(
        "depends on", ", ".join(w for w in words if w in draft.parameters or any(s.id == w for s in found))
    )
    return [*lines, *_used(name, [s for s in found if s.id != name])]


def _drug(draft: Draft, name: str) -> list[str]:
    lines = [f"{name}   (drug)"]
    for row in draft.tables["drugs"]:
        if row.text("drug") == name:
            mass = row.number("molar_mass")
            lines += _field(
                row.text("formulation") or "formulation",
                "; ".join(
                    filter(
                        None,
                        (
                            row.text("class"),
                            row.text("route"),
                            f"slots {', '.join(split(row.text('slots')))}" if row.text("slots") else "",
                            f"into {row.text('compartments')}",
                            f"{mass:g} g/mol" if mass is not None else "",
                            f"dosed in {row.text('dose_unit')}",
                            row.text("mode"),
                            row.text("note"),
                            row.text("source"),
                        ),
                    )
                ),
            )
    for row in draft.tables["pharmacology"]:
        if row.text("drug") == name:
            value = row.number("value")
            what = " ".join(filter(None, (row.text("formulation"), row.text("quantity"))))
            lines += _field(
                what, f"{value:g} {row.text('unit')} ({row.text('source') or row.text('evidence')})"
            )
    return lines
