"""What README and documentation show runs as it stands: every Python block, in order, file by file."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GENERATED = {"_build", "biology"}
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)


def pages():
    found = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    return sorted(page for page in found if not GENERATED & set(page.relative_to(ROOT).parts))


def blocks(page, language):
    text = page.read_text(encoding="utf-8")
    return [
        (text[: match.start()].count("\n") + 2, match[2])
        for match in BLOCK.finditer(text)
        if match[1] == language
    ]


WITH_PYTHON = [page for page in pages() if blocks(page, "python")]


def test_there_is_something_to_run():
    assert ROOT / "README.md" in WITH_PYTHON


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": page.stem}
    for line, code in blocks(page, "python"):
        # the page's own lines stand in a traceback
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)  # noqa: S102  # what the page shows


def test_every_command_shown_exists():
    from opiome.cli._main import _COMMANDS

    shown = {
        (page.name, words[1])
        for page in pages()
        for language in ("sh", "bash", "console")
        for _, code in blocks(page, language)
        for words in (shlex.split(line.lstrip("$ "), comments=True) for line in code.splitlines())
        if len(words) > 1 and words[0] == "opiome"
    }
    assert shown
    assert {command for command in shown if command[1] not in _COMMANDS} == set()
