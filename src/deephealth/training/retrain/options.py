"""retrain.py's options with its defaults, and a few of our own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deephealth.errors import UsageError

SplitRule = Literal["patient", "name", "old"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a retraining was asked for. Percentages are 0 to 100; -1 as a batch size stands for all films."""

    image_dir: Path
    output_graph: Path = Path("/tmp/output_graph.pb")  # noqa: S108 - retrain.py's own default
    output_labels: Path = Path("/tmp/output_labels.txt")  # noqa: S108
    summaries_dir: Path = Path("/tmp/retrain_logs")  # noqa: S108
    intermediate_output_graphs_dir: Path = Path("/tmp/intermediate_graph")  # noqa: S108
    intermediate_store_frequency: int = 0
    how_many_training_steps: int = 4000
    learning_rate: float = 0.01
    testing_percentage: int = 10
    validation_percentage: int = 10
    eval_step_interval: int = 10
    train_batch_size: int = 100
    test_batch_size: int = -1
    validation_batch_size: int = 100
    print_misclassified_test_images: bool = False
    model_dir: Path = Path("/tmp/imagenet")  # noqa: S108
    bottleneck_dir: Path = Path("/tmp/bottleneck")  # noqa: S108
    final_tensor_name: str = "final_result"
    flip_left_right: bool = False
    random_crop: int = 0
    random_scale: int = 0
    random_brightness: int = 0
    architecture: str = "inception_v3"
    saved_model_dir: Path | None = None
    split_rule: SplitRule = "patient"
    weights: Path | None = None
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        """Raises UsageError for a value that retrain.py would have failed on later."""
        for name in ("testing_percentage", "validation_percentage"):
            if not 0 < getattr(self, name) < 100:
                raise UsageError(f"--{name} is {getattr(self, name)}, expected 1 to 99; films of every split are needed.")
        if self.testing_percentage + self.validation_percentage >= 100:
            raise UsageError("--testing_percentage and --validation_percentage leave no film to train on, expected less than 100 together.")
        for name in ("how_many_training_steps", "eval_step_interval", "train_batch_size"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name} is {getattr(self, name)}, expected 1 or more; correct it.")
        if not self.learning_rate > 0:
            raise UsageError(f"--learning_rate is {self.learning_rate}, expected a number above 0; correct it.")
        for name in ("random_crop", "random_scale", "random_brightness", "intermediate_store_frequency"):
            if getattr(self, name) < 0:
                raise UsageError(f"--{name} is {getattr(self, name)}, expected 0 or more; correct it.")

    def told(self) -> dict[str, object]:
        """The settings that make the model what it is, without folders, for a table of runs."""
        return {name: value for name, value in vars(self).items() if not isinstance(value, Path) and value is not None}

    @property
    def distorts(self) -> bool:
        """Whether training films are changed at each step; their bottlenecks are then computed anew and not cached."""
        return self.flip_left_right or bool(self.random_crop or self.random_scale or self.random_brightness)
