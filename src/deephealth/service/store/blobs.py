"""Films, models and reports, each under the SHA-256 of its bytes: put, open, delete, so that an object store can replace the folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from deephealth.settings import atomic


class Blobs:
    """The content-addressed files below `folder`: folder/ab/abcdef... Equal bytes are kept once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Keep `data`, whole or not at all; its SHA-256 in hexadecimal. OSError when the disk is full."""
        name = hashlib.sha256(data).hexdigest()
        path = self.path(name)
        if not path.exists():
            atomic.write_bytes(path, data)
        return name

    def open(self, name: str) -> BinaryIO:
        """The bytes of `name`, a SHA-256. FileNotFoundError when they are not kept."""
        return self.path(name).open("rb")

    def delete(self, name: str) -> None:
        """Forget `name`; nothing happens when it is not kept."""
        self.path(name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where `name` lies, for programs of ours that take a path. ValueError for anything that is no SHA-256."""
        if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise ValueError("a blob's name is a SHA-256 in 64 hexadecimal digits")
        return self.folder / name[:2] / name
