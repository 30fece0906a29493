"""A comparison as an aligned table for a terminal, its verdict first."""

from __future__ import annotations

from collections.abc import Sequence

from deephealth.evaluation.comparison.results import Comparison, Difference
from deephealth.evaluation.comparison.sentences import ComparisonWords
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.wording import Language
from deephealth.inference.batch import printable


def comparison_text(found: Comparison, language: Language = "en") -> str:
    """Verdict, what the films cannot show, every score of both with its interval, who is right where, and the tests, as text."""
    t = ComparisonWords(language)
    size = t("n_of", films=t.count(found.n_films), patients=t.count(found.n_patients))
    lines = [*t.verdict(found), *(f"  {sentence}" for sentence in [*t.notes(found), *t.limits(found)]), ""]
    a, b = (printable(model.name) for model in (found.context.model_a, found.context.model_b))
    lines += [f"A: {a}   B: {b}   {size}", ""]
    heads = [t("score"), "A", "B", "B − A", "n"]
    lines += _table([heads, *(_row(entry, t) for entry in (found.primary, *found.differences))])
    lines += [f"  {t('one_score')}", "", t("moves")]
    heads = [t("class"), t("both_right"), t("only_a"), t("only_b"), t("neither")]
    lines += _table([heads, *([row.label, *map(t.count, (row.both, row.only_a, row.only_b, row.neither))] for row in found.moves)])
    lines += ["", *_points(found, t), *tests(found, t)]
    return "\n".join(line.rstrip() for line in lines)


def tests(found: Comparison, t: ComparisonWords) -> list[str]:
    """The tests and the agreement, one sentence each."""
    sentences = []
    if found.auc_tests:
        shown = "; ".join(f"{test.label}: p {t.p_value(test.p)}" for test in found.auc_tests)
        sentences.append(f"{t('delong_clustered' if found.auc_tests[0].clustered else 'delong_plain')} {shown}.")
    else:
        sentences.append(t("no_delong"))
    return [*sentences, *agreement(found, t)]


def agreement(found: Comparison, t: ComparisonWords) -> list[str]:
    """McNemar's test, or why it is not shown, and Cohen's kappa, as sentences."""
    exact, kappa = found.mcnemar, found.kappa
    n = t("n_of", films=t.count(kappa.n_films), patients=t.count(kappa.n_patients))
    first = t("no_mcnemar") if exact is None else t("mcnemar", a=t.count(exact.only_a), b=t.count(exact.only_b), p=t.p_value(exact.p))
    return [first, t("no_kappa") if kappa.value is None else t("kappa", range=shown(kappa, t), n=n)]


def shown(interval: Interval, t: ComparisonWords) -> str:
    """A score with its interval: 0.812 [0.771; 0.850]."""
    if interval.value is None:
        return "–"
    ends = "–" if interval.low is None or interval.high is None else f"{t.number(interval.low)}; {t.number(interval.high)}"
    return f"{t.number(interval.value)} [{ends}]"


def _row(entry: Difference, t: ComparisonWords) -> list[str]:
    difference = entry.difference
    if difference.value is None or difference.low is None or difference.high is None:
        change = "–" if difference.value is None else t.signed(difference.value, 3) + " [–]"
    else:
        change = f"{t.signed(difference.value, 3)} [{t.signed(difference.low, 3)}; {t.signed(difference.high, 3)}]"
    n = f"{t.count(difference.n_films)} / {t.count(difference.n_patients)}"
    return [t.score(entry), shown(entry.a, t), shown(entry.b, t), change, n]


def _points(found: Comparison, t: ComparisonWords) -> list[str]:
    if not found.points:
        return [t("no_points"), ""]
    heads = [t("point"), t("positives"), t("negatives"), t("nri")]
    rows = [
        [
            f"{t.point(row.name)}, {t.labels(row.positive)}",
            t("moved", up=t.count(row.up_positive), down=t.count(row.down_positive), n=t.count(row.n_positive)),
            t("moved", up=t.count(row.up_negative), down=t.count(row.down_negative), n=t.count(row.n_negative)),
            t.points(row.nri),
        ]
        for row in found.points
    ]
    return [t("points"), *_table([heads, *rows]), ""]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
