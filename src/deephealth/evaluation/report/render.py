"""Writing the report: HTML that needs nothing else (no network, no script), and the same facts as JSON."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephealth.errors import UsageError
from deephealth.evaluation.pictures import Pictures
from deephealth.evaluation.report.checklist import checklists
from deephealth.evaluation.report.findings import Findings
from deephealth.evaluation.report.first import FirstScreen
from deephealth.evaluation.report.gallery import Gallery
from deephealth.evaluation.report.scores import ScoreTables
from deephealth.evaluation.report.values import Values
from deephealth.evaluation.results import Evaluation
from deephealth.evaluation.wording import LANGUAGES, Language, Words
from deephealth.settings.atomic import write_json, write_text

if TYPE_CHECKING:
    from jinja2 import Environment


def write_report(
    evaluation: Evaluation,
    *,
    html: Path | None = None,
    json: Path | None = None,
    language: Language = "en",
    films: Pictures | None = None,
    include_films: bool = True,
) -> None:
    """Write the report as HTML, as JSON, or both.

    films: the pictures to show, of `evaluation.pictures.pictures`.
    include_films: False leaves out every picture and every film's name, for films that may not be passed on.
    """
    if html is not None:
        write_text(html, render_html(evaluation, language=language, films=films, include_films=include_films))
    if json is not None:
        write_json(json, evaluation.to_json(names=include_films))


def render_html(evaluation: Evaluation, *, language: Language = "en", films: Pictures | None = None, include_films: bool = True) -> str:
    """The report as HTML text; UsageError for a language it is not written in. The same evaluation gives the same text."""
    if language not in LANGUAGES:
        raise UsageError(f"the report is written in {' and '.join(LANGUAGES)}, not in {language!r}")
    values = Values(Words(language), names=include_films)
    shown = films if films is not None and include_films else Pictures()
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            v=values,
            t=values.words,
            w=values.words,
            e=evaluation,
            c=evaluation.context,
            x=evaluation.evidence,
            first=FirstScreen(evaluation, values),
            scores=ScoreTables(evaluation, values),
            found=Findings(evaluation, values),
            gallery=Gallery(evaluation, values, shown),
            checklists=checklists(evaluation, values.words),
            most_rows=50,
        )
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("deephealth.evaluation"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def report_schema() -> dict[str, Any]:
    """The published JSON schema of the report."""
    from importlib.resources import files

    found = json.loads(files("deephealth").joinpath("data/report.schema.json").read_text(encoding="utf-8"))
    return dict(found)
