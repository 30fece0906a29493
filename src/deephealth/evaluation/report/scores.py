"""Tables and curves of the scores: confusion matrix, classes, operating points, calibration, abstention."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from deephealth.evaluation.evidence import RiskPoint
from deephealth.evaluation.report import plots
from deephealth.evaluation.report.first import point_name
from deephealth.evaluation.report.values import Parts, Values
from deephealth.evaluation.results import AppliedPoint, Evaluation
from deephealth.evaluation.wording import PUBLISHED

_PUBLISHED_FOR = {"normal", "bacterial", "viral"}
_COVERAGES = (1.0, 0.8, 0.6)


class ScoreTables:
    """Rows and plots of the scores as text; it holds no scores of its own."""

    def __init__(self, evaluation: Evaluation, values: Values) -> None:
        self.evaluation, self.values, self.words = evaluation, values, values.words
        self.scores = evaluation.scores

    def confusion(self) -> list[dict[str, Any]]:
        """Rows of the confusion matrix: label, total, cells with count, share of the row, and depth of colour 0..1."""
        rows = []
        for label, counts in zip(self.evaluation.classes, self.scores.confusion, strict=True):
            total = sum(counts)
            cells = [
                {"count": n, "share": n / total if total else None, "depth": round(0.95 * n / total, 3) if total else 0} for n in counts
            ]
            rows.append({"label": label, "total": total, "cells": cells})
        return rows

    def point_name(self, point: AppliedPoint) -> str:
        """An operating point's name in the report's language."""
        return point_name(point, self.values)

    def when_chosen(self, point: AppliedPoint) -> str:
        """What an operating point reached on the films it was chosen on."""
        sens, spec = (
            f"{parts['value']} ({parts['range']}; {parts['n_short']})"
            for parts in (self.values.share(point.chosen.sensitivity), self.values.share(point.chosen.specificity))
        )
        return self.words("chosen_on", sensitivity=sens, specificity=spec)

    def comparison(self) -> list[tuple[str, Parts, Parts | None]]:
        """The main scores for all films, and for those the gate accepted where it refused some."""
        rest = self.evaluation.accepted
        return [
            (
                self.words(name),
                self.values.written(name, getattr(self.scores, name)),
                self.values.written(name, getattr(rest, name)) if rest is not None else None,
            )
            for name in ("balanced_accuracy", "accuracy", "macro_auc")
        ]

    def calibration(self) -> list[tuple[str, Parts]]:
        """Rows of the calibration table."""
        rows = [(self.words("ece"), self.values.share(self.scores.ece))]
        if self.evaluation.before_temperature is not None:
            rows.append((self.words("ece_before"), self.values.share(self.evaluation.before_temperature)))
        brier, loss = self.values.decimal(self.scores.brier), self.values.decimal(self.scores.log_loss)
        return [*rows, (self.words("brier"), brier), (self.words("log_loss"), loss)]

    def coverages(self) -> list[dict[str, Any]]:
        """The risk when all, 80 % and 60 % of the films are answered: the curve's nearest points that are at most a bar's width away."""
        curve = self.evaluation.evidence.abstention.curve if self.evaluation.evidence.abstention else ()
        rows = []
        for coverage in _COVERAGES:
            near = min(curve, key=lambda point: abs(point.coverage - coverage), default=None)
            if near is not None and abs(near.coverage - coverage) <= 0.05:
                rows.append(self._coverage(near))
        return rows

    def _coverage(self, point: RiskPoint) -> dict[str, Any]:
        return {
            "coverage": self.words.percent(point.coverage, 0),
            "threshold": self.words.percent(point.threshold),
            "risk": self.values.share(point.risk),
        }

    def conformal(self) -> dict[str, Any] | None:
        """The conformal sets: what is promised, what was found, and whether the promise was kept here."""
        sets = self.evaluation.evidence.abstention.conformal if self.evaluation.evidence.abstention else None
        if sets is None:
            return None
        level = self.words.percent(sets.level, 0)
        broken = sets.covered.high is not None and sets.covered.high < sets.level
        return {
            "note": self.words("conformal_note", level=level, threshold=self.words.percent(sets.threshold)),
            "broken": self.words("conformal_broken", level=level) if broken else "",
            "rows": [
                (self.words("conformal_covered", level=level), self.values.share(sets.covered)),
                (self.words("conformal_single"), self.values.share(sets.single)),
                (self.words("conformal_empty"), self.values.share(sets.empty)),
                (self.words("conformal_size"), self.values.labels_each(sets.mean_size)),
            ],
        }

    def plot(self, name: str) -> str:
        """An SVG plot: "roc", "pr", "reliability" or "risk"; "" when there is nothing to draw."""
        t, e = self.words, self.evaluation
        shared = {"name": name, "point": t.number(0.5, 1)[1]}
        if name in ("roc", "pr"):
            curves = [curve for curve in (e.roc if name == "roc" else e.precision_recall) if curve.x and _two_sided(e, curve.label)]
            described = "; ".join(self._described(curve.label, name) for curve in curves)
            draw = plots.roc if name == "roc" else plots.precision_recall
            text = {"x": t(f"{name}_x"), "y": t(f"{name}_y"), "chance": t("roc_chance"), "title": t(name), "description": described}
            return Markup(draw(curves, {**shared, **text})) if curves else ""  # noqa: S704
        if name == "reliability":
            ece = self.values.share(self.scores.ece)
            text = {"x": t("reliability_x"), "y": t("reliability_y"), "ideal": t("ideal"), "title": t(name)}
            described = f"{t('ece')}: {ece['value']} ({ece['span']})"
            drawn = plots.reliability(e.reliability, {**shared, **text, "description": described}) if e.reliability else ""
            return Markup(drawn)  # noqa: S704
        curve = e.evidence.abstention.curve if e.evidence.abstention else ()
        described = "; ".join(f"{row['coverage']}: {row['risk']['value']} ({row['risk']['span']})" for row in self.coverages())
        text = {"x": t("risk_x"), "y": t("risk_y"), "title": t("risk"), "description": described}
        return Markup(plots.risk_coverage(curve, {**shared, **text})) if curve else ""  # noqa: S704

    def _described(self, label: str, name: str) -> str:
        entry = next(entry for entry in self.scores.classes if entry.label == label)
        score, title = (entry.auc, "AUC") if name == "roc" else (entry.average_precision, self.words("ap"))
        return f"{label}: {title} {self.values.decimal(score)['value']} ({self.values.decimal(score)['span']})"

    def published(self) -> list[tuple[str, str, str]]:
        """Published scores for the children's pneumonia films, when these are their classes."""
        if set(self.evaluation.classes) != _PUBLISHED_FOR:
            return []
        return [(study, self.words(question), self.words.published(scores)) for study, question, scores in PUBLISHED]


def _two_sided(evaluation: Evaluation, label: str) -> bool:
    entry = next(entry for entry in evaluation.scores.classes if entry.label == label)
    return 0 < entry.n_films < evaluation.scores.n_films
