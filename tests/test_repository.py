"""The project's files agree with one another."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def normal(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_lock_files_pin_every_requirement_with_hashes_and_no_address():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, wanted in [
        ("requirements.lock", project["dependencies"]),
        ("requirements-test.lock", project["dependencies"] + project["optional-dependencies"]["test"]),
    ]:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        pinned = set(re.findall(r"^([A-Za-z0-9._-]+)==", text, flags=re.MULTILINE))
        assert text.count("==") <= text.count("--hash=sha256:")
        for requirement in wanted:
            assert normal(re.match(r"[A-Za-z0-9._-]+", requirement).group()) in {normal(p) for p in pinned}


def test_ci_runs_what_the_readme_says():
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test" in ci
    assert "make check" in ci


def test_the_python_files_are_small_enough_to_read():
    sources = [path for path in (ROOT / "src").rglob("*.py") if "generated" not in path.parts]
    long = {
        str(path.relative_to(ROOT)): n
        for path in sources
        if (n := len(path.read_text(encoding="utf-8").splitlines())) > 600
    }
    assert long == {}
