"""The sentences, English and Spanish, for what the framework refuses: unknown addresses, and input that is not as described."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

HTTP_SENTENCES: Mapping[int, tuple[str, tuple[str, str]]] = {
    400: ("bad-request", ("The request cannot be read; compare it with the description at /docs.",
                          "La petición no se puede leer; compárela con la descripción en /docs.")),
    404: ("not-found", ("There is nothing at this address; the addresses are listed at /docs.",
                        "No hay nada en esta dirección; las direcciones están en /docs.")),
    405: ("method", ("This address does not take requests of this kind; the kinds it takes are listed at /docs.",
                     "Esta dirección no admite peticiones de este tipo; los tipos admitidos están en /docs.")),
    413: ("too-large", ("The request is larger than this address takes; send less at once.",
                        "La petición es más grande de lo que admite esta dirección; envíe menos a la vez.")),
    415: ("media-type", ("This address does not take content of this type; the types it takes are listed at /docs.",
                         "Esta dirección no admite contenido de este tipo; los tipos admitidos están en /docs.")),
    503: ("busy", ("The service is busy; wait a moment and try again.",
                   "El servicio está ocupado; espere un momento e inténtelo de nuevo.")),
}  # fmt: skip

_Sentence = Callable[[Mapping[str, Any]], tuple[str, str]]
# By the kinds of pydantic's errors. The value that was sent is never repeated: it may be a name.
_EXPECTED: Mapping[str, _Sentence] = {
    "missing": lambda _: ("is missing", "falta"),
    "extra_forbidden": lambda _: ("is not known here", "no se conoce aquí"),
    "string_type": lambda _: ("should be text", "debe ser texto"),
    "string_too_short": lambda c: (f"needs {c['min_length']} characters or more", f"debe tener al menos {c['min_length']} caracteres"),
    "string_too_long": lambda c: (f"may have {c['max_length']} characters or fewer", f"puede tener hasta {c['max_length']} caracteres"),
    "string_pattern_mismatch": lambda _: ("is not of the form described at /docs", "no tiene la forma descrita en /docs"),
    "literal_error": lambda c: (f"should be {c['expected']}", f"debe ser {c['expected'].replace(' or ', ' o ')}"),
    "int_type": lambda _: ("should be a whole number", "debe ser un número entero"),
    "int_parsing": lambda _: ("should be a whole number", "debe ser un número entero"),
    "int_from_float": lambda _: ("should be a whole number", "debe ser un número entero"),
    "float_type": lambda _: ("should be a number", "debe ser un número"),
    "float_parsing": lambda _: ("should be a number", "debe ser un número"),
    "finite_number": lambda _: ("should be a finite number", "debe ser un número finito"),
    "bool_type": lambda _: ("should be true or false", "debe ser true o false"),
    "bool_parsing": lambda _: ("should be true or false", "debe ser true o false"),
    "greater_than": lambda c: (f"should be above {c['gt']}", f"debe ser mayor que {c['gt']}"),
    "greater_than_equal": lambda c: (f"should be at least {c['ge']}", f"debe ser al menos {c['ge']}"),
    "less_than": lambda c: (f"should be below {c['lt']}", f"debe ser menor que {c['lt']}"),
    "less_than_equal": lambda c: (f"should be at most {c['le']}", f"debe ser como máximo {c['le']}"),
    "list_type": lambda _: ("should be a list", "debe ser una lista"),
    "too_short": lambda c: (f"should have at least {c['min_length']} entries", f"debe tener al menos {c['min_length']} elementos"),
    "too_long": lambda c: (f"should have at most {c['max_length']} entries", f"debe tener como máximo {c['max_length']} elementos"),
    "json_invalid": lambda _: ("is not valid JSON", "no es JSON válido"),
}  # fmt: skip


def validation_sentences(error: Mapping[str, Any]) -> tuple[str, tuple[str, str]]:
    """(what it is about, (English, Spanish)) for one of pydantic's errors; about: the field as the client calls it."""
    place = [str(part) for part in error["loc"][1:]] if error["type"] != "json_invalid" else []
    about = ".".join(place) or str(error["loc"][0])
    expected = _EXPECTED.get(error["type"])
    english, spanish = expected(error.get("ctx") or {}) if expected else ("is not as described at /docs", "no es como se describe en /docs")
    return about, (f"“{about}” {english}; correct it and send it again.", f"«{about}» {spanish}; corríjalo y envíelo de nuevo.")
