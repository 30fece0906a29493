"""A classifier of films as scikit-learn's users expect one: fit, predict, cross-validate, search, and take the model away as one file.

```python
from deephealth.estimator import ChestXrayClassifier

classifier = ChestXrayClassifier().fit(paths, labels, groups=patients)
classifier.predict_proba(["film.png"])
classifier.save("model.onnx")
```

It is the head and calibration of `deephealth train` without its split, audit and report: who judges a model for a paper should use that.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from deephealth.errors import ModelFileError, UsageError
from deephealth.evaluation.calibration import fit_temperature, softmax
from deephealth.features.backbones import Backbone, load_backbone
from deephealth.features.graph import open_session, run_features
from deephealth.images.radiograph import Radiograph
from deephealth.images.read import read_film
from deephealth.model.file import Model, save_model
from deephealth.model.graph import compose, with_record
from deephealth.model.novelty import NoveltyModel, choose_threshold, fit_novelty
from deephealth.model.record import ModelRecord, TrainingRecord
from deephealth.model.verify import make_goldens
from deephealth.settings import threads as thread_settings
from deephealth.training.heads import Examples, fit_head
from deephealth.training.recipe import HeadSettings

Films = Sequence[str | Path | Radiograph | NDArray[np.uint8]]
_FEWEST_HELD_OUT = 2  # a class: with fewer films nothing is kept back, and the temperature stays 1


class PatientsUnknown(UserWarning):
    """Scores may be leakage: films of one patient may lie on both sides."""


class ChestXrayClassifier(ClassifierMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A head on a frozen backbone, calibrated on films kept back.

    backbone, weights: as in `load_backbone`. head: "logistic", "softmax" (retrain.py's) or "dense" (Teachable Machine's). validation: share
    of the patients kept back for penalty, early stop, temperature and gate. seed: of every random choice. threads: None for the setting.

    X is a list of films (paths, `Radiograph`s or arrays uint8 [H, W]), an array uint8 [n, H, W], or a pandas Series of paths; an array of
    numbers [n, d] is taken for features that were computed already, by `transform` for instance.

    After `fit`: classes_, head_, temperature_, novelty_, threshold_ (None for features of fewer than four rows), n_features_in_.
    """

    def __init__(
        self,
        backbone: str = "deephealth-small",
        *,
        weights: str | None = None,
        head: str = "logistic",
        validation: float = 0.2,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.head = head
        self.validation = validation
        self.seed = seed
        self.threads = threads

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may expect: features are float32 whatever they came as."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def fit(self, X: Any, y: Any, groups: Any = None) -> ChestXrayClassifier:
        """Fit to films `X` and their labels `y` [n]; groups: the patient of each film, kept whole when films are kept back.

        Warns with PatientsUnknown when films come without groups. Raises ValueError as scikit-learn's classifiers do, FilmError for a film
        that cannot be read.
        """
        if _are_films(X):
            if groups is None:
                text = "The films came without groups, so films of one patient may be on both sides of a split; give groups=patients."
                warnings.warn(text, PatientsUnknown, stacklevel=2)
            features, y = validate_data(self, self._features(X), y, dtype=np.float32)
        else:
            features, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"The films are of {len(self.classes_)} class, expected at least 2; add films of another class.")
        train, held_out = self._split(numbers, groups)
        examples = Examples(features[train], numbers[train].astype(np.int64))
        judged = Examples(features[held_out], numbers[held_out].astype(np.int64)) if len(held_out) else None
        settings = HeadSettings(kind=self.head)  # what it may be is checked there
        self.head_ = fit_head(examples, classes=len(self.classes_), settings=settings, validation=judged, seed=self.seed)
        self.temperature_ = fit_temperature(self.head_.logits(judged.features), judged.labels) if judged else 1.0
        self._fit_gate(features, train, held_out)
        self.films_ = len(features)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities [n, classes], in the order of classes_."""
        features = self._given(X)
        return softmax(self.head_.logits(features), self.temperature_)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable label of each film."""
        features = self._given(X)
        return np.asarray(self.classes_[self.head_.logits(features).argmax(axis=1)])

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Features float32 [n, d]: compute them once for a search or a cross-validation."""
        return self._features(X) if _are_films(X) else self._given(X)

    def refused(self, X: Any) -> NDArray[np.bool_]:
        """Films unlike those it was fitted to, [n]: the gate of the model file. All False where no threshold could be chosen."""
        distances = self.novelty_.distance(self._given(X)) if self.threshold_ is not None else np.zeros(len(X))
        return np.asarray(distances > (self.threshold_ or np.inf))

    def model(self, name: str = "classifier") -> Model:
        """The whole as a model file: film in, probabilities, heatmap and novelty out. UsageError when it was fitted to bare features."""
        check_is_fitted(self)
        backbone = self._backbone()
        if self.n_features_in_ != backbone.dim:
            raise UsageError(
                f"It was fitted to {self.n_features_in_} features, expected the {backbone.dim} of {backbone.name}; give it films."
            )
        record = ModelRecord(
            name=name,
            labels=tuple(str(label) for label in self.classes_),
            novelty_threshold=self.threshold_,
            training=TrainingRecord(seed=self.seed, recipe={"estimator": self.get_params()}, films=self.films_),
            limits=("It was fitted in a program of its user's, without an audit or a test set; judge it with `deephealth evaluate`.",),
        )
        model = Model.load(compose(backbone, self.head_, temperature=self.temperature_, novelty=self.novelty_, record=record))
        return Model.load(with_record(model.data, dataclasses.replace(model.record, goldens=make_goldens(model))))

    def save(self, path: str | Path, name: str = "") -> Path:
        """Write the model file; its path."""
        save_model(self.model(name or Path(path).stem).data, Path(path))
        return Path(path)

    def _split(self, numbers: NDArray[np.int64], groups: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows to fit and rows kept back: patients whole where they are known, all classes on either side, or nothing kept back."""
        everything, nothing = np.arange(len(numbers)), np.zeros(0, np.int64)
        fewest = np.bincount(numbers).min()
        if fewest * self.validation < _FEWEST_HELD_OUT or not 0 < self.validation < 1:
            return everything, nothing
        if groups is None:
            splitter: Any = StratifiedShuffleSplit(1, test_size=self.validation, random_state=self.seed)
            train, held_out = next(splitter.split(everything, numbers))
            return train, held_out
        splitter = GroupShuffleSplit(20, test_size=self.validation, random_state=self.seed)
        for train, held_out in splitter.split(everything, numbers, groups):
            if all(len(np.unique(numbers[side])) == len(np.unique(numbers)) for side in (train, held_out)):
                return train, held_out
        return everything, nothing

    def _fit_gate(self, features: NDArray[np.float32], train: NDArray[np.int64], held_out: NDArray[np.int64]) -> None:
        self.threshold_: float | None = None
        if len(train) < 4:
            flat = np.zeros(features.shape[1], np.float32)
            self.novelty_ = NoveltyModel(flat, flat[None], np.ones(1, np.float32), 1.0)
            return
        self.novelty_ = fit_novelty(features[train])
        judged = features[held_out] if len(held_out) else features[train]
        self.threshold_ = choose_threshold(self.novelty_.distance(judged))

    def _given(self, X: Any) -> NDArray[np.float32]:
        check_is_fitted(self)
        features = self._features(X) if _are_films(X) else X
        return np.asarray(validate_data(self, features, dtype=np.float32, reset=False))

    def _features(self, films: Films) -> NDArray[np.float32]:
        backbone = self._backbone()
        session = open_session(backbone.model, threads=thread_settings.resolve(self.threads))
        return np.array([run_features(session, _pixels(film, backbone.channels)) for film in films], np.float32).reshape(-1, backbone.dim)

    def _backbone(self) -> Backbone:
        return _loaded(self.backbone, self.weights)


