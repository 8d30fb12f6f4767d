"""From the text of a model to machine code and what a program must know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opiome.errors import InputError, Problem, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from opiome.engine._kernels import Kernels

__all__ = ["generate", "kernels_of", "no_parameter"]


def kernels_of(
    sbml: str, outputs: Sequence[str] | None, method: str | None, shared: Collection[str] = ()
) -> Kernels:
    """The kernels of a model, as text that is not yet machine code."""
    from opiome.engine import _machine, _sbml
    from opiome.engine._kernels import Kernels
    from opiome.engine._tableaux import METHODS, default

    reader = _sbml.read(sbml)
    reader.set_outputs(list(outputs) if outputs is not None else reader.system.default_outputs)
    chosen = default(len(reader.system.states)) if method is None else METHODS[method]
    known = reader.system.parameters
    unknown = [name for name in shared if name not in known]
    if unknown:
        raise InputError(no_parameter(name, known) for name in unknown)
    return Kernels(reader.system, chosen, shared, fma=_machine.has_fma())


def no_parameter(name: str, known: Collection[str], *, computed: bool = False) -> Problem:
    """A name that is no parameter, or one that is computed."""
    near = nearest(name, known)
    return Problem(
        f"`{name}` is {'computed by an initial assignment' if computed else 'no parameter'}",
        field=name,
        remedy=f"did you mean `{near}`?" if near and not computed else "give parameters of the model",
    )


def generate(
    sbml: str, outputs: Sequence[str] | None, method: str | None, shared: Collection[str]
) -> tuple[dict[str, Any], bytes]:
    """What a program must know of a model, as JSON can hold it, and its machine code."""
    from opiome.engine import _machine

    kernels = kernels_of(sbml, outputs, method, shared)
    binary = _machine.assemble(kernels.text())
    system, layout = kernels.system, kernels.layout
    graph = system.graph
    meta = {
        "method": kernels.method.name,
        "states": system.states,
        "defaults": system.parameters,
        "derived": system.derived,
        "shared": [i for i, name in enumerate(system.parameters) if name in set(shared)],
        "outputs": list(system.outputs),
        "prepared": layout.prepared,
        "entries": len(kernels.full.lu.slot),
        "work_rows": layout.work_rows,
        "unseen": kernels.linear.unseen,
        "pattern": [[i, j, graph.level[node]] for (i, j), node in kernels.full.entries.items()],
        "rows": kernels.full.rows,
        "timed": [i for i, rate in enumerate(system.rates) if graph.deps[rate] & 1],
        "switches": len(kernels.switches),
        "triggers": [
            {
                "initially": k.initially,
                "persistent": k.persistent,
                "at_trigger": k.values_at_trigger,
                "assigned": [[int(kind == "par"), index] for kind, index, _ in k.assigned],
            }
            for k in system.triggers
        ],
    }
    return meta, binary
