from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from deephealth.images.phantom import draw_phantom
from deephealth.images.phantom_dicom import dicom_bytes
from deephealth.images.read import read_film
from deephealth.service.answering.deidentify import deidentified
from deephealth.service.answering.inspection import patient_key

PIXELS = draw_phantom("viral", seed=1, size=120).pixels
NAME = "GARCIA^MARIA"


def saved(kind: str, *, orientation: int = 1, colour: bool = False, **options: object) -> bytes:
    picture = Image.fromarray(np.stack([PIXELS, 255 - PIXELS, PIXELS // 2], axis=2) if colour else PIXELS)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x9286] = orientation, NAME, NAME
    buffer = BytesIO()
    if kind == "PNG":
        text = PngInfo()
        text.add_text("Patient", NAME)
        options["pnginfo"] = text
    if kind == "JPEG":
        options["comment"] = NAME
    if kind != "BMP":
        options["exif"] = exif
    picture.save(buffer, kind, **options)
    return buffer.getvalue() + (NAME.encode() if kind in ("JPEG", "PNG") else b"")


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize(
    "kind, options", [("JPEG", {}), ("JPEG", {"progressive": True}), ("JPEG", {"restart_marker_rows": 2}), ("PNG", {})]
)
@pytest.mark.parametrize("colour", [False, True])
def test_nothing_but_the_picture_is_kept(kind: str, options: dict[str, object], orientation: int, colour: bool) -> None:
    data = saved(kind, orientation=orientation, colour=colour, **options)
    assert NAME.encode() in data
    film = read_film(data)
    kept, kept_kind = deidentified(data, film)
    assert kept_kind == kind.lower()
    assert NAME.encode() not in kept
    assert np.array_equal(read_film(kept).pixels, film.pixels)
    assert np.array_equal(read_film(kept, channels=3).pixels, read_film(data, channels=3).pixels)
    assert len(kept) <= len(data)


@pytest.mark.parametrize("kind", ["TIFF", "BMP"])
@pytest.mark.parametrize("colour", [False, True])
def test_other_pictures_become_png(kind: str, colour: bool) -> None:
    data = saved(kind, colour=colour)
    kept, kept_kind = deidentified(data, read_film(data))
    assert kept_kind == "png" and NAME.encode() not in kept
    assert np.array_equal(read_film(kept, channels=3).pixels, read_film(data, channels=3).pixels)
    assert np.array_equal(read_film(kept).pixels, read_film(data).pixels)


def test_a_dicom_becomes_the_picture_that_is_read_from_it() -> None:
    data = dicom_bytes(draw_phantom("normal", seed=2, size=120), seed=2, patient=1, film=1)
    film = read_film(data)
    kept, kind = deidentified(data, film)
    assert kind == "png"
    assert np.array_equal(read_film(kept).pixels, film.pixels)
    assert film.tags["patient_id"].encode() not in kept


def test_a_patient_has_another_key_in_every_project() -> None:
    assert patient_key("4711", "a" * 32) == patient_key(" 4711 ", "a" * 32) != patient_key("4711", "b" * 32)
    assert patient_key("", "a" * 32) == "" and len(patient_key("4711", "a" * 32)) == 16
