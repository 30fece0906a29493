"""Work in a process of its own: answers, errors of the same class, a process that falls over, a package that is absent."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from deephealth.errors import DeepHealthError, MissingExtra, ModelFileError
from deephealth.settings import own_process

_MODULE = """
import os, sys
from deephealth.errors import ModelFileError
from deephealth.settings import own_process

def answer(request):
    if request["do"] == "add":
        return {"sum": request["a"] + request["b"], "pid": os.getpid()}
    if request["do"] == "refuse":
        raise ModelFileError("The file has 3 layers, expected 2; export it again.")
    print("the last line", file=sys.stderr)
    os._exit(7)

if __name__ == "__main__":
    own_process.serve(answer)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "other_side.py").write_text(textwrap.dedent(_MODULE))
    return {"PYTHONPATH": f"{Path(own_process.__file__).parents[2]}:{tmp_path}"}


def test_it_answers_from_another_process(environment: dict[str, str]) -> None:
    import os

    answer = own_process.run("other_side", {"do": "add", "a": 2, "b": 3}, environment=environment)
    assert answer["sum"] == 5
    assert answer["pid"] != os.getpid()


def test_its_refusal_is_raised_here_as_the_same_kind(environment: dict[str, str]) -> None:
    with pytest.raises(ModelFileError, match="3 layers, expected 2"):
        own_process.run("other_side", {"do": "refuse"}, environment=environment)


def test_one_that_falls_over_is_told_with_its_last_line(environment: dict[str, str]) -> None:
    with pytest.raises(DeepHealthError, match=r"ended early with code 7 \(the last line\)"):
        own_process.run("other_side", {"do": "die"}, environment=environment)


def test_an_absent_package_names_the_extra(environment: dict[str, str]) -> None:
    with pytest.raises(MissingExtra, match=r"deephealth\[tensorflow\]"):
        own_process.run("other_side", {"do": "add"}, needs=("no_such_package_at_all",), environment=environment)
