"""Random numbers: the published generator, and independence from whatever is drawn beside."""

import numpy as np
import pytest
from scipy import stats

from opiome import streams


def words(*values: int) -> tuple[np.ndarray, ...]:
    return tuple(np.array([value], dtype=np.uint64) for value in values)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_known_answers(counter, key, expected):
    assert tuple(int(word[0]) for word in streams.philox(words(*counter), key)) == expected


def test_a_patient_draws_the_same_whoever_is_beside_them():
    everyone = streams.normal(7, "weight", np.arange(1000))
    assert streams.normal(7, "weight", np.array([17]))[0] == everyone[17]
    assert np.array_equal(streams.normal(7, "weight", np.arange(500, 1000)), everyone[500:])


def test_seed_purpose_patient_occasion_and_draw_all_matter():
    base = streams.uniform(1, "a", 5, 6, 7)
    others = [
        streams.uniform(2, "a", 5, 6, 7),
        streams.uniform(1, "b", 5, 6, 7),
        streams.uniform(1, "a", 6, 6, 7),
        streams.uniform(1, "a", 5, 7, 7),
        streams.uniform(1, "a", 5, 6, 8),
    ]
    assert len({float(value) for value in [base, *others]}) == 6


def test_the_numbers_are_uniform_and_normal():
    draws = streams.uniform(3, "check", np.arange(20_000))
    assert draws.min() > 0
    assert draws.max() < 1
    assert stats.kstest(draws, "uniform").pvalue > 0.01
    assert stats.kstest(streams.normal(3, "check", np.arange(20_000), draw=1), "norm").pvalue > 0.01


@pytest.mark.parametrize("bad", [-1, 0.5, 2**32])
def test_a_counter_that_is_not_a_natural_number_is_refused(bad):
    with pytest.raises(ValueError, match="draw must be integers"):
        streams.uniform(1, "a", 0, 0, bad)


def test_exp_and_log_are_the_c_librarys():
    assert np.array_equal(streams.exp([0.0, 1.0]), [1.0, 2.718281828459045])
    assert streams.log([[2.0]]).shape == (1, 1)


@pytest.mark.parametrize(
    ("occasion", "draw"),
    [(0, 0), (2**32 - 1, 5), (np.arange(500) % 7, 2), (np.array([5]), 7), (3, np.arange(500))],
)
def test_machine_code_draws_the_same_numbers(monkeypatch, occasion, draw):
    patients = np.arange(500) + 2**40
    fast = streams.uniform(5, "x", patients, occasion, draw)
    columns = streams.uniform(5, "x", patients[:, None], 3, np.arange(4)[None, :])
    monkeypatch.setattr(streams, "_MANY", 10**9)
    assert np.array_equal(fast, streams.uniform(5, "x", patients, occasion, draw))
    assert np.array_equal(columns, streams.uniform(5, "x", patients[:, None], 3, np.arange(4)[None, :]))
    assert np.array_equal(columns[:, 1], streams.uniform(5, "x", patients, 3, 1))
