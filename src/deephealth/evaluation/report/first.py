"""The first screen: can the scores be believed, how large are they, what does a split by film hide, and what are they not for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deephealth.evaluation.evidence import GapRow
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.report.values import Parts, Values
from deephealth.evaluation.results import AppliedPoint, Evaluation

_LEAKS = ("exact", "near", "patient", "augmented", "backbone")
_LEVELS = {"sufficient": "bad", "partial": "bad", "none": "good"}


@dataclass(frozen=True)
class Verdict:
    """One sentence that a reader must see first; level: "good", "bad" or "unknown"."""

    title: str
    level: str
    level_name: str
    sentence: str
    meaning: str


class FirstScreen:
    """What the first screen shows; it holds no scores of its own."""

    def __init__(self, evaluation: Evaluation, values: Values) -> None:
        self.evaluation, self.values, self.words = evaluation, values, values.words

    @property
    def split_name(self) -> str:
        """Which films these are, in words."""
        return self.values.named("split", self.evaluation.context.split_name)

    @property
    def verdicts(self) -> list[Verdict]:
        """The model's own audit (the light audit of the data where there is none), leakage, and notes."""
        context = self.evaluation.context
        found = [self._shortcuts(), self._leakage(context.leakage)]
        # Films left out because the model had learned from them are a precaution, not a fault.
        level = "unknown" if context.split_name == "unseen" else "bad"
        return found + [self._verdict("note", level, self.words.or_plain(note), "") for note in context.notes]

    def _shortcuts(self) -> Verdict:
        audit, words = self.evaluation.evidence.model_audit, self.words
        light = str((self.evaluation.context.audit or {}).get("verdict", "missing"))
        if audit is None or audit.verdict not in (*_LEVELS, "unknown"):
            return self._verdict("shortcuts", _LEVELS.get(light, "unknown"), words(f"audit_{light}"), words(f"audit_{light}_means"))
        meaning = words(f"model_audit_{audit.verdict}_means")
        if audit.verdict == "unknown" and audit.reason:
            meaning = f"{meaning} {words.reason(audit.reason)}"
        if light not in ("missing", audit.verdict):
            meaning = f"{meaning} {words('light_audit_says', sentence=words(f'audit_{light}'))}"
        return self._verdict("shortcuts", _LEVELS.get(audit.verdict, "unknown"), words(f"audit_{audit.verdict}"), meaning)

    def _verdict(self, title: str, level: str, sentence: str, meaning: str) -> Verdict:
        capital = sentence[:1].upper() + sentence[1:]
        level_name = "" if (title, level) == ("note", "unknown") else self.words(f"level_{level}")
        return Verdict(self.words(title), level, level_name, capital, meaning)

    def _leakage(self, leakage: Mapping[str, Any] | None) -> Verdict:
        if leakage is None:
            unseen = self.evaluation.context.split_name == "unseen"
            return self._verdict("leakage", "unknown", self.words("leak_by_content" if unseen else "leak_missing"), "")
        leaks, given = bool(leakage["leaks"]), str(leakage.get("sentence", ""))
        if self.words.language == "en" and given:
            return self._verdict("leakage", "bad" if leaks else "good", given, self.words("leak_means") if leaks else "")
        counts = leakage.get("counts", {})
        parts = "; ".join(self.words(f"leak_{kind}", n=self.words.count(int(counts[kind]))) for kind in _LEAKS if counts.get(kind))
        sentence = self.words("leak_found", parts=parts or "?") if leaks else self.words("leak_none")
        return self._verdict("leakage", "bad" if leaks else "good", sentence, "")

    @property
    def limits(self) -> list[str]:
        """What the films cannot show, as sentences."""
        return [self.words.limit(limit.code, limit.values) for limit in self.evaluation.limits]

    @property
    def headlines(self) -> list[dict[str, Any]]:
        """The scores of the first screen."""
        scores, words, values = self.evaluation.scores, self.words, self.values
        n = sum(1 for entry in scores.classes if entry.n_films)
        chance = words("chance", value=words.percent(1 / n)) if n else ""
        found = [
            self._headline(words("balanced_accuracy"), scores.balanced_accuracy, values.share, chance),
            self._headline(words("accuracy"), scores.accuracy, values.share, ""),
            self._headline(words("macro_auc"), scores.macro_auc, values.decimal, words("chance", value=words.number(0.5, 1))),
        ]
        if self.evaluation.operating_points:
            point = self.evaluation.operating_points[0]
            note = words("point_sense", positive=values.labels(point.chosen.positive))
            found.append(self._headline(words("at_point", name=point_name(point, values)), point.sensitivity, values.share, note))
        return found

    def _headline(self, title: str, interval: Interval, write: Callable[[Interval], Parts], note: str) -> dict[str, Any]:
        return {"title": title, "note": note, "bar": self.values.bar(interval), **write(interval)}

    @property
    def gap(self) -> dict[str, Any]:
        """The leakage gap of the balanced accuracy (else of the first score that has one): sentence, conclusion, bars; without one, why."""
        gap = self.evaluation.evidence.leakage_gap
        known = {row.score: row for row in gap.rows if row.difference.value is not None} if gap else {}
        row = next((known[score] for score in ("balanced_accuracy", *known) if score in known), None)
        if gap is None or row is None:
            reason = self.words.reason(gap.reason) if gap and gap.reason else ""
            return {"rows": [], "sentence": self.words("gap_absent"), "conclusion": reason}
        values, words = self.values, self.words
        film, patient = values.written(row.score, row.by_film), values.written(row.score, row.by_patient)
        return {
            "rows": [
                {"name": words("gap_by_film"), "bar": values.bar(row.by_film), "value": film["value"]},
                {"name": words("gap_by_patient"), "bar": values.bar(row.by_patient), "value": patient["value"]},
            ],
            "sentence": words(
                "gap_sentence",
                score=words(row.score).lower() if "auc" not in row.score else words(row.score),
                film=values.in_brackets(film),
                patient=values.in_brackets(patient),
                difference=values.in_brackets(values.difference(row.score, row.difference)),
                size=words("n_of", films=words.count(gap.n_films), patients=words.count(gap.n_patients)),
            ),
            "conclusion": " ".join([words(gap_conclusion(row)), *self._own_split(row)]),
        }

    def _own_split(self, row: GapRow) -> list[str]:
        """Whether this report's own scores are flattered, where a difference was found and the split is known."""
        by = self.evaluation.context.split_by
        return [self.words(f"gap_split_{by}")] if gap_conclusion(row) == "gap_flatters" and by in ("patient", "film") else []


def gap_conclusion(row: GapRow) -> str:
    """Key of the sentence on a difference: its interval holds zero, lies above or lies below."""
    low, high = row.difference.low, row.difference.high
    if low is None or high is None or low <= 0 <= high:
        return "gap_holds_zero"
    return "gap_flatters" if low > 0 else "gap_reversed"


def point_name(point: AppliedPoint, values: Values) -> str:
    """An operating point's name in the report's language."""
    name = point.chosen.name
    for key in ("sensitivity", "specificity"):
        name = name.replace(key, values.words(key).lower())
    return name.replace("0.", "0,") if values.words.language == "es" else name
