"""Load, run and save a model file. Needs numpy and ONNX Runtime, nothing else, so that `predict` starts quickly."""

from __future__ import annotations

import hashlib
import importlib.resources
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import FilmError, ModelFileError
from deephealth.model.record import METADATA_KEY, ModelRecord
from deephealth.model.wire import OnnxFacts, WireError, inspect
from deephealth.settings import atomic

LARGEST_FILE = 512 * 2**20  # bytes
LARGEST_RECORD = 64 * 2**20  # characters
OUTPUTS = ("probabilities", "logits", "features", "heatmap", "novelty")
SHIPPED = "deephealth-small.onnx"


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a model answers to one film, for C labels, d features and a class map of h x w cells.

    probabilities: float32 [C], sum 1; logits: float32 [C], before the temperature; features: float32 [d]; heatmap: float32 [C, h, w], its
    spatial mean is the logit; novelty: 0 or more, 1 for the training films' median.
    """

    probabilities: NDArray[np.float32]
    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    heatmap: NDArray[np.float32]
    novelty: float


class Model:
    """A model file, read and checked. The network itself is built when it is first run.

    record: what the file says of itself; data: the file's bytes. threads: ONNX Runtime's threads inside one operator; spinning: they wait
    busily, which answers sooner, and a service turns it off. One model may be run from several threads at once.
    """

    def __init__(self, data: bytes, record: ModelRecord, *, threads: int = 1, spinning: bool = True) -> None:
        self.data = data
        self.record = record
        self.threads = threads
        self.spinning = spinning
        self._sessions: dict[int, Any] = {}
        self._lock = threading.Lock()

    @classmethod
    def load(cls, source: str | Path | bytes, *, threads: int = 1, spinning: bool = True, largest: int = LARGEST_FILE) -> Self:
        """Read a model file of at most `largest` bytes from a path or from its bytes.

        ModelFileError in one sentence when it is absent, too large, not ONNX, without a Deep Health record, with weights in other files, of
        a newer version, or when record and graph disagree. Nothing in the file is executed here.
        """
        data, name = _read(source, largest)
        try:
            facts = inspect(data)
        except WireError as error:
            raise ModelFileError(
                f"{name} is not a usable ONNX file ({error}); give the path of a Deep Health model file, model.onnx."
            ) from error
        if facts.external:
            raise ModelFileError(f"{name} keeps weights in other files, which is refused; save it as one file.")
        record = _record(facts, name)
        _check_outputs(facts, record, name)
        return cls(data, record, threads=threads, spinning=spinning)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the outputs."""
        return self.record.labels

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file, hexadecimal: the model's identity in every answer."""
        return hashlib.sha256(self.data).hexdigest()

    def session(self, threads: int | None = None) -> Any:
        """The ONNX Runtime session with `threads` threads inside an operator (default: the model's), built once for each number.

        ModelFileError when the graph cannot be built.
        """
        count = threads or self.threads
        with self._lock:
            if count not in self._sessions:
                self._sessions[count] = _build(self.data, count, self.spinning)
            return self._sessions[count]

    def run(self, pixels: NDArray[np.uint8], *, threads: int | None = None) -> Outputs:
        """Answer to one film: uint8 [H, W] of any size, or [H, W, 3] for a model of three channels.

        FilmError for pixels of another type or shape; ModelFileError when the graph fails.
        """
        wanted = 2 if self.record.channels == 1 else 3
        if pixels.dtype != np.uint8 or pixels.ndim != wanted or not pixels.size or (wanted == 3 and pixels.shape[2] != 3):
            shape = "[H, W]" if wanted == 2 else "[H, W, 3]"
            raise FilmError(f"The film's pixels are {pixels.dtype} {list(pixels.shape)}, expected uint8 {shape}; read it with read_film.")
        session = self.session(threads)
        try:
            answer = session.run(OUTPUTS, {"image": np.ascontiguousarray(pixels)})
        except Exception as error:  # ONNX Runtime's errors have no common base below Exception
            raise ModelFileError(
                f"The model failed on a film of {list(pixels.shape)} ({_first_line(error)}); run `model verify`."
            ) from error
        probabilities, logits, features, heatmap, novelty = answer
        if np.ndim(novelty):
            raise ModelFileError(f"The model's novelty has the shape {list(novelty.shape)}, expected one number; get the file again.")
        return Outputs(probabilities, logits, features, heatmap, float(novelty))


def save_model(data: bytes, path: str | Path) -> None:
    """Write a model file, whole or not at all, after checking that it loads. ModelFileError when it does not."""
    Model.load(data)
    atomic.write_bytes(Path(path), data)


def shipped_model_path() -> Path:
    """Where the model that comes with the package lies. ModelFileError when this copy of the package has none."""
    path = Path(str(importlib.resources.files("deephealth") / "data" / SHIPPED))
    if not path.is_file():
        raise ModelFileError(f"This installation has no {SHIPPED}; install deephealth again, or name a model file with --model.")
    return path


def _read(source: str | Path | bytes, largest: int) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        if len(source) > largest:
            raise _too_large("The model file", len(source), largest)
        return source, "The model file"
    path = Path(source)
    try:
        with path.open("rb") as file:
            # Python sets aside what is asked for: no more than the file has, or a process with little memory could not load a small one.
            data = file.read(min(largest, path.stat().st_size if path.is_file() else largest) + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a valid path"
        raise ModelFileError(f"The model file {path} cannot be read ({reason}); give the path of a Deep Health model file.") from error
    if len(data) > largest:
        raise _too_large(str(path), path.stat().st_size, largest)
    return data, str(path)


def _too_large(name: str, size: int, largest: int) -> ModelFileError:
    return ModelFileError(f"{name} has {size / 2**20:.0f} MB, more than the limit of {largest / 2**20:.0f} MB; use a smaller model.")


def _record(facts: OnnxFacts, name: str) -> ModelRecord:
    text = facts.metadata.get(METADATA_KEY)
    if text is None:
        raise ModelFileError(
            f"{name} is an ONNX file without a Deep Health record, so its labels are unknown; make one with `deephealth train`."
        )
    if len(text) > LARGEST_RECORD:
        raise ModelFileError(
            f"{name} has a record of {len(text) >> 20} MB, more than the limit of {LARGEST_RECORD >> 20} MB; write it anew."
        )
    return ModelRecord.from_text(text)


def _check_outputs(facts: OnnxFacts, record: ModelRecord, name: str) -> None:
    if absent := [output for output in OUTPUTS if output not in facts.outputs] + [x for x in ("image",) if x not in facts.inputs]:
        raise ModelFileError(f"{name} has no {', '.join(absent)} in its graph, expected input image and outputs {', '.join(OUTPUTS)}.")
    n = len(record.labels)
    for output in ("probabilities", "logits", "heatmap"):
        if facts.outputs[output][:1] != (n,):
            raise ModelFileError(
                f"{name} has {n} labels but its output {output} is {list(facts.outputs[output])}, expected {n} first; write it anew."
            )
    dimensions = 2 if record.channels == 1 else 3
    if len(facts.inputs["image"]) != dimensions:
        raise ModelFileError(f"{name} is for {record.channels} channels but its input is {list(facts.inputs['image'])}; write it anew.")


def _build(data: bytes, threads: int, spinning: bool) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The memory arena stays on: without it, films of many sizes peaked at 196 MB instead of 117, at the same speed.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base below Exception
        raise ModelFileError(f"The model file's graph cannot be built ({_first_line(error)}); get the file again.") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200]
