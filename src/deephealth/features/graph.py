"""The one place where preprocessing is drawn as ONNX nodes, and where a network becomes a backbone.

A backbone graph takes `image`, uint8 [H, W] (or [H, W, 3]) of any size, squashes it to the network's square with an antialiased
linear resize (never cropped, never padded), normalises it, runs the network and gives `feature_map` [d, g, g] and `features` [d], its
spatial mean. Whoever trains a network gets the very same pixels from `resize_film`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import ModelFileError

if TYPE_CHECKING:
    import onnx

OPSET = 19
IR_VERSION = 10
STANDARDISE_EPSILON = 1.0
"""Added to the variance (in squared grey levels of 0..255) before the square root when a film is standardised: a blank film stays blank
instead of becoming amplified rounding noise, and a film of the usual spread (sd 50) changes by 0.02 %."""

Constant = float | Sequence[float]


@dataclass(frozen=True, eq=False)
class Fragment:
    """A piece of a graph: nodes in running order and the constants they use."""

    nodes: tuple[onnx.NodeProto, ...]
    initializers: tuple[onnx.TensorProto, ...]


def initializer(name: str, values: Any, dtype: type = np.float32) -> onnx.TensorProto:
    """A named constant tensor."""
    from onnx import numpy_helper

    return numpy_helper.from_array(np.ascontiguousarray(np.asarray(values, dtype=dtype)), name)


def build_preprocess(
    size: int,
    channels: int = 1,
    mean: Constant = 0.0,
    scale: Constant = 1.0,
    standardise: bool = False,
    *,
    image: str = "image",
    output: str = "normalised",
) -> Fragment:
    """Nodes from `image` (uint8 [H, W], or [H, W, 3] when `channels` is 3) to `output` (float32 [1, C, size, size]).

    Without `standardise`: (x - mean) * scale, x in 0..255. `mean` and `scale` are numbers, or one number for each channel of the network;
    three numbers turn a grey film into three channels. With `standardise` they are ignored: (x - m) / sqrt(v + 1), where m and v are the
    mean and variance over the resized film (STANDARDISE_EPSILON).
    """
    resize = _resize(size, channels, image)
    normalise = _standardise(output) if standardise else _normalise(mean, scale, output)
    return Fragment(resize.nodes + normalise.nodes, resize.initializers + normalise.initializers)


def _resize(size: int, channels: int, image: str) -> Fragment:
    from onnx import helper

    if channels not in (1, 3):
        raise ValueError(f"a film has 1 or 3 channels, not {channels}")
    nodes = [helper.make_node("Cast", [image], ["preprocess/float"], to=1)]
    constants = [initializer("preprocess/size", [size, size], np.int64)]
    if channels == 1:
        constants.append(initializer("preprocess/axes", [0, 1], np.int64))
        nodes.append(helper.make_node("Unsqueeze", ["preprocess/float", "preprocess/axes"], ["preprocess/film"]))
    else:
        constants.append(initializer("preprocess/axes", [0], np.int64))
        nodes.append(helper.make_node("Transpose", ["preprocess/float"], ["preprocess/planes"], perm=[2, 0, 1]))
        nodes.append(helper.make_node("Unsqueeze", ["preprocess/planes", "preprocess/axes"], ["preprocess/film"]))
    how: dict[str, Any] = {
        "mode": "linear",
        "antialias": 1,
        "coordinate_transformation_mode": "half_pixel",
        "axes": [2, 3],
        "exclude_outside": 1,
    }
    nodes.append(helper.make_node("Resize", ["preprocess/film", "", "", "preprocess/size"], ["preprocess/resized"], **how))
    return Fragment(tuple(nodes), tuple(constants))


def _normalise(mean: Constant, scale: Constant, output: str) -> Fragment:
    from onnx import helper

    constants = (_per_channel("preprocess/mean", mean), _per_channel("preprocess/scale", scale))
    nodes = (
        helper.make_node("Sub", ["preprocess/resized", "preprocess/mean"], ["preprocess/centred"]),
        helper.make_node("Mul", ["preprocess/centred", "preprocess/scale"], [output]),
    )
    return Fragment(nodes, constants)


def _per_channel(name: str, values: Constant) -> onnx.TensorProto:
    return initializer(name, np.atleast_1d(np.asarray(values, dtype=np.float64)).reshape(1, -1, 1, 1))


def _standardise(output: str) -> Fragment:
    from onnx import helper

    constants = (initializer("preprocess/all", [1, 2, 3], np.int64), initializer("preprocess/epsilon", STANDARDISE_EPSILON))
    nodes = (
        helper.make_node("ReduceMean", ["preprocess/resized", "preprocess/all"], ["preprocess/mean"]),
        helper.make_node("Sub", ["preprocess/resized", "preprocess/mean"], ["preprocess/centred"]),
        helper.make_node("Mul", ["preprocess/centred", "preprocess/centred"], ["preprocess/squared"]),
        helper.make_node("ReduceMean", ["preprocess/squared", "preprocess/all"], ["preprocess/variance"]),
        helper.make_node("Add", ["preprocess/variance", "preprocess/epsilon"], ["preprocess/floored"]),
        helper.make_node("Sqrt", ["preprocess/floored"], ["preprocess/sd"]),
        helper.make_node("Div", ["preprocess/centred", "preprocess/sd"], [output]),
    )
    return Fragment(nodes, constants)


def resize_film(pixels: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """The film as the network sees it before normalisation: float32 [size, size] in 0..255 ([3, size, size] for a film [H, W, 3]).

    Run by ONNX Runtime through the nodes of `build_preprocess`, so these are the pixels that a backbone graph computes, to the bit.
    """
    (resized,) = _resize_session(size, pixels.ndim).run(["resized"], {"image": pixels})
    return np.asarray(resized)


@functools.lru_cache(maxsize=16)
def _resize_session(size: int, ndim: int) -> Any:
    from onnx import TensorProto, helper

    fragment = _resize(size, 1 if ndim == 2 else 3, "image")
    axes = [0, 1] if ndim == 2 else [0]
    squeeze = helper.make_node("Squeeze", ["preprocess/resized", "preprocess/batch"], ["resized"])
    shape: list[int] = [size, size] if ndim == 2 else [3, size, size]
    graph = helper.make_graph(
        [*fragment.nodes, squeeze],
        "resize",
        [image_input(1 if ndim == 2 else 3)],
        [helper.make_tensor_value_info("resized", TensorProto.FLOAT, shape)],
        [*fragment.initializers, initializer("preprocess/batch", axes, np.int64)],
    )
    return open_session(assemble(graph).SerializeToString())


def image_input(channels: int) -> onnx.ValueInfoProto:
    """The graph input `image`: uint8 ["H", "W"], or ["H", "W", 3] for a colour model."""
    from onnx import TensorProto, helper

    shape: list[str | int] = ["H", "W"] if channels == 1 else ["H", "W", 3]
    return helper.make_tensor_value_info("image", TensorProto.UINT8, shape)


def assemble(graph: onnx.GraphProto) -> onnx.ModelProto:
    """A model around `graph`, always of the same opset, IR version and producer."""
    from onnx import helper

    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="deephealth")


def serialise(model: onnx.ModelProto) -> bytes:
    """The model's bytes; equal models give equal bytes."""
    return bytes(model.SerializeToString(deterministic=True))


