"""The SBML semantic test suite in the engine: how much passes, and why the rest does not.

::

    python benchmarks/sbml_suite.py PATH/TO/sbml-test-suite [--out PAGE] [--cases 1-50]

The suite is not part of this repository: https://github.com/sbmlteam/sbml-test-suite. Every case is run once,
in the latest level and version that it is given in, and compared by the suite's own rule: each value within
``absolute + relative * |expected|``.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import libsbml
import numpy as np

from opiome import engine
from opiome.errors import OpiomeError

RTOL = 1e-9
PASSED, REFUSED, WRONG, FAILED = "passed", "refused", "wrong numbers", "not integrated"
REASONS = {  # words of a refusal: the reason as the table names it
    r"SBML package `comp`": "submodels in other files, or that cannot be flattened",
    r"SBML package `(?!comp`)": "a required package other than submodels",
    r"algebraic rule": "an algebraic rule",
    r"uses `delay`": "a delay in mathematics",
    r"uses `factorial`": "a factorial of what is not a constant",
    r"has no value in the model": "a parameter that is not a number",
    r"fast reaction": "a fast reaction",
    r"algebraic loop": "an algebraic loop",
    r"without a kinetic law": "a reaction without a kinetic law",
}


@dataclass(frozen=True)
class Case:
    """One case: its model, what to observe, and the expected table."""

    number: str
    file: Path
    tags: tuple[str, ...]
    kind: str
    start: float
    duration: float
    steps: int
    variables: tuple[str, ...]
    amounts: frozenset[str]
    absolute: float
    relative: float
    expected: np.ndarray

    @classmethod
    def read(cls, folder: Path) -> Case:
        """Read a case's folder."""
        number = folder.name
        settings = dict(
            re.findall(
                r"^(\w+)[ \t]*:[ \t]*(.*?)[ \t]*$",
                (folder / f"{number}-settings.txt").read_text("utf-8"),
                re.MULTILINE,
            )
        )
        story = (folder / f"{number}-model.m").read_text("utf-8", errors="replace")

        def words(name: str) -> tuple[str, ...]:
            found = re.search(rf"^ *{name}:(.*)$", story, re.MULTILINE)
            return tuple(w.strip() for w in found.group(1).split(",") if w.strip()) if found else ()

        def names(key: str) -> tuple[str, ...]:
            return tuple(v.strip() for v in settings.get(key, "").split(",") if v.strip())

        variables = names("variables")
        return cls(
            number,
            max(folder.glob(f"{number}-sbml-l?v?.xml")),
            (*words("componentTags"), *words("testTags")),
            (words("testType") or ("TimeCourse",))[0],
            float(settings["start"] or 0),
            float(settings["duration"] or 0),
            int(settings["steps"] or 0),
            variables,
            frozenset(names("amount")),
            float(settings["absolute"]),
            float(settings["relative"]),
            _table(folder / f"{number}-results.csv", variables),
        )


def _table(file: Path, variables: tuple[str, ...]) -> np.ndarray:
    """The expected values (times, variables), in the order of ``variables``."""
    lines = [line for line in file.read_text("utf-8").splitlines() if line.strip(" ,")]
    head = [h.strip().strip('"') for h in lines[0].split(",")][1:]  # the first column is the time
    rows = np.array([[float(v) for v in line.split(",")[1 : 1 + len(head)]] for line in lines[1:]])
    return rows[:, [head.index(v) for v in variables]] if set(variables) <= set(head) else rows


def verdict(case: Case) -> tuple[str, str]:
    """How a case ends, and why."""
    if case.kind != "TimeCourse":
        return REFUSED, "no time course: a flux balance"
    if "RandomEventExecution" in case.tags:
        return REFUSED, "asks for a random order of simultaneous events; here the order is fixed"
    text = case.file.read_text("utf-8")
    model = libsbml.readSBMLFromString(text).getModel()
    homes = {s.getId(): s for s in model.getListOfSpecies()}
    watched = [
        *dict.fromkeys([*case.variables, *(homes[v].getCompartment() for v in case.variables if v in homes)])
    ]
    try:
        program = engine.compile(text, outputs=watched)
        run = program.ensemble(
            {}, n=1, rtol=RTOL, atol=1e-3 * case.absolute, signed=program.states, budget=200_000
        )
        at = case.start + np.linspace(0.0, case.duration, case.steps + 1)
        values = run.advance(at[-1], at=at).values[0]
    except OpiomeError as error:
        reason = next((name for words, name in REASONS.items() if re.search(words, str(error))), str(error))
        return REFUSED, reason
    except Exception as error:  # noqa: BLE001 - a crash is a result like others here, and a bug
        return FAILED, f"{type(error).__name__}: {error}"
    if run.failures:
        failure = run.failures[0]
        return FAILED, f"{failure.outcome.name} of `{failure.state}` at {failure.time:g}"
    columns = dict(zip(watched, values.T, strict=True))
    mine = np.stack([_as_asked(columns, v, homes.get(v), case) for v in case.variables], axis=1)
    return _compare(mine, case, at)


