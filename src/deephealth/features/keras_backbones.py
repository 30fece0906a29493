"""Networks of `keras.applications` as torch modules: grey film in, feature map out.

On Keras 3's torch backend a Keras model is a torch module, so the one training loop trains it and the one export writes it. The backend is
chosen by an environment variable that is read when Keras is first imported, so this module sets it before.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from deephealth.errors import MissingExtra, ModelFileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

FILM_SPREAD = 0.5  # about the standard deviation of a photograph in [-1, 1], which the weights expect


@dataclass(frozen=True)
class Family:
    """What a network expects: x * scale + shift for each of R, G, B, x in [-1, 1]; its smallest side; whether channels may come first."""

    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    smallest: int = 32
    channels_first: bool = True


def _torch_mode() -> Family:
    """(x / 255 - mean) / deviation, of ImageNet's pictures."""
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    scale = tuple(0.5 / d for d in deviation)
    shift = tuple((0.5 - m) / d for m, d in zip(mean, deviation, strict=True))
    return Family(scale, shift, channels_first=False)  # type: ignore[arg-type]


_GREY_LEVELS = Family((127.5,) * 3, (127.5,) * 3)  # the network rescales by itself
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "DenseNet121": _torch_mode(),
        "EfficientNetV2B0": _GREY_LEVELS,
        "InceptionV3": Family(smallest=75),
        "MobileNetV2": Family(),
        "ResNet50V2": Family(),
    }
)
"""The networks of keras.applications that are known to train and export here, by name."""


class KerasNetwork(nn.Module):
    """A Keras application without its top: films [N, 1, S, S] in [-1, 1] (or standardised) -> feature map [N, d, g, g]."""

    scale: Tensor
    shift: Tensor

    def __init__(self, model: Any, family: Family, *, standardised: bool) -> None:
        super().__init__()
        self.model = model
        self.channels_first = family.channels_first
        spread = FILM_SPREAD if standardised else 1.0
        scale = torch.tensor(family.scale).reshape(1, 3, 1, 1) * spread
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", torch.tensor(family.shift).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The feature map; Keras is told whether it is being trained."""
        pictures = x * self.scale + self.shift
        if self.channels_first:
            first: Tensor = self.model(pictures, training=self.training)
            return first
        last: Tensor = self.model(pictures.permute(0, 2, 3, 1), training=self.training)
        return last.permute(0, 3, 1, 2)


def build(name: str, size: int, start: str = "scratch", *, standardised: bool = False) -> KerasNetwork:
    """The network `name` of FAMILIES for films of `size` px; fresh values are drawn from torch's seed.

    start: "scratch"; "imagenet", Keras's official weights, taken from Keras's cache or downloaded; or the path of a .weights.h5 file
    without the top. standardised: films come with mean 0 and standard deviation 1 instead of in [-1, 1]. Raises UsageError for an unknown
    name or a side too small, MissingExtra without Keras, ModelFileError when the weights cannot be had or do not fit.
    """
    family = FAMILIES.get(name)
    if family is None:
        raise UsageError(f"Keras network {name!r} is unknown here, expected one of {', '.join(FAMILIES)}; correct fine_tune.architecture.")
    if size < family.smallest:
        raise UsageError(f"{name} was given films of {size} px, expected at least {family.smallest}; raise fine_tune.size.")
    keras = _keras()
    # Keras numbers layers and draws seeds from its own global state: without this, equal calls would give other names and other values.
    keras.utils.clear_session()
    keras.utils.set_random_seed(torch.initial_seed() % 2**32)
    with _image_format(keras, "channels_first" if family.channels_first else "channels_last"):
        shape = (3, size, size) if family.channels_first else (size, size, 3)
        make = getattr(keras.applications, name)
        if start == "imagenet":
            model = _with_official_weights(make, name, shape)
        else:
            model = make(include_top=False, weights=None, input_shape=shape)
            if start != "scratch":
                _load_weights(model, name, Path(start))
    return KerasNetwork(model, family, standardised=standardised)


def _keras() -> Any:
    os.environ["KERAS_BACKEND"] = "torch"
    try:
        import keras
    except ImportError as error:
        raise MissingExtra("Training a Keras network", "train") from error
    if keras.backend.backend() != "torch":
        raise UsageError(
            f"Keras is already running on {keras.backend.backend()!r}, expected 'torch'; set KERAS_BACKEND=torch before it is imported."
        )
    return keras


@contextlib.contextmanager
def _image_format(keras: Any, image_format: str) -> Iterator[None]:
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(image_format)
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)


def _with_official_weights(make: Any, name: str, shape: tuple[int, ...]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`input_shape` is undefined or non-square")  # any size may start from the 224 px weights
            return make(include_top=False, weights="imagenet", input_shape=shape)
    except Exception as error:
        # Keras wraps every failed download in a bare Exception whose text begins with "URL fetch failure on <address>".
        words = str(error).split()
        address = next((word.rstrip(":.,") for word in words if word.startswith("http")), "")
        if not address:
            raise
        file, cache = address.rpartition("/")[2], Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
        raise ModelFileError(
            f"The official weights of {name} could not be downloaded from {address}; "
            f"fetch that file elsewhere and put it at {cache / file}."
        ) from error


def _load_weights(model: Any, name: str, path: Path) -> None:
    if not path.is_file():
        raise ModelFileError(
            f"There is no weights file {path}, expected a .weights.h5 file of {name} without its top; correct fine_tune.start."
        )
    try:
        model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise ModelFileError(
            f"{path.name} does not hold weights of {name} without its top ({type(error).__name__}), "
            "expected a .weights.h5 file of that network; correct fine_tune.start."
        ) from error
