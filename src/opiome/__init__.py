"""opiome: opioids, the gut, its bacteria and the brain in people with cancer pain, as a simulator.

::

    import opiome

    study = opiome.load_study("compose-4")
    results = opiome.simulate(study, patients=100)
    print(results.endpoints)
    results.write("results/compose-4")
    opiome.write_report(results, "results/compose-4/report.html")

A research tool: nothing in it is advice for a patient. Each name is imported when it is first used, so that
``import opiome`` itself takes no time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opiome.model import Model
    from opiome.model import load as load_model
    from opiome.report import html as write_report
    from opiome.trial import Results, Study, load_study, shipped_studies
    from opiome.trial import lint as lint_study
    from opiome.trial import run as simulate

__all__ = [
    "Model",
    "Results",
    "Study",
    "__version__",
    "lint_study",
    "load_model",
    "load_study",
    "shipped_studies",
    "simulate",
    "write_report",
]

__version__ = "0.1.0"

_HOME = {
    "Model": ("opiome.model", "Model"),
    "Results": ("opiome.trial", "Results"),
    "Study": ("opiome.trial", "Study"),
    "lint_study": ("opiome.trial", "lint"),
    "load_model": ("opiome.model", "load"),
    "load_study": ("opiome.trial", "load_study"),
    "shipped_studies": ("opiome.trial", "shipped_studies"),
    "simulate": ("opiome.trial", "run"),
    "write_report": ("opiome.report", "html"),
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'opiome' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOME[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
