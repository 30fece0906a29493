"""What a DICOM film's tags say: kept under plain names, with the reasons to refuse the film or to read on with care."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from deephealth.images.codecs import printable

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# Plain name -> keyword. The patient's name is not here, and is not even parsed.
PLAIN = {
    "patient_id": "PatientID",
    "modality": "Modality",
    "body_part": "BodyPartExamined",
    "manufacturer": "Manufacturer",
    "manufacturer_model": "ManufacturerModelName",
    "sop_class_uid": "SOPClassUID",
    "sop_instance_uid": "SOPInstanceUID",
    "series_instance_uid": "SeriesInstanceUID",
    "study_instance_uid": "StudyInstanceUID",
    "photometric_interpretation": "PhotometricInterpretation",
}
# Everything that dicom_tags looks at; the reader parses nothing else besides the pixels and their rules.
KEYWORDS = (
    *PLAIN.values(),
    *("PatientSex", "PatientAge", "PatientBirthDate", "StudyDate", "ViewPosition", "ViewCodeSequence", "PatientOrientation"),
    *("AnatomicRegionSequence", "BurnedInAnnotation", "PresentationIntentType", "ImagerPixelSpacing", "PixelSpacing"),
)
_SOP = "1.2.840.10008.5.1.4.1.1."
_RADIOGRAPHS = (_SOP + "1", _SOP + "1.1", _SOP + "1.1.1")  # CR, DX for presentation, DX for processing
_SECONDARY = (_SOP + "7", *(f"{_SOP}7.{n}" for n in (1, 2, 3, 4)))
_FRONTAL_CODES = {"399348003": "AP", "R-10206": "AP", "399161006": "PA", "272479007": "PA", "R-10214": "PA"}
_LATERAL = ("LL", "RL", "LAT", "LATERAL", "LLAT", "RLAT", "LATERO-LATERAL")


def plain_tags(ds: Dataset) -> dict[str, str]:
    """The film's tags by plain names, absent where the file does not say: those of PLAIN, and

    sex: M, F or O; age_years: a decimal number; view: PA, AP, LATERAL, or what the file says in capitals; study_date: YYYY-MM-DD;
    pixel_spacing_mm: row and column distance, "0.143 0.143", at the detector if known.
    """
    tags = {plain: text(ds, keyword) for plain, keyword in PLAIN.items()}
    tags["body_part"] = (tags["body_part"] or _code_meaning(ds, "AnatomicRegionSequence")).upper()
    tags["modality"] = tags["modality"].upper()
    sex = text(ds, "PatientSex").upper()
    tags["sex"] = sex if sex in ("M", "F", "O") else ""
    tags["age_years"] = _age(ds)
    tags["view"] = _view(ds)
    study = _day(text(ds, "StudyDate"))
    tags["study_date"] = study.isoformat() if study else ""
    tags["pixel_spacing_mm"] = " ".join(f"{value:g}" for value in _spacing(ds) or ())
    return {name: value for name, value in tags.items() if value}


def objections(ds: Dataset, tags: dict[str, str]) -> tuple[str, ...]:
    """Reasons, by the file's own tags, why this is not a frontal chest radiograph for presentation."""
    found = []
    modality, sop = tags.get("modality", ""), tags.get("sop_class_uid", "")
    if modality and modality not in ("CR", "DX", "RG", "SC", "OT"):
        found.append(f"its modality is {modality}, expected a radiograph (CR, DX or RG)")
    elif sop and sop not in (*_RADIOGRAPHS, *_SECONDARY):
        found.append(f"its SOP class is {_sop_name(sop)}, expected a radiograph")
    if text(ds, "PresentationIntentType").upper() == "FOR PROCESSING" or sop == _SOP + "1.1.1":
        found.append("its pixels are FOR PROCESSING, expected a film FOR PRESENTATION")
    view = tags.get("view", "")
    if view == "LATERAL" or view in ("LLO", "RLO"):
        found.append(f"its view is {'lateral' if view == 'LATERAL' else 'oblique'}, expected PA or AP")
    body = tags.get("body_part", "")
    if body and not any(word in body for word in ("CHEST", "THORAX", "THORACIC CAVITY", "TORAX", "TÓRAX", "LUNG")):
        found.append(f"its body part is {body}, expected CHEST")
    return tuple(found)


