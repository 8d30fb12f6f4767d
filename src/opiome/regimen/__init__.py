"""The dosing language: ``morphine 30 mg every 12 h`` becomes a dosing, slot parameters and an event table."""

from opiome.regimen._catalogue import Catalogue, Product, catalogue
from opiome.regimen._dosing import Dosing, parse
from opiome.regimen._equivalence import dose_for, morphine_equivalent
from opiome.regimen._events import dose_now, events, stops
from opiome.regimen._slots import parameters, slots
from opiome.regimen._strengths import doses_made, made_of, strengths

__all__ = [
    "Catalogue",
    "Dosing",
    "Product",
    "catalogue",
    "dose_for",
    "dose_now",
    "doses_made",
    "events",
    "made_of",
    "morphine_equivalent",
    "parameters",
    "parse",
    "slots",
    "stops",
    "strengths",
]
