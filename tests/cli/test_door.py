"""The Python door: the names a notebook uses, each the same function that the command calls."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

import pytest

import opiome


def test_public_names_are_pinned():
    assert opiome.__all__ == [
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
    assert set(opiome.__all__) == {*opiome._HOME, "__version__"}


@pytest.mark.parametrize("name", sorted(opiome._HOME))
def test_each_name_is_that_of_its_room(name):
    room, attribute = opiome._HOME[name]
    assert getattr(opiome, name) is getattr(importlib.import_module(room), attribute)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        _ = opiome.simulat


def test_the_version_is_that_of_the_package():
    project = Path(__file__).parents[2] / "pyproject.toml"
    assert tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"] == opiome.__version__
