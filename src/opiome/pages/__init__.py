"""The frame of every page that opiome writes: head, style, opening and foot, in one template.

A room keeps its own templates in a folder ``templates`` and begins them with ``{% extends "page.html" %}``;
they fill the blocks ``title``, ``style``, ``skip``, ``kicker``, ``head``, ``main`` and ``foot``.
"""

from __future__ import annotations

from opiome.pages._render import render

__all__ = ["render"]
