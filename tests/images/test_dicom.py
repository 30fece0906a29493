"""DICOM films: their grey values against the standard's formulas, every free transfer syntax, their tags, and what is refused."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmread
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from deephealth.errors import FilmError, FilmTooLarge
from deephealth.images import read_film
from deephealth.images.conversions import luma
from deephealth.images.dicom_grey import GreyRules, Lut, Window, render

SAMPLES = Path(pydicom.data.__file__).parent / "test_files"
CR, DX, DX_PROCESSING = (UID(f"1.2.840.10008.5.1.4.1.1.{end}") for end in ("1", "1.1", "1.1.1"))
SECONDARY_CAPTURE = UID("1.2.840.10008.5.1.4.1.1.7")


def make(pixels: np.ndarray, **tags: object) -> Dataset:
    """A CR film of a chest, PA, around unsigned or signed integers [H, W] or uint8 [H, W, 3]; a tag of None is left out."""
    ds = Dataset()
    bits = pixels.dtype.itemsize * 8
    defaults: dict[str, object] = {
        "SOPClassUID": CR,
        "SOPInstanceUID": "1.2.3.4",
        "PatientName": "Secret^Name",
        "PatientID": "p7",
        "Modality": "CR",
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
        "BurnedInAnnotation": "NO",
        "SamplesPerPixel": 3 if pixels.ndim == 3 else 1,
        "PhotometricInterpretation": "RGB" if pixels.ndim == 3 else "MONOCHROME2",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": int(tags.get("BitsStored", bits)) - 1,  # type: ignore[call-overload]
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PixelData": pixels.tobytes(),
    }
    if pixels.ndim == 3:
        defaults["PlanarConfiguration"] = 0
    with disable_value_validation():  # hospitals' files are not valid either
        for keyword, value in (defaults | tags).items():
            if value is not None:
                setattr(ds, keyword, value)
    ds["PixelData"].VR = "OW" if bits > 8 else "OB"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def written(ds: Dataset, **options: object) -> bytes:
    stream = BytesIO()
    with disable_value_validation():
        ds.save_as(stream, enforce_file_format=True, **options)
    return stream.getvalue()


def film(pixels: np.ndarray, **tags: object) -> bytes:
    return written(make(pixels, **tags))


def ramp(dtype: type = np.uint16, bits: int = 12, signed: bool = False) -> np.ndarray:
    low = -(1 << (bits - 1)) if signed else 0
    return np.linspace(low, low + (1 << bits) - 1, 48 * 64).round().astype(dtype).reshape(48, 64)


def shown(values: np.ndarray) -> np.ndarray:
    """0..1 to 0..255, halves up."""
    return np.floor(np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)


def linear(x: np.ndarray, c: float, w: float) -> np.ndarray:
    """PS3.3 C.11.2.1.2.1 as it is written there, with ymin 0 and ymax 1."""
    middle = (x - (c - 0.5)) / (w - 1) + 0.5
    return np.where(x <= c - 0.5 - (w - 1) / 2, 0.0, np.where(x > c - 0.5 + (w - 1) / 2, 1.0, middle))


def exact(x: np.ndarray, c: float, w: float) -> np.ndarray:
    """PS3.3 C.11.2.1.3.2."""
    return np.where(x <= c - w / 2, 0.0, np.where(x > c + w / 2, 1.0, (x - c) / w + 0.5))


def sigmoid(x: np.ndarray, c: float, w: float) -> np.ndarray:
    """PS3.3 C.11.2.1.3.1."""
    return 1 / (1 + np.exp(-4 * (x - c) / w))


def table(keyword: str, first: int, bits: int, entries: Sequence[int], as_bytes: bool = False) -> dict[str, object]:
    item = Dataset()
    item.add_new("LUTDescriptor", "US" if first >= 0 else "SS", [len(entries) % 65536, first, bits])
    item.add_new("LUTData", "OW" if as_bytes else "US", np.asarray(entries, "<u2").tobytes() if as_bytes else list(entries))
    return {keyword: [item]}


# ---- grey values ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name,formula", [("LINEAR", linear), ("LINEAR_EXACT", exact), ("SIGMOID", sigmoid), (None, linear)])
@pytest.mark.parametrize("center,width", [(2048, 4096), (1600, 2800), (900.5, 333), (30, 1.5), (0, 100)])
def test_window_functions_are_the_standards(name: str | None, formula: object, center: float, width: float) -> None:
    data = ramp()
    pixels = read_film(film(data, BitsStored=12, WindowCenter=center, WindowWidth=width, VOILUTFunction=name)).pixels
    np.testing.assert_array_equal(pixels, shown(formula(data.astype(float), center, width)))  # type: ignore[operator]


def test_window_of_width_one_is_a_threshold() -> None:
    data = np.arange(0, 16, dtype=np.uint16).reshape(4, 4)
    pixels = read_film(film(data, WindowCenter=8, WindowWidth=1)).pixels
    np.testing.assert_array_equal(pixels, np.where(data > 7.5, 255, 0))


@settings(deadline=None)
@given(
    st.floats(-3000, 3000).map(lambda x: round(x, 2)),
    st.floats(1, 5000).map(lambda x: round(x, 2)),
    st.floats(0.01, 4).map(lambda x: round(x, 3)),
    st.integers(-2000, 2000),
    st.booleans(),
)
def test_rescale_window_and_inversion(center: float, width: float, slope: float, intercept: int, negative: bool) -> None:
    data = ramp(np.int16, 12, signed=True)
    tags = {"RescaleSlope": slope, "RescaleIntercept": intercept, "WindowCenter": center, "WindowWidth": max(width, 1.01)}
    photometric = "MONOCHROME1" if negative else "MONOCHROME2"
    pixels = read_film(film(data, BitsStored=12, PhotometricInterpretation=photometric, **tags)).pixels
    grey = linear(data * slope + intercept, center, max(width, 1.01))
    expected = shown(1 - grey if negative else grey)
    assert np.abs(pixels.astype(int) - expected).max() <= 1  # DICOM holds the numbers as decimal text
    assert (pixels != expected).mean() < 0.01


def test_only_the_first_of_several_windows_counts() -> None:
    data = ramp()
    pixels = read_film(film(data, WindowCenter=[1000, 3000], WindowWidth=[500, 100])).pixels
    np.testing.assert_array_equal(pixels, shown(linear(data.astype(float), 1000, 500)))


@pytest.mark.parametrize("photometric,shape,inverted", [
    ("MONOCHROME2", None, False), ("MONOCHROME2", "IDENTITY", False), ("MONOCHROME2", "INVERSE", True),
    ("MONOCHROME1", None, True), ("MONOCHROME1", "INVERSE", True), ("MONOCHROME1", "IDENTITY", True),
])  # fmt: skip
def test_a_film_is_never_shown_negative(photometric: str, shape: str | None, inverted: bool) -> None:
    data = ramp(np.uint8, 8)
    radiograph = read_film(film(data, PhotometricInterpretation=photometric, PresentationLUTShape=shape))
    np.testing.assert_array_equal(radiograph.pixels, 255 - data if inverted else data)
    assert any("contradict" in text for text in radiograph.warnings) == ((photometric, shape) == ("MONOCHROME1", "IDENTITY"))


def test_eight_bits_without_a_window_stay_as_they_are() -> None:
    data = (ramp(np.uint8, 8) // 4 + 60).astype(np.uint8)
    np.testing.assert_array_equal(read_film(film(data)).pixels, data)


def test_deeper_films_without_a_window_span_their_values() -> None:
    data = ramp() // 2 + 300
    expected = shown((data - 300.0) / (data.max() - 300))
    np.testing.assert_array_equal(read_film(film(data, BitsStored=12)).pixels, expected)
    np.testing.assert_array_equal(read_film(film(data, PhotometricInterpretation="MONOCHROME1")).pixels[0, 0], 255)


def test_an_unusable_window_is_said_and_the_full_range_shown() -> None:
    data = ramp()
    radiograph = read_film(film(data, WindowCenter=100, WindowWidth=0))
    np.testing.assert_array_equal(radiograph.pixels, shown(data / 4095))
    assert any("window of width 0" in text for text in radiograph.warnings)


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_voi_table(as_bytes: bool, photometric: str) -> None:
    data = ramp()
    entries = (np.sqrt(np.arange(2000) / 2000) * 1023).astype(int)
    tags = table("VOILUTSequence", 500, 10, entries.tolist(), as_bytes)
    pixels = read_film(film(data, PhotometricInterpretation=photometric, WindowCenter=9, WindowWidth=9, **tags)).pixels
    grey = entries[np.clip(data.astype(int) - 500, 0, 1999)] / 1023
    np.testing.assert_array_equal(pixels, shown(1 - grey if photometric == "MONOCHROME1" else grey))


def test_modality_table_then_window() -> None:
    data = ramp()
    entries = (np.arange(4096) ** 2 // 4096).tolist()
    pixels = read_film(film(data, WindowCenter=1000, WindowWidth=2000, **table("ModalityLUTSequence", 0, 16, entries))).pixels
    np.testing.assert_array_equal(pixels, shown(linear(np.array(entries)[data].astype(float), 1000, 2000)))


def test_table_of_65536_entries_and_a_negative_first_value() -> None:
    data = ramp(np.int16, 16, signed=True)
    entries = np.arange(65535, -1, -1)
    tags = table("VOILUTSequence", -32768, 16, entries.tolist(), as_bytes=True)
    pixels = read_film(film(data, **tags)).pixels
    np.testing.assert_array_equal(pixels, shown(entries[data.astype(int) + 32768] / 65535))


def test_a_table_that_is_too_short_is_refused() -> None:
    tags = table("VOILUTSequence", 0, 12, [1, 2, 3])
    tags["VOILUTSequence"][0].LUTDescriptor = [400, 0, 12]  # type: ignore[index]
    with pytest.raises(FilmError, match="VOILUTSequence of 3 entries"):
        read_film(film(ramp(), **tags))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_outside_the_range(photometric: str) -> None:
    data = ramp() // 4 + 1000
    data[:3], data[3] = 0, 5
    tags = {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 5, "PhotometricInterpretation": photometric}
    pixels = read_film(film(data, **tags)).pixels
    inside = data[4:]
    grey = (inside - float(inside.min())) / float(inside.max() - inside.min())
    np.testing.assert_array_equal(pixels[4:], shown(1 - grey if photometric == "MONOCHROME1" else grey))
    assert (pixels[:4] == 0).all()


@pytest.mark.parametrize("tag", [{"RescaleSlope": 0}, {"VOILUTFunction": "CUBIC", "WindowCenter": 9, "WindowWidth": 9}])
def test_rules_that_cannot_be_followed_are_refused(tag: dict[str, object]) -> None:
    with pytest.raises(FilmError, match=r"^film has "):
        read_film(film(ramp(), **tag))


@pytest.mark.parametrize("low", [0, 7, 70_000, -40_000])
def test_looking_values_up_is_the_same_as_computing_them(low: int) -> None:
    stored = (np.arange(600, dtype=np.int64) * 37 + low).astype(np.int32).reshape(20, 30)
    stored[0, 0] = stored[0, 1]
    wide = stored.copy()
    wide[0, 0] = low - 200_000  # too wide for a table
    for voi in (None, Window(low + 9000, 7000), Lut(low, 8, np.arange(256, dtype=np.uint16))):
        rules = GreyRules(bits_stored=32, voi=voi, padding=(low - 200_000, low - 200_000))
        np.testing.assert_array_equal(render(stored, rules)[1:], render(wide, rules)[1:])


def test_a_film_of_one_value_does_not_divide_by_zero() -> None:
    assert (read_film(film(np.full((4, 4), 900, np.uint16))).pixels == 0).all()


def test_colour_is_not_windowed() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8, endpoint=True)
    data = film(rgb, WindowCenter=9, WindowWidth=9)
    np.testing.assert_array_equal(read_film(data, channels=3).pixels, rgb)
    np.testing.assert_array_equal(read_film(data).pixels, luma(rgb))


# ---- transfer syntaxes ---------------------------------------------------------------------------------------------------------------


def window_of(data: np.ndarray) -> np.ndarray:
    return shown(linear(data.astype(float), 1600, 2800))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_uncompressed_and_deflated(syntax: UID) -> None:
    data = ramp()
    ds = make(data, BitsStored=12, WindowCenter=1600, WindowWidth=2800)
    ds.file_meta.TransferSyntaxUID = syntax
    np.testing.assert_array_equal(read_film(written(ds)).pixels, window_of(data))


def test_big_endian() -> None:
    data = ramp()
    ds = make(data.byteswap(), BitsStored=12, WindowCenter=1600, WindowWidth=2800)
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    np.testing.assert_array_equal(read_film(written(ds)).pixels, window_of(data))


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("dtype,signed", [(np.uint16, False), (np.int16, True)])
def test_lossless_compression(syntax: UID, dtype: type, signed: bool) -> None:
    data = ramp(dtype, 12, signed)
    ds = make(data, BitsStored=12, WindowCenter=1600, WindowWidth=2800)
    ds.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(read_film(written(ds)).pixels, window_of(data))


def lossless_jpeg(samples: np.ndarray, precision: int) -> bytes:
    """A lossless JPEG of one component by hand (ITU-T T.81, annex H): predictor 1, and one code of 5 bits for each length of difference."""
    values = samples.astype(int)
    predicted = np.empty_like(values)
    predicted[:, 1:] = values[:, :-1]
    predicted[1:, 0] = values[:-1, 0]
    predicted[0, 0] = 1 << (precision - 1)
    bits = []
    for difference in (values - predicted).ravel().tolist():
        difference = (difference + 32767) % 65536 - 32767
        size = abs(difference).bit_length()
        bits.append(f"{size:05b}")
        if 0 < size < 16:
            bits.append(f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}")
    stream = "".join(bits)
    stream += "1" * (-len(stream) % 8)
    body = int(stream, 2).to_bytes(len(stream) // 8, "big").replace(b"\xff", b"\xff\0")
    frame = b"\xff\xc3\0\x0b" + bytes([precision]) + struct.pack(">HH", *samples.shape) + b"\x01\x01\x11\0"
    huffman = b"\xff\xc4" + struct.pack(">H", 19 + 17) + b"\0" + bytes([0] * 4 + [17] + [0] * 11) + bytes(range(17))
    return b"\xff\xd8" + frame + huffman + b"\xff\xda\0\x08\x01\x01\0\x01\0\0" + body + b"\xff\xd9"


def lossless_film(samples: np.ndarray, precision: int, jpeg: bytes | None = None, **tags: object) -> bytes:
    ds = make(samples, BitsStored=precision, **tags)
    ds.PixelData = encapsulate([jpeg or lossless_jpeg(samples, precision)])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    return written(ds)


@pytest.mark.parametrize("dtype,precision", [(np.uint8, 8), (np.uint16, 10), (np.uint16, 12), (np.uint16, 16)])
def test_jpeg_lossless(dtype: type, precision: int) -> None:
    """The common compression of CR and DX."""
    data = ramp(dtype, precision) ^ ramp(dtype, precision).T.reshape(48, 64)
    pixels = read_film(lossless_film(data, precision, WindowCenter=1600, WindowWidth=2800)).pixels
    np.testing.assert_array_equal(pixels, window_of(data))


@pytest.mark.parametrize(
    "old,new",
    [
        (b"\xff\xc3\0\x0b\x0c", b"\xff\xc3\0\x0b\xff"),  # 255 bits: GDCM crashes
        (b"\xff\xc3\0\x0b\x0c", b"\xff\xc3\0\x0b\x10\x10"),
        (b"\xff\xc3", b"\xff\xc0"),  # another process
        (b"\xff\xc4", b"\xff\xfe"),  # no code table
        (b"\xff\xda\0\x08\x01\x01", b"\xff\xda\0\x08\x01\x02"),  # a component that is not there
        (b"\xff\xd9", b"\xff\xc3\0\x0b\xff\xd9"),  # a second frame
    ],
)
def test_a_lossless_jpeg_that_would_crash_its_decoder_is_refused(old: bytes, new: bytes) -> None:
    jpeg = lossless_jpeg(ramp(), 12)
    assert jpeg.count(old) == 1
    with pytest.raises(FilmError):
        read_film(lossless_film(ramp(), 12, jpeg.replace(old, new)))


def jpeg_film(jpeg: bytes, shape: tuple[int, ...], syntax: UID = JPEGBaseline8Bit, **tags: object) -> bytes:
    ds = make(np.zeros(shape, np.uint8), **tags)
    ds.PixelData = encapsulate([jpeg])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    return written(ds)


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGExtended12Bit])
def test_eight_bit_jpeg_ignores_its_exif(syntax: UID) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = BytesIO()
    Image.fromarray(ramp(np.uint8, 8)).save(stream, "JPEG", exif=exif)
    pixels = read_film(jpeg_film(stream.getvalue(), (48, 64), syntax)).pixels
    np.testing.assert_array_equal(pixels, np.asarray(Image.open(stream)))


def test_twelve_bit_jpeg_names_the_plugin() -> None:
    available = get_decoder(JPEGExtended12Bit).available_plugins
    for name in ("JPGExtended.dcm", "JPEG-lossy.dcm"):
        if "pylibjpeg" in available:  # a user's own choice, not of this project's environments
            assert read_film(SAMPLES / name).pixels.size
            continue
        with pytest.raises(FilmError, match=r"12-bit JPEG Extended.*pylibjpeg-libjpeg \(GPL\)"):
            read_film(SAMPLES / name)


def test_every_syntax_of_the_table_has_its_decoder() -> None:
    from deephealth.images.dicom import _DECODERS

    for syntax, plugin in _DECODERS.items():
        assert plugin in get_decoder(UID(syntax)).available_plugins, syntax


def test_a_syntax_without_a_decoder_is_named() -> None:
    ds = make(ramp())
    ds.PixelData = encapsulate([b"\0\0\0\x01xx"])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.102")
    with pytest.raises(FilmError, match=r"^film is compressed as MPEG-4 .* no decoder"):
        read_film(written(ds))


SAME_SLICE = ["MR_small", "MR_small_RLE", "MR_small_bigendian", "MR_small_expb", "MR_small_implicit", "MR_small_jp2klossless"]
SAME_SLICE += ["MR_small_jpeg_ls_lossless", "MR_small_padded"]


@pytest.mark.parametrize("name", SAME_SLICE)
def test_one_slice_in_eight_encodings(name: str) -> None:
    """pydicom's own samples; MR_small also has a TIFF header as its preamble."""
    stored = dcmread(SAMPLES / "MR_small.dcm").pixel_array
    radiograph = read_film(SAMPLES / f"{name}.dcm")
    np.testing.assert_array_equal(radiograph.pixels, shown(linear(stored.astype(float), 600, 1600)))
    assert radiograph.format == "dicom" and "modality is MR" in radiograph.objections[0]


