"""The deep shortcut audit: what the model's own backbone can tell from parts of the films, and what the finished model makes of them.

Two questions. Could such a model be trained without lungs? Heads of the model's kind are trained and tested, by patient, on the backbone's
features of films of which only a part is left. Does this one rely on more than lungs? The finished model is asked about films whose lungs,
or all but the lungs, are hidden, and how much of its heatmap lies in the lungs (Zech et al. 2018, PLoS Medicine 15(11);
DeGrave, Janizek and Lee 2021, Nature Machine Intelligence 3; see docs/audit.md).

Lungs are hidden by one shape for all films (`regions.common_lungs`), which border and corners are without too: see `light`. For the
probes, what is hidden is black; they are made a second time with the mean of all films in its place, and a verdict that changes is said in
`reason`. For the finished model it is the mean film alone: a film half black is so unlike all films that a model mostly gives one and the
same answer to all of them, the one that cheats and the one that does not (figures in docs/audit.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from deephealth.datasets.index import Film
from deephealth.evaluation.evaluate import score_predictions
from deephealth.evaluation.evidence import LungEnergy, MaskedScore, ModelAudit
from deephealth.evaluation.intervals import PatientBootstrap
from deephealth.evaluation.metrics import Floats, Ints
from deephealth.evaluation.shortcuts import provenance
from deephealth.evaluation.shortcuts.answers import (
    BLACK,
    LUNG_FREE,
    MEAN,
    ONLY_LUNGS,
    Answer,
    Seen,
    ask_parts,
    features_of,
    look_at,
    parts,
    sample_films,
    select,
)
from deephealth.evaluation.shortcuts.light import BLACKED_OUT, BORDER, SIZE, TOP, WHOLE, binned, picture_size
from deephealth.evaluation.shortcuts.masks import mask_source
from deephealth.evaluation.shortcuts.probes import DRAWS, SENTENCES, UNKNOWN, ProbeResult, Trial, decide, why_not
from deephealth.model.file import Model
from deephealth.training.events import EventListener, StageStarted, ignore
from deephealth.training.heads import Examples, fit_head, softmax
from deephealth.training.recipe import HeadSettings

MOST_FILMS = 1000
"""Films asked unless told otherwise. On 960 phantoms of 480 patients a probe of shuffled labels has a standard deviation of 0.02 in AUC."""
# Of each part: its name as an input of a probe, and as an input of the finished model.
_MASKED = {WHOLE: WHOLE, ONLY_LUNGS: ONLY_LUNGS, BLACKED_OUT: "without lungs", BORDER: "only border", TOP: "only corners"}


def audit_model(
    model: Model,
    films: Sequence[Film],
    *,
    masks: str | Path | None = None,
    split: Mapping[str, str] | None = None,
    most_films: int = MOST_FILMS,
    seed: int = 0,
    threads: int = 1,
    draws: int = DRAWS,
    listener: EventListener = ignore,
) -> ModelAudit:
    """Audit `model` on `films`, which it should not have learned from; films of labels that it does not know are left aside.

    masks: a folder of lung masks (`masks.mask_source`); default: the lung finder. split: each film's name to "train", "validation" or
    "test" (default: the official split in the data set). At most `most_films` films are asked, drawn by patient, each class in its share.
    The model runs nine times a film. Films that cannot be read or show no plausible lungs are left out and counted; when those are
    most, the parts that need lungs are not made. Raises UsageError for a folder without masks.
    """
    chosen = sample_films([film for film in films if film.label in model.labels], most_films, seed)
    if reason := why_not(_labels(model, chosen), [film.patient for film in chosen]):
        return ModelAudit(UNKNOWN, SENTENCES[UNKNOWN], (), (), (), (), len(chosen), _patients(chosen), reason=reason)
    source = mask_source(chosen, masks)
    listener(StageStarted("model audit", f"{len(chosen)} of {len(films)} films, parts of them hidden; lung masks: {source.kind}"))
    seen = select(chosen, look_at(model, chosen, source, threads, listener))
    if reason := why_not(_labels(model, seen.films), seen.patients):
        return ModelAudit(UNKNOWN, SENTENCES[UNKNOWN], (), (), (), (), len(seen.films), _patients(seen.films), reason=reason)
    answers = ask_parts(model, seen, threads, listener)
    y = _labels(model, seen.films)
    probes, told = _probes(model, seen, answers, y, seed, draws)
    verdict = decide(probes)
    identity = provenance.guess_origins(features_of(answers, WHOLE), y, seen.films, split=split, seed=seed, draws=draws)
    return ModelAudit(
        verdict=verdict,
        sentence=SENTENCES[verdict],
        probes=probes,
        identity=identity,
        masked=_masked(model, seen, answers, y, seed, draws),
        lung_energy=_energies(model, seen, answers, seed, draws),
        n_films=len(seen.films),
        n_patients=_patients(seen.films),
        left_out=len(chosen) - len(seen.films),
        masks=source.kind if seen.shape is not None else "",
        reason=" ".join([*seen.notes, *told]),
    )


def _probes(
    model: Model, seen: Seen, answers: Sequence[Answer], y: Ints, seed: int, draws: int
) -> tuple[tuple[ProbeResult, ...], tuple[str, ...]]:
    """The probes with black for what is hidden, and what must be said of those with the mean film.

    The scores are those of heads of the model's kind, the null is the ridge's, since a hundred heads an input would take hours. On features
    of the shipped backbone (180 phantoms) the AUC on shuffled labels varies alike: standard deviation 0.052 for ridge (100 shuffles), 0.052
    for logistic heads (40), 0.056 for dense ones (12).
    """
    trial = Trial(y, seen.patients, seed=seed, draws=draws)
    settings = _head_settings(model)

    def ask(name: str, rest: str, whole: float | None) -> ProbeResult:
        features = features_of(answers, name, rest)
        scores = _head_scores(features, trial, settings, seed)
        return trial.ask(name, features, lung_free=name in LUNG_FREE, whole=whole, scores=scores)

    first = ask(WHOLE, BLACK, None)
    whole = first.auc.value
    found = {rest: [ask(name, part_rest, whole) for name, part_rest in parts(seen)[1:] if part_rest == rest] for rest in (BLACK, MEAN)}
    width, height, size = np.array([look.size for look in seen.looks], dtype=np.float64).T
    facts = {
        SIZE: (picture_size(width, height), True),
        "grey levels": (np.stack([look.levels for look in seen.looks]), False),
        "file size": (binned(np.log(size)[:, None]), False),
    }
    others = [trial.ask(name, features, lung_free=free, whole=whole) for name, (features, free) in facts.items()]
    black, mean = ((first, *found[rest], *others) for rest in (BLACK, MEAN))
    if decide(black) == decide(mean):
        return black, ()
    return black, (f"With the mean film in place of black, the verdict would be: {SENTENCES[decide(mean)]}.",)


def _head_settings(model: Model) -> HeadSettings:
    """How a head of the model's kind is fitted."""
    head, recipe = model.record.head, model.record.training.recipe.get("head", {})
    if head.kind == "dense":
        return HeadSettings(kind="dense", hidden=head.hidden or HeadSettings().hidden)
    return HeadSettings(kind="softmax" if recipe.get("kind") == "softmax" else "logistic")


