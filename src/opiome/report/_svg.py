"""A matplotlib figure as a piece of HTML: inline SVG with real text, a title, and ids unique in the page."""

from __future__ import annotations

import io
import re
import warnings
from html import escape
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["INK", "MUTED", "RULE", "beside", "element", "figure", "inline", "quiet"]

INK = "#1b2028"
"""Text and published values."""
MUTED = "#565d68"
"""Axis labels and other text of second rank; 6.6 to 1 on white."""
RULE = "#c9cdd3"
"""Axis lines and grid."""

# One unit of the picture is one CSS pixel at natural size, because SVG's point here has 72 to the inch.
_PIXELS = 72.0
_ID = re.compile(r'\bid="([^"]+)"')
_REFERENCE = re.compile(r'(?:href="#|url\(#)([^")]+)')
_UPRIGHT = re.compile(r' transform="rotate\(-0(?:\.0*)? [^"]*\)"')
_FAMILY = re.compile(r"font-family: [^;\"]+;? ?")


def element(name: str, *content: str, **attributes: float | str | None) -> str:
    """Return an SVG element; ``content`` is markup (escape text first), ``_`` in names becomes ``-``."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(content)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def _attribute(value: float | str) -> str:
    return escape(value) if isinstance(value, str) else f"{round(value, 2):g}"


def figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in CSS pixels."""
    return Figure(figsize=(width / _PIXELS, height / _PIXELS), dpi=_PIXELS)


def quiet(axes: Axes) -> None:
    """Leave of the frame only what a reader needs: the bottom and left lines, thin and grey."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(color=RULE, labelcolor=MUTED, labelsize=11.5, length=3, pad=3)


def beside(axes: Axes, span: tuple[float, float], at: tuple[float, float], text: str, **look: object) -> None:
    """Write a text in the row of a mark.

    Args:
        axes: The axes that hold the mark; their vertical scale counts rows.
        span: Where the axes begin and end, in pixels from the picture's left edge.
        at: Pixels from the picture's left edge, and the place on the vertical scale.
        text: What to write; never read as mathematics.
        look: ``color``, ``fontsize`` and other properties of a matplotlib text.
    """
    left, right = span
    place = ((at[0] - left) / (right - left), at[1])
    given: Any = {"va": "center", "clip_on": False, "parse_math": False, **look}
    axes.text(*place, text, transform=axes.get_yaxis_transform(), **given)


def inline(drawn: Figure, key: str, title: str, style: str = "") -> str:
    """Return ``drawn`` as an ``<svg role="img">`` element.

    Args:
        drawn: The figure.
        key: A prefix, unique in the page, for the ids that the picture refers to; all other ids go.
        title: What the picture shows, for those who cannot see it.
        style: Classes of the element.
    """
    stream = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": key}), warnings.catch_warnings():
        # The page's reader brings fonts for scripts that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        canvas: Any = FigureCanvasSVG(drawn)  # matplotlib types its figures only
        canvas.print_svg(stream, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    used = set(_REFERENCE.findall(text))
    text = _ID.sub(lambda found: f'id="{key}-{found[1]}"' if found[1] in used else "", text)
    text = re.sub(r'(href="#|url\(#)', rf"\1{key}-", text)
    text = _FAMILY.sub("", text)
    text = _UPRIGHT.sub("", text).replace("font-weight: 700", "font-weight: 600")
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*\n\s*", "\n", re.sub(r"(\d+\.\d{2})\d+", r"\1", text))
    width, height = (size * _PIXELS for size in drawn.get_size_inches())
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'class="{escape(style)}" viewBox="0 0 {width:g} {height:g}" aria-labelledby="{key}-title">'
        f'<title id="{key}-title">{escape(title)}</title>'
    )
    return head + text[text.index(">") + 1 :].strip()
