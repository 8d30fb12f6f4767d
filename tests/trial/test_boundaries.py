"""Diaries that lie exactly on the boundary of a rule, counted by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from pydantic import TypeAdapter

from opiome.trial import Diary, Movements, answers
from opiome.trial import _endpoint_fields as fields
from opiome.trial._bowel import Bowel
from opiome.trial._fields import Condition
from opiome.trial._numbers import diary_numbers
from opiome.trial._quantities import quantity

ENDPOINT = TypeAdapter(fields.Endpoint)
LEAD = 14


def endpoint(rule, window=None, unit="%", **params):
    given = {"id": "e", "label": "E", "unit": unit, "rule": rule, "params": params}
    return ENDPOINT.validate_python(given | ({"window": window} if window else {}))


def written(days, sbm, *, unwritten=()):
    """One diary: spontaneous movements by day (-14 to -1, 1 to ``days``); ``unwritten`` are days without."""
    made = Diary.blank(np.array([3]), LEAD, LEAD + days)
    made.recorded[:] = True
    for column, day in enumerate(made.days.tolist()):
        made.recorded[0, column] = day not in unwritten
        if made.recorded[0, column]:
            for name in ("bm", "sbm"):
                made.counts[name][0, column] = sbm.get(day, 0)
    return made


def weeks(counts, *, before=(1, 1), **more):
    """So many movements in each week, one a day from its first day on."""
    sbm = {}
    for start, count in [(-14, before[0]), (-7, before[1]), *((7 * k + 1, c) for k, c in enumerate(counts))]:
        for k in range(count):
            sbm[start + k % 7] = sbm.get(start + k % 7, 0) + 1
    return written(7 * len(counts), sbm, **more)


def yes(made, rule, window=None, **params):
    return bool(answers(made, endpoint(rule, window, **params)).values[0])


def test_three_a_week_is_enough_and_two_is_not():
    assert yes(weeks([3] * 12), "responder", "weeks 1-12")
    assert not yes(weeks([3] * 8 + [2] * 4), "responder", "weeks 1-12")


def test_exactly_one_over_baseline():
    assert yes(weeks([3] * 12, before=(2, 2)), "responder")
    assert not yes(weeks([3] * 12, before=(2, 3)), "responder")  # 2.5 before


def test_exactly_nine_of_twelve_with_exactly_three_of_the_last_four():
    assert yes(weeks([3] * 6 + [2, 2, 2, 3, 3, 3]), "responder")  # 9; weeks 10, 11, 12
    assert not yes(weeks([3] * 5 + [2, 2, 2, 2, 3, 3, 3]), "responder")  # 8
    assert not yes(weeks([3] * 8 + [2, 3, 3, 2]), "responder")  # 10, two of the last four


def test_a_week_with_four_diary_days_counts_and_one_with_three_does_not():
    """Movements on days 1 to 3 of the week; with three diary days they would be seven a week."""
    four, three = ({7 * week + day for week in range(12) for day in range(d, 8)} for d in (5, 4))
    assert yes(weeks([3] * 12, unwritten=four), "responder")
    assert not yes(weeks([3] * 12, unwritten=three), "responder")
    assert yes(weeks([3] * 12, unwritten=three), "responder", diary_days=3)


def test_one_over_baseline_in_fourteenths():
    """31 movements in two weeks are 15.5 a week, 29 in the run-in 14.5."""
    assert yes(weeks([16, 15], before=(15, 14)), "mean_responder", "weeks 1-2")
    assert not yes(weeks([15, 15], before=(15, 14)), "mean_responder", "weeks 1-2")


@pytest.mark.parametrize("days", [7, 9, 10, 11, 13, 14])
def test_rates_are_the_numbers_that_a_study_file_writes(days):
    """Every count over so many days against the fraction, at limits of a tenth and at its own value."""
    missing = set(range(days + 1, 15))
    for count in range(3 * days):
        sbm = {day: count // days + (day <= count % days) for day in range(1, days + 1)}
        made = written(14, sbm, unwritten=missing)
        rate = quantity(made, "sbm_per_week", slice(LEAD, LEAD + 14))[0]
        for tenth in (1, 21, 25, 28, 30, 35, 42, 49, 63):
            limit = Fraction(tenth, 10)
            assert Condition("sbm_per_week", (("<=", tenth / 10),)).holds(rate) == (
                Fraction(7 * count, days) <= limit
            )


def first_at(hours, *, followed=24.0 * 14):
    made = written(14, {})
    made.followed[:] = followed
    n = len(hours)
    no, signs = np.zeros(n, dtype=bool), np.ones(n, dtype=bool)
    made.movements = Movements(
        np.zeros(n, dtype=np.intp), np.array(hours), signs, signs, np.full(n, 4, np.int8), no, no, no, no
    )
    return made


def test_the_first_movement_at_exactly_24_hours():
    assert yes(first_at([24.0]), "any_within", within="24 h")
    assert not yes(first_at([np.nextafter(24.0, 25.0)]), "any_within", within="24 h")
    assert yes(first_at([0.0]), "any_within", within="4 h")
    assert not yes(first_at([-0.001]), "any_within", within="4 h")  # before the first dose


def test_a_movement_at_the_hour_of_leaving_and_at_the_end_of_the_window():
    found = answers(first_at([48.0], followed=48.0), endpoint("time_to_first", unit="h"))
    assert (found.values[0], found.event[0]) == (48.0, True)
    found = answers(first_at([168.0]), endpoint("time_to_first", "week 1", unit="h"))
    assert (found.values[0], found.event[0]) == (168.0, True)
    found = answers(first_at([168.5]), endpoint("time_to_first", "week 1", unit="h"))
    assert (found.values[0], found.event[0]) == (168.0, False)


def test_within_four_hours_of_a_later_dose():
    params = {"doses": 4, "needed": 2, "within": "4 h", "every": "48 h"}
    assert yes(first_at([4.0, 52.0]), "after_doses", **params)
    assert not yes(first_at([4.0, 52.01]), "after_doses", **params)
    assert not yes(first_at([1.0, 3.0]), "after_doses", **params)  # both after the first


def test_rescue_and_a_movement_in_the_same_hour():
    """A movement is spontaneous from more than 24 h after rescue on, and before it."""
    numbers = diary_numbers()
    one = np.array([0])
    bowel = Bowel(np.array([5]), numbers, 1, np.ones(1), np.zeros(1, np.int64), np.zeros(1), np.array([72.0]))
    signs = {name: np.full((1, 24), 0.5) for name in ("bm_rate", "completeness", "straining", "bristol")}
    for time, spontaneous in ((72.0, False), (72.4, False), (96.0, False), (96.001, True)):
        found = bowel._movements(one, np.array([0]), np.array([time]), signs)
        assert bool(found.spontaneous[0]) == spontaneous


def painful(before, after):
    made = written(14, {}, unwritten=set(range(len(after) + 1, 15)))
    made.nrs[0, :LEAD] = before
    made.nrs[0, LEAD : LEAD + len(after)] = after
    return made


def test_pain_lower_by_exactly_thirty_per_cent():
    assert yes(painful(6, [4, 4, 4, 4, 5]), "pain_response", "weeks 1-2")  # 4.2 is 70 % of 6
    assert yes(painful(10, [7, 7, 7, 7]), "pain_response", "weeks 1-2")
    assert not yes(painful(6, [4, 4, 4, 5]), "pain_response", "weeks 1-2")  # 4.25
    assert not yes(painful(0, [0, 0, 0, 0]), "pain_response", "weeks 1-2")  # nothing to relieve


def test_pain_unchanged_is_no_response_in_cerp():
    assert yes(painful(6, [6, 6, 6]), "changed", "weeks 1-2", quantity="nrs", at_least=0)
    assert not yes(painful(6, [6, 6, 5]), "changed", "weeks 1-2", quantity="nrs", at_least=0)


def test_three_a_week_is_no_item_of_rome_iv():
    """One sign (all movements hard) and three a week: one item; with two a week: two."""
    for count, found in ((3, False), (2, True)):
        made = weeks([count] * 2, before=(7, 7))
        made.counts["hard"][:, LEAD:] = made.counts["bm"][:, LEAD:]
        assert yes(made, "rome_iv_oic", "weeks 1-2") == found


def test_an_escalation_of_exactly_five_per_cent_a_day_is_none():
    made = written(14, {})
    made.daily["ome"][0, LEAD:] = [66.3] * 9 + [1.5 * 66.3] * 5
    assert not yes(made, "escalation", "days 1-10")  # half as much again in ten days
    assert yes(made, "escalation", "days 2-10")