READABLE = {
    "693_J2KI.dcm": (512, 512),
    "JPEG2000.dcm": (1024, 256),
    "JPEGLSNearLossless_08.dcm": (45, 10),
    "JPEGLSNearLossless_16.dcm": (50, 10),
    "J2K_pixelrep_mismatch.dcm": (512, 512),
    "image_dfl.dcm": (512, 512),
    "examples_overlay.dcm": (300, 484),
    "examples_palette.dcm": (350, 800),
    "examples_jpeg2k.dcm": (480, 640),
    "SC_rgb_jpeg_gdcm.dcm": (100, 100),
    "SC_ybr_full_422_uncompressed.dcm": (100, 100),
    "SC_rgb_rle_16bit.dcm": (100, 100),
    "GDCMJ2K_TextGBR.dcm": (400, 400),
    "dicomdirtests/77654033/CR1/6154": (16, 16),
    "dicomdirtests/77654033/CR2/6247": (16, 16),
    "dicomdirtests/77654033/CR3/6278": (16, 16),
}


@pytest.mark.parametrize("name,shape", READABLE.items())
def test_samples_of_the_standards_corners(name: str, shape: tuple[int, int]) -> None:
    radiograph = read_film(SAMPLES / name)
    assert radiograph.pixels.shape == shape and radiograph.pixels.std() > 1


