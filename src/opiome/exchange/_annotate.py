"""MIRIAM and SBO annotations: where a number comes from, what a symbol stands for, what quantity it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import libsbml

from opiome import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opiome.model import Model

__all__ = ["annotate", "identifiers", "paragraph"]

_INSIDE = r"\([^\s;,()]*\)"  # brackets are part of a DOI if both are
_DOI = re.compile(rf"\b(10\.\d{{4,9}}/(?:[^\s;,()]|{_INSIDE})*(?:[^\s;,.:()]|{_INSIDE}))")
_PUBMED = re.compile(r"PMID:?\s*(\d+)", re.IGNORECASE)
_CENTRAL = re.compile(r"\b(PMC\d+)\b")
_REVIEW = "10.3390/ijms25147999"  # the review whose map the model makes executable
_TAXON = {"human": "9606", "mouse": "10090"}
# Systems Biology Ontology terms by the base kinds of a unit and their exponents
_SBO = {
    (("second", -1),): 9,  # kinetic constant
    (("litre", 1),): 468,  # volume
    (("mole", 1),): 360,  # quantity of an entity pool
    (("gram", 1),): 360,
    (("litre", -1), ("mole", 1)): 196,  # concentration of an entity pool
    (("gram", 1), ("litre", -1)): 196,
}
_RELATIONS = {
    "is": libsbml.BQB_IS,
    "hasPart": libsbml.BQB_HAS_PART,
    "isPartOf": libsbml.BQB_IS_PART_OF,
    "isVersionOf": libsbml.BQB_IS_VERSION_OF,
    "hasVersion": libsbml.BQB_HAS_VERSION,
    "isHomologTo": libsbml.BQB_IS_HOMOLOG_TO,
    "isDescribedBy": libsbml.BQB_IS_DESCRIBED_BY,
    "hasProperty": libsbml.BQB_HAS_PROPERTY,
    "isPropertyOf": libsbml.BQB_IS_PROPERTY_OF,
    "occursIn": libsbml.BQB_OCCURS_IN,
    "hasTaxon": libsbml.BQB_HAS_TAXON,
}
_PROTEIN = "uniprot:"  # entries of human proteins
_SBO_OTHER = 2  # quantitative systems description parameter
_SBO_MODEL = 62  # continuous framework


def identifiers(source: str) -> list[str]:
    """Return the identifiers.org addresses of the papers that a source names."""
    found = [f"https://identifiers.org/doi:{doi}" for doi in _DOI.findall(source)]
    found += [f"https://identifiers.org/pubmed:{number}" for number in _PUBMED.findall(source)]
    return found + [f"https://identifiers.org/pmc:{name}" for name in _CENTRAL.findall(source)]


def annotate(document: libsbml.SBMLDocument, model: Model) -> None:
    """Write sources, ontology terms, kinds of quantity, notes and species into an SBML document."""
    sbml = document.getModel()
    sbml.setName(f"opiome, {model.species}")
    sbml.setSBOTerm(_SBO_MODEL)
    about = (
        f"opiome {__version__}, {model.species}: opioids, gut, bacteria, barrier, immunity and brain in"
        f" cancer pain. Time is in hours. The model's folder has sha256 {model.sha256}. For research; no"
        " advice for a patient."
    )
    sbml.setNotes(paragraph(about))
    _describe(sbml, [f"https://identifiers.org/doi:{_REVIEW}"], libsbml.BQM_IS_DESCRIBED_BY, of_model=True)
    taxon = f"https://identifiers.org/taxonomy:{_TAXON[model.species]}"
    _describe(sbml, [taxon], libsbml.BQB_HAS_TAXON)
    rows = {row["id"]: row for row in model.parameters.iter_rows(named=True)}
    labels = dict(model.observables.select("id", "label").iter_rows())
    for item in sbml.getListOfParameters():
        item.setSBOTerm(_term(sbml, item.getUnits()))
        if item.getId() in labels:
            item.setName(labels[item.getId()])
        for term in model.terms.get(item.getId(), ()):
            elsewhere = term.id.startswith(_PROTEIN) and model.species != "human"
            relation = _RELATIONS["isHomologTo" if elsewhere else term.relation]
            _describe(item, [f"https://identifiers.org/{term.id}"], relation)
        row = rows.get(item.getId())
        if row is None:
            continue
        _describe(item, identifiers(row["source"]), libsbml.BQB_IS_DESCRIBED_BY)
        about = "; ".join(
            f"{label} {row[label]}" for label in ("source", "grade", "evidence", "note") if row[label]
        )
        if about:
            item.setNotes(paragraph(about))


def _describe(
    item: libsbml.SBase, addresses: Iterable[str], relation: int, *, of_model: bool = False
) -> None:
    for address in addresses:
        if not item.isSetMetaId():
            item.setMetaId(f"meta_{item.getId()}")
        term = libsbml.CVTerm(libsbml.MODEL_QUALIFIER if of_model else libsbml.BIOLOGICAL_QUALIFIER)
        if of_model:
            term.setModelQualifierType(relation)
        else:
            term.setBiologicalQualifierType(relation)
        term.addResource(address)
        item.addCVTerm(term)


def _term(sbml: libsbml.Model, unit: str) -> int:
    definition = sbml.getUnitDefinition(unit)
    if definition is None:
        return _SBO.get(((unit, 1),), _SBO_OTHER)
    kinds = (
        (libsbml.UnitKind_toString(part.getKind()), part.getExponent())
        for part in definition.getListOfUnits()
    )
    parts = [part for part in kinds if part[0] != "dimensionless"]
    return _SBO.get(tuple(sorted(parts)), _SBO_OTHER)


def paragraph(text: str) -> str:
    """Return a text as the content of an SBML note."""
    return f'<body xmlns="http://www.w3.org/1999/xhtml"><p>{escape(text)}</p></body>'
