"""The films that the report shows: behind the cells of the confusion matrix, the surest errors, and probable label errors."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from deephealth.evaluation.pictures import FEW_RIGHT, Cell, Pictures
from deephealth.evaluation.report.values import Values
from deephealth.evaluation.results import Case, Evaluation


class Gallery:
    """Pictures with their words, as the template shows them; without pictures only the words."""

    def __init__(self, evaluation: Evaluation, values: Values, pictures: Pictures) -> None:
        self.evaluation, self.values, self.words, self.pictures = evaluation, values, values.words, pictures
        self._cells = {(cell.truth, cell.answer): cell for cell in pictures.cells}

    def cell_id(self, row: int, column: int) -> str:
        """The id of the panel behind a cell of the confusion matrix; "" when it opens none."""
        classes = self.evaluation.classes
        return f"cell-{row}-{column}" if (classes[row], classes[column]) in self._cells else ""

    @property
    def panels(self) -> list[dict[str, Any]]:
        """Every cell's panel: id, title, films in groups, and how many are not shown."""
        number = {label: place for place, label in enumerate(self.evaluation.classes)}
        return [
            {
                "id": f"cell-{number[truth]}-{number[answer]}",
                "title": self.words("cell_title", n=self.words.count(cell.total), truth=truth, answer=answer),
                "groups": self._groups(cell),
                "rest": self.words.count(cell.total - len(cell.cases)) if cell.total > len(cell.cases) else "",
            }
            for (truth, answer), cell in self._cells.items()
        ]

    def _groups(self, cell: Cell) -> list[tuple[str, list[dict[str, str]]]]:
        films = [self._film(case) for case in cell.cases]
        if cell.truth != cell.answer or cell.total <= len(films):
            return [("", films)]
        half = FEW_RIGHT // 2
        return [(self.words("surest"), films[:half]), (self.words("least_sure"), films[half:])]

    def _film(self, case: Case) -> dict[str, str]:
        name = self.values.film_name(case)
        return {
            "picture": _url(self.pictures.thumbnails, case.name),
            "name": name,
            "short": _last_part(name),
            "probability": self.words.percent(case.probability),
            "alt": self.words("cell_film_alt", name=name, truth=case.truth, answer=case.answer, value=self.words.percent(case.probability)),
        }

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The most confident errors: film, overlay, and the training films nearest to it."""
        return [
            {
                "case": case,
                "name": self.values.film_name(case),
                "probability": self.words.percent(case.probability),
                "film": _url(self.pictures.films, case.name),
                "overlay": _url(self.pictures.overlays, case.name),
                "neighbours": self._neighbours(case),
            }
            for case in self.evaluation.errors
        ]

    def _neighbours(self, case: Case) -> list[dict[str, str]]:
        return [
            {
                "picture": _url(self.pictures.neighbours, near.name),
                "label": near.label,
                "name": near.name if self.values.names else "",
                "similarity": self.words.number(near.similarity, 2),
            }
            for near in self.evaluation.evidence.neighbours.get(case.name, ())
        ]

    @property
    def has_pictures(self) -> bool:
        """Whether any error shows a picture."""
        return bool(self.pictures.films)

    @property
    def suspects(self) -> list[dict[str, str]]:
        """Films whose dataset label is probably wrong."""
        found = self.evaluation.evidence.label_errors
        return [
            {
                "picture": _url(self.pictures.thumbnails, suspect.name),
                "name": self.values.film_name(suspect),
                "short": _last_part(self.values.film_name(suspect)),
                "truth": suspect.truth,
                "suggested": suspect.suggested,
                "own": self.words.percent(suspect.self_confidence),
                "other": self.words.percent(suspect.probability),
            }
            for suspect in (found.suspects if found else ())
        ]


def _last_part(name: str) -> str:
    """A film's name without its folders, which are alike for most films and leave no room for what is not."""
    return name.rsplit("/", 1)[-1]


def _url(pictures: Mapping[str, bytes], name: str) -> str:
    found = pictures.get(name)
    return "" if found is None else "data:image/jpeg;base64," + base64.b64encode(found).decode("ascii")
