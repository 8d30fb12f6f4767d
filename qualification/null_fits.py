"""Mixed models and Cox's model of many null trials at once.

What the likelihood of a mixed model needs of the patients with the same visits are sums: of z z', z y' and
y y', where z holds 1, arm and baseline and the design is z with every visit. So a trial of any size is a few
small matrices, and hundreds of trials are fitted side by side. Notation and method are those of
``opiome.trial._mmrm``; a test holds both functions to the package, trial by trial.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import norm, t

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opiome.trial import Answers

    Array = NDArray[np.float64]
    Rows = NDArray[np.intp]

__all__ = ["cox", "mmrm"]

ITERATIONS, HALVINGS = 100, 30
TOLERANCE = 1e-10  # Newton decrement, as in the package
ARM = 1  # the place of the arm in z


@dataclass(frozen=True)
class Sums:
    """What is known of r trials.

    ``known`` (p, v) the visits of each pattern, ``n`` (r, p) patients, ``zz`` (r, p, 3, 3),
    ``zy`` (r, p, 3, v), ``yy`` (r, p, v, v); y is 0 at visits that a pattern lacks.
    """

    known: NDArray[np.bool_]
    n: Array
    zz: Array
    zy: Array
    yy: Array

    def take(self, rows: NDArray[np.bool_]) -> Sums:
        """Some of the trials."""
        return Sums(self.known, self.n[rows], self.zz[rows], self.zy[rows], self.yy[rows])


def sums(pool: Answers, arm: Rows, reference: Rows) -> Sums:
    """The sums over the patients of each trial, by pattern of visits."""
    y, baseline = np.asarray(pool.visits), np.asarray(pool.baseline)
    usable = ~np.isnan(y).all(axis=1) & ~np.isnan(baseline)
    known, pattern = np.unique(~np.isnan(y), axis=0, return_inverse=True)
    some = known.any(axis=1)
    pattern = (np.cumsum(some) - 1)[pattern.ravel()]
    known, y = known[some], np.where(np.isnan(y), 0.0, y)
    trials, patterns = len(arm), len(known)
    parts = []
    for side, treated in ((arm, 1.0), (reference, 0.0)):
        own = np.column_stack([np.ones(len(y)), np.full(len(y), treated), np.nan_to_num(baseline), y])
        squares = (own[:, :, None] * own[:, None, :]).reshape(len(y), -1)
        chosen = usable[side]
        place = (np.arange(trials)[:, None] * patterns + pattern[side])[chosen]
        size = (trials * patterns, len(y))
        count = csr_array((np.ones(len(place)), (place, side[chosen])), shape=size)
        parts.append((count @ squares).reshape(trials, patterns, own.shape[1], own.shape[1]))
    total = parts[0] + parts[1]
    return Sums(known, total[..., 0, 0], total[..., :3, :3], total[..., :3, 3:], total[..., 3:, 3:])


@dataclass(frozen=True)
class Point:
    """The likelihood of r trials at their sigmas.

    ``deviance`` (r,), ``c`` (r, 3v, 3v) and ``beta`` (r, 3, v) of the effects, ``w`` (r, p, v, v) inverse
    covariances, ``rest`` (r, p, 3, v) sums of z e', ``squares`` (r, p, v, v) of w e e' w.
    """

    deviance: Array
    c: Array
    beta: Array
    w: Array
    rest: Array
    squares: Array


def evaluate(sigma: Array, data: Sums) -> Point:
    """The likelihood at sigma (r, v, v); a deviance of inf outside its domain."""
    trials, visits = len(sigma), sigma.shape[1]
    both = data.known[:, :, None] & data.known[:, None, :]
    whole = np.where(both, sigma[:, None], np.eye(visits) * ~data.known[:, None, :])
    values = np.linalg.eigvalsh(whole)
    inside = (values > 0).all(axis=(1, 2))
    whole[~inside] = np.eye(visits)
    w = np.linalg.inv(whole) * both
    a = np.einsum("rpkl,rpab->rkalb", data.zz, w).reshape(trials, 3 * visits, 3 * visits)
    b = np.einsum("rpka,rpab->rkb", data.zy, w)
    c = np.linalg.inv(a)
    beta = np.einsum("rij,rj->ri", c, b.reshape(trials, -1)).reshape(trials, 3, visits)
    rest = (data.zy - np.einsum("rpkl,rla->rpka", data.zz, beta)) * data.known[:, None, :]
    cross = np.einsum("rka,rpkb->rpab", beta, data.zy)
    fitted = np.einsum("rka,rpkl,rlb->rpab", beta, data.zz, beta, optimize=True)
    left = (data.yy - cross - np.swapaxes(cross, 2, 3) + fitted) * both
    deviance = (data.n * np.linalg.slogdet(whole)[1]).sum(axis=1) + np.einsum("rpab,rpab->r", w, left)
    deviance += np.linalg.slogdet(a)[1]
    return Point(np.where(inside, deviance, np.inf), c, beta, w, rest, w @ left @ w)


@dataclass(frozen=True)
class Slopes:
    """Derivatives by the q elements of sigma.

    ``gradient`` (r, q) of the deviance, ``expected`` and ``observed`` (r, q, q) information, ``a``
    (r, q, 3v, 3v) of the information of the effects.
    """

    gradient: Array
    expected: Array
    observed: Array
    a: Array


def slopes(point: Point, data: Sums, basis: Array) -> Slopes:
    """The derivatives at a point."""
    trials, visits, q = len(point.c), data.known.shape[1], len(basis)
    w, c = point.w, point.c.reshape(-1, 3, visits, 3, visits)
    wd = w[:, :, None] @ basis
    wdw = wd @ w[:, :, None]
    gradient = np.einsum("rp,rpqaa->rq", data.n, wd) - np.einsum("qab,rpab->rq", basis, point.squares)
    spread = np.einsum("rpkl,rkalb->rpab", data.zz, c, optimize=True)
    within = w @ spread @ w
    expected = np.einsum("rp,rpiab,rpjba->rij", data.n, wd, wd, optimize=True)
    middle = np.einsum("iab,rpbc,jcd->rpijad", basis, w, basis, optimize=True)
    expected -= 2 * np.einsum("rpijad,rpad->rij", middle, within)
    observed = np.einsum("rpijad,rpad->rij", middle, point.squares)
    a = -np.einsum("rpkl,rpqab->rqkalb", data.zz, wdw, optimize=True).reshape(trials, q, 3 * visits, -1)
    pulls = np.einsum("rpka,rpqab->rqkb", point.rest, wdw, optimize=True).reshape(trials, q, -1)
    turned = point.c[:, None] @ a
    gradient += np.einsum("rqii->rq", turned)
    expected = 0.5 * (expected + np.einsum("riab,rjba->rij", turned, turned, optimize=True))
    observed += -pulls @ point.c @ np.swapaxes(pulls, 1, 2) - expected
    return Slopes(gradient, expected, (observed + np.swapaxes(observed, 1, 2)) / 2, a)


def start(data: Sums) -> Array:
    """Variances of the visits around a common least-squares fit, without correlation; shape (r, v, v)."""
    visits = data.known.shape[1]
    point = evaluate(np.broadcast_to(np.eye(visits), (len(data.n), visits, visits)), data)
    squares = np.einsum("rpaa->ra", point.squares)
    return squares[:, :, None] / (data.n @ data.known)[:, :, None] * np.eye(visits)


def fitted(data: Sums, basis: Array) -> Array:
    """Sigma of every trial by Fisher scoring; NaN where it did not converge."""
    sigma, going = start(data), np.arange(len(data.n))
    done = np.zeros(len(data.n), dtype=bool)
    for _ in range(ITERATIONS):
        part = data.take(going)
        point = evaluate(sigma[going], part)
        found = slopes(point, part, basis)
        step = np.linalg.solve(found.expected, -0.5 * found.gradient[..., None])[..., 0]
        gain = -0.5 * np.einsum("rq,rq->r", found.gradient, step)
        arrived = gain < TOLERANCE
        done[going[arrived]] = True
        going, step, limit = going[~arrived], step[~arrived], point.deviance[~arrived] + TOLERANCE
        if not len(going):
            break
        change = np.einsum("rq,qab->rab", step, basis)
        for _halving in range(HALVINGS):
            worse = ~(evaluate(sigma[going] + change, data.take(going)).deviance <= limit)
            if not worse.any():
                break
            change[worse] /= 2
        sigma[going] += change
    sigma[~done] = np.nan
    return sigma


def mmrm(pool: Answers, arm: Rows, reference: Rows) -> Array:
    """Two means at the last visit: unstructured covariance, REML, Kenward and Roger's adjustment."""
    data = sums(pool, arm, reference)
    visits = data.known.shape[1]
    rows, columns = np.triu_indices(visits)
    basis = np.zeros((len(rows), visits, visits))
    basis[np.arange(len(rows)), rows, columns] = basis[np.arange(len(rows)), columns, rows] = 1.0
    sigma = fitted(data, basis)
    good = np.isfinite(sigma).all(axis=(1, 2))
    data, p = data.take(good), np.full(len(good), np.nan)
    point = evaluate(sigma[good], data)
    found = slopes(point, data, basis)
    spread, c, w = np.linalg.inv(found.observed), point.c, point.w
    inner = np.einsum("iab,rpbc,jcd,rij->rpad", basis, w, basis, spread, optimize=True)
    bias = np.einsum("rpkl,rpab->rkalb", data.zz, w @ inner @ w, optimize=True).reshape(c.shape)
    bias = bias - np.einsum("rij,riab,rbc,rjcd->rad", spread, found.a, c, found.a, optimize=True)
    adjusted = c + 2 * c @ bias @ c
    last = ARM * visits + visits - 1
    own = -np.einsum("ra,rqab,rb->rq", c[:, last], found.a, c[:, :, last], optimize=True)
    freedom = 2 * c[:, last, last] ** 2 / np.einsum("ri,rij,rj->r", own, spread, own, optimize=True)
    ratio = np.abs(point.beta[:, ARM, visits - 1]) / np.sqrt(adjusted[:, last, last])
    p[good] = 2 * t.sf(ratio, freedom)
    return p


