"""Exported SBML says what the model says, and another simulator computes the same curves from it."""

from __future__ import annotations

import libsbml
import numpy as np
import pytest
import roadrunner

from opiome import engine, exchange, model
from opiome.errors import DoseError, InputError

HOURS = np.array([0.0, 5.5, 11.5, 12.5, 13.5, 20.0, 25.5, 30.0, 47.0])  # none at a dose


@pytest.fixture
def toy(folder):
    return model.load(folder.path)


def read(text: str) -> libsbml.SBMLDocument:
    return libsbml.readSBMLFromString(text)


def test_export_is_consistent_and_annotated(toy, tmp_path):
    path = exchange.export_sbml(tmp_path / "toy.xml", toy)
    document = libsbml.readSBMLFromFile(str(path))
    assert document.checkConsistency() == 0
    sbml = document.getModel()
    resources = [
        sbml.getParameter("half").getCVTerm(i).getResourceURI(0)
        for i in range(sbml.getParameter("half").getNumCVTerms())
    ]
    assert resources == ["https://identifiers.org/doi:10.1000/h"]
    assert sbml.getParameter("k_tolerance").getSBOTermID() == "SBO:0000009"
    assert sbml.getParameter("edge_signal_tolerance").getCVTerm(0).getResourceURI(0).endswith("10.1000/e")
    assert "grade B" in sbml.getParameter("half").getNotesString()
    assert f"sha256 {toy.sha256}" in sbml.getNotesString()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Oosten 2017 doi:10.1007/s40262-016-0471-7", ["doi:10.1007/s40262-016-0471-7"]),
        ("microPop, 10.1111/2041-210X.12873", ["doi:10.1111/2041-210X.12873"]),
        ("a doi:10.1/x", []),
        ("Mora 2012 PMID 21934595; doi:10.1016/j.x.2", ["doi:10.1016/j.x.2", "pubmed:21934595"]),
        ("M3G and PD-L1 PMC7877184", ["pmc:PMC7877184"]),
        ("assumed", []),
        ("A doi:10.1124/jpet.116.239061: Ki 7 nM", ["doi:10.1124/jpet.116.239061"]),
        ("half-life 6 to 11 h (doi:10.2147/TCRM.S262843)", ["doi:10.2147/TCRM.S262843"]),
        ("10.1016/s0953-6205(00)00068-6.", ["doi:10.1016/s0953-6205(00)00068-6"]),
    ],
)
def test_identifiers(source, expected):
    from opiome.exchange._annotate import identifiers

    assert identifiers(source) == [f"https://identifiers.org/{name}" for name in expected]


def resources(sbml, name):
    """The (qualifier, address) pairs of a symbol."""
    item = sbml.getParameter(name)
    terms = [item.getCVTerm(i) for i in range(item.getNumCVTerms())]
    return {
        (libsbml.BiolQualifierType_toString(term.getBiologicalQualifierType()), term.getResourceURI(i))
        for term in terms
        for i in range(term.getNumResources())
    }


@pytest.mark.parametrize("species", ["human", "mouse"])
def test_every_state_of_the_shipped_model_says_what_it_stands_for(species):
    loaded = model.load(species=species)
    sbml = read(exchange.sbml_text(loaded)).getModel()
    states = [rule.getVariable() for rule in sbml.getListOfRules() if rule.isRate()]
    assert [s for s in states if not resources(sbml, s)] == []
    here = "https://identifiers.org/"
    assert resources(sbml, "left_butyrate") == {
        ("occursIn", f"{here}UBERON:0008971"),
        ("is", f"{here}CHEBI:17968"),
    }
    assert ("hasTaxon", f"{here}taxonomy:1678") in resources(sbml, "right_G3")
    assert ("hasVersion", f"{here}CHEBI:7852") in resources(sbml, "opioid_central")
    assert ("hasVersion", f"{here}CHEBI:7852") not in resources(sbml, "antagonist_central")
    assert ("hasVersion", f"{here}CHEBI:3125") in resources(sbml, "stimulant_small_bowel")
    relation = "is" if species == "human" else "isHomologTo"
    assert (relation, f"{here}uniprot:P05231") in resources(sbml, "il6_blood")


def test_a_patient_is_the_same_elsewhere(toy):
    """Bolus, lag, repeats, infusions that overlap or end early and a parameter change, in libRoadRunner."""
    rows = [
        {"TIME": 0.0, "AMT": 1e5, "CMT": "opioid_depot", "II": 12.0, "ADDL": 2, "F": 0.5},
        {"TIME": 1.0, "AMT": 5e4, "CMT": "opioid_blood", "LAG": 0.5, "ID": 0},
        {"TIME": 6.0, "AMT": 3e4, "CMT": "opioid_blood", "DUR": 8.0},
        {"TIME": 7.0, "AMT": 3e4, "CMT": "opioid_blood", "RATE": 5e3},
        {"TIME": 12.0, "AMT": 0.5, "EVID": 2, "CMT": "edge_signal_tolerance"},
        {"TIME": 2.0, "AMT": 9e9, "CMT": "opioid_depot", "ID": 1},
        {"TIME": 21.0, "AMT": 4e4, "CMT": "opioid_blood", "DUR": 20.0, "LAG": 2.0, "SITE": "left arm"},
        {
            "TIME": 22.0,
            "AMT": 2e4,
            "CMT": "opioid_blood",
            "DUR": 16.0,
            "II": 16.0,
            "ADDL": 1,
            "SITE": "right arm",
        },
        {"TIME": 28.0, "EVID": 5, "CMT": "opioid_blood", "SITE": "left arm"},
        {"TIME": 32.0, "EVID": 5, "CMT": "opioid_blood", "ID": 0},
    ]
    events = engine.EventTable.from_rows(rows)
    parameters, start = {"opioid_CL": 70.0, "half": 30.0}, {"tolerance": 1.2}
    program = engine.compile(toy.sbml)
    states = program.start(parameters, n=2)
    states[:, program.states.index("tolerance")] = 1.2
    run = program.ensemble(parameters, n=2, start=states, events=events, rtol=1e-8)
    ours = run.advance(HOURS[-1], at=HOURS).values[0]

    text = exchange.sbml_text(toy, parameters=parameters, start=start, events=events, patient=0)
    other = roadrunner.RoadRunner(text)
    other.integrator.relative_tolerance = 1e-9
    other.integrator.absolute_tolerance = 1e-9
    other.timeCourseSelections = list(program.outputs)
    theirs = np.array(other.simulate(times=[*HOURS, HOURS[-1] + 1.0]))[: len(HOURS)]
    late = HOURS > 0  # a dose is given at time 0: ours is read before it, theirs after
    np.testing.assert_allclose(ours[late], theirs[late], rtol=1e-5, atol=1e-8)


