"""Samples, people and drawn people as virtual patients."""

import json

import numpy as np
import polars as pl
import pytest

from opiome.errors import CohortError, ProfileError
from opiome.microbiome import (
    GUILDS,
    analyse,
    fit_distribution,
    guild_changes,
    read_changes,
    read_cohort,
)
from opiome.microbiome._changes import changes
from opiome.microbiome._patients import COMPOSITION


def test_one_patient_per_sample_keeps_people_together(made, write, tmp_path):
    table, told = made.people(write)
    out = analyse(table, metadata=told).write(tmp_path / "out")
    cohort = read_cohort(out / "cohort.parquet")
    assert cohort.height == 48
    assert cohort["patient"].to_list() == list(range(48))
    assert cohort["subject"].n_unique() == 24
    assert cohort["represents"].sum() == pytest.approx(24)
    x = cohort.select(COMPOSITION).to_numpy()
    np.testing.assert_allclose(x.sum(axis=1), 1.0, atol=1e-12)
    assert (x > 0).all()
    assert cohort["age"].to_list()[:4] == [60, 60, 61, 61]
    assert cohort["female"].to_list()[:4] == [0, 0, 1, 1]
    assert cohort["metadata_kit"].to_list()[:3] == ["y", "y", "x"]
    assert {"shannon", "dysbiosis", "akkermansia_class", "reads", "mapped", "time"} <= set(cohort.columns)


def test_one_patient_per_person_is_the_mean_in_log_ratios(made, write, tmp_path):
    table, told = made.people(write)
    found = analyse(table, metadata=told)
    cohort = read_cohort(found.write(tmp_path / "out", per="person") / "cohort.parquet")
    assert cohort.height == 24
    samples = found.guilds.composition[:2]
    expected = np.sqrt(samples[0] * samples[1])
    np.testing.assert_allclose(cohort.select(COMPOSITION).to_numpy()[0], expected / expected.sum(), atol=1e-9)


def test_zeros_can_start_a_model_and_are_kept_as_seen(made, genera, tmp_path):
    cohort = read_cohort(analyse(genera).write(tmp_path / "out") / "cohort.parquet")
    assert cohort["observed_G4"][1] == 0
    assert cohort["composition_G4"][1] == pytest.approx(0.65 / 10000)
    np.testing.assert_allclose(
        cohort.select([f"observed_{g}" for g in GUILDS]).to_numpy(), made.FRACTIONS, atol=1e-12
    )


def test_shallow_samples_make_no_patient_and_are_named(made, write, tmp_path):
    counts = made.COUNTS.copy()
    counts[1] = np.round(counts[1] / 20)
    found = analyse(write("t.tsv", made.table(values=counts)))
    assert [(f.sample, f.flag, f.detail) for f in found.flags if f.flag == "shallow"] == [
        ("s2", "shallow", "500 reads")
    ]
    assert read_cohort(found.write(tmp_path / "out") / "cohort.parquet")["sample"].to_list() == ["s1", "s3"]
    with pytest.raises(ProfileError, match="no sample is deep enough"):
        analyse(write("t.tsv", made.table(values=counts)), min_depth=1e6).write(tmp_path / "none")


def test_a_load_makes_abundance_absolute(genera, write, tmp_path):
    told = write("m.tsv", "sample\tcells_per_g\ns1\t1e11\ns2\t5e10\ns3\t2e11\n")
    out = analyse(genera, metadata=told, load="cells_per_g").write(tmp_path / "out")
    assert read_cohort(out / "cohort.parquet")["load_cells_per_g"].to_list() == [1e11, 5e10, 2e11]
    assert (
        json.loads((out / "manifest.json").read_text(encoding="utf-8"))["load"]
        == "cells per gram, for 3 of 3 samples"
    )
    relative = analyse(genera).write(tmp_path / "relative")
    assert json.loads((relative / "manifest.json").read_text(encoding="utf-8"))["load"] == "relative only"
    assert "load_cells_per_g" not in read_cohort(relative / "cohort.parquet").columns


