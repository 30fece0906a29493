"""An evaluation as a few lines for a terminal: every score with its interval and what it rests on."""

from __future__ import annotations

from deephealth.evaluation.evidence import Evidence, ModelAudit
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.results import Evaluation
from deephealth.evaluation.shortcuts.probes import table_lines
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


def model_audit_text(found: ModelAudit) -> str:
    """The deep shortcut audit as lines: verdict, probes, the finished model on parts of the films, the heatmap's share in the lungs."""
    masks = f"; lungs: {found.masks}, {found.left_out} films left out" if found.masks else ""
    lines = [
        f"model audit: {found.sentence} ({found.n_films} films of {found.n_patients} patients{masks})",
        *([found.reason] if found.reason else []),
        *table_lines(found.probes),
    ]
    if found.identity:
        lines += ["what a film's features tell of its origin", *table_lines(found.identity)]
    for row in found.masked:
        lines.append(
            f"the model on {row.name}: accuracy {shown(row.accuracy)}, balanced {shown(row.balanced_accuracy)}, "
            f"same answer {shown(row.same_answer)}; the commonest label alone {row.chance:.3f}"
        )
    for energy in found.lung_energy:
        whose = f"of {energy.label}" if energy.label else "of all"
        lines.append(f"heatmap in the lungs, films {whose}: {shown(energy.inside)}; the lungs' share of the film {shown(energy.area)}")
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
