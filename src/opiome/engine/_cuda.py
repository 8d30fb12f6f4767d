"""Ensembles on a CUDA device: whether there is one, which models go there, and one advance of all patients.

Needs the optional package numba-cuda (``pip install opiome[gpu]``) and a device; ``NUMBA_ENABLE_CUDASIM=1``
runs the same kernels in numba's simulator, slowly, for tests.
"""
# ruff: noqa: SLF001 - works for an ensemble, on its arrays

from __future__ import annotations

import math
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from opiome.engine._tableaux import METHODS, Explicit
from opiome.errors import EngineError

if TYPE_CHECKING:
    from opiome.engine._ensemble import Ensemble
    from opiome.engine._program import Program

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Window = tuple[Array, Array, Integers]  # events of every patient, of single patients, where each one's begin
THREADS = 64  # per block: each needs much local memory
DEVICES = ("cpu", "gpu", "auto")


@cache
def missing() -> str:
    """Why no device can be used; empty where one can."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        return ""
    try:
        from numba import cuda
    except ImportError:
        return "numba-cuda is not installed (pip install opiome[gpu])"
    try:
        return "" if cuda.is_available() else "no CUDA device was found"
    except Exception as error:  # noqa: BLE001 - drivers fail in many ways; each means: no device
        return f"the CUDA driver does not work: {error}"


def choose(device: str, program: Program) -> bool:
    """Whether an ensemble runs on the device; ``auto`` takes it where it can be had.

    Raises:
        EngineError: an unknown name; or ``gpu`` where there is none, or for a model with SBML events or
        comparisons of the time.
    """
    if device not in DEVICES:
        raise EngineError(f"device is `{device}`; give one of {', '.join(DEVICES)}")
    if device == "cpu":
        return False
    meta = program._meta
    reason = missing()
    if not reason and (meta["triggers"] or meta["switches"]):
        reason = "models with SBML events or comparisons of the time are integrated on the CPU only"
    if not reason and isinstance(METHODS[program.method], Explicit):
        reason = "explicit methods integrate on the CPU only"
    if reason and device == "gpu":
        raise EngineError(f"cannot run on a GPU: {reason}; use device='cpu'")
    return not reason


class Kernel:
    """The device code of one program, compiled when it is first launched."""

    def __init__(self, program: Program) -> None:
        from numba import cuda

        from opiome.engine import _cuda_driver
        from opiome.engine._cuda_text import Source
        from opiome.engine._generate import kernels_of

        kernels = kernels_of(program.sbml, program.outputs, program.method)
        source = Source(kernels)
        space: dict[str, Any] = {"cuda": cuda, "math": math, "np": np}
        exec(compile(source.text(), f"<{program._name[:8]} as CUDA>", "exec"), space)  # noqa: S102 - our own text
        self.prepared = len(source.hoisted)
        sizes = (len(program.states), kernels.method.stages, len(kernels.lu.slot), len(program.outputs))
        self._launch = _cuda_driver.build(space, kernels.method.order, sizes, narrow=kernels.narrow)

    def advance(
        self, run: Ensemble, until: float, at: Array, events: Window, *, slots: Integers, guard: Array
    ) -> Array:
        """Bring every patient of an ensemble to ``until``; outputs (n, k, n_outputs)."""
        from numba import cuda

        n = len(run)
        common, own, begin = events
        values = cuda.to_device(np.empty((max(1, len(at)), max(1, len(run.program.outputs)), n)))
        back = {  # what the kernel changes: the ensemble's own arrays, with the patient last
            "_matrix": run._matrix, "states": run.states, "_peak": run._peak, "_h": run._h,
            "_rates": run._rates, "_running": run._running, "_steps": run._steps,
        }  # fmt: skip
        there = {name: cuda.to_device(np.ascontiguousarray(_wide(a).T)) for name, a in back.items()}
        flat = {name: cuda.to_device(getattr(run, name)) for name in ("outcome", "_when", "_what")}
        rtol, budget, least = run._control[:3]
        block = 1 if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1" else THREADS
        self._launch[-(-n // block), block](
            cuda.to_device(np.array([run.time, until, rtol, budget, least, run.program._longest(rtol)])),
            there["_matrix"],
            cuda.to_device(np.empty((max(1, self.prepared), n))),
            there["states"],
            cuda.to_device(np.ascontiguousarray(run._origin.T)),
            there["_peak"],
            there["_h"],
            there["_rates"],
            there["_running"],
            cuda.to_device(np.array(run._inputs or [0], np.int64)),  # at least one input, of rate 0
            cuda.to_device(_wide(common, np.inf)),
            cuda.to_device(_wide(own, np.inf)),
            cuda.to_device(begin),
            cuda.to_device(slots),
            cuda.to_device(at if len(at) else np.full(1, np.inf)),
            values,
            cuda.to_device(run._atol),
            cuda.to_device(guard),
            flat["outcome"],
            flat["_when"],
            flat["_what"],
            there["_steps"],
        )
        for name, array in back.items():
            array[:] = there[name].copy_to_host().T[:, : array.shape[1]]
        for name, array in flat.items():
            getattr(run, name)[:] = array.copy_to_host()
        return np.ascontiguousarray(
            values.copy_to_host()[: len(at), : len(run.program.outputs)].transpose(2, 0, 1)
        )


def _wide(table: NDArray[Any], fill: float = 0.0) -> NDArray[Any]:
    """A table with at least one column: devices have no empty arrays."""
    return table if table.shape[1] else np.full((len(table), 1), fill, table.dtype)
