"""Pictures that are not DICOM: what is kept of their pixels, and what is refused."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageOps

from deephealth.errors import FilmError, FilmTooLarge, UsageError
from deephealth.images import read_film
from deephealth.images.conversions import luma, orient, over_black, to_eight_bits
from deephealth.images.read import sniff

GREY8 = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9))
GREY16 = arrays(np.uint16, array_shapes(min_dims=2, max_dims=2, max_side=9))


def encode(picture: Image.Image, file_format: str, **options: object) -> bytes:
    stream = BytesIO()
    picture.save(stream, file_format, **options)
    return stream.getvalue()


def noise(*shape: int, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def smooth(height: int = 40, width: int = 56) -> np.ndarray:
    """A picture that survives JPEG well: three different gradients."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 4, y * 5, 255 - x * 2 - y], axis=2).astype(np.uint8)


def expected_luma(rgb: np.ndarray) -> np.ndarray:
    """ITU-R BT.601 in real numbers."""
    return np.rint(rgb.astype(np.float64) @ [0.299, 0.587, 0.114])


def expected_257(samples: np.ndarray) -> np.ndarray:
    return np.rint(samples / 257).astype(np.uint8)


def write_png(samples: np.ndarray, colour_type: int) -> bytes:
    """A 16-bit PNG by hand, because Pillow writes no 16-bit colour. samples: uint16 [H, W, bands]."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def write_tiff(samples: np.ndarray, photometric: int, order: str = "<", extra: tuple[int, ...] = (), compression: int = 1) -> bytes:
    """An unsigned TIFF of one strip by hand. samples: uint8 or uint16 [H, W, bands]; compression 1 (none) or 8 (deflate)."""
    height, width, bands = samples.shape
    bits = samples.dtype.itemsize * 8
    body = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    body = zlib.compress(body) if compression == 8 else body
    entries = [(256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * bands), (259, 3, [compression]), (262, 3, [photometric])]
    entries += [(273, 4, [8]), (277, 3, [bands]), (278, 4, [height]), (279, 4, [len(body)])]
    entries += [(338, 3, list(extra))] if extra else []
    body += b"\0" * (len(body) % 2)
    directory, after = b"", b""
    start = 8 + len(body) + 2 + 12 * len(entries) + 4
    for tag, kind, values in entries:
        packed = struct.pack(order + ("H" if kind == 3 else "I") * len(values), *values)
        if len(packed) > 4:
            value = struct.pack(order + "I", start + len(after))
            after += packed
        else:
            value = packed.ljust(4, b"\0")
        directory += struct.pack(order + "HHI", tag, kind, len(values)) + value
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(body))
    return head + body + struct.pack(order + "H", len(entries)) + directory + b"\0\0\0\0" + after


# ---- exact pixels --------------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(GREY8, st.sampled_from(["PNG", "BMP", "TIFF"]))
def test_eight_bit_grey_comes_back_bit_for_bit(pixels: np.ndarray, file_format: str) -> None:
    film = read_film(encode(Image.fromarray(pixels), file_format))
    assert film.format == file_format.lower()
    assert film.pixels.dtype == np.uint8 and film.pixels.flags.c_contiguous
    np.testing.assert_array_equal(film.pixels, pixels)


@settings(deadline=None)
@given(GREY16, st.sampled_from(["PNG", "TIFF"]))
def test_sixteen_bit_grey_is_divided_by_257(pixels: np.ndarray, file_format: str) -> None:
    np.testing.assert_array_equal(read_film(encode(Image.fromarray(pixels), file_format)).pixels, expected_257(pixels))


@settings(deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))), st.sampled_from(["PNG", "BMP", "TIFF"]))
def test_colour_becomes_luma_and_stays_when_asked(rgb: np.ndarray, file_format: str) -> None:
    data = encode(Image.fromarray(rgb), file_format)
    grey = read_film(data).pixels
    assert np.abs(grey - expected_luma(rgb)).max() <= 0.5 + 1e-9 or np.array_equal(grey, np.asarray(Image.fromarray(rgb).convert("L")))
    np.testing.assert_array_equal(grey, np.asarray(Image.fromarray(rgb).convert("L")))
    np.testing.assert_array_equal(read_film(data, channels=3).pixels, rgb)


def test_luma_is_the_rounded_formula_on_every_corner_and_a_sample() -> None:
    rgb = np.concatenate([np.indices((6, 6, 6)).reshape(3, -1).T * 51, noise(20_000, 3)]).astype(np.uint8)[None]
    exact = rgb.astype(np.float64) @ [0.299, 0.587, 0.114]
    assert np.abs(luma(rgb) - exact).max() <= 0.502  # the weights are rounded to 1/65536
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    np.testing.assert_array_equal(luma(greys), greys[..., 0])


def test_every_sixteen_bit_value_is_divided_by_257_exactly() -> None:
    values = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(to_eight_bits(values), np.rint(np.arange(65536) / 257).astype(np.uint8))


def test_grey_film_three_times_when_colour_is_asked_for() -> None:
    grey = noise(5, 7)
    film = read_film(encode(Image.fromarray(grey), "PNG"), channels=3)
    assert film.pixels.shape == (5, 7, 3) and (film.height, film.width) == (5, 7)
    np.testing.assert_array_equal(film.pixels, np.stack([grey] * 3, axis=2))


@pytest.mark.parametrize("bands,colour_type", [(1, 0), (2, 4), (3, 2), (4, 6)])
def test_sixteen_bit_png_of_every_colour_type(bands: int, colour_type: int) -> None:
    samples = noise(6, 5, bands, dtype=np.uint16)
    if bands in (2, 4):
        samples[..., -1] = 65535
    eight = expected_257(samples)
    pixels = read_film(write_png(samples, colour_type), channels=3).pixels
    np.testing.assert_array_equal(pixels, np.repeat(eight[..., :1], 3, 2) if bands < 3 else eight[..., :3])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("bands,extra", [(3, ()), (4, (2,)), (4, (0,))])
def test_sixteen_bit_colour_tiff(order: str, compression: int, bands: int, extra: tuple[int, ...]) -> None:
    samples = noise(6, 5, bands, dtype=np.uint16)
    if extra == (2,):
        samples[..., 3] = 65535
    film = read_film(write_tiff(samples, 2, order, extra, compression), channels=3)
    np.testing.assert_array_equal(film.pixels, expected_257(samples[..., :3]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("photometric", [0, 1])
def test_tiff_where_white_is_zero_is_inverted(dtype: type, photometric: int) -> None:
    samples = noise(6, 5, 1, dtype=dtype)
    upright = samples[..., 0] if dtype == np.uint8 else expected_257(samples[..., 0])
    np.testing.assert_array_equal(read_film(write_tiff(samples, photometric)).pixels, 255 - upright if photometric == 0 else upright)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_deflate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_compressed_tiff(compression: str, dtype: type) -> None:
    samples = noise(30, 20, dtype=dtype)
    pixels = read_film(encode(Image.fromarray(samples), "TIFF", compression=compression)).pixels
    np.testing.assert_array_equal(pixels, samples if dtype == np.uint8 else expected_257(samples))


def test_bilevel_and_palette() -> None:
    bits = Image.fromarray(noise(9, 9)).convert("1")
    np.testing.assert_array_equal(read_film(encode(bits, "PNG")).pixels, np.asarray(bits).astype(np.uint8) * 255)
    palette = Image.fromarray(smooth()).quantize(16)
    np.testing.assert_array_equal(read_film(encode(palette, "PNG"), channels=3).pixels, np.asarray(palette.convert("RGB")))
    np.testing.assert_array_equal(read_film(encode(palette, "BMP")).pixels, np.asarray(palette.convert("RGB").convert("L")))


def test_opaque_alpha_changes_nothing_and_transparency_lies_over_black() -> None:
    rgba = noise(6, 7, 4)
    rgba[..., 3] = 255
    np.testing.assert_array_equal(read_film(encode(Image.fromarray(rgba), "PNG"), channels=3).pixels, rgba[..., :3])
    rgba[..., 3] = noise(6, 7, seed=1)
    over = np.rint(rgba[..., :3] * (rgba[..., 3:] / 255))
    for file_format in ("PNG", "TIFF"):
        pixels = read_film(encode(Image.fromarray(rgba), file_format), channels=3).pixels
        np.testing.assert_array_equal(pixels, over)
    la = rgba[..., 2:]
    np.testing.assert_array_equal(read_film(encode(Image.fromarray(la), "PNG")).pixels, np.rint(la[..., 0] * (la[..., 1] / 255)))


def test_every_transparency_is_the_rounded_product() -> None:
    value, alpha = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    np.testing.assert_array_equal(over_black(value, alpha), np.floor(value.astype(int) * alpha / 255 + 0.5))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_grey_value_declared_transparent_is_black(dtype: type) -> None:
    samples = np.array([[10, 200], [200, 3]], dtype)
    pixels = read_film(encode(Image.fromarray(samples), "PNG", transparency=200)).pixels
    kept = np.where(samples == 200, 0, samples)
    np.testing.assert_array_equal(pixels, kept if dtype == np.uint8 else expected_257(kept))


# ---- JPEG ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"restart_marker_blocks": 2}])
def test_grey_jpeg_is_the_decoders_output_untouched(options: dict[str, object]) -> None:
    data = encode(Image.fromarray(smooth()[..., 0]), "JPEG", quality=90, **options)
    np.testing.assert_array_equal(read_film(data).pixels, np.asarray(Image.open(BytesIO(data))))


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_colour_jpeg(subsampling: int) -> None:
    data = encode(Image.fromarray(smooth()), "JPEG", quality=95, subsampling=subsampling)
    reference = np.asarray(Image.open(BytesIO(data)))
    np.testing.assert_array_equal(read_film(data, channels=3).pixels, reference)
    assert np.abs(read_film(data).pixels - expected_luma(reference)).max() <= 3  # Y itself; RGB was clipped and rounded


def test_rgb_jpeg_without_ycbcr() -> None:
    data = encode(Image.fromarray(smooth()), "JPEG", quality=95, keep_rgb=True)
    reference = np.asarray(Image.open(BytesIO(data)))
    np.testing.assert_array_equal(read_film(data, channels=3).pixels, reference)
    assert np.abs(read_film(data).pixels - expected_luma(reference)).max() <= 1


def test_cmyk_jpeg() -> None:
    data = encode(Image.fromarray(smooth()).convert("CMYK"), "JPEG", quality=95)
    reference = np.asarray(Image.open(BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(read_film(data, channels=3).pixels, reference)
    np.testing.assert_array_equal(read_film(data).pixels, luma(reference))
    assert np.abs(reference.astype(int) - smooth()).max() < 40  # not the negative


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF"])
def test_exif_rotation(orientation: int, file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(smooth()[..., 1]), file_format, exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))))
    np.testing.assert_array_equal(read_film(data).pixels, upright)
    assert read_film(data).pixels.shape == ((56, 40) if orientation >= 5 else (40, 56))


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_a_malformed_exif_block_never_stops_a_film(block: bytes) -> None:
    plain = encode(Image.fromarray(smooth()[..., 0]), "JPEG")
    body = b"Exif\0\0" + block
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + plain[2:]
    pixels, reference = read_film(data).pixels, read_film(plain).pixels
    assert any(np.array_equal(pixels, orient(reference, turned)) for turned in range(1, 9))


def test_twelve_bit_jpeg_is_named() -> None:
    data = bytearray(encode(Image.fromarray(smooth()[..., 0]), "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(FilmError, match=r"^film is a 12-bit JPEG, expected 8 bits"):
        read_film(bytes(data))


# ---- what is refused -----------------------------------------------------------------------------------------------------------------

VALID = {
    "jpeg": encode(Image.fromarray(smooth()), "JPEG"),
    "progressive": encode(Image.fromarray(smooth()), "JPEG", progressive=True),
    "png": encode(Image.fromarray(smooth()), "PNG"),
    "png16": encode(Image.fromarray(noise(20, 20, dtype=np.uint16)), "PNG"),
    "tiff": encode(Image.fromarray(smooth()), "TIFF"),
    "lzw": encode(Image.fromarray(smooth()[..., 0]), "TIFF", compression="tiff_lzw"),
    "bmp": encode(Image.fromarray(smooth()), "BMP"),
}


@pytest.mark.parametrize("kind", VALID)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_film_cut_short_is_refused_or_whole(kind: str, data: st.DataObject) -> None:
    whole = VALID[kind]
    cut = data.draw(st.integers(0, len(whole) - 1))
    try:
        pixels = read_film(whole[:cut]).pixels
    except FilmError as error:
        assert_one_sentence(error)
    else:
        np.testing.assert_array_equal(pixels, read_film(whole).pixels)


@pytest.mark.parametrize("kind", VALID)
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_bytes_raise_nothing_else(kind: str, changes: list[tuple[float, int]]) -> None:
    data = bytearray(VALID[kind])
    for where, value in changes:
        data[int(where * len(data))] = value
    try:
        read_film(bytes(data))
    except FilmError as error:
        assert_one_sentence(error)


MAGICS = (
    b"",
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"II*\0",
    b"MM\0*",
    b"BM",
    b"\0" * 128 + b"DICM",
    b"\x08\0\x05\0CS",
    b"PK\x03\x04",
    b"GIF89a",
)


@settings(deadline=None)
@given(st.sampled_from(MAGICS), st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_else(magic: bytes, body: bytes) -> None:
    try:
        read_film(magic + body)
    except FilmError as error:
        assert_one_sentence(error)


def assert_one_sentence(error: FilmError) -> None:
    text = str(error)
    assert text.endswith(".") and "\n" not in text and ". " not in text and len(text) < 400
    assert text.startswith("film ")


@pytest.mark.parametrize(
    "data,reason",
    [
        (b"", "is empty"),
        (b"name,age\nx,3\n", "is a text file"),
        ("niño".encode(), "is a text file"),
        (b"%PDF-1.7\n...", "is a PDF document"),
        (b"<!DOCTYPE html><title>404</title>", "is a web page"),
        (b"\n <html><body>", "is a web page"),
        (b"PK\x03\x04\0\0", "is a zip archive"),
        (b"\x1f\x8b\x08\0", "is a gzip file"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "is a WebP picture or animation"),
        (b"\0\0\0\x18ftypheic", "is a HEIC, AVIF or video file"),
        (bytes(range(1, 200)), "is of an unknown format"),
        (encode(Image.fromarray(smooth()), "GIF"), "is a GIF picture or animation"),
    ],
)
def test_what_is_no_film_is_called_by_its_name(data: bytes, reason: str) -> None:
    with pytest.raises(FilmError, match=f"^film {reason}, expected a JPEG, PNG, TIFF, BMP or DICOM film;") as caught:
        read_film(data)
    assert_one_sentence(caught.value)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_several_frames_or_pages_are_refused(file_format: str) -> None:
    pages = [Image.fromarray(noise(8, 8, seed=seed)) for seed in range(3)]
    data = encode(pages[0], file_format, save_all=True, append_images=pages[1:])
    with pytest.raises(FilmError, match=f"^film is a {file_format} of several pages or frames"):
        read_film(data)


@pytest.mark.parametrize("samples", [noise(4, 4).astype(np.float32), noise(4, 4).astype(np.int32)])
def test_samples_without_a_known_range_are_refused(samples: np.ndarray) -> None:
    with pytest.raises(FilmError, match="expected 8 or 16 unsigned bits"):
        read_film(encode(Image.fromarray(samples), "TIFF"))


@pytest.mark.parametrize("kind", VALID)
def test_the_pixel_limit_holds_before_decoding(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPHEALTH_MAX_PIXELS", "399")
    with pytest.raises(FilmTooLarge, match=r"over the limit of 399; .*DEEPHEALTH_MAX_PIXELS"):
        read_film(VALID[kind])


def test_a_picture_that_announces_too_much_is_refused_without_memory() -> None:
    png = bytearray(VALID["png"])
    png[16:24] = struct.pack(">II", 2**31 - 1, 2**31 - 1)
    png[29:33] = struct.pack(">I", zlib.crc32(bytes(png[12:29])))
    jpeg = bytearray(VALID["jpeg"])
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 65500, 65500)
    for data in (png, jpeg):
        with pytest.raises(FilmTooLarge, match="announces"):
            read_film(bytes(data))


def test_pillows_own_limit_does_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would warn at 89 million pixels, which a user may allow; warnings are errors here."""
    monkeypatch.setenv("DEEPHEALTH_MAX_PIXELS", "100000000")
    picture = encode(Image.new("1", (10_000, 9_200)), "PNG")
    assert read_film(picture).pixels.shape == (9_200, 10_000)


