"""Look for stiffly accurate W-methods of order 4 with 7 stages, such as the engine's ROW4W.

Run as ``python benchmarks/w_method.py --seconds 120``. Every 2 s or so one start of a Gauss-Newton iteration
ends in a method; those with the smallest terms of order 5 are printed, with nodes and stability. Conditions:
Hairer & Wanner, Solving ODEs II, 2nd ed., IV.7, with separate trees for the matrix (A) and its error (G).
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from opiome.streams import normal

STAGES = 7
GAMMA = 0.25
ALPHA_CELLS = [(i, j) for i in range(1, STAGES - 1) for j in range(i)]
GAMMA_CELLS = [(i, j) for i in range(1, STAGES) for j in range(i)]
UNKNOWNS = len(ALPHA_CELLS) + len(GAMMA_CELLS)
Array = NDArray[np.float64]


def tableau(x: Array) -> tuple[Array, Array]:
    """Matrices A and G for each row of x; the last stage starts from the embedded solution."""
    a, g = np.zeros((2, len(x), STAGES, STAGES))
    for k, (i, j) in enumerate(ALPHA_CELLS):
        a[:, i, j] = x[:, k]
    for k, (i, j) in enumerate(GAMMA_CELLS):
        g[:, i, j] = x[:, len(ALPHA_CELLS) + k]
    g[:, range(STAGES), range(STAGES)] = GAMMA
    a[:, -1, :-1] = (a + g)[:, -2, :-1]
    return a, g


def residuals(x: Array) -> tuple[Array, Array]:
    """What must vanish (conditions), and what should be small (order 5, order for slaved states, size)."""
    a, g = tableau(x)
    embedded = a[:, -1]
    b = embedded + g[:, -1]

    def of(m: Array, v: Array) -> Array:
        return (m @ v[..., None])[..., 0]

    def dot(w: Array, v: Array) -> Array:
        return (w * v).sum(-1)

    c, d = a.sum(-1), g.sum(-1)
    pairs = {(p, q): of(m, v) for p, m in (("a", a), ("g", g)) for q, v in (("a", c), ("g", d))}
    must = [b.sum(-1) - 1, dot(b, c) - 1 / 2, dot(b, d), dot(b, c**2) - 1 / 3, dot(b, c**3) - 1 / 4]
    must += [dot(b, v) - (1 / 6 if k == ("a", "a") else 0) for k, v in pairs.items()]
    must += [
        dot(b, c * pairs["a", "a"]) - 1 / 8, dot(b, c * pairs["a", "g"]),
        dot(b, of(a, c**2)) - 1 / 12, dot(b, of(g, c**2)),
    ]  # fmt: skip
    must += [
        dot(b, of(m, v)) - (1 / 24 if (p, *k) == ("a", "a", "a") else 0)
        for p, m in (("a", a), ("g", g))
        for k, v in pairs.items()
    ]
    mixed = pairs["a", "g"] + pairs["g", "a"] + pairs["g", "g"]
    must += [embedded.sum(-1) - 1, dot(embedded, c) - 1 / 2, dot(embedded, d), dot(embedded, c**2) - 1 / 3]
    must += [dot(embedded, pairs["a", "a"]) - 1 / 6, dot(embedded, mixed), c[:, -2] - 1]
    small = []
    for m, v in ((a + g, c + d), (a, c)):  # with the Jacobian as matrix, and with none
        inner, outer = of(a, v), of(m, v)
        small += [
            dot(b, c**4) - 1 / 5, dot(b, c**2 * inner) - 1 / 10, dot(b, inner**2) - 1 / 20,
            dot(b, c * of(a, c**2)) - 1 / 15, dot(b, c * of(a, outer)) - 1 / 30, dot(b, of(m, c**3)) - 1 / 20,
            dot(b, of(m, c * inner)) - 1 / 40, dot(b, of(m, of(m, c**2))) - 1 / 60,
            dot(b, of(m, of(m, outer))) - 1 / 120,
        ]  # fmt: skip
    slaved = 2 * of(a + g, c + d) - c**2
    for _ in range(4):
        small.append(dot(b, slaved))
        slaved = of(a + g, slaved)
    inside = [0.1 * np.maximum(0, -c), 0.1 * np.maximum(0, c - 1), 0.008 * x]
    return np.stack(must, -1), 0.5 * np.concatenate([np.stack(small, -1), *inside], -1)


def improve(x: Array, weight: float, soft: float, steps: int) -> Array:
    """Levenberg-Marquardt on the weighted residuals, with differences for derivatives."""

    def total(points: Array) -> Array:
        must, small = residuals(points)
        return np.concatenate([weight * must, soft * small], -1)

    damping, shift = 1e-2, 1e-7 * np.eye(UNKNOWNS)
    for _ in range(steps):
        f = total(np.concatenate([x[None], x + shift, x - shift]))
        slopes = ((f[1 : UNKNOWNS + 1] - f[UNKNOWNS + 1 :]) / 2e-7).T
        normal_matrix, right = slopes.T @ slopes, slopes.T @ f[0]
        for _ in range(8):
            scale = damping * np.diag(np.diag(normal_matrix) + 1e-9)
            new = x - np.linalg.solve(normal_matrix + scale, right)
            if (total(new[None]) ** 2).sum() < (f[0] ** 2).sum():
                x, damping = new, max(damping / 4, 1e-12)
                break
            damping *= 4
        else:
            break
    return x


def polish(x: Array) -> Array:
    """Newton steps of least norm on the conditions alone."""
    shift = 1e-7 * np.eye(UNKNOWNS)
    for _ in range(20):
        f = residuals(np.concatenate([x[None], x + shift, x - shift]))[0]
        slopes = ((f[1 : UNKNOWNS + 1] - f[UNKNOWNS + 1 :]) / 2e-7).T
        x = x - np.linalg.lstsq(slopes, f[0], rcond=1e-9)[0]
    return x


def largest_growth(x: Array) -> float:
    """The largest amplification on the imaginary axis: 1 for an A-stable method."""
    a, g = (m[0] for m in tableau(x[None]))
    b, one, eye = a[-1] + g[-1], np.ones(STAGES), np.eye(STAGES)
    return max(
        abs(1 + z * b @ np.linalg.solve(eye - z * (a + g), one)) for z in 1j * np.geomspace(1e-2, 1e4, 200)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args()
    begin, start = time.perf_counter(), 0
    while time.perf_counter() - begin < given.seconds:
        x = 0.35 * normal(given.seed, "w-method", start, draw=np.arange(UNKNOWNS))
        start += 1
        try:
            for weight, soft in ((1, 3), (3, 1), (10, 1), (40, 1), (160, 1), (1e3, 0.2), (1e4, 0.2)):
                x = improve(x, weight, soft, 35)
            x = polish(x)
        except np.linalg.LinAlgError:
            continue
        must, small = residuals(x[None])
        if np.abs(must).max() < 1e-12 and np.abs(x).max() < 2:
            nodes = np.round(tableau(x[None])[0][0].sum(-1), 2)
            print(f"start {start:4d}: order 5 {np.linalg.norm(2 * small[0, :18]):.2e}, "
                  f"growth {largest_growth(x):.3f}, nodes {nodes}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