@pytest.mark.parametrize("name", ["6154", "6247", "6278"])
def test_negative_twelve_bit_films_with_rescale(name: str) -> None:
    path = next((SAMPLES / "dicomdirtests" / "77654033").rglob(name))
    stored = dcmread(path).pixel_array.astype(float)
    np.testing.assert_array_equal(read_film(path).pixels, shown(1 - linear(stored * 0.684 + 200, 1600, 2800)))


@pytest.mark.parametrize("name", ["SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_rle.dcm", "SC_rgb_small_odd_big_endian.dcm", "examples_palette.dcm"])
def test_colour_samples(name: str) -> None:
    from pydicom.pixels.processing import apply_color_lut

    ds = dcmread(SAMPLES / name)
    rgb = ds.pixel_array if ds.SamplesPerPixel == 3 else apply_color_lut(ds.pixel_array, ds)
    rgb = np.rint(rgb / 257).astype(np.uint8) if rgb.dtype == np.uint16 else rgb
    pixels = read_film(SAMPLES / name, channels=3).pixels
    assert np.abs(pixels.astype(int) - rgb).max() <= 2  # two JPEG decoders may differ by a rounding


# ---- tags ----------------------------------------------------------------------------------------------------------------------------


def test_tags_by_plain_names_and_never_a_name() -> None:
    tags = {"PatientSex": "F", "PatientAge": "006M", "StudyDate": "20240131", "ImagerPixelSpacing": [0.14, 0.15], "PixelSpacing": [1, 1]}
    radiograph = read_film(film(ramp(), Manufacturer="Maker", ViewPosition="AP", **tags))
    kept = dict(radiograph.tags)
    assert {key: kept[key] for key in ("patient_id", "sex", "age_years", "view", "modality", "body_part", "manufacturer")} == {
        "patient_id": "p7", "sex": "F", "age_years": "0.5", "view": "AP", "modality": "CR", "body_part": "CHEST", "manufacturer": "Maker",
    }  # fmt: skip
    assert (kept["study_date"], kept["pixel_spacing_mm"], kept["sop_instance_uid"]) == ("2024-01-31", "0.14 0.15", "1.2.3.4")
    assert "Secret" not in repr(radiograph) and radiograph.objections == () and radiograph.warnings == ()


