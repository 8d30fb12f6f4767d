"""Virtual trials: study files, screening, arms, diaries, endpoints and results."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opiome.trial._analyses import ANALYSES, contrast
    from opiome.trial._answers import Answers
    from opiome.trial._design import Designs, compare_designs
    from opiome.trial._design_file import LoadedDesign, load_design
    from opiome.trial._diary import Diary, Movements
    from opiome.trial._endpoints import RULES, answers
    from opiome.trial._lint import lint
    from opiome.trial._load import load_study, shipped_studies
    from opiome.trial._patient import Course, patient
    from opiome.trial._quantities import QUANTITIES, quantity
    from opiome.trial._replicates import Replicate, replicates
    from opiome.trial._results import Results
    from opiome.trial._run import Progress, run
    from opiome.trial._schema import Study
    from opiome.trial._twins import Twins
    from opiome.trial._validate import Validation, code_sha256, validate

__all__ = [
    "ANALYSES",
    "QUANTITIES",
    "RULES",
    "Answers",
    "Course",
    "Designs",
    "Diary",
    "LoadedDesign",
    "Movements",
    "Progress",
    "Replicate",
    "Results",
    "Study",
    "Twins",
    "Validation",
    "answers",
    "code_sha256",
    "compare_designs",
    "contrast",
    "lint",
    "load_design",
    "load_study",
    "patient",
    "quantity",
    "replicates",
    "run",
    "shipped_studies",
    "validate",
]

_HOME = {
    "ANALYSES": "_analyses",
    "QUANTITIES": "_quantities",
    "RULES": "_endpoints",
    "Answers": "_answers",
    "Course": "_patient",
    "Designs": "_design",
    "Diary": "_diary",
    "LoadedDesign": "_design_file",
    "Movements": "_diary",
    "Progress": "_run",
    "Replicate": "_replicates",
    "Results": "_results",
    "Study": "_schema",
    "Twins": "_twins",
    "Validation": "_validate",
    "answers": "_endpoints",
    "code_sha256": "_validate",
    "compare_designs": "_design",
    "contrast": "_analyses",
    "lint": "_lint",
    "load_design": "_design_file",
    "load_study": "_load",
    "patient": "_patient",
    "quantity": "_quantities",
    "replicates": "_replicates",
    "run": "_run",
    "shipped_studies": "_load",
    "validate": "_validate",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: pydantic and scipy are slow to load."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
