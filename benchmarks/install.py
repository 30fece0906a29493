"""Size of a fresh base install, and what each package costs.

The environment is made in a folder of its own by the commands that `make run` uses, only not editable. A package's size is that of the
files its installer recorded. Megabytes are 1,000,000 bytes.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import materials
from benchmarks.measure import Bar, Figure, Options

TITLE = "size of a fresh base install with every DICOM codec"
BAR = Bar("at most", 600)
_MB = 1e6
_TOOLS = ("pip", "setuptools")  # what venv itself puts there
# The transfer syntaxes a free codec reads (JPEG Extended with 12 bits has none); asked of pydicom inside the new environment.
_CODECS = """
from pydicom import uid
from pydicom.pixels import get_decoder
names = ("ImplicitVRLittleEndian ExplicitVRLittleEndian ExplicitVRBigEndian DeflatedExplicitVRLittleEndian RLELossless "
         "JPEGBaseline8Bit JPEGLossless JPEGLosslessSV1 JPEGLSLossless JPEGLSNearLossless JPEG2000Lossless JPEG2000 "
         "HTJ2KLossless HTJ2KLosslessRPCL HTJ2K").split()
missing = [name for name in names if not get_decoder(getattr(uid, name)).is_available]
print(len(names) - len(missing), len(names), *missing)
"""


def run(options: Options) -> Iterator[Figure]:
    """Install, weigh, ask for the codecs. When only trying, the environment at hand is weighed instead."""
    python = Path(sys.executable) if options.smoke else fresh_environment(options.work / "environment")
    root = python.parents[1]
    sizes = package_sizes(root)
    total = tree_size(root) / _MB
    tools = sum(size for name, size in sizes.items() if name in _TOOLS) / _MB
    yield Figure(
        TITLE,
        total,
        total,
        total,
        "MB",
        f"1 environment, {len(sizes)} packages",
        "python -m venv NEW && NEW/bin/python -m pip install --constraint constraints.txt .",
        BAR,
        notes=(f"All files under the environment, {tools:.0f} MB of them pip and setuptools, which venv puts there.", _codecs(python)),
        table=_table(sizes),
    )


def fresh_environment(folder: Path) -> Path:
    """A new virtual environment with the project and its base requirements; its Python."""
    python = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", "constraints.txt", "."]
    subprocess.run(pip, cwd=materials.ROOT, check=True)
    return python


def package_sizes(root: Path) -> dict[str, int]:
    """Bytes of the files that each package's installer recorded, largest first."""
    site = next(root.glob("lib/python*/site-packages"))
    sizes: dict[str, int] = {}
    for package in importlib.metadata.distributions(path=[str(site)]):
        files = (Path(str(package.locate_file(file))) for file in package.files or ())
        sizes[package.metadata["Name"]] = sum(file.stat().st_size for file in files if file.is_file())
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def tree_size(root: Path) -> int:
    """Bytes of all files below `root`, links not followed."""
    return sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() or path.is_symlink())


def _table(sizes: dict[str, int]) -> list[list[str]]:
    return [["package", "MB"], *([name, f"{size / _MB:.1f}"] for name, size in sizes.items())]


def _codecs(python: Path) -> str:
    done = subprocess.run([str(python), "-c", _CODECS], check=True, stdout=subprocess.PIPE, text=True)
    found, all_of_them, *missing = done.stdout.split()
    return f"pydicom finds a decoder for {found} of {all_of_them} transfer syntaxes" + (
        f"; missing: {', '.join(missing)}." if missing else "."
    )
