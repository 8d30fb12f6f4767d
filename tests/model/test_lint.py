"""Every lint rule finds what it is for, at its file and line, and says what to do."""

from __future__ import annotations

import pytest

from opiome import model
from opiome.errors import ModelError

TOLERANCE_RATE = "tolerance' = k_tolerance*(1 + edge_signal_tolerance*effect - tolerance)"

# rule, file, text replaced, new text, words of the message
BROKEN = {
    "not_a_number": ("M001", "parameters/effect.tsv", "half 50", "half fifty", "'fifty' is not a number"),
    "unknown_column": (
        "M001",
        "nodes.tsv",
        "label observable",
        "label observabel",
        "unknown column 'observabel'",
    ),
    "empty_cell": ("M001", "observables.tsv", "effect Effect dimensionless", "effect Effect -", "is empty"),
    "too_many_cells": ("M001", "nodes.tsv", "effect 0.1 0.5", "effect 0.1 0.5 0.7", "has 6 cells"),
    "unknown_unit": (
        "M001",
        "parameters/effect.tsv",
        "half 50 nmol_per_L",
        "half 50 nmol_per_l",
        "unknown unit",
    ),
    "unknown_declared_unit": (
        "M001",
        "mechanisms/effect.ant",
        "concentration has nmol_per_L",
        "concentration has nmol_per_l",
        "unknown unit 'nmol_per_l' of 'concentration'",
    ),
    "placeholder": (
        "M001",
        "instances.tsv",
        "slot=opioid",
        "drug=opioid",
        "placeholder '{slot}' has no value",
    ),
    "binding": ("M001", "instances.tsv", "slot=opioid", "opioid", "cannot be read"),
    "fragment": ("M001", "instances.tsv", "drug opioid", "drugs opioid", "unknown fragment 'drugs'"),
    "second_equation": (
        "M001",
        "mechanisms/effect.ant",
        "tolerance = tolerance_start",
        "tolerance = tolerance_start\neffect := tolerance",
        "second equation",
    ),
    "parameter_with_equation": (
        "M001",
        "mechanisms/effect.ant",
        "tolerance = tolerance_start",
        "tolerance = tolerance_start\nhalf = 3",
        "is a parameter and also has an equation",
    ),
    "syntax": ("M002", "mechanisms/effect.ant", "half*tolerance)", "half**tolerance)", "syntax error"),
    "undefined": ("M003", "mechanisms/effect.ant", "half*", "hlf*", "'hlf' has no value and no equation"),
    "no_start": ("M003", "mechanisms/effect.ant", "tolerance = tolerance_start", "", "no initial value"),
    "delay": ("M004", "mechanisms/effect.ant", "*effect - ", "*delay(effect, k_tolerance) - ", "delay()"),
    "loop": (
        "M005",
        "mechanisms/effect.ant",
        "half*tolerance)",
        "half*tolerance*(1 + effect))",
        "algebraic loop",
    ),
    "dimension": (
        "M006",
        "mechanisms/effect.ant",
        "half*tolerance",
        "tolerance",
        "terms in nmol_per_L and dimensionless",
    ),
    "scale": (
        "M006",
        "parameters/effect.tsv",
        "k_tolerance 0.03 per_hour",
        "k_tolerance 0.03 per_minute",
        "per_minute",
    ),
    "no_unit": ("M006", "mechanisms/effect.ant", "effect has dimensionless", "", "'effect' has no unit"),
    "exponent": (
        "M006",
        "mechanisms/effect.ant",
        "half*tolerance",
        "half*tolerance^half",
        "exponent in nmol_per_L",
    ),
    "gate_without_edge": (
        "M010",
        "mechanisms/effect.ant",
        "edge_signal_tolerance",
        "edge_signal_tolerence",
        "has no edge",
    ),
    "edge_without_gate": ("M010", "edges.tsv", "signal_tolerance 9", "signal_tolernce 9", "has no gate"),
    "number": ("M011", "mechanisms/effect.ant", "half*tolerance", "half*tolerance*0.37", "the number 0.37"),
    "unused": (
        "M020",
        "parameters/effect.tsv",
        "seen diary",
        "seen effect",
        "'day_to_day' is used by no equation",
    ),
    "no_source": ("M021", "parameters/effect.tsv", "doi:10.1000/k B", "- B", "'k_tolerance' has no source"),
    "assumed_without_reason": (
        "M021",
        "parameters/effect.tsv",
        "effect by~definition",
        "effect -",
        "without a reason",
    ),
    "untraceable_source": (
        "M025",
        "parameters/effect.tsv",
        "doi:10.1000/k B",
        "Tmax~1~h B",
        "source 'Tmax 1 h' cannot be found",
    ),
    "edge_without_source": ("M021", "edges.tsv", "opioid doi:10.1000/e", "opioid -", "has no source"),
    "grade": ("M022", "parameters/effect.tsv", "doi:10.1000/k B", "doi:10.1000/k E", "unknown grade 'E'"),
    "evidence": ("M022", "parameters/effect.tsv", "B human seen diary", "B human sen diary", "'sen'"),
    "sign": ("M022", "edges.tsv", "N2 + B", "N2 ++ B", "unknown sign '++'"),
    "below": ("M023", "parameters/effect.tsv", "k_tolerance 0.03", "k_tolerance 0.003", "below lower 0.01"),
    "above": ("M023", "parameters/effect.tsv", "k_tolerance 0.03", "k_tolerance 0.3", "above upper 0.1"),
    "no_cv": (
        "M023",
        "parameters/effect.tsv",
        "lognormal 0.4 weight^0.75",
        "lognormal - weight^0.75",
        "has no cv",
    ),
    "covariate": (
        "M024",
        "parameters/effect.tsv",
        "weight^0.75",
        "wieght^0.75",
        "unknown covariate 'wieght'",
    ),
    "covariate_form": ("M024", "parameters/effect.tsv", "weight^0.75", "weight**0.75", "cannot be read"),
    "drug_without_rows": (
        "M030",
        "drugs.tsv",
        "morphine IR",
        "codeine IR",
        "has no rows in pharmacology.tsv",
    ),
    "missing_quantity": (
        "M030",
        "drugs.tsv",
        "bolus doi:10.1000/m",
        "bolus doi:10.1000/m\nfentanyl\t\t\topioid\t\topioid\tdepot\t\tmg",
        "has no rows",
    ),
    "wrong_state": ("M030", "drugs.tsv", "opioid depot", "opioid depott", "no state of the model"),
    "fraction": ("M030", "drugs.tsv", "opioid depot", "opioid depot:0.7;blood:0.6", "add up to 1.3"),
    "unused_quantity": ("M030", "pharmacology.tsv", "ka 6 per_hour", "kka 6 per_hour", "used by no equation"),
    "observable": ("M040", "observables.tsv", "effect Effect", "efect Effect", "has no equation"),
    "node": ("M040", "nodes.tsv", "Effect effect", "Effect tolerance", "which is no observable"),
    "edge_node": ("M040", "edges.tsv", "N1 N2", "N1 N3", "unknown node 'N3'"),
    "edge_target": ("M040", "edges.tsv", "mouse tolerance", "mouse tolerence", "unknown variable"),
    "edge_scenario": ("M040", "edges.tsv", "tolerance opioid", "tolerance opiod", "unknown scenario"),
    "observable_unit": (
        "M041",
        "observables.tsv",
        "Concentration nmol_per_L",
        "Concentration mg",
        "in nmol_per_L",
    ),
    "mechanism": (
        "M042",
        "parameters/effect.tsv",
        "effect by~definition",
        "efect by~definition",
        "unknown mechanism",
    ),
    "action": ("M050", "scenarios.tsv", "opioid read", "opioid reed", "unknown action 'reed'"),
    "product": ("M050", "scenarios.tsv", "morphine~IR~opioid", "morphine~CR~opioid", "unknown product"),
}
ELSEWHERE = {  # where the message points when that is not the line that was changed
    "placeholder": ("mechanisms/drug.ant", 2),
    "scale": ("mechanisms/effect.ant", 5),
    "no_unit": ("mechanisms/effect.ant", 4),
}


