"""The model as pages for readers, in Markdown for Sphinx: nothing in them is written by hand.

One page per mechanism (equations, arrows, numbers), and pages of all arrows, all drugs, and the numbers that
belong to no mechanism.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from opiome.report._arrow_picture import arrow_picture
from opiome.report._biology import read_biology
from opiome.report._latex import Writer, equation, plain
from opiome.report._map import draw_map
from opiome.report._map_key import SIGNS
from opiome.report._markdown import cell, sourced, spread, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opiome.model import Model

    Rows = Sequence[dict[str, Any]]

__all__ = ["biology_pages"]

_OTHERS = {
    "untreated": "Untreated state",
    "cohort": "Who people are",
    "diary": "Diary",
    "trial": "Trial",
    "baseline": "Solution of the untreated state",
}
_GRADES = (
    "Every arrow is one gate in the equations: `opiome knockout` sets it to 0 in the same people. Grades of "
    "evidence: A randomised or large studies in people; B observation in people, or causal animal "
    "experiments that were repeated; C animals of one laboratory; D cell cultures or a hypothesis. "
    "Studies disagree on contested arrows."
)
_GATE = re.compile(r"\bedge_\w+")
_WORD = re.compile(r"[A-Za-z_{][\w{}]*")
_LONG = 60
"""Letters that a heading has at most, where it can be cut."""
_HOLE = re.compile(r"\\?\{\w+\\?\}")


def biology_pages(folder: str | Path, model: Model) -> list[Path]:
    """Write the pages of a model's biology; a page that would not change is left alone.

    Args:
        folder: where the pages go; made if it is not there. Pages of mechanisms that are gone are removed.
        model: a loaded model.

    Returns:
        The pages: ``index.md``, ``edges.md``, ``drugs.md``, ``numbers.md`` and one for each mechanism.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    book = _Book(model)
    pages = {name: book.mechanism(name) for name in model.mechanisms["id"]}
    pages |= {"edges": book.edges(), "drugs": book.drugs(), "numbers": book.numbers()}
    pages["index"] = book.index()
    for old in set(folder.glob("*.md")) - {folder / f"{name}.md" for name in pages}:
        old.unlink()
    written = []
    for name, text in pages.items():
        page = folder / f"{name}.md"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")
        written.append(page)
    return written


