"""The model in the formats that other simulators read.

``export_sbml`` writes one SBML file: the model, or one patient of it with doses, annotated with its sources.
``write_archive`` puts the arms of a study with a simulation description into one COMBINE archive.
"""

from __future__ import annotations

from opiome.exchange._archive import write_archive
from opiome.exchange._export import export_sbml, sbml_text

__all__ = ["export_sbml", "sbml_text", "write_archive"]
