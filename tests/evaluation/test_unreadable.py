"""Every sentence that reading a film can end with has its Spanish."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import pytest
from PIL import Image

import deephealth.images
from deephealth.errors import FilmError
from deephealth.evaluation.texts.unreadable import unreadable_in_spanish
from deephealth.evaluation.wording import Words
from deephealth.images.read import read_film

# About paths and members that are gone: a service never sees them.
_LOCAL = ("check the path", "list it again", "7 7")


def _raised() -> list[str]:
    """The sentences given to FilmError and FilmTooLarge in deephealth.images, as templates with 7 in each gap."""
    found = []
    for path in sorted(Path(deephealth.images.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("FilmError", "FilmTooLarge")
                and node.args
            ):
                found.append(_filled(node.args[0]))
    return [sentence for sentence in found if sentence and not any(part in sentence for part in _LOCAL)]


def _filled(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "7" for part in node.values)
    return ""  # put together elsewhere


@pytest.mark.parametrize("sentence", _raised())
def test_every_reason_for_an_unreadable_film_is_known(sentence: str) -> None:
    sentence = sentence if sentence.startswith("7 ") else f"7 {sentence}"
    assert unreadable_in_spanish(sentence), sentence


@pytest.mark.parametrize("data", [b"", b"%PDF-1", b"hello", b"GIF89a", b"\x00\x01", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
def test_sentences_keep_the_name_and_lose_the_english(data: bytes) -> None:
    with pytest.raises(FilmError) as caught:
        read_film(data, name="a.b 1.5 is.png")
    spanish = Words("es").reason(str(caught.value))
    assert spanish.startswith("a.b 1.5 is.png ") and "expected" not in spanish and spanish.endswith(".")
    assert Words("en").reason(str(caught.value)) == str(caught.value)


def test_numbers_are_written_as_in_spanish() -> None:
    bomb = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(bomb, "PNG")
    with pytest.raises(FilmError) as caught:
        read_film(bomb.getvalue(), name="a.png")
    assert "límite de 64\u202f000\u202f000;" in Words("es").reason(str(caught.value))
