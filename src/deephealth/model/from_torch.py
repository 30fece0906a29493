"""From a trained torch network to the ONNX backbone that ships, and the check that both answer alike.

The network is traced in evaluation mode, where batch normalisation is a multiplication and an addition for each channel, and these are
folded into the convolutions: by the exporter for torch's own layers, by ONNX Runtime's basic optimiser for Keras's, whose traced batch
normalisation is plain arithmetic between transpositions.
"""

from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deephealth.errors import ModelFileError, ParityError
from deephealth.features import graph
from deephealth.features.adopt import backbone_from_network
from deephealth.features.backbones import Backbone, make_backbone

if TYPE_CHECKING:
    import onnx

    from deephealth.model.heads import LinearHead

PARITY_LIMIT = 1e-4
"""Largest difference of a class probability between the torch network and the exported file."""
_INPUT, _OUTPUT = "normalised", "feature_maps"
_PASSES = 6  # of the optimiser; three have been enough for every network tried
_UNFOLDED = ("Cast", "Identity", "Constant", "Sub", "Transpose", "Shape")


def backbone_of(
    network: nn.Module,
    *,
    name: str,
    size: int,
    standardise: bool,
    mean: float = 0.0,
    scale: float = 1.0,
    seen: NDArray[np.uint8] | None = None,
    licence: str = "unknown",
    provenance: str = "",
) -> Backbone:
    """The backbone that squashes a grey film to `size` px, normalises it and runs `network` ([1, 1, size, size] -> [1, d, g, g]).

    The arguments on normalisation are those of `features.graph.build_preprocess`. The same network gives the same bytes. Raises
    ModelFileError when the network cannot be exported.
    """
    model = backbone_from_network(network_graph(network, size), size=size, mean=mean, scale=scale, standardise=standardise)
    return make_backbone(model, name=name, size=size, licence=licence, provenance=provenance, seen=seen)


def network_graph(network: nn.Module, size: int) -> onnx.ModelProto:
    """`network` alone, from `normalised` [1, 1, size, size] to `feature_maps` [1, d, g, g], batch normalisation folded where possible."""
    model = _traced(network, size)
    if any(node.op_type in _UNFOLDED for node in model.graph.node):
        model = _simplified(model)
    return _anonymous(model.graph, size)


def check_parity(
    backbone: Backbone,
    head: LinearHead,
    network: nn.Module,
    normalise: Callable[[Tensor], Tensor],
    films: Sequence[NDArray[np.uint8]],
    limit: float = PARITY_LIMIT,
) -> float:
    """The largest difference of a class probability between torch and ONNX Runtime over `films` (uint8 [H, W]), each at three sizes.

    Raises ParityError when it is not below `limit`.
    """
    session = graph.open_session(backbone.model)
    largest = 0.0
    for film in itertools.chain.from_iterable(map(_at_sizes, films)):
        features = graph.run_features(session, film)
        with torch.no_grad():
            grey = torch.from_numpy(graph.resize_film(film, backbone.size))[None, None]
            expected = network(normalise(grey)).mean((2, 3)).numpy()
        difference = np.abs(_probabilities(head, features[None]) - _probabilities(head, expected)).max()
        largest = float(np.maximum(largest, difference))  # keeps NaN
    if not largest < limit:
        raise ParityError(
            f"The exported network's probabilities differ by {largest:.2g} from the trained network's, expected less than {limit:g}; "
            "the model was not written, please report it with the architecture's name."
        )
    return largest


def _at_sizes(film: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
    return film, np.ascontiguousarray(film[::2, ::3]), np.repeat(np.repeat(film, 3, axis=0), 2, axis=1)


def _probabilities(head: LinearHead, features: NDArray[np.float32]) -> NDArray[np.float64]:
    logits = head.logits(features).astype(np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _traced(network: nn.Module, size: int) -> onnx.ModelProto:
    import onnx

    network.eval()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter needs no package but onnx and folds batch normalisation; torch advertises its successor at every call.
        warnings.simplefilter("ignore")
        file = str(Path(folder) / "network.onnx")
        torch.onnx.export(
            network,
            (torch.zeros(1, 1, size, size),),
            file,
            dynamo=False,
            opset_version=graph.OPSET,
            input_names=[_INPUT],
            output_names=[_OUTPUT],
        )
        return onnx.load(file)


def _simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """Let ONNX Runtime fold constants, drop transpositions and fuse Mul and Add into convolutions, until nothing changes."""
    for _ in range(_PASSES):
        before = len(model.graph.node)
        model = _optimised(model)
        _subtractions_to_additions(model.graph)
        if len(model.graph.node) == before:
            break
    unknown = sorted({node.domain for node in model.graph.node} - {"", "ai.onnx"})
    if unknown:
        raise ModelFileError(
            f"The exported network uses operators of {unknown[0]}, expected standard ONNX; use another version of onnxruntime."
        )
    return model


def _optimised(model: onnx.ModelProto) -> onnx.ModelProto:
    import onnx
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "network.onnx")
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def _subtractions_to_additions(network: onnx.GraphProto) -> None:
    """x - c as x + (-c), which the optimiser fuses into a convolution."""
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in network.initializer}
    for node in network.node:
        if node.op_type == "Sub" and node.input[1] in constants:
            name = f"minus/{node.input[1]}"
            if name not in constants:
                constants[name] = numpy_helper.from_array(-numpy_helper.to_array(constants[node.input[1]]), name)
                network.initializer.append(constants[name])
            node.op_type, node.input[1] = "Add", name


def _anonymous(network: onnx.GraphProto, size: int) -> onnx.ModelProto:
    """The graph with numbers for names, so that its bytes hold nothing of where it was traced."""
    import onnx
    from onnx import TensorProto, helper

    pruned = graph.prune(network, [_OUTPUT])
    names = {_INPUT: _INPUT, _OUTPUT: _OUTPUT, "": ""}
    constants: list[onnx.TensorProto] = []
    for tensor in pruned.initializers:
        names[tensor.name] = f"c{len(constants)}"
        constants.append(onnx.TensorProto())
        constants[-1].CopyFrom(tensor)
        constants[-1].name = names[tensor.name]
        constants[-1].doc_string = ""
    nodes = []
    for node in pruned.nodes:
        for output in node.output:
            names.setdefault(output, f"n{len(names)}")
        nodes.append(onnx.NodeProto())
        nodes[-1].CopyFrom(node)
        nodes[-1].name = nodes[-1].doc_string = ""
        nodes[-1].input[:] = [names[name] for name in node.input]
        nodes[-1].output[:] = [names[name] for name in node.output]
    film = helper.make_tensor_value_info(_INPUT, TensorProto.FLOAT, [1, 1, size, size])
    output = helper.make_tensor_value_info(_OUTPUT, TensorProto.FLOAT, None)
    return graph.assemble(helper.make_graph(nodes, "network", [film], [output], constants))