def test_start_values_are_numbers_and_keep_their_formulas():
    """The same start as the engine's, with other parameters too."""
    loaded = model.load()
    program = engine.compile(loaded.sbml)
    for text, given, own in (
        (exchange.sbml_text(loaded), {}, {}),
        (exchange.sbml_text(loaded, parameters={"stool_G3": 0.5}), {"stool_G3": 0.5}, {}),
        (exchange.sbml_text(loaded, start={"right_G3": 1.5}), {}, {"right_G3": 1.5}),
    ):
        sbml = read(text).getModel()
        assert sbml.getNumInitialAssignments() == 0
        expected = dict(zip(program.states, program.start(given, n=1)[0], strict=True)) | own
        written = {name: sbml.getParameter(name).getValue() for name in expected}
        assert written == pytest.approx(expected, rel=1e-14, abs=0.0)  # libSBML writes 15 digits
        formula = "starts at right_bacteria_untreated * right_G3_ratio * stool_G3 / stool_total"
        assert (formula in sbml.getParameter("right_G3").getNotesString()) == (not own)


@pytest.mark.parametrize(
    ("row", "words"),
    [({"SS": 1, "II": 12.0}, "steady-state dose"), ({"EVID": 3}, "EVID 3"), ({"EVID": 4}, "EVID 4")],
)
def test_what_sbml_cannot_say_is_refused(toy, row, words):
    events = engine.EventTable.from_rows([{"TIME": 0.0, "AMT": 1.0, "CMT": "opioid_depot", **row}])
    with pytest.raises(DoseError, match=words):
        exchange.sbml_text(toy, events=events)


def test_unknown_names(toy):
    with pytest.raises(InputError) as caught:
        exchange.sbml_text(toy, parameters={"opioid_Cl": 1.0}, start={"tolerence": 1.0})
    assert [p.remedy for p in caught.value.problems] == [
        "did you mean 'opioid_CL'?",
        "did you mean 'tolerance'?",
    ]


def test_a_file_is_not_overwritten_unasked(toy, tmp_path):
    path = tmp_path / "toy.xml"
    exchange.export_sbml(path, toy)
    with pytest.raises(InputError, match="exists already"):
        exchange.export_sbml(path, toy)
    assert exchange.export_sbml(path, toy, overwrite=True) == path


def test_unwritable_place(toy, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        exchange.export_sbml(tmp_path / "no" / "toy.xml", toy)


def test_a_treated_patient_of_the_shipped_model_is_the_same_elsewhere(copasi):
    """Solved baseline, two days of morphine and naldemedine: every variable, in COPASI."""
    loaded = model.load()
    program = engine.compile(loaded.sbml)
    parameters = loaded.slot_parameters("morphine", "CR", "opioid")
    parameters |= loaded.slot_parameters("naldemedine", "oral", "antagonist")
    parameters |= {"opioid_CL": 60.0, "colonic_transit_untreated": 40.0}
    columns = {name: np.full(1, value) for name, value in {**program.defaults, **parameters}.items()}
    solved, states, outcome = loaded.baseline(program, columns)
    assert outcome.tolist() == [engine.Outcome.OK]
    rows = [
        {"TIME": 1.0, "AMT": 1.6e5, "CMT": "opioid_depot_pr", "II": 12.0, "ADDL": 3},
        {"TIME": 24.0, "AMT": 350.0, "CMT": "antagonist_depot"},
    ]
    events = engine.EventTable.from_rows(rows)
    run = program.ensemble(solved, n=1, start=states, events=events, rtol=1e-8)
    ours = run.advance(HOURS[-1], at=HOURS).values[0]

    text = exchange.sbml_text(
        loaded,
        parameters={name: float(values[0]) for name, values in solved.items()},
        start=dict(zip(program.states, states[0], strict=True)),
        events=events,
    )
    theirs = copasi(text, program.outputs, HOURS)
    difference = np.abs(ours - theirs) / (np.abs(theirs) + 1e-3 * np.abs(theirs).max(axis=0) + 1e-12)
    worst = np.unravel_index(difference.argmax(), difference.shape)
    assert difference.max() <= 1e-5, f"{program.outputs[worst[1]]} at {HOURS[worst[0]]} h"
