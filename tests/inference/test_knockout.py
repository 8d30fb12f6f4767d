"""Knock-outs: the same people without an edge, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
import pytest

from opiome import inference, report
from opiome.cli import main
from opiome.errors import ModelError, StudyError
from opiome.inference import choose_edges, knockout
from opiome.trial import Twins

EDGES = ("pamora_enteric", "opioid_motility", "flora_ici")


@pytest.fixture(scope="module")
def twins(study, model):
    return Twins.screened(study, 8, threads=1, model=model)


@pytest.fixture(scope="module")
def whole(twins):
    return twins.through()


@pytest.fixture(scope="module")
def frame(study, model):
    return knockout(study, EDGES, 8, threads=1, model=model)


def counts(diary):
    return np.stack([diary.counts[name] for name in diary.counts])


def test_a_gate_that_stays_open_changes_nothing(twins, whole):
    again, well = twins.through({"edge_opioid_motility": 1.0})
    assert well.all()
    for arm, diary in again.items():
        assert (counts(diary) == counts(whole[0][arm])).all()
        assert np.array_equal(diary.nrs, whole[0][arm].nrs, equal_nan=True)


def test_acute_leaves_the_run_in_as_it_was(twins, whole):
    acute, _ = twins.through({"edge_opioid_motility": 0.0}, acute=True)
    never, _ = twins.through({"edge_opioid_motility": 0.0})
    lead = whole[0]["placebo"].lead
    before, during = slice(0, lead), slice(lead, None)
    old, now, without = (counts(lived["placebo"]) for lived in (whole[0], acute, never))
    assert (now[:, :, before] == old[:, :, before]).all()
    assert now[:, :, during].sum() != old[:, :, during].sum()
    assert without[:, :, before].sum() > old[:, :, before].sum()


def test_the_untreated_person_is_as_observed_whatever_arrow_is_off(twins, model):
    program, people = twins.setting.program, twins.accepted.cohort.take([0, 1])
    seen = [program.outputs.index(name) for name in ("bm_rate", "nrs", "whole_gut_transit", "plasma_lps")]
    observed = program.evaluate(people.start, people.parameters)[:, seen]
    for gate in model.edges["gate"]:
        parameters, start, outcome = model.baseline(program, {**people.parameters, gate: np.zeros(2)})
        assert not outcome.any(), gate
        assert program.evaluate(start, parameters)[:, seen] == pytest.approx(observed, rel=1e-6), gate


def test_without_the_antagonist_s_arrow_both_arms_are_one(frame):
    row = frame.filter(edge="pamora_enteric", endpoint="sbm", reference="placebo").row(0, named=True)
    assert row["before"] > 0
    assert row["after"] == 0
    assert row["change"] == pytest.approx(-row["before"])
    assert row["low"] < row["change"] < row["high"]


def test_arrows_are_ranked_by_what_they_change(frame):
    for endpoint in ("sbm", "responder", "first"):
        part = frame.filter((pl.col("endpoint") == endpoint) & (pl.col("reference") != ""))
        assert part["rank"].to_list() == [1, 2, 3]
        sizes = part["change"].abs().fill_null(0).to_list()
        assert sizes == sorted(sizes, reverse=True)
    assert frame.filter(endpoint="sbm", rank=3)["edge"].unique().to_list() == ["flora_ici"]
    assert frame.filter(edge="flora_ici", endpoint="sbm")["change"].to_list() == [0, 0, 0]
    assert frame.filter(edge="flora_ici")["moved"].sum() == 0
    assert frame.select(pl.col("lost").sum()).item() == 0


def test_threads_change_nothing(frame, study, model):
    assert knockout(study, EDGES, 8, threads=2, model=model).equals(frame)


def test_a_page_and_a_table_show_it(frame, study, tmp_path):
    from rich.console import Console

    page = report.knockout_html(frame, tmp_path / "k.html", study).read_text(encoding="utf-8")
    assert page.count('class="tornado"') == 3
    assert "hinges on" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    out = io.StringIO()
    Console(width=120, file=out).print(report.knockout_summary(frame, study))
    assert "pamora_enteric" in out.getvalue()


def test_edges_are_chosen_by_name_or_kind(model):
    contested = [row["id"] for row in choose_edges(model)]
    assert contested == model.edges.filter(contested="yes")["id"].to_list()
    assert len(choose_edges(model, "all")) == model.edges.height
    named = choose_edges(model, ["edge_flora_ici", " flora_ici", "m3g_tlr4"])
    assert [row["id"] for row in named] == ["flora_ici", "m3g_tlr4"]


def test_unknown_edges_are_told_together(model):
    with pytest.raises(ModelError) as caught:
        choose_edges(model, ["opioid_motilty", "flora_icy"])
    text = str(caught.value)
    assert "Did you mean 'opioid_motility'" in text
    assert "Did you mean 'flora_ici'" in text


@pytest.mark.parametrize("edges", [[], [" "], ""])
def test_nothing_named_is_refused(model, edges):
    with pytest.raises(ModelError, match="no edge is named"):
        choose_edges(model, edges)


def test_a_model_without_contested_edges_is_refused(model):
    class Settled:
        folder, edges = model.folder, model.edges.with_columns(contested=pl.lit("no"))

    with pytest.raises(ModelError, match="no contested edge"):
        choose_edges(Settled())


def test_bad_requests_are_refused(study, model, twins):
    with pytest.raises(StudyError, match="unknown mode 'chronic'"):
        knockout(study, EDGES, 8, mode="chronic", model=model)
    with pytest.raises(StudyError, match="0 patients"):
        knockout(study, EDGES, 0, model=model)
    with pytest.raises(StudyError, match="no parameter 'edge_of_the_world'"):
        twins.through({"edge_of_the_world": 0.0})


def test_the_command_refuses_before_it_runs(tmp_path, capsys):
    code = main(["knockout", "compose-4", "--edges", "opioid_motilty", "--out", str(tmp_path / "k")])
    assert code == 2
    assert "Did you mean 'opioid_motility'" in capsys.readouterr().err
    assert not (tmp_path / "k").exists()


def test_public_names_are_pinned():
    assert inference.__all__ == ["choose_edges", "knockout"]
    assert all(callable(getattr(inference, name)) for name in inference.__all__)
