"""One film looked at for a project: what it is, whose (as a key), like what, and the film without names."""

from __future__ import annotations

import hashlib
import math

from deephealth.datasets.duplicates import perceptual_hash
from deephealth.images.read import read_film
from deephealth.inference.predictor import Predictor
from deephealth.service.answering.deidentify import deidentified
from deephealth.service.answering.frames import Header
from deephealth.service.answering.pictures import thumbnail


def inspect(data: bytes, name: str, salt: str, gate: Predictor) -> tuple[Header, bytes]:
    """Header and body for `Inspected`: the body is the film, then its thumbnail. gate: the shipped model. FilmError for what is no film."""
    film = read_film(data, name=name)
    prediction = gate.predict(film)
    kept, kind = deidentified(data, film)
    header = {
        "sha256": film.sha256,
        "film_bytes": len(kept),
        "kind_kept": kind,
        "width": film.width,
        "height": film.height,
        "kind": film.format,
        "patient": patient_key(film.tags.get("patient_id", ""), salt),
        "age_years": film.tags.get("age_years", ""),
        "sex": film.tags.get("sex", ""),
        "view": film.tags.get("view", ""),
        "phash": perceptual_hash(film.pixels).tobytes().hex(),
        "novelty": prediction.novelty if math.isfinite(prediction.novelty) else None,
        "refused": prediction.refused,
        "reason": prediction.reason,
        "warnings": list(film.warnings),
    }
    return header, kept + thumbnail(film.pixels)


def patient_key(patient: str, salt: str) -> str:
    """16 hexadecimal digits for a patient ID, other ones in every project; "" for none. The ID cannot be had back without trying all."""
    if not patient.strip():
        return ""
    return hashlib.blake2b(patient.strip().encode("utf-8", "replace"), key=salt.encode()[:64], digest_size=8).hexdigest()
