"""The ensemble engine: any SBML model, many patients, their doses. It knows nothing of opioids.

::

    program = engine.compile(sbml)
    run = program.ensemble({"CL": clearances}, events=engine.EventTable.from_rows([...]))
    block = run.advance(24.0, at=[0.0, 12.0, 24.0])   # block.values: (patients, times, outputs)
"""

from __future__ import annotations

from opiome.engine._bands import Bands, stream
from opiome.engine._ensemble import Block, Ensemble
from opiome.engine._events import EventTable
from opiome.engine._outcome import Failure, Outcome
from opiome.engine._program import Program, compile  # noqa: A004 - engine.compile is what it does
from opiome.errors import DoseError

__all__ = [
    "Bands",
    "Block",
    "DoseError",
    "Ensemble",
    "EventTable",
    "Failure",
    "Outcome",
    "Program",
    "compile",
    "stream",
]
