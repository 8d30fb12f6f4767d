"""Courses over time, the flow of participants, the map, colours, the picture."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from opiome import report
from opiome.errors import ResultsError
from opiome.report._bands import _apart, band_panel
from opiome.report._biology import read_biology
from opiome.report._courses import courses
from opiome.report._evidence import assumptions, evidence_shares
from opiome.report._flow import flow
from opiome.report._map import arrows, changes_by_arm, draw_map
from opiome.report._palette import arm_styles, contrast, diverging, ink_on
from opiome.report._phases import phases, shown_from
from opiome.report._routes import Box, route
from opiome.report._svg import MUTED
from opiome.report._tables import read_tables

WEEK = 168.0


@pytest.fixture(scope="module")
def biology():
    return read_biology()


def test_the_weekly_count_of_the_diary_is_right(made, biology):
    course = next(c for c in courses(read_tables(made), biology) if c.key == "sbm")
    diary = made.diary.filter((pl.col("arm") == "active") & pl.col("day").is_between(8, 14))
    counts = diary.group_by("patient").agg(pl.col("spontaneous").sum())["spontaneous"].to_numpy()
    week = course.by_arm["active"].filter(pl.col("time_h") == 1.5 * WEEK)
    assert week["q50"].item() == np.quantile(counts, 0.5)
    assert week["q95"].item() == pytest.approx(np.quantile(counts, 0.95))
    assert course.by_arm["active"]["time_h"].to_list() == [(week + 0.5) * WEEK for week in range(-2, 12)]


def test_a_week_with_a_missing_day_is_not_counted(made, biology):
    diary = made.diary.filter((pl.col("day") != 3) | (pl.col("patient") > 2))
    tables = read_tables(SimpleNamespace(**vars(made) | {"diary": diary.filter(pl.col("patient") < 3)}))
    course = next(c for c in courses(tables, biology) if c.key == "sbm")
    assert 0.5 * WEEK not in course.by_arm["active"]["time_h"].to_list()


def test_rates_become_weekly_numbers_and_shares_percent(made, biology):
    by_key = {course.key: course for course in courses(read_tables(made), biology)}
    first = made.bands.filter((pl.col("observable") == "bm_rate") & (pl.col("arm") == "active"))
    assert by_key["bowel"].by_arm["active"]["q50"][0] == pytest.approx(WEEK * first["q50"][0])
    assert by_key["bowel"].unit == "per week"
    share = made.bands.filter((pl.col("observable") == "share_G2") & (pl.col("arm") == "placebo"))
    assert by_key["guild-G2"].by_arm["placebo"]["q95"][-1] == pytest.approx(100 * share["q95"][-1])


def test_a_fine_course_is_averaged_not_sampled(biology):
    time = np.arange(0.0, 2000.0)
    fine = pl.DataFrame(
        {"arm": "active", "observable": "nrs", "time_h": time, "q50": 4 + np.sin(time * np.pi)}
    )
    fine = fine.with_columns(
        q05=pl.col("q50") - 1, q25=pl.col("q50"), q75=pl.col("q50"), q95=pl.col("q50") + 1
    )
    course = courses(read_tables(SimpleNamespace(bands=fine)), biology)[0].by_arm["active"]
    assert course.height <= 260
    assert course["q50"].to_numpy() == pytest.approx(4.0, abs=0.15)


def test_phases_come_from_the_study(made):
    found = phases(read_tables(made))
    assert [(phase.name, phase.start / WEEK, phase.end / WEEK) for phase in found] == [
        ("background", -6, -2),
        ("run-in", -2, 0),
        ("treatment", 0, 12),
    ]
    assert shown_from(found) == -6 * WEEK
    without = phases(read_tables(SimpleNamespace(**vars(made) | {"manifest": {}})))
    assert [phase.name for phase in without] == ["before randomisation", "treatment"]


def test_end_labels_do_not_touch():
    moved = _apart([10.0, 11.0, 12.0, 160.0], [30.0, 30.0, 30.0, 30.0], 170.0)
    assert all(after - before >= 30.0 for before, after in itertools.pairwise(moved))


def test_the_flow_counts_everyone_once(made):
    told = flow(read_tables(made))
    assert (told.screened, sum(told.excluded.values()), told.randomised) == (231, 111, 120)
    assert told.screened == told.randomised + sum(told.excluded.values())
    for arm in told.arms:
        assert arm.randomised == arm.completed + arm.left + sum(arm.failed.values()) == 60
        assert arm.failed == {"step budget": 2}


def test_arm_colours_read_as_text_and_differ_in_more_than_hue():
    styles = arm_styles(["a", "b", "placebo", "c", "d", "e"])
    assert all(contrast(style.colour, "#ffffff") >= 4.5 for style in styles.values())
    assert (
        len({style.colour for style in styles.values()})
        == len({style.dash for style in styles.values()})
        == 6
    )
    assert contrast(MUTED, "#ffffff") >= 4.5
    assert arm_styles(["x", "placebo"])["placebo"].colour == arm_styles(["placebo", "x"])["placebo"].colour


def test_the_colour_scale_has_readable_text_everywhere():
    colours = [diverging(value, 2.0) for value in np.linspace(-3, 3, 61)]
    assert all(contrast(ink_on(colour), colour) >= 4.5 for colour in colours)
    assert diverging(0.0, 2.0) == "#f7f7f7"
    assert diverging(9.0, 2.0) == diverging(2.0, 2.0) != diverging(-2.0, 2.0)


def test_every_mechanism_is_in_exactly_one_arrow(biology):
    told = [note for arrow in arrows(biology.edges) for note in arrow.notes]
    assert len(told) == biology.edges.height
    for row in biology.edges.iter_rows(named=True):
        assert sum(note.startswith(f"{row['id'].replace('_', ' ')}, grade") for note in told) == 1


def test_an_arrow_has_the_style_of_its_best_evidence():
    edges = pl.DataFrame(
        [
            {"id": "x", "from": "N1", "to": "N2", "sign": "+", "grade": "C", "contested": "no"},
            {"id": "y", "from": "N1", "to": "N2", "sign": "+", "grade": "B", "contested": "yes"},
            {"id": "z", "from": "N1", "to": "N2", "sign": "-", "grade": "D", "contested": "no"},
        ]
    )
    assert [(a.sign, a.grade, a.contested) for a in arrows(edges)] == [("+", "B", True), ("-", "D", False)]


def test_nodes_keep_apart_and_inside_the_picture(biology):
    places = [(float(x) * 1080, float(y) * 700) for x, y in biology.nodes.select("x", "y").iter_rows()]
    assert all(68 <= x <= 1080 - 68 and 28 <= y <= 700 - 28 for x, y in places)
    for (x0, y0), (x1, y1) in itertools.combinations(places, 2):
        assert abs(x0 - x1) > 136 + 10 or abs(y0 - y1) > 56 + 10


def test_arrows_run_round_the_nodes_that_they_do_not_touch(biology):
    boxes = {
        name: Box(float(x) * 1080, float(y) * 700, 68, 28)
        for name, x, y in biology.nodes.select("id", "x", "y").iter_rows()
    }
    pairs = [(arrow.start, arrow.end) for arrow in arrows(biology.edges)]
    t = np.linspace(0, 1, 200)[:, None]
    for (start, end), way in zip(pairs, route(pairs, boxes, (1080, 700), 8.0), strict=True):
        p0, p1, p2 = (np.array(point) for point in (way.start, way.control, way.end))
        line = (1 - t) ** 2 * p0 + 2 * t * (1 - t) * p1 + t**2 * p2
        for name, box in boxes.items():
            inside = (np.abs(line[:, 0] - box.x) < 67) & (np.abs(line[:, 1] - box.y) < 27)
            assert not inside.any() or (name in {start, end} and start != end and inside.sum() <= 2), (
                start,
                end,
                name,
            )


def test_the_map_draws_signs_and_contested_arrows(biology):
    root = ET.fromstring(draw_map(biology, {"a": {"N1": 1.0}}, {"a": "an arm"}))  # noqa: S314  (our own text)
    space = "{http://www.w3.org/2000/svg}"
    told = {
        group.find(f"{space}title").text: group.find(f"{space}path").get("stroke-dasharray")
        for group in root.findall(f"{space}g")
        if group.find(f"{space}title") is not None and group.find(f"{space}path") is not None
    }
    assert len(told) == len(arrows(biology.edges))
    assert all((dash is not None) == (", contested" in title) or ";" in title for title, dash in told.items())
    assert any("Opioid at mu receptors lowers Colonic propulsion" in title for title in told)


def test_a_panel_names_arms_and_phases(made, biology):
    tables = read_tables(made)
    course = next(c for c in courses(tables, biology) if c.key == "transit")
    svg = band_panel(course, arm_styles(tables.arms), tables.labels, phases(tables))
    words = " ".join(ET.fromstring(svg).itertext())  # noqa: S314  (our own text)
    for word in ("placebo", "treatment", "run-in", "weeks from randomisation", "median 38.0"):
        assert word in words


def test_the_picture_is_one_svg_file(results, tmp_path):
    written = report.picture(
        results, tmp_path / "study.svg", parts=("courses", "forest", "map"), panels=("pain", "unknown")
    )
    root = ET.parse(written).getroot()  # noqa: S314  (our own text)
    words = " ".join(root.itertext())
    for word in ("Does a peripheral antagonist relieve", "NRS 0-10", "✗ miss", "Butyrate flux"):
        assert word in words
    ids = [item.get("id") for item in root.iter() if item.get("id")]
    assert len(ids) == len(set(ids))


def test_an_unknown_part_of_a_picture_is_refused(results, tmp_path):
    with pytest.raises(ResultsError, match=r"no part 'pie'.*courses, forest, map"):
        report.picture(results, tmp_path / "study.svg", parts=("pie",))


def test_reasons_read_as_sentences(made):
    counts = {
        "screened": 9,
        "excluded": {"sbm_per_week <= 2.5": 3, "ecog 0 to 2": 1, "baseline not solved": 2},
    }
    told = flow(read_tables(SimpleNamespace(**vars(made) | {"manifest": {"counts": counts}})))
    assert told.excluded == {
        "did not meet SBM per week ≤ 2.5": 3,
        "baseline not solved": 2,
        "did not meet ECOG 0 to 2": 1,
    }


def test_a_change_of_another_quantity_is_left_out(made, biology):
    was = (
        pl.when(pl.col("node") == "N2")
        .then(pl.lit("something else"))
        .otherwise("observable")
        .alias("observable")
    )
    named = made.nodes.join(biology.nodes.select(node="id", observable="observable"), on="node").with_columns(
        was
    )
    told = changes_by_arm(read_tables(SimpleNamespace(**vars(made) | {"nodes": named})), biology, "change")
    assert "N2" not in told["active"]
    assert told["active"]["N1"] == -1.9


def test_numbers_of_the_mouse_are_not_counted_for_people():
    parameters = pl.DataFrame(
        {
            "id": ["a", "a", "b", "c"],
            "species": ["human", "mouse", "", "mouse"],
            "evidence": ["seen", "assumed", "assumed", "seen"],
        }
    )
    told = read_biology(SimpleNamespace(parameters=parameters, pharmacology=pl.DataFrame()))
    assert told.parameters["id"].to_list() == ["a", "b", "c"]
    assert {share.name: share.count for share in evidence_shares(told)} == {"seen": 2, "assumed": 1}
    assert [assumption.name for assumption in assumptions(told)] == ["b"]
