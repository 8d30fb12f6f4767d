"""The mixed model for repeated measures: one unstructured covariance over visits, fitted by REML.

No Python library has it with adjusted degrees of freedom. Notation: y = X beta + e, one row of visits per
patient, cov(e) = Sigma (restricted to the visits that a patient has), C = (X'V^-1 X)^-1. Sigma's elements are
the parameters, so V is linear in them and every derivative is closed. Degrees of freedom after Satterthwaite
(Giesbrecht and Burns, Biometrics 1985;41:477) or with the covariance of the effects adjusted too (Kenward and
Roger, Biometrics 1997;53:983); for one contrast both give the same degrees of freedom. Both use the observed
information, as SAS PROC MIXED does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["Fit", "fit"]

_ITERATIONS, _HALVINGS = 100, 30
_ROUNDING = 1e-20  # of the squared answers: less than this is no variance
_TOLERANCE = 1e-10  # Newton decrement: twice the log likelihood that is still to be gained


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    ``beta`` (k,) and ``covariance`` (k, k) of the fixed effects (adjusted for small samples after Kenward and
    Roger), ``sigma`` (v, v) of the visits, ``deviance`` = -2 REML log likelihood. ``slopes`` (p, k, k) are
    the derivatives of the unadjusted covariance ``plain`` by the p elements of sigma, ``spread`` (p, p) the
    covariance of those elements.
    """

    beta: Array
    covariance: Array
    sigma: Array
    deviance: float
    plain: Array
    slopes: Array
    spread: Array

    def contrast(self, weights: Array) -> tuple[float, float, float]:
        """A weighted sum of fixed effects: estimate, standard error, degrees of freedom (NaN: undefined)."""
        value, variance = float(weights @ self.beta), float(weights @ self.covariance @ weights)
        slope = np.einsum("pkl,k,l->p", self.slopes, weights, weights)
        spread = float(slope @ self.spread @ slope)
        if not (variance > 0 and spread > 0):
            return value, math.nan, math.nan
        return value, math.sqrt(variance), 2 * float(weights @ self.plain @ weights) ** 2 / spread


@dataclass(frozen=True)
class _Pattern:
    """Patients who have the same visits: ``x`` (n, m, k), ``y`` (n, m), ``visits`` (m,), ``basis`` (p, m, m).

    ``basis`` holds the derivatives of their covariance by the elements of sigma.
    """

    x: Array
    y: Array
    visits: NDArray[np.intp]
    basis: Array


@dataclass(frozen=True)
class _Point:
    """The likelihood at one sigma, with what its derivatives need."""

    deviance: float
    beta: Array
    c: Array
    weights: list[Array]
    turned: list[Array]
    residuals: list[Array]


def fit(y: Array, x: Array, *, freedom: str = "kenward-roger") -> Fit | None:
    """Fit the model.

    Args:
        y: one row per patient, shape (n, v); NaN where a visit is missing.
        x: the design, shape (n, v, k), of full column rank over the visits that are there.
        freedom: ``kenward-roger`` or ``satterthwaite``.

    Returns:
        The fit, or None where the data cannot tell it: too few patients, a visit that nobody has, or a
        likelihood without a maximum.
    """
    patterns, basis = _patterns(y, x)
    sigma = _start(y, x)
    if sigma is None:
        return None
    point = _evaluate(sigma, patterns)
    for _ in range(_ITERATIONS):
        if point is None:
            return None
        gradient, information, _ = _derivatives(point, patterns)
        try:
            step = np.linalg.solve(information, -0.5 * gradient)
        except np.linalg.LinAlgError:
            return None
        gain = float(-0.5 * gradient @ step)
        if gain < _TOLERANCE:
            return _finished(point, patterns, sigma, freedom)
        for _halving in range(_HALVINGS):
            trial = sigma + np.einsum("p,pab->ab", step, basis)
            better = _evaluate(trial, patterns)
            if better is not None and better.deviance <= point.deviance + _TOLERANCE:
                break
            step = step / 2
        else:
            return None
        sigma, point = trial, better
    return None


def _patterns(y: Array, x: Array) -> tuple[list[_Pattern], Array]:
    visits = y.shape[1]
    rows, columns = np.triu_indices(visits)
    basis = np.zeros((len(rows), visits, visits))
    basis[np.arange(len(rows)), rows, columns] = 1.0
    basis[np.arange(len(rows)), columns, rows] = 1.0
    known = ~np.isnan(y)
    codes, place = np.unique(known, axis=0, return_inverse=True)
    found = []
    for k, code in enumerate(codes):
        own = np.flatnonzero(code)
        if len(own):
            members = np.flatnonzero(place.ravel() == k)
            part = basis[:, own][:, :, own]
            found.append(_Pattern(x[members][:, own], y[members][:, own], own, part))
    return found, basis


