"""A warm answer to one film against the least that any program would have to do: decode the bytes, run the network."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import materials
from benchmarks.measure import Bar, Figure, Options, paired

TITLE = "predict, warm: film bytes to probabilities and heatmap, against bare decode + bare ONNX Runtime run; one thread"
BAR = Bar("at most", 1.3)


def run(options: Options) -> Iterator[Figure]:
    """Pairs of `Predictor.predict(bytes)` and the floor over the same films."""
    from deephealth.inference.predictor import Predictor
    from deephealth.model.file import Model

    paths, what = materials.large_films(options.work, options.sized(7, 1))
    films = [path.read_bytes() for path in paths]
    predictor = Predictor(Model.load(options.model, threads=1), threads=1)
    session = _bare_session(options.model)
    ratios, cpu, ours, floor = [], [], [], []
    for data in films:
        ready = _decode(data)
        times = paired(lambda data=data: predictor.predict(data), _floor(session, data, ready), options.sized(40, 2), warm=2)  # type: ignore[misc]
        ratios += times.ratios()
        cpu.append(times.cpu_ratio)
        ours += times.ours
        floor += times.theirs
    yield Figure(
        TITLE,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        "x",
        f"{len(ratios)} pairs over {len(films)} films",
        f"Predictor(model, threads=1).predict(data), model {options.model.name}",
        BAR,
        notes=(
            f"Median {1000 * statistics.median(ours):.1f} ms against a floor of {1000 * statistics.median(floor):.1f} ms; "
            f"in processor time {statistics.median(cpu):.2f} x; {what}, 1.8 to 2.2 megapixels.",
            _parts(session, films[0], options.sized(15, 1)),
        ),
    )


def _floor(session: Any, data: bytes, ready: Any) -> Any:
    def work() -> None:
        _decode(data)
        session.run(None, {"image": ready})

    return work


def _decode(data: bytes) -> Any:
    import simplejpeg

    return simplejpeg.decode_jpeg(data, colorspace="GRAY")[:, :, 0]


def _bare_session(model: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.read_bytes(), options, providers=["CPUExecutionProvider"])


def _parts(session: Any, data: bytes, repetitions: int) -> str:
    """Where the floor's time goes; the network alone is the same graph on a film that is small already."""
    ready = _decode(data)
    small = np.ascontiguousarray(ready[::8, ::8])
    decode, whole, network = (
        1000 * _median(work, repetitions)
        for work in (
            lambda: _decode(data),
            lambda: session.run(None, {"image": ready}),
            lambda: session.run(None, {"image": small}),
        )
    )
    return (
        f"Of the floor, decoding takes {decode:.1f} ms, the resize inside the graph {whole - network:.1f} ms, the network {network:.1f} ms."
    )


def _median(work: Any, repetitions: int) -> float:
    seconds = []
    for _ in range(repetitions + 1):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])
