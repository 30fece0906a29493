"""The process of one job: python -m deephealth.service.jobs.work FOLDER. It runs `pipeline`, and writes how it ended into the folder.

Whoever starts it hands on the folder's lock, which this process holds as long as it lives. It can be ended at any moment: what it writes
is whole or absent, and started again it goes on where it was.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

from deephealth.errors import DeepHealthError, LeakageError
from deephealth.service.jobs.folder import JobFolder

_NICE = 10  # predictions come first


def main(path: Path) -> int:
    """Do the work of the job in the folder `path`."""
    folder = JobFolder(path.parents[1], path.name)
    (path / "pid").write_text(str(os.getpid()), encoding="ascii")
    os.nice(_NICE)
    try:
        _do(folder, folder.plan())
    except DeepHealthError as error:
        folder.end({"state": "failed", "problem": _problem(error)})
        return error.exit_code
    except Exception:  # the last one who can say why: the trace for who runs the service, a sentence for who pressed the button
        traceback.print_exc()
        folder.end({"state": "failed", "problem": {"code": "failed", "en": _FAILED[0], "es": _FAILED[1]}})
        return 1
    folder.end({"state": "done", "problem": None})
    return 0


def _do(folder: JobFolder, plan: dict[str, Any]) -> None:
    from deephealth.service.jobs import tasks

    {"train": tasks.train, "evaluate": tasks.evaluate, "compare": tasks.compare, "example": tasks.example}[plan["kind"]](folder, plan)


def _problem(error: DeepHealthError) -> dict[str, str]:
    """An error as a sentence in both languages."""
    from deephealth.evaluation.wording import Words

    if isinstance(error, LeakageError):
        return {"code": "leakage", "en": _leakage("en", error.counts), "es": _leakage("es", error.counts)}
    spanish = Words("es").reason(str(error))
    return {"code": "data", "en": str(error), "es": spanish if spanish != str(error) else f"El trabajo no pudo terminar: {spanish}"}


def _leakage(language: Any, counts: dict[str, int]) -> str:
    from deephealth.evaluation.wording import Words

    words = Words(language)
    found = [words(f"leak_{kind}", n=words.count(counts[kind])) for kind in ("exact", "near", "patient", "augmented", "backbone")
             if counts.get(kind)]  # fmt: skip
    return _LEAKAGE[language].format(parts="; ".join(found))


_LEAKAGE = {
    "en": "Leakage: {parts}. Scores on such films would be too high; use other films, or train all the same, and the report will say so.",
    "es": "Fuga de datos: {parts}. Los resultados con esas radiografías serían demasiado altos; use otras, o entrene de todos modos y el "
    "informe lo dirá.",
}
_FAILED = (
    "The work failed for a reason that is not in the films; the reason stands in the service's job folder, for whoever runs it.",
    "El trabajo falló por una causa ajena a las radiografías; la causa está en la carpeta del trabajo, para quien administra el servicio.",
)

if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