@functools.lru_cache(maxsize=4)
def _loaded(name: str, weights: str | None) -> Backbone:
    return load_backbone(name, weights=Path(weights) if weights else None)


def _are_films(X: Any) -> bool:
    """Whether X is films rather than a table of numbers: its first member is a path, a film or a picture."""
    if isinstance(X, np.ndarray):
        return X.ndim == 3 or (X.ndim == 1 and len(X) > 0 and isinstance(X[0], str | Path))
    if not hasattr(X, "__len__") or hasattr(X, "toarray") or getattr(X, "ndim", 1) == 2 or not len(X):
        return False
    first = X.iloc[0] if hasattr(X, "iloc") else X[0]
    return isinstance(first, str | Path | Radiograph) or (isinstance(first, np.ndarray) and first.ndim in (2, 3))


def _pixels(film: Any, channels: int) -> NDArray[np.uint8]:
    if isinstance(film, str | Path):
        film = read_film(film, channels=channels)
    pixels = film.pixels if isinstance(film, Radiograph) else film
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise ModelFileError(
            f"A film is {type(film).__name__} of {getattr(pixels, 'dtype', 'no')} values, expected uint8 [H, W]; convert it."
        )
    if channels == 3 and pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if channels == 1 and pixels.ndim == 3:
        raise ModelFileError("A film is in colour and the backbone takes grey ones, expected uint8 [H, W]; convert it.")
    return np.ascontiguousarray(pixels)
