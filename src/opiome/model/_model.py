"""The model as other rooms see it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from opiome.errors import ModelError, Problem, nearest
from opiome.model._draft import OUTSIDE_EQUATIONS
from opiome.model._resolve import drug_slots, gate

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    import numpy as np
    import polars as pl
    from numpy.typing import ArrayLike, NDArray

    from opiome.engine import Program
    from opiome.model._annotations import Term
    from opiome.model._draft import Draft

__all__ = ["TABLES", "Model"]

SOLVED = ("_baseline", "_limit", "_immigration")  # ends of names that the untreated state gives values to

TABLES = (
    "mechanisms",
    "parameters",
    "edges",
    "nodes",
    "drugs",
    "pharmacology",
    "observables",
    "guilds",
    "covariates",
    "scenarios",
    "units",
    "annotations",
)


def _carried(effects: str, covariates: Collection[str]) -> str:
    """The effects (``weight^0.75; egfr^0.4``) of these covariates."""
    parts = [part.strip() for part in effects.split(";")]
    return "; ".join(part for part in parts if part.replace("*", "^").split("^")[0].strip() in covariates)


@dataclass(frozen=True, eq=False)
class Model:
    """One species' model: its SBML and the tables behind it.

    ``sbml`` is Level 3 Version 2 text that libSBML finds consistent, units included; ``antimony`` the text it
    was compiled from; ``sha256`` the hash of the folder's content. Tables are polars frames with the columns
    of ``docs/design/contracts.md`` (text cells empty rather than null, numbers null where empty).
    """

    sbml: str
    draft: Draft

    @property
    def folder(self) -> Path:
        """The folder that the model was read from."""
        return self.draft.folder

    @property
    def species(self) -> str:
        """``human`` or ``mouse``."""
        return self.draft.species

    @property
    def sha256(self) -> str:
        """Hash of every table and fragment of the folder."""
        return self.draft.sha256

    @property
    def antimony(self) -> str:
        """The assembled Antimony text."""
        return self.draft.assembly.antimony

    @cached_property
    def parameters(self) -> pl.DataFrame:
        """One row per parameter of the species; ``in_equations`` is false for numbers of other rooms.

        Effects of covariates that the species does not carry (the kidney function of a mouse) are left out.
        """
        import polars as pl

        schema = self.draft.tables["parameters"].schema
        carried = set(self.covariates["id"])
        rows = []
        for item in self.draft.parameters.values():
            row: dict[str, object] = {
                c: item.cells.get(c) if c in schema.numbers else item.cells.get(c) or ""
                for c in schema.columns
            }
            row |= {"id": item.id, "value": item.value, "unit": item.unit, "file": item.row.file.name}
            if self.species != "human":
                row["covariates"] = _carried(str(row["covariates"]), carried)
            row |= {
                "line": item.row.line,
                "in_equations": item.cells.get("mechanism") not in OUTSIDE_EQUATIONS,
            }
            rows.append(row)
        types = {c: pl.Float64 if c in schema.numbers else pl.String for c in schema.columns}
        return pl.DataFrame(
            rows, schema={**types, "file": pl.String, "line": pl.Int64, "in_equations": pl.Boolean}
        )

    @cached_property
    def alike(self) -> tuple[str, ...]:
        """Parameters of the equations that one value serves for everyone, whoever they are and take.

        They vary by no distribution and no covariate, belong to no drug slot and are not solved for.
        """
        slots = {f"{s}_" for names in drug_slots(self.draft.tables["drugs"]).values() for s in names}
        rows = self.parameters.filter(self.parameters["in_equations"])
        return tuple(
            row["id"]
            for row in rows.iter_rows(named=True)
            if row["distribution"] == "fixed"
            and not row["covariates"]
            and not row["id"].startswith(tuple(slots))
            and not row["id"].endswith(SOLVED)
        )

    @cached_property
    def drugs(self) -> pl.DataFrame:
        """One row per molecule and formulation."""
        return self.draft.tables["drugs"].frame()

    @cached_property
    def pharmacology(self) -> pl.DataFrame:
        """Quantities of the drugs in long form."""
        return self.draft.tables["pharmacology"].frame()

    @cached_property
    def edges(self) -> pl.DataFrame:
        """The arrows of the map, with the gate parameter of each in column ``gate``."""
        import polars as pl

        frame = self.draft.tables["edges"].frame()
        return frame.with_columns(gate=pl.Series([gate(name) for name in frame["id"]], dtype=pl.String))

    @cached_property
    def nodes(self) -> pl.DataFrame:
        """The nodes of the map."""
        return self.draft.tables["nodes"].frame()

    @cached_property
    def observables(self) -> pl.DataFrame:
        """Assignment-rule variables that people read."""
        return self.draft.tables["observables"].frame()

    @cached_property
    def guilds(self) -> pl.DataFrame:
        """Bacterial guilds."""
        return self.draft.tables["guilds"].frame()

    @cached_property
    def covariates(self) -> pl.DataFrame:
        """Who people (or mice) are by default: the rows of the species; a row without one is of humans."""
        import polars as pl

        frame = self.draft.tables["covariates"].frame()
        return frame.filter(pl.col("species").replace("", "human") == self.species)

    @cached_property
    def scenarios(self) -> pl.DataFrame:
        """Named scenarios for edge tests and knock-outs."""
        return self.draft.tables["scenarios"].frame()

    @cached_property
    def units(self) -> pl.DataFrame:
        """Names of units, their definitions and labels."""
        return self.draft.tables["units"].frame()

    @cached_property
    def annotations(self) -> pl.DataFrame:
        """What parts of the model are in the words of ontologies."""
        return self.draft.tables["annotations"].frame()

    @cached_property
    def terms(self) -> dict[str, list[Term]]:
        """Symbol to its ontology terms, placeholders filled."""
        from opiome.model._annotations import terms

        return terms(self.draft)

    @cached_property
    def mechanisms(self) -> pl.DataFrame:
        """One row per fragment: title (first comment), instances, how many states and rules it has."""
        import polars as pl

        from opiome.model._explain import mechanism_rows

        return pl.DataFrame(mechanism_rows(self.draft))

    @cached_property
    def equations(self) -> pl.DataFrame:
        """The fragments as written, a row per statement or comment: mechanism line kind id formula unit."""
        import polars as pl

        from opiome.model._equations import equation_rows

        return pl.DataFrame(equation_rows(self.draft))

    def table(self, kind: str) -> pl.DataFrame:
        """Return the table that ``opiome model list KIND`` shows; raises ModelError for an unknown kind."""
        if kind not in TABLES:
            guess = nearest(kind, TABLES)
            raise ModelError(
                Problem(
                    f"there is no table '{kind}'",
                    expected=f"one of {', '.join(TABLES)}",
                    remedy=f"did you mean '{guess}'?" if guess else "name one of these",
                )
            )
        frame: pl.DataFrame = getattr(self, kind)
        return frame

    def explain(self, name: str) -> str:
        """Say all that the model knows about a parameter, edge, state, observable, node or drug."""
        from opiome.model._explain import explain

        return explain(self, name)

    def formulations(self, drug: str) -> list[str]:
        """Return a drug's formulations in the order of ``drugs.tsv``; an unknown drug raises ModelError."""
        rows = [row.text("formulation") for row in self.draft.tables["drugs"] if row.text("drug") == drug]
        if not rows:
            known = sorted(drug_slots(self.draft.tables["drugs"]))
            guess = nearest(drug, known)
            raise ModelError(
                Problem(
                    f"unknown drug '{drug}'",
                    file=self.folder / "drugs.tsv",
                    expected="a drug of drugs.tsv",
                    remedy=f"did you mean '{guess}'?" if guess else f"known drugs: {', '.join(known)}",
                )
            )
        return rows

    def slot_parameters(self, drug: str, formulation: str, slot: str) -> dict[str, float]:
        """Return the parameters that put a drug into a slot, such as ``{"opioid_CL": 91.9, ...}``.

        Rows of ``pharmacology.tsv`` without a formulation hold for every formulation; a row that names it
        wins. Raises ModelError for an unknown drug, formulation or slot.
        """
        self._known(drug, formulation, slot)
        values: dict[str, float] = {}
        for precise in (False, True):
            for row in self.draft.tables["pharmacology"]:
                value = row.number("value")
                named = row.text("formulation")
                fits = named == formulation if precise else named in ("", "*")
                if row.text("drug") == drug and fits and value is not None:
                    name = f"{slot}_{row.text('quantity')}"
                    if name in self.draft.parameters:
                        values[name] = value
        return values

    def compartments(self, drug: str, formulation: str, slot: str = "") -> dict[str, float]:
        """Return the states that a dose enters and the fraction of it that enters each.

        Raises ModelError for an unknown drug, formulation or slot, or a fraction that is not a number.
        """
        self._known(drug, formulation, slot)
        row = next(
            row
            for row in self.draft.tables["drugs"]
            if row.text("drug") == drug and row.text("formulation") == formulation
        )
        parts: dict[str, float] = {}
        for part in row.text("compartments").split(";"):
            name, _, fraction = part.strip().partition(":")
            if not name:
                continue
            try:
                parts[f"{slot}_{name}" if row.text("slots") else name] = float(fraction or 1)
            except ValueError:
                raise ModelError(
                    row.problem(
                        f"'{part}' cannot be read",
                        "compartments",
                        expected="'depot:0.38;depot_pr:0.62'",
                        remedy="write a number after the colon",
                    )
                ) from None
        return parts

    def _known(self, drug: str, formulation: str, slot: str) -> None:
        formulations = self.formulations(drug)
        if formulation not in formulations:
            raise ModelError(
                Problem(
                    f"{drug} has no formulation '{formulation}'",
                    expected=f"one of {formulations}",
                    remedy="name one of these",
                )
            )
        slots = drug_slots(self.draft.tables["drugs"])[drug]
        if slots and slot not in slots:
            raise ModelError(
                Problem(
                    f"{drug} cannot be given in slot '{slot}'",
                    expected=f"one of {slots}",
                    remedy="name one of these",
                )
            )

    def baseline(
        self,
        program: Program,
        parameters: Mapping[str, ArrayLike],
        composition: Mapping[str, ArrayLike] | None = None,
        *,
        tested: bool = True,
    ) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64], NDArray[np.int64]]:
        """Return the untreated steady state: completed parameters, start states and outcomes per patient.

        Without ``tested``, :meth:`stable` is left to tell whose flora would not stay as it is.
        """
        from opiome.model._baseline import baseline

        return baseline(self, program, parameters, composition, tested=tested)

    def stable(
        self, program: Program, parameters: Mapping[str, ArrayLike], start: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Tell whose untreated state lasts, shape (n,), of what :meth:`baseline` returned."""
        from opiome.model._baseline import stable

        return stable(self, program, parameters, start)
