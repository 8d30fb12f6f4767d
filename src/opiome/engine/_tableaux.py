"""Integration methods as data, in the notation of their papers."""

from __future__ import annotations

import math
from dataclasses import dataclass

REACH = 0.6  # of the time in which the fastest state outside a W-method's matrix moves: its longest step
LARGE = 40  # states from which a smaller matrix pays


@dataclass(frozen=True, kw_only=True)
class Method:
    """What all methods have: stage k is at time t + alpha_k h and at y + sum_j a_kj u_j."""

    name: str
    order: int
    alpha: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    dense: tuple[tuple[float, ...], ...]
    any_matrix: bool = False  # a W-method: its order does not depend on the matrix
    rtol: float = 1e-4  # what an ensemble takes unless it is told

    @property
    def interpolant(self) -> tuple[tuple[float, ...], ...]:
        """``dense`` with three rows, the last zero where the method has two."""
        return (*self.dense, (0.0,) * self.stages)[:3]

    @property
    def stages(self) -> int:
        """The number of stages."""
        return len(self.alpha)

    def longest(self, unseen: float, rtol: float) -> float:
        """The longest step at a tolerance, h, where the matrix may lack states as fast as ``unseen`` per h.

        Their errors are hidden from an estimate that looks at one step; they grow with its length.
        """
        if not unseen:
            return math.inf
        return REACH / unseen * math.pow(rtol / self.rtol, 1.0 / self.order)


@dataclass(frozen=True, kw_only=True)
class Rosenbrock(Method):
    """A Rosenbrock method in transformed form (Hairer & Wanner, Solving ODEs II, 2nd ed., IV.7, eq. 7.25).

    (I/(gamma h) - J) u_i = f(y + sum_j a_ij u_j, t + alpha_i h) + sum_j c_ij u_j / h + gamma_i h f_t.
    The last stage of a stiffly accurate method is the error estimate: y1 = y + sum a_sj u_j + u_s.
    ``dense``: y(t + s h) = (1-s) y0 + s (y1 + (1-s)(k1 + s (k2 + ...))) with k_m = sum_j dense[m][j] u_j.
    """

    gamma: float
    gamma_sum: tuple[float, ...]
    c: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Explicit(Method):
    """An explicit Runge-Kutta method whose last stage is at the new solution.

    u_i = h f(y + sum_j a_ij u_j, t + alpha_i h); y1 = y + sum_j a_sj u_j; the error is sum_j error_j u_j.
    ``dense`` as for a Rosenbrock method. It solves no linear system, so its step is bounded by stiffness.
    """

    error: tuple[float, ...]


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