def test_the_file_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEEPHEALTH_MAX_FILE_MB", "1")
    big = tmp_path / "big.png"
    with big.open("wb") as file:
        file.truncate(1_000_001)
    with pytest.raises(FilmTooLarge, match=r"^big.png is larger than the limit of 1 MB"):
        read_film(big)
    with pytest.raises(FilmTooLarge, match=r"^film is larger"):
        read_film(bytes(1_000_001))


def test_paths_that_are_no_film(tmp_path: Path) -> None:
    with pytest.raises(FilmError, match=r"^none\.png does not exist"):
        read_film(tmp_path / "none.png")
    with pytest.raises(FilmError, match=f"^{tmp_path.name} is a folder"):
        read_film(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(FilmError, match=r"^pipe\.png is not a file"):
        read_film(str(tmp_path / "pipe.png"))
    with pytest.raises(FilmError, match="expected a"):
        read_film("nul\0byte.png")


def test_the_suffix_is_not_looked_at(tmp_path: Path) -> None:
    for kind, data in VALID.items():
        (tmp_path / f"{kind}.txt").write_bytes(data)
        film = read_film(tmp_path / f"{kind}.txt")
        assert film.name == f"{kind}.txt" and film.sha256 == hashlib.sha256(data).hexdigest()
        assert film.format == {"progressive": "jpeg", "png16": "png", "lzw": "tiff"}.get(kind, kind)
        assert (dict(film.tags), film.objections, film.warnings) == ({}, (), ())


def test_names_are_fit_for_a_terminal() -> None:
    with pytest.raises(FilmError) as caught:
        read_film(b"", name="a\x1b[31m\n\u202egnp.exe")
    assert str(caught.value).startswith("a?[31m??gnp.exe is empty")


def test_other_channels_are_a_wrong_use() -> None:
    with pytest.raises(UsageError, match="channels is 4"):
        read_film(VALID["png"], channels=4)


def test_bare_dicom_is_told_from_text() -> None:
    assert sniff(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100") == "dicom"
    assert sniff(b"\x08\x00\x00\x00\x04\x00\x00\x00\x5e\x00\x00\x00\x08\x00\x16\x00") == "dicom"
    assert sniff(b"\x00\x08\x00\x05CS\x00\x0aISO_IR 100") == "dicom"
    assert sniff(b"\x08\x00 something else entirely") == ""


def test_threads_read_the_same_pixels() -> None:
    kinds = sorted(VALID)
    one = {kind: read_film(VALID[kind]).pixels for kind in kinds}
    with ThreadPoolExecutor(8) as pool:
        for kind, pixels in zip(kinds * 30, pool.map(lambda kind: read_film(VALID[kind]).pixels, kinds * 30), strict=True):
            np.testing.assert_array_equal(pixels, one[kind])


def test_importing_costs_only_numpy() -> None:
    code = "import sys, deephealth.images.read; print(sorted({'PIL', 'pydicom', 'simplejpeg', 'scipy', 'onnxruntime'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.shared
def test_real_films_are_pillows_pixels(shared: Path) -> None:
    films = sorted((shared / "data" / "kermany-originals").rglob("*.jpeg"))
    assert films
    for path in films[::12]:
        with Image.open(path) as picture:
            if picture.mode == "L":
                np.testing.assert_array_equal(read_film(path).pixels, np.asarray(picture))
            else:
                assert np.abs(read_film(path).pixels - expected_luma(np.asarray(picture.convert("RGB")))).max() <= 4


@pytest.mark.shared
@pytest.mark.slow
def test_every_real_picture_can_be_read(shared: Path) -> None:
    suffixes = {".jpg", ".jpeg", ".png", ".tif", ".bmp", ".dcm"}
    folders = [shared / "data" / name for name in ("kermany-originals", "not-cxr", "dicom", "hannover-covid", "cohen-covid-chestxray")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in suffixes]
    assert len(files) > 100
    with ThreadPoolExecutor(2) as pool:
        assert all(film.pixels.size for film in pool.map(read_film, files))


def test_a_side_that_no_film_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pixels in all, but neither JPEG nor DICOM could hold such a side, and a network's resize fails on it."""
    strip = encode(Image.new("1", (65_536, 1)), "PNG")
    with pytest.raises(FilmTooLarge, match="65,535 a side"):
        read_film(strip)
    assert read_film(encode(Image.new("1", (1, 65_535)), "PNG")).height == 65_535
