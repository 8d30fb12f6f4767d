"""Results for readers: one self-contained HTML file, a picture, and a summary for the terminal.

All read only the result tables and the tables of the model. Heavy libraries are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opiome.report._biology_pages import biology_pages
    from opiome.report._design import design_html, design_summary
    from opiome.report._knockout import knockout_html, knockout_summary
    from opiome.report._page import html
    from opiome.report._picture import picture
    from opiome.report._terminal import summary
    from opiome.report._validation import validation_page, validation_picture

__all__ = [
    "biology_pages",
    "design_html",
    "design_summary",
    "html",
    "knockout_html",
    "knockout_summary",
    "picture",
    "summary",
    "validation_page",
    "validation_picture",
]

_HOMES = {
    "biology_pages": "opiome.report._biology_pages",
    "design_html": "opiome.report._design",
    "design_summary": "opiome.report._design",
    "html": "opiome.report._page",
    "knockout_html": "opiome.report._knockout",
    "knockout_summary": "opiome.report._knockout",
    "picture": "opiome.report._picture",
    "summary": "opiome.report._terminal",
    "validation_page": "opiome.report._validation",
    "validation_picture": "opiome.report._validation",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'opiome.report' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
