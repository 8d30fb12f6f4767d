"""Every endpoint rule against a diary that was counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import TypeAdapter

from opiome.trial import RULES, Diary, Movements, answers
from opiome.trial import _endpoint_fields as fields

LEAD = 14
ENDPOINT = TypeAdapter(fields.Endpoint)


def endpoint(rule, window=None, **params):
    unit = "%" if RULES[rule].kind == "proportion" else "per week"
    given = {"id": "e", "label": "E", "unit": unit, "rule": rule, "params": params}
    return ENDPOINT.validate_python(given | ({"window": window} if window else {}))


def moves(times, *, spontaneous=True, complete=True, bristol=4, **signs):
    n = len(times)

    def mark(value):
        return np.broadcast_to(np.asarray(value, dtype=bool), n).copy()

    return Movements(
        row=np.zeros(n, dtype=np.intp),
        time=np.asarray(times, dtype=float),
        spontaneous=mark(spontaneous),
        complete=mark(complete),
        bristol=np.full(n, bristol, dtype=np.int8),
        hard=np.full(n, bristol <= 2),
        straining=mark(signs.get("straining", False)),
        blockage=mark(signs.get("blockage", False)),
        manual=mark(signs.get("manual", False)),
    )


def diary(per_week, *, before=(1, 1), missing=(), nrs=None, followed=None, **signs):
    """One patient with so many movements in each week, all on different days; ``missing`` days by number."""
    weeks = [*before, *per_week]
    made = Diary.blank(np.array([17]), LEAD, 7 * len(weeks))
    kept = []
    for column in range(7 * len(weeks)):
        week, weekday = divmod(column, 7)
        day = column - LEAD + 1 if column >= LEAD else column - LEAD
        start = 24.0 * (column - LEAD)
        count = weeks[week] // 7 + (weekday < weeks[week] % 7)
        own = {name: value for name, value in signs.items() if column >= LEAD}
        kept.append(
            made.record(
                column, moves([start + 2 + k for k in range(count)], **own), np.array([day not in missing])
            )
        )
    made.movements = Movements.join(kept)
    if nrs is not None:
        made.nrs[0] = np.where(np.arange(made.nrs.shape[1]) < LEAD, nrs[0], nrs[1])
    if followed is not None:
        made.followed[:] = followed
        made.recorded[:, LEAD + int(followed // 24) :] = False
    return made


def value(made, rule, window=None, **params):
    return answers(made, endpoint(rule, window, **params)).values[0]


def test_the_rules_of_the_schema_and_of_the_trial_are_the_same():
    assert set(RULES) == set(fields.RULES)


@pytest.mark.parametrize(
    ("per_week", "expected"),
    [
        ([3] * 12, 1),  # three a week, two over baseline, twelve times
        ([3] * 9 + [1] * 3, 0),  # nine positive weeks, but none of the last four but one
        ([1] * 3 + [3] * 9, 1),  # nine positive weeks, the last four among them
        ([1] * 3 + [3] * 8 + [1], 0),  # eight
        ([3] * 8 + [1] + [3] * 3, 1),  # eleven, and three of the last four
        ([3] * 8 + [1, 1, 3, 3], 0),  # ten, but two of the last four
        ([2] * 12, 0),  # never three a week
    ],
)
def test_nine_of_twelve(per_week, expected):
    assert value(diary(per_week), "responder", "weeks 1-12") == expected


def test_a_positive_week_is_one_over_baseline():
    assert value(diary([3] * 12, before=(3, 2)), "responder") == 0  # baseline 2.5: 3 is not 3.5
    assert value(diary([4] * 12, before=(3, 2)), "responder") == 1


def test_a_week_with_fewer_than_four_diary_days_is_not_positive():
    # movements fall on the first days of a week; three missed diary days leave four
    four = [7 * week + day for week in range(4) for day in (5, 6, 7)]
    three = [7 * week + day for week in range(4) for day in (4, 5, 6, 7)]
    assert value(diary([3] * 12, missing=four), "responder") == 1
    assert value(diary([3] * 12, missing=three), "responder") == 0


def test_leaving_is_non_response():
    assert value(diary([5] * 12, followed=24.0 * 7 * 9), "responder") == 0
    assert value(diary([5] * 12, followed=24.0 * 7 * 9), "mean_responder", "weeks 11-12") == 0


def test_rescue_in_the_day_before_is_not_spontaneous():
    assert value(diary([5] * 12, spontaneous=False), "responder") == 0
    assert value(diary([5] * 12, spontaneous=False), "mean", quantity="bm_per_week") == 5


def test_average_over_two_weeks():
    assert value(diary([2, 4], before=(1, 1)), "mean_responder", "weeks 1-2") == 1
    assert value(diary([2, 3], before=(1, 1)), "mean_responder", "weeks 1-2") == 0  # 2.5 a week
    assert value(diary([3, 3], before=(3, 3)), "mean_responder", "weeks 1-2") == 0  # not one more


def test_an_average_is_that_of_the_days_there_are():
    """The first days alone can make a responder: the estimand says so, and does not call it composite."""
    params = {"quantity": "sbm_per_week", "threshold": 3, "increase": 1}
    early = diary([7, 7], missing=range(4, 15))
    assert value(early, "mean_responder", "weeks 1-2", **params) == 1
    assert value(diary([7, 7], missing=range(1, 15)), "mean_responder", "weeks 1-2", **params) == 0
    assert "diary days in the window" in RULES["mean_responder"].estimand
    assert "composite" in RULES["responder"].estimand


def test_the_rule_moves_the_answer():
    made = diary([6, 2, 6, 2, 6, 2, 6, 2, 6, 2, 6, 2])
    assert value(made, "mean_responder", "weeks 11-12") == 1
    assert value(made, "responder") == 0
    assert value(made, "responder", weeks=6, last_weeks=2) == 1


def test_change_from_baseline():
    made = diary([2] * 10 + [5, 6], before=(1, 2))
    assert value(made, "mean_change", "weeks 11-12") == pytest.approx(5.5 - 1.5)
    assert value(made, "mean_change", "weeks 1-2", quantity="csbm_per_week") == pytest.approx(0.5)


def test_change_counts_recorded_days():
    made = diary([7, 7], before=(7, 7), missing=[1, 2, 3])
    assert value(made, "mean_change", "week 1") == pytest.approx(0.0)  # four in four days


def test_change_without_a_diary_day_is_missing():
    assert math.isnan(value(diary([5] * 12, followed=240.0), "mean_change", "weeks 11-12"))


def test_movements_without_straining_and_complete_ones():
    made = diary([4, 4], before=(2, 2), straining=True, complete=False)
    assert value(made, "mean_change", quantity="sbm_without_straining_per_week") == pytest.approx(-2)
    assert value(made, "mean_change", quantity="csbm_per_week") == pytest.approx(-2)
    assert value(made, "mean_change", quantity="sbm_per_week") == pytest.approx(2)


def test_time_to_the_first_movement():
    made = diary([0, 1])
    found = answers(made, endpoint("time_to_first"))
    assert (found.values[0], found.event[0]) == (7 * 24 + 2, True)
    found = answers(diary([0, 0]), endpoint("time_to_first"))
    assert (found.values[0], found.event[0]) == (14 * 24, False)
    found = answers(diary([0, 1], followed=100.0), endpoint("time_to_first"))
    assert (found.values[0], found.event[0]) == (100.0, False)
    assert not answers(diary([0, 1], spontaneous=False), endpoint("time_to_first")).event[0]
    assert answers(diary([0, 1], complete=False), endpoint("time_to_first")).event[0]
    assert not answers(diary([0, 1], complete=False), endpoint("time_to_first", movement="csbm")).event[0]


def test_a_movement_within_a_day():
    assert value(diary([1, 0]), "any_within") == 1
    assert value(diary([0, 1]), "any_within") == 0
    assert value(diary([0, 1]), "any_within", within="8 d") == 1


def test_rome_iv():
    assert value(diary([7, 7], before=(7, 7)), "rome_iv_oic") == 0
    assert value(diary([2, 7], before=(7, 7)), "rome_iv_oic") == 0  # one item: fewer than three a week
    assert value(diary([2, 7], before=(7, 7), straining=True), "rome_iv_oic", "week 1") == 1
    assert value(diary([7, 7], before=(7, 7), straining=True, bristol=2), "rome_iv_oic") == 1
    assert value(diary([7, 7], before=(7, 7), straining=True), "rome_iv_oic") == 0
    assert value(diary([7, 0], before=(7, 7)), "rome_iv_oic", "week 1") == 0
    assert value(diary([7, 0], before=(7, 7)), "rome_iv_oic") == 1  # a week without a movement


def test_rome_iv_is_new_or_worse():
    made = diary([2, 2], before=(0, 0), straining=True)
    assert value(made, "rome_iv_oic") == 0  # six items before


def test_share_must_be_more_than_a_quarter():
    made = diary([4, 4], before=(7, 7))
    made.counts["straining"][:, LEAD] = made.counts["hard"][:, LEAD] = 1  # one of four
    assert value(made, "rome_iv_oic", "week 1") == 0
    made.counts["straining"][:, LEAD + 1] = made.counts["hard"][:, LEAD + 1] = 1  # two of four
    assert value(made, "rome_iv_oic", "week 1") == 1


def test_any_week():
    made = diary([7, 2], before=(7, 7))
    assert value(made, "any_week_below", quantity="sbm_per_week", threshold=3) == 1
    assert value(made, "any_week_below", "week 1", quantity="sbm_per_week", threshold=3) == 0
    assert value(diary([7, 2], missing=range(8, 12)), "any_week_below") == 0  # three diary days
    assert value(made, "any_week_above") == 0
    assert value(diary([7, 0]), "any_week_above") == 1


def test_bowel_function_index():
    assert value(diary([7, 7]), "mean", quantity="bfi") == 0
    assert value(diary([0, 0]), "mean", quantity="bfi") == 100
    # all incomplete and strained, no blockage, one a day: (50 + 100 + 0) / 3
    assert value(diary([7, 7], straining=True, complete=False), "mean", quantity="bfi") == pytest.approx(50)


def test_bristol_and_pain_means():
    made = diary([7, 7], bristol=2, nrs=(8, 5))
    assert value(made, "mean", quantity="bristol") == 2
    assert value(made, "mean_change", quantity="bristol") == -2
    assert value(made, "mean_change", quantity="nrs") == -3


def test_pain_response():
    assert value(diary([7, 7], nrs=(8, 5.6)), "pain_response") == 1
    assert value(diary([7, 7], nrs=(8, 5.7)), "pain_response") == 0
    assert value(diary([7, 7], nrs=(0, 0)), "pain_response") == 0
    assert value(diary([7, 7]), "pain_response") == 0  # no pain was written down


def test_days_have_no_zero():
    days = diary([1]).days
    assert days[LEAD - 1 : LEAD + 1].tolist() == [-1, 1]


def test_frames_hold_what_was_written():
    made = diary([3, 2], missing=[1])
    frame = made.frame("placebo")
    assert frame.height == 27
    assert frame.filter(frame["day"] > 0)["spontaneous"].sum() == 4
    assert made.movement_frame("placebo").height == 6
    assert frame["bowel_movements"].sum() == 6


def test_take_and_join_keep_each_patient_together():
    one, two = diary([3, 2]), diary([0, 7])
    both = Diary.join([one, two])
    assert np.array_equal(both.take(np.array([1])).counts["bm"], two.counts["bm"])
    back = both.take(np.array([1, 0]))
    assert back.movements.time[back.movements.row == 0].tolist() == two.movements.time.tolist()
    assert back.movements.time[back.movements.row == 1].tolist() == one.movements.time.tolist()


def test_median_instead_of_mean():
    found = [
        answers(diary([count]), endpoint("mean", quantity="bm_per_week", statistic="median"))
        for count in (1, 2, 9)
    ]
    assert [part.kind for part in found] == ["median"] * 3
    assert [part.values[0] for part in found] == [1, 2, 9]
    change = answers(diary([4], before=(1, 2)), endpoint("mean_change", statistic="median"))
    assert (change.kind, change.values[0]) == ("median", 2.5)


def test_between_holds_both_ends():
    assert value(diary([3, 3]), "between", quantity="bm_per_week", low=3, high=21) == 1
    assert value(diary([2, 4]), "between", quantity="bm_per_week", low=3, high=21) == 1  # 3 on average
    assert value(diary([2, 3]), "between", quantity="bm_per_week", low=3) == 0
    assert value(diary([22, 22]), "between", quantity="bm_per_week", low=3, high=21) == 0
    assert value(diary([22, 22]), "between", quantity="bm_per_week", low=3) == 1
    assert value(diary([5] * 3, followed=24.0 * 7), "between", "week 3", low=3) == 0  # who left has no diary


def test_a_movement_soon_after_two_of_four_doses():
    made = diary([0, 0])
    doses = {"within": "4 h", "every": "2 d", "doses": 4, "needed": 2}
    for times, expected in (
        ([3, 49], 1),  # after the first and the second dose
        ([3, 3.5, 53], 0),  # twice after the first; 5 h after the second
        ([-1, 49], 0),  # before the first
        ([3, 193], 0),  # the second is a fifth dose
        ([100, 148], 1),  # at the end of the 4 h, after the third and the fourth
    ):
        made.movements = moves(times)
        assert value(made, "after_doses", **doses) == expected, times
    made.movements = moves([3, 49], spontaneous=False)
    assert value(made, "after_doses", **doses) == 0
    assert value(made, "after_doses", **(doses | {"movement": "bm"})) == 1


def test_what_was_measured_is_averaged_over_the_days_in_the_trial():
    made = diary([7, 7])
    days = np.arange(made.recorded.shape[1], dtype=np.float32)[None] - LEAD + 1  # its own day number
    made.measured = {"colonic_transit": days}
    assert value(made, "measured", "day 5", observable="colonic_transit") == 5
    assert value(made, "measured", "days 5-8", observable="colonic_transit") == 6.5
    left = np.where(days > 6, np.nan, days)
    made.measured = {"colonic_transit": left}
    assert value(made, "measured", "days 5-8", observable="colonic_transit") == 5.5
    assert math.isnan(value(made, "measured", "days 7-8", observable="colonic_transit"))
    both = Diary.join([made, made]).take(np.array([1]))
    assert np.array_equal(both.measured["colonic_transit"], left, equal_nan=True)
