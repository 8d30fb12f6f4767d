"""A trial run again and again: each replicate is the same alone and among others."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from opiome import trial
from opiome.errors import CohortError, StudyError
from opiome.trial._randomise import randomise
from opiome.trial._screen import screen
from opiome.trial._setting import QUICK, settle


@pytest.fixture(scope="module")
def three(tiny, study):
    return list(trial.replicates(study, range(3), 20, threads=1, model=tiny))


def same(one, other):
    assert one.endpoints.equals(other.endpoints)
    assert one.contrasts.equals(other.contrasts)
    assert (one.number, one.screened, one.failed) == (other.number, other.screened, other.failed)


def test_a_replicate_is_the_same_alone_and_among_others(tiny, study, three):
    same(next(iter(trial.replicates(study, [2], 20, threads=1, model=tiny))), three[2])


def test_batches_and_threads_change_nothing(tiny, study, three):
    for one, other in zip(
        trial.replicates(study, range(3), 20, threads=2, model=tiny, together=25), three, strict=True
    ):
        same(one, other)


def test_nobody_at_once_is_refused(tiny, study):
    with pytest.raises(StudyError, match="0 patients simulated at once"):
        next(iter(trial.replicates(study, [0], 20, model=tiny, together=0)))
    with pytest.raises(StudyError, match="-1 patients simulated at once"):
        trial.run(study, patients=20, model=tiny, chunk=-1)


def test_replicates_differ(three):
    estimates = [one.endpoints["estimate"].to_list() for one in three]
    assert estimates[0] != estimates[1]
    assert estimates[1] != estimates[2]
    assert [one.number for one in three] == [0, 1, 2]


def test_the_first_replicate_is_the_trial_itself(tiny, study, three):
    """The same people and rules; only the tolerance of the integration differs."""
    whole = trial.run(study, patients=20, threads=1, model=tiny)
    assert three[0].screened == whole.manifest["counts"]["screened"]
    assert three[0].endpoints["n"].to_list() == whole.endpoints["n"].to_list()
    beside = pl.DataFrame({"one": three[0].endpoints["estimate"], "other": whole.endpoints["estimate"]})
    beside = beside.drop_nulls()
    assert np.allclose(beside["one"], beside["other"], rtol=0.05)


def test_each_replicate_is_dealt_anew():
    allocation = {"a": 1.0, "b": 1.0}
    first, again, second = (randomise(allocation, 30, 5, trial=k) for k in (0, 0, 1))
    assert (first == again).all()
    assert (first != second).any()
    assert sorted(second) == sorted(first)


def test_only_the_diary_is_computed(tiny, study):
    setting = settle(study, 1, 1, tiny, 10, pace=QUICK)
    assert set(setting.course.outputs) == {"bm_rate", "completeness", "straining", "bristol", "nrs"}
    assert setting.course.parameters == setting.program.parameters
    assert setting.watch.names == ()


def test_what_cannot_be_run_is_refused(tiny, study):
    with pytest.raises(StudyError, match="0 patients"):
        list(trial.replicates(study, [0], 0, model=tiny))
    few = study.screening.model_copy(update={"attempts": 1})
    with pytest.raises(CohortError, match="qualified among 80 candidates"):
        list(trial.replicates(study.model_copy(update={"screening": few}), [1], 40, threads=1, model=tiny))


def test_who_is_let_go_changes_nothing(tiny, study, three, monkeypatch):
    """Candidates who cannot enter any more and patients who have left: following them all gives the same."""
    from opiome.engine import Ensemble
    from opiome.trial import _screen

    monkeypatch.setattr(Ensemble, "release", lambda *_: None)
    monkeypatch.setattr(_screen, "_cannot_enter", lambda _, diary, __: np.zeros(len(diary), dtype=bool))
    for one, other in zip(trial.replicates(study, range(3), 20, threads=1, model=tiny), three, strict=True):
        same(one, other)


def test_whose_flora_would_not_stay_is_refused_at_entry(tiny, study, monkeypatch):
    """As they would be before prior therapy: the trial has the same patients."""
    settled = settle(study, 1, 1, tiny, 100, pace=QUICK)
    chosen = screen(settled, 20, lambda _: None)
    lost = set(chosen.cohort.ids[[3, 7]].tolist())
    sizes = iter(chosen.cohort.parameters["habit"][[3, 7]].tolist())
    odd = [next(sizes), next(sizes)]
    monkeypatch.setattr(
        type(tiny), "stable", lambda _, __, parameters, ___: ~np.isin(parameters["habit"], odd)
    )
    again = screen(settled, 20, lambda _: None)
    assert lost.isdisjoint(again.cohort.ids.tolist())
    assert again.cohort.ids[:18].tolist() == [i for i in chosen.cohort.ids.tolist() if i not in lost]
    assert again.reasons["baseline not solved (this flora cannot stay as it is)"] == 2


def test_a_negative_number_is_no_trial(tiny, study):
    with pytest.raises(StudyError, match="trial -1, -3"):
        list(trial.replicates(study, [-1, 2, -3], 20, model=tiny))
