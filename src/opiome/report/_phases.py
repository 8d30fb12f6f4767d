"""When a trial's phases begin and end, in hours from randomisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opiome.errors import InputError
from opiome.units import hours

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opiome.report._tables import Tables

__all__ = ["Phase", "phases", "shown_from"]

_NAMES = {"background": "background", "run_in": "run-in", "treatment": "treatment"}


@dataclass(frozen=True)
class Phase:
    """One phase of a trial; ``start``, ``end`` and ``visits`` in hours from randomisation."""

    name: str
    start: float
    end: float
    visits: tuple[float, ...] = ()


def phases(tables: Tables) -> list[Phase]:
    """Return background, run-in and treatment, as the manifest or its study gives them.

    Without either, what lies before hour 0 is ``before randomisation`` and what lies after it ``treatment``.
    """
    study = tables.manifest.get("study")
    study = study if isinstance(study, dict) else {}
    durations = _durations(study)
    if len(durations) == len(_NAMES):
        run_in = -durations["run_in"]
        return [
            Phase("background", run_in - durations["background"], run_in),
            Phase("run-in", run_in, 0.0),
            Phase("treatment", 0.0, durations["treatment"], _visits(study)),
        ]
    times = tables.bands["time_h"].drop_nulls().sort()
    if times.is_empty():
        return []
    first, last = float(times[0]), float(times[-1])
    found = [Phase("before randomisation", first, 0.0)] if first < 0 else []
    return [*found, Phase("treatment", 0.0, last)] if last > 0 else found


def _durations(study: Mapping[str, Any]) -> dict[str, float]:
    """Return the length in hours of each phase that the study states."""
    found: dict[str, float] = {}
    for phase in _NAMES:
        part = study.get(phase)
        stated = _hours(part.get("duration") if isinstance(part, dict) else study.get(f"{phase}_h"))
        if stated is not None:
            found[phase] = stated
    return found


def _visits(study: Mapping[str, Any]) -> tuple[float, ...]:
    """Return when patients were seen, in hours from randomisation."""
    stated = study.get("visits")
    times = [_hours(visit) for visit in stated] if isinstance(stated, list) else []
    return tuple(time for time in times if time is not None)


def _hours(stated: object) -> float | None:
    """Return a duration of a study, written as text or in hours; None where it is not one above 0."""
    if isinstance(stated, str):
        try:
            stated = hours(stated)
        except InputError:
            return None
    return float(stated) if isinstance(stated, (int, float)) and stated > 0 else None


def shown_from(found: list[Phase]) -> float | None:
    """Return the hour from which figures show the course: the background no longer than what follows it."""
    background = next((phase for phase in found if phase.name == "background"), None)
    if background is None:
        return None
    rest = max(phase.end for phase in found) - background.end
    return max(background.start, background.end - max(rest, 2 * 168.0))
