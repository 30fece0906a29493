"""What the names of films and folders give away: augmented copies, patients in two classes, classes that differ in spelling only.

Names are hints, not facts. Of all that is read here only the origin of an augmented copy decides anything (where the film is placed); the
rest becomes notes for people.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import PurePosixPath

from deephealth.datasets.index import ALIASES, Film, canonical_label

_SEPARATOR = r"[\s_.\-]*"
_WORDS = (
    r"augment(?:ed|ation)?|aug|rot(?:ated?|ation)?|[hv]?flip(?:ped)?|mirror(?:ed)?|crop(?:ped)?|zoom(?:ed)?|shift(?:ed)?|"
    r"bright(?:ness|er|ened)?|dark(?:er|ened)?|contrast|noise|noisy|blur(?:red)?|shear(?:ed)?|gamma|clahe|copy"
)
_AMOUNT = rf"(?:{_SEPARATOR}[+-]?\d+(?:\.\d+)?(?:deg)?)?"
# Each takes one mark of a copy off a file's stem; applied again and again until none is left.
_MARKS = (
    re.compile(rf"(?P<stem>.+?)[\s_\-]+(?:{_WORDS}){_AMOUNT}", re.IGNORECASE),
    re.compile(rf"(?:copy of|{_WORDS}){_AMOUNT}[\s_\-]+(?P<stem>.+)", re.IGNORECASE),
    re.compile(r"(?P<stem>.+?)\s*\(\d+\)"),
    # ImageDataGenerator of Keras: prefix, number of the image, a random number below ten million.
    re.compile(r"(?P<stem>.+?)_\d+_\d{1,7}"),
)
# What every mark holds, to pass over most names quickly.
_MAY_BE_COPY = re.compile(rf"{_WORDS}|\(\d+\)|_\d+_\d", re.IGNORECASE)
_ALIKE = 0.9  # share of letters (difflib) from which two class names that begin alike may be one, misspelt
_SHORTEST = 5  # letters; shorter names that differ in a letter (tb, tc) are different names


def origins(films: Iterable[Film]) -> dict[str, str]:
    """The origin of every film that is an augmented copy: what its data set says, else the film that its name is made from.

    A name such as "a_rot10_flip.png", "Copy of a.png", "a (1).png" or "a_0_1234.png" is a copy of "a.png" only when there is such a film,
    with any suffix, in the same folder or else, if only one, anywhere among films of the same class.
    """
    films = list(films)
    by_stem: dict[str, list[Film]] = defaultdict(list)
    for film in films:
        by_stem[_stem(film.name).lower()].append(film)
    found = {}
    for film in films:
        made_from = () if film.origin else (stem for stem in _made_from(_stem(film.name)) if stem in by_stem)
        origin = film.origin or next((name for stem in made_from if (name := _origin(film, by_stem[stem]))), "")
        if origin:
            found[film.name] = origin
    return found


def name_notes(films: Sequence[Film], place: Mapping[str, str], classes: Sequence[str]) -> tuple[str, ...]:
    """Sentences on what in names should make a person look; none when nothing should. place: film name -> split."""
    notes = [
        _two_classes(films),
        _same_file_names(films),
        _people_in_names(films, place),
        _official_test(films),
        *_same_class(classes),
    ]
    return tuple(note for note in notes if note)


def _made_from(stem: str) -> list[str]:
    """Stems, in lower case, that `stem` may be a copy of, the least shortened first."""
    if not _MAY_BE_COPY.search(stem):
        return []
    results: list[str] = []
    pending = [stem]
    while pending:
        current = pending.pop(0)
        for mark in _MARKS:
            match = mark.fullmatch(current)
            if match and match["stem"].lower() not in results:
                results.append(match["stem"].lower())
                pending.append(match["stem"])
    return results


def _origin(film: Film, candidates: Sequence[Film]) -> str:
    others = [other for other in candidates if other.name != film.name]
    beside = [other for other in others if _folder(other.name) == _folder(film.name)]
    if beside:
        return beside[0].name
    same_class = [other for other in others if other.label == film.label]
    return same_class[0].name if len(same_class) == 1 else ""


def _two_classes(films: Sequence[Film]) -> str:
    labels: dict[str, set[str]] = defaultdict(set)
    for film in films:
        if film.patient and film.patient != film.name:
            labels[film.patient].add(film.label)
    count = sum(len(found) > 1 for found in labels.values())
    who = _count(count, "patient has", "patients have")
    return f"{who} films of more than one class: right for films of different days, else check the labels." if count else ""


def _same_file_names(films: Sequence[Film]) -> str:
    folders: dict[str, set[str]] = defaultdict(set)
    for film in films:
        folders[PurePosixPath(film.name).name.lower()].add(film.label)
    found = sorted(name for name, labels in folders.items() if len(labels) > 1)
    if not found:
        return ""
    return f"{_count(len(found), 'file name stands', 'file names stand')} in the folders of more than one class, such as {found[0]}."


def _people_in_names(films: Sequence[Film], place: Mapping[str, str]) -> str:
    """Patients whom the data set tells apart but file names do not: the data set is believed, and the doubt is said."""
    from deephealth.datasets.sources.fields import patient_in_name

    keys: dict[str, set[str]] = defaultdict(set)
    splits: dict[str, set[str]] = defaultdict(set)
    for film in films:
        if named := patient_in_name(film.name):
            keys[named[0]].add(film.patient)
            splits[named[0]].add(place.get(film.name, ""))
    count = sum(len(keys[name]) > 1 and len(splits[name]) > 1 for name in keys)
    if not count:
        return ""
    who = _count(count, "patient is named", "patients are named")
    return f"By file names {who} in two splits, under different patient keys: check that the keys are right."


def _official_test(films: Sequence[Film]) -> str:
    splits: dict[str, set[str]] = defaultdict(set)
    for film in films:
        splits[film.patient or film.name].add(film.split)
    count = sum("test" in found and len(found) > 1 for found in splits.values())
    if not count:
        return ""
    return f"{_count(count, 'patient has', 'patients have')} films both in the official test folder and outside it."


def _same_class(classes: Sequence[str]) -> list[str]:
    notes = []
    for number, a in enumerate(classes):
        for b in classes[number + 1 :]:
            if _one_class(a, b):
                notes.append(f"The classes {a!r} and {b!r} may be one class, spelt in two ways.")
    return notes


def _one_class(a: str, b: str) -> bool:
    """Whether two class names are one but for case, signs, a plural or a slip of the pen, or one a plural of another name of the other."""
    one, two = _letters(a), _letters(b)
    digits = re.sub(r"\D", "", one), re.sub(r"\D", "", two)
    slip = one[:1] == two[:1] and digits[0] == digits[1] and min(len(one), len(two)) >= _SHORTEST
    return bool(_other_names(a) & _other_names(b)) or (slip and SequenceMatcher(None, one, two).ratio() >= _ALIKE)


def _other_names(label: str) -> set[str]:
    """The letters of every name of a class, without a plural's s."""
    return {_letters(name).rstrip("s") for name in (label, *(alias for alias in ALIASES if canonical_label(alias) == label))}


def _letters(name: str) -> str:
    return re.sub(r"[^\w]|_", "", name.casefold())


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _folder(name: str) -> str:
    return str(PurePosixPath(name).parent)


def _count(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"
