"""Numbers as text, and the sentences that the report makes of the tables: no more than the tables say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opiome.report._rows import Row
    from opiome.report._tables import Tables

__all__ = ["agreement", "answer", "decimals", "fold", "interval", "joined", "number", "quantity", "verdict"]

ABSENT = "–"
_FOLD_LIMIT = math.log2(100)
"""Beyond this a fold change is from, or to, next to nothing; its size means little."""
_SMALL = 1e-3
"""Below this a number is written with an exponent."""
_MINUS = "\N{MINUS SIGN}"


def number(value: float | None, digits: int | None = None) -> str:
    """Return a number with three significant digits (or ``digits`` decimals); a dash where there is none."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if digits is None:
        digits = _decimals(abs(value))
        if 0 < abs(value) < _SMALL:
            return f"{value:.1e}".replace("-", _MINUS)
    return f"{value:,.{digits}f}".replace("-", _MINUS).replace(",", "\N{NARROW NO-BREAK SPACE}")


def _decimals(size: float) -> int:
    """Return the decimals that give three significant digits, three at most."""
    return 0 if size == 0 else min(max(2 - math.floor(math.log10(size)), 0), 3)


def quantity(value: float | None, unit: str | None, digits: int | None = None) -> str:
    """Return a number with its unit."""
    text = number(value, digits)
    if text == ABSENT or not unit:
        return text
    return f"{text}\N{NO-BREAK SPACE}{unit}"


def interval(low: float | None, high: float | None, digits: int | None = None) -> str:
    """Return ``low to high``; empty where neither is known."""
    if low is None and high is None:
        return ""
    return f"{number(low, digits)} to {number(high, digits)}"


def decimals(unit: str | None, *values: float | None) -> int | None:
    """Return how many decimals a row's numbers share, so that an estimate and its interval read alike."""
    if unit == "%":
        return 1
    sizes = [abs(value) for value in values if value is not None and math.isfinite(value)]
    if not sizes or max(sizes) < 10 * _SMALL:
        return None
    return min(_decimals(max(sizes)), 2)


def fold(change: float | None) -> str:
    """Return a log2 fold change as ``×1.5``; values under 1 as a fraction of what was (``×0.67``)."""
    if change is None or not math.isfinite(change):
        return "no value"
    if abs(change) > _FOLD_LIMIT:
        return "> ×100" if change > 0 else "< ×0.01"
    factor = 2.0**change
    return f"×{number(factor, min(_decimals(factor), 2))}"


def verdict(hit: bool | None, published: float | None) -> str:  # noqa: FBT001  (a cell of the table)
    """Return ``hit``, ``miss``, ``not judged`` (published, but no verdict) or ``not published``."""
    if published is None:
        return "not published"
    if hit is None:
        return "not judged"
    return "hit" if hit else "miss"


def answer(tables: Tables, main: str, rows: Sequence[Row], contrasts: Sequence[Row]) -> list[str]:
    """Return the sentences that answer the study, made of the numbers only.

    Args:
        tables: The result tables.
        main: Id of the primary endpoint.
        rows: Endpoints by arm.
        contrasts: Differences between arms.
    """
    of_main = [row for row in rows if row.endpoint == main]
    sentences = [_who(tables, of_main[0].label if of_main else ""), _headline(of_main)]
    sentences += [_difference(row) for row in contrasts if row.endpoint == main]
    return [sentence for sentence in (*sentences, *agreement(rows, contrasts)) if sentence]


def _who(tables: Tables, label: str) -> str:
    counts = [
        (tables.labels[arm], tables.patients.filter(pl.col("arm") == arm).height) for arm in tables.arms
    ]
    if not counts:
        return ""
    if tables.patients.is_empty():
        arms = joined([lower(name) for name, _ in counts])
        text = f"This study has {arms}; the results do not say how many patients"
    else:
        text = "This study gives " + joined([f"{lower(name)} to {_people(count)}" for name, count in counts])
    return f"{text}. Its main endpoint is “{label}”." if label else f"{text}."


def _people(count: int) -> str:
    return f"{number(count, 0)} virtual patient{'' if count == 1 else 's'}"


def _headline(rows: Sequence[Row]) -> str:
    told = [row for row in rows if row.estimate is not None]
    if not told:
        return ""
    parts = []
    for row in told:
        more = [f"95 % interval {row.interval_text}"] if row.interval_text else []
        more += [f"published {row.published_text}"] if row.published is not None else []
        parts.append(
            f"{row.model_text} with {lower(row.arm_label)}" + (f" ({', '.join(more)})" if more else "")
        )
    return f"The model gives {joined(parts)}."


