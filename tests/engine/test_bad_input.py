"""Bad input is refused as a whole, before anything runs, with patient, row, field and remedy."""

from __future__ import annotations

import numpy as np
import pytest

from opiome import engine
from opiome.errors import InputError, ModelError, UnsupportedSbmlError

BAD_ROWS = [
    ({"CMT": "centrl", "AMT": 1.0}, "CMT", "id you mean `central`"),
    ({"CMT": "central", "AMT": 1.0, "TIME": -1.0}, "TIME", "before the present time"),
    ({"CMT": "central", "AMT": float("nan")}, "AMT", "not a number"),
    ({"CMT": "central", "AMT": -5.0}, "AMT", "negative"),
    ({"CMT": "central", "AMT": 1.0, "II": 12.0}, "II", "without ADDL or SS"),
    ({"CMT": "central", "AMT": 1.0, "ADDL": 3}, "ADDL", "without II"),
    ({"CMT": "central", "AMT": 1.0, "SS": 1}, "SS", "without II"),
    ({"CMT": "central", "AMT": 1.0, "SS": 3, "II": 12.0}, "SS", "0, 1 or 2"),
    ({"CMT": "central", "AMT": 1.0, "RATE": 1.0, "DUR": 2.0}, "DUR", "one of them"),
    ({"CMT": "central", "AMT": 1.0, "LAG": -1.0}, "LAG", "negative"),
    ({"CMT": "central", "AMT": 1.0, "LAG": 13.0, "II": 12.0, "SS": 1}, "LAG", "shorter than II"),
    ({"CMT": "central", "AMT": 0.0, "RATE": 1.0}, "AMT", "infusion of nothing"),
    ({"CMT": "central", "AMT": 1.0, "ID": 7}, "ID", "0 to 2"),
    ({"CMT": "central", "AMT": 1.0, "EVID": 9}, "EVID", "0, 1, 2, 3, 4 or 5"),
    ({"CMT": "Cl", "AMT": 1.0, "EVID": 2}, "CMT", "id you mean `CL`"),
    ({"CMT": "central", "AMT": 1.0, "II": 1.0, "ADDL": 10**10}, "ADDL", "shorter"),
    ({"CMT": "central", "AMT": 1.0, "TIME": float("nan")}, "TIME", "missing"),
    ({"CMT": "central", "AMT": 1.0, "TIME": float("inf")}, "TIME", "finite"),
    ({"CMT": "central"}, "AMT", "missing"),
    ({"AMT": 1.0}, "CMT", "missing"),
    ({"CMT": "CL", "EVID": 2}, "AMT", "missing"),
    ({"AMT": 2.0, "EVID": 2}, "CMT", "missing"),
    ({"EVID": 5}, "CMT", "missing"),
    ({"EVID": 5, "CMT": "depott"}, "CMT", "id you mean `depot`"),
    ({"EVID": 5, "CMT": "depot", "SITE": "arm"}, "SITE", "ame the site of the dose"),
]


@pytest.fixture(scope="module")
def program(oral):
    return engine.compile(oral)


@pytest.mark.parametrize(("row", "field", "words"), BAD_ROWS)
def test_one_bad_row(program, row, field, words):
    table = engine.EventTable.from_rows(
        [{"TIME": 0.0, "CMT": "depot", "AMT": 1.0}, {"ID": 2, "TIME": 0.0, **row}]
    )
    with pytest.raises(engine.DoseError) as caught:
        program.ensemble({}, n=3, events=table)
    (problem,) = caught.value.problems
    assert problem.field == field
    assert "row 1" in str(problem)
    assert words in str(problem)
    assert f"patient {row.get('ID', 2)}" in str(problem)


def test_all_problems_at_once(program):
    table = engine.EventTable.from_rows(
        [{"TIME": 0.0, "CMT": "depot", "AMT": 1.0, "ID": 0, **row} for row, _, _ in BAD_ROWS[:12]]
    )
    with pytest.raises(engine.DoseError) as caught:
        program.ensemble({}, n=3, events=table)
    assert len(caught.value.problems) >= 12


def test_a_long_list_of_problems_is_cut(program):
    table = engine.EventTable(TIME=np.zeros(500), CMT=np.full(500, "nowhere"), AMT=np.ones(500))
    with pytest.raises(engine.DoseError, match="and 470 more"):
        program.ensemble({}, n=3, events=table)


