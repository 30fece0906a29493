"""DCMTK as a peer: it reads the DICOM films we write, and renders films as we read them."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deephealth.images.phantom_set import write_phantoms
from deephealth.images.read import read_film

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    out = write_phantoms(tmp_path_factory.mktemp("dcm") / "films", per_class=3, seed=3, file_format="dicom")
    return sorted(out.glob("*/*.dcm"))


def rendered(path: Path) -> np.ndarray:
    """The film through its first window and presentation, as DCMTK's viewer library draws it in 8 bits."""
    done = subprocess.run(["dcmj2pnm", "+Wi", "1", "--write-8-bit-pnm", str(path)], capture_output=True, check=True, timeout=60)
    return np.asarray(Image.open(io.BytesIO(done.stdout)).convert("L"))


def test_dcmtk_reads_our_films(films: list[Path]) -> None:
    assert len(films) >= 9
    for path in films:
        dump = subprocess.run(["dcmdump", str(path)], capture_output=True, text=True, check=True, timeout=60)
        assert "CHEST" in dump.stdout
        assert not [line for line in dump.stderr.splitlines() if line.startswith(("E:", "W:"))], dump.stderr


def test_dcmtk_renders_our_films_as_we_read_them(films: list[Path]) -> None:
    for path in films:
        difference = np.abs(rendered(path).astype(int) - read_film(path).pixels.astype(int))
        assert difference.max() <= 1, path.name


@pytest.mark.parametrize("name", ["nema_cr_pa_monochrome1_j2k.dcm", "rsna_cr_pa_monochrome2_jpeg.dcm", "nih_dx_uncompressed.dcm"])
def test_dcmtk_renders_real_films_as_we_read_them(name: str, shared: Path, tmp_path: Path) -> None:
    path = shared / "data" / "dicom" / "chest" / name
    ours = read_film(path).pixels.astype(int)
    plain = tmp_path / "plain.dcm"
    if "j2k" in name:  # DCMTK has no JPEG 2000 codec: hand it the same film with its pixels unpacked
        import pydicom

        dataset = pydicom.dcmread(path)
        dataset.decompress()
        dataset.save_as(plain)
    else:
        plain = path
    dump = subprocess.run(["dcmdump", str(plain)], capture_output=True, text=True, check=True, timeout=60).stdout
    option = ["+Wi", "1"] if "WindowCenter" in dump else ["--no-windowing"]
    done = subprocess.run(["dcmj2pnm", *option, "--write-8-bit-pnm", str(plain)], capture_output=True, check=True, timeout=60)
    theirs = np.asarray(Image.open(io.BytesIO(done.stdout)).convert("L")).astype(int)
    difference = np.abs(ours - theirs)
    assert np.percentile(difference, 99.9) <= 1, (difference.max(), difference.mean())