def test_a_correct_folder_has_no_finding(folder):
    assert model.lint(folder.path) == []


@pytest.mark.parametrize("name", BROKEN)
def test_rule_finds_its_fault(folder, name):
    rule, file, old, new, words = BROKEN[name]
    line = folder.change(file, old, new)
    found = [f for f in model.lint(folder.path) if f.rule == rule and words in f.message]
    assert found, [str(f) for f in model.lint(folder.path)]
    finding = found[0]
    assert finding.remedy
    where, number = ELSEWHERE.get(name, (file, line))
    assert finding.file == folder.path / where
    assert finding.line is not None
    assert 0 <= finding.line - number <= 1


@pytest.mark.parametrize("name", [n for n, case in BROKEN.items() if case[0] != "M042"])
def test_a_folder_with_an_error_does_not_load(folder, name):
    _, file, old, new, words = BROKEN[name]
    folder.change(file, old, new)
    with pytest.raises(ModelError, match=r"\S") as caught:
        model.load(folder.path, strict=True)
    assert words in str(caught.value)


def test_all_faults_are_reported_at_once(folder):
    folder.change("parameters/effect.tsv", "k_tolerance 0.03", "k_tolerance 0.3")
    folder.change("parameters/effect.tsv", "doi:10.1000/k B", "- B")
    folder.change("edges.tsv", "N1 N2", "N1 N3")
    with pytest.raises(ModelError) as caught:
        model.load(folder.path, strict=True)
    assert {f.rule for f in caught.value.problems} == {"M021", "M023", "M040"}


