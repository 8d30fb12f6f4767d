"""Every page stands in one frame."""

import re
from importlib import resources

import jinja2
import pytest

from opiome import pages

ROOMS = {
    "opiome.report": ["report.html", "design.html", "knockout.html"],
    "opiome.microbiome": ["cohort.html"],
}


@pytest.mark.parametrize(("room", "name"), [(room, name) for room, names in ROOMS.items() for name in names])
def test_every_template_begins_with_the_frame(room, name):
    text = resources.files(room).joinpath("templates", name).read_text(encoding="utf-8")
    assert text.startswith('{% extends "page.html" %}')
    assert "<head>" not in text
    assert "<footer>" not in text


def test_no_room_has_a_template_that_is_not_tested_here():
    found = {
        room: sorted(file.name for file in (resources.files(room) / "templates").iterdir()) for room in ROOMS
    }
    assert {room: [n for n in names if n.endswith(".html")] for room, names in found.items()} == {
        room: sorted(names) for room, names in ROOMS.items()
    }


def test_what_a_template_lacks_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="title"):
        pages.render("opiome.microbiome", "cohort.html")
    with pytest.raises(jinja2.TemplateNotFound):
        pages.render("opiome.microbiome", "none.html")


def test_a_rule_of_the_frame_is_not_repeated_in_a_room():
    """The frame's style is the same in every page; a room adds to it."""
    rules = re.compile(r"^[^@\s}].*\}$", re.MULTILINE)
    frame = set(
        rules.findall((resources.files("opiome.pages") / "templates" / "page.css").read_text("utf-8"))
    )
    for room in ROOMS:
        for file in (resources.files(room) / "templates").iterdir():
            if file.name.endswith(".css"):
                assert not frame & set(rules.findall(file.read_text(encoding="utf-8"))), file.name