def open_session(model: bytes, threads: int = 1) -> Any:
    """An ONNX Runtime session on the CPU with `threads` threads inside one run; several threads may call its `run` at once.

    Raises ModelFileError when ONNX Runtime does not accept the graph.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A thread that spins while it waits takes the processor from the thread that decodes the next film.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        if _is_runtime(error):
            raise _refusal(error) from error
        raise


def _is_runtime(error: Exception) -> bool:
    # ONNX Runtime's own exceptions have no common base but Exception; they are told apart by where they are defined.
    return isinstance(error, RuntimeError) or type(error).__module__.startswith("onnxruntime")


def _refusal(error: Exception) -> ModelFileError:
    """ONNX Runtime's complaint about a graph as one sentence."""
    lines = str(error).strip().splitlines()
    reason = (lines[0] if lines else type(error).__name__)[:300].rstrip(". ")
    return ModelFileError(
        f"ONNX Runtime does not accept the network ({reason}); expected a complete ONNX model; export or download it again."
    )


def prune(graph: onnx.GraphProto, outputs: Sequence[str]) -> Fragment:
    """The nodes (in their order) and constants (in order of first use) that `outputs` depend on.

    Raises ModelFileError when one of `outputs` is not computed in the graph.
    """
    wanted = set(outputs)
    kept = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    kept = [_bare(node) for node in reversed(kept)]
    made = {name for node in kept for name in node.output}
    missing = sorted(set(outputs) - made)
    if missing:
        raise ModelFileError(
            f"The network does not compute {missing[0]!r}, which a Deep Health backbone must; expected a file made by Deep Health."
        )
    constants = {tensor.name: tensor for tensor in graph.initializer}
    used = dict.fromkeys(name for node in kept for name in node.input if name in constants)
    return Fragment(tuple(kept), tuple(constants[name] for name in used))


