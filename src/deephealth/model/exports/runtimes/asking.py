"""What the runtimes share: pictures from a file, the interface's scaling, batches, time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.features.graph import resize_film

Pictures = Sequence[NDArray[Any]]


def write_pictures(path: Path, films: Sequence[NDArray[np.uint8]], interface: Mapping[str, Any]) -> None:
    """Films uint8 [H, W] or [H, W, 3] into a file of arrays: as they are for an artefact that takes films, else resized to its square."""
    if interface["film"]:
        np.savez(path, *films)
    else:
        np.savez(path, *[square(film, int(interface["size"]), int(interface["channels"])) for film in films])


def square(film: NDArray[np.uint8], size: int, channels: int) -> NDArray[np.float32]:
    """float32 [C, size, size] in 0..255: the very pixels that a model file resizes a film to."""
    shaped = np.repeat(film[:, :, None], 3, axis=2) if channels == 3 and film.ndim == 2 else film
    resized = resize_film(shaped, size)
    return resized[None] if resized.ndim == 2 else resized


def read_pictures(path: str) -> list[NDArray[Any]]:
    """The arrays of `write_pictures`, in order."""
    with np.load(path, allow_pickle=False) as archive:
        return [archive[f"arr_{number}"] for number in range(len(archive.files))]


def tensor(picture: NDArray[Any], interface: Mapping[str, Any]) -> NDArray[np.float32]:
    """One square picture as the artefact wants it, with a batch axis of 1."""
    scaled = np.asarray(picture * np.float32(interface["scale"]) + np.float32(interface["offset"]), np.float32)
    return np.ascontiguousarray((scaled if interface["layout"] == "NCHW" else scaled.transpose(1, 2, 0))[None])


def ask(request: Mapping[str, Any], answer: Callable[[NDArray[Any]], NDArray[Any]], runtime: str) -> dict[str, Any]:
    """Ask about every picture of the request; `answer` gives one film's probabilities."""
    interface = request["interface"]
    pictures = read_pictures(request["pictures"])
    inputs = pictures if interface["film"] else [tensor(picture, interface) for picture in pictures]
    answer(inputs[0])  # the first call of most runtimes also plans
    started = time.perf_counter()
    probabilities = [np.asarray(answer(one), np.float64).ravel().tolist() for one in inputs]
    milliseconds = (time.perf_counter() - started) / len(inputs) * 1000
    return {"probabilities": probabilities, "runtime": runtime, "milliseconds": milliseconds}
