"""Log-ratios against scikit-bio, and the rule for zeros."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opiome.microbiome._logratio import (
    clr,
    contrasts,
    ilr,
    ilr_inverse,
    mahalanobis,
    replace_zeros,
    shrunk_covariance,
)
from opiome.streams import normal, uniform

X = uniform(3, "test", np.arange(20)[:, None], draw=np.arange(7)[None, :])
X = X / X.sum(axis=1, keepdims=True)


def test_clr_and_ilr_are_those_of_scikit_bio():
    from skbio.stats import composition

    np.testing.assert_allclose(clr(X), composition.clr(X), atol=1e-12)
    ours, theirs = ilr(X), composition.ilr(X)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), np.linalg.norm(theirs, axis=1), atol=1e-12)
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-12)


@given(st.integers(2, 9))
@settings(max_examples=8, deadline=None)
def test_the_basis_is_orthonormal_and_centred(parts):
    basis = contrasts(parts)
    np.testing.assert_allclose(basis.T @ basis, np.eye(parts - 1), atol=1e-12)
    np.testing.assert_allclose(basis.sum(axis=0), 0.0, atol=1e-12)


def test_coordinates_come_back():
    np.testing.assert_allclose(ilr_inverse(ilr(X)), X, atol=1e-12)


def test_zeros_take_65_percent_of_the_detection_limit_and_ratios_stay():
    x = np.array([[0.5, 0.3, 0.2, 0.0], [0.25, 0.75, 0.0, 0.0], [0.4, 0.3, 0.2, 0.1]])
    out = replace_zeros(x, np.array([1e-4, 1e-3, 1e-3]))
    np.testing.assert_allclose(out.sum(axis=1), 1.0, atol=1e-15)
    assert out[0, 3] == pytest.approx(0.65e-4)
    assert out[1, 2] == pytest.approx(0.65e-3)
    np.testing.assert_allclose(out[0, 0] / out[0, 1], 5 / 3)
    np.testing.assert_allclose(out[2], x[2], rtol=1e-15)
    assert replace_zeros(x, np.array([1e-12, 1.0, 1.0]))[0, 3] == pytest.approx(0.65e-7)


def test_mahalanobis_of_a_diagonal_is_a_z_score():
    y = np.array([[2.0, 0.0], [0.0, 3.0]])
    np.testing.assert_allclose(mahalanobis(y, np.zeros(2), np.diag([4.0, 9.0])), [1.0, 1.0])


def test_shrinkage_is_strong_for_few_rows_and_weak_for_many():
    z = normal(1, "test", np.arange(4000)[:, None], draw=np.arange(3)[None, :])
    mix = np.array([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    few, many = shrunk_covariance((z @ mix.T)[:6]), shrunk_covariance(z @ mix.T)
    assert few[1] > 0.1
    assert many[1] < 0.01
    np.testing.assert_allclose(many[0], mix @ mix.T, atol=0.07)
    assert (np.linalg.eigvalsh(few[0]) > 0).all()