def _head_scores(features: Floats, trial: Trial, settings: HeadSettings, seed: int) -> Floats | None:
    """Probabilities [n, C] of every film by a head fitted on the other folds; None when a class is absent from some of them."""
    x = features.astype(np.float32)
    scores = np.empty((len(x), trial.classes))
    for number in np.unique(trial.fold):
        out, kept = trial.fold == number, trial.fold != number
        if len(np.unique(trial.y[kept])) < trial.classes:
            return None
        head = fit_head(Examples(x[kept], trial.y[kept]), classes=trial.classes, settings=settings, seed=seed)
        scores[out] = softmax(head.logits(x[out]))
    return scores


def _masked(model: Model, seen: Seen, answers: Sequence[Answer], y: Ints, seed: int, draws: int) -> tuple[MaskedScore, ...]:
    """The finished model's scores on each part of the films, the mean film in place of the rest."""
    bootstrap = PatientBootstrap(seen.patients, draws=draws, seed=seed)
    whole = np.array([answer.probabilities[WHOLE, BLACK].argmax() for answer in answers])
    chance = float(np.bincount(y).max() / len(y))
    found = []
    for name, rest in parts(seen):
        if rest == BLACK and name != WHOLE:
            continue
        p = np.stack([answer.probabilities[name, rest] for answer in answers])
        scores = score_predictions(p, y, seen.patients, model.labels, draws=draws, seed=seed).scores
        same = bootstrap.proportion(p.argmax(axis=1) == whole, np.ones(len(y), dtype=bool))
        found.append(MaskedScore(_MASKED[name], scores.accuracy, scores.balanced_accuracy, same, chance))
    return tuple(found)


def _energies(model: Model, seen: Seen, answers: Sequence[Answer], seed: int, draws: int) -> tuple[LungEnergy, ...]:
    """How much of the evidence for the answer lies in the lungs: over all films, then over those of each label."""
    if seen.shape is None:
        return ()
    inside = np.array([answer.energy for answer in answers])
    area = np.array([look.lungs.mean() for look in seen.looks if look.lungs is not None])
    labels = np.array([film.label for film in seen.films])
    found = []
    for label in ("", *model.labels):
        chosen = np.nonzero(~np.isnan(inside) & ((labels == label) | (label == "")))[0]
        if len(chosen):
            bootstrap = PatientBootstrap([seen.patients[i] for i in chosen], draws=draws, seed=seed)
            found.append(LungEnergy(label, bootstrap.mean(inside[chosen]), bootstrap.mean(area[chosen])))
    return tuple(found)


def _labels(model: Model, films: Sequence[Film]) -> Ints:
    number = {label: k for k, label in enumerate(model.labels)}
    return np.array([number[film.label] for film in films], dtype=np.int64)


def _patients(films: Sequence[Film]) -> int:
    return len({film.patient for film in films})
