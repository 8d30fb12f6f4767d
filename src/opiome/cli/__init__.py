"""The command line: each command calls the public function that a notebook would call."""

from opiome.cli._main import main

__all__ = ["main"]
