"""What an evaluation belongs to: model, films, seed, versions, and the command to make it again."""

from __future__ import annotations

import importlib.metadata
import platform

from deephealth import __version__
from deephealth.datasets.index import DatasetIndex
from deephealth.evaluation.results import EvaluationContext, Problem
from deephealth.model.file import Model

_PACKAGES = ("numpy", "onnxruntime", "scikit-learn")


def make_context(model: Model, index: DatasetIndex, *, seed: int, command: str = "") -> EvaluationContext:
    """The context of judging `model` on films of `index`; split, leakage, audit and notes are for the caller to add."""
    return EvaluationContext(
        model_name=model.record.name,
        model_sha256=model.sha256,
        data_name=index.root.name,
        data_sha256=index.sha256,
        seed=seed,
        temperature=model.record.temperature,
        problems=tuple(Problem(problem.name, problem.reason) for problem in index.problems),
        versions=versions(),
        command=command,
        limits=model.record.limits,
        licence=model.record.licence,
    )


def versions() -> dict[str, str]:
    """Deep Health, Python, and the packages that decide numbers, each with its version; nothing is imported for it."""
    return {
        "deephealth": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }
