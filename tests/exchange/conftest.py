"""The small model folder of the model room's tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location(
    "model_conftest", Path(__file__).parents[1] / "model" / "conftest.py"
)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
folder = _MODULE.folder
