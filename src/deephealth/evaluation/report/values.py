"""How the report writes a value: with its interval and what it rests on, in one language, with or without films' names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.wording import Words

Parts = dict[str, str]
"""value, range (the ends of the interval), span (the interval as words), n (as words), n_short; for an undefined score "–" and why."""


class _Named(Protocol):
    """A case or a suspect: a film with its place and its name."""

    @property
    def index(self) -> int: ...
    @property
    def name(self) -> str: ...


class Values:
    """Values as text. names: False leaves out every film's name."""

    def __init__(self, words: Words, *, names: bool) -> None:
        self.words, self.names = words, names

    def share(self, interval: Interval | None) -> Parts:
        """A share, in percent."""
        return self._parts(interval, lambda value: self.words.number(100 * value, 1), "\u00a0%")

    def decimal(self, interval: Interval | None) -> Parts:
        """A score that is no share."""
        return self._parts(interval, self.words.number, "")

    def labels_each(self, interval: Interval | None) -> Parts:
        """A mean count, with two decimals."""
        return self._parts(interval, lambda value: self.words.number(value, 2), "")

    def written(self, score: str, interval: Interval | None) -> Parts:
        """A score by its name: an AUC as a decimal number, all others as shares."""
        return self.decimal(interval) if "auc" in score else self.share(interval)

    def difference(self, score: str, interval: Interval) -> Parts:
        """The difference of two scores: of shares in percentage points."""
        factor, digits = (1, 3) if "auc" in score else (100, 1)
        unit = "" if "auc" in score else "\u00a0" + self.words("percentage_points")
        joint = f" {self.words('to')} "
        return self._parts(interval, lambda value: self.signed(factor * value, digits), unit, joint)

    def signed(self, value: float, digits: int) -> str:
        """A decimal number with its sign, and a true minus."""
        text = self.words.number(value, digits)
        return f"−{text[1:]}" if text.startswith("-") else f"+{text}"

    def _parts(self, interval: Interval | None, write: Callable[[float], str], unit: str, joint: str = "\u2060–\u2060") -> Parts:
        if interval is None or interval.value is None:
            unknown = self.words("unknown_value")
            return {"value": "–", "range": unknown, "span": unknown, "n": "", "n_short": ""}
        known = interval.low is not None and interval.high is not None
        ends = f"{write(interval.low or 0.0)}{joint}{write(interval.high or 0.0)}{unit}" if known else "?"
        films, patients = self.words.count(interval.n_films), self.words.count(interval.n_patients)
        return {
            "value": write(interval.value) + unit,
            "range": ends,
            "span": self.words("interval_of", ends=ends),
            "n": self.words("n_of", films=films, patients=patients),
            "n_short": f"n\u00a0{films}\u202f/\u202f{patients}",
        }

    def in_brackets(self, parts: Parts) -> str:
        """A value with its interval in a sentence."""
        return f"{parts['value']} [{parts['range']}]"

    def film_name(self, case: _Named) -> str:
        """The film's name, or its number where names are left out."""
        return case.name if self.names and case.name else self.words("film_number", n=case.index + 1)

    def problem_name(self, name: str, number: int) -> str:
        """The name of a film that was left out, or its number in that list."""
        return name if self.names and name else self.words("film_number", n=number)

    def number_or_dash(self, value: float | None, digits: int = 3) -> str:
        """A decimal number, or a dash."""
        return "–" if value is None else self.words.number(value, digits)

    def labels(self, labels: Sequence[str]) -> str:
        """Labels joined by "or"."""
        return f" {self.words('or')} ".join(labels)

    def named(self, kind: str, key: str) -> str:
        """The word for `key` among words of a kind ("attribute", "value", "split", "gate"), or `key` itself."""
        known = self.words.or_plain(f"{kind}_{key}")
        return key if known == f"{kind}_{key}" else known

    def bar(self, interval: Interval | None) -> tuple[float, float, float] | None:
        """Left end, width and value of the interval in percent of the scale 0..1, for a bar."""
        if interval is None or interval.value is None or interval.low is None or interval.high is None:
            return None
        return (round(100 * interval.low, 2), round(100 * (interval.high - interval.low), 2), round(100 * interval.value, 2))
