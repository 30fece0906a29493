"""A TensorFlow.js layers model in @tensorflow/tfjs on Node.js, by its WebAssembly engine, or its plain one where that lacks an operator."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from deephealth.errors import DeepHealthError
from deephealth.model.exports.runtimes.asking import read_pictures, tensor
from deephealth.settings import own_process, table

_SOURCE = Path(__file__).parent.parent / "node"
_SECONDS = 1800


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The probabilities of the request's pictures."""
    interface = request["interface"]
    inputs = [tensor(picture, interface)[0] for picture in read_pictures(request["pictures"])]
    folder = Path(request["folder"]) / Path(interface["file"]).parent
    asked = {"folder": str(folder), "shape": list(inputs[0].shape), "count": len(inputs)}
    with tempfile.TemporaryDirectory(prefix="deephealth-") as name:
        pixels = Path(name) / "pixels.bin"
        pixels.write_bytes(b"".join(one.astype("<f4").tobytes() for one in inputs))
        command = [_program("node"), str(packages() / "ask.mjs")]
        try:
            return _ask(command, Path(name), {**asked, "pixels": str(pixels), "backend": "wasm"})
        except DeepHealthError:
            return _ask(command, Path(name), {**asked, "pixels": str(pixels), "backend": "cpu"})


def _ask(program: list[str], place: Path, request: dict[str, Any]) -> dict[str, Any]:
    (place / "request.json").write_text(json.dumps(request), encoding="utf-8")
    command = [*program, str(place / "request.json"), str(place / "answer.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 - our own program
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error" in line] or ["no message"]
        raise DeepHealthError(f"TensorFlow.js could not run the model ({lines[0].strip()[:300]}); please report it with the model's name.")
    answer: dict[str, Any] = json.loads((place / "answer.json").read_text(encoding="utf-8"))
    return answer


def packages() -> Path:
    """The folder with `ask.mjs` and TensorFlow.js, installed by npm into the cache on its first use: what is in it is fixed by a lock file.

    Raises DeepHealthError when there is no Node.js, or npm cannot install.
    """
    content = b"".join((_SOURCE / name).read_bytes() for name in ("package-lock.json", "ask.mjs"))
    home = table.cache_dir() / "node" / f"tfjs-{hashlib.sha256(content).hexdigest()[:12]}"
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent, prefix=".new-") as name:
            _install(Path(name) / "new")
            if not home.exists():  # another process may have been faster
                (Path(name) / "new").rename(home)
    return home


def _install(folder: Path) -> None:
    shutil.copytree(_SOURCE, folder)
    command = [_program("npm"), "ci", "--silent", "--no-fund", "--no-audit", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
        raise DeepHealthError(
            f"npm could not install TensorFlow.js ({last}); connect to the internet once, or name your registry in ~/.npmrc."
        )


def _program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise DeepHealthError(
            f"There is no {name} on this machine, with which a TensorFlow.js model is asked; install Node.js 18 or newer."
        )
    return found


if __name__ == "__main__":
    own_process.serve(answer)