def test_before_and_after(made, write):
    counts = made.COUNTS.copy()
    counts[1] = counts[0]
    counts[1, 0] *= (
        8  # one guild rises eightfold: its log-ratio to the mean of all seven by 3 * 6/7 doublings
    )
    told = write("m.tsv", "sample\tpatient\tday\ns1\tp1\t0\ns2\tp1\t14\ns3\tp2\t0\n")
    found = analyse(write("t.tsv", made.table(values=counts)), metadata=told)
    table = changes(found)
    assert table is not None
    (row,) = table.iter_rows(named=True)
    assert (row["subject"], row["sample_before"], row["sample_after"], row["time_after"]) == (
        "p1",
        "s1",
        "s2",
        14,
    )
    assert row["log2_G1"] == pytest.approx(3 * 6 / 7)
    assert row["log2_G2"] == pytest.approx(-3 / 7)
    assert changes(analyse(write("t.tsv", made.table()))) is None


def test_drawn_people_follow_the_fit_and_their_seed(made, write, tmp_path):
    table, told = made.people(write, n=40)
    found = analyse(table, metadata=told)
    fit = found.fit()
    assert fit.n == 40
    drawn = fit.draw(4000, seed=3)
    np.testing.assert_array_equal(drawn[:50], fit.draw(50, seed=3))
    np.testing.assert_array_equal(drawn[100:150], fit.draw(50, seed=3, first=100))
    assert not np.array_equal(drawn[:50], fit.draw(50, seed=4))
    comparison = fit.comparison(drawn).filter(pl.col("quantile") == 0.5)
    np.testing.assert_allclose(comparison["drawn"], comparison["fitted"], rtol=0.45)
    from opiome.microbiome._logratio import ilr

    y = ilr(drawn)
    np.testing.assert_allclose(y.mean(axis=0), fit.mean, atol=4 * np.sqrt(np.diag(fit.between) / 4000).max())
    np.testing.assert_allclose(np.cov(y.T), fit.between, atol=0.12 * np.diag(fit.between).max())
    out = found.write(tmp_path / "out", patients=30, seed=3)
    np.testing.assert_allclose(
        read_cohort(out / "cohort.parquet").select(COMPOSITION).to_numpy(), drawn[:30], atol=1e-15
    )
    stored = json.loads((out / "distribution.json").read_text(encoding="utf-8"))
    np.testing.assert_allclose(stored["between"], fit.between)


def test_repeats_of_a_person_do_not_count_as_people(made, write):
    """Tenfold copies of each person change neither the mean nor the number of people."""
    table, told = made.people(write, n=16, repeats=1)
    found = analyse(table, metadata=told)
    rows = np.repeat(np.arange(16), 10)
    once = fit_distribution(found.guilds.composition, found.profile.detection, found.subjects)
    often = fit_distribution(
        found.guilds.composition[rows], found.profile.detection[rows], [found.subjects[i] for i in rows]
    )
    assert once.n == often.n == 16
    np.testing.assert_allclose(often.mean, once.mean, atol=1e-12)
    np.testing.assert_allclose(often.between, once.between, atol=1e-9)
    assert once.within is None
    np.testing.assert_allclose(often.within, 0.0, atol=1e-12)


def test_absent_guilds_stay_absent_and_do_not_widen_the_others(made, write):
    """Half of the people lose Akkermansia: the other guilds' proportions are fitted as if nobody had."""
    table, told = made.people(write, n=60, repeats=1)
    found = analyse(table, metadata=told)
    whole = fit_distribution(found.guilds.composition, found.profile.detection, found.subjects)
    x = found.guilds.composition.copy()
    x[::2, 3] = 0
    half = fit_distribution(x / x.sum(axis=1, keepdims=True), found.profile.detection, found.subjects)
    assert half.weights.tolist() == [0.5, 0.5]
    drawn = half.draw(4000, seed=1)
    assert (drawn[:, 3] == 0).mean() == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0)
    rest = [0, 1, 2, 4, 5, 6]

    def spread(fit):
        y = np.log(fit.draw(4000, seed=1)[:, rest])
        return np.std(y - y.mean(axis=1, keepdims=True), axis=0)

    np.testing.assert_allclose(spread(half), spread(whole), rtol=0.12)


