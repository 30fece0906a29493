"""OpenVINO's IR, for squares: OpenVINO reads the model file too, but drops the antialiasing of its resize without a word."""

from __future__ import annotations

import tempfile
from pathlib import Path

from deephealth.features import graph
from deephealth.model.exports.artefact import Artefact, Interface, Source
from deephealth.model.exports.network import network_of, square_model
from deephealth.settings import own_process

FILE = "model.xml"


def write(source: Source) -> Artefact:
    """`model.xml` and `model.bin` in float32."""
    record = source.model.record
    with tempfile.TemporaryDirectory(prefix="deephealth-") as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(graph.serialise(square_model(network_of(source.model))))
        request = {"onnx": str(folder / "model.onnx"), "xml": str(folder / FILE)}
        own_process.run("deephealth.model.exports.runtimes.openvino_convert", request, needs=("openvino",), extra="openvino")
        files = {file: (folder / file).read_bytes() for file in (FILE, "model.bin")}
    return Artefact(files, Interface(FILE, record.size, record.channels, record.labels, layout="NCHW"))