def cox(pool: Answers, arm: Rows, reference: Rows) -> Array:
    """Two times: Wald's test of the hazard ratio, ties after Efron."""
    times = np.concatenate([pool.values[arm], pool.values[reference]], axis=1)
    events = np.concatenate([np.asarray(pool.event)[arm], np.asarray(pool.event)[reference]], axis=1)
    treated = np.broadcast_to(np.arange(times.shape[1]) < arm.shape[1], times.shape)
    # latest first, and events before censoring where they tie: the risk set is all that stands before
    order = np.argsort(-times, axis=1, kind="stable")
    times, events, treated = (np.take_along_axis(x, order, axis=1) for x in (times, events, treated))
    ends = np.column_stack([times[:, 1:] != times[:, :-1], np.ones(len(times), dtype=bool)])
    tied = _of_ties(events, ends)
    tied_treated = _of_ties(events & treated, ends)
    at_risk, at_risk_treated = (_at_ends(np.cumsum(x, axis=1), ends) for x in (np.ones_like(times), treated))
    share = np.where(events, _order_in_tie(events, ends) / np.maximum(tied, 1), 0.0)
    others = at_risk - at_risk_treated - share * (tied - tied_treated)
    own = at_risk_treated - share * tied_treated
    beta = np.zeros(len(times))
    for _ in range(ITERATIONS):
        hazard = own * np.exp(beta)[:, None]
        part = np.where(events, hazard / (hazard + others), 0.0)
        information = (part * (1 - part)).sum(axis=1)
        step = ((events & treated).sum(axis=1) - part.sum(axis=1)) / information
        beta += step
        if np.abs(step).max() < TOLERANCE:
            break
    hazard = own * np.exp(beta)[:, None]
    part = np.where(events, hazard / (hazard + others), 0.0)
    return np.asarray(2 * norm.sf(np.abs(beta) * np.sqrt((part * (1 - part)).sum(axis=1))))


