"""Sentences that come with the evidence, in English, and how they are said in Spanish.

Code below the report gives its reasons and notes as English sentences, some with numbers in them. Each stands here as a pattern with its
gaps; a sentence that is not known here (a user's own note, say) is shown as it is.
"""

from __future__ import annotations

import re

REASONS: tuple[tuple[str, str], ...] = (
    (
        r"it needs two classes with two patients each, and (\d+) of (\d+) classes have films",
        r"hacen falta dos clases con dos pacientes cada una, y \1 de \2 clases tienen radiografías",
    ),
)


def in_spanish(sentence: str) -> str:
    """The sentence in Spanish where it is known, else as it is."""
    for english, spanish in REASONS:
        found = re.fullmatch(english, sentence)
        if found:
            return found.expand(spanish)
    return sentence
