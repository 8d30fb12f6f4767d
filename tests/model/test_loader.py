"""Loading: what a folder becomes, and that loading again costs nothing and changes nothing."""

from __future__ import annotations

import libsbml
import polars as pl
import pytest

from opiome import model
from opiome.errors import ModelError


@pytest.fixture
def toy(folder):
    return model.load(folder.path)


def sbml_of(loaded) -> libsbml.Model:
    document = libsbml.readSBMLFromString(loaded.sbml)
    sbml_of.document = document  # keeps the model alive
    return document.getModel()


def row_of(frame: pl.DataFrame, name: str) -> dict[str, object]:
    return frame.row(by_predicate=pl.col("id") == name, named=True)


def test_fragment_becomes_equations_of_every_instance(folder):
    folder.append("instances.tsv", "drug rescue slot=rescue")
    folder.change("drugs.tsv", "oral opioid", "oral opioid;rescue")
    rates = {r.getVariable() for r in sbml_of(model.load(folder.path)).getListOfRules() if r.isRate()}
    assert rates == {"opioid_depot", "opioid_blood", "rescue_depot", "rescue_blood", "tolerance"}


def test_formula_may_run_over_lines(toy):
    rule = sbml_of(toy).getRuleByVariable("opioid_blood")
    assert "opioid_CL" in libsbml.formulaToL3String(rule.getMath())


def test_parameters_carry_value_and_unit(toy):
    parameter = sbml_of(toy).getParameter("k_tolerance")
    assert (parameter.getValue(), parameter.getUnits()) == (0.03, "per_hour")


def test_model_wide_units(toy):
    sbml = sbml_of(toy)
    assert (sbml.getTimeUnits(), sbml.getSubstanceUnits(), sbml.getExtentUnits()) == ("hour", "nmol", "nmol")
    volume = sbml.getUnitDefinition(sbml.getVolumeUnits())
    assert sbml.getVolumeUnits() == "litre" or volume.isVariantOfVolume()


def test_a_bare_initial_value_keeps_the_declared_unit(toy):
    assert sbml_of(toy).getParameter("opioid_depot").getUnits() == "nmol"


def test_gate_is_a_parameter_of_its_edge(toy):
    assert sbml_of(toy).getParameter("edge_signal_tolerance").getValue() == 1.0
    row = row_of(toy.parameters, "edge_signal_tolerance")
    assert (row["grade"], row["source"], row["lower"], row["upper"]) == ("B", "doi:10.1000/e", 0.0, 1.0)


def test_slot_parameter_defaults_to_the_first_drug(toy):
    assert sbml_of(toy).getParameter("opioid_CL").getValue() == 92.0


def test_species_overlay(folder):
    human, mouse = (model.load(folder.path, species) for species in ("human", "mouse"))
    assert [sbml_of(m).getParameter("half").getValue() for m in (human, mouse)] == [50.0, 40.0]
    assert [sbml_of(m).getParameter("k_tolerance").getValue() for m in (human, mouse)] == [0.03, 0.03]


def test_placeholder_in_a_parameter_id_and_the_full_id_wins(folder):
    folder.append("instances.tsv", "drug rescue slot=rescue")
    folder.append("parameters/effect.tsv", "{slot}_V 100 L - - fixed - - doi:10.1000/v B human seen drug")
    folder.append("parameters/effect.tsv", "rescue_V 50 L - - fixed - - doi:10.1000/v B human seen drug")
    folder.append(
        "parameters/effect.tsv", "{slot}_F 0.5 dimensionless - - fixed - - doi:10.1000/v B human seen drug"
    )
    folder.append(
        "parameters/effect.tsv", "{slot}_ka 1 per_hour - - fixed - - doi:10.1000/v B human seen drug"
    )
    folder.append(
        "parameters/effect.tsv", "{slot}_CL 10 L_per_hour - - fixed - - doi:10.1000/v B human seen drug"
    )
    sbml = sbml_of(model.load(folder.path))
    assert [sbml.getParameter(f"{slot}_V").getValue() for slot in ("opioid", "rescue")] == [100.0, 50.0]


def test_number_of_another_room_stays_out_of_the_equations(toy):
    assert sbml_of(toy).getParameter("day_to_day") is None
    row = row_of(toy.parameters, "day_to_day")
    assert (row["value"], row["in_equations"]) == (0.2, False)


def test_frames_have_empty_text_and_null_numbers(toy):
    row = row_of(toy.parameters, "day_to_day")
    assert row["covariates"] == ""
    assert row["cv"] is None


def test_slot_parameters(toy):
    assert toy.slot_parameters("morphine", "IR", "opioid") == {
        "opioid_ka": 6.0,
        "opioid_CL": 92.0,
        "opioid_V": 278.0,
        "opioid_F": 0.37,
    }


