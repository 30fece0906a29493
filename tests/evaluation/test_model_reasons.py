"""Why a file is refused as a model is said in Spanish too, for sentences as the code makes them."""

from __future__ import annotations

import re

import pytest
from onnx import TensorProto, helper

from deephealth.errors import ModelFileError
from deephealth.evaluation.texts.model_reasons import MODEL_REASONS
from deephealth.evaluation.texts.reasons import in_spanish
from deephealth.model.file import Model


def _without_record() -> bytes:
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["h", "w"])
    same = helper.make_tensor_value_info("same", TensorProto.UINT8, ["h", "w"])
    graph = helper.make_graph([helper.make_node("Identity", ["image"], ["same"])], "graph", [image], [same])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 8
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("data", [b"no model at all", b"", _without_record()])
def test_files_that_are_no_models(data: bytes) -> None:
    with pytest.raises(ModelFileError) as refused:
        Model.load(data)
    said = in_spanish(str(refused.value))
    assert said != str(refused.value)
    assert not re.search(r"\b(the|is|file)\b", said), said
    assert "  " not in said


def test_every_gap_of_the_spanish_is_one_of_the_english() -> None:
    for english, spanish in MODEL_REASONS:
        groups = re.compile(english).groups
        assert set(map(int, re.findall(r"\\(\d)", spanish))) <= set(range(1, groups + 1)), english
