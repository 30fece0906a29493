"""The middle square of a film, cut inside the graph as Teachable Machine's page cuts it, and the heatmap laid back over the whole film."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import ModelFileError

if TYPE_CHECKING:
    import onnx

CROPPED = "crop/film"
"""The tensor of the cut film: a graph that has it looks at the middle square only."""


def crop_centre(model: onnx.ModelProto) -> None:
    """Let the composed graph `model` look at the middle square of its film, in place. Outside the square the heatmap is 0.

    Raises ModelFileError when the graph is not one of ours.
    """
    draw = _Drawing(model.graph)
    readers = [node for node in model.graph.node if "image" in node.input]
    maker = next((node for node in model.graph.node if "heatmap" in node.output), None)
    if len(readers) != 1 or maker is None:
        raise ModelFileError("The model's graph has another form than Deep Health draws, expected its own; import the model again.")
    readers[0].input[0] = CROPPED
    _cut(draw)
    before = draw.nodes
    draw.nodes = []
    maker.output[0] = "crop/heatmap"
    _lay_back(draw, _shape(model, "heatmap"))
    drawn = [*before, *model.graph.node, *draw.nodes]
    del model.graph.node[:]
    model.graph.node.extend(drawn)


def _cut(draw: _Drawing) -> None:
    """side = min(H, W); start = floor((H - side) / 2), floor((W - side) / 2)."""
    draw.add("Shape", ["image"], "crop/shape", end=2)
    draw.add("ReduceMin", ["crop/shape"], "crop/side", keepdims=1)
    draw.add("Sub", ["crop/shape", "crop/side"], "crop/spare")
    draw.add("Div", ["crop/spare", draw.constant("two", np.array([2], np.int64))], "crop/start")
    draw.add("Add", ["crop/start", "crop/side"], "crop/end")
    draw.add("Slice", ["image", "crop/start", "crop/end", draw.constant("axes", np.array([0, 1], np.int64))], CROPPED)


def _lay_back(draw: _Drawing, shape: list[int]) -> None:
    """Cells [C, g, g] over the square become cells [C, g, g] over the film: where each cell's middle lies among the square's cells.

    A cell j of the film has its middle at (j + 1/2) / g of a side, which is cell p = ((j + 1/2) / g * side - start) / square * g - 1/2 of
    the square; it takes max(0, 1 - |p - i|) of each cell i. (A Resize with a region would do, but ONNX Runtime copies its input where the
    sizes are equal, whatever the region.)
    """
    grid = shape[1]
    for name in ("shape", "side", "start"):
        draw.add("Cast", [f"crop/{name}"], f"crop/{name}_f", to=1)
    middles = (np.arange(grid, dtype=np.float32) + np.float32(0.5)) / np.float32(grid)
    draw.constant("middles", middles[None])  # [1, g]
    draw.constant("cells", np.full(1, grid, np.float32))
    draw.constant("half", np.full(1, 0.5, np.float32))
    draw.constant("one", np.full(1, 1, np.float32))
    draw.constant("places", np.arange(grid, dtype=np.float32))
    draw.constant("column", np.array([1], np.int64))
    draw.constant("last", np.array([2], np.int64))
    draw.add("Unsqueeze", ["crop/shape_f", "crop/column"], "crop/sides")  # [2, 1], height and width
    draw.add("Unsqueeze", ["crop/start_f", "crop/column"], "crop/starts")
    draw.add("Mul", ["crop/sides", "crop/middles"], "crop/px")  # [2, g]
    draw.add("Sub", ["crop/px", "crop/starts"], "crop/px_inside")
    draw.add("Div", ["crop/px_inside", "crop/side_f"], "crop/share")
    draw.add("Mul", ["crop/share", "crop/cells"], "crop/in_cells")
    draw.add("Sub", ["crop/in_cells", "crop/half"], "crop/p")
    draw.add("Unsqueeze", ["crop/p", "crop/last"], "crop/p_column")  # [2, g, 1]
    draw.add("Sub", ["crop/p_column", "crop/places"], "crop/apart")  # [2, g, g]
    draw.add("Abs", ["crop/apart"], "crop/distance")
    draw.add("Sub", ["crop/one", "crop/distance"], "crop/near")
    draw.add("Relu", ["crop/near"], "crop/weights")
    draw.add("Gather", ["crop/weights", draw.constant("first", np.array(0, np.int64))], "crop/rows", axis=0)
    draw.add("Gather", ["crop/weights", draw.constant("second", np.array(1, np.int64))], "crop/columns", axis=0)
    draw.add("Transpose", ["crop/columns"], "crop/columns_t", perm=[1, 0])
    draw.add("MatMul", ["crop/rows", "crop/heatmap"], "crop/down")
    draw.add("MatMul", ["crop/down", "crop/columns_t"], "heatmap")


def _shape(model: onnx.ModelProto, output: str) -> list[int]:
    value = next(value for value in model.graph.output if value.name == output)
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


class _Drawing:
    """Nodes to be added to a graph, and constants that already are."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.nodes: list[Any] = []

    def constant(self, name: str, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self.graph.initializer.append(numpy_helper.from_array(values, f"crop/{name}"))
        return f"crop/{name}"

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
