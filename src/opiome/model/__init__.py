"""The biology as data: Antimony fragments and tables, and the loader that makes a model of them.

``load`` reads, assembles and checks a model folder; ``lint`` lists everything that is wrong with one;
``explain`` says what the model knows about one of its names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opiome.model._baseline import Untreated, untreated
    from opiome.model._explain import explain_in as explain
    from opiome.model._lint import Finding, lint
    from opiome.model._load import load
    from opiome.model._model import Model
    from opiome.model._rest import solve_rest, write_rest
    from opiome.model._scenario import Scenario, ScenarioValues, read_scenarios, run_scenarios

__all__ = [
    "Finding",
    "Model",
    "Scenario",
    "ScenarioValues",
    "Untreated",
    "explain",
    "lint",
    "load",
    "read_scenarios",
    "run_scenarios",
    "solve_rest",
    "untreated",
    "write_rest",
]

_HOME = {
    "Finding": ("_lint", "Finding"),
    "Model": ("_model", "Model"),
    "Scenario": ("_scenario", "Scenario"),
    "ScenarioValues": ("_scenario", "ScenarioValues"),
    "Untreated": ("_baseline", "Untreated"),
    "explain": ("_explain", "explain_in"),
    "lint": ("_lint", "lint"),
    "load": ("_load", "load"),
    "read_scenarios": ("_scenario", "read_scenarios"),
    "run_scenarios": ("_scenario", "run_scenarios"),
    "solve_rest": ("_rest", "solve_rest"),
    "untreated": ("_baseline", "untreated"),
    "write_rest": ("_rest", "write_rest"),
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    module, attribute = _HOME[name]
    value = getattr(import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