def cautions(ds: Dataset, tags: dict[str, str]) -> tuple[str, ...]:
    """What a reader should know of the film but need not stop for."""
    found = []
    modality, sop, view = tags.get("modality", ""), tags.get("sop_class_uid", ""), tags.get("view", "")
    if modality in ("SC", "OT"):
        found.append(f"modality is {modality}, which does not say that this is a radiograph")
    elif not modality:
        found.append("does not say its modality")
    elif sop in _SECONDARY:
        found.append(f"is a Secondary Capture although its modality is {modality}: it may have been converted from a picture")
    if not view:
        found.append("does not say its view position")
    elif view not in ("PA", "AP", "LATERAL", "LLO", "RLO"):
        found.append(f"has view position {view}, expected PA or AP")
    burned = text(ds, "BurnedInAnnotation").upper()
    if burned != "NO":
        found.append("has text burned into its pixels" if burned == "YES" else "does not say whether text is burned into its pixels")
    if _spacing(ds) is None:
        found.append("has a pixel spacing of zero or none that can be read; its scale is unknown")
    return tuple(found)


def text(ds: Dataset, keyword: str) -> str:
    """A tag as text: stripped, several values joined by a backslash, control characters replaced, empty when absent or malformed."""
    try:
        value = ds.get(keyword)
        if value is None:
            return ""
        joined = value if isinstance(value, str) else "\\".join(map(str, value)) if hasattr(value, "__iter__") else str(value)
    except Exception:  # converting a damaged value can raise almost anything, and a description is not worth losing the film for
        return ""
    return printable(joined.strip(" \0"))


def _view(ds: Dataset) -> str:
    view = text(ds, "ViewPosition").upper()
    if not view:
        view = _code(ds, "ViewCodeSequence")
    if view in _LATERAL or ("LATERAL" in view and "DECUB" not in view):
        return "LATERAL"
    if not view and text(ds, "PatientOrientation")[:1].upper() in ("A", "P"):
        return "LATERAL"  # rows that run from front to back
    return view


def _code(ds: Dataset, keyword: str) -> str:
    """The view that a code sequence names: PA or AP by code (SNOMED), otherwise its meaning in capitals."""
    try:
        value = str(ds[keyword][0].CodeValue)
    except Exception:  # absent, empty or malformed: as in text()
        return ""
    return _FRONTAL_CODES.get(value) or _code_meaning(ds, keyword).upper()


def _code_meaning(ds: Dataset, keyword: str) -> str:
    try:
        item = ds[keyword][0]
    except Exception:  # absent, empty or malformed: as in text()
        return ""
    return text(item, "CodeMeaning")


def _age(ds: Dataset) -> str:
    match = re.fullmatch(r"(\d{1,3})([DWMY])", text(ds, "PatientAge").upper())
    if match:
        years = int(match[1]) / {"D": 365.25, "W": 52.18, "M": 12, "Y": 1}[match[2]]
    else:
        born, studied = _day(text(ds, "PatientBirthDate")), _day(text(ds, "StudyDate"))
        if not born or not studied or studied < born:
            return ""
        years = (studied - born).days / 365.25
    return f"{years:.2f}".rstrip("0").rstrip(".") if years < 130 else ""


def _day(value: str) -> date | None:
    digits = value.replace(".", "").replace("-", "")[:8]
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def _spacing(ds: Dataset) -> tuple[float, ...] | None:
    """Row and column distance in mm, at the detector first; () when the film does not say, None when what it says cannot be."""
    for keyword in ("ImagerPixelSpacing", "PixelSpacing"):
        value = text(ds, keyword)
        if value:
            try:
                numbers = tuple(float(part) for part in value.split("\\"))
            except ValueError:
                return None
            return numbers if len(numbers) == 2 and all(0 < number < 100 for number in numbers) else None
    return ()


def _sop_name(uid: str) -> str:
    from pydicom.uid import UID

    return UID(uid).name
