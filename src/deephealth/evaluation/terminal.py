"""An evaluation as a few lines for a terminal: every score with its interval and what it rests on."""

from __future__ import annotations

from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.results import Evaluation
from deephealth.evaluation.wording import Words
from deephealth.model.record import Estimate, ModelRecord


def evaluation_text(evaluation: Evaluation) -> str:
    """Notes, headline scores, one line a class, the frozen operating points, and what the films cannot show, as text."""
    scores, context = evaluation.scores, evaluation.context
    lines = [*context.notes, f"{context.split_name}: {scores.n_films} films of {scores.n_patients} patients; 95 % intervals over patients"]
    lines += [
        f"  {name:<18} {shown(interval)}"
        for name, interval in (
            ("balanced accuracy", scores.balanced_accuracy),
            ("accuracy", scores.accuracy),
            ("macro AUC", scores.macro_auc),
            ("ECE", scores.ece),
        )
    ]
    width = max(len(entry.label) for entry in scores.classes)
    for entry in scores.classes:
        counts = f"{entry.n_films} films, {entry.n_patients} patients"
        lines.append(
            f"  {entry.label:<{width}}  sensitivity {shown(entry.sensitivity)}  specificity {shown(entry.specificity)}  "
            f"AUC {shown(entry.auc)}  ({counts})"
        )
    for point in evaluation.operating_points:
        chosen = f"{' + '.join(point.chosen.positive)} at {point.chosen.name}"
        lines.append(f"  {chosen}: sensitivity {shown(point.sensitivity)}, specificity {shown(point.specificity)} here")
    if evaluation.refused:
        lines.append(
            f"  {len(evaluation.refused)} films refused by the novelty gate; they are in the scores above, and apart in the report"
        )
    lines += ["  " + Words("en").limit(limit.code, limit.values) for limit in evaluation.limits]
    return "\n".join(lines)


def validation_text(record: ModelRecord) -> str:
    """The score of the films that chose the operating points, from a model's record."""
    found = record.metrics["validation"]["balanced_accuracy"]
    films = f"{found.n_films} films of {found.n_patients} patients"
    return f"validation, where the operating points were chosen: {films}\n  balanced accuracy  {shown(found)}"


def shown(interval: Interval | Estimate) -> str:
    """A value with its interval, "unknown" where there is none."""
    if interval.value is None or interval.low is None or interval.high is None:
        return "unknown"
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
