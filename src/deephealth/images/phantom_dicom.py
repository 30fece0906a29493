"""A phantom film as a DICOM object: Digital X-Ray Image Storage - For Presentation (PS3.3 A.26), 12 bits stored."""

from __future__ import annotations

import hashlib
import io

import numpy as np

from deephealth.images.phantom_draw import Phantom

_DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_FILM_HEIGHT_MM = 400.0  # of an average film


def dicom_bytes(phantom: Phantom, *, seed: int, patient: int, film: int) -> bytes:
    """The file, the same bytes for the same arguments: unique identifiers are derived from seed, patient and film.

    Every third film is MONOCHROME1, as real archives hold both. No person is named.
    """
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID

    instance = _uid("film", seed, patient, film)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_DX_FOR_PRESENTATION)
    meta.MediaStorageSOPInstanceUID = UID(instance)
    meta.TransferSyntaxUID = UID(_EXPLICIT_LITTLE_ENDIAN)
    meta.ImplementationClassUID = UID("2.25.20260001")
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values: dict[str, object] = {
        "SOPClassUID": _DX_FOR_PRESENTATION,
        "SOPInstanceUID": instance,
        "StudyInstanceUID": _uid("study", seed, patient, film),
        "SeriesInstanceUID": _uid("series", seed, patient, film),
        **_header(phantom, patient, film),
        **_pixels(phantom, inverted=(patient + film) % 3 == 0),
    }
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _header(phantom: Phantom, patient: int, film: int) -> dict[str, object]:
    spacing = round(_FILM_HEIGHT_MM / phantom.pixels.shape[0], 4)
    return {
        "PatientName": f"PHANTOM^{patient:04d}",
        "PatientID": f"p{patient:04d}",
        "PatientBirthDate": "",
        "PatientSex": phantom.sex,
        "PatientAge": f"{phantom.age:03d}Y",
        "StudyDate": "20260101",
        "StudyTime": "",
        "StudyID": str(film),
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "SeriesNumber": 1,
        "InstanceNumber": film,
        "Modality": "DX",
        "Manufacturer": "Deep Health phantom",
        "BodyPartExamined": "CHEST",
        "ViewPosition": phantom.view,
        "PatientOrientation": ["L", "F"],
        "Laterality": "",
        "ImageLaterality": "U",
        "ImageType": ["ORIGINAL", "PRIMARY", ""],
        "PresentationIntentType": "FOR PRESENTATION",
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
        "ImagerPixelSpacing": [spacing, spacing],
    }


def _pixels(phantom: Phantom, *, inverted: bool) -> dict[str, object]:
    """8 bits spread over 12, so that a window of full width gives back the film."""
    stored = np.round(phantom.pixels.astype(np.float64) * (4095 / 255)).astype("<u2")
    if inverted:
        stored = (4095 - stored).astype("<u2")
    return {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME1" if inverted else "MONOCHROME2",
        "Rows": phantom.pixels.shape[0],
        "Columns": phantom.pixels.shape[1],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": -1,
        "RescaleIntercept": "0",
        "RescaleSlope": "1",
        "RescaleType": "US",
        "PresentationLUTShape": "INVERSE" if inverted else "IDENTITY",
        "WindowCenter": "2048",
        "WindowWidth": "4096",
        "PixelData": stored.tobytes(),
    }


def _uid(kind: str, *key: int) -> str:
    """A UUID-derived identifier (PS3.5 B.2) from a hash instead of chance."""
    digest = hashlib.sha256("/".join(["deephealth-phantom", kind, *map(str, key)]).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"
