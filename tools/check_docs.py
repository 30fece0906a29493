"""Are the docs true? Generated pages are current, links lead somewhere, both READMEs run the same commands, and no forbidden word is used.

python tools/check_docs.py            check; exit code 1 and one line per fault
python tools/check_docs.py --write    write the generated pages again
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLI_PAGE = ROOT / "docs" / "cli.md"
# This is not a medical device, and no text may sound as if it were one. Negations ("not for diagnosis") use other forms of the words.
FORBIDDEN = re.compile(r"\b(detects?|diagnoses|diagnosing|detecta|diagnostica)\b", re.IGNORECASE)
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Check, or write with --write; returns the exit code."""
    page = cli_page()
    if "--write" in sys.argv[1:]:
        CLI_PAGE.write_text(page, encoding="utf-8")
        return 0
    faults = [*_stale(page), *_broken_links(), *_different_readmes(), *_forbidden_words()]
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"docs: {len(faults)} faults in {len(list(_pages()))} pages")
    return 1 if faults else 0


def cli_page() -> str:
    """The whole command line as one page, made from its own help."""
    os.environ["COLUMNS"] = "120"
    os.environ.update(DEEPHEALTH_LANG="en", NO_COLOR="1")
    from deephealth.cli.main import build_parser
    from deephealth.settings.table import SETTINGS

    parts = ["# Command line", "", "Written by `make docs` from the program's own help.", ""]
    for name, parser in _commands("deephealth", build_parser()):
        parts += [f"## {name}", "", "```text", parser.format_help().rstrip(), "```", ""]
    parts += ["## Settings", "", "| environment variable | default | what it is for |", "|---|---|---|"]
    parts += [f"| `{setting.variable}` | `{setting.default}` | {setting.help} |" for setting in SETTINGS]
    return "\n".join(parts) + "\n"


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of one language in a page, in order."""
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def _commands(name: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                yield from _commands(f"{name} {word}", child)


def _pages() -> Iterator[Path]:
    yield from sorted(ROOT.glob("*.md"))
    yield from sorted((ROOT / "docs").rglob("*.md"))


def _stale(page: str) -> Iterator[str]:
    if not CLI_PAGE.exists() or CLI_PAGE.read_text(encoding="utf-8") != page:
        yield "docs/cli.md is not what the program's help says; run: make docs"


def _broken_links() -> Iterator[str]:
    for page in _pages():
        for target, _ in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
                yield f"{page.relative_to(ROOT)}: the link {target} leads nowhere"


def _different_readmes() -> Iterator[str]:
    english, spanish = ROOT / "README.md", ROOT / "README.es.md"
    for language in ("bash", "python"):
        if [_code(text) for text in blocks(english, language)] != [_code(text) for text in blocks(spanish, language)]:
            yield f"README.es.md runs other {language} commands than README.md"


def _code(block: str) -> list[str]:
    """The lines of a block without comments, which are translated."""
    return [line for line in (re.sub(r"\s*#.*", "", line) for line in block.splitlines()) if line]


def _forbidden_words() -> Iterator[str]:
    source, page = ROOT / "src", ROOT / "frontend" / "src"
    kinds = {source: ("*.py", "*.j2", "*.json"), page: ("*.ts", "*.svelte")}
    files = [*_pages(), *(path for folder, patterns in kinds.items() for pattern in patterns for path in folder.rglob(pattern))]
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if found := FORBIDDEN.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: the word {found[0]!r}; say what is computed instead"


if __name__ == "__main__":
    sys.exit(main())
