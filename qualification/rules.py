"""The rules of ``README.md``: when an answer of the model holds."""

from __future__ import annotations

from dataclasses import dataclass

Row = dict[str, str]

POINTS, RELATIVE, AGREEMENT, ALL = 5.0, 20.0 / 100.0, 90.0, 100.0
"""Allowed error in percentage points, or relative to the published value; share of people who agree (%)."""


@dataclass(frozen=True)
class Judged:
    """A case of ``cases.tsv`` with its answer; ``answer`` is None where there is no experiment."""

    case: Row
    answer: Row | None = None

    @property
    def sign(self) -> bool:
        """Whether the case asks for a direction: the model's value is the share of people who agree, in %."""
        return self.case["rule"] == "direction"

    def expected(self) -> tuple[float, float]:
        """The ends of what the rule takes for the model's value."""
        if self.sign:
            return AGREEMENT, ALL
        if self.case["rule"] == "range":
            return float(self.case["low"]), float(self.case["high"])
        published = float(self.case["published"])
        error = RELATIVE * abs(published)
        if self.case["unit"] == "%":
            error = max(error, POINTS)
        return published - error, published + error

    def model(self) -> tuple[float, float, float] | None:
        """The model's value and the ends of its interval."""
        if self.answer is None:
            return None
        value, low, high = (float(self.answer[k]) for k in ("value", "low", "high"))
        return (100 * value, 100 * low, 100 * high) if self.sign else (value, low, high)

    @property
    def holds(self) -> bool:
        """Whether the answer keeps the rule; never without an answer."""
        found = self.model()
        if found is None:
            return False
        value, low, high = found
        start, end = self.expected()
        covered = self.case["rule"] != "value" or low <= float(self.case["published"]) <= high
        return covered and start <= value <= end

    @property
    def verdict(self) -> str:
        """The verdict in a word."""
        return "no experiment" if self.answer is None else "holds" if self.holds else "miss"