def test_overlapping_patches_on_one_site(program):
    patch = {"TIME": 0.0, "CMT": "central", "AMT": 72.0, "DUR": 72.0, "SITE": "left arm", "ID": 1}
    fine = engine.EventTable.from_rows(
        [{**patch, "TIME": 0.0}, {**patch, "TIME": 72.0}, {**patch, "SITE": "right arm"}]
    )
    program.ensemble({}, n=2, events=fine)
    table = engine.EventTable.from_rows([{**patch, "TIME": 0.0}, {**patch, "TIME": 60.0}])
    with pytest.raises(engine.DoseError, match=r"`left arm` overlap at 60 h \(rows 0 and 1, patient 1\)"):
        program.ensemble({}, n=2, events=table)
    repeated = engine.EventTable.from_rows([{**patch, "II": 48.0, "ADDL": 2}])
    with pytest.raises(engine.DoseError, match="overlap at 48 h"):
        program.ensemble({}, n=2, events=repeated)
    run = program.ensemble({}, n=2, events=engine.EventTable.from_rows([patch]))
    run.advance(24.0)
    later = {**patch, "TIME": 24.0}
    with pytest.raises(engine.DoseError, match=r"row 0 and one given before, patient 1\).*EVID 5"):
        run.give(engine.EventTable.from_rows([later]))
    end = {"ID": 1, "TIME": 24.0, "EVID": 5, "CMT": "central", "SITE": "left arm"}
    run.give(engine.EventTable.from_rows([end, later]))


def test_every_record_says_when(program):
    """A record without its time is not one at time 0."""
    table = engine.EventTable.from_rows([{"CMT": "depot", "AMT": 1.0}, {"EVID": 3}, {"TIME": 1.0, "EVID": 3}])
    with pytest.raises(engine.DoseError) as caught:
        program.ensemble({}, n=3, events=table)
    assert [p.field for p in caught.value.problems] == ["TIME", "TIME"]
    assert "row 0" in str(caught.value)
    assert "row 1" in str(caught.value)
    columns = engine.EventTable(CMT=np.array(["depot", "depot"]), AMT=np.ones(2))
    with pytest.raises(engine.DoseError, match="TIME: is missing"):
        program.ensemble({}, n=3, events=columns)


def test_doses_in_the_past_of_a_running_ensemble(program):
    run = program.ensemble({}, n=2)
    run.advance(10.0)
    with pytest.raises(engine.DoseError, match="before the present time 10 h"):
        run.give(engine.EventTable.from_rows([{"TIME": 9.0, "CMT": "depot", "AMT": 1.0}]))
    run.advance(11.0)  # what was refused left no trace


def test_unknown_columns():
    with pytest.raises(engine.DoseError, match="id you mean `AMT`"):
        engine.EventTable.from_rows([{"AMNT": 1.0}])
    with pytest.raises(engine.DoseError, match="2 rows where other columns have 3"):
        engine.EventTable(TIME=np.zeros(3), AMT=np.zeros(2))


def test_parameters(program):
    with pytest.raises(InputError) as caught:
        program.ensemble({"CL": np.array([1.0, np.nan, 2.0]), "VV": 3.0, "ka": np.ones(4)})
    text = str(caught.value)
    assert "CL: is nan for patient 1" in text
    assert "id you mean `V`" in text
    assert "ka: has 4 values for 3 patients" in text


def test_output_times(program):
    run = program.ensemble({}, n=1000)
    with pytest.raises(InputError, match="do not fit in memory"):
        run.advance(1.0, at=np.broadcast_to(0.5, 10**7))
    with pytest.raises(InputError, match="ascend"):
        run.advance(1.0, at=[0.5, 0.2])
    with pytest.raises(InputError, match="leave"):
        run.advance(1.0, at=[0.5, 2.0])
    run.advance(1.0)
    with pytest.raises(InputError, match="before the present time"):
        run.advance(0.5)


