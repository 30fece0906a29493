"""How errors of a job's work are told."""

from __future__ import annotations

from deephealth.errors import DatasetError, LeakageError
from deephealth.service.jobs import work


def test_leakage_is_told_in_both_languages_with_its_counts() -> None:
    found = work._problem(LeakageError("Leakage.", {"exact": 0, "patient": 3, "backbone": 1}))
    assert found["code"] == "leakage"
    assert "patients on two sides: 3; films that the backbone has learned from: 1" in found["en"]
    assert "pacientes a ambos lados: 3; radiografías con las que aprendió la red base: 1" in found["es"]


def test_another_error_is_told_as_it_is() -> None:
    found = work._problem(DatasetError("No film can be read, expected some; mend them."))
    assert found["code"] == "data" and found["en"].startswith("No film") and found["es"].startswith("El trabajo no pudo terminar")
