"""Deep Health: a workbench for chest radiographs. For research, education and model evaluation; not a medical device.

The whole path is in `deephealth.pipeline`; read that first.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
# Since version 1.29 ONNX Runtime reports to its maker which models run and for how long, unless it is told not to before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
__all__ = ["compare", "evaluate", "load_model", "train"]

if TYPE_CHECKING:
    from deephealth.evaluation.comparison.run import compare
    from deephealth.pipeline import evaluate, load_model, train


def __getattr__(name: str) -> Any:
    # Late, so that `import deephealth` costs nothing and `deephealth --help` stays quick.
    if name in __all__:
        module = "deephealth.evaluation.comparison.run" if name == "compare" else "deephealth.pipeline"
        return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'deephealth' has no attribute {name!r}")
