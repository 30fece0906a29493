"""An evaluation as a few lines for a terminal: every score with its interval and what it rests on."""

from __future__ import annotations

from deephealth.evaluation.evidence import Evidence
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.results import Evaluation
from deephealth.evaluation.wording import Words
from deephealth.model.record import Estimate, ModelRecord

_COVERAGE = 0.6


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
    lines += _evidence_lines(evaluation.evidence)
    lines += ["  " + Words("en").limit(limit.code, limit.values) for limit in evaluation.limits]
    return "\n".join(lines)


def _evidence_lines(evidence: Evidence) -> list[str]:
    """What a reader asks first beyond the scores: the leakage gap, probable label errors, what leaving films unanswered gains."""
    lines = []
    gap = evidence.leakage_gap
    if gap is not None and gap.reason:
        lines.append(f"  leakage gap: not measured. {gap.reason}")
    elif gap is not None:
        row = next((row for row in gap.rows if row.score == "balanced_accuracy"), None)
        if row is not None:
            lines.append(
                f"  leakage gap: a split by film would add {shown(row.difference)} to the balanced accuracy "
                f"({shown(row.by_film)} by film, {shown(row.by_patient)} by patient; {gap.n_films} films, cross-validated)"
            )
    errors = evidence.label_errors
    if errors is not None and not errors.reason:
        lines.append(f"  label errors: {errors.found} of {errors.n_films} films to look at, listed in the report; a hint, no verdict")
    if evidence.abstention is not None:
        point = min(evidence.abstention.curve, key=lambda point: abs(point.coverage - _COVERAGE))
        lines.append(f"  abstention: answering only the surest {point.coverage:.0%} of films, {shown(point.risk)} of the answers are wrong")
    return lines


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
