"""Tiny model files for the tests of this folder."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The module tests/model/tiny.py: backbones, heads and whole model files small enough to check by hand."""
    spec = importlib.util.spec_from_file_location("deephealth_tests_tiny", Path(__file__).parents[1] / "model" / "tiny.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
