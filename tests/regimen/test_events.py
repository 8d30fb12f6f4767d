"""From dosings to events, slots and morphine equivalents."""

from __future__ import annotations

import numpy as np
import pytest

from opiome.errors import DoseError
from opiome.regimen import dose_for, dose_now, events, morphine_equivalent, parameters, parse, slots, stops


def rows(table):
    return table.to_polars().to_dicts()


def expanded(table):
    """Every single dose of a table as (patient, state, time, amount, duration)."""
    return sorted(
        (int(i), str(state), float(t) + k * float(ii), float(amount), float(duration))
        for i, state, t, ii, addl, amount, duration in zip(
            table.ID, table.CMT, table.TIME, table.II, table.ADDL, table.AMT, table.DUR, strict=True
        )
        for k in range(int(addl) + 1)
    )


def test_a_tablet_is_split_over_its_compartments_in_nmol(tables):
    table = events(parse("oxycodone 20 mg every 12 h", tables), tables, 0, 48)
    nmol = 20e-3 / 351.8 * 1e9
    doses = expanded(table)
    assert [d[2] for d in doses if d[1] == "opioid_depot"] == [0, 12, 24, 36]
    assert [d[3] for d in doses if d[1] == "opioid_depot"] == pytest.approx([nmol * 0.38] * 4)
    assert sum(d[3] for d in doses) == pytest.approx(4 * nmol)
    assert set(table.ID) == {-1}


def test_the_end_of_a_phase_belongs_to_the_next(tables):
    dosing = parse("morphine 30 mg every 12 h", tables)
    halves = expanded(events(dosing, tables, 0, 24)) + expanded(events(dosing, tables, 24, 48))
    assert halves == expanded(events(dosing, tables, 0, 48))


@pytest.mark.parametrize(
    ("when", "times"),
    [
        ("daily from day 3 to day 4", [148, 172]),
        ("daily until day 2", [100, 124]),
        ("on day 2", [124]),
        ("once", [100]),
        ("every 36 h for 3 days", [100, 136]),
        ("daily from day 90", []),
    ],
)
def test_days_count_from_the_start_of_the_phase(tables, when, times):
    table = events(parse(f"morphine 30 mg {when}", tables), tables, 100, 400)
    assert [dose[2] for dose in expanded(table)] == times


def test_a_patch_is_an_infusion_that_is_replaced(tables):
    table = events(parse("fentanyl patch 25 ug/h every 72 h", tables), tables, 0, 144)
    (one, two) = expanded(table)
    assert (one[2], two[2], one[4]) == (0, 72, 72)
    assert one[3] == pytest.approx(25e-6 / 336.5 * 1e9 * 72)
    assert list(table.LAG) == [4.7]


@pytest.mark.parametrize(
    ("texts", "end", "hours"),
    [
        (["fentanyl patch 25 ug/h every 72 h from day 1 to day 5"], 336, 120),
        (["fentanyl patch 25 ug/h every 72 h"], 100, 100),
        (["fentanyl patch 25 ug/h every 72 h", "stop fentanyl on day 3"], 336, 48),
        (["morphine 2 mg/h over 30 h every 24 h from day 1 to day 3"], 336, 30 + 30 + 24),
    ],
)
def test_a_patch_comes_off_and_a_pump_stops_at_the_end(tables, texts, end, hours):
    lines = [parse(text, tables) for text in texts]
    found = events(lines, tables, 0.0, end).to_polars()
    given = (found["AMT"] * (found["ADDL"] + 1)).sum()
    assert given == pytest.approx(lines[0].amount() * hours, rel=1e-12)
    last = found["TIME"] + found["II"] * found["ADDL"] + found["DUR"]
    assert last.max() <= min(end, 120)


def test_an_infusion_lasts_as_long_as_the_phase(tables):
    (dose,) = expanded(events(parse("morphine 2 mg/h intravenous", tables), tables, 24, 72))
    assert dose[1] == "opioid_central"
    assert dose[4] == 48
    assert dose[3] == pytest.approx(2e-3 / 379.4 * 1e9 * 48)


def test_a_short_infusion(tables):
    (dose,) = expanded(events(parse("5-FU 700 mg over 2 h on day 1", tables), tables, 0, 24))
    assert dose[4] == 2
    assert dose[3] == pytest.approx(0.7 / 130.1 * 1e9 * 0.07)


def test_a_laxative_without_molar_mass_stays_in_its_unit(tables):
    (dose,) = expanded(events(parse("macrogol 17 g once", tables), tables, 0, 24))
    assert dose[1] == "osmotic"
    assert dose[3] == pytest.approx(17 * 0.5)


def test_each_patient_can_have_a_dose(tables):
    dosing = parse("morphine CR every 12 h", tables)
    table = events(dosing, tables, 0, 12, patients=np.array([3, 5]), doses=np.array([10.0, 40.0]))
    assert [(d[0], d[3]) for d in expanded(table)] == [
        (3, pytest.approx(10e-3 / 379.4 * 1e9)),
        (5, pytest.approx(40e-3 / 379.4 * 1e9)),
    ]
    with pytest.raises(DoseError, match="has no dose"):
        events(dosing, tables, 0, 12)


