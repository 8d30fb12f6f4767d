"""Sphinx configuration: `make docs` builds the documentation as HTML."""

from importlib.metadata import version as installed_version

project = "opiome"
author = "The opiome developers"
release = installed_version("opiome")
version = release
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "description"
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "opiome"
