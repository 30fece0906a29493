"""TensorBoard's event files of a run: curves, histograms, graph, projector, pictures, precision and recall, hyperparameters.

The files are written with TensorBoard's own messages by `tensorboardX`, which needs no TensorFlow; their names tell no host. `deephealth
tensorboard RUN` shows them. They are for looking only: nothing reads them back, and without them the same model is trained.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.model.heads import DenseHead, Head
from deephealth.settings import atomic, table
from deephealth.training.events import EpochDone, Event, HeadStep, StepDone

if TYPE_CHECKING:
    import onnx

Floats = NDArray[np.float32]
FILE = "events.out.tfevents.0.deephealth"
MOST_POINTS = 2000
"""Films in the projector, evenly spread: more than that a browser cannot turn."""
THUMBNAIL = 48
_RUNS = ("", "train", "validation", "test")
_PROJECTOR = ("tensors.tsv", "metadata.tsv", "sprite.png", "projector_config.pbtxt")
_BINS = 60
_ALL_HISTOGRAMS = 20  # of the first evaluations every one, then every tenth: a long run has thousands


class Board:
    """An event listener that writes what TensorBoard shows below `folder`: `train`, `validation`, `test`, each a run of its own.

    Begins anew wherever it is opened, since a head is fitted anew when a run is taken up again: what an earlier board wrote there goes, and
    nothing else. Epochs of a network that an earlier process has told in `events` are copied first. on: False when the setting
    `tensorboard` is 0; then it does nothing. Use as a context manager.
    """

    def __init__(self, folder: Path, events: Path | None = None) -> None:
        self._folder, self._events = folder, events
        self.on = table.number("tensorboard") > 0
        self._writers: dict[str, Any] = {}
        self._heads = 0
        if self.on:
            _clear(folder)

    def __call__(self, event: Event) -> None:
        """Draw an event."""
        if not self.on:
            return
        if isinstance(event, EpochDone) and self._events and event.epoch > 1 and not self._writers:
            for earlier in _epochs_before(self._events, event.epoch):
                self._curves(earlier.epoch, earlier)
        if isinstance(event, EpochDone):
            self._curves(event.epoch, event)
        elif isinstance(event, StepDone):
            self._curves(event.step, event)
        elif isinstance(event, HeadStep):
            self._heads += 1
            if self._heads <= _ALL_HISTOGRAMS or self._heads % 10 == 0:
                self._head(event.step, event.head, event.features)

    def _curves(self, step: int, told: StepDone | EpochDone) -> None:
        values = {
            "train": {"cross_entropy": told.loss, "accuracy": told.accuracy, "learning_rate": told.learning_rate},
            "validation": {"cross_entropy": told.validation_loss, "accuracy": told.validation_accuracy},
        }
        for run, curves in values.items():
            self.scalars(run, {name: value for name, value in curves.items() if value is not None}, step)

    def _head(self, step: int, head: Head, features: Floats) -> None:
        """Weights, biases and activations, before and after, each with mean, deviation and range: as retrain.py drew its last layer."""
        logits = head.logits(features)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        drawn = {"weights": head.weight, "biases": head.bias, "pre_activations": logits}
        drawn["activations"] = shifted / shifted.sum(axis=1, keepdims=True)
        if isinstance(head, DenseHead):
            before = features @ head.hidden_weight.T + head.hidden_bias
            drawn |= {"hidden/weights": head.hidden_weight, "hidden/biases": head.hidden_bias, "hidden/pre_activations": before}
            drawn["hidden/activations"] = np.maximum(before, 0)
        for name, values in drawn.items():
            self.histogram("train", f"head/{name}", values, step)
            summary = {"mean": values.mean(), "stddev": values.std(), "max": values.max(), "min": values.min()}
            self.scalars("train", {f"head/{name}/{word}": float(value) for word, value in summary.items()}, step)

    def scalars(self, run: str, values: Mapping[str, float], step: int) -> None:
        """Numbers of one step, by name."""
        from tensorboardX.summary import scalar

        for name, value in values.items():
            if math.isfinite(value):
                self._write(run, step, summary=scalar(name, value))

    def histogram(self, run: str, name: str, values: NDArray[Any], step: int) -> None:
        """The spread of an array's values."""
        from tensorboardX.summary import histogram

        if values.size and np.isfinite(values).all():
            self._write(run, step, summary=histogram(name, np.asarray(values, np.float64), _BINS))

    def picture(self, run: str, name: str, pixels: NDArray[np.uint8], step: int = 0) -> None:
        """A picture uint8 [H, W] or [H, W, 3]."""
        from PIL import Image
        from tensorboardX.proto.summary_pb2 import Summary

        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "PNG")
        drawn = Summary.Image(height=pixels.shape[0], width=pixels.shape[1], colorspace=3 if pixels.ndim == 3 else 1)
        drawn.encoded_image_string = data.getvalue()
        self._write(run, step, summary=Summary(value=[Summary.Value(tag=name, image=drawn)]))

    def precision_recall(self, run: str, name: str, positive: NDArray[np.bool_], scores: NDArray[np.floating], step: int = 0) -> None:
        """Precision against recall of scores in [0, 1] at 127 thresholds."""
        from tensorboardX.summary import pr_curve

        if self.on and positive.any():
            self._write(run, step, summary=pr_curve(name, positive.astype(int), np.asarray(scores, np.float64)))

    def hyperparameters(self, settings: Mapping[str, Any], scores: Mapping[str, float]) -> None:
        """What the run was told and what came of it, for TensorBoard's table of runs."""
        from tensorboardX.summary import hparams

        if not self.on:
            return
        told = {name: value if isinstance(value, bool | int | float | str) else str(value) for name, value in settings.items()}
        known = {name: value for name, value in scores.items() if math.isfinite(value)}
        for summary in hparams(told, known):
            self._write("", 0, summary=summary)
        self.scalars("", known, 0)

    def graph(self, model: onnx.ModelProto) -> None:
        """The model file's graph: operators by the names of what they give, constants left out."""
        self._write("train", 0, graph_def=graph_def(model).SerializeToString())

    def projector(self, run: str, features: Floats, columns: Mapping[str, Sequence[str]], thumbnails: NDArray[np.uint8] | None) -> None:
        """Points [n, d] with a row of text each, and a picture uint8 [n, side, side] each where told: at most MOST_POINTS of them."""
        if not self.on or not len(features):
            return
        rows = np.linspace(0, len(features) - 1, min(len(features), MOST_POINTS)).astype(int)
        folder = self._folder / run
        text = io.StringIO()
        np.savetxt(text, features[rows], fmt="%.5g", delimiter="\t")
        atomic.write_text(folder / "tensors.tsv", text.getvalue())
        lines = ["\t".join(columns), *("\t".join(_plain(column[row]) for column in columns.values()) for row in rows)]
        atomic.write_text(folder / "metadata.tsv", "\n".join(lines) + "\n")
        sprite = ""
        if thumbnails is not None:
            atomic.write_bytes(folder / "sprite.png", _sprite(thumbnails[rows]))
            sprite = f'  sprite {{ image_path: "sprite.png" single_image_dim: {THUMBNAIL} single_image_dim: {THUMBNAIL} }}\n'
        paths = '  tensor_path: "tensors.tsv"\n  metadata_path: "metadata.tsv"\n'
        atomic.write_text(folder / "projector_config.pbtxt", f'embeddings {{\n  tensor_name: "features"\n{paths}{sprite}}}\n')

    def _write(self, run: str, step: int, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event as Message
        from tensorboardX.record_writer import RecordWriter

        if not self.on:
            return
        writer = self._writers.get(run)
        if writer is None:
            (self._folder / run).mkdir(parents=True, exist_ok=True)
            writer = self._writers[run] = RecordWriter(str(self._folder / run / FILE))
            writer.write(Message(wall_time=0, file_version="brain.Event:2").SerializeToString())
        writer.write(Message(wall_time=_now(), step=step, **content).SerializeToString())

    def close(self) -> None:
        """Write what waits and close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _clear(folder: Path) -> None:
    """Remove what a board writes, and nothing that somebody else keeps in the folder, which a user may have named."""
    for run in _RUNS:
        for name in (FILE, *_PROJECTOR):
            (folder / run / name).unlink(missing_ok=True)


def graph_def(model: onnx.ModelProto) -> Any:
    """A model's graph as TensorBoard reads graphs: a node for each operator, named after its first output; slashes make groups."""
    from tensorboardX.proto.attr_value_pb2 import AttrValue
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.node_def_pb2 import NodeDef
    from tensorboardX.proto.versions_pb2 import VersionDef

    makers = {value.name: value.name for value in model.graph.input}
    nodes = [NodeDef(name=value.name, op="Placeholder") for value in model.graph.input]
    for node in model.graph.node:
        name = node.output[0]
        makers |= dict.fromkeys(node.output, name)
        sources = [makers[source] for source in node.input if source in makers]
        attributes = {"operator": AttrValue(s=node.op_type.encode())}
        nodes.append(NodeDef(name=name, op=node.op_type, input=sources, attr=attributes))
    return GraphDef(node=nodes, versions=VersionDef(producer=22))


def _epochs_before(path: Path, epoch: int) -> Iterator[EpochDone]:
    """The epochs told in a run's events before this one, the last telling of each."""
    told: dict[int, EpochDone] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record.pop("event") == "EpochDone" and record.pop("time") and record["epoch"] < epoch and record["loss"] is not None:
            told[record["epoch"]] = EpochDone(**record)
    return iter([told[number] for number in sorted(told)])


def _sprite(thumbnails: NDArray[np.uint8]) -> bytes:
    """All thumbnails on one square sheet, row by row, PNG."""
    from PIL import Image

    across = math.ceil(math.sqrt(len(thumbnails)))
    sheet = Image.new("L", (across * THUMBNAIL, across * THUMBNAIL))
    for place, pixels in enumerate(thumbnails):
        small = Image.fromarray(pixels).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR)
        sheet.paste(small, (place % across * THUMBNAIL, place // across * THUMBNAIL))
    data = io.BytesIO()
    sheet.save(data, "PNG")
    return data.getvalue()


def _plain(text: str) -> str:
    return " ".join(str(text).split())


def _now() -> float:
    import time

    return time.time()
