"""DICOM files: Modality LUT, VOI LUT or window, presentation, 8 bits; tags; and reasons why a film is not a frontal chest radiograph."""

from __future__ import annotations

import logging
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import FilmError, FilmTooLarge
from deephealth.images import dicom_tags
from deephealth.images.codecs import decode_grey_jpeg, decoding, hush
from deephealth.images.conversions import check_size, to_eight_bits
from deephealth.images.dicom_grey import grey_rules, render
from deephealth.images.jpeg_header import JpegHeader, check_lossless_jpeg, jpeg_header
from deephealth.settings.table import number

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

hush("pydicom")
hush("openjpeg")
# Its messages quote element values, which can be a patient's; what matters of them is said by our own errors.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

_TS = "1.2.840.10008.1.2"
_DEFLATED = _TS + ".1.99"
_EXPLICIT = _TS + ".1"
_JPEG_8, _JPEG_12 = _TS + ".4.50", _TS + ".4.51"
# Transfer syntax -> the decoder that reads it, so that what is installed beside never changes a film's pixels.
_DECODERS = {
    _JPEG_8: "pillow",
    _JPEG_12: "pillow",
    _TS + ".4.57": "gdcm",
    _TS + ".4.70": "gdcm",
    _TS + ".4.80": "pyjpegls",
    _TS + ".4.81": "pyjpegls",
    _TS + ".4.90": "pylibjpeg",
    _TS + ".4.91": "pylibjpeg",
    _TS + ".4.201": "pylibjpeg",
    _TS + ".4.202": "pylibjpeg",
    _TS + ".4.203": "pylibjpeg",
    _TS + ".5": "pydicom",
}
_NATIVE = (_TS, _EXPLICIT, _TS + ".2")
_PIXEL_KEYWORDS = (
    *("SamplesPerPixel", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", "PresentationLUTShape", "PixelData"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "MediaStorageSOPClassUID", "SpecificCharacterSet"),
    *(f"{colour}PaletteColorLookupTable{part}" for colour in ("Red", "Green", "Blue") for part in ("Descriptor", "Data")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
)


@dataclass(frozen=True, eq=False)
class DicomFilm:
    """A film out of a DICOM file. pixels: uint8 [H, W], 0 black to 255 white, or [H, W, 3] when the file is in colour."""

    pixels: NDArray[np.uint8]
    tags: dict[str, str]
    objections: tuple[str, ...]
    warnings: tuple[str, ...]


def read_dicom(data: bytes) -> DicomFilm:
    """Read one DICOM image from its bytes, with or without preamble.

    The grey values go through the Modality LUT or rescale, the VOI LUT or the first window, MONOCHROME1 or the presentation shape, to
    8 bits, as deephealth.images.dicom_grey says. Colour is decoded to RGB and not windowed. Sizes are checked in the data set and in
    the compressed pixels before anything is decoded.

    Raises FilmError, the second half of a sentence, for files without pixels, with several frames, cut short, malformed, or compressed
    in a way no installed decoder reads; FilmTooLarge over the pixel limit.
    """
    with decoding("DICOM data"):
        ds = _parse(data)
        _check_header(ds)
        stored = _stored_pixels(ds)
        warnings: tuple[str, ...] = ()
        if stored.ndim == 2 and ds.PhotometricInterpretation != "PALETTE COLOR":
            rules = grey_rules(ds)
            pixels, warnings = render(stored, rules), rules.warnings
        else:
            pixels = _colour(ds, stored)
        tags = dicom_tags.plain_tags(ds)
        return DicomFilm(pixels, tags, dicom_tags.objections(ds, tags), warnings + dicom_tags.cautions(ds, tags))


def _parse(data: bytes) -> Dataset:
    """The data set, with only the elements that are looked at."""
    from pydicom import dcmread
    from pydicom.datadict import tag_for_keyword
    from pydicom.dataset import FileMetaDataset
    from pydicom.filereader import read_dataset
    from pydicom.tag import Tag
    from pydicom.uid import UID

    hush("pydicom")
    wanted = [Tag(tag) for tag in map(tag_for_keyword, (*_PIXEL_KEYWORDS, *dicom_tags.KEYWORDS)) if tag is not None]
    start, syntax = _file_meta(data)
    if syntax != _DEFLATED:
        return dcmread(BytesIO(data), force=True, specific_tags=list(wanted))
    plain = zlib.decompress(data[start:], -zlib.MAX_WBITS, _inflated_size(data[start:]))
    ds = read_dataset(BytesIO(plain), is_implicit_VR=False, is_little_endian=True, specific_tags=list(wanted))
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(_EXPLICIT)
    return ds


def _inflated_size(data: bytes) -> int:
    """The bytes that deflated data unpack to, counted without keeping them; FilmTooLarge over the limit, FilmError when cut short."""
    inflater, size, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, data
    while rest and not inflater.eof:
        size += len(inflater.decompress(rest, 1 << 20))
        rest = inflater.unconsumed_tail
        if size > number("max_file_mb") * 1_000_000:
            raise FilmTooLarge("unpacks to more than the limit for one film; shrink it, or raise DEEPHEALTH_MAX_FILE_MB.")
    if not inflater.eof:
        raise FilmError("is cut short, expected a whole deflated DICOM file; copy or export it again.")
    return size


def _file_meta(data: bytes) -> tuple[int, str]:
    """Where the data set starts and its transfer syntax, "" when there is no file meta group (PS3.10, 7.1)."""
    position, syntax = (132 if data[128:132] == b"DICM" else 0), ""
    while position + 8 <= len(data) and data[position : position + 2] == b"\x02\x00":
        element = struct.unpack_from("<H", data, position + 2)[0]
        if data[position + 4 : position + 6] in (b"OB", b"OW", b"UN", b"SQ", b"UT"):
            if position + 12 > len(data):
                break
            size, value = struct.unpack_from("<I", data, position + 8)[0], position + 12
        else:
            size, value = struct.unpack_from("<H", data, position + 6)[0], position + 8
        if element == 0x0010:
            syntax = data[value : value + size].rstrip(b"\0 ").decode("ascii", "replace")
        position = value + size
    return position, syntax


def _check_header(ds: Dataset) -> None:
    """Refuse what is no single film of a known kind, before any pixel is touched."""
    if str(ds.file_meta.get("MediaStorageSOPClassUID", "")) == "1.2.840.10008.1.3.10":
        raise FilmError("is a DICOMDIR, a list of files, expected a film; give the folder instead.")
    if "Rows" not in ds or "Columns" not in ds or "PixelData" not in ds:
        raise FilmError(
            "is a DICOM file without pixels that can be read, expected a film; it may be cut short or a report: export it again."
        )
    check_size(int(ds.Columns), int(ds.Rows))
    frames = int(ds.get("NumberOfFrames") or 1)
    if frames > 1:
        raise FilmError(f"has {frames} frames, expected one film; save each frame as a file of its own.")
    allocated, stored, samples = int(ds.BitsAllocated), int(ds.BitsStored), int(ds.get("SamplesPerPixel", 1))
    if samples not in (1, 3) or allocated not in (8, 16, 32) or not 1 <= stored <= allocated:
        raise FilmError(
            f"has {samples} samples of {stored} in {allocated} bits a pixel, expected 1 or 3 of 8 or 16; export it as a radiograph."
        )


def _stored_pixels(ds: Dataset) -> NDArray[Any]:
    """The decoded samples: integers [H, W], or RGB [H, W, 3]."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    syntax = _syntax(ds)
    if syntax in _NATIVE:
        return get_decoder(UID(syntax)).as_array(ds)[0]
    if syntax not in _DECODERS:
        raise FilmError(f"is compressed as {UID(syntax).name}, for which there is no decoder; export it uncompressed.")
    plugin = _DECODERS[syntax]
    if syntax.startswith(_TS + ".4."):
        plugin = _check_codestream(ds, syntax, plugin)
        if plugin == "simplejpeg":
            return decode_grey_jpeg(_frame(ds))
    hush("PIL")
    return get_decoder(UID(syntax)).as_array(ds, decoding_plugin=plugin)[0]


def _syntax(ds: Dataset) -> str:
    named = str(ds.file_meta.get("TransferSyntaxUID", "") or "")
    if named:
        return named
    implicit, little = ds.original_encoding
    guessed = _TS if implicit else _EXPLICIT if little else _TS + ".2"
    from pydicom.uid import UID

    ds.file_meta.TransferSyntaxUID = UID(guessed)
    return guessed


def _frame(ds: Dataset) -> bytes:
    from pydicom.encaps import get_frame

    return get_frame(ds.PixelData, 0, number_of_frames=1)


def _check_codestream(ds: Dataset, syntax: str, plugin: str) -> str:
    """Compare the size that the compressed pixels announce with the data set's, and choose the decoder."""
    frame = _frame(ds)
    if plugin == "pylibjpeg":
        width, height = _jpeg_2000_size(frame)
        components, precision = 0, 0
    else:
        header = jpeg_header(frame)
        width, height, components, precision = header.width, header.height, header.components, header.precision
        if b"\xff\xd9" not in frame[-64:]:
            raise FilmError("is cut short: its compressed pixels have no end marker; copy or export it again.")
    check_size(width, height)
    if (height, width) != (ds.Rows, ds.Columns):
        raise FilmError(
            f"says {ds.Columns} x {ds.Rows} pixels and its compressed pixels say {width} x {height}, expected the same; export it again."
        )
    if plugin != "pylibjpeg":
        _check_samples(ds, frame, header, syntax)
    if syntax in (_JPEG_8, _JPEG_12) and precision == 12:
        return _twelve_bit_plugin(syntax)
    return "simplejpeg" if syntax in (_JPEG_8, _JPEG_12) and components == 1 and ds.get("SamplesPerPixel", 1) == 1 else plugin


def _check_samples(ds: Dataset, frame: bytes, header: JpegHeader, syntax: str) -> None:
    """Refuse a JPEG or JPEG-LS whose samples are not the data set's: GDCM writes past its buffer, or crashes, when they disagree."""
    samples, allocated = int(ds.get("SamplesPerPixel", 1)), int(ds.BitsAllocated)
    lossless = syntax in (_TS + ".4.57", _TS + ".4.70")
    if header.components != samples or not 2 <= header.precision <= min(allocated, 16) or lossless != (header.process == 3):
        raise FilmError(
            f"says {samples} samples of {allocated} bits and its compressed pixels say {header.components} of {header.precision} bits, "
            "expected the same kind of pixels; export it again."
        )
    if lossless:
        check_lossless_jpeg(frame)


def _twelve_bit_plugin(syntax: str) -> str:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    if "pylibjpeg" in get_decoder(UID(syntax)).available_plugins:
        return "pylibjpeg"
    raise FilmError(
        "is compressed as 12-bit JPEG Extended, which no permissively licensed decoder reads; "
        "install the plugin pylibjpeg-libjpeg (GPL) if its licence suits you, or export the film uncompressed."
    )


def _jpeg_2000_size(frame: bytes) -> tuple[int, int]:
    """Width and height from the SIZ marker of a JPEG 2000 codestream, bare or in a JP2 box (ITU-T T.800, A.5.1)."""
    at = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
    if at < 0 or at + 24 > len(frame):
        raise FilmError("is cut short or damaged: its JPEG 2000 pixels have no header; copy or export it again.")
    right, bottom, left, top = struct.unpack_from(">4I", frame, at + 8)
    return right - left, bottom - top


def _colour(ds: Dataset, stored: NDArray[Any]) -> NDArray[np.uint8]:
    """RGB uint8 [H, W, 3] from palette or colour samples of 8 or 16 bits."""
    if stored.ndim == 2:
        from pydicom.pixels.processing import apply_color_lut

        bits = int(ds.RedPaletteColorLookupTableDescriptor[2])
        stored = apply_color_lut(stored, ds)
    else:
        bits = int(ds.BitsStored)
    if stored.dtype == np.uint8 and bits == 8:
        return stored
    if bits != 16 or stored.dtype != np.uint16:
        raise FilmError(f"is in colour with {bits} bits a sample, expected 8 or 16; export it with 8.")
    return to_eight_bits(stored)
