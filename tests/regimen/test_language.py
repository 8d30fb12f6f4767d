"""What people write, and what is understood."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opiome.errors import DoseError
from opiome.regimen import parse
from opiome.regimen._language import read

UNDERSTOOD = [
    # text, product, dose, rate, every, over, first day, last day, as needed
    ("morphine 30 mg every 12 h", "morphine CR", 30, False, 12, None, 1, None, False),
    ("morphine CR 30 mg twice daily", "morphine CR", 30, False, 12, None, 1, None, False),
    ("Morphine prolonged release 30 mg bid", "morphine CR", 30, False, 12, None, 1, None, False),
    ("MST 30 mg q12h", "morphine CR", 30, False, 12, None, 1, None, False),
    ("oxycodone 10 mg every 12 h from day 3 to day 10", "oxycodone CR", 10, False, 12, None, 3, 10, False),
    ("naldemedine 0.2 mg daily", "naldemedine oral", 0.2, False, 24, None, 1, None, False),
    ("naldemedine 200 ug once daily", "naldemedine oral", 0.2, False, 24, None, 1, None, False),
    ("fentanyl patch 25 ug/h every 72 h", "fentanyl TD", 25, True, 72, None, 1, None, False),
    ("fentanyl 25 µg/h every 3 days", "fentanyl TD", 25, True, 72, None, 1, None, False),
    ("fentanyl patch every 72 h", "fentanyl TD", None, True, 72, None, 1, None, False),
    ("morphine 10 mg subcutaneous every 2 days", "morphine SC", 10, False, 48, None, 1, None, False),
    ("morphine 10 mg sc every other day", "morphine SC", 10, False, 48, None, 1, None, False),
    ("bisacodyl 10 mg as needed", "bisacodyl oral", 10, False, None, None, 1, None, True),
    ("bisacodyl 10 mg prn", "bisacodyl oral", 10, False, None, None, 1, None, True),
    ("macrogol 17 g daily", "macrogol oral", 17, False, 24, None, 1, None, False),
    ("PEG 3350 17 g daily", "macrogol oral", 17, False, 24, None, 1, None, False),
    ("polyethylene glycol 17 g daily", "macrogol oral", 17, False, 24, None, 1, None, False),
    ("morphine IR 5 mg every 4 h as needed", "morphine IR", 5, False, 4, None, 1, None, True),
    ("morphine 2 mg/h intravenous", "morphine IV", 2, True, None, None, 1, None, False),
    ("morphine 2 mg/h", "morphine IV", 2, True, None, None, 1, None, False),
    ("5-FU 700 mg over 2 h every 2 weeks", "fluorouracil IV", 700, False, 336, 2, 1, None, False),
    ("oxycodone/naloxone 20 mg every 12 h", "oxycodone/naloxone CR", 20, False, 12, None, 1, None, False),
    ("morphine 30 mg three times daily for 2 weeks", "morphine CR", 30, False, 8, None, 1, 14, False),
    ("morphine 30 mg 4 times a day until day 5", "morphine CR", 30, False, 6, None, 1, 5, False),
    ("morphine 30 mg twice daily on day 3", "morphine CR", 30, False, 12, None, 3, 3, False),
    ("morphine 30 mg on day 3", "morphine CR", 30, False, None, None, 3, 3, False),
    ("morphine 30 mg once", "morphine CR", 30, False, None, None, 1, None, False),
    ("morphine 30 mg days 2 to 4 daily", "morphine CR", 30, False, 24, None, 2, 4, False),
    ("morphine 30 mg daily for 5 days from day 3", "morphine CR", 30, False, 24, None, 3, 7, False),
    ("morphine 30 mg daily on days 1 to 5", "morphine CR", 30, False, 24, None, 1, 5, False),
    ("fentanyl patch 25 ug/hr every 72 h", "fentanyl TD", 25, True, 72, None, 1, None, False),
    ("fentanyl patch 25 ug/h once for 3 days", "fentanyl TD", 25, True, None, None, 1, 3, False),
    ("macrogol 17 g weekly", "macrogol oral", 17, False, 168, None, 1, None, False),
]


@pytest.mark.parametrize("case", UNDERSTOOD, ids=[case[0] for case in UNDERSTOOD])
def test_a_regimen_as_people_write_it(tables, case):
    text, title, dose, rate, every, over, first, last, as_needed = case
    dosing = parse(text, tables)
    assert dosing.product.title == title
    assert dosing.dose == (None if dose is None else pytest.approx(dose, rel=1e-12))
    assert (dosing.rate, dosing.every, dosing.over) == (rate, every, over)
    assert (dosing.first_day, dosing.last_day, dosing.as_needed) == (first, last, as_needed)
    assert dosing.text == text


def test_moles_become_the_unit_of_the_table(tables):
    assert parse("naldemedine 350.5 nmol daily", tables).dose == pytest.approx(350.5 * 570.6e-6)


def test_placebo_and_stop(tables):
    placebo = parse("placebo", tables)
    assert (placebo.action, placebo.product, placebo.is_active) == ("placebo", None, False)
    stop = parse("stop morphine on day 7", tables)
    assert (stop.action, stop.drug, stop.first_day) == ("stop", "morphine", 7)


REFUSED = [
    # text, column of each problem, words of the first message
    ("", [1], "empty"),
    ("30 mg daily", [1], "drug is missing"),
    ("morphin 30 mg every 12 h", [1], "Did you mean 'morphine'?"),
    ("morphine sulphite 30 mg daily", [10], "'sulphite' is not understood after 'morphine'"),
    ("morphine 30 mgg every 12 h", [13], "Did you mean 'mg'?"),
    ("morphine 30 every 12 h", [10], "unit of 30 is missing"),
    ("morphine 30 kg every 12 h", [10], "impossible single dose"),
    ("morphine 30000 mg daily", [10], "expected 5 to 1000 mg"),
    ("morphine 30 h daily", [10], "cannot be given in 'h'"),
    ("morphine -30 mg daily", [10], "dose is negative"),
    ("morphine 0 mg daily", [10], "not above 0"),
    ("morphine 30-60 mg daily", [10], "not one dose"),
    ("morphine 0.3 mg/kg daily", [14], "per body weight is not supported"),
    ("morphine 30 mg", [15], "frequency is missing"),
    ("morphine 30 mg every", [21], "needs a number"),
    ("morphine 30 mg every 12", [22], "needs a unit"),
    ("morphine 30 mg every -12 h", [22], "negative"),
    ("morphine 30 mg every 0 h", [22], "not above 0"),
    ("morphine 30 mg every 2 kg", [24], "not a duration"),
    ("morphine 30 mg tiwce daily", [16], "Did you mean 'twice'?"),
    ("morphine 30 mg daily every 8 h", [22], "second frequency"),
    ("morphine 30 mg daily in the morning", [22], "not understood"),
    ("morphine 30 mg daily from day 5 to day 2", [33], "day 2 comes before day 5"),
    ("morphine 30 mg daily from day x", [31], "needs a day"),
    ("morphine 30 mg daily for 36 h", [22], "whole days"),
    ("fentanyl patch 25 mg every 72 h", [16], "is a rate"),
    ("naldemedine patch 0.2 mg daily", [13], "no patch form of naldemedine"),
    ("stop morphine", [14], "day is missing"),
    ("stop", [5], "drug is missing"),
    ("morphin 30 mgg daily", [1, 12], "unknown drug"),
    # what would be another dose than the one that was meant
    ("naldemedine 0.2 mg on days 1 to 5", [34], "frequency is missing"),
    ("naldemedine 0.2 mg once for 5 days", [35], "frequency is missing"),
    ("morphine 30 mg daily until day 5 from day 8", [22], "day 5 comes before day 8"),
    ("morphine 30 mg daily for 2 days on day 4", [33], "'for' and a last day"),
    ("morphine 30 mg daily from day 3 from day 5", [33], "second first day"),
    ("morphine 30 mg daily until day 3 until day 5", [34], "second last day"),
    ("morphine 60 mg/day", [13], "a dose per day ('mg/day') is not one dose"),
    ("morphine 60 mg/day daily", [13], "a dose per day"),
    ("fentanyl patch 25 ug/h once", [28], "how long it is given is missing"),
    ("morphine 10 mg every 4 h", [1], "may be immediate or prolonged release"),
    ("morphine 10 mg pr every 4 h", [1], "may be immediate or prolonged release"),
    ("morphine 10 mg as needed", [1], "may be immediate or prolonged release"),
    ("stop morphine from day 7 to day 9", [34], "stays stopped"),
    ("stop morphine on day 7 for 3 days", [34], "stays stopped"),
]


@pytest.mark.parametrize("case", REFUSED, ids=[case[0] for case in REFUSED])
def test_every_problem_points_at_its_word(tables, case):
    text, columns, words = case
    with pytest.raises(DoseError) as caught:
        parse(text, tables)
    assert [problem.column for problem in caught.value.problems] == columns
    assert words in str(caught.value.problems[0])
    assert "\n" not in str(caught.value.problems[0])


@settings(deadline=None)  # the machine may be busy
@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_in_words(text):
    sentence = read(text)
    for problem in sentence.problems:
        assert problem.column is not None
        assert 1 <= problem.column <= len(text) + 1


WORDS = "morphine 30 -5 mg ug/h every 12 h daily twice as needed from to day 3 until for over on once stop"


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.sampled_from(WORDS.split()), max_size=12))
def test_any_order_of_known_words_is_read_or_refused(tables, words):
    text = " ".join(words)
    with contextlib.suppress(DoseError):
        assert parse(text, tables).text == text
