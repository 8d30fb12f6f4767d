"""Integration methods as data, in the notation of their papers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rosenbrock:
    """A Rosenbrock method in transformed form (Hairer & Wanner, Solving ODEs II, 2nd ed., IV.7, eq. 7.25).

    (I/(gamma h) - J) u_i = f(y + sum_j a_ij u_j, t + alpha_i h) + sum_j c_ij u_j / h + gamma_i h f_t.
    The last stage of a stiffly accurate method is the error estimate: y1 = y + sum a_sj u_j + u_s.
    ``dense``: y(t + s h) = (1-s) y0 + s (y1 + (1-s)(k1 + s (k2 + ...))) with k_m = sum_j dense[m][j] u_j.
    """

    name: str
    order: int
    gamma: float
    alpha: tuple[float, ...]
    gamma_sum: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    c: tuple[tuple[float, ...], ...]
    dense: tuple[tuple[float, ...], ...]

    @property
    def stages(self) -> int:
        """The number of stages."""
        return len(self.alpha)


# RODAS, order 4(3), 6 stages, L-stable, stiffly accurate: Hairer & Wanner II, table in code RODAS, method 1.
_A5 = (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950)
RODAS4 = Rosenbrock(
    name="rodas4",
    order=4,
    gamma=0.25,
    alpha=(0.0, 0.386, 0.21, 0.63, 1.0, 1.0),
    gamma_sum=(0.25, -0.1043, 0.1035, -0.0362, 0.0, 0.0),
    a=(
        (),
        (1.544,),
        (0.9466785280815826, 0.2557011698983284),
        (3.314825187068521, 2.896124015972201, 0.9986419139977817),
        _A5,
        (*_A5, 1.0),
    ),
    c=(
        (),
        (-5.6688,),
        (-2.430093356833875, -0.2063599157091915),
        (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
        (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
        (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
    ),
    dense=(
        (
            10.12623508344586,
            -7.487995877610167,
            -34.80091861555747,
            -7.992771707568823,
            1.025137723295662,
            0.0,
        ),
        (
            -0.6762803392806898,
            6.087714651680015,
            16.43084320892478,
            24.76722511418386,
            -6.594389125716872,
            0.0,
        ),
    ),
)

METHODS = {"rodas4": RODAS4}
