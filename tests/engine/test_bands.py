"""Reductions on the way: the same numbers whatever the chunks, and memory that does not grow."""

from __future__ import annotations

import tracemalloc

import numpy as np
import polars as pl
import pytest

from opiome import engine
from opiome.errors import InputError

TIMES = np.array([1.0, 6.0, 12.0])


def chunks(oral, sizes, cl):
    program = engine.compile(oral, outputs=["central", "depot"])
    dose = engine.EventTable.from_rows([{"TIME": 0.0, "CMT": "depot", "AMT": 10.0}])
    first = 0
    for size in sizes:
        yield program.ensemble({"CL": cl[first : first + size]}, events=dose)
        first += size


@pytest.fixture(scope="module")
def cl():
    return np.random.default_rng(3).lognormal(1.4, 0.5, 1000)


def test_quantiles_and_means(oral, cl):
    bands = engine.stream(chunks(oral, [1000], cl), 12.0, engine.Bands(TIMES, [0, 0], [10, 10], bins=2000))
    (run,) = chunks(oral, [1000], cl)
    values = run.advance(12.0, at=TIMES).values
    for q in (0.05, 0.5, 0.95):
        np.testing.assert_allclose(bands.quantile(q), np.quantile(values, q, axis=0), atol=0.02)
    np.testing.assert_allclose(bands.mean(), values.mean(axis=0), atol=1e-6)
    assert (bands.n == 1000).all()


def test_chunks_do_not_change_a_bit(oral, cl):
    def reduced(sizes):
        bands = engine.stream(chunks(oral, sizes, cl), 12.0, engine.Bands(TIMES, [0, 0], [10, 10]))
        return bands.counts, bands.mean(), bands.quantile(0.25)

    whole = reduced([1000])
    for sizes in ([1] * 20 + [980], [333, 333, 334]):
        for a, b in zip(reduced(sizes), whole, strict=True):
            assert np.array_equal(a, b)


def test_merging_workers(oral, cl):
    whole = engine.stream(chunks(oral, [1000], cl), 12.0, engine.Bands(TIMES, [0, 0], [10, 10]))
    left = engine.stream(chunks(oral, [400], cl), 12.0, engine.Bands(TIMES, [0, 0], [10, 10]))
    right = engine.stream(chunks(oral, [600], cl[400:]), 12.0, engine.Bands(TIMES, [0, 0], [10, 10]))
    left.merge(right)
    assert np.array_equal(left.counts, whole.counts)
    assert np.array_equal(left.mean(), whole.mean())
    with pytest.raises(InputError):
        left.merge(engine.Bands(TIMES, [0, 0], [10, 11]))


def test_failed_patients_are_left_out():
    bands = engine.Bands(TIMES, [0.0], [1.0])
    values = np.full((4, 3, 1), 0.5)
    values[2, 1:] = np.nan
    bands.add(values)
    assert bands.n[:, 0].tolist() == [4, 3, 3]
    assert bands.mean()[1, 0] == pytest.approx(0.5)
    assert np.isnan(engine.Bands(TIMES, [0.0], [1.0]).quantile(0.5)).all()


def test_raw_trajectories_in_parquet_are_resumed(oral, cl, tmp_path):
    first = engine.stream(chunks(oral, [600, 400], cl), 12.0, engine.Bands(TIMES, [0, 0], [10, 10]), tmp_path)
    table = pl.read_parquet(tmp_path / "*.parquet")
    assert table.columns == ["patient", "time_h", "central", "depot"]
    assert table.height == 3000
    assert table["patient"].n_unique() == 1000
    (tmp_path / "chunk-000001.parquet").unlink()
    again = engine.stream(chunks(oral, [600, 400], cl), 12.0, engine.Bands(TIMES, [0, 0], [10, 10]), tmp_path)
    assert np.array_equal(first.counts, again.counts)


def test_memory_does_not_grow_with_patients(oral, cl):
    def peak(repeats):
        tracemalloc.start()
        many = (run for _ in range(repeats) for run in chunks(oral, [200], cl))
        engine.stream(many, 12.0, engine.Bands(TIMES, [0, 0], [10, 10]))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(1)
    assert peak(30) < 1.5 * peak(2)


def test_edges_must_ascend():
    with pytest.raises(InputError, match="ascend"):
        engine.Bands(TIMES, [1.0], [1.0])


@pytest.mark.parametrize("edges", [[0.0], [0.0, 0.0, 0.0]])
def test_every_output_has_edges(oral, cl, edges):
    bands = engine.Bands(TIMES, edges, [20.0] * len(edges))
    with pytest.raises(InputError, match=f"3 times and 2 outputs; expected 3 times and {len(edges)} outputs"):
        engine.stream(chunks(oral, [2], cl), 12.0, bands)
    assert bands.n.sum() == 0


def test_a_stopped_run_goes_on_from_its_file(oral, cl, tmp_path):
    whole = engine.stream(chunks(oral, [1000], cl), 12.0, engine.Bands(TIMES, [0, 0], [10, 10]))
    engine.stream(chunks(oral, [300], cl), 12.0, engine.Bands(TIMES, [0, 0], [10, 10])).write(
        tmp_path / "bands.npz", 300
    )
    bands, patients = engine.Bands.read(tmp_path / "bands.npz")
    assert bands.digest() != whole.digest()
    engine.stream(chunks(oral, [700], cl[patients:]), 12.0, bands)
    assert bands.digest() == whole.digest()
    assert np.array_equal(bands.mean(), whole.mean())