@pytest.mark.parametrize(
    "tags,age",
    [
        ({"PatientAge": "034Y"}, "34"),
        ({"PatientAge": "052W"}, "1"),
        ({"PatientAge": "003D"}, "0.01"),
        ({"PatientBirthDate": "19800615", "StudyDate": "20200615"}, "40"),
        ({"PatientBirthDate": "20250615", "StudyDate": "20200615"}, None),
        ({"PatientAge": "old"}, None),
        ({}, None),
    ],
)
def test_age(tags: dict[str, object], age: str | None) -> None:
    assert read_film(film(ramp(), **tags)).tags.get("age_years") == age


def view_code(value: str, meaning: str) -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return [item]


@pytest.mark.parametrize(
    "tags,objection",
    [
        ({"Modality": "CT"}, "its modality is CT"),
        ({"Modality": "US"}, "its modality is US"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "its SOP class is CT Image Storage"),
        ({"PresentationIntentType": "FOR PROCESSING"}, "its pixels are FOR PROCESSING"),
        ({"SOPClassUID": DX_PROCESSING, "Modality": "DX"}, "its pixels are FOR PROCESSING"),
        ({"ViewPosition": "LL"}, "its view is lateral"),
        ({"ViewPosition": "Lateral"}, "its view is lateral"),
        ({"ViewPosition": "RLO"}, "its view is oblique"),
        ({"ViewPosition": None, "ViewCodeSequence": view_code("399067008", "Lateral projection")}, "its view is lateral"),
        ({"ViewPosition": None, "PatientOrientation": ["A", "F"]}, "its view is lateral"),
        ({"BodyPartExamined": "HAND"}, "its body part is HAND"),
        ({"BodyPartExamined": None, "AnatomicRegionSequence": view_code("1", "Knee")}, "its body part is KNEE"),
    ],
)
def test_objections(tags: dict[str, object], objection: str) -> None:
    radiograph = read_film(film(ramp(), **tags))
    assert len(radiograph.objections) == 1 and radiograph.objections[0].startswith(objection)
    assert radiograph.pixels.shape == (48, 64)


