"""The model in the formats that other simulators read.

``export_sbml`` writes one SBML file: the model, or one patient of it with doses, annotated with its sources.
``write_study`` writes the arms of a study, for one patient, with a simulation description into one COMBINE
archive; ``write_archive`` does so for any SBML texts.
"""

from __future__ import annotations

from opiome.exchange._archive import write_archive
from opiome.exchange._export import export_sbml, sbml_text
from opiome.exchange._study import write_study

__all__ = ["export_sbml", "sbml_text", "write_archive", "write_study"]
