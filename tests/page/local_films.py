"""Films of every kind that the page decodes by itself, made from one phantom: for test_local.py."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from deephealth.images.phantom import Phantom
from deephealth.images.phantom_dicom import dicom_bytes

Pixels = NDArray[Any]


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def pictures(grey: Pixels) -> Iterator[tuple[str, bytes]]:
    """JPEG and PNG films of a grey phantom and of a tinted one."""
    rng = np.random.default_rng(5)
    tint = np.stack([grey, np.roll(grey, 3, 0), 255 - grey // 2], axis=2).astype(np.uint8)
    film, colour = Image.fromarray(grey), Image.fromarray(tint)
    wide = (grey.astype(np.uint16) * 257) ^ rng.integers(0, 2000, grey.shape).astype(np.uint16)
    veil = Image.fromarray(np.roll(grey, 40, 1))
    yield "jpeg-grey", encoded(film, "JPEG", quality=90)
    yield "jpeg-colour", encoded(colour, "JPEG", quality=90)
    yield "jpeg-full-colour", encoded(colour, "JPEG", quality=90, subsampling=0)
    yield "jpeg-progressive", encoded(colour, "JPEG", progressive=True, restart_marker_rows=4)
    yield "jpeg-rgb", encoded(colour, "JPEG", keep_rgb=True)
    yield "jpeg-commented", encoded(colour, "JPEG", comment=b"Adobe", dpi=(300, 300))
    for orientation in (3, 6, 7):
        yield f"jpeg-turned-{orientation}", encoded(colour, "JPEG", exif=_turned(orientation))
    yield "png-8", encoded(film, "PNG")
    yield "png-16", encoded(Image.fromarray(wide), "PNG")
    yield "png-colour", encoded(colour, "PNG")
    yield "png-alpha", encoded(Image.merge("RGBA", (*colour.split(), veil)), "PNG")
    yield "png-grey-alpha", encoded(Image.merge("LA", (film, veil)), "PNG")
    yield "png-palette", encoded(colour.quantize(100), "PNG", transparency=bytes(range(100, 200)))
    yield "png-sixteen-colours", encoded(colour.quantize(13), "PNG")
    yield "png-one-bit", encoded(film.convert("1"), "PNG")
    yield "png-turned", encoded(film, "PNG", exif=_turned(5))
    # A canvas would brighten this one: its gamma says that it was stored for a linear display.
    plain = encoded(film, "PNG")
    yield "png-gamma", plain[:33] + b"\0\0\0\4gAMA\0\1\x86\xa0\x31\xe8\x96\x5f" + plain[33:]


def dicoms(phantom: Phantom) -> Iterator[tuple[str, bytes]]:
    """DICOM films of the encodings and grey rules that the page knows."""
    plain = dicom_bytes(phantom, seed=1, patient=1, film=1)
    grey = phantom.pixels
    yield "dicom-explicit", plain
    yield "dicom-monochrome1", dicom_bytes(phantom, seed=1, patient=1, film=2)
    yield "dicom-implicit", changed(plain, ImplicitVRLittleEndian)
    yield "dicom-big-endian", changed(plain, ExplicitVRBigEndian)
    yield "dicom-deflated", changed(plain, DeflatedExplicitVRLittleEndian)
    jpeg = encapsulate([encoded(Image.fromarray(grey), "JPEG", quality=95)])
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    yield "dicom-jpeg", changed(plain, JPEGBaseline8Bit, PixelData=jpeg, WindowCenter="128", WindowWidth="256", **eight)
    yield "dicom-8-bit", changed(plain, WindowCenter=None, WindowWidth=None, PixelData=_even(grey), **eight)
    signed = (grey.astype(np.int16) * 16 - 1000).tobytes()
    hounsfield = {"PixelRepresentation": 1, "RescaleSlope": "2.5", "RescaleIntercept": "-300", "PixelPaddingValue": -1000}
    yield "dicom-signed", changed(plain, WindowCenter=None, WindowWidth=None, PixelData=signed, **hounsfield)
    yield "dicom-sigmoid", changed(plain, VOILUTFunction="SIGMOID", WindowCenter=["1800", "3000"], WindowWidth=["900", "100"])
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4096, 0, 12], (4095 * (np.arange(4096) / 4095) ** 0.6).astype("<u2").tobytes()
    yield "dicom-table", changed(plain, VOILUTSequence=[table])
    yield "dicom-lateral", changed(plain, ViewPosition="LL", BurnedInAnnotation="YES")
    yield "dicom-mr", changed(plain, Modality="MR", BodyPartExamined="HEAD", ImagerPixelSpacing=None)
    rgb = np.stack([grey, grey // 2, 255 - grey], axis=2)
    yield (
        "dicom-rgb",
        changed(plain, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0, PixelData=_even(rgb), **eight),
    )
    yield "dicom-bare", plain[132:]


def changed(film: bytes, syntax: str = "", **values: Any) -> bytes:
    """The DICOM film with other values (None: without) and transfer syntax."""
    dataset = pydicom.dcmread(io.BytesIO(film))
    pixels = values.get("PixelData", dataset.PixelData)
    if syntax == ExplicitVRBigEndian:
        pixels = np.frombuffer(pixels, "<u2").astype(">u2").tobytes()
    for keyword, value in {**values, "PixelData": pixels}.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    if syntax:
        dataset.file_meta.TransferSyntaxUID = syntax
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated == 8 else "OW"
    correct_ambiguous_vr(dataset, syntax != ExplicitVRBigEndian)
    buffer = io.BytesIO()
    encoding = {"implicit_vr": syntax == ImplicitVRLittleEndian, "little_endian": syntax != ExplicitVRBigEndian}
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True, **({} if not syntax else encoding))
    return buffer.getvalue()


def _even(pixels: Pixels) -> bytes:
    data = pixels.tobytes()
    return data + b"\0" * (len(data) % 2)
