"""The words of the dosing language, and a regimen taken apart into them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opiome.errors import Problem
    from opiome.units import Quantity

__all__ = [
    "ABBREVIATIONS",
    "DAY",
    "FORMS",
    "HOW",
    "PERIODS",
    "PER_DAY",
    "REFUSED",
    "STARTERS",
    "TIMES",
    "TWO_WORD_FORMS",
    "WEEK",
    "WORD",
    "Sentence",
    "Word",
]

DAY = 24.0
WEEK = 7 * DAY
WORD = re.compile(r"\d+-[^\W\d_]{2,}|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|[^\W\d_][\w/%'-]*|\S")
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")

FORMS: dict[str, str] = {
    "ir": "IR", "immediate-release": "IR",
    "cr": "CR", "sr": "CR", "er": "CR", "xr": "CR", "mr": "CR", "pr": "CR", "la": "CR",
    "prolonged-release": "CR", "controlled-release": "CR", "slow-release": "CR", "extended-release": "CR",
    "patch": "transdermal", "td": "transdermal", "transdermal": "transdermal",
    "sc": "subcutaneous", "subcutaneous": "subcutaneous", "subcutaneously": "subcutaneous",
    "iv": "intravenous", "intravenous": "intravenous", "intravenously": "intravenous",
    "oral": "oral", "orally": "oral", "po": "oral",
    "rectal": "rectal", "rectally": "rectal", "suppository": "rectal", "pr-suppository": "rectal",
    "intranasal": "intranasal", "sublingual": "sublingual", "buccal": "buccal",
}  # fmt: skip
"""Words for formulations and routes, each with the name that the drug table uses."""

TWO_WORD_FORMS = {
    ("prolonged", "release"), ("controlled", "release"), ("slow", "release"), ("extended", "release"),
    ("immediate", "release"),
}  # fmt: skip
PER_DAY = {"once": 1.0, "twice": 2.0, "thrice": 3.0}
ABBREVIATIONS = {
    "qd": 24.0,
    "od": 24.0,
    "bid": 12.0,
    "bd": 12.0,
    "tid": 8.0,
    "tds": 8.0,
    "qid": 6.0,
    "qod": 48.0,
}
TIMES = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
STARTERS = (
    "every", "daily", "weekly", "once", "twice", "thrice", "as", "prn", "over", "on", "from", "to", "until",
    "for",
    "day", "days", *ABBREVIATIONS,
)  # fmt: skip
REFUSED = {
    "morning": "a time of day", "evening": "a time of day", "night": "a time of day",
    "bedtime": "a time of day",
    "with": "a meal or a combination", "mg/kg": "a dose per body weight", "hourly": "'hourly'",
}  # fmt: skip
PERIODS = {
    "d": "day", "day": "day", "days": "day", "24h": "day",
    "w": "week", "wk": "week", "week": "week", "month": "month",
}  # fmt: skip
"""Denominators of a daily or weekly amount, which says neither one dose nor how often."""
HOW = "how often, such as 'every 12 h', 'daily', 'twice daily', 'as needed' or 'on day 1'"


@dataclass(frozen=True)
class Word:
    """A word of the sentence and its column (the first character is 1)."""

    text: str
    column: int

    @property
    def key(self) -> str:
        """The word without its capitals."""
        return self.text.casefold()

    @property
    def is_number(self) -> bool:
        """Whether the word is a number."""
        return bool(NUMBER.fullmatch(self.text))


@dataclass
class Sentence:
    """What one regimen says, before anything is looked up."""

    text: str
    action: str = "give"
    drug: list[Word] = field(default_factory=list)
    forms: list[Word] = field(default_factory=list)
    dose: Quantity | None = None
    dose_column: int = 1
    every: float | None = None
    once: bool = False
    as_needed: bool = False
    over: float | None = None
    first_day: int = 1
    last_day: int | None = None
    problems: list[Problem] = field(default_factory=list)