def _as_asked(
    columns: dict[str, np.ndarray], name: str, species: libsbml.Species | None, case: Case
) -> np.ndarray:
    """A column as an amount or a concentration, whichever the case asks for."""
    if species is None or (name in case.amounts) == species.getHasOnlySubstanceUnits():
        return columns[name]
    volume = columns[species.getCompartment()]
    return columns[name] * volume if name in case.amounts else columns[name] / volume


def _compare(mine: np.ndarray, case: Case, at: np.ndarray) -> tuple[str, str]:
    expected = case.expected
    if mine.shape != expected.shape:
        return WRONG, f"{len(expected)} rows expected, {len(mine)} computed"
    with np.errstate(invalid="ignore"):
        near = np.abs(mine - expected) <= case.absolute + case.relative * np.abs(expected)
    near |= (mine == expected) | (np.isnan(mine) & np.isnan(expected))
    if near.all():
        return PASSED, ""
    row, column = np.argwhere(~near)[0]
    return WRONG, (
        f"`{case.variables[column]}` at {at[row]:g}: {mine[row, column]:.6g} where "
        f"{expected[row, column]:.6g} is expected ({(~near).sum()} of {near.size} values)"
    )


def page(results: list[tuple[Case, str, str]], version: str) -> str:
    """The page in the documentation."""
    count = Counter(how for _, how, _ in results)
    taken = len(results) - count[REFUSED]
    rate, overall = 100 * count[PASSED] / max(taken, 1), 100 * count[PASSED] / max(len(results), 1)
    lines = [
        "# SBML semantic test suite",
        "",
        f"Written by `benchmarks/sbml_suite.py` from the semantic cases of the SBML Test Suite {version}",
        "(https://github.com/sbmlteam/sbml-test-suite). Each case is run in the latest level and version",
        f"that it is given in, at rtol {RTOL:g}, and compared by the suite's own rule.",
        "",
        f"**{count[PASSED]} of the {taken} cases that the engine takes pass ({rate:.1f} %)**;",
        f"of all {len(results)} cases {overall:.1f} %.",
        f"{count[REFUSED]} are refused by name before anything runs, or ask for what is no time course.",
        "",
        "## Why are cases left out?",
        "",
        "| reason | cases | numbers |",
        "|---|--:|---|",
    ]
    reasons: dict[str, list[str]] = defaultdict(list)
    for case, how, why in results:
        if how == REFUSED:
            reasons[why].append(case.number)
    for why, numbers in sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0])):
        lines.append(f"| {_cell(why)} | {len(numbers)} | {_ranges(numbers)} |")
    missed = [(case, how, why) for case, how, why in results if how in (WRONG, FAILED)]
    lines += ["", "## Which cases fail?", ""]
    if missed:
        lines += ["| case | what it tests | how |", "|---|---|---|"]
        lines += [f"| {c.number} | {', '.join(c.tags)} | {how}: {_cell(why)} |" for c, how, why in missed]
    else:
        lines.append("None.")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _ranges(numbers: list[str]) -> str:
    """00001, 00002, 00003 as 1-3."""
    spans: list[list[int]] = []
    for number in sorted(map(int, numbers)):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def _wanted(text: str) -> set[int]:
    spans = [part.split("-") for part in text.split(",") if part]
    return {n for span in spans for n in range(int(span[0]), int(span[-1]) + 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", type=Path, help="the suite's folder, or its folder cases/semantic")
    parser.add_argument("--out", type=Path, help="write the page here")
    parser.add_argument("--cases", default="", help="only these, such as 1-50,907")
    chosen = parser.parse_args()
    folder = next(
        f
        for f in (chosen.suite / "cases" / "semantic", chosen.suite / "semantic", chosen.suite)
        if f.is_dir()
    )
    wanted = _wanted(chosen.cases)
    folders = sorted(f for f in folder.iterdir() if re.fullmatch(r"\d{5}", f.name))
    version = folder.parent.parent / "VERSION.txt"
    begin, results = time.perf_counter(), []
    for one in folders:
        if wanted and int(one.name) not in wanted:
            continue
        case = Case.read(one)
        how, why = verdict(case)
        results.append((case, how, why))
        if how != PASSED:
            print(f"{case.number} {how}: {why}", flush=True)
    seconds = time.perf_counter() - begin
    print(dict(Counter(how for _, how, _ in results)), f"{seconds:.0f} s")
    text = page(results, version.read_text("utf-8").strip() if version.exists() else "")
    if chosen.out:
        chosen.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
