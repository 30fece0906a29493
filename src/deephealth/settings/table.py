"""The settings, as a table: each has an environment variable, a default and one line of help.

`deephealth settings` prints the table; a test fails when a setting is missing from the docs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from deephealth.errors import UsageError


@dataclass(frozen=True)
class Setting:
    """One setting: its name, its default and what it is for."""

    name: str
    default: int | str
    help: str

    @property
    def variable(self) -> str:
        """The environment variable that overrides the default."""
        return "DEEPHEALTH_" + self.name.upper()


SETTINGS: tuple[Setting, ...] = (
    Setting("cache_dir", "", "folder for features, film facts and copies found; empty: $XDG_CACHE_HOME/deephealth or ~/.cache/deephealth"),
    Setting("cache_limit_mb", 2000, "size of the cache above which the tables used longest ago are removed, in MB"),
    Setting("tensorboard", 1, "0: `train` writes no files for TensorBoard"),
    Setting("threads", 0, "threads to use; 0: as many as this process may run on"),
    Setting("max_pixels", 64_000_000, "largest film, in pixels, checked before decoding"),
    Setting("max_file_mb", 256, "largest film file or archive member, in MB, checked before reading"),
    Setting("max_archive_mb", 16_384, "largest sum of unpacked members read from one zip archive, in MB"),
    Setting("max_archive_members", 200_000, "largest number of members in one zip archive"),
    Setting("data_dir", "", "folder of the service for everything it keeps; empty: $XDG_DATA_HOME/deephealth or ~/.local/share/deephealth"),
    Setting("database", "", "address of the service's database, such as postgresql://USER@HOST/NAME; empty: SQLite in the data folder"),
    Setting("quota_mb", 8000, "most that the service's data folder may hold, in MB; 0: no limit"),
    Setting("keep_days", 30, "how long what was deleted on the page can be restored, in days; then it is removed for good"),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def text(name: str) -> str:
    """The value of a setting as text. Raises KeyError for an unknown name."""
    setting = _BY_NAME[name]
    return os.environ.get(setting.variable, str(setting.default))


def number(name: str) -> int:
    """The value of a whole-number setting. Raises UsageError when the environment holds something else."""
    value = text(name)
    try:
        result = int(value)
    except ValueError:
        result = -1
    if result < 0:
        raise UsageError(f"{_BY_NAME[name].variable} is {value!r}, expected a whole number of 0 or more; change or unset it.")
    return result


def cache_dir() -> Path:
    """The cache folder (not created here)."""
    chosen = text("cache_dir")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "deephealth"


def data_dir() -> Path:
    """The service's data folder (not created here)."""
    chosen = text("data_dir")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "deephealth"
