"""Short programs that ask an artefact, one a language, from the templates beside this module.

A template is named RUNTIME.film or RUNTIME.square, then the language; words between @ signs are filled in from the interface.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from deephealth.model.exports.artefact import Format, Interface

_TEMPLATES = Path(__file__).parent / "templates"
_FILES = {"py": "predict.py", "js": "predict.mjs", "java": "Predict.java", "cpp": "predict.cpp", "html": "predict.html"}
_LANGUAGES = {"py": "Python", "js": "JavaScript", "java": "Java", "cpp": "C++"}
_ELSEWHERE = """{runtime}: no runtime for {missing}.
The same model runs there as onnx-fixed (ONNX Runtime) or litert (LiteRT), whose zips hold programs for Python, JavaScript, Java and C++:
deephealth model export MODEL --to onnx-fixed --out model.zip
"""


def snippets(form: Format, interface: Interface) -> dict[str, str]:
    """The programs for a format, by file name; only languages that its runtime has."""
    kind = "film" if interface.film else "square"
    found = {}
    for suffix, name in _FILES.items():
        path = _TEMPLATES / f"{form.snippets or form.runtime}.{kind}.{suffix}.txt"
        if path.exists():
            found[name] = _filled(path.read_text(encoding="utf-8"), suffix, interface)
    missing = [language for suffix, language in _LANGUAGES.items() if _FILES[suffix] not in found]
    if missing:
        found["OTHER_LANGUAGES.txt"] = _ELSEWHERE.format(missing=", ".join(missing), runtime=form.title)
    return found


def _filled(text: str, suffix: str, interface: Interface) -> str:
    resize = _TEMPLATES / f"resize.{suffix}.txt"
    if resize.exists():
        text = text.replace("@RESIZE@\n", resize.read_text(encoding="utf-8"))
    for word, value in _words(interface).items():
        text = text.replace(f"@{word}@", value)
    return text


def _words(interface: Interface) -> Mapping[str, str]:
    labels = json.dumps(list(interface.labels), ensure_ascii=False)
    colour = interface.channels == 3
    grey = "pixels.put((byte) Math.round(0.299 * r + 0.587 * g + 0.114 * b));"
    return {
        "FILE": interface.file,
        "SIZE": str(interface.size),
        "CHANNELS": str(interface.channels),
        "CLASSES": str(len(interface.labels)),
        "LABELS": labels,
        "LABELS_BRACES": "{" + labels[1:-1] + "}",
        "INPUT": interface.input,
        "OUTPUT": interface.output,
        "SCALE": repr(interface.scale),
        "OFFSET": repr(interface.offset),
        "MODE": "RGB" if colour else "L",
        "TIMES": " * 3" if colour else "",
        "INTERLEAVED": ", red, green and blue of a pixel together" if colour else "",
        "PLANES": ", 3" if colour else "",
        "PUT": "pixels.put((byte) r).put((byte) g).put((byte) b);" if colour else grey,
    }
