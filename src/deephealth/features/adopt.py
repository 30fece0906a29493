"""A network exported by somebody else's code becomes a backbone: preprocessing before it, pooling after it, nothing of it changed.

The network takes float32 [N, C, S, S], already normalised, and gives one feature map [N, d, g, g].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deephealth.errors import ModelFileError
from deephealth.features import graph
from deephealth.features.untrusted import check_flow

if TYPE_CHECKING:
    import onnx

_PREFIX = "network/"


def backbone_from_network(
    network: onnx.ModelProto,
    *,
    size: int,
    channels: int = 1,
    mean: graph.Constant = 0.0,
    scale: graph.Constant = 1.0,
    standardise: bool = False,
) -> onnx.ModelProto:
    """The backbone graph (`image` -> `features`, `feature_map`) around `network`.

    network: one input, float32 [N, C, size, size] with N 1 or free and C 1 or 3; one output, float32 [N, d, g, g]. channels: the
    film's, 1 or 3. mean, scale, standardise: as in `graph.build_preprocess`. When the film is grey and C is 3, the first convolution's
    weights are summed over its three planes if all planes are normalised alike (exact), else the plane is repeated. Raises
    ModelFileError when the network has another form or does not run.
    """
    from onnx import compose, inliner

    network = compose.add_prefix(at_opset(inliner.inline_local_functions(network)), _PREFIX)
    check_flow(network.graph, "The network")
    planes = _planes(network.graph, size)
    if planes < channels:
        raise ModelFileError(
            f"The network takes {planes} plane(s) and the film has {channels}; expected a colour network for colour films."
        )
    source, output = network.graph.input[0].name, network.graph.output[0].name
    if planes > channels and _alike(mean, scale) and _sum_stem(network.graph, source):
        planes = channels
    repeat = planes > channels
    normalised = "preprocess/plane" if repeat else source
    parts = [graph.build_preprocess(size, channels, mean, scale, standardise, output=normalised)]
    if repeat:
        parts.append(_repeat(normalised, source, 1 if standardise or _alike(mean, scale) else planes))
    parts += [graph.prune(network.graph, [output]), graph.pooling(output)]
    return graph.finish_backbone(graph.join(*parts), channels=channels, size=size)


def _planes(network: onnx.GraphProto, size: int) -> int:
    """Check the network's input and output; the number of planes it takes."""
    constants = {tensor.name for tensor in network.initializer}
    inputs = [value for value in network.input if value.name not in constants]
    if len(inputs) != 1 or len(network.output) != 1:
        found = f"{len(inputs)} inputs and {len(network.output)} outputs"
        raise ModelFileError(
            f"The network has {found}, expected one picture in and one feature map out; export it up to its last feature map."
        )
    del network.input[:]
    network.input.append(inputs[0])
    dims = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim]
    fits = len(dims) == 4 and dims[0] in (0, 1) and dims[1] in (1, 3) and all(side in (0, size) for side in dims[2:])
    if not fits:
        raise ModelFileError(f"The network's input is {dims}, expected [1, 1 or 3, {size}, {size}]; export it with that input.")
    return int(dims[1])


def _alike(mean: graph.Constant, scale: graph.Constant) -> bool:
    return len(np.unique(mean)) == 1 and len(np.unique(scale)) == 1


def _sum_stem(network: onnx.GraphProto, source: str) -> bool:
    """Sum the first convolution's weights over its input planes, in place; False when the input leads anywhere else too.

    The planes are equal and the padding is zero, so the sum over planes can be taken of the weights once instead of of the products.
    """
    from onnx import numpy_helper

    readers = [node for node in network.node if source in node.input]
    weights = {tensor.name: tensor for tensor in network.initializer}
    if len(readers) != 1 or readers[0].op_type != "Conv" or readers[0].input[1] not in weights:
        return False
    kernel = weights[readers[0].input[1]]
    if kernel.dims[1] != 3 or sum(kernel.name in node.input for node in network.node) != 1:
        return False
    summed = numpy_helper.to_array(kernel).astype(np.float64).sum(axis=1, keepdims=True)
    kernel.CopyFrom(graph.initializer(kernel.name, summed))
    return True


def _repeat(plane: str, output: str, planes: int) -> graph.Fragment:
    """Three equal planes from one; three planes that a normalisation for each made already are passed on."""
    from onnx import helper

    return graph.Fragment((helper.make_node("Concat", [plane] * (3 if planes == 1 else 1), [output], axis=1),), ())


def at_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model in the project's opset: only the number is changed where no operator differs, an older model is converted.

    Raises ModelFileError when a newer model uses an operator that the project's opset has in another form, or operators of other domains.
    """
    from onnx import version_converter

    foreign = sorted({node.domain for node in model.graph.node} - {"", "ai.onnx"})
    if foreign:
        raise ModelFileError(
            f"The network uses operators of {foreign[0]!r}, expected only the ONNX standard's; export it with standard operators."
        )
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if not _same_operators(model, version):
        if version > graph.OPSET:
            raise ModelFileError(f"The network has opset {version}, expected {graph.OPSET} or older; export it with opset {graph.OPSET}.")
        return version_converter.convert_version(model, graph.OPSET)
    relabelled = type(model)()
    relabelled.CopyFrom(model)
    del relabelled.opset_import[:]
    relabelled.opset_import.add(domain="", version=graph.OPSET)
    return relabelled


def _same_operators(model: onnx.ModelProto, version: int) -> bool:
    from onnx import defs

    def since(name: str, opset: int) -> int:
        return int(defs.get_schema(name, opset, "").since_version)

    try:
        return all(since(name, version) == since(name, graph.OPSET) for name in {node.op_type for node in model.graph.node})
    except defs.SchemaError:
        return False
