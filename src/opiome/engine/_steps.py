"""One step of a method as LLVM text: stages, error, dense output; loops over the rows of state vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opiome.engine._rows import Rows, define
from opiome.engine._vector import LANES, VECTOR, literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from opiome.engine._kernels import Layout
    from opiome.engine._tableaux import Explicit, Rosenbrock

SAFETY = 0.9  # of the step that would just meet the tolerance
NAMES = "t h y par pre inrow inp absolute guard peak ctrl work yn err"
STEP_ARGUMENTS = ", ".join([*(f"ptr noalias %{name}" for name in NAMES.split()), "i64 %nin"])


def _workspace(layout: Layout, *, fma: bool) -> Rows:
    """The beginning of a step: names for the parts of its work space."""
    n = layout.states
    e = Rows(n, fma=fma)
    places = {"ginv": 0, "tk": 1, "hinv": 2, "f": 4, "yt": 4 + n, "ft": 4 + 2 * n}
    places |= {f"u{i}": layout.stage_row + i * n for i in range(layout.stages)}
    places["lu"] = layout.stage_row + layout.stages * n
    for name, at in places.items():
        e.lines.append(f"  %{name} = getelementptr inbounds double, ptr %work, i64 {LANES * at}")
    return e


def explicit_step(method: Explicit, layout: Layout, fma: bool) -> str:  # noqa: FBT001 - how code is written
    """The step of an explicit method, with the arguments of :func:`rosenbrock_step`."""
    m = method
    e = _workspace(layout, fma=fma)
    h, t = e.load("%h", 0), e.load("%t", 0)
    for k in range(m.stages):
        if k:
            with e.rows() as row:
                value = row.load("%y")
                for j, a in enumerate(m.a[k]):
                    value = e.fma(literal(a), row.load(f"%u{j}"), value)
                row.store(value, "%yt")
            if not layout.autonomous:
                e.store(e.fma(literal(m.alpha[k]), h, t), "%tk", 0)
        when = "%tk" if k and not layout.autonomous else "%t"
        e.do(f"call void @rhs(ptr {when}, ptr {'%yt' if k else '%y'}, ptr %par, ptr %pre, ptr %f)")
        _add_input(e)
        with e.rows() as row:
            row.store(e.binary("fmul", h, row.load("%f")), f"%u{k}")

    def estimate(i: int) -> str:
        value = literal(0.0)
        for j, weight in enumerate(m.error):
            value = e.fma(literal(weight), e.load(f"%u{j}", i), value)
        return value

    _error(e, layout.states, m.order, estimate, adds=False)
    return define("step", STEP_ARGUMENTS, e)


def rosenbrock_step(method: Rosenbrock, layout: Layout, fma: bool) -> str:  # noqa: FBT001 - how code is written
    """Y -> yn and the error of each lane; ``ctrl`` row 0 holds the relative tolerance.

    ``inrow`` and ``inp`` are the ``nin`` states with a zero-order input and its rates.
    """
    m = method
    e = _workspace(layout, fma=fma)
    h, t = e.load("%h", 0), e.load("%t", 0)
    hinv = e.binary("fdiv", literal(1.0), h)
    e.store(e.binary("fmul", hinv, literal(1.0 / m.gamma)), "%ginv", 0)
    e.store(hinv, "%hinv", 0)
    e.do("call void @jaclu(ptr %t, ptr %y, ptr %par, ptr %pre, ptr %ginv, ptr %f, ptr %ft, ptr %lu)")
    with e.rows() as row:
        row.store(literal(0.0), "%u0")
    for k in range(m.stages):
        if k:
            # only one stage is added to the trial state before
            more = k > 1 and m.a[k][: k - 1] == m.a[k - 1]
            with e.rows() as row:  # one pass reads the stages for the trial state and for the right side
                value, scaled = row.load("%yt" if more else "%y"), ""
                for j, (a, c) in enumerate(zip(m.a[k], m.c[k], strict=True)):
                    u = row.load(f"%u{j}")
                    if a and not (more and j < k - 1):
                        value = e.fma(literal(a), u, value)
                    scaled = e.fma(literal(c), u, scaled) if scaled else e.binary("fmul", literal(c), u)
                row.store(value, "%yt")
                row.store(scaled, f"%u{k}")
            if m.alpha[k] and not layout.autonomous:
                e.store(e.fma(literal(m.alpha[k]), h, t), "%tk", 0)
            where = "%t" if layout.autonomous or not m.alpha[k] else "%tk"
            e.do(f"call void @rhs(ptr {where}, ptr %yt, ptr %par, ptr %pre, ptr %f)")
        _add_input(e)
        if m.gamma_sum[k] and not layout.autonomous:
            scale = e.binary("fmul", literal(m.gamma_sum[k]), h)
            with e.rows() as row:
                row.store(e.fma(scale, row.load("%ft"), row.load("%f")), "%f")
        e.do(f"call void @solve(ptr %lu, ptr %u{k}, ptr %f, ptr %hinv)")
    estimate = f"%u{m.stages - 1}"  # the last stage is what it adds to the trial state
    _error(e, layout.states, m.order, lambda i: e.load(estimate, i), adds=True)
    return define("step", STEP_ARGUMENTS, e)


def _add_input(e: Rows) -> None:
    with e.rows("%nin") as row:
        p = e.put(f"getelementptr inbounds i64, ptr %inrow, i64 {row.index}")
        offset = e.put(f"shl i64 {e.put(f'load i64, ptr {p}, align 8')}, 3")
        q = e.put(f"getelementptr inbounds double, ptr %f, i64 {offset}")
        value = e.put(f"load {VECTOR}, ptr {q}, align 64")
        e.do(f"store {VECTOR} {e.binary('fadd', value, row.load('%inp'))}, ptr {q}, align 64")


def _error(e: Rows, n: int, order: int, estimate: Callable[[int], str], *, adds: bool) -> None:
    """Mean square error on the scale of the tolerances, and the positivity guard.

    Yn = yt, plus the estimate where it ``adds`` to it. Scale of a state: absolute + rtol max(|y|, |yn|,
    peak so far / 100). A state below -100 times the part of that scale that does not shrink with it makes the
    error at least 16, so that the step is taken again. Row 1 of ``err`` gets the factor for the next step.
    """
    rtol = e.load("%ctrl", 0)
    floor = e.binary("fmul", rtol, literal(0.01))
    sums, low = [literal(0.0)] * 4, literal(0.0)
    for i in range(n):  # straight code with four sums: each would wait for itself in a loop
        u, yn = estimate(i), e.load("%yt", i)
        yn = e.binary("fadd", yn, u) if adds else yn
        e.store(yn, "%yn", i)
        least = e.fma(floor, e.load("%peak", i), e.spread("%absolute", i))
        size = e.maximum(e.absolute(e.load("%y", i)), e.absolute(yn))
        ratio = e.binary("fdiv", u, e.fma(rtol, size, least))
        sums[i % 4] = e.fma(ratio, ratio, sums[i % 4])
        below = e.compare("olt", yn, e.binary("fmul", e.spread("%guard", i), least))
        low = e.choose(below, literal(16.0), low)
    total = e.binary("fadd", e.binary("fadd", sums[0], sums[1]), e.binary("fadd", sums[2], sums[3]))
    mean = e.binary("fmul", total, literal(1.0 / max(n, 1)))  # a model may have no state at all
    # the guard must not hide a NaN: the mean is kept unless it is smaller
    error = e.maximum(mean, low, keep_first_nan=True)
    e.store(error, "%err", 0)
    least = e.maximum(error, literal(1e-12))
    factor = e.exp(e.binary("fmul", e.log(least), literal(-0.5 / order)))
    e.store(e.binary("fmul", factor, literal(SAFETY)), "%err", 1)


def dense(method: Rosenbrock | Explicit, layout: Layout, fma: bool) -> str:  # noqa: FBT001 - how code is written
    """The states at the fraction ``s`` of the step just taken, lane by lane."""
    m, n = method, layout.states
    e = Rows(n, fma=fma)
    for i in range(m.stages):
        offset = LANES * (layout.stage_row + i * n)
        e.lines.append(f"  %u{i} = getelementptr inbounds double, ptr %work, i64 {offset}")
    s = e.load("%s", 0)
    left = e.binary("fsub", literal(1.0), s)
    with e.rows() as row:
        u = [row.load(f"%u{i}") for i in range(m.stages)]
        nested = ""
        for weights in reversed(m.dense):
            value = e.fma(s, nested, literal(0.0)) if nested else literal(0.0)
            for d, stage in zip(weights, u, strict=True):
                if d:
                    value = e.fma(literal(d), stage, value)
            nested = value
        end = e.fma(left, nested, row.load("%yn"))
        row.store(e.fma(s, end, e.binary("fmul", left, row.load("%y"))), "%out")
    arguments = ", ".join(f"ptr noalias %{a}" for a in ("s", "y", "yn", "work", "out"))
    return define("dense", arguments, e)


def accept(layout: Layout, fma: bool) -> str:  # noqa: FBT001 - how code is written
    """Y = yn and peak = max(peak, |yn|) in the lanes whose error is at most 1."""
    e = Rows(layout.states, fma=fma)
    taken = e.compare("ole", e.load("%err", 0), literal(1.0))
    with e.rows() as row:
        y = e.choose(taken, row.load("%yn"), row.load("%y"))
        row.store(y, "%y")
        row.store(e.maximum(row.load("%peak"), e.absolute(y)), "%peak")
    return define("accept", "ptr noalias %y, ptr noalias %yn, ptr noalias %peak, ptr noalias %err", e)
