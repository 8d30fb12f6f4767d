"""Plain SVG pictures, built element by element: a few kilobytes, no fonts, no scripts.

Colours are from the palette of Okabe and Ito, darkened until they read as text on white; what they say is
also said by words, marks or filling.
"""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

__all__ = ["line", "picture", "shape", "short", "text", "ticks", "write"]

INK, MUTED, RULE, BAND, WHITE = "#1b2028", "#565d68", "#c9cdd3", "#dfe3e8", "#ffffff"
BLUE, ORANGE = "#0a5ea8", "#b04a00"
_FONT = "Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_LEAST = 1e-3


def picture(width: float, height: float, title: str) -> ET.Element:
    """An empty picture on white; ``title`` is for those who cannot see it."""
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width:g} {height:g}",
            "width": f"{width:g}",
            "height": f"{height:g}",
            "role": "img",
            "font-family": _FONT,
        },
    )
    ET.SubElement(root, "title").text = title
    shape(root, "rect", x=0, y=0, width=width, height=height, fill=WHITE)
    return root


def shape(root: ET.Element, name: str, **attributes: float | str) -> ET.Element:
    """Add an element; ``_`` in the names of attributes becomes ``-``."""
    given = {
        key.replace("_", "-"): value if isinstance(value, str) else f"{round(value, 1):g}"
        for key, value in attributes.items()
    }
    return ET.SubElement(root, name, given)


def line(
    root: ET.Element, start: tuple[float, float], end: tuple[float, float], ink: str, width: float
) -> None:
    """Add a straight line."""
    shape(root, "line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], stroke=ink, stroke_width=width)


def write(
    root: ET.Element,
    x: float,
    y: float,
    words: str,
    *,
    size: float,
    ink: str = INK,
    anchor: str = "",
    weight: str = "",
) -> None:
    """Add text whose baseline begins (or, by ``anchor``, ends or is centred) at x, y."""
    item = shape(root, "text", x=x, y=y, fill=ink, font_size=size)
    if anchor:
        item.set("text-anchor", anchor)
    if weight:
        item.set("font-weight", weight)
    item.text = words


def text(root: ET.Element) -> str:
    """The picture as text, a line per element."""
    ET.indent(root, "")
    return ET.tostring(root, encoding="unicode") + "\n"


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """About ``most`` round numbers from low to high."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in _STEPS if s * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """A number with three digits."""
    if 0 < abs(value) < _LEAST:
        return "~0"
    return f"{float(f'{value:.3g}'):g}".replace("-", "\N{MINUS SIGN}")