def _bare(node: onnx.NodeProto) -> onnx.NodeProto:
    """The node without what exporters note beside it (names, source lines), which would make equal networks differ."""
    from onnx import NodeProto

    copy = NodeProto()
    copy.CopyFrom(node)
    for field in ("name", "doc_string", "metadata_props"):
        copy.ClearField(field)
    return copy


def backbone_graph(network: Fragment, *, channels: int, dim: int, grid: int) -> onnx.ModelProto:
    """The canonical backbone model around nodes that make `feature_map` and `features` from `image`: same nodes, same bytes."""
    from onnx import TensorProto, helper

    outputs = [
        helper.make_tensor_value_info("features", TensorProto.FLOAT, [dim]),
        helper.make_tensor_value_info("feature_map", TensorProto.FLOAT, [dim, grid, grid]),
    ]
    return assemble(helper.make_graph(network.nodes, "backbone", [image_input(channels)], outputs, network.initializers))


def run_features(session: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """features [d] of one film by a backbone's session. Raises ModelFileError when the graph fails."""
    return _run(session, "features", pixels)


def _run(session: Any, output: str, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    try:
        return np.asarray(session.run([output], {"image": pixels})[0])
    except Exception as error:
        if _is_runtime(error):
            raise _refusal(error) from error
        raise


def finish_backbone(network: Fragment, *, channels: int, size: int) -> onnx.ModelProto:
    """The canonical backbone model around `network`, whose feature map's shape is found by running it on a blank film.

    Raises ModelFileError when it does not run, or its map is not [d, g, g].
    """
    draft = backbone_graph(network, channels=channels, dim=1, grid=1)
    for output in draft.graph.output:
        output.type.tensor_type.ClearField("shape")
    blank = np.zeros((size, size) if channels == 1 else (size, size, 3), np.uint8)
    shape = _run(open_session(serialise(draft)), "feature_map", blank).shape
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ModelFileError(f"The feature map has shape {list(shape)}, expected [d, g, g]; export the network up to its last feature map.")
    return backbone_graph(network, channels=channels, dim=shape[0], grid=shape[1])


def pooling(feature_maps: str) -> Fragment:
    """Nodes from the network's output `feature_maps` [1, d, g, g] to `feature_map` [d, g, g] and its spatial mean `features` [d]."""
    from onnx import helper

    constants = (initializer("pooling/batch", [0], np.int64), initializer("pooling/space", [1, 2], np.int64))
    nodes = (
        helper.make_node("Squeeze", [feature_maps, "pooling/batch"], ["feature_map"]),
        helper.make_node("ReduceMean", ["feature_map", "pooling/space"], ["features"], keepdims=0),
    )
    return Fragment(nodes, constants)


def join(*fragments: Fragment) -> Fragment:
    """Fragments one after another."""
    return Fragment(
        tuple(node for fragment in fragments for node in fragment.nodes),
        tuple(constant for fragment in fragments for constant in fragment.initializers),
    )