def _difference(row: Row) -> str:
    if row.estimate is None:
        return ""
    text = f"The {row.measure}, {lower(row.arm_label)} against {lower(row.reference)}, is {row.model_text}"
    if row.low is None or row.high is None or row.neutral is None:
        return text + "."
    includes = row.low <= row.neutral <= row.high
    verb = "does not tell the arms apart" if includes else "tells the arms apart"
    return f"{text} ({row.interval_text}), which {verb} at this number of virtual patients."


def agreement(rows: Sequence[Row], contrasts: Sequence[Row]) -> list[str]:
    """Return how the endpoints compare with what was published, and what the model gets wrong.

    Published contrasts follow from published values, so they are not counted as more of them, unless the
    trial published differences alone.
    """
    published = [row for row in rows if row.published is not None]
    if not published:
        published, contrasts = [row for row in contrasts if row.published is not None], ()
    judged = [row for row in published if row.hit is not None]
    if not published:
        return ["No published value stands beside these results: nothing in them was compared with a trial."]
    if not judged:
        return ["Published values stand beside the results, but none of them was judged a hit or a miss."]
    misses = [row for row in judged if not row.hit]
    held = len(judged) - len(misses)
    text = _held(held, len(judged), "published value", "in the model’s predictive interval")
    checks = [row for row in judged if row.role == "check"]
    if checks and len(checks) < len(judged):
        met = sum(bool(row.hit) for row in checks)
        verb = "does" if met == 1 else "do"
        text += f"; of the {len(checks)} that calibration does not use, {met or 'none'} {verb}"
    sentences = [text + "."]
    far = sum(row.far and bool(row.hit) for row in judged)
    if far:
        sentences.append(
            f"Of those inside, {far} {'misses' if far == 1 else 'miss'} this project’s second rule, an error "
            "of at most 5 percentage points or 20 %."
        )
    sizes = [(row.n, row.published_n) for row in judged]
    if any(n is not None and published_n is not None and n < published_n for n, published_n in sizes):
        sentences.append(
            "Fewer patients were simulated than the trial had, which widens the predictive interval and "
            "makes it easier to lie in."
        )
    between = [row for row in contrasts if row.hit is not None]
    if between:
        held = sum(bool(row.hit) for row in between)
        sentences.append(
            _held(held, len(between), "published difference between arms", "in that of the model") + "."
        )
    misses += [row for row in between if not row.hit]
    if misses:
        shown = [
            f"{_subject(row)} (model {number(row.estimate, row.digits)}, published {row.published_text})"
            for row in misses[:_SHOWN]
        ]
        more = len(misses) - len(shown)
        shown += [f"{more} more, marked in the table"] if more else []
        sentences.append(f"The model disagrees with what was published on {joined(shown)}.")
    return sentences


_SHOWN = 3


def _subject(row: Row) -> str:
    if row.reference:
        return f"the {row.measure} in “{row.label}”, {lower(row.arm_label)} against {lower(row.reference)}"
    return f"“{row.label}” with {lower(row.arm_label)}"


def _held(held: int, count: int, noun: str, where: str) -> str:
    """Return how many of ``count`` values lie somewhere, as the start of a sentence."""
    if count == 1:
        return f"The one {noun} {'lies' if held else 'does not lie'} {where}"
    first, _, rest = noun.partition(" ")
    plural = f"{first} {rest.replace(' ', 's ', 1) if ' ' in rest else rest + 's'}"
    number_of = {0: "none lies", 1: "1 lies", count: "all lie"}.get(held, f"{held} lie")
    return f"Of {count} {plural}, {number_of} {where}"


def lower(label: str) -> str:
    """Return a label as it reads inside a sentence: first letter small, but not in an abbreviation."""
    first = label.split(" ", 1)[0]
    return label if sum(letter.isupper() for letter in first) > 1 else label[:1].lower() + label[1:]


def joined(parts: Sequence[str]) -> str:
    """Return the parts as a list in a sentence; semicolons where a part is a list itself."""
    if len(parts) < 2:  # noqa: PLR2004  (one part is not a list)
        return "".join(parts)
    comma = "; " if any(", " in part or " and " in part for part in parts) else ", "
    last = "; and " if comma == "; " else " and "
    return comma.join(parts[:-1]) + last + parts[-1]
