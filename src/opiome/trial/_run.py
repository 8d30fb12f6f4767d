"""Running a trial: screen, randomise, treat, count."""

from __future__ import annotations

import hashlib
import platform
import time
from contextlib import contextmanager
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from opiome.errors import CohortError, Problem, StudyError
from opiome.trial._collect import Collected
from opiome.trial._compare import tables
from opiome.trial._randomise import allocate, arm_sizes, strata
from opiome.trial._screen import Accepted, screen
from opiome.trial._setting import Setting, settle
from opiome.trial._treat import treat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from opiome.model import Model
    from opiome.trial._results import Results
    from opiome.trial._schema import Study

__all__ = ["Progress", "check_arms", "check_weights", "run"]

_DAY = 24.0
_CHUNK = 512
_LEAST_EFFECTIVE = 0.2
_TABLES = {
    "opiome.trial": ("diary.tsv", "clock.tsv", "events.tsv"),
    "opiome.cohort": ("correlations.tsv",),
    "opiome.regimen": ("equivalence.tsv",),
}
_PACKAGES = ("opiome", "numpy", "scipy", "numba", "polars", "python-libsbml", "antimony")


class Progress(Protocol):
    """What is told how far a run has come."""

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Phases are ``compile``, ``screening``, ``treatment`` and ``endpoints``, in this order."""


def run(
    study: Study,
    patients: int | None = None,
    seed: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    *,
    model: Model | None = None,
    twins: bool = False,
    chunk: int = _CHUNK,
) -> Results:
    """Run a study on virtual patients.

    The results depend on study, model, ``patients`` and ``seed``; not on ``threads`` or ``chunk``.

    Args:
        study: what :func:`opiome.trial.load_study` returns.
        patients: patients for each unit of allocation; the study's own number when left out.
        seed: the seed of every random stream; the study's own when left out.
        threads: threads of the engine; all cores when left out.
        progress: called as phases go on.
        model: a loaded model; the shipped one when left out.
        twins: put every patient into every arm instead of randomising, so that arms differ by treatment only.
        chunk: the most patients that are simulated at once; it bounds memory.

    Raises:
        StudyError: the study does not fit the model, or its phases are not whole days.
        CohortError: not enough candidates qualify.
    """
    tell = progress or _silent
    clock = _Clock()
    with clock.phase("compile"):
        tell("compile", 0, 1)
        setting = settle(study, seed, threads, model, chunk)
        tell("compile", 1, 1)
    allocation = {name: arm.allocation for name, arm in study.arms.items()}
    count = study.patients if patients is None else patients
    if count < 1:
        raise StudyError(Problem(f"{count} patients", field="patients", expected="at least 1"))
    sizes = dict.fromkeys(allocation, count) if twins else arm_sizes(allocation, count)
    needed = count if twins else sum(sizes.values())
    with clock.phase("screening"):
        accepted = screen(setting, needed, lambda found: tell("screening", found, needed))
    stratum = strata(study, accepted)
    arm_of = None if twins else allocate(study, accepted, count, setting.seed, stratum)
    check_weights(study, accepted, arm_of)
    check_arms(study, arm_of, stratum)
    done, total = 0, sum(sizes.values()) * (setting.days - setting.lead)
    collected = Collected(setting, stratum)
    with clock.phase("treatment"):
        for k, arm in enumerate(study.arms):
            members = np.arange(needed) if arm_of is None else np.flatnonzero(arm_of == k)
            for start in range(0, len(members), setting.chunk):
                rows = members[start : start + setting.chunk]

                def day_done(size: int = len(rows)) -> None:
                    nonlocal done
                    done += size
                    tell("treatment", done, total)

                collected.add(arm, accepted, rows, treat(setting, accepted, rows, arm, day_done=day_done))
            collected.finish(arm, accepted)
    with clock.phase("endpoints"):
        tell("endpoints", 0, 1)
        endpoints, contrasts = tables(study, collected.answers)
        tell("endpoints", 1, 1)
    manifest = _manifest(setting, accepted, collected, twins=twins) | {"seconds": clock.seconds}
    return collected.results(manifest, endpoints, contrasts)


def _silent(phase: str, done: int, total: int) -> None:
    """Tell nobody."""


def check_weights(study: Study, accepted: Accepted, arm_of: NDArray[np.intp] | None = None) -> None:
    """Refuse weights that leave the trial to a few of its patients.

    Randomised arms (``arm_of``, the arm of each patient) resemble the whole but for chance; where an
    indication decides who is in which, the weights of one can be another's, so each arm is held to the rule.
    """
    groups = [("", accepted.cohort)]
    if study.indication is not None and arm_of is not None:
        groups += [(name, accepted.cohort.take(arm_of == k)) for k, name in enumerate(study.arms)]
    for name, members in groups:
        effective, n = members.effective_size, len(members)
        if effective < _LEAST_EFFECTIVE * n:
            where = f" of arm '{name}'" if name else ""
            raise CohortError(
                Problem(
                    f"the weights concentrate on few patients{where}: {n} count as {effective:.1f}",
                    file=study.name,
                    field="population.represents",
                    expected=f"an effective sample size of at least {_LEAST_EFFECTIVE:.0%} of the patients",
                    remedy="draw more of the people who stand for many ('covariates'), or bring the weights"
                    " closer together",
                )
            )


def check_arms(study: Study, arm_of: NDArray[np.intp] | None, stratum: list[str]) -> None:
    """Refuse a randomisation in strata, or an indication, that leaves an arm without patients."""
    empty = [] if arm_of is None else [a for k, a in enumerate(study.arms) if not (arm_of == k).any()]
    if not empty:
        return
    message = f"nobody is in {', '.join(empty)}: {len(stratum)} patients"
    if study.indication:
        problem = Problem(
            message,
            file=study.name,
            field="indication",
            expected="several patients for each arm",
            remedy="ask for more patients or bring the odds closer together",
        )
    else:
        problem = Problem(
            f"{message} in {len(set(stratum))} strata",
            file=study.name,
            field="strata",
            expected="several patients for each arm in every stratum",
            remedy="ask for more patients or use fewer strata",
        )
    raise StudyError(problem)


def _manifest(setting: Setting, accepted: Accepted, collected: Collected, *, twins: bool) -> dict[str, Any]:
    study = setting.study
    text = study.model_dump_json()
    return {
        "opiome": 1,
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
        "seed": setting.seed,
        "study": study.model_dump(mode="json"),
        "cohort_file": _cohort_file(setting),
        "study_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "model": {"species": setting.model.species, "sha256": setting.model.sha256},
        "tables_sha256": {
            name: hashlib.sha256(resources.files(package).joinpath(name).read_bytes()).hexdigest()
            for package, names in _TABLES.items()
            for name in names
        },
        "twins": twins,
        "arms": {name: {"label": arm.label} for name, arm in study.arms.items()},
        "counts": {
            "screened": accepted.screened,
            "randomised": len(accepted),
            "effective": round(accepted.cohort.effective_size, 3),
            "excluded": dict(sorted(accepted.reasons.items())),
            "failed": collected.failed,
            "per_arm": collected.well,
        },
        "nonspecific_effect": setting.nonspecific_effect,
    }


def _cohort_file(setting: Setting) -> dict[str, Any] | None:
    profiles, given = setting.profiles, setting.study.population.cohort
    if profiles is None or given is None:
        return None
    return {"file": given.text, "sha256": profiles.sha256, "people": len(profiles)}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


class _Clock:
    """Seconds of each phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)
