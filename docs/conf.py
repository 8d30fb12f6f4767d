"""Sphinx configuration: `make docs` builds the documentation as HTML."""

from importlib.metadata import version as installed_version
from pathlib import Path

project = "opiome"
author = "The opiome developers"
release = installed_version("opiome")
version = release
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "description"
napoleon_attr_annotations = False  # an annotation such as np.bool_ would be read as a link
suppress_warnings = ["ref.python"]  # a class has the name of its room's door and that of its module
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "opiome"
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["biology.css"]


def _write_biology(_app: object) -> None:
    """The pages of the model's biology, made of the model's own files."""
    from opiome import load_model
    from opiome.report import biology_pages

    biology_pages(Path(__file__).parent / "biology", load_model())


def _use_svg(app: object) -> None:
    """Formulas drawn as SVG: no font files, the same on every machine and without a network."""
    app.config.mathjax_path = "mathjax/tex-svg.js"  # type: ignore[attr-defined]


def setup(app: object) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", _write_biology)  # type: ignore[attr-defined]
    app.connect("builder-inited", _use_svg)  # type: ignore[attr-defined]
