"""The door of the model room, and the shipped model behind it."""

from __future__ import annotations

import re
import subprocess
import sys

import libsbml
import pytest

from opiome import exchange, model
from opiome.model._draft import read_draft

SPECIES = ("human", "mouse")


@pytest.fixture(scope="module", params=SPECIES)
def shipped(request):
    return model.load(species=request.param)


@pytest.fixture(scope="module")
def document(shipped):
    return libsbml.readSBMLFromString(shipped.sbml)


def test_public_names():
    assert model.__all__ == [
        "Finding",
        "Model",
        "Scenario",
        "ScenarioValues",
        "Untreated",
        "explain",
        "lint",
        "load",
        "read_scenarios",
        "run_scenarios",
        "solve_rest",
        "untreated",
        "write_rest",
    ]
    assert dir(model) == sorted(model.__all__)
    assert all(callable(getattr(model, name)) for name in model.__all__)
    assert exchange.__all__ == ["export_sbml", "sbml_text", "write_archive", "write_study"]


def test_unknown_public_name():
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        model.lode  # noqa: B018 - the access itself is tested


def test_the_door_opens_without_heavy_libraries():
    code = "import sys, opiome.model; print(*{'antimony', 'libsbml', 'numpy', 'polars'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_shipped_model_has_no_lint_finding():
    assert [str(finding) for finding in model.lint()] == []


def test_sbml_is_consistent_with_units(document):
    for category in (
        libsbml.LIBSBML_CAT_UNITS_CONSISTENCY,
        libsbml.LIBSBML_CAT_MATHML_CONSISTENCY,
        libsbml.LIBSBML_CAT_IDENTIFIER_CONSISTENCY,
        libsbml.LIBSBML_CAT_OVERDETERMINED_MODEL,
    ):
        document.setConsistencyChecks(category, True)  # noqa: FBT003 - libSBML's signature
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_MODELING_PRACTICE, False)  # noqa: FBT003
    document.checkConsistency()
    assert [document.getError(i).getMessage() for i in range(document.getNumErrors())] == []


def test_every_symbol_has_a_unit(document):
    assert [p.getId() for p in document.getModel().getListOfParameters() if not p.isSetUnits()] == []


def test_tables_and_equations_name_the_same_parameters(shipped, document):
    rules = {rule.getVariable() for rule in document.getModel().getListOfRules()}
    in_sbml = {p.getId() for p in document.getModel().getListOfParameters()} - rules
    in_tables = set(shipped.parameters.filter(shipped.parameters["in_equations"])["id"])
    assert in_sbml == in_tables


def test_sbml_values_are_the_tables_values(shipped, document):
    sbml = document.getModel()
    for name, value, unit, inside in shipped.parameters.select(
        "id", "value", "unit", "in_equations"
    ).iter_rows():
        if inside:
            assert (sbml.getParameter(name).getValue(), sbml.getParameter(name).getUnits()) == (value, unit)


def test_every_gate_of_the_equations_is_an_edge(shipped):
    gates = set(re.findall(r"\bedge_\w+", "\n".join(line.code for line in shipped.draft.assembly.lines)))
    assert gates == set(shipped.edges["gate"])


def test_every_edge_of_the_map_has_sources_and_a_grade(shipped):
    assert shipped.edges.filter((shipped.edges["sources"] == "") | (shipped.edges["grade"] == "")).is_empty()


def test_every_drug_can_be_put_into_each_of_its_slots(shipped):
    for row in shipped.drugs.iter_rows(named=True):
        slots = [slot for slot in re.split(r"[;,\s]+", row["slots"]) if slot] or [""]
        for slot in slots:
            states = shipped.compartments(row["drug"], row["formulation"], slot)
            assert all(f"{state}'" in shipped.antimony.replace(" '", "'") for state in states)
            if slot:
                assert shipped.slot_parameters(row["drug"], row["formulation"], slot)


def test_everything_can_be_explained(shipped):
    names = [
        *shipped.parameters["id"],
        *shipped.edges["id"],
        *shipped.observables["id"],
        *shipped.drugs["drug"],
    ]
    assert [name for name in names if name not in shipped.explain(name)] == []


def test_symbols_are_explained_in_the_words_of_ontologies(shipped):
    assert {"kind", "subject", "relation", "term", "name"} <= set(shipped.table("annotations").columns)
    assert "is butyrate (CHEBI:17968)" in " ".join(shipped.explain("right_butyrate").split())


def test_mouse_differs_from_human():
    human, mouse = (read_draft(species=species).parameters for species in SPECIES)
    assert human.keys() == mouse.keys()
    assert any(human[name].value != mouse[name].value for name in human)


def test_export_of_the_shipped_model_is_consistent(shipped):
    text = exchange.sbml_text(shipped)
    assert "identifiers.org/doi:" in text
