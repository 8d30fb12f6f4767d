"""Estimands of ICH E9(R1) and the rules about doses, events and survival, on diaries made by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from opiome.errors import StudyError
from opiome.trial import RULES, Answers, Diary, Movements, Study, answers
from opiome.trial import _endpoint_fields as fields
from opiome.trial._analyses import ANALYSES, contrast
from opiome.trial._compare import answered, compare
from opiome.trial._endpoints import estimand
from opiome.trial._estimands import events, until
from opiome.trial._statistics import estimate, predicted_difference, predictive

LEAD, WEEKS = 14, 4
ENDPOINT = TypeAdapter(fields.Endpoint)


def endpoint(rule, window=None, *, unit=None, estimand=None, analysis=None, **params):
    unit = unit or {"proportion": "%", "time": "h"}.get(RULES[rule].kind, "per week")
    given = {"id": "e", "label": "E", "unit": unit, "rule": rule, "params": params}
    beside = {"window": window, "estimand": estimand, "analysis": analysis}
    return ENDPOINT.validate_python(given | {name: value for name, value in beside.items() if value})


def people(per_week, *, before=1, weeks=WEEKS):
    """Patients with so many spontaneous movements a day of each week, at noon; one row of weeks each."""
    n, days = len(per_week), LEAD + 7 * weeks
    made = Diary.blank(np.arange(n), LEAD, days)
    kept = []
    for column in range(days):
        rows = []
        for row, own in enumerate(per_week):
            week = (column - LEAD) // 7
            count = before if column < LEAD else own[week]
            first = column % 7 if column < LEAD else (column - LEAD) % 7
            rows += [row] * (count // 7 + (first < count % 7))
        time = np.full(len(rows), 24.0 * (column - LEAD) + 12.0)
        yes, no = np.ones(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
        moves = Movements(
            np.array(rows, dtype=np.intp),
            time,
            yes,
            yes,
            np.full(len(rows), 4, dtype=np.int8),
            no,
            no,
            no,
            no,
        )
        kept.append(made.record(column, moves, np.ones(n, dtype=bool)))
    made.movements = Movements.join(kept)
    made.nrs[:] = np.where(np.arange(days) < LEAD, 6.0, 4.0)
    return made


def left(made, row, day, reason="dropout"):
    """The patient leaves at the end of a day."""
    made.recorded[row, LEAD + day :] = False
    for counts in made.counts.values():
        counts[row, LEAD + day :] = 0
    made.nrs[row, LEAD + day :] = np.nan
    made.followed[row] = 24.0 * day
    made.reason[row] = reason
    moves = made.movements
    made.movements = moves.select((moves.row != row) | (moves.time < 24.0 * day))
    return made


def values(made, *given, **more):
    return answers(made, endpoint(*given, **more)).values.tolist()


# patient 0 takes rescue on day 20, 1 leaves after day 10, 2 dies on day 24, 3 has no event
@pytest.fixture
def four():
    made = people([[3, 3, 5, 7], [4, 4, 0, 0], [2, 2, 6, 6], [3, 3, 3, 3]])
    made.rescue[0, LEAD + 19] = 1
    left(made, 1, 10)
    left(made, 2, 24, "death")
    made.death_day[2] = 23.5
    return made


CHANGE = {"quantity": "sbm_per_week"}


def test_when_events_happen(four):
    found = events(four)
    assert found["rescue"].tolist() == [24.0 * 19, math.inf, math.inf, math.inf]
    assert found["discontinuation"].tolist() == [math.inf, 240.0, math.inf, math.inf]
    assert found["death"].tolist() == [math.inf, math.inf, 24 * 23.5, math.inf]


def test_treatment_policy_takes_the_diary_as_it_is(four):
    plain = values(four, "mean_change", "weeks 3-4", **CHANGE)
    assert values(four, "mean_change", "weeks 3-4", estimand="treatment policy", **CHANGE) == pytest.approx(
        plain, nan_ok=True
    )
    assert plain[0] == 5.0  # 6 a week against 1
    assert math.isnan(plain[1])


def test_composite_of_a_mean_is_no_change(four):
    found = values(four, "mean_change", "weeks 3-4", estimand="composite", **CHANGE)
    assert found == [0.0, 0.0, 0.0, 2.0]
    assert values(four, "mean", "weeks 3-4", estimand="composite", **CHANGE) == [1.0, 1.0, 1.0, 3.0]


def test_hypothetical_means_are_missing_after_the_event(four):
    found = values(four, "mean_change", "weeks 3-4", estimand="hypothetical", **CHANGE)
    assert [math.isnan(value) for value in found] == [True, True, True, False]
    visits = answers(four, endpoint("mean_change", "week 4", estimand="hypothetical", **CHANGE)).visits
    # weeks 1-4: what was written before the event stays for an MMRM
    assert visits[0].tolist()[:3] == [2.0, 2.0, pytest.approx(7 * 5 / 5 - 1)]
    assert math.isnan(visits[0, 3])
    assert visits[1, 0] == 3.0
    assert np.isnan(visits[1, 2:]).all()


def test_while_on_treatment_is_the_same_stretch_before_the_event(four):
    found = values(four, "mean_change", "weeks 3-4", estimand="while on treatment", **CHANGE)
    # patient 0: days 6 to 19; the first three days of each week have the movements, days 15-19 five of five
    days = [0, 0] + [1, 1, 1, 0, 0, 0, 0] + [1] * 5
    assert found[0] == pytest.approx(7 * sum(days) / 14 - 1)
    assert found[1] == pytest.approx(7 * (4 + 3) / 10 - 1)  # days 1 to 10
    assert found[3] == 2.0


def test_responders_under_each_strategy(four):
    rule = {"weeks": 3, "last_weeks": 1, "of_last": 2}
    assert values(four, "responder", "weeks 1-4", **rule) == [1, 0, 0, 1]
    assert values(four, "responder", "weeks 1-4", estimand="composite", **rule) == [0, 0, 0, 1]
    found = values(four, "responder", "weeks 1-4", estimand="hypothetical", **rule)
    assert [None if math.isnan(value) else value for value in found] == [None, None, None, 1]
    on = values(four, "responder", "weeks 1-4", estimand="while on treatment", **rule)
    assert on == [1, 0, 0, 1]  # two weeks and five of the seven days of the third


def test_strategies_by_event(four):
    mixed = {"rescue": "composite", "discontinuation": "hypothetical", "death": "while on treatment"}
    found = values(four, "mean_change", "weeks 3-4", estimand=mixed, **CHANGE)
    assert found[0] == 0.0
    assert math.isnan(found[1])
    assert found[2] == pytest.approx(7 * (0 + 6 + 2) / 14 - 1)  # days 10 to 23 of 2, 2, 6, 6 a week
    words = estimand(endpoint("mean_change", estimand=mixed, **CHANGE))
    assert words == ("composite for rescue; hypothetical for discontinuation; while on treatment for death")


def test_a_yes_before_the_event_stays(four):
    """A movement within a day of the first dose is not undone by rescue three weeks later."""
    for strategy in ("composite", "hypothetical", "while on treatment"):
        assert values(four, "any_within", estimand=strategy, within="24 h") == [1, 1, 1, 1]


def test_rescue_before_the_first_movement():
    made = people([[0, 3, 3, 3], [3, 3, 3, 3]])
    made.rescue[0, LEAD + 4] = 1
    first = answers(made, endpoint("time_to_first", estimand="composite"))
    assert first.values.tolist() == [24.0 * 28, 12.0]
    assert first.event.tolist() == [False, True]
    censored = answers(made, endpoint("time_to_first", estimand="hypothetical"))
    assert censored.values.tolist() == [24.0 * 4, 12.0]
    plain = answers(made, endpoint("time_to_first", estimand="treatment policy"))
    assert plain.values.tolist() == [24.0 * 7 + 12.0, 12.0]


def test_an_event_counts_as_the_harm_that_is_asked_for(four):
    harm = values(four, "any_week_below", "weeks 1-4", estimand="composite", threshold=1.0)
    assert harm == [1, 1, 1, 0]
    worse = {"quantity": "nrs", "at_least": 0.0}
    assert values(four, "changed", "week 4", estimand="composite", harm=True, **worse) == [1, 1, 1, 0]
    assert values(four, "changed", "week 4", estimand="composite", **worse) == [0, 0, 0, 0]


def test_stopping_the_drug_is_a_discontinuation_with_a_diary(four):
    four.stopped_day[3] = 14.0
    found = values(four, "mean_change", "weeks 3-4", estimand="composite", **CHANGE)
    assert found[3] == 0.0
    policy = {"discontinuation": "treatment policy"}
    assert values(four, "mean_change", "weeks 3-4", estimand=policy, **CHANGE)[3] == 2.0


def test_a_diary_up_to_a_time_knows_nothing_of_later(four):
    short = until(four, np.array([24.0, np.inf, 24.0, 0.0]))
    assert short.recorded[:, LEAD:].sum(axis=1).tolist() == [1, 10, 1, 0]
    assert np.isnan(short.death_day[2])
    assert short.movements.time.max() == four.movements.time[four.movements.row == 1].max()
    assert short.recorded[:, :LEAD].all()


# -- rules ------------------------------------------------------------------------------------------------


def test_lubiprostone_rule():
    rule = {"weeks": 3}
    made = people([[3, 3, 3, 3], [3, 3, 3, 1], [2, 3, 3, 3], [2, 2, 3, 3]], before=1)
    assert values(made, "all_weeks", **rule) == [1, 0, 1, 0]
    made.recorded[1, LEAD + 21 :] = False  # the week without an increase is not observed
    assert values(made, "all_weeks", **rule)[1] == 1


def test_changed_between_limits():
    made = people([[3] * 4, [3] * 4])
    made.nrs[1, LEAD:] = 6.5
    assert values(made, "changed", "week 4", quantity="nrs", at_least=0) == [0, 1]  # CERP: not improved
    assert values(made, "changed", "week 4", quantity="nrs", at_most=-2) == [1, 0]
    with pytest.raises(ValueError, match="any change would count"):
        endpoint("changed", quantity="nrs")


def test_dose_rise_and_escalation():
    made = people([[3] * 4] * 3)
    made.daily["ome"][0, LEAD:] = np.linspace(60, 150, 28)  # +150 % in 28 days: 5.36 a day
    made.daily["ome"][1, LEAD:] = np.linspace(60, 120, 28)
    made.daily["ome"][1, LEAD + 14 :] = np.nan  # left after two weeks
    rise = values(made, "dose_rise", unit="%")
    assert rise[0] == pytest.approx(150.0, abs=1e-4)
    assert rise[1] == pytest.approx(100 * (60 / 27 * 13) / 60, abs=1e-4)
    assert math.isnan(rise[2])
    assert values(made, "escalation") == [1, 0, 0]


def test_a_day_with_a_score():
    made = people([[3] * 4] * 2)
    made.daily["cows"][:, :] = 2.0
    made.daily["cows"][1, LEAD + 9] = 13.0
    assert values(made, "any_day", score="cows", threshold=13) == [0, 1]
    assert values(made, "any_day", "week 1", score="cows", threshold=13) == [0, 0]


def test_overall_and_progression_free_survival():
    made = people([[3] * 4] * 4)
    made.progression_day[:2] = [10.0, 20.0]
    made.death_day[1:3] = [25.0, 12.5]
    left(made, 1, 25, "death")
    left(made, 3, 16)
    alive = answers(made, endpoint("survival", unit="days"))
    assert (alive.values / 24).tolist() == [28, 25, 12.5, 16]
    assert alive.event.tolist() == [False, True, True, False]
    free = answers(made, endpoint("survival", unit="days", until="progression or death"))
    assert (free.values / 24).tolist() == [10, 20, 12.5, 16]
    assert free.event.tolist() == [True, True, True, False]
    early = answers(made, endpoint("survival", "weeks 1-2", unit="days"))
    assert early.event.tolist() == [False, False, True, False]


def test_what_happens_once():
    made = people([[3] * 4] * 3)
    made.rotated_day[:2] = [0.0, 9.0]
    assert values(made, "occurred", event="rotated") == [1, 1, 0]
    assert values(made, "occurred", "week 1", event="rotated") == [1, 0, 0]
    left(made, 2, 5)
    assert values(made, "occurred", event="left") == [0, 0, 1]


def test_pac_sym_and_pac_qol():
    made = people([[7] * 4, [0] * 4])
    calm, blocked = values(made, "mean", "week 4", quantity="pac_sym")
    assert calm == 0.0
    assert blocked == pytest.approx(4 * (5 + 4 * 0.75 + 3 * 0.45) / 12)
    made.counts["straining"][0, LEAD:] = made.counts["bm"][0, LEAD:]
    made.counts["hard"][0, LEAD:] = made.counts["bm"][0, LEAD:]
    strained = values(made, "mean", "week 4", quantity="pac_sym")[0]
    assert strained == pytest.approx(4 * 2 / 5 * (5 + 4 * 0.75 + 3 * 0.45) / 12)  # two of five stool items
    quality = values(made, "mean", "week 4", quantity="pac_qol")
    assert quality[0] == pytest.approx(23 * strained / 28)  # seven a week: no shortfall
    assert quality[1] == pytest.approx((23 * blocked + 5 * 4) / 28)
    assert max(quality) <= 4


# -- tables -----------------------------------------------------------------------------------------------


def study(*endpoints, **more):
    given = {
        "opiome": 1,
        "name": "made",
        "title": "Made by hand",
        "background": {"duration": "8 weeks"},
        "arms": {
            "a": {"label": "A", "regimen": ["placebo"]},
            "b": {"label": "B", "regimen": ["placebo"]},
        },
        "treatment": {"duration": "4 weeks"},
        "endpoints": [one.model_dump(mode="json", exclude_none=True) for one in endpoints],
    }
    return Study.model_validate(given | more)


def test_tables_tell_estimand_analysis_and_adjusted_p():
    one, other = (
        endpoint("responder", estimand="composite", analysis="cmh", weeks=3, last_weeks=1),
        endpoint("mean_change", **CHANGE),
    )
    other = other.model_copy(update={"id": "f"})
    diaries = {
        "a": people([[3, 3, 4, 4]] * 6 + [[1] * 4] * 4),
        "b": people([[3, 3, 4, 5]] * 3 + [[1, 2, 1, 2]] * 7),
    }
    strata = {"a": ["low", "high"] * 5, "b": ["low"] * 6 + ["high"] * 4}
    made = study(one, other, multiplicity={"method": "holm"})
    endpoints, contrasts = compare(made, diaries, strata)
    assert endpoints["estimand"][0].startswith("composite for rescue")
    assert endpoints["n_effective"].to_list() == [10.0] * 4
    assert contrasts["measure"].to_list() == ["risk difference, stratified", "mean difference"]
    assert contrasts["analysis"][0].endswith("Cochran-Mantel-Haenszel test")
    p, told = contrasts["p"].to_list(), contrasts["p_adjusted"].to_list()
    assert 0 < min(p) < max(p) < 1
    smaller = p.index(min(p))
    assert told[smaller] == pytest.approx(2 * p[smaller])
    assert told[1 - smaller] == pytest.approx(max(p[1 - smaller], 2 * p[smaller]))
    plain = compare(study(one, other), diaries, strata)[1]
    assert plain["p_adjusted"].to_list() == [None, None]


def test_times_in_the_unit_of_the_endpoint():
    made = people([[3] * 4] * 4)
    made.death_day[:3] = [7.0, 14.0, 14.0]
    weeks = compare(study(endpoint("survival", unit="weeks")), {"a": made, "b": made})[0]
    assert weeks["estimate"].to_list() == [2.0, 2.0]


def test_weights_reach_every_endpoint():
    """Two people who each stand for three count as six, with the effective number told."""
    light, heavy = people([[3] * 4, [3] * 4, [0] * 4, [0] * 4]), people([[3] * 4] * 6 + [[0] * 4] * 2)
    weighted = replace(light, weights=np.array([3.0, 3.0, 1.0, 1.0]))
    rule = endpoint("responder", weeks=4)
    made = study(rule, endpoint("mean_change", **CHANGE).model_copy(update={"id": "f"}))
    found = compare(made, {"a": weighted, "b": weighted})[0]
    many = compare(made, {"a": heavy, "b": heavy})[0]
    assert found["estimate"].to_list() == pytest.approx(many["estimate"].to_list())
    assert found["n"].to_list() == [4] * 4
    assert found["n_effective"].to_list() == pytest.approx([64 / 20] * 4)
    assert (found["high"] - found["low"] > many["high"] - many["low"]).all()
    same = answered(rule, {"a": replace(light, weights=np.full(4, 2.0))})
    assert same["a"].weights is None


def test_an_analysis_without_weights_says_so():
    light = people([[3] * 4, [0] * 4])
    weighted = replace(light, weights=np.array([3.0, 1.0]))
    with pytest.raises(StudyError, match="unlike numbers of people"):
        compare(study(endpoint("responder", analysis="cmh")), {"a": weighted, "b": weighted})


def test_weighted_medians_and_times_agree_with_repetition():
    """People who stand for whole numbers of people are as many copies of them."""
    rng = np.random.default_rng(8)
    times, event = rng.exponential(20, 60), rng.random(60) < 0.7
    weights = rng.integers(1, 4, 60).astype(float)
    rows = np.repeat(np.arange(60), weights.astype(int))
    for kind in ("time", "median", "mean"):
        given = {"event": event} if kind == "time" else {}
        one = Answers(kind, times, weights=weights, **given)
        copies = Answers(kind, times[rows], **({"event": event[rows]} if given else {}))
        found, plain = estimate(one), estimate(copies)
        assert found.value == pytest.approx(plain.value)
        assert found.effective < plain.effective == len(rows)
        assert found.low <= plain.low
        low, high = predictive(one, 50)
        assert low < found.value < high
        assert predicted_difference(one, one, 50, 50)[0] < 0
        difference = contrast(one, one)
        assert difference.low < difference.value == 0 < difference.high


def test_the_blocks_of_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "endpoints.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in page.split("```yaml\n")[1:]]
    given = YAML(typ="safe").load("\n".join(blocks))
    one = ENDPOINT.validate_python(given["endpoints"][0])
    assert (
        estimand(one) == "treatment policy for rescue; hypothetical for discontinuation; composite for death"
    )
    assert fields.Multiplicity.model_validate(given["multiplicity"]).method == "gatekeeping"
    for name in (*fields.RULES, *ANALYSES, *get_args(fields.Strategy)):
        assert f"`{name}`" in page, name
