"""COMBINE archives: arms as SBML, what to simulate as SED-ML, doses as a table, in one file.

Formats: COMBINE archive (OMEX) version 1 and SED-ML Level 1 Version 3, which COPASI and tellurium read.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from opiome import files
from opiome.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["writable", "write_archive"]

_SEDML = "http://sed-ml.org/sed-ml/level1/version3"
_SBML = "http://www.sbml.org/sbml/level3/version2/core"
_FORMATS = {
    ".": "http://identifiers.org/combine.specifications/omex",
    ".xml": "http://identifiers.org/combine.specifications/sbml",
    ".sedml": "http://identifiers.org/combine.specifications/sed-ml",
    ".tsv": "http://purl.org/NET/mediatypes/text/tab-separated-values",
}
_CVODE = "KISAO:0000019"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same archive for the same content, whenever it is written


def write_archive(
    path: Path | str,
    arms: Mapping[str, str],
    variables: Sequence[str],
    hours: float,
    points: int = 200,
    *,
    tables: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a COMBINE archive and return its path.

    Args:
        path: file to write, usually ``*.omex``.
        arms: name of an arm to its SBML text (:func:`opiome.exchange.sbml_text`); names are SBML ids.
        variables: ids of the variables that each arm reports.
        hours: simulated time, from 0 (h).
        points: intervals of the time course.
        tables: name to tab-separated text, kept beside the models (an event table, for instance).
        overwrite: replace an existing file.

    Raises:
        InputError: an arm's name that is no id, or a file that exists or cannot be written.
    """
    target = writable(path, overwrite=overwrite)
    problems = [
        Problem(
            f"'{name}' cannot name an arm", field="arms", expected="letters, digits and _, no digit first"
        )
        for name in arms
        if not name.isidentifier()
    ]
    if problems:
        raise InputError(problems)
    entries = {f"{name}.xml": text for name, text in arms.items()}
    entries["simulation.sedml"] = _sedml(list(arms), variables, hours, points)
    entries |= {f"{name}.tsv": text for name, text in (tables or {}).items()}
    try:
        with files.whole(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in {"manifest.xml": _manifest(list(entries)), **entries}.items():
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), text, zipfile.ZIP_DEFLATED)
    except OSError as error:
        remedy = "choose a folder that you may write to"
        raise InputError(
            Problem(f"cannot be written ({error.strerror})", file=target, remedy=remedy)
        ) from error
    return target


def writable(path: Path | str, *, overwrite: bool) -> Path:
    """Return the path of a file to be written; raises InputError where it exists or has no folder."""
    target = Path(path)
    if target.exists() and not overwrite:
        raise InputError(
            Problem("exists already", file=target, remedy="choose another name, or ask for overwriting")
        )
    if not target.parent.is_dir():
        raise InputError(
            Problem(
                "cannot be written (there is no such folder)", file=target, remedy="make the folder first"
            )
        )
    return target


def _manifest(names: Sequence[str]) -> str:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<omexManifest xmlns="http://identifiers.org/combine.specifications/omex-manifest">',
        f'  <content location="." format="{_FORMATS["."]}"/>',
    ]
    for name in names:
        master = ' master="true"' if name.endswith(".sedml") else ""
        lines.append(f'  <content location="./{name}" format="{_FORMATS[Path(name).suffix]}"{master}/>')
    return "\n".join([*lines, "</omexManifest>", ""])


def _sedml(arms: Sequence[str], variables: Sequence[str], hours: float, points: int) -> str:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<sedML xmlns="{_SEDML}" xmlns:sbml="{_SBML}" level="1" version="3">',
        "  <listOfSimulations>",
        (
            '    <uniformTimeCourse id="course" initialTime="0" outputStartTime="0"'
            f' outputEndTime="{hours!r}" numberOfPoints="{points}">'
        ),
        f'      <algorithm kisaoID="{_CVODE}"/>',
        "    </uniformTimeCourse>",
        "  </listOfSimulations>",
        "  <listOfModels>",
        *(f'    <model id="{arm}" language="urn:sedml:language:sbml" source="{arm}.xml"/>' for arm in arms),
        "  </listOfModels>",
        "  <listOfTasks>",
        *(f'    <task id="task_{arm}" modelReference="{arm}" simulationReference="course"/>' for arm in arms),
        "  </listOfTasks>",
        "  <listOfDataGenerators>",
    ]
    for arm in arms:
        for name in ("time", *variables):
            lines += _generator(arm, name)
    lines += ["  </listOfDataGenerators>", "  <listOfOutputs>"]
    for arm in arms:
        lines += [f'    <report id="report_{arm}">', "      <listOfDataSets>"]
        lines += [
            f'        <dataSet id="set_{arm}_{name}" label="{name}" dataReference="data_{arm}_{name}"/>'
            for name in ("time", *variables)
        ]
        lines += ["      </listOfDataSets>", "    </report>"]
    return "\n".join([*lines, "  </listOfOutputs>", "</sedML>", ""])


def _generator(arm: str, name: str) -> list[str]:
    """Say that one curve of an arm is a variable of its model, as it is."""
    where = (
        'symbol="urn:sedml:symbol:time"'
        if name == "time"
        else f"target=\"/sbml:sbml/sbml:model/sbml:listOfParameters/sbml:parameter[@id='{escape(name)}']\""
    )
    return [
        f'    <dataGenerator id="data_{arm}_{name}" name={quoteattr(name)}>',
        "      <listOfVariables>",
        f'        <variable id="value_{arm}_{name}" {where} taskReference="task_{arm}"/>',
        "      </listOfVariables>",
        f'      <math xmlns="http://www.w3.org/1998/Math/MathML"><ci> value_{arm}_{name} </ci></math>',
        "    </dataGenerator>",
    ]