def test_compartments(folder, toy):
    assert toy.compartments("morphine", "IR", "opioid") == {"opioid_depot": 1.0}
    folder.change("drugs.tsv", "opioid depot", "opioid depot:0.4;blood:0.6")
    assert model.load(folder.path).compartments("morphine", "IR", "opioid") == {
        "opioid_depot": 0.4,
        "opioid_blood": 0.6,
    }


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("morfine", "IR", "opioid"), "did you mean 'morphine'"),
        (("morphine", "CR", "opioid"), "no formulation 'CR'"),
        (("morphine", "IR", "rescue"), "cannot be given in slot 'rescue'"),
    ],
)
def test_unknown_drug_formulation_or_slot(toy, call, words):
    for method in (toy.slot_parameters, toy.compartments):
        with pytest.raises(ModelError, match=r"\S") as caught:
            method(*call)
        assert words.casefold() in str(caught.value).casefold()


def test_content_hash_follows_every_file(folder):
    before = model.load(folder.path).sha256
    assert model.load(folder.path).sha256 == before
    for file, old, new in (
        ("mechanisms/effect.ant", "// What the drug does", "// What it does"),
        ("parameters/effect.tsv", "k_tolerance 0.03", "k_tolerance 0.04"),
        ("nodes.tsv", "0.1 0.5", "0.2 0.5"),
    ):
        folder.change(file, old, new)
        after = model.load(folder.path).sha256
        assert after != before
        before = after


def test_second_load_reads_the_kept_sbml(folder, monkeypatch):
    first = model.load(folder.path)
    monkeypatch.setattr("opiome.model._assemble.to_sbml", lambda *_: pytest.fail("compiled again"))
    assert model.load(folder.path).sbml == first.sbml


def test_a_spoilt_cache_is_not_believed(folder, tmp_path):
    first = model.load(folder.path)
    (kept,) = (tmp_path / "cache" / "model").glob("*.sbml")
    kept.write_text(first.sbml[: len(first.sbml) // 2], encoding="utf-8")
    assert model.load(folder.path).sbml == first.sbml


def test_unwritable_cache_is_no_error(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("OPIOME_CACHE", str(tmp_path / "file"))
    assert model.load(folder.path).sbml


def test_loading_is_the_same_text_every_time(folder, tmp_path, monkeypatch):
    first = model.load(folder.path)
    monkeypatch.setenv("OPIOME_CACHE", str(tmp_path / "other"))
    assert model.load(folder.path).sbml == first.sbml


def test_a_folder_with_a_lint_error_loads_only_when_asked(folder):
    folder.change("parameters/effect.tsv", "doi:10.1000/k B", "- B")
    with pytest.raises(ModelError, match="'k_tolerance' has no source"):
        model.load(folder.path)
    assert model.load(folder.path, strict=False).sbml


def test_no_such_folder(tmp_path):
    with pytest.raises(ModelError, match="is not a model folder"):
        model.load(tmp_path / "nowhere")


def test_no_such_species(folder):
    with pytest.raises(ModelError, match="unknown species 'rat'"):
        model.load(folder.path, "rat")


def test_empty_folder(tmp_path):
    with pytest.raises(ModelError) as caught:
        model.load(tmp_path)
    assert {"the model has no equations", "no unit is defined"} <= {p.message for p in caught.value.problems}


def test_scale_of_a_literal_is_checked(folder):
    folder.change("mechanisms/effect.ant", "tolerance = tolerance_start", "tolerance = 1 g/(1000 mg)")
    with pytest.raises(ModelError, match=r"effect.ant:5: the initial value of 'tolerance' is in 1000"):
        model.load(folder.path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("half", ("50 nmol_per_L", "lognormal", "CV 0.4", "doi:10.1000/h", "weight^0.75", "effect := ")),
        ("signal_tolerance", ("from N1 to N2", "grade B", "edge_signal_tolerance", "tolerance' = ")),
        ("edge_signal_tolerance", ("from N1 to N2", "doi:10.1000/e")),
        ("tolerance", ("state", "tolerance' = ", "depends on", "k_tolerance", "effect := ")),
        ("effect", ("assignment rule", "observable: Effect (dimensionless)", "usual range: 0 to 1", "N1")),
        ("morphine", ("drug", "IR", "285.34 g/mol", "CL: 92 L_per_hour (doi:10.1000/m)")),
        ("N2", ("Half", "concentration")),
    ],
)
def test_explain(toy, name, words):
    text = toy.explain(name)
    assert [word for word in words if word not in text] == []


def test_explain_unknown_name(toy):
    with pytest.raises(ModelError, match=r"(?i)did you mean 'tolerance'"):
        toy.explain("tolerence")


@pytest.mark.parametrize(
    "kind", ["mechanisms", "edges", "parameters", "drugs", "observables", "nodes", "guilds"]
)
def test_tables(toy, kind):
    assert toy.table(kind).height > 0


def test_unknown_table(toy):
    with pytest.raises(ModelError, match=r"(?i)did you mean 'edges'"):
        toy.table("edge")


def test_mechanisms_name_their_fragment(toy):
    row = row_of(toy.mechanisms, "drug")
    assert (row["title"], row["instances"], row["states"]) == ("One drug: depot and blood", "opioid", 2)
