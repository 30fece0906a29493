"""A frozen graph in TensorFlow, loaded as `label_image.py` loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deephealth.model.exports.runtimes.asking import ask
from deephealth.settings import own_process


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The probabilities of the request's pictures."""
    import tensorflow as tf

    interface = request["interface"]
    graph_def = tf.compat.v1.GraphDef()
    graph_def.ParseFromString((Path(request["folder"]) / interface["file"]).read_bytes())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="import")
    given, wanted = (graph.get_tensor_by_name(f"import/{interface[name]}:0") for name in ("input", "output"))
    with tf.compat.v1.Session(graph=graph) as session:
        return ask(request, lambda pixels: session.run(wanted, {given: pixels}), f"tensorflow {tf.__version__}")


if __name__ == "__main__":
    own_process.serve(answer)
