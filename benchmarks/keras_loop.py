"""Features of a folder against the loop that most tutorials show: load a picture, `keras` predict, next picture.

Both run the very same network, MobileNetV2 0.35 at 224 px: built by keras.applications with random weights (they cost the same time), given
to Keras's own `predict`, and exported to ONNX by the project's export. Both start from the files. Keras runs on its torch backend and is
given what it does best there: pictures with the channels first. Twice more for information, since they are kinder to Keras: both on one
thread, where no time is lost in handing small pieces of work to threads, and `predict` in batches.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import materials
from benchmarks.measure import Bar, Figure, Options, paired

TITLE = "features of a folder against a plain loop of keras predict calls on the same network"
BAR = Bar("at least", 3.0)
_SIZE = 224
_BATCH = 32


@dataclass(frozen=True)
class Setting:
    """How Keras is called, on how many threads both run, and the bar, if this is the one that counts."""

    what: str
    loop: Callable[[Any, Sequence[Path]], Any]
    threads: int
    bar: Bar | None = None


def run(options: Options) -> Iterator[Figure]:
    """Pairs of our extraction and a Keras loop over the same files."""
    from deephealth.settings.threads import available

    folder, what = materials.training_set(options.work, options.sized(100, 2))
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    model, backbone = same_network()
    difference = _difference(_extracted(paths[:8], backbone, 1), one_by_one(model, paths[:8]))
    agreement = f"Largest difference between the features of both: {difference:.1g} of the largest feature; {what}."
    settings = (
        Setting("one call a film, all processors", one_by_one, available(), BAR),
        Setting("one call a film, one thread", one_by_one, 1),
        Setting(f"batches of {_BATCH}, all processors", in_batches, available()),
    )
    for setting in settings:
        yield _compared(setting, paths, model, backbone, options, agreement)


def _compared(setting: Setting, paths: Sequence[Path], model: Any, backbone: Any, options: Options, note: str) -> Figure:
    import torch

    torch.set_num_threads(setting.threads)
    repetitions = options.sized(5, 1)
    times = paired(lambda: _extracted(paths, backbone, setting.threads), lambda: setting.loop(model, paths), repetitions)
    ratios = times.ratios(theirs_over_ours=True)
    speeds = len(paths) / statistics.median(times.ours), len(paths) / statistics.median(times.theirs)
    return Figure(
        f"{TITLE}: {setting.what}",
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        "x",
        f"{repetitions} pairs, {len(paths)} films each",
        f"extract_features(films, backbone, threads={setting.threads}, cache=False) against model.predict(pictures, verbose=0)",
        setting.bar,
        notes=(f"{speeds[0]:.0f} against {speeds[1]:.1f} films/s.", note),
    )


def _extracted(paths: Sequence[Path], backbone: Any, threads: int) -> Any:
    from deephealth.datasets.index import Film
    from deephealth.features.extract import extract_features

    films = [Film(str(path), path, "film", str(path)) for path in paths]
    return extract_features(films, backbone, threads=threads, cache=False).features[:, 0]


def same_network() -> tuple[Any, Any]:
    """MobileNetV2 0.35 as a Keras model from pictures to features, and as a backbone of ours."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    from deephealth.features.keras_backbones import FAMILIES, KerasNetwork
    from deephealth.model.from_torch import backbone_of

    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    keras.utils.set_random_seed(0)
    try:
        network = keras.applications.MobileNetV2((3, _SIZE, _SIZE), alpha=0.35, include_top=False, weights=None)
        model = keras.Model(network.input, keras.layers.GlobalAveragePooling2D(data_format="channels_first")(network.output))
    finally:
        keras.config.set_image_data_format(before)
    module = KerasNetwork(network, FAMILIES["MobileNetV2"], standardised=False)
    backbone = backbone_of(module, name="mobilenet", size=_SIZE, standardise=False, mean=127.5, scale=1 / 127.5)
    return model, backbone


def one_by_one(model: Any, paths: Sequence[Path]) -> Any:
    """The tutorial's loop: features [n, d]."""
    return np.concatenate([model.predict(_picture(path)[None], verbose=0) for path in paths])


def in_batches(model: Any, paths: Sequence[Path]) -> Any:
    """The same, reading a batch before it is predicted."""
    batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
    return np.concatenate([model.predict(np.stack([_picture(path) for path in batch]), verbose=0) for batch in batches])


def _picture(path: Path) -> Any:
    """The film as keras.applications.mobilenet_v2 wants it: float32 [3, 224, 224] in [-1, 1]."""
    import keras

    picture = keras.utils.load_img(path, target_size=(_SIZE, _SIZE), interpolation="bilinear")
    return (np.asarray(picture, np.float32) / 127.5 - 1).transpose(2, 0, 1)


def _difference(ours: Any, keras_features: Any) -> float:
    return float(np.abs(ours - keras_features).max() / np.abs(keras_features).max())
