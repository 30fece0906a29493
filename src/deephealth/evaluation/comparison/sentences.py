"""What a comparison says, as sentences in one language: verdict, notes and limits, and numbers as `wording` writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deephealth.evaluation.comparison.results import Comparison, Difference
from deephealth.evaluation.comparison.words import LIMITS, TEXT
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.wording import Words
from deephealth.inference.batch import printable

MANY_PATIENTS = 1_000_000


class ComparisonWords(Words):
    """A comparison's wording in one language."""

    def __call__(self, key: str, **values: Any) -> str:
        """The text of `key` (KeyError for an unknown one) with its {braces} filled."""
        return TEXT[key][self._column].format(**values)

    def limit(self, code: str, values: Mapping[str, Any]) -> str:
        """The sentence of a limit."""
        shown = {name: self.count(value) if isinstance(value, int) else value for name, value in values.items()}
        return LIMITS[code][self._column].format(**shown)

    def signed(self, value: float, digits: int = 1) -> str:
        """A number with its sign; what rounds to zero has none."""
        text = self.number(abs(value), digits)
        return text if float(f"{abs(value):.{digits}f}") == 0 else ("+" if value > 0 else "−") + text

    def points(self, difference: Interval) -> str:
        """A difference and its interval in points, hundredths of the score."""
        if difference.value is None:
            return self("unknown_value")
        value = self.signed(100 * difference.value)
        if difference.low is None or difference.high is None:
            return f"{value} [–]"
        return f"{value} [{self.signed(100 * difference.low)}; {self.signed(100 * difference.high)}]"

    def p_value(self, p: float | None) -> str:
        """A p value: "= 0.012", or "< 0.001"."""
        if p is None:
            return "–"
        return f"< {self.number(0.001)}" if p < 0.001 else f"= {self.number(p)}"

    def score(self, entry: Difference) -> str:
        """The name of a score, with its class or operating point."""
        return self(entry.score, subject=self.point(entry.subject), positive=self.labels(entry.positive))

    def labels(self, labels: Sequence[str]) -> str:
        """Labels joined by "or"."""
        return f" {self('or')} ".join(labels)

    def point(self, name: str) -> str:
        """An operating point's name, or a class as it is."""
        for key in ("sensitivity", "specificity"):
            if name.startswith(key + " 0."):
                value = name.removeprefix(key + " ")
                return f"{self('point_' + key)} {value if self.language == 'en' else value.replace('.', ',')}"
        return name

    def model(self, found: Comparison, letter: str) -> str:
        """A model's letter and name: B (small)."""
        facts = found.context.model_a if letter == "A" else found.context.model_b
        return f"{letter} ({printable(facts.name)})" if facts.name else letter

    def verdict(self, found: Comparison) -> list[str]:
        """The verdict, what it would take to say more, and whether B is within the margin, as sentences."""
        verdict, primary = found.verdict, found.primary.difference
        values = {
            "range": self.points(primary),
            "n": self.count(found.context.seen_included),
            "winner": self.model(found, verdict.winner or "A"),
        }
        sentences = [self(verdict.code, **values)]
        if verdict.needed_patients is not None:
            many = verdict.needed_patients > MANY_PATIENTS
            count = {"n": self.count(verdict.needed_patients), "here": self.count(primary.n_patients)}
            sentences.append(self("needed_many") if many else self("needed", **count))
        elif verdict.code == "undecided":
            sentences.append(self("needed_unknown" if primary.value else "needed_zero"))
        if verdict.margin is not None:
            key = {None: "margin_unknown", True: "not_worse", False: "may_be_worse"}[verdict.not_worse]
            low = self.signed(100 * primary.low) if primary.low is not None else ""
            sentences.append(self(key, margin=self._plain(100 * verdict.margin), low=low))
        return sentences

    def notes(self, found: Comparison) -> list[str]:
        """Which films were compared and which not, as sentences."""
        context, refused, count = found.context, found.refused, self.count
        a, b = count(context.model_a.seen), count(context.model_b.seen)
        labels = ", ".join(found.classes)
        sentences = []
        if context.left_out:
            sentences.append(self("note_left_out", n=count(context.left_out), a=a, b=b))
        if context.seen_included:
            sentences.append(self("note_included", a=a, b=b))
        if context.other_labels:
            sentences.append(self("note_other_labels", n=count(context.other_labels), labels=labels))
        elif {*context.model_a.labels, *context.model_b.labels} - set(found.classes):
            sentences.append(self("note_labels", labels=labels))
        if context.problems:
            sentences.append(self("note_unread", n=count(len(context.problems))))
        if refused.only_a or refused.only_b or refused.both:
            sentences.append(self("note_refused", a=count(refused.only_a), b=count(refused.only_b), both=count(refused.both)))
        return sentences

    def limits(self, found: Comparison) -> list[str]:
        """What the films cannot show, as sentences."""
        return [self.limit(limit.code, limit.values) for limit in found.limits]

    def _plain(self, value: float) -> str:
        """A margin without needless zeros: 2, 2.5."""
        text = f"{value:.4g}"
        return text if self.language == "en" else text.replace(".", ",")