def test_gaps_are_filled_by_maximum_likelihood():
    """Against the closed form for a monotone gap: the second column regressed on the first."""
    from opiome.microbiome._resample import _normal_with_gaps
    from opiome.streams import normal

    z = normal(2, "test", np.arange(80)[:, None], draw=np.arange(2)[None, :])
    y = np.column_stack([z[:, 0], 0.8 * z[:, 0] + 0.6 * z[:, 1]])
    y[50:, 1] = np.nan
    mean, covariance, filled = _normal_with_gaps(y)
    slope, intercept = np.polyfit(y[:50, 0], y[:50, 1], 1)
    expected = intercept + slope * y[:, 0].mean()
    assert mean[1] == pytest.approx(expected, abs=1e-5)
    assert covariance[0, 1] == pytest.approx(slope * np.var(y[:, 0], ddof=1), rel=1e-4)
    np.testing.assert_allclose(filled[50:, 1], intercept + slope * y[50:, 0], atol=1e-4)


def test_too_few_people_to_fit(genera):
    with pytest.raises(ProfileError, match="holds 3 people"):
        analyse(genera).fit()


def test_a_cohort_file_that_is_wrong(genera, tmp_path):
    out = analyse(genera).write(tmp_path / "out")
    good = pl.read_parquet(out / "cohort.parquet")
    (tmp_path / "text.parquet").write_text("no parquet", encoding="utf-8")
    good.drop("composition_G3").write_parquet(tmp_path / "short.parquet")
    good.with_columns(patient=pl.lit(1)).write_parquet(tmp_path / "twice.parquet")
    good.with_columns(composition_G1=pl.lit(0.9)).write_parquet(tmp_path / "sum.parquet")
    good.clear().write_parquet(tmp_path / "empty.parquet")
    for name, match in (
        ("text", "cannot be read"),
        ("short", "composition_G3"),
        ("twice", "patient 1 stands more than once"),
        ("sum", "expected fractions"),
        ("empty", "holds no patient"),
        ("nowhere", "is not there"),
    ):
        with pytest.raises(CohortError, match=match):
            read_cohort(tmp_path / f"{name}.parquet")


def test_pairs_of_samples_are_read_back_and_compare_with_simulated_masses(made, write, tmp_path):
    """Observed and simulated changes are the same function, of fractions or of masses."""
    table, told = made.people(write)
    out = analyse(table, metadata=told).write(tmp_path / "out")
    pairs = read_changes(out / "changes.parquet")
    assert pairs.height == 24
    assert pairs["time_after"].to_list() == [1.0] * 24
    cohort = read_cohort(out / "cohort.parquet")
    by_sample = {row[0]: np.array(row[1:]) for row in cohort.select("sample", *COMPOSITION).iter_rows()}
    before = np.array([by_sample[name] for name in pairs["sample_before"]])
    after = np.array([by_sample[name] for name in pairs["sample_after"]])
    observed = pairs.select([f"log2_{guild}" for guild in GUILDS]).to_numpy()
    np.testing.assert_allclose(guild_changes(14.0 * before, 7.0 * after), observed, atol=1e-9)
    doubled = guild_changes(np.ones(7), np.array([2.0, 1, 1, 1, 1, 1, 1]))
    np.testing.assert_allclose(doubled, [6 / 7] + [-1 / 7] * 6)
    with pytest.raises(ProfileError, match="a guild is not above 0"):
        guild_changes(np.zeros(7), np.ones(7))
    pairs.drop("log2_G3").write_parquet(tmp_path / "short.parquet")
    pairs.with_columns(log2_G3=pl.lit(9.0)).write_parquet(tmp_path / "wrong.parquet")
    for name, match in (("short", "no column log2_G3"), ("wrong", "sum to"), ("nowhere", "cannot be read")):
        with pytest.raises(ProfileError, match=match):
            read_changes(tmp_path / f"{name}.parquet")