_B6 = (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946)
RODAS5P = Rosenbrock(  # Steinebach, BIT Numer Math 2023;63:27: order 5(4), 8 stages, stiffly accurate
    name="rodas5p",
    order=5,
    gamma=0.21193756319429014,
    alpha=(
        0.0,
        0.6358126895828704,
        0.4095798393397535,
        0.9769306725060716,
        0.4288403609558664,
        1.0,
        1.0,
        1.0,
    ),
    gamma_sum=(
        0.21193756319429014,
        -0.42387512638858027,
        -0.3384627126235924,
        1.8046452872882734,
        2.325825639765069,
        0.0,
        0.0,
        0.0,
    ),
    a=(
        (),
        (3.0,),
        (2.849394379747939, 0.45842242204463923),
        (-6.954028509809101, 2.489845061869568, -10.358996098473584),
        (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
        _B6,
        (*_B6, 1.0),
        (*_B6, 1.0, 1.0),
    ),
    c=(
        (),
        (-14.155112264123755,),
        (-17.97296035885952, -2.859693295451294),
        (147.12150275711716, -1.41221402718213, 71.68940251302358),
        (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
        (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
        (
            30.91273214028599,
            -3.1208243349937974,
            77.79954646070892,
            34.28646028294783,
            -19.097331116725623,
            -28.087943162872662,
        ),
        (
            37.80277123390563,
            -3.2571969029072276,
            112.26918849496327,
            66.9347231244047,
            -40.06618937091002,
            -54.66780262877968,
            -9.48861652309627,
        ),
    ),
    dense=(
        (
            25.948786856663858,
            -2.5579724845846235,
            10.433815404888879,
            -2.3679251022685204,
            0.524948541321073,
            1.1241088310450404,
            0.4272876194431874,
            -0.17202221070155493,
        ),
        (
            -9.91568850695171,
            -0.9689944594115154,
            3.0438037242978453,
            -24.495224566215796,
            20.176138334709044,
            15.98066361424651,
            -6.789040303419874,
            -6.710236069923372,
        ),
        (
            11.419903575922262,
            2.8879645146136994,
            72.92137995996029,
            80.12511834622643,
            -52.072871366152654,
            -59.78993625266729,
            -0.15582684282751913,
            4.883087185713722,
        ),
    ),
)

# ROW4W: order 4(3), 7 stages, L-stable, stiffly accurate, and a W-method: all 21 conditions of order 4 hold
# for any matrix (Hairer & Wanner II, IV.7, with Wolfbrandt's trees). Found for this engine by Gauss-Newton
# iteration on these conditions and on those of the embedded solution (order 3 where the matrix is zero or the
# Jacobian, 2 otherwise), among those with the smallest terms of order 5 (benchmarks/w_method.py).
_B5 = (9.208191237766215, 4.705885082063038, 1.314194119253665, 0.2847235153709982, -0.6819741036366128)
ROW4W = Rosenbrock(
    name="row4w",
    order=4,
    gamma=0.25,
    any_matrix=True,
    rtol=1e-3,  # its error is a third of Rodas4's at the same tolerance, and below this one
    alpha=(0.0, 0.3524081093836606, 0.6287175066279405, 0.8435130880130635, 0.4058610742215033, 1.0, 1.0),
    gamma_sum=(
        0.25,
        -0.20643326764858827,
        -0.1813225275344903,
        -0.09465402699306105,
        0.09582966235890283,
        0.0,
        0.0,
    ),
    a=(
        (),
        (1.4096324375346425,),
        (4.372055540958658, 2.2491354416871228),
        (6.7496946911797835, 3.4999028563522647, 0.6696035144853222),
        (4.083911606454174, 1.9101030137346697, 1.4843538719755551, -0.5106890497578406),
        _B5,
        (*_B5, 1.0),
    ),
    c=(
        (),
        (-7.302932282377415,),
        (-13.201427612143691, -7.629907770385147),
        (-11.262260653440158, -6.951220099279145, -0.010952727033212439),
        (-8.809425377359863, -5.577829771748282, -1.162513807796027, -2.3605485448501753),
        (-10.791798773019602, -4.273623887659532, -0.07552065461088626, 0.640859663495633, 9.002409902118444),
        (
            -11.927704673978186,
            -3.097804820208543,
            -2.7714610858979873,
            6.736976853463581,
            15.418919574904878,
            -7.143507987338325,
        ),
    ),
    dense=(
        (
            0.34115352188811965,
            -2.2823932062914905,
            4.275676732113347,
            -3.633732771991647,
            -1.3056624945163728,
            -2.3291435074143267,
            3.9637507100930924,
        ),
        (
            -5.89047938653841,
            0.5246890930130428,
            -6.955383234236484,
            5.151793906594859,
            8.425402763871796,
            0.44912161733932,
            -12.388882269403384,
        ),
    ),
)

# Tsitouras, Comput Math Appl 2011;62:770: order 5(4), 7 stages, interpolant of order 4. ``dense`` is the
# paper's interpolant with the straight line between the ends taken out and s (1 - s) divided off.
TSIT5 = Explicit(
    name="tsit5",
    order=5,
    alpha=(0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0),
    a=(
        (),
        (0.161,),
        (-0.008480655492356989, 0.335480655492357),
        (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
        (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
        (
            5.86145544294642,
            -12.92096931784711,
            8.159367898576159,
            -0.071584973281401,
            -0.028269050394068383,
        ),
        (
            0.09646076681806523,
            0.01,
            0.4798896504144996,
            1.379008574103742,
            -3.290069515436081,
            2.324710524099774,
        ),
    ),
    error=(
        -0.00178001105222577714,
        -0.0008164344596567469,
        0.007880878010261995,
        -0.1447110071732629,
        0.5823571654525552,
        -0.45808210592918697,
        1.0 / 66.0,
    ),
    dense=(
        (
            0.9035392331819347,
            -0.01,
            -0.47988965041449916,
            -1.3790085741037394,
            3.2900695154360804,
            -2.324710524099782,
            0.0,
        ),
        (
            -1.860166964092891,
            0.1217,
            3.450406586480252,
            -13.790085741037416,
            40.79938293194712,
            -30.221236813297068,
            1.5,
        ),
        (
            1.0530884977290216,
            -0.1017,
            -2.490627285651253,
            16.548102889244902,
            -47.37952196281928,
            34.87065786149661,
            -2.5,
        ),
    ),
)

METHODS: dict[str, Rosenbrock | Explicit] = {m.name: m for m in (RODAS4, RODAS5P, ROW4W, TSIT5)}


def default(states: int) -> Rosenbrock:
    """The method for a system of this size: the W-method where a smaller matrix pays."""
    return RODAS4 if states < LARGE else ROW4W
