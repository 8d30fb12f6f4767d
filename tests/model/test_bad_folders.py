"""A model folder with a mistake is refused by every way in, with file and line and what to do."""

from __future__ import annotations

import re

import pytest

from opiome import cli, model
from opiome.errors import ModelError

PARAMETERS, EFFECT = "parameters/effect.tsv", "mechanisms/effect.ant"

# file, text replaced, new text, words of the message
CHANGED = {
    "a unit that is not in units.tsv": (
        PARAMETERS,
        "half 50 nmol_per_L",
        "half 50 nmol/L",
        "unknown unit 'nmol/L'",
    ),
    "a unit of another dimension": (PARAMETERS, "half 50 nmol_per_L", "half 50 hour", "hour"),
    "a unit of another scale": (EFFECT, "effect has dimensionless", "effect has nmol_per_L", "nmol_per_L"),
    "a gate of no edge": (EFFECT, "edge_signal_tolerance", "edge_signals_tolerance", "has no edge"),
    "an edge from nowhere": ("edges.tsv", "N1 N2", "N7 N2", "unknown node 'N7'"),
    "an edge without a gate": ("edges.tsv", "signal_tolerance 9", "signal_habit 9", "has no gate"),
    "a number without a source": (PARAMETERS, "doi:10.1000/k B", "- B", "has no source"),
    "an edge without a source": ("edges.tsv", "opioid doi:10.1000/e", "opioid -", "has no source"),
    "a loop": (
        EFFECT,
        "half*tolerance)",
        "half*tolerance + half*effect)",
        "algebraic loop: effect -> effect",
    ),
    "a delay": (EFFECT, "*effect - ", "*delay(effect, 1/k_tolerance) - ", "delay() in the equation"),
    "a function that is not there": (EFFECT, "*effect - ", "*smooth(effect) - ", "unknown function 'smooth'"),
    "a function with a slip": (EFFECT, "*effect - ", "*maxx(effect, 0) - ", "unknown function 'maxx'"),
    "a symbol that is not there": (EFFECT, "half*", "halff*", "'halff' has no value and no equation"),
}
ADDED = {
    "a parameter twice": (
        PARAMETERS,
        "k_tolerance 0.04 per_hour - - fixed - - doi:10.1000/k B human seen effect",
        "parameter 'k_tolerance' is given twice",
    ),
    "an edge twice": (
        "edges.tsv",
        "signal_tolerance 9 N1 N2 + B no mouse tolerance opioid doi:10.1000/e -",
        "'signal_tolerance' is given twice",
    ),
    "an equation twice": (EFFECT, "effect := 1", "second equation"),
    "an event": (EFFECT, "jump: at (tolerance > 1): tolerance = 1", "event 'jump' is not supported"),
    "an algebraic rule": (EFFECT, "0 = effect - tolerance", "algebraic rule '0 = effect - tolerance'"),
    "a model in the model": (EFFECT, "module inner()", "does not belong"),
}


FOUND_ELSEWHERE = {"hour", "nmol_per_L"}
"""A unit that does not fit is told at the equation that it does not fit."""


@pytest.fixture(params=[*CHANGED, *ADDED])
def broken(request, folder):
    """The correct folder with one mistake: the file, its line, the words."""
    if request.param in CHANGED:
        file, old, new, words = CHANGED[request.param]
        line = folder.change(file, old, new)
    else:
        file, new, words = ADDED[request.param]
        line = folder.append(file, new)
    return folder.path, file, line, words


def test_loading_refuses_it(broken):
    path, file, line, words = broken
    with pytest.raises(ModelError) as caught:
        model.load(path)
    mine = [p for p in caught.value.problems if words in p.message]
    assert mine, str(caught.value)
    assert all(p.remedy and p.file is not None and p.line is not None for p in mine)
    if words not in FOUND_ELSEWHERE:
        assert any(p.file == path / file and abs(p.line - line) <= 1 for p in mine), str(caught.value)


def test_the_command_refuses_it_in_words(broken, capsys):
    path, _, _, words = broken
    assert cli.main(["model", "lint", "--folder", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert re.search(r"\.(ant|tsv):\d+", err)
    assert "Traceback" not in err


def test_a_folder_without_mistakes_is_loaded(folder, capsys):
    assert model.load(folder.path).sbml
    assert cli.main(["model", "lint", "--folder", str(folder.path)]) == 0
    assert "no errors" in capsys.readouterr().out