@pytest.mark.parametrize(
    "tags,warning",
    [
        ({"Modality": "SC", "SOPClassUID": SECONDARY_CAPTURE}, "modality is SC"),
        ({"Modality": "OT"}, "modality is OT"),
        ({"Modality": None}, "does not say its modality"),
        ({"Modality": "DX", "SOPClassUID": SECONDARY_CAPTURE}, "is a Secondary Capture although its modality is DX"),
        ({"ViewPosition": None}, "does not say its view position"),
        ({"ViewPosition": "LLD"}, "has view position LLD"),
        ({"BurnedInAnnotation": "YES"}, "has text burned into its pixels"),
        ({"BurnedInAnnotation": None}, "does not say whether text is burned"),
        ({"PixelSpacing": [0, 0]}, "has a pixel spacing of zero"),
    ],
)
def test_warnings(tags: dict[str, object], warning: str) -> None:
    radiograph = read_film(film(ramp(), **tags))
    assert radiograph.objections == ()
    assert len(radiograph.warnings) == 1 and radiograph.warnings[0].startswith(warning)


@pytest.mark.parametrize("tags", [
    {"Modality": "DX", "SOPClassUID": DX}, {"Modality": "RG"}, {"BodyPartExamined": "THORAX"}, {"BodyPartExamined": "chest"},
    {"ViewPosition": None, "ViewCodeSequence": view_code("399161006", "postero-anterior")}, {"PixelSpacing": [0.1, 0.1]},
])  # fmt: skip
def test_frontal_chest_films_raise_no_objection(tags: dict[str, object]) -> None:
    radiograph = read_film(film(ramp(), **tags))
    assert (radiograph.objections, radiograph.warnings) == ((), ())


