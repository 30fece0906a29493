"""Bytes or a path in, a film out: JPEG, PNG, TIFF, BMP and DICOM by content; zip archives; phantom films."""

from deephealth.images.archive import FilmFile, find_films
from deephealth.images.radiograph import Radiograph
from deephealth.images.read import read_film

__all__ = ["FilmFile", "Radiograph", "find_films", "read_film"]
