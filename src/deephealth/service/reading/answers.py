"""From what a worker answered to what the API sends: the model's frozen rules applied, every sentence in the language asked for."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from fastapi.concurrency import run_in_threadpool

from deephealth.evaluation.wording import Language, Words
from deephealth.service.answering.results import Answer, CannotAnswer, Facts
from deephealth.service.context import Services
from deephealth.service.models import registry
from deephealth.service.reading.heatmaps import to_token
from deephealth.service.reading.schemas import Conformal, Heatmap, Prediction, Reliability, Timings, Verdict
from deephealth.service.schemas import Estimate
from deephealth.service.store.models import ModelRow

CLOSE = 0.2
"""Two probabilities nearer than this make an answer uncertain, where the model has no rule for sets of labels."""


@dataclass(frozen=True)
class Judge:
    """One model's rules. bins: how often answers of each degree of certainty were right on the model's own test films, or ()."""

    model: ModelRow
    record: Mapping[str, Any]
    bins: Sequence[Reliability]

    @property
    def labels(self) -> list[str]:
        """The labels, in the order of the outputs."""
        return list(self.record["labels"])

    def prediction(self, answer: Answer, file: str, total_ms: float, language: Language) -> Prediction:
        """The answer to one film as the API sends it. total_ms: with the waiting."""
        conformal = self._conformal(answer.probabilities)
        return Prediction(
            file=file,
            sha256=answer.sha256,
            width=answer.width,
            height=answer.height,
            kind=answer.kind,
            label=answer.label,
            probabilities=answer.probabilities,
            novelty=answer.novelty,
            novelty_threshold=self.record["novelty_threshold"],
            refused=answer.refused,
            reason=Words(language).reason(answer.reason),
            reason_code="tags" if answer.objections else "novelty" if answer.refused else "",
            error=False,
            conformal=conformal,
            uncertain=len(conformal.labels) > 1 if conformal else _close(answer.probabilities.values()),
            operating_points=[_verdict(point, answer.probabilities) for point in self.record["operating_points"]],
            reliability=self._reliability(answer.probabilities[answer.label]),
            heatmap=self._heatmap(answer),
            warnings=[Words(language).reason(warning) for warning in answer.warnings],
            model=answer.model,
            timings_ms=Timings(read=answer.read_ms, run=answer.run_ms, total=round(total_ms, 2)),
        )

    def unreadable(self, problem: CannotAnswer, file: str, total_ms: float, language: Language) -> Prediction:
        """What is sent in place of an answer to a film that could not be read, among others."""
        return Prediction(
            file=file,
            sha256="",
            width=0,
            height=0,
            kind="",
            label="",
            probabilities={},
            novelty=None,
            novelty_threshold=self.record["novelty_threshold"],
            refused=True,
            reason=Words(language).reason(problem.sentence),
            reason_code=problem.code,
            error=True,
            conformal=None,
            uncertain=False,
            operating_points=[],
            reliability=None,
            heatmap=None,
            warnings=[],
            model=self.model.id,
            timings_ms=Timings(read=0, run=0, total=round(total_ms, 2)),
        )

    def _conformal(self, probabilities: Mapping[str, float]) -> Conformal | None:
        rule = self.record.get("conformal")
        if rule is None:
            return None
        inside = [label for label, probability in probabilities.items() if probability >= rule["threshold"]]
        return Conformal(level=rule["level"], labels=inside)

    def _reliability(self, certainty: float) -> Reliability | None:
        return next((bin for bin in self.bins if certainty <= bin.high), None)

    def _heatmap(self, answer: Answer) -> Heatmap:
        scale = float(self.record["heatmap_scale"])
        some = next(iter(answer.heatmap.values()))
        tokens = {label: to_token(cells, scale, answer.width, answer.height) for label, cells in answer.heatmap.items()}
        return Heatmap(
            grid=(len(some), len(some[0])),
            scale=scale,
            values=answer.heatmap,
            links={label: f"/api/v1/heatmaps/{token}.png" for label, token in tokens.items() if token},
        )


async def judge_of(services: Services, model: ModelRow) -> Judge:
    """The rules of a model. CannotAnswer("model") when its file is not usable."""
    facts: Facts = await services.pool.describe(registry.path_of(services, model))
    bins = () if model.evaluation is None else await run_in_threadpool(_reliability_bins, services.blobs.path(model.evaluation))
    return Judge(model, facts["record"], bins)


@functools.lru_cache(maxsize=32)
def _reliability_bins(evaluation: Path) -> tuple[Reliability, ...]:
    """The reliability of a model's answers on its own test films, from its evaluation, a file named by its content; () where it has none.

    The evaluation keeps the mean certainty of each bin; a bin reaches half way to the next.
    """
    try:
        found = json.loads(evaluation.read_bytes())["reliability"]
    except (FileNotFoundError, KeyError, ValueError):
        return ()
    centres = [bin["confidence"] for bin in found]
    edges = [0.0, *((a + b) / 2 for a, b in pairwise(centres)), 1.0]
    return tuple(
        Reliability(low=low, high=high, correct=Estimate.of(bin["correct"]))
        for bin, (low, high) in zip(found, pairwise(edges), strict=True)
    )


def _close(probabilities: Any) -> bool:
    first, second = sorted(probabilities, reverse=True)[:2]
    return bool(first - second < CLOSE)


def _verdict(point: Mapping[str, Any], probabilities: Mapping[str, float]) -> Verdict:
    total = min(1.0, sum(probabilities[label] for label in point["positive"]))
    return Verdict(
        name=point["name"],
        positive=list(point["positive"]),
        threshold=point["threshold"],
        probability=round(total, 7),
        verdict="positive" if total >= point["threshold"] else "negative",
        sensitivity=Estimate.of(point["sensitivity"]),
        specificity=Estimate.of(point["specificity"]),
    )
