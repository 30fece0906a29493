"""What benchmarks run in a process of its own: python -m benchmarks.worker TASK ...

extract TASK | spin PROCESSOR SECONDS | leakage FOLDER | peak COMMAND... | floor PROCESSOR MODEL FOLDER | serve PROCESSOR COMMAND...

Nothing but the standard library is imported before the process is bound to its processors.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def extract(task: str) -> None:
    """Print the seconds that the features of the task's films take on the task's processors, a thread on each; warmed up before."""
    wanted = json.loads(task)
    os.sched_setaffinity(0, wanted["processors"])
    threads = len(wanted["processors"])

    from deephealth.datasets.index import Film
    from deephealth.features.backbones import load_backbone
    from deephealth.features.extract import extract_features
    from deephealth.settings.threads import limit

    limit(threads)
    backbone = load_backbone(wanted["model"])
    films = [Film(name, Path(name), "film", name) for name in wanted["films"]]
    extract_features(films[:threads], backbone, threads=threads, cache=False)
    start = time.perf_counter()
    table = extract_features(films, backbone, threads=threads, cache=False)
    seconds = time.perf_counter() - start
    if table.problems:
        raise SystemExit(f"{len(table.problems)} films could not be read: {table.problems[0].reason}")
    print(seconds)


def spin(processor: str, seconds: str) -> None:
    """Keep a processor busy for some seconds; print the share of it that this process was given."""
    os.sched_setaffinity(0, [int(processor)])
    clock, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - clock < float(seconds):
        sum(range(10_000))
    print((time.process_time() - cpu) / (time.perf_counter() - clock))


def leakage(folder: str) -> None:
    """Scan the films of a folder and check a split of them, two threads; print seconds and the process's largest memory in bytes."""
    from deephealth.datasets.duplicates import find_duplicates
    from deephealth.datasets.facts import scan_films
    from deephealth.datasets.leakage import check_leakage
    from deephealth.datasets.sources import open_dataset
    from deephealth.datasets.split import make_split
    from deephealth.settings.threads import limit, peak_memory_mb

    limit(2)
    index = open_dataset(folder)
    start = time.perf_counter()
    facts = scan_films(index, threads=2)
    scanned, cpu = time.perf_counter(), time.process_time()
    check_leakage(index, make_split(index), facts)
    result = {"scan": scanned - start, "check": time.perf_counter() - scanned, "check_cpu": time.process_time() - cpu}
    print(json.dumps({**result, "pairs": len(find_duplicates(facts)), "peak": round(peak_memory_mb() * 2**20)}))


def peak(arguments: Sequence[str]) -> None:
    """Run a deephealth command in this process, then print its exit code and the process's largest memory in bytes."""
    from deephealth.cli.main import main
    from deephealth.settings.threads import peak_memory_mb

    code = main(list(arguments))
    print(f"\n{code} {round(peak_memory_mb() * 2**20)}")


def floor(processor: str, model: str, folder: str) -> None:
    """Print the median seconds that decoding a film of the folder and running the network take, and nothing else, on one processor."""
    os.sched_setaffinity(0, [int(processor)])
    import statistics

    import onnxruntime
    import simplejpeg

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(Path(model).read_bytes(), options, providers=["CPUExecutionProvider"])
    films = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
    seconds = []
    for number in range(len(films) * 8):
        start = time.perf_counter()
        pixels = simplejpeg.decode_jpeg(films[number % len(films)], colorspace="GRAY")[:, :, 0]
        session.run(None, {"image": pixels})
        seconds.append(time.perf_counter() - start)
    print(statistics.median(seconds[len(films) :]))


def serve(processor: str, *arguments: str) -> None:
    """Run the service, and with it its workers, on one processor."""
    os.sched_setaffinity(0, [int(processor)])
    from deephealth.cli.main import main

    sys.exit(main(arguments))


if __name__ == "__main__":
    task, *words = sys.argv[1:]
    if task == "extract":
        extract(*words)
    elif task == "spin":
        spin(*words)
    elif task == "leakage":
        leakage(*words)
    elif task == "floor":
        floor(*words)
    elif task == "serve":
        serve(*words)
    else:
        peak(words)