def _start(y: Array, x: Array) -> Array | None:
    """Variances of the visits around a common least-squares fit, without correlation."""
    known = ~np.isnan(y)
    counts = known.sum(axis=0)
    if (counts <= 1).any() or known.sum() <= x.shape[2]:
        return None
    beta, _, rank, _ = np.linalg.lstsq(x[known], y[known], rcond=None)
    if rank < x.shape[2]:
        return None
    variances = np.where(known, (y - x @ beta) ** 2, 0.0).sum(axis=0) / counts
    least = _ROUNDING * float(np.square(y[known]).mean())
    return np.diag(variances) if (variances > least).all() else None


def _evaluate(sigma: Array, patterns: list[_Pattern]) -> _Point | None:
    """The likelihood at sigma; None outside its domain."""
    deviance, size = 0.0, 0
    k = patterns[0].x.shape[2]
    a, b = np.zeros((k, k)), np.zeros(k)
    weights, turned = [], []
    for pattern in patterns:
        part = sigma[np.ix_(pattern.visits, pattern.visits)]
        try:
            root = np.linalg.cholesky(part)
        except np.linalg.LinAlgError:
            return None
        inverse = np.linalg.inv(root)
        w = inverse.T @ inverse
        wx = w @ pattern.x
        a += np.einsum("nak,nal->kl", pattern.x, wx)
        b += np.einsum("nak,na->k", wx, pattern.y)
        deviance += 2 * len(pattern.y) * float(np.log(np.diag(root)).sum())
        size += pattern.y.size
        weights.append(w)
        turned.append(wx)
    sign, logarithm = np.linalg.slogdet(a)
    if sign <= 0:
        return None
    c = np.asarray(np.linalg.inv(a), dtype=np.float64)
    beta = c @ b
    residuals = []
    for pattern, w in zip(patterns, weights, strict=True):
        left = pattern.y - pattern.x @ beta
        u = left @ w
        deviance += float((left * u).sum())
        residuals.append(u)
    deviance += float(logarithm) + (size - k) * math.log(2 * math.pi)
    return _Point(deviance, beta, c, weights, turned, residuals)


def _derivatives(point: _Point, patterns: list[_Pattern]) -> tuple[Array, Array, Array]:
    """Gradient of the deviance, expected and observed information of the log likelihood, by sigma."""
    p, c = len(patterns[0].basis), point.c
    gradient, traces, observed = np.zeros(p), np.zeros((p, p)), np.zeros((p, p))
    slopes, pulls = np.zeros((p, *c.shape)), np.zeros((p, len(c)))
    for pattern, w, wx, u in zip(patterns, point.weights, point.turned, point.residuals, strict=True):
        basis, n = pattern.basis, len(pattern.y)
        wd = w @ basis
        dwd = np.einsum("pab,bc,qcd->pqad", basis, w, basis, optimize=True)
        products = np.einsum("nak,nbl->abkl", wx, wx, optimize=True)
        squares = u.T @ u
        gradient += n * np.einsum("paa->p", wd) - np.einsum("pab,ab->p", basis, squares)
        traces += n * np.einsum("pab,qba->pq", wd, wd, optimize=True)
        traces -= 2 * np.einsum("pqad,ad->pq", dwd, np.einsum("adkl,kl->ad", products, c))
        observed += np.einsum("pqad,ad->pq", dwd, squares)
        slopes -= np.einsum("pab,abkl->pkl", basis, products, optimize=True)
        pulls += np.einsum("pab,nak,nb->pk", basis, wx, u, optimize=True)
    cs = np.einsum("kl,plm->pkm", c, slopes)
    gradient += np.einsum("pkk->p", cs)
    expected = 0.5 * (traces + np.einsum("pkl,qlk->pq", cs, cs, optimize=True))
    observed += -pulls @ c @ pulls.T - expected
    return gradient, expected, (observed + observed.T) / 2


def _finished(point: _Point, patterns: list[_Pattern], sigma: Array, freedom: str) -> Fit | None:
    _, _, observed = _derivatives(point, patterns)
    c, slopes = point.c, np.zeros((len(observed), *point.c.shape))
    for pattern, wx in zip(patterns, point.turned, strict=True):
        slopes -= np.einsum("pab,nak,nbl->pkl", pattern.basis, wx, wx, optimize=True)
    try:
        spread = np.asarray(np.linalg.inv(observed), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    covariance = c
    if freedom == "kenward-roger":
        bias = np.zeros_like(c)
        for pattern, w, wx in zip(patterns, point.weights, point.turned, strict=True):
            inner = np.einsum("pab,bc,qcd,pq->ad", pattern.basis, w, pattern.basis, spread, optimize=True)
            bias += np.einsum("ad,nak,ndl->kl", inner, wx, wx, optimize=True)
        bias -= np.einsum("pq,pkl,lm,qmn->kn", spread, slopes, c, slopes, optimize=True)
        covariance = c + 2 * c @ bias @ c
        covariance = (covariance + covariance.T) / 2
    own = -np.einsum("kl,plm,mn->pkn", c, slopes, c, optimize=True)
    return Fit(point.beta, covariance, sigma, point.deviance, c, own, spread)
