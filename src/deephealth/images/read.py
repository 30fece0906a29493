"""From bytes or a path to a film: what the file is, is decided by its content, never by its name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import MappingProxyType

from deephealth.errors import FilmError, FilmTooLarge, UsageError
from deephealth.images import codecs
from deephealth.images.conversions import with_channels
from deephealth.images.radiograph import Radiograph
from deephealth.settings.table import number

_FILMS = {"jpeg": codecs.decode_jpeg, "png": codecs.decode_png, "tiff": codecs.decode_tiff, "bmp": codecs.decode_bmp}
_EXPECTED = "expected a JPEG, PNG, TIFF, BMP or DICOM film"
_PICTURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"BM", "bmp"),
)
# What people hand over by mistake, so that the error can say what it is.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"GIF8", "a GIF picture or animation"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip file"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"8BPS", "a Photoshop picture"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
)


def sniff(data: bytes) -> str:
    """The kind of a file by its first bytes: "jpeg", "png", "tiff", "bmp", "dicom", "zip", or "" for anything else."""
    if data[128:132] == b"DICM":  # first: the preamble before it may be a TIFF header (PS3.10, 7.1)
        return "dicom"
    for magic, kind in _PICTURES:
        if data.startswith(magic):
            return kind
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    return "dicom" if _bare_dicom(data) else ""


def read_film(source: str | Path | bytes, *, name: str | None = None, channels: int = 1) -> Radiograph:
    """Read one film: a JPEG, PNG, TIFF, BMP or DICOM, told apart by content.

    source: a path, or the file's bytes. name: how to call the film in messages and results; the file's name when not given.
    channels: 1 for grey pixels, uint8 [H, W]; 3 for colour, uint8 [H, W, 3] (a grey film three times).

    Changes to the pixels are these and no others: colour to grey by ITU-R BT.601 luma; 16-bit PNG and TIFF samples divided by 257;
    Exif rotation; transparency over black; DICOM grey values as its own tags say (see deephealth.images.dicom). The result for grey JPEG
    is the decoder's, untouched.

    Raises FilmError, one sentence, for anything that is not one whole film, FilmTooLarge when the file or the size it announces is over
    a limit of the settings (checked before reading and before decoding), UsageError for other channels. Thread-safe.
    """
    if channels not in (1, 3):
        raise UsageError(f"channels is {channels}, expected 1 (grey) or 3 (colour).")
    if isinstance(source, bytes):
        name, data = name or "film", source
    else:
        name = name or Path(source).name or str(source)
        data = read_capped(Path(source), codecs.printable(name))
    return _decode(data, codecs.printable(name), channels)


def read_capped(path: Path, name: str) -> bytes:
    """The bytes of a regular file, of at most the setting max_file_mb; FilmError or FilmTooLarge otherwise."""
    limit = number("max_file_mb") * 1_000_000
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not a file" if path.exists() else "does not exist"
            raise FilmError(f"{name} {what}, expected a film; check the path.")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise FilmError(
            f"{name} cannot be opened ({type(error).__name__}), expected a readable film; check the path and its rights."
        ) from error
    if len(data) > limit:
        raise too_large(name)
    return data


def first_bytes(path: Path, count: int) -> bytes:
    """Up to `count` bytes from the start of a regular file; none when it cannot be read, or is a pipe or device, which would block."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(count)
    except (OSError, ValueError):
        return b""


def too_large(name: str) -> FilmTooLarge:
    """The error for a file or archive member over the size limit."""
    limit = number("max_file_mb")
    return FilmTooLarge(f"{name} is larger than the limit of {limit} MB for one film; shrink it, or raise DEEPHEALTH_MAX_FILE_MB.")


def _decode(data: bytes, name: str, channels: int) -> Radiograph:
    if len(data) > number("max_file_mb") * 1_000_000:
        raise too_large(name)
    kind = sniff(data)
    digest = hashlib.sha256(data).hexdigest()
    try:
        if kind == "dicom":
            from deephealth.images.dicom import read_dicom

            film = read_dicom(data)
            pixels = with_channels(film.pixels, channels)
            return Radiograph(pixels, name, kind, digest, MappingProxyType(dict(film.tags)), film.objections, film.warnings)
        if kind not in _FILMS:
            raise FilmError(_describe(data))
        return Radiograph(with_channels(_FILMS[kind](data, channels), channels), name, kind, digest)
    except FilmError as error:
        # The decoders say what is wrong; here it becomes a sentence about this film, of the same class.
        raise type(error)(f"{name} {error}") from error.__cause__


def _describe(data: bytes) -> str:
    """The second half of the sentence for a file that is no film."""
    if not data:
        return f"is empty, {_EXPECTED}; copy or export it again."
    text = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    what = next((what for magic, what in _OTHERS if data.startswith(magic) or text.lower().startswith(magic)), "")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        what = "a WebP picture or animation"
    elif data[4:8] == b"ftyp":
        what = "a HEIC, AVIF or video file"
    elif not what and not text.strip(b"\t\n\r" + bytes(range(32, 127)) + bytes(range(128, 256))):
        what = "a text file"
    return f"is {what or 'of an unknown format'}, {_EXPECTED}; convert or export it as one of these."


def _bare_dicom(data: bytes) -> bool:
    """Whether a file without the DICOM preamble starts with a plausible data element of group 0002 or 0008 (PS3.5, 7.1)."""
    if len(data) < 16:
        return False
    for order in ("little", "big"):
        group, element = (int.from_bytes(data[at : at + 2], order) for at in (0, 2))
        if group not in (0x0002, 0x0008) or element > 0x3010:
            continue
        if data[4:6] in _VALUE_KINDS:
            return True
        if order == "little" and int.from_bytes(data[4:8], "little") <= min(len(data) - 8, 1024):
            return True
    return False


_VALUE_KINDS = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT OB OW PN SH SL SQ SS ST TM UI UL UN US UT".split())
