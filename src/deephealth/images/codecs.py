"""JPEG, PNG, TIFF and BMP: encoded bytes in, upright uint8 pixels out.

Each decoder looks at the announced size before it decodes, refuses pictures that are cut short or animated, and raises FilmError with the
second half of a sentence ("is cut short; ..."), before which the caller puts the film's name.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import DeepHealthError, FilmError, FilmTooLarge
from deephealth.images.conversions import check_size, orient, over_black, to_eight_bits
from deephealth.images.jpeg_header import jpeg_header

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

Pixels = NDArray[np.uint8]


@contextmanager
def decoding(what: str) -> Iterator[None]:
    """Turn whatever a third-party decoder raises into a FilmError.

    On damaged bytes decoders raise whatever their parser ran into (KeyError, struct.error, RuntimeError, ...), so only their common
    base covers them; their own words are left out because they may quote the file, and with it a patient.
    """
    try:
        yield
    except DeepHealthError:
        raise
    except MemoryError as error:
        raise FilmTooLarge("needs more memory than there is; shrink it, or give this program more.") from error
    except Exception as error:
        raise FilmError(f"cannot be decoded: its {what} is damaged or cut short; export the film again.") from error


def hush(library: str) -> None:
    """Keep a decoder library's Python warnings about damaged files off the user's terminal.

    ``warnings.catch_warnings`` is not thread-safe and films are read from many threads, so one filter, for that library's modules only,
    is put in place and stays; it is put back when someone has reset the filters.
    """
    pattern = rf"{library}(\.|$)"
    if not any(getattr(entry[3], "pattern", "") == pattern for entry in warnings.filters):
        warnings.filterwarnings("ignore", module=pattern)


# ---- JPEG ----------------------------------------------------------------------------------------------------------------------------


def decode_jpeg(data: bytes, channels: int) -> Pixels:
    """A JPEG as uint8 [H, W] (the Y of its YCbCr, which is ITU-R BT.601 luma) or [H, W, 3].

    Grey and YCbCr go through libjpeg-turbo in strict mode, so that a film cut short is refused instead of filled with grey; CMYK and
    YCCK go through Pillow. Raises FilmError for damaged, 12-bit or otherwise undecodable data.
    """
    header = jpeg_header(data)
    check_size(header.width, header.height)
    if header.precision != 8:
        raise FilmError(f"is a {header.precision}-bit JPEG, expected 8 bits a sample; export it as PNG or DICOM.")
    if header.components == 4:
        return orient(_decode_with_pillow(data, _open_jpeg), header.orientation)
    if channels == 1 or header.components == 1:
        return orient(decode_grey_jpeg(data), header.orientation)
    import simplejpeg

    with decoding("JPEG data"):
        return orient(simplejpeg.decode_jpeg(data, "RGB"), header.orientation)


def decode_grey_jpeg(data: bytes) -> Pixels:
    """An 8-bit JPEG as uint8 [H, W], as it is stored: any rotation in its metadata is left to the caller."""
    import simplejpeg

    with decoding("JPEG data"):
        pixels: Pixels = simplejpeg.decode_jpeg(data, "GRAY")
    return pixels[..., 0]


# ---- Pillow: PNG, TIFF, BMP, CMYK JPEG ------------------------------------------------------------------------------------------------
# Its file classes are opened directly: Image.open would import 40 formats and warn at its own pixel limit instead of ours.


def _open_png(data: bytes) -> ImageFile:
    from PIL.PngImagePlugin import PngImageFile

    return PngImageFile(BytesIO(data))


def _open_tiff(data: bytes) -> ImageFile:
    from PIL.TiffImagePlugin import TiffImageFile

    return TiffImageFile(BytesIO(data))


def _open_bmp(data: bytes) -> ImageFile:
    from PIL.BmpImagePlugin import BmpImageFile

    return BmpImageFile(BytesIO(data))


def _open_jpeg(data: bytes) -> ImageFile:
    from PIL.JpegImagePlugin import JpegImageFile

    return JpegImageFile(BytesIO(data))


def decode_png(data: bytes, channels: int) -> Pixels:
    """A PNG of any kind as uint8 [H, W] or [H, W, 3]; an animated one is refused."""
    return _decode_with_pillow(data, _open_png)


def decode_tiff(data: bytes, channels: int) -> Pixels:
    """A TIFF of 1 to 16 unsigned bits a sample as uint8 [H, W] or [H, W, 3].

    Several pages, floating-point, signed and 32-bit samples are refused: such files do not say which value is black and which is white.
    """
    return _decode_with_pillow(data, _open_tiff)


def decode_bmp(data: bytes, channels: int) -> Pixels:
    """A BMP as uint8 [H, W] or [H, W, 3]."""
    return _decode_with_pillow(data, _open_bmp)


def _decode_with_pillow(data: bytes, opener: Callable[[bytes], ImageFile]) -> Pixels:
    hush("PIL")
    with decoding("image data"):
        picture = opener(data)
        check_size(*picture.size)
        _refuse_animation(picture)
        pixels = _pillow_pixels(data, picture, opener)
        # A PNG may hold its Exif block after the pixels. Pillow turns TIFFs by itself.
        orientation = picture.getexif().get(0x0112, 1) if picture.format == "PNG" else 1
        return orient(pixels, orientation)


def _refuse_animation(picture: ImageFile) -> None:
    if picture.format == "TIFF":
        # Asking for the number of pages would walk the whole chain, which a hostile file can make as long as itself.
        try:
            picture.seek(1)
        except EOFError:
            picture.seek(0)
            return
    elif getattr(picture, "n_frames", 1) == 1:
        return
    raise FilmError(f"is a {picture.format} of several pages or frames, expected one film; save each page as a file of its own.")


def _pillow_pixels(data: bytes, picture: ImageFile, opener: Callable[[bytes], ImageFile]) -> Pixels:
    """Decode an opened picture and bring it to uint8 by its mode."""
    rawmode = _rawmode(picture)
    if rawmode.startswith(("RGB", "LA", "CMYK")) and ";16" in rawmode:
        return _wide_colour(data, opener, rawmode)
    mode = picture.mode
    if mode in ("I;16", "I;16B", "I;16L", "I;16N"):
        return _wide_grey(picture)
    if mode in ("I", "F", "LAB", "HSV"):
        raise FilmError(
            "has floating-point, signed, 32-bit or Lab samples, expected 8 or 16 unsigned bits; export it as 16-bit PNG or DICOM."
        )
    if mode in ("La", "RGBa"):  # already multiplied by its alpha, which is the picture over black
        picture.load()
        return np.asarray(picture)[..., : len(mode) - 1].squeeze()
    if mode in ("P", "PA"):
        seen: Image = picture.convert("RGBA" if mode == "PA" or "transparency" in picture.info else "RGB")
    elif mode in ("L", "RGB") and "transparency" in picture.info:
        seen = picture.convert(mode[:1] + "A" if mode == "L" else "RGBA")
    elif mode in ("1", "CMYK", "YCbCr"):
        seen = picture.convert("L" if mode == "1" else "RGB")
    else:
        seen = picture
    return _flatten(np.asarray(seen))


def _flatten(samples: NDArray[Any]) -> Pixels:
    """[H, W], [H, W, 2 or 4] with alpha last, or [H, W, 3], of 8 or 16 bits, as uint8 without alpha."""
    samples = to_eight_bits(samples)
    if samples.ndim == 3 and samples.shape[2] in (2, 4):
        colour = samples[..., 0] if samples.shape[2] == 2 else samples[..., :3]
        return over_black(colour, samples[..., -1])
    return samples


def _wide_grey(picture: ImageFile) -> Pixels:
    """Grey samples of 12 or 16 bits. Pillow leaves white-is-zero TIFFs of that depth as they are stored."""
    bits = 12 if ";12" in _rawmode(picture) else 16
    white_is_zero = picture.format == "TIFF" and _tiff_tag(picture, 262) == 0
    transparent = picture.info.get("transparency") if picture.format == "PNG" else None
    samples = np.asarray(picture).astype(np.uint16)
    if bits == 12:
        samples = np.rint(samples * (65535 / 4095)).astype(np.uint16)
    pixels = to_eight_bits(samples)
    if isinstance(transparent, int):
        pixels[samples == transparent] = 0
    return np.invert(pixels) if white_is_zero else pixels


def _wide_colour(data: bytes, opener: Callable[[bytes], ImageFile], rawmode: str) -> Pixels:
    """16-bit colour, of which Pillow keeps only the high byte of each sample: decoded twice, for the high and for the low bytes."""
    if rawmode.startswith("LA"):  # two big-endian samples are four bytes, which can be read as they are
        raw = _decode_as(data, opener, "RGBA").astype(np.uint16)
        return _flatten(raw[..., 0::2] << 8 | raw[..., 1::2])
    stem, order = rawmode.split(";")
    if stem not in ("RGB", "RGBA", "RGBX") or order not in ("16B", "16L", "16N"):
        raise FilmError("has 16-bit colour of an unusual kind, expected RGB; export it with 8 bits a sample.")
    swapped = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}[order]
    high = _decode_as(data, opener, rawmode).astype(np.uint16)
    return _flatten(high << 8 | _decode_as(data, opener, f"{stem};{swapped}"))


def _decode_as(data: bytes, opener: Callable[[bytes], ImageFile], rawmode: str) -> Pixels:
    picture = opener(data)
    tiles = []
    for tile in picture.tile:
        args = tile.args
        tiles.append(tile._replace(args=rawmode if isinstance(args, str) else (rawmode, *(args or ())[1:])))
    picture.tile = tiles
    return np.asarray(picture)


def _rawmode(picture: ImageFile) -> str:
    """How Pillow unpacks the file's samples, for example "RGB;16B"; empty when it does not say."""
    args = picture.tile[0].args if picture.tile else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _tiff_tag(picture: ImageFile, tag: int) -> object:
    tags = getattr(picture, "tag_v2", {})
    return tags.get(tag)


def printable(name: str, limit: int = 300) -> str:
    """A file's or archive member's name fit for a terminal, a log or a page: control and direction characters replaced, length bounded.

    Bytes of a name that are no UTF-8 stay (as surrogates): whoever writes the name chooses how to escape them.
    """
    clean = name
    if not name.isprintable():
        clean = "".join(letter if letter.isprintable() or "\ud800" <= letter <= "\udfff" else "?" for letter in name)
    return clean if len(clean) <= limit else "..." + clean[-limit:]
