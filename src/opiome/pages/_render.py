"""Templates of a room, filled on top of the frame that all pages share."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

__all__ = ["render"]

_FRAME = PackageLoader("opiome.pages")


def render(room: str, template: str, **context: object) -> str:
    """Return a page as text: one self-contained HTML file.

    Text in the context is escaped; a template marks what is HTML or SVG already (``|safe``). A name that a
    template reads and the context lacks is an error.

    Args:
        room: the package that holds the template, such as ``opiome.report``.
        template: a file in its folder ``templates``.
        context: what the template reads; ``title`` is the heading of the page.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(room), _FRAME]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**context)