# ---- what is refused -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name,reason",
    [
        ("MR_truncated.dcm", "cannot be decoded"),
        ("badVR.dcm", "cannot be decoded"),
        ("JPEG2000-embedded-sequence-delimiter.dcm", "announces 3722445056 x 1024 pixels"),
        ("examples_ybr_color.dcm", "has 30 frames"),
        ("SC_rgb_rle_2frame.dcm", "has 2 frames"),
        ("SC_rgb_rle_32bit.dcm", "is in colour with 32 bits"),
        ("liver_1frame.dcm", "has 1 samples of 1 in 1 bits"),
        ("rtplan.dcm", "is a DICOM file without pixels"),
        ("reportsi.dcm", "is a DICOM file without pixels"),
        ("no_meta_group_length.dcm", "is a DICOM file without pixels"),
        ("dicomdirtests/DICOMDIR", "is a DICOMDIR"),
    ],
)
def test_samples_that_are_no_film(name: str, reason: str) -> None:
    with pytest.raises(FilmError) as caught:
        read_film(SAMPLES / name)
    assert str(caught.value).startswith(f"{Path(name).name} {reason}")
    assert str(caught.value).count(". ") == 0


def test_the_pixel_limit_of_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPHEALTH_MAX_PIXELS", "3071")
    with pytest.raises(FilmTooLarge, match="64 x 48"):
        read_film(film(ramp()))