def test_a_parameter_twice(folder):
    line = folder.append(
        "parameters/effect.tsv", "k_tolerance 0.04 per_hour - - fixed - - doi:10.1000/k B human seen effect"
    )
    (finding,) = model.lint(folder.path)
    assert (finding.rule, finding.line) == ("M001", line)
    assert "given twice" in finding.message


def test_a_drug_in_another_unit(folder):
    folder.append(
        "parameters/effect.tsv", "opioid_ka 6 per_hour - - fixed - - doi:10.1000/k B human seen drug"
    )
    line = folder.change("pharmacology.tsv", "ka 6 per_hour", "ka 0.1 per_minute")
    (finding,) = model.lint(folder.path)
    assert (finding.rule, finding.line) == ("M030", line)
    assert "per_hour" in (finding.expected or "")


def test_a_drug_that_would_take_the_value_of_another(folder):
    folder.append("drugs.tsv", "codeine IR - opioid oral opioid depot 300 mg - - - doi:10.1000/c")
    folder.append("pharmacology.tsv", "codeine - ka 5 per_hour - doi:10.1000/c seen -")
    missing = {f.message.split("'")[3] for f in model.lint(folder.path)}
    assert missing == {"CL", "V", "F"}


def test_one_finding_for_both_species(folder):
    folder.change("edges.tsv", "N1 N2", "N1 N3")
    assert len(model.lint(folder.path)) == 1


def test_mouse_only_fault_is_found(folder):
    folder.change("parameters/effect.tsv", "half 40 nmol_per_L", "half 400 nmol_per_L")
    assert [f.rule for f in model.lint(folder.path)] == ["M023"]


@pytest.mark.parametrize(
    "statement",
    [
        "strike: at (tolerance > 1): tolerance = 1",
        "at (tolerance > 1): tolerance = 1",
    ],
)
def test_events_are_refused(folder, statement):
    line = folder.append("mechanisms/effect.ant", statement)
    assert ("effect.ant", line) in {
        (f.file.name, f.line) for f in model.lint(folder.path) if f.rule in {"M001", "M004"}
    }


@pytest.mark.parametrize(
    "statement", ["model other", "end", 'import "other.ant"', "function f(x) x end", "module m() end"]
)
def test_frames_and_imports_do_not_belong_into_a_fragment(folder, statement):
    line = folder.append("mechanisms/effect.ant", statement)
    (finding, *_) = model.lint(folder.path)
    assert (finding.rule, finding.line) == ("M001", line)
    assert "does not belong" in finding.message


def test_bracket_never_closed(folder):
    line = folder.change("mechanisms/effect.ant", "half*tolerance)", "half*tolerance")
    assert ("M001", line) in {
        (f.rule, f.line) for f in model.lint(folder.path) if "never closed" in f.message
    }


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1,5", "0x10"])
def test_values_are_finite_numbers(folder, value):
    line = folder.change("parameters/effect.tsv", "k_tolerance 0.03", f"k_tolerance {value}")
    found = model.lint(folder.path)
    assert [(f.rule, f.line) for f in found if "is not a number" in f.message] == [("M001", line)]


