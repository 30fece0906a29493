"""How to train, as one frozen value that is also a TOML file.

Every field has a default, so a recipe file holds only what differs. An unknown section or key is refused, with the nearest valid name:
a misspelt setting that is silently ignored costs a day.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from deephealth.errors import UsageError
from deephealth.features.augment import Augmentation


@dataclasses.dataclass(frozen=True)
class SplitSettings:
    """Shares of the patients kept for validation and test; by: "patient", or "film" to show what leakage would add."""

    validation: float = 0.15
    test: float = 0.15
    by: str = "patient"


@dataclasses.dataclass(frozen=True)
class FeatureSettings:
    """backbone: a name or path (see `deephealth.features.backbones`); views: augmented copies of each training film, 1 = the film alone."""

    backbone: str = "deephealth-small"
    weights: str = ""
    views: int = 1


@dataclasses.dataclass(frozen=True)
class HeadSettings:
    """How the head is fitted on the features.

    kind: "logistic" (multinomial logistic regression), "softmax" (retrain.py's: plain gradient descent, each batch draws a class uniformly,
    then a film), or "dense" (Teachable Machine's: Dense(100, ReLU) + softmax without bias, Adam).
    class_weights: "balanced" (classes count equally) or "none" ("softmax" always draws the classes equally).
    strength: inverse of the L2 penalty of "logistic", on standardised features; 0: chosen on the validation films.
    steps, learning_rate, batch: of "softmax" (defaults 4000, 0.01, 100). epochs: of "dense" (50; learning rate 0.001, batch 16).
    patience: evaluations without a better validation loss before "softmax" and "dense" stop early; 0 never stops early.
    """

    kind: str = "logistic"
    class_weights: str = "balanced"
    strength: float = 0.0
    steps: int = 4000
    epochs: int = 50
    hidden: int = 100
    learning_rate: float = 0.0
    batch: int = 0
    eval_every: int = 10
    patience: int = 0


@dataclasses.dataclass(frozen=True)
class FineTuneSettings:
    """How a whole network is trained (extra `deephealth[train]`).

    architecture: "small-resnet", "mobilenet-v2-" and a width, or "keras:" and a name of keras.applications. start: "scratch", "imagenet"
    (Keras's official weights), or a path of a weights file. size: the network's square side in px. warmup: share of all steps. average:
    decay of the averaged weights per step, 0 off. balance: 1, all classes count alike however many films they have; 0, each by its films;
    between them, in between. standardise: each film to mean 0 and standard deviation 1, inside the graph. precision: "auto" (bfloat16 on a
    GPU, else float32), "float32" or "bfloat16". checkpoint_every: steps between checkpoints.
    """

    architecture: str = "small-resnet"
    start: str = "scratch"
    size: int = 160
    channels_width: int = 32
    epochs: int = 20
    batch: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 5e-2
    warmup: float = 0.1
    label_smoothing: float = 0.05
    mixup: float = 0.2
    average: float = 0.998
    balance: float = 1.0
    standardise: bool = True
    precision: str = "auto"
    checkpoint_every: int = 100


@dataclasses.dataclass(frozen=True)
class FineTuneAugmentation:
    """Random changes of each training film while fine-tuning, chosen to destroy cues of size, framing, border and exposure.

    rotate in degrees; shift, crop and aspect as shares of the side; gamma and contrast as factors (0.3: between 1/1.3 and 1.3);
    brightness and noise as shares of the grey range; border, patch and marker: probability of erasing a border, erasing a patch,
    burning in a corner marker; soften: probability of showing the film as if enlarged from a copy of half to all of its side, since films
    come at many sizes and through many programs; flip: probability of a left-right mirror (0: the heart lies on the left).
    """

    rotate: float = 8.0
    shift: float = 0.06
    crop: float = 0.15
    aspect: float = 0.2
    gamma: float = 0.5
    contrast: float = 0.5
    brightness: float = 0.1
    noise: float = 0.02
    border: float = 0.5
    patch: float = 0.25
    marker: float = 0.3
    soften: float = 0.0
    flip: float = 0.0


@dataclasses.dataclass(frozen=True)
class CounterExamples:
    """Pictures from which not everything may be told, shown while fine-tuning (see `training.counterexamples`).

    Shares of the films of which only the lungs are left and the label stays (only_lungs), the lungs are hidden (without_lungs), or all but
    border or corners is (frame); of the last two no class may be told. not_chest: pictures that are no chest films, added to a batch as a
    share of its films. in_lungs: what it costs, beside the loss of the classes, that evidence for a film's label lies outside the lungs.
    """

    only_lungs: float = 0.0
    without_lungs: float = 0.0
    frame: float = 0.0
    not_chest: float = 0.0
    in_lungs: float = 0.0

    @property
    def need_lungs(self) -> bool:
        """Whether the films' lungs have to be found."""
        return bool(self.only_lungs or self.without_lungs or self.in_lungs)


@dataclasses.dataclass(frozen=True)
class GateSettings:
    """Which films the model says to be outside those it learned from.

    refuse: share of new films of the same kind that may be refused; the more, the more films of other kinds are refused too.
    """

    refuse: float = 0.01


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run besides the films and the seed.

    licence: of the resulting model file. provenance: one sentence of credit for films and weights. population: whose films these are.
    limits: known limits of the model, a sentence each. All four are written into the model's record as they are.
    """

    name: str = "deephealth-model"
    licence: str = ""
    provenance: str = ""
    population: str = ""
    limits: tuple[str, ...] = ()
    split: SplitSettings = SplitSettings()
    features: FeatureSettings = FeatureSettings()
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    head: HeadSettings = HeadSettings()
    fine_tune: FineTuneSettings | None = None
    fine_tune_augmentation: FineTuneAugmentation = FineTuneAugmentation()
    counterexamples: CounterExamples = CounterExamples()
    gate: GateSettings = GateSettings()

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain JSON-able values, for the model's record."""
        return dataclasses.asdict(self)


_CHOICES = {
    "split.by": ("patient", "film"),
    "head.kind": ("logistic", "softmax", "dense"),
    "head.class_weights": ("balanced", "none"),
    "fine_tune.precision": ("auto", "float32", "bfloat16"),
}
_AT_LEAST = {
    "features.views": 1,
    **dict.fromkeys((f"head.{key}" for key in ("steps", "epochs", "hidden", "eval_every")), 1),
    **dict.fromkeys((f"fine_tune.{key}" for key in ("channels_width", "epochs", "batch", "checkpoint_every")), 1),
    "fine_tune.size": 16,
    "gate.refuse": 0.001,
}
_AT_MOST = {
    **dict.fromkeys((f"fine_tune.{key}" for key in ("warmup", "label_smoothing", "average", "balance")), 1.0),
    **dict.fromkeys((f"fine_tune_augmentation.{key}" for key in ("shift", "border", "patch", "marker", "soften", "flip")), 1.0),
    **dict.fromkeys((f"counterexamples.{key}" for key in ("only_lungs", "without_lungs", "frame")), 1 / 3),
    "counterexamples.not_chest": 1.0,
    "fine_tune_augmentation.crop": 0.9,
    "fine_tune.size": 4096,
    "gate.refuse": 0.5,
}


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from a TOML file. Raises UsageError, naming the key, for anything unknown or of the wrong type."""
    try:
        with path.open("rb") as file:
            tree = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"The recipe {path} cannot be read ({error.strerror}); give the path of a TOML file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The recipe {path} is not valid TOML: {error}; correct that line.") from None
    return recipe_from_dict(tree)


def recipe_from_dict(tree: dict[str, Any]) -> Recipe:
    """Build a recipe from nested plain values (as TOML and `Recipe.to_dict` give them). Raises UsageError as `load_recipe`."""
    return _build(Recipe, tree, "")


_T = TypeVar("_T")


def _build(kind: type[_T], tree: dict[str, Any], where: str) -> _T:
    hints = typing.get_type_hints(kind)
    values = {}
    for key, value in tree.items():
        place = f"{where}{key}"
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1) or [", ".join(sorted(hints))]
            raise UsageError(f"The recipe has an unknown key {place!r}, expected {where}{near[0]}; correct or remove it.")
        values[key] = _value(hints[key], value, place)
    return kind(**values)


def _value(hint: Any, value: Any, place: str) -> Any:
    if isinstance(hint, types.UnionType):  # a section that may be absent
        if value is None:
            return None
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise UsageError(f"The recipe's {place!r} is {value!r}, expected a section [{place}]; write its keys below that heading.")
        return _build(hint, value, place + ".")
    if hint == tuple[str, ...]:
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise UsageError(f"The recipe's {place!r} is {value!r}, expected a list of sentences; correct it.")
        return tuple(value)
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:
        raise UsageError(f"The recipe's {place!r} is {value!r}, expected a {hint.__name__}; correct it.")
    if value not in _CHOICES.get(place, (value,)):
        raise UsageError(f"The recipe's {place!r} is {value!r}, expected one of {', '.join(_CHOICES[place])}; correct it.")
    if hint in (int, float):
        _check_range(value, place)
    return value


def _check_range(value: float, place: str) -> None:
    low, high = _AT_LEAST.get(place, 0), _AT_MOST.get(place, math.inf)
    if not (low <= value <= high and math.isfinite(value)):
        expected = f"{low} or more" if high == math.inf else f"{low} to {high:g}"
        raise UsageError(f"The recipe's {place!r} is {value!r}, expected {expected}; correct it.")


def with_changes(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with some fields replaced, named section__field (head__kind="dense"); None leaves a field as it is."""
    tree = recipe.to_dict()
    for name, value in changes.items():
        section, _, field = name.partition("__")
        if value is not None and field:
            tree[section][field] = value
        elif value is not None:
            tree[section] = dataclasses.asdict(value) if isinstance(value, FineTuneSettings) else value
    return recipe_from_dict(tree)