def test_stop_ends_the_doses_of_its_drug_only(tables):
    lines = [
        parse(t, tables)
        for t in ("morphine 30 mg daily", "naldemedine 0.2 mg daily", "stop morphine on day 3")
    ]
    table = events(lines, tables, 0, 120)
    times = {state: [d[2] for d in expanded(table) if d[1] == state] for state in set(table.CMT)}
    assert times == {"opioid_depot_pr": [0, 24], "antagonist_depot": [0, 24, 48, 72, 96]}
    assert stops(lines) == {"morphine": 48}


def test_a_course_that_begins_after_a_stop_is_given(tables):
    texts = [
        "morphine 60 mg bid",
        "stop morphine on day 3",
        "morphine 30 mg bid from day 3",
        "stop morphine on day 5",
    ]
    lines = [parse(text, tables) for text in texts]
    one = lines[2].amount()
    given = expanded(events(lines, tables, 100.0, 100.0 + 240))
    assert [(t - 100, amount / one) for _, _, t, amount, _ in given] == [
        (0, 2), (12, 2), (24, 2), (36, 2), (48, 1), (60, 1), (72, 1), (84, 1),
    ]  # fmt: skip


def test_as_needed_gives_nothing_until_a_rule_asks(tables):
    dosing = parse("bisacodyl 10 mg as needed", tables)
    assert len(events(dosing, tables, 0, 240)) == 0
    table = dose_now(dosing, tables, np.array([5.0, 9.0]), np.array([0, 7]))
    assert expanded(table) == [(0, "stimulant", 5.0, 10.0, 0.0), (7, "stimulant", 9.0, 10.0, 0.0)]


def test_placebo_gives_nothing(tables):
    assert len(events(parse("placebo", tables), tables, 0, 240)) == 0
    assert parameters([parse("placebo", tables)], tables) == {}


# -- slots -------------------------------------------------------------------------------------------------


def where(tables, *texts):
    return slots([parse(text, tables) for text in texts], tables)


def test_two_opioids_take_two_slots(tables):
    assert where(tables, "morphine 30 mg bid", "fentanyl patch 25 ug/h every 72 h") == {
        ("morphine", "CR"): "opioid",
        ("fentanyl", "TD"): "rescue",
    }


def test_formulations_of_one_drug_share_a_slot_where_they_can(tables):
    found = where(tables, "morphine IR 10 mg prn", "morphine CR 30 mg bid", "morphine SC 5 mg prn")
    assert found["morphine", "CR"] == found["morphine", "IR"] == "opioid"
    assert found["morphine", "SC"] == "rescue"  # its absorption differs


def test_a_rescue_opioid_leaves_the_main_slot_free(tables):
    assert where(tables, "oxycodone 5 mg as needed")["oxycodone", "CR"] == "rescue"


def test_a_fixed_combination_takes_a_slot_for_each_molecule(tables):
    found = where(tables, "OXN 20 mg bid", "oxycodone 5 mg prn")
    assert found["oxycodone", "CR"] == "opioid"
    assert found["naloxone", "CR"] == "antagonist"
    assert parameters([parse("OXN 20 mg bid", tables)], tables) == {"opioid_CL": 61, "antagonist_CL": 90}


@pytest.mark.parametrize(
    "texts",
    [
        ("morphine 30 mg bid", "fentanyl patch 25 ug/h every 72 h", "oxycodone 10 mg bid"),
        ("OXN 20 mg bid", "naldemedine 0.2 mg daily"),
    ],
)
def test_more_drugs_than_slots_are_refused_by_name(tables, texts):
    with pytest.raises(DoseError, match="no room for") as caught:
        where(tables, *texts)
    assert texts[-1] in str(caught.value)


# -- morphine equivalents ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ome"),
    [
        ("morphine 30 mg every 12 h", 60),
        ("morphine 10 mg subcutaneous every 6 h", 120),
        ("oxycodone 20 mg twice daily", 60),
        ("fentanyl patch 25 ug/h every 72 h", 60),
        ("OXN 20 mg bid", 60),
        ("morphine IR 10 mg every 4 h as needed", 0),
        ("naldemedine 0.2 mg daily", 0),
        ("placebo", 0),
    ],
)
def test_morphine_equivalents_follow_the_guideline(tables, text, ome):
    assert morphine_equivalent(parse(text, tables), tables) == pytest.approx(ome)


@pytest.mark.parametrize(
    "text", ["morphine CR every 12 h", "oxycodone every 8 h", "fentanyl patch every 72 h"]
)
def test_a_dose_for_a_morphine_equivalent_is_worth_it(tables, text):
    dosing = parse(text, tables)
    assert dosing.is_open
    filled = dosing.with_dose(dose_for(dosing, 120.0, tables))
    assert morphine_equivalent(filled, tables) == pytest.approx(120)


def test_no_equivalent_for_what_is_no_opioid(tables):
    with pytest.raises(DoseError, match="no morphine equivalent"):
        dose_for(parse("naldemedine daily", tables), 60, tables)