class _Book:
    """What all pages look things up in."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.names: dict[str, str] = dict(model.nodes.select("id", "label").iter_rows())
        self.units = dict(model.units.select("id", "label").iter_rows())
        self.observables = {row["id"]: row for row in model.observables.iter_rows(named=True)}
        self.equations = model.equations.filter(pl.col("kind") != "text")
        self.rows = model.draft.tables["parameters"].frame().to_dicts()
        self.titles = dict(model.mechanisms.select("id", "title").iter_rows())
        bound = [i for i in model.draft.instances if i.name]
        self.instances = {value for i in bound for value in i.bindings.values()}
        variables = {s.id for s in model.draft.assembly.statements} | set(self.equations["id"])
        self.writer = Writer(
            self.instances, self._repeated(), lambda name: name not in variables and not _is(name, variables)
        )

    def _repeated(self) -> set[str]:
        """Every name that a repeated fragment makes."""
        found: set[str] = set()
        for i in self.model.draft.instances:
            own = self.equations.filter(pl.col("mechanism") == i.fragment)
            text = " ".join((*own["id"], *own["formula"]))
            names = {word for word in _WORD.findall(text) if "{" in word}
            for hole, value in i.bindings.items():
                names = {name.replace(f"{{{hole}}}", value) for name in names}
            found |= names
        return found

    # -- one mechanism -----------------------------------------------------------------------------------

    def mechanism(self, name: str) -> str:
        """The page of one fragment."""
        parts = [f"# {_title(self.titles[name])}", *_rest(self.titles[name]), *self._where(name)]
        parts += ["## Equations", *self._equations(name)]
        edges = [e for e in self.model.edges.iter_rows(named=True) if name in self.gates[e["gate"]]]
        if edges:
            parts += ["## Arrows of the map", *self._arrows(edges, name)]
        parts += ["## Variables", self._variables(name)]
        own = [row for row in self.rows if row["mechanism"] == name]
        if own:
            parts += ["## Numbers", self._numbers(own)]
        return "\n\n".join(parts) + "\n"

    def _where(self, name: str) -> list[str]:
        bound = [i for i in self.model.draft.instances if i.fragment == name and i.name]
        if not bound:
            return []
        holes = ", ".join(f"*{hole.replace('_', ' ')}*" for hole in bound[0].bindings)
        rows = [
            [i.name.replace("_", " "), *(value.replace("_", " ") for value in i.bindings.values())]
            for i in bound
        ]
        head = ["Instance", *(f"*{hole.replace('_', ' ')}*" for hole in bound[0].bindings)]
        return [
            f"Written once, used {len(bound)} times: {holes} in the equations stand for what the table says.",
            _folded(f"The {len(bound)} instances", table(head, rows)),
        ]

    def _equations(self, name: str) -> Iterator[str]:
        rows = self.model.equations.filter(pl.col("mechanism") == name).sort("line", maintain_order=True)
        words: list[str] = []
        for row in rows.iter_rows(named=True):
            if row["kind"] == "text":
                words.append(row["formula"])
                continue
            if words:
                text = " ".join(words).removeprefix(self.titles[name]).strip()
                if text:
                    yield cell(_capital(text)) + ("" if text.endswith((".", ":")) else ".")
                words = []
            tex = equation(self.writer, row["kind"], row["id"], row["formula"])
            yield f"$$\n{tex}\n$$"

    @cached_property
    def gates(self) -> dict[str, list[str]]:
        """The mechanisms in whose equations each gate stands, instances included."""
        found: dict[str, list[str]] = {gate: [] for gate in self.model.edges["gate"]}
        for name in self.titles:
            formulas = " ".join(self.equations.filter(pl.col("mechanism") == name)["formula"])
            bound = (i.bindings.values() for i in self.model.draft.instances if i.fragment == name)
            text = " ".join((formulas, *(value for values in bound for value in values)))
            for gate in set(_GATE.findall(text)) & set(found):
                found[gate].append(name)
        return found

    def _arrows(self, edges: Rows, key: str) -> list[str]:
        picture = arrow_picture(edges, self.names, f"arrows-{key}")
        note = (
            "The arrows whose gates stand in these equations; thicker lines rest on better evidence, "
            "broken ones are contested, a bar at the end lowers."
        )
        return [
            note,
            f'```{{raw}} html\n<figure class="arrows">{picture}</figure>\n```',
            self._edge_table(edges),
        ]

    def _edge_table(self, edges: Rows, *, places: bool = False) -> str:
        """A table of edges; with ``places`` the pages of their gates instead of where they start."""
        rows = [
            [
                f"`{edge['id']}`",
                "" if places else cell(self.names[edge["from"]]),
                SIGNS.get(edge["sign"], edge["sign"]),
                cell(self.names[edge["to"]]),
                ", ".join(f"[{name}]({name}.md)" for name in self.gates[edge["gate"]]) if places else "",
                edge["grade"] + (", contested" if edge["contested"] == "yes" else ""),
                edge["species"],
                sourced(edge["sources"], edge["note"]),
            ]
            for edge in edges
        ]
        head = ["Arrow", "From", "", "To", "Gate in", "Grade", "Species", "Sources and note"]
        return table(head, rows)

    def _variables(self, name: str) -> str:
        rows = []
        own = self.equations.filter(pl.col("mechanism") == name)
        for (symbol,), lines in own.group_by("id", maintain_order=True):
            kinds = set(lines["kind"])
            shown = self.observables.get(str(symbol), {})
            rows.append(
                [
                    self._named(str(symbol)),
                    "state" if "rate" in kinds else "rule",
                    self._unit(lines["unit"][0]),
                    cell(str(shown.get("label") or "")),
                ]
            )
        return table(["Variable", "Kind", "Unit", "Read as"], rows)

    def _numbers(self, own: Rows) -> str:
        rows = [
            [
                self._named(row["id"])
                + (f" ({row['species']})" if row["species"] not in {"", "human"} else ""),
                self._value(row),
                spread(row),
                " ".join(part for part in (row["grade"], row["evidence"]) if part),
                sourced(row["source"], row["note"]),
            ]
            for row in own
        ]
        return table(["Number", "Value", "Between people; range", "Evidence", "Source and note"], rows)

    def _value(self, row: dict[str, Any]) -> str:
        """A value with its unit."""
        if row["value"] is None:
            return ""
        unit = self._unit(row["unit"])
        return f"{row['value']:g}" + ("" if unit == "1" else f" {unit}")

    def _named(self, name: str) -> str:
        """A symbol with the name that it has in the files."""
        return f"${self.writer.symbol(name).text}$<br>`{name}`"

    def _unit(self, name: str) -> str:
        if name in {"", "dimensionless"}:
            return "1"
        return cell(self.units.get(name) or name.replace("_per_", "/").replace("_", " "))

    # -- pages of the whole model ------------------------------------------------------------------------

    def index(self) -> str:
        """The page that leads to the others."""
        biology = read_biology(self.model)
        rows = [
            [
                f"[{cell(_title(row['title']))}]({row['id']}.md)",
                str(row["states"]),
                str(row["equations"]),
                str(sum(1 for own in self.rows if own["mechanism"] == row["id"])),
            ]
            for row in self.model.mechanisms.iter_rows(named=True)
        ]
        states, rules = (int(self.model.mechanisms[name].sum()) for name in ("states", "equations"))
        entries = "\n".join(["edges", "drugs", "numbers", *self.titles])
        parts = [
            "# Biology",
            (
                f"The model has {states} states, {rules} rules, {len(self.rows)} rows of numbers and "
                f"{self.model.edges.height} arrows. These pages are made of the files that are simulated. In "
                "the equations variables are upright, numbers italic, and "
                r"$\gamma$ is the gate of an arrow: 1, or 0 when the arrow is knocked out."
            ),
            f'```{{raw}} html\n<figure class="map">{draw_map(biology, {}, {})}</figure>\n```',
            "[Every arrow](edges.md), [every drug](drugs.md), [numbers outside the mechanisms](numbers.md).",
            table(["Mechanism", "States", "Rules", "Numbers"], rows),
            f"```{{toctree}}\n:hidden:\n:maxdepth: 1\n\n{entries}\n```",
        ]
        return "\n\n".join(parts) + "\n"

    def edges(self) -> str:
        """The page of all arrows, by the node that they start from."""
        parts = [
            "# Arrows of the map",
            _GRADES,
        ]
        for (start,), rows in self.model.edges.group_by("from", maintain_order=True):
            label = self.names.get(str(start), str(start))
            parts += [f"## From: {cell(label)}", self._edge_table(rows.to_dicts(), places=True)]
        return "\n\n".join(parts) + "\n"

    def drugs(self) -> str:
        """The page of all drugs with their quantities."""
        parts = ["# Drugs", "Formulations as a study file can name them, and the quantities behind them."]
        quantities = self.model.pharmacology
        for (kind,), of_class in self.model.drugs.group_by("class", maintain_order=True):
            parts.append(f"## {cell(_capital(str(kind)))}")
            for (drug,), rows in of_class.group_by("drug", maintain_order=True):
                parts += [f"### {cell(_capital(plain(str(drug))))}", self._formulations(rows.to_dicts())]
                own = quantities.filter(pl.col("drug") == drug)
                if own.height:
                    parts.append(_folded(f"{own.height} quantities", self._quantities(own.to_dicts())))
        return "\n\n".join(parts) + "\n"

    def _formulations(self, rows: Rows) -> str:
        told = []
        for row in rows:
            least, most = (
                f"{row[end]:g}" if row[end] is not None else "" for end in ("min_dose", "max_dose")
            )
            doses = f"{least} to {most} {row['dose_unit']}" if least or most else row["dose_unit"]
            told.append(
                [
                    cell(row["formulation"]),
                    cell(row["names"].replace(";", ", ")),
                    cell(row["route"]),
                    cell(doses),
                    cell(row["compartments"].replace(";", ", ")),
                    sourced(row["source"], row["note"]),
                ]
            )
        return table(["Formulation", "Also", "Route", "Dose", "Enters", "Source and note"], told)

    def _quantities(self, rows: Rows) -> str:
        told = [
            [
                f"`{row['quantity']}`" + (f" ({cell(row['formulation'])})" if row["formulation"] else ""),
                self._value(row),
                "" if row["cv"] is None else f"{100 * row['cv']:g} %",
                cell(row["evidence"]),
                sourced(row["source"], row["note"]),
            ]
            for row in rows
        ]
        return table(["Quantity", "Value", "CV", "Evidence", "Source and note"], told)

    def numbers(self) -> str:
        """The page of the numbers that belong to no fragment."""
        parts = ["# Numbers outside the mechanisms"]
        others = dict.fromkeys(row["mechanism"] for row in self.rows if row["mechanism"] not in self.titles)
        for name in others:
            own = [row for row in self.rows if row["mechanism"] == name]
            parts += [f"## {_OTHERS.get(name, name or 'Not assigned')}", self._numbers(own)]
        return "\n\n".join(parts) + "\n"


def _is(name: str, variables: set[str]) -> bool:
    """Whether a name with placeholders is a variable in some instance."""
    pattern = re.compile(r"\w+".join(re.escape(part) for part in _HOLE.split(name)))
    return "{" in name and any(pattern.fullmatch(variable) for variable in variables)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _title(text: str) -> str:
    """The first comment of a fragment up to its colon, as a heading; a long one up to its first comma."""
    head = text.partition(":")[0].rstrip(".")
    return cell(head if len(head) <= _LONG else head.partition(",")[0])


def _rest(text: str) -> list[str]:
    """What the heading leaves out of the first comment."""
    after = text.partition(":")[2].strip()
    said = after if len(text.partition(":")[0]) <= _LONG else text
    return [f"{cell(_capital(said).rstrip('.'))}."] if said else []


def _folded(summary: str, content: str) -> str:
    opened = f"```{{raw}} html\n<details><summary>{summary}</summary>\n```"
    return f"{opened}\n\n{content}\n\n```{{raw}} html\n</details>\n```"