def test_an_id_that_is_no_name_is_found_in_its_table(folder):
    line = folder.append(
        "parameters/effect.tsv", "2half 1 dimensionless - - fixed - - doi:10.1000/k B human seen effect"
    )
    found = [f for f in model.lint(folder.path) if f.rule == "M002"]
    assert [(f.file, f.line) for f in found] == [(folder.path / "parameters/effect.tsv", line)]


@pytest.mark.parametrize("file", ["mechanisms/effect.ant", "edges.tsv", "parameters/effect.tsv", "units.tsv"])
def test_garbage_is_refused_with_its_file(folder, file):
    (folder.path / file).write_bytes(bytes(range(256)) * 4000)
    with pytest.raises(ModelError, match="cannot be read as UTF-8"):
        model.load(folder.path)


ANNOTATIONS = """kind subject relation term name evidence note
variable {slot}_blood occursIn UBERON:0000178 blood seen
variable tolerance isVersionOf mesh:D004361 Drug~Tolerance recalled
guild G1 hasTaxon taxonomy:816 Bacteroides seen
drug morphine hasVersion CHEBI:17303 morphine seen
"""


def annotated(folder, table=ANNOTATIONS):
    """The correct folder with a table of annotations and a state for its guild."""
    cells = table.replace(" ", "\t").replace("~", " ")
    (folder.path / "annotations.tsv").write_text(cells, encoding="utf-8")
    folder.append("mechanisms/effect.ant", "stool_G1 has g; stool_G1 = 0 g; stool_G1' = 0 g/1 hour")
    return folder


def test_a_correct_table_of_annotations_has_no_finding(folder):
    assert model.lint(annotated(folder).path) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("UBERON:0000178", "UBERON:178", "'UBERON:178' is not an identifier"),
        ("CHEBI:17303", "17303", "'17303' is not an identifier"),
        ("taxonomy:816", "NCBITaxon:816", "'NCBITaxon:816' is not an identifier"),
        ("mesh:D004361", "mesh:tolerance", "is not an identifier"),
        ("occursIn", "occurs", "unknown relation 'occurs'"),
        ("guild G1", "gild G1", "unknown kind 'gild'"),
        ("variable tolerance", "variable tolerence", "variable 'tolerence' is nothing that the model has"),
        ("{slot}_blood", "{seg}_blood", "is nothing that the model has"),
        ("drug morphine", "drug morfine", "drug 'morfine' is nothing that the model has"),
        ("guild G1", "guild G9", "guild 'G9' is nothing that the model has"),
        ("Bacteroides seen", "Bacteroides sene", "unknown kind of evidence 'sene'"),
    ],
)
def test_an_annotation_can_be_followed(folder, old, new, words):
    assert ANNOTATIONS.count(old) == 1
    line = ANNOTATIONS[: ANNOTATIONS.index(old)].count("\n") + 1
    found = model.lint(annotated(folder, ANNOTATIONS.replace(old, new)).path)
    (finding,) = [f for f in found if f.rule == "M060"]
    assert words in finding.message
    assert (finding.file, finding.line) == (folder.path / "annotations.tsv", line)
    with pytest.raises(ModelError, match=r"annotations\.tsv"):
        model.load(folder.path)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("variable tolerance", "state 'tolerance' has no ontology term"),
        ("guild G1", "guild 'G1' has no ontology term"),
        ("drug morphine", "drug 'morphine' has no ontology term"),
    ],
)
def test_what_has_no_term_is_told_once_there_is_a_table(folder, row, words):
    table = "\n".join(line for line in ANNOTATIONS.splitlines() if not line.startswith(row)) + "\n"
    found = model.lint(annotated(folder, table).path)
    assert words in {f.message for f in found}
    assert {(f.rule, f.severity) for f in found} == {("M061", "warning")}


def test_parts_of_a_combination_are_drugs(folder):
    folder.change("drugs.tsv", "mode source", "mode parameters_key source")
    line = folder.change("drugs.tsv", "bolus doi", "bolus opioid=morfine:IR doi")
    (finding,) = model.lint(folder.path)
    assert (finding.rule, finding.line, finding.field) == ("M030", line, "parameters_key")
