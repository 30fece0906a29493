"""Build notebooks/*.en.ipynb and *.es.ipynb from notebooks/src/*.py, so that the code of both languages is one.

python tools/notebooks.py            build
python tools/notebooks.py --check    exit code 1 when one is not what its source says

A source is cut into cells by lines `# %%` (code) and `# %% [en]`, `# %% [es]` (text of one language, each line behind "# ").
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1] / "notebooks"
LANGUAGES = ("en", "es")


def notebook(source: str, language: str) -> nbformat.NotebookNode:
    """The notebook of one language."""
    cells = []
    for number, part in enumerate(re.split(r"^# %%", source, flags=re.MULTILINE)[1:]):
        head, _, body = part.partition("\n")
        told = head.strip().strip("[]")
        if told and told != language:
            continue
        text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines()) if told else body
        cell = (new_markdown_cell if told else new_code_cell)(text.strip())
        cell["id"] = f"cell-{number}"
        cells.append(cell)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}, "language_info": {"name": "python"}}
    return new_notebook(cells=cells, metadata=kernel)


def built() -> dict[Path, str]:
    """Every notebook's text by its path."""
    return {
        ROOT / f"{path.stem}.{language}.ipynb": nbformat.writes(notebook(path.read_text(encoding="utf-8"), language)) + "\n"
        for path in sorted((ROOT / "src").glob("*.py"))
        for language in LANGUAGES
    }


def main() -> int:
    """Build, or check; the exit code."""
    stale = [path for path, text in built().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.name} is not what its source says; run python tools/notebooks.py", file=sys.stderr)
        return 1 if stale else 0
    for path, text in built().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