def _at_ends(counts: Array, ends: NDArray[np.bool_]) -> Array:
    """What a count has reached at the end of each one's tie."""
    place = np.where(ends, np.arange(ends.shape[1]), ends.shape[1])
    upcoming = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
    return np.take_along_axis(counts, upcoming, axis=1).astype(np.float64)


def _before_ties(marks: NDArray[np.bool_], ends: NDArray[np.bool_]) -> Array:
    """How many marks stand before the tie of each one."""
    reached = np.cumsum(marks, axis=1)
    start = np.column_stack([np.ones(len(ends), dtype=bool), ends[:, :-1]])
    place = np.maximum.accumulate(np.where(start, np.arange(ends.shape[1]), 0), axis=1)
    return np.take_along_axis(reached - marks, place, axis=1).astype(np.float64)


def _of_ties(marks: NDArray[np.bool_], ends: NDArray[np.bool_]) -> Array:
    """How many marks the tie of each one holds."""
    return _at_ends(np.cumsum(marks, axis=1), ends) - _before_ties(marks, ends)


def _order_in_tie(marks: NDArray[np.bool_], ends: NDArray[np.bool_]) -> Array:
    """How many marks of the same tie stand before each one."""
    return np.cumsum(marks, axis=1) - marks - _before_ties(marks, ends)
