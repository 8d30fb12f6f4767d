"""The grammar of the dosing language: a sentence becomes drug words, a dose, a frequency and days.

::

    regimen   = "placebo" | "stop" drug "on day" N | drug [dose] { how }
    dose      = number unit                          30 mg, 25 ug/h, 17 g, 10 mL
    how       = "every" N time | "daily" | "twice daily" | "3 times daily" | "weekly" | "q12h" | "bid"
              | "once" | "as needed" | "over" N time
              | "on day" N | "from day" N ["to day" N] | "until day" N | "for" N time
              | a route or a formulation             subcutaneous, CR, patch

Nothing here knows which drugs there are. Every part keeps its place in the sentence, so that a message can
point at the word that is wrong.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from opiome.errors import InputError, Problem, nearest
from opiome.regimen._vocabulary import (
    ABBREVIATIONS,
    DAY,
    FORMS,
    HOW,
    PER_DAY,
    PERIODS,
    REFUSED,
    STARTERS,
    TIMES,
    TWO_WORD_FORMS,
    WEEK,
    WORD,
    Sentence,
    Word,
)
from opiome.units import hours, quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from opiome.units import Quantity

__all__ = ["read"]


def read(text: str) -> Sentence:
    """Take one regimen apart; what cannot be understood is in ``problems``, never raised."""
    return _Reader(text).read()


class _Reader:
    """One pass over the words of a sentence, left to right."""

    def __init__(self, text: str) -> None:
        self.sentence = Sentence(text)
        self.words = [Word(found.group(), found.start() + 1) for found in WORD.finditer(text)]
        self.at = 0
        self.timed = False
        self.lost = False
        self.one_day = False  # 'on day 3': the only day, unless 'to day 5' follows
        self.length: int | None = None
        self.end_column = 1

    def read(self) -> Sentence:
        sentence = self.sentence
        if not self.words:
            self._problem(
                "the regimen is empty", 1, expected="such as 'morphine 30 mg every 12 h' or 'placebo'"
            )
            return sentence
        if self._take("placebo"):
            sentence.action = "placebo"
        elif self._take("stop"):
            sentence.action = "stop"
        self._drug()
        if sentence.action == "give":
            self._dose()
        while self.at < len(self.words):
            self._how()
        self._check()
        return sentence

    # -- moving -------------------------------------------------------------------------------------------

    def _peek(self, ahead: int = 0) -> Word | None:
        return self.words[self.at + ahead] if self.at + ahead < len(self.words) else None

    def _take(self, *keys: str) -> Word | None:
        word = self._peek()
        if word is None or word.key not in keys:
            return None
        self.at += 1
        return word

    def _end(self) -> int:
        return len(self.sentence.text) + 1

    def _problem(
        self, message: str, column: int, expected: str | None = None, remedy: str | None = None
    ) -> None:
        self.sentence.problems.append(Problem(message, column=column, expected=expected, remedy=remedy))

    # -- the parts ----------------------------------------------------------------------------------------

    def _drug(self) -> None:
        sentence = self.sentence
        while (word := self._peek()) is not None and word.key not in STARTERS:
            if word.is_number and not (sentence.drug and self._number_follows()):
                break  # the dose; but in 'PEG 3350 17 g' the first number belongs to the name
            if self._form():
                continue
            if not any(letter.isalnum() for letter in word.text):
                break
            sentence.drug.append(word)
            self.at += 1
        if not sentence.drug and sentence.action != "placebo":
            column = self.words[0].column if sentence.action == "give" else self._end()
            self._problem("the drug is missing", column, expected="the name of a drug first")

    def _number_follows(self) -> bool:
        after = self._peek(1)
        return after is not None and after.is_number

    def _form(self) -> bool:
        first, second = self._peek(), self._peek(1)
        if first is None:
            return False
        if second is not None and (first.key, second.key) in TWO_WORD_FORMS:
            self.sentence.forms.append(Word(f"{first.key}-{second.key}", first.column))
            self.at += 2
            return True
        if first.key in FORMS:
            self.sentence.forms.append(first)
            self.at += 1
            return True
        return False

    def _dose(self) -> None:
        word = self._peek()
        if word is None or word.key in STARTERS:
            return
        if word.text == "-":
            self.at += 1
            self._problem("the dose is negative", word.column, expected="a dose above 0")
            word = self._peek()
            if word is None:
                return
        if not word.is_number:
            return
        self.at += 1
        self.sentence.dose_column = word.column
        if (after := self._peek()) is not None and after.text in {"-", ","}:
            self._problem(
                f"'{word.text}{after.text}' is not one dose", word.column, expected="one number, 2.5 or 30"
            )
            self.at += 1
            if (rest := self._peek()) is not None and rest.is_number:
                self.at += 1
        self.sentence.dose = self._quantity(word, "a dose")

    def _quantity(self, number: Word, what: str) -> Quantity | None:
        unit = self._peek()
        if unit is None or not (unit.text[0].isalpha() or unit.text == "%") or unit.key in STARTERS:
            self._problem(
                f"the unit of {number.text} is missing", number.column, expected=f"{what} such as '30 mg'"
            )
            return None
        self.at += 1
        if unit.key.endswith("/kg"):
            self._problem(
                "a dose per body weight is not supported",
                unit.column,
                remedy="write the dose for one patient",
            )
            return None
        if unit.key.rpartition("/")[2] in PERIODS:
            self._problem(
                f"a dose per {PERIODS[unit.key.rpartition('/')[2]]} ('{unit.text}') is not one dose",
                unit.column,
                remedy="write one dose and how often, such as '30 mg twice daily', or a rate per h",
            )
            return None
        try:
            return quantity(f"{number.text} {unit.text}")
        except InputError as error:
            self.sentence.problems += [problem.at(column=unit.column) for problem in error.problems]
            return None

    def _duration(self, what: str) -> float | None:
        number = self._peek()
        if number is not None and number.text == "-":
            self.at += 1
            negative = number
            number = self._peek()
            self._problem(f"'{what}' is negative", negative.column, expected="a time above 0")
        if number is None or not number.is_number:
            self._problem(
                f"'{what}' needs a number", number.column if number else self._end(), expected="12 h, 3 days"
            )
            return None
        self.at += 1
        unit = self._peek()
        if unit is None or not unit.text[0].isalpha():
            self._problem(f"'{what} {number.text}' needs a unit", number.column, expected="h, days or weeks")
            return None
        self.at += 1
        try:
            value = hours(f"{number.text} {unit.text}")
        except InputError as error:
            self.sentence.problems += [problem.at(column=unit.column) for problem in error.problems]
            return None
        if value <= 0:
            self._problem(f"'{what} {number.text}' is not above 0", number.column)
            return None
        return value

    def _how(self) -> None:
        word = self.words[self.at]
        handlers: dict[str, Callable[[], None]] = {
            "every": self._every, "q": self._every, "over": self._over, "as": self._as_needed,
            "when": self._as_needed, "prn": self._as_needed, "on": self._on, "from": self._from,
            "day": self._from, "days": self._from, "until": self._until, "to": self._until, "for": self._for,
        }  # fmt: skip
        if self._form() or self._frequency():
            return
        self.at += 1
        if word.key in handlers:
            handlers[word.key]()
            return
        if word.text in {",", ";"}:
            return
        if self.lost:
            return  # one message for the first word that is not understood is enough
        self.lost = True
        if word.key in REFUSED:
            self._problem(f"{REFUSED[word.key]} is not supported ('{word.text}')", word.column, expected=HOW)
        elif word.is_number:
            self._problem(f"'{word.text}' stands alone", word.column, expected=HOW)
        else:
            likely = nearest(word.text, [*STARTERS, *FORMS])
            remedy = f"did you mean '{likely}'?" if likely else None
            self._problem(f"'{word.text}' is not understood", word.column, expected=HOW, remedy=remedy)

    def _frequency(self) -> bool:
        word = self.words[self.at]
        following = self._peek(1)
        per_day: float | None = None
        if word.key in {"daily", "weekly"}:
            self.at += 1
            self._set_every(DAY if word.key == "daily" else WEEK, word)
            return True
        if word.key in ABBREVIATIONS:
            self.at += 1
            self._set_every(ABBREVIATIONS[word.key], word)
            return True
        if joined := re.fullmatch(r"q(\d+)(h|d)?", word.key):
            self.at += 1
            self._set_every(float(joined.group(1)) * (DAY if joined.group(2) == "d" else 1.0), word)
            if joined.group(2) is None:
                self._take("h", "hours")
            return True
        if word.key in PER_DAY:
            per_day = PER_DAY[word.key]
            self.at += 1
        elif following is not None and following.key in {"times", "time"}:
            per_day = float(word.text) if word.is_number else TIMES.get(word.key)
            if per_day is None:
                return False
            self.at += 2
        if per_day is None:
            return False
        self._per_period(word, per_day)
        return True

    def _per_period(self, word: Word, count: float) -> None:
        period = DAY
        if self._take("a", "per"):
            unit = self._take("day", "week")
            period = WEEK if unit and unit.key == "week" else DAY
        elif unit := self._take("daily", "weekly"):
            period = WEEK if unit.key == "weekly" else DAY
        elif word.key == "once":
            self.sentence.once = True
            return
        else:
            self._problem(f"'{word.text}' needs 'daily' or 'weekly'", word.column, expected=HOW)
        if count <= 0:
            self._problem(f"'{word.text} times' is not a frequency", word.column, expected=HOW)
            return
        self._set_every(period / count, word)

    def _set_every(self, interval: float, word: Word) -> None:
        if interval <= 0:
            self._problem(f"the interval '{word.text}' is not above 0", word.column, expected=HOW)
        elif self.sentence.every is not None and self.sentence.every != interval:
            self._problem(f"a second frequency ('{word.text}')", word.column, expected="one frequency")
        else:
            self.sentence.every = interval

    def _every(self) -> None:
        word = self.words[self.at - 1]
        if self._take("day"):
            self._set_every(DAY, word)
        elif self._take("week"):
            self._set_every(WEEK, word)
        elif self._take("other", "second"):
            self._take("day")
            self._set_every(2 * DAY, word)
        elif (interval := self._duration("every")) is not None:
            self._set_every(interval, word)

    def _over(self) -> None:
        self.sentence.over = self._duration("over")

    def _as_needed(self) -> None:
        word = self.words[self.at - 1]
        if word.key != "prn" and not self._take("needed", "required"):
            self._problem(f"'{word.text}' is not understood", word.column, expected="'as needed'")
        self.sentence.as_needed = True

    def _day(self, what: str) -> int | None:
        self._take("day", "days")
        word = self._peek()
        if word is None or not word.text.isdigit() or int(word.text) < 1:
            column = word.column if word else self._end()
            self._problem(f"'{what}' needs a day", column, expected="a day counted from 1, such as 'day 3'")
            if word is not None:
                self.at += 1
            return None
        self.at += 1
        return int(word.text)

    def _on(self) -> None:
        word = self.words[self.at - 1]
        day = self._day("on")
        self.sentence.once = True
        if self._begin(day, word) and self._finish(day, word):
            self.one_day = True

    def _from(self) -> None:
        word = self.words[self.at - 1]
        self._begin(self._day("from"), word)
        if self._take("to", "until", "-"):
            self._until()

    def _until(self) -> None:
        word = self.words[self.at - 1]
        day = self._day(word.text)
        if self.one_day:  # 'on days 1 to 5'
            self.one_day, self.sentence.last_day = False, None
        self._finish(day, word)

    def _begin(self, day: int | None, word: Word) -> bool:
        if day is None:
            return False
        if self.timed:
            self._problem(
                f"a second first day ('{word.text}')", word.column, expected="one line for each course"
            )
            return False
        self.timed, self.sentence.first_day = True, day
        return True

    def _finish(self, day: int | None, word: Word) -> bool:
        if day is None:
            return False
        if self.sentence.last_day is not None:
            self._problem(
                f"a second last day ('{word.text}')", word.column, expected="one line for each course"
            )
            return False
        self.sentence.last_day, self.end_column = day, word.column
        return True

    def _for(self) -> None:
        word = self.words[self.at - 1]
        duration = self._duration("for")
        if duration is None:
            return
        days = duration / DAY
        if days != int(days):
            self._problem("'for' needs whole days", word.column, expected="days or weeks")
        elif self.length is not None:
            self._problem("a second 'for'", word.column, expected="one length")
        else:
            self.length, self.end_column = int(days), word.column

    def _days(self) -> None:
        """Settle the last day, wherever in the sentence its first day and its length stood."""
        sentence = self.sentence
        if self.length is not None:
            if sentence.last_day is not None:
                self._problem(
                    "'for' and a last day",
                    self.end_column,
                    expected="one of them, such as 'from day 4 for 2 days'",
                )
                return
            sentence.last_day = sentence.first_day + self.length - 1
        if sentence.last_day is not None and sentence.last_day < sentence.first_day:
            self._problem(f"day {sentence.last_day} comes before day {sentence.first_day}", self.end_column)

    def _stop(self) -> None:
        sentence = self.sentence
        if not self.timed:
            self._problem("the day is missing", self._end(), expected="such as 'stop morphine on day 7'")
        elif sentence.last_day not in {None, sentence.first_day} or self.length is not None:
            self._problem(
                "a drug that is stopped stays stopped",
                self._end(),
                expected="such as 'stop morphine on day 7'",
                remedy="write a line with days for each course instead",
            )

    def _check(self) -> None:
        sentence = self.sentence
        if sentence.problems:
            return
        if sentence.action == "stop":
            self._stop()
        else:
            self._days()
        rate = sentence.dose is not None and "/" in sentence.dose.unit
        scheduled = sentence.every is not None or sentence.once or sentence.as_needed or rate
        if sentence.action == "give" and not scheduled:
            self._problem("the frequency is missing", self._end(), expected=HOW)
        if sentence.once and sentence.every is not None:
            if sentence.last_day is not None:
                sentence.once = False
            else:
                self._problem("'once' contradicts the frequency", self._end(), expected=HOW)
        if sentence.once and sentence.action == "give":
            self._single(rate=rate)

    def _single(self, *, rate: bool) -> None:
        """One dose has one day; a patch or an infusion that is given once needs a length instead."""
        sentence = self.sentence
        if rate and sentence.last_day is None and sentence.over is None:
            self._problem(
                "how long it is given is missing", self._end(), expected="such as 'over 72 h' or 'for 3 days'"
            )
        elif not rate and sentence.last_day not in {None, sentence.first_day}:
            self._problem("the frequency is missing", self._end(), expected=HOW)
