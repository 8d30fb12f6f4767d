"""Colours and line styles, the same for an arm in every figure.

Arm colours are darkened from the palette of Okabe and Ito (https://jfly.uni-koeln.de/color/), so that each
also reads as text on white (contrast of at least 4.5 to 1); arms also differ in line style, for readers who
see no hue.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ArmStyle", "arm_styles", "contrast", "diverging", "ink_on"]

_ARMS = ("#0a5ea8", "#b04a00", "#00755a", "#8c3576", "#7a6200", "#3d3d9e")
_LINEAR = 0.04045
"""Below this, sRGB is linear."""
_PLACEBO = "#5b616b"
_DASHES = ((), (6.0, 2.0), (1.5, 1.5), (6.0, 1.5, 1.5, 1.5), (9.0, 2.0), (3.0, 1.0))

# Purple (falls) to white to orange (rises): ColorBrewer's PuOr, told apart by every kind of colour vision.
_SCALE = (
    (84, 39, 136),
    (153, 142, 195),
    (216, 218, 235),
    (247, 247, 247),
    (254, 224, 182),
    (241, 163, 64),
    (179, 88, 6),
)


@dataclass(frozen=True)
class ArmStyle:
    """How one arm is drawn: ``colour`` (hex) and ``dash`` (on, off, ... in points; empty is solid)."""

    colour: str
    dash: tuple[float, ...]


def arm_styles(arms: Sequence[str]) -> dict[str, ArmStyle]:
    """Return a style per arm in order; a placebo arm is grey, after the sixth arm colours repeat."""
    styles: dict[str, ArmStyle] = {}
    active = 0
    for place, arm in enumerate(arms):
        if "placebo" in arm.casefold() and _PLACEBO not in {style.colour for style in styles.values()}:
            colour = _PLACEBO
        else:
            colour = _ARMS[active % len(_ARMS)]
            active += 1
        styles[arm] = ArmStyle(colour, _DASHES[place % len(_DASHES)])
    return styles


def diverging(value: float, limit: float) -> str:
    """Return the colour of ``value``, from ``-limit`` (purple) through 0 (white) to ``limit`` (orange)."""
    place = (min(max(value / limit, -1.0), 1.0) + 1.0) / 2.0 * (len(_SCALE) - 1)
    left = min(math.floor(place), len(_SCALE) - 2)
    part = place - left
    mixed = (round(a + (b - a) * part) for a, b in zip(_SCALE[left], _SCALE[left + 1], strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two hex colours (1 to 21) as the W3C's WCAG 2 defines it."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def ink_on(background: str) -> str:
    """Return the text colour, black or white, that reads better on ``background`` (at least 4.5 to 1)."""
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, background))


def _luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255.0 for place in (1, 3, 5))
    linear = [c / 12.92 if c <= _LINEAR else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
