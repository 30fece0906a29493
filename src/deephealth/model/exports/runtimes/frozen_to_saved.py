"""A frozen graph as a SavedModel with a serving signature: a picture file's bytes in, probabilities out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deephealth.errors import UsageError
from deephealth.settings import own_process


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Write the graph at `graph`, whose result is called `output`, as the new folder `out`."""
    import tensorflow as tf

    out = Path(request["out"])
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty, expected a new folder for the SavedModel; give another --saved_model_dir.")
    if out.exists():
        out.rmdir()
    v1 = tf.compat.v1
    graph_def = v1.GraphDef()
    graph_def.ParseFromString(Path(request["graph"]).read_bytes())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        given, wanted = (graph.get_tensor_by_name(f"{name}:0") for name in ("DecodeJpeg/contents", request["output"]))
        with v1.Session(graph=graph) as session:
            v1.saved_model.simple_save(session, str(out), {"contents": given}, {"probabilities": wanted})
    return {}


if __name__ == "__main__":
    own_process.serve(answer)