def test_compressed_pixels_must_have_the_size_of_the_header() -> None:
    stream = BytesIO()
    Image.fromarray(ramp(np.uint8, 8)).save(stream, "JPEG")
    with pytest.raises(FilmError, match="says 63 x 48 pixels and its compressed pixels say 64 x 48"):
        read_film(jpeg_film(stream.getvalue(), (48, 63)))


def test_a_deflated_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPHEALTH_MAX_FILE_MB", "1")
    ds = make(np.zeros((2000, 2000), np.uint8))
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data = written(ds)
    assert len(data) < 20_000
    with pytest.raises(FilmTooLarge, match="unpacks to more than the limit"):
        read_film(data)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_without_preamble_and_meta(syntax: UID) -> None:
    ds = make(ramp(), WindowCenter=1600, WindowWidth=2800, BitsStored=12)
    del ds.file_meta
    stream = BytesIO()
    ds.save_as(stream, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
    np.testing.assert_array_equal(read_film(stream.getvalue()).pixels, window_of(ramp()))


def compressed(syntax: UID, data: np.ndarray) -> bytes:
    ds = make(data, BitsStored=12)
    ds.compress(syntax, generate_instance_uid=False)
    return written(ds)


def some_films() -> dict[str, bytes]:
    ds = make(ramp(), BitsStored=12)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    stream = BytesIO()
    Image.fromarray(ramp(np.uint8, 8)).save(stream, "JPEG")
    films = {syntax.keyword: compressed(syntax, ramp()) for syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless)}
    voi = table("VOILUTSequence", 0, 8, list(range(256)))
    films |= {"raw": film(ramp(), WindowCenter=1600, WindowWidth=2800), "voi": film(ramp(), **voi), "deflated": written(ds)}
    return films | {"jpeg": jpeg_film(stream.getvalue(), (48, 64)), "lossless": lossless_film(ramp(), 12)}


FILMS = some_films()