def test_names_and_tolerances(program, oral):
    with pytest.raises(InputError, match="id you mean `central`"):
        program.ensemble({}, signed=["centrall"])
    for rtol in (0.0, 1.0, float("nan"), "1e-4"):
        with pytest.raises(InputError, match="a number between 0 and 1"):
            program.ensemble({}, rtol=rtol)
    for threads in (0, -1, 1.5, "2", True):
        with pytest.raises(InputError, match="threads"):
            program.ensemble({}, threads=threads)
    with pytest.raises(InputError, match="budget"):
        program.ensemble({}, budget=0)
    with pytest.raises(InputError, match="atol"):
        program.ensemble({}, atol=-1.0)
    with pytest.raises(InputError, match="unknown method"):
        engine.compile(oral, method="euler")
    with pytest.raises(ModelError, match="id you mean `central`"):
        engine.compile(oral, outputs=["centrall", "nonsense"])
    run = program.ensemble({}, n=3)
    with pytest.raises(InputError, match="patient 2"):
        run.set("CL", [1.0, 2.0, np.nan])
    with pytest.raises(InputError, match="id you mean `CL`"):
        run.set("CLL", 1.0)


def test_the_end_of_something_at_a_site_where_nothing_is(program):
    patch = {"TIME": 0.0, "CMT": "central", "AMT": 10.0, "DUR": 72.0, "SITE": "left arm"}
    end = {"TIME": 24.0, "CMT": "central", "EVID": 5}
    program.ensemble({}, n=2, events=engine.EventTable.from_rows([patch, end | {"SITE": "left arm"}]))
    with pytest.raises(engine.DoseError, match=r"row 1, patient -1.*Did you mean `left arm`"):
        program.ensemble({}, n=2, events=engine.EventTable.from_rows([patch, end | {"SITE": "left amr"}]))
    run = program.ensemble({}, n=2, events=engine.EventTable.from_rows([patch]))
    run.advance(12.0)
    with pytest.raises(engine.DoseError, match="nothing is given into `central` at site `back`"):
        run.give(engine.EventTable.from_rows([end | {"SITE": "back"}]))
    run.give(engine.EventTable.from_rows([end | {"SITE": "left arm"}]))


def test_algebraic_loops_are_refused_with_the_circle(sbml):
    text = sbml("c = 1; a := 2 * c; b := a + 1; x = 1; x' = a").replace("<ci> c </ci>", "<ci> b </ci>")
    with pytest.raises(UnsupportedSbmlError, match=r"algebraic loop: a -> b -> a .*\(line \d+\)"):
        engine.compile(text)


def test_delays_are_refused_by_name_and_line(sbml):
    with pytest.raises(UnsupportedSbmlError, match=r"rate rule of `x` \(line \d+\) uses `delay`"):
        engine.compile(sbml("x = 1; x' = -k * delay(x, 1); k = 1"))


def test_algebraic_rules_packages_and_fast_reactions_are_refused_with_their_lines(sbml):
    plain = sbml("species S; S = 1; J: S => ; 0.1 * S; k = 1")
    algebraic = plain.replace(
        "<listOfReactions>",
        '<listOfRules><algebraicRule><math xmlns="http://www.w3.org/1998/Math/MathML"><ci> k </ci></math>'
        "</algebraicRule></listOfRules><listOfReactions>",
    ).replace('id="k" value="1" constant="true"', 'id="k" value="1" constant="false"')
    with pytest.raises(UnsupportedSbmlError, match=r"algebraic rule \(line \d+\)"):
        engine.compile(algebraic)
    without_law = sbml("species S; S = 1; J: S => ; ")
    with pytest.raises(UnsupportedSbmlError, match=r"reaction `J` without a kinetic law \(line \d+\)"):
        engine.compile(without_law)


@pytest.mark.parametrize("text", ["", "hello", "<sbml>", "{}", "<?xml version='1.0'?><a/>", "\x00" * 1000])
def test_text_that_is_not_sbml(text):
    with pytest.raises(ModelError):
        engine.compile(text)


@pytest.mark.parametrize("column", ["ID", "EVID", "ADDL", "SS"])
def test_a_fraction_where_a_whole_number_belongs_is_refused(column):
    with pytest.raises(InputError, match=f"{column}: is not a whole number"):
        engine.EventTable.from_rows([{"CMT": "depot", "AMT": 1.0, "II": 12.0, column: 1.5}])
