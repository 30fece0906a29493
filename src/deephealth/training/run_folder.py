"""The folder of one training run: what it was asked, its frozen split, its events, and whether it finished.

RUN/plan.json    what the run was asked to do (data hash, recipe, seed); written first
RUN/split.csv    the frozen split
RUN/events.jsonl everything that happened
RUN/tensorboard/ what `deephealth tensorboard` shows
RUN/model.onnx, RUN/report.html, RUN/report.json
RUN/run.json     clock times and costs; written last, so its presence means that the run finished
"""

from __future__ import annotations

import json
import platform
import resource
import shutil
import time
from pathlib import Path
from typing import Any

from deephealth import __version__
from deephealth.errors import UsageError
from deephealth.settings import atomic
from deephealth.settings.threads import peak_memory_mb


class RunFolder:
    """A run at `path`: made, or taken up again where an interrupted run of the same plan left it.

    Raises UsageError when the folder holds something else, a finished run (unless `overwrite`), or an unfinished run of another plan.
    """

    def __init__(self, path: Path, plan: dict[str, Any], *, overwrite: bool = False) -> None:
        self.path = path
        self._started = time.time()
        # Through JSON and back, so that tuples and lists compare as the file will hold them.
        plan = json.loads(json.dumps({"deephealth": __version__, **plan}))
        emptied = overwrite and self._earlier_plan() is not None
        if emptied:
            self._remove()
        earlier = self._earlier_plan()
        if earlier is None:
            if not emptied and path.exists() and not all(map(atomic.is_unfinished, path.iterdir())):
                raise UsageError(f"{path} is not empty and holds no training run, expected a new folder; give another --out.")
            atomic.write_json(path / "plan.json", plan)
        elif (path / "run.json").exists():
            raise UsageError(f"{path} holds a finished run; give another --out, or --overwrite to replace it.")
        elif earlier != plan:
            changed = ", ".join(sorted(key for key in plan.keys() | earlier.keys() if plan.get(key) != earlier.get(key)))
            raise UsageError(
                f"{path} holds an unfinished run with another {changed}; repeat the same command, or give --overwrite or another --out."
            )
        self.resumed = earlier is not None

    @property
    def split(self) -> Path:
        """The frozen split."""
        return self.path / "split.csv"

    @property
    def events(self) -> Path:
        """The events, one JSON object a line."""
        return self.path / "events.jsonl"

    @property
    def model(self) -> Path:
        """The model file."""
        return self.path / "model.onnx"

    @property
    def html(self) -> Path:
        """The report for people."""
        return self.path / "report.html"

    @property
    def json(self) -> Path:
        """The report for programs."""
        return self.path / "report.json"

    @property
    def network(self) -> Path:
        """Checkpoints and resized films of fine-tuning."""
        return self.path / "fine_tune"

    @property
    def tensorboard(self) -> Path:
        """Event files for TensorBoard."""
        return self.path / "tensorboard"

    def finish(self, **facts: Any) -> None:
        """Mark the run as finished, with its clock times and costs."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        atomic.write_json(
            self.path / "run.json",
            {
                "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started)),
                "seconds": round(time.time() - self._started, 1),
                "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
                "peak_memory_mb": round(peak_memory_mb()),
                "resumed": self.resumed,
                "python": platform.python_version(),
                "machine": platform.machine(),
                **facts,
            },
        )

    def _earlier_plan(self) -> dict[str, Any] | None:
        """The plan of the run that lies here; None where there is none, or another program's file of that name."""
        try:
            plan = json.loads((self.path / "plan.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return plan if isinstance(plan, dict) and "deephealth" in plan else None

    def _remove(self) -> None:
        """Remove what a run wrote, the plan last, and nothing else that somebody may keep in its folder."""
        for name in ("run.json", "model.onnx", "report.html", "report.json", "events.jsonl", "split.csv"):
            (self.path / name).unlink(missing_ok=True)
        for folder in (self.network, self.tensorboard):
            if folder.is_dir():
                shutil.rmtree(folder)
        (self.path / "plan.json").unlink()