@pytest.mark.parametrize("kind", FILMS)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_film_cut_short_is_refused_or_whole(kind: str, data: st.DataObject) -> None:
    whole = FILMS[kind]
    try:
        pixels = read_film(whole[: data.draw(st.integers(0, len(whole) - 1))]).pixels
    except FilmError:
        return
    np.testing.assert_array_equal(pixels, read_film(whole).pixels)


@pytest.mark.parametrize("kind", FILMS)
@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_bytes_raise_nothing_else(kind: str, changes: list[tuple[float, int]]) -> None:
    data = bytearray(FILMS[kind])
    for where, value in changes:
        data[int(where * len(data))] = value
    try:
        read_film(bytes(data))
    except FilmError as error:
        assert str(error).endswith(".") and "Secret" not in str(error)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_anything_deflated_raises_nothing_else(body: bytes) -> None:
    deflater = zlib.compressobj(wbits=-15)
    head = written(make(np.zeros((1, 1), np.uint8)))[:132]
    meta = b"\x02\0\x10\0UI\x16\0" + DeflatedExplicitVRLittleEndian.encode()
    with pytest.raises(FilmError):
        read_film(head + meta + deflater.compress(body) + deflater.flush())


def test_pydicoms_messages_stay_silent(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    ds = make(ramp())
    data = written(ds).replace(b"p7", b"\xff\xfe").replace(b"CHEST ", b"ch\xe9st ")
    read_film(data)
    read_film(SAMPLES / "J2K_pixelrep_mismatch.dcm")
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_threads_read_the_same_pixels() -> None:
    kinds = sorted(FILMS)
    one = {kind: read_film(FILMS[kind]).pixels for kind in kinds}
    with ThreadPoolExecutor(8) as pool:
        for kind, pixels in zip(kinds * 20, pool.map(lambda kind: read_film(FILMS[kind]).pixels, kinds * 20), strict=True):
            np.testing.assert_array_equal(pixels, one[kind])


@pytest.mark.shared
def test_real_chest_films(shared: Path) -> None:
    folder = shared / "data" / "dicom" / "chest"
    for path in sorted(folder.glob("*.dcm")):
        radiograph = read_film(path)
        height, width = radiograph.pixels.shape
        middle = radiograph.pixels[:, int(width * 0.47) : int(width * 0.53)].mean()
        lungs = radiograph.pixels[int(height * 0.25) : int(height * 0.55), int(width * 0.2) : int(width * 0.3)].mean()
        assert middle > lungs + 10, path.name  # bone and heart are lighter than air
        assert radiograph.objections == ()
        assert radiograph.tags["modality"] in ("CR", "DX")
    negative = dcmread(folder / "nema_cr_pa_monochrome1_j2k.dcm")
    expected = shown(1 - linear(negative.pixel_array.astype(float), 15000, 30000))
    np.testing.assert_array_equal(read_film(folder / "nema_cr_pa_monochrome1_j2k.dcm").pixels, expected)


@pytest.mark.shared
def test_real_films_of_other_things_have_objections(shared: Path) -> None:
    files = sorted((shared / "data" / "dicom" / "not-chest").glob("*.dcm"))
    assert len(files) == 8
    assert all(read_film(path).objections for path in files)


# 16 x 16 values y * 256 + x * 15, encoded losslessly by OpenJPH 0.26.3.
HTJ2K_SAMPLE = (
    "/0//UQApQAAAAAAQAAAAEAAAAAAAAAAAAAAAEAAAABAAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCIkJCQkJCQkJCQkJCQiIiI/2QAFwABT3Bl"
    "bkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAH4AAf+TwAAmUfYFB3QAAMAAEsAAEwAQAYd0AEbyA4d0AMAAE0AAE4AIxAECdAAe6ZEAw1QAwAAVEAAFYIIgCKpwgnUAfvTDDz/+"
    "wFKB7LYAwAArIAAWkMzMzMznwKenp8J4AP79/f39/f39/Yxge/Yxgey6AP/Z"
)


def test_htj2k() -> None:
    y, x = np.mgrid[0:16, 0:16]
    ds = make(np.zeros((16, 16), np.uint16), WindowCenter=1600, WindowWidth=2800)
    ds.PixelData = encapsulate([base64.b64decode(HTJ2K_SAMPLE)])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = HTJ2KLossless
    np.testing.assert_array_equal(read_film(written(ds)).pixels, window_of(y * 256 + x * 15))
