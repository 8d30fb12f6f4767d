"""What a study must satisfy in whom it asks to take part: covariates, correlations, weights, strata."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from opiome.cohort import Profiles, draw_covariates, marginals
from opiome.errors import CohortError, Problem
from opiome.trial._endpoint_fields import DIARY_QUANTITIES
from opiome.trial._population import correlations, marginal, overrides
from opiome.trial._problems import unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opiome.cohort import Marginal
    from opiome.model import Model
    from opiome.trial._fields import Condition
    from opiome.trial._schema import Study
    from opiome.trial._yaml import Steps

    Found = Iterator[tuple[Steps, Problem]]

__all__ = ["people_problems"]


def people_problems(study: Study, model: Model) -> Found:
    """Everything wrong with the population and the strata, with its path in the file."""
    known = model.covariates["id"].to_list()
    yield from _names(study, known)
    yield from _spreads(study, model)
    yield from _correlations(study, model, known)
    yield from _cohort_file(study, model)
    yield from _nobody(study, model)
    yield from _more_than_all(study)


def _names(study: Study, known: list[str]) -> Found:
    population = study.population
    for name in population.covariates:
        if name not in known:
            yield ("population", "covariates", name), unknown(name, known, "covariate")
    with_dose = [*known, *(["ome"] if study.background.opioid else [])]
    for i, condition in enumerate(population.eligibility):
        if condition.quantity not in with_dose:
            yield ("population", "eligibility", i), unknown(condition.quantity, with_dose, "covariate")
    for i, item in enumerate(population.represents):
        if item.when.quantity not in with_dose:
            yield ("population", "represents", i, "when"), unknown(item.when.quantity, with_dose, "covariate")
    at_entry = [*with_dose, *DIARY_QUANTITIES]
    for i, condition in enumerate(study.strata):
        if condition.quantity not in at_entry:
            yield ("strata", i), unknown(condition.quantity, at_entry, "covariate or diary quantity")
        if condition in study.strata[:i]:
            yield ("strata", i), Problem(f"'{condition}' is given twice", remedy="leave one out")
    yield from _indication(study, at_entry)


def _indication(study: Study, at_entry: list[str]) -> Found:
    given = study.indication
    if given is None:
        return
    if given.arm not in study.arms:
        yield ("indication", "arm"), unknown(given.arm, list(study.arms), "arm")
    if len(study.arms) != 2:  # noqa: PLR2004  # given or not given
        message = f"the study has {len(study.arms)} arms; an indication decides between two"
        yield ("indication",), Problem(message, expected="the arm that is given and the other")
    if study.strata:
        message = "strata are of a randomisation, and an indication stands in its place"
        yield ("strata",), Problem(message, remedy="leave one of the two out")
    for name, arm in study.arms.items():
        if arm.allocation != 1:
            message = "an allocation is of a randomisation, and the indication says who is in which arm"
            yield ("arms", name, "allocation"), Problem(message, remedy="leave it out, and set 'share'")
    for i, item in enumerate(given.odds):
        name = item.when.quantity
        if name not in at_entry:
            yield ("indication", "odds", i, "when"), unknown(name, at_entry, "covariate or diary quantity")


def _spreads(study: Study, model: Model) -> Found:
    """Covariates that cannot be spread as the study says, beside what the model's table has of them."""
    kinds = dict(model.covariates.select("id", "distribution").iter_rows())
    for name, fields in study.population.overrides().items():
        path: Steps = ("population", "covariates", name)
        if kinds.get(name) == "categorical" and "distribution" not in fields:
            yield (
                path,
                Problem(
                    f"'{name}' has categories, and a number says nothing of them",
                    expected="{distribution: categorical, values: {...}}, or a fixed value for everybody"
                    " ({distribution: fixed, median: 1})",
                ),
            )
        elif name in kinds:
            try:
                marginals(model.covariates, {name: fields})
            except CohortError as error:
                for problem in error.problems:
                    fits = problem.expected or "what fits the model's own (`opiome model list covariates`)"
                    yield path, problem.at(expected=fits)


def _correlations(study: Study, model: Model, known: list[str]) -> Found:
    own = study.population.correlations
    sound = True
    for i, item in enumerate(own):
        path: Steps = ("population", "correlations", i)
        for key in ("a", "b"):
            if getattr(item, key) not in known:
                sound = False
                yield (*path, key), unknown(getattr(item, key), known, "covariate")
        if item.a == item.b:
            sound = False
            yield path, Problem(f"'{item.a}' is correlated with itself", expected="two covariates")
    pairs = [frozenset((item.a, item.b)) for item in own]
    for first, second in combinations(range(len(pairs)), 2):
        if pairs[first] == pairs[second]:
            sound = False
            names = " and ".join(sorted(pairs[second]))
            message = f"the correlation of {names} is given twice"
            yield ("population", "correlations", second), Problem(message, remedy="leave one out")
    if not (own and sound):
        return
    yield from _uncorrelated(study, model)
    try:
        draw_covariates(marginals(model.covariates), np.empty(0, dtype=np.int64), 0, correlations(study))
    except CohortError as error:
        for problem in error.problems:
            yield ("population", "correlations"), problem


def _uncorrelated(study: Study, model: Model) -> Found:
    """Correlations with what is the same for everybody, which would say nothing."""
    if study.population.cohort is not None:
        return  # the file says who they are
    try:
        spread = marginals(model.covariates, overrides(study.population.covariates))
    except CohortError:
        return  # told above
    for i, item in enumerate(study.population.correlations):
        for key in ("a", "b"):
            name = getattr(item, key)
            if name in spread and spread[name].distribution == "fixed":
                yield (
                    ("population", "correlations", i, key),
                    Problem(
                        f"'{name}' is {spread[name].median:g} for everybody, so nothing goes with it",
                        remedy=f"give '{name}' a spread under 'covariates', or leave the correlation out",
                    ),
                )


def _nobody(study: Study, model: Model) -> Found:
    """Eligibility and weights whose condition the covariates of the study leave nobody."""
    if study.population.cohort is not None:
        return  # the file says who they are
    try:
        spread = dict(marginals(model.covariates, overrides(study.population.covariates)))
    except CohortError:
        return  # told above
    opioid = study.background.opioid
    if opioid is not None and opioid.ome is not None:
        spread["ome"] = marginal("ome", opioid.ome)
    tests: list[tuple[Steps, Condition]] = [
        *((("eligibility", i), condition) for i, condition in enumerate(study.population.eligibility)),
        *((("represents", i, "when"), item.when) for i, item in enumerate(study.population.represents)),
    ]
    for path, condition in tests:
        if condition.quantity in spread and not _someone(condition, spread[condition.quantity]):
            told = spread[condition.quantity]
            where = f"from {told.lower:g} to {told.upper:g}" if _ranges(told) else _listed(told)
            yield (
                ("population", *path),
                Problem(
                    f"nobody meets '{condition}': '{condition.quantity}' is {where} in this population",
                    remedy="relax the condition, or give the population another spread",
                ),
            )


def _ranges(spread: Marginal) -> bool:
    return spread.distribution in {"normal", "lognormal", "peaked"}


def _possible(spread: Marginal) -> list[float]:
    """The values that somebody can have of a covariate without a range."""
    if spread.distribution == "categorical":
        return [float(k) for k, (_, share) in enumerate(spread.values) if share > 0]
    if spread.distribution == "bernoulli":
        return [value for value, share in ((0.0, 1 - spread.median), (1.0, spread.median)) if share > 0]
    return [spread.median]


def _listed(spread: Marginal) -> str:
    return " or ".join(f"{value:g}" for value in _possible(spread))


def _someone(condition: Condition, spread: Marginal) -> bool:
    """Whether a value of a covariate meets a condition."""
    if not _ranges(spread):
        return any(condition.holds(value) for value in _possible(spread))
    ends = [spread.lower, spread.upper, *(limit for _, limit in condition.tests)]
    inside = [end for end in ends if spread.lower <= end <= spread.upper]
    middles = [(one + other) / 2 for one, other in combinations(sorted(inside), 2)]
    return any(condition.holds(value) for value in (*inside, *middles))


_PART_OF = (
    ("sbm_per_week", "bm_per_week"),
    ("csbm_per_week", "sbm_per_week"),
    ("csbm_per_week", "bm_per_week"),
    ("sbm_without_straining_per_week", "sbm_per_week"),
    ("sbm_without_straining_per_week", "bm_per_week"),
)
"""What is counted among what: all spontaneous movements are movements."""


def _more_than_all(study: Study) -> Found:
    """Entry that asks for more of a part than of the whole."""
    entry = study.population.entry
    for (i, one), (k, other) in combinations(enumerate(entry), 2):
        for part, whole in _PART_OF:
            asked = {one.quantity: one, other.quantity: other}
            if set(asked) != {part, whole}:
                continue
            least = max((limit for sign, limit in asked[part].tests if sign in {">", ">=", "="}), default=0.0)
            most = [(limit, sign) for sign, limit in asked[whole].tests if sign in {"<", "<=", "="}]
            if any(limit < least or (limit == least and sign == "<") for limit, sign in most):
                yield (
                    ("population", "entry", max(i, k)),
                    Problem(
                        f"nobody can meet '{one}' and '{other}': {part} counts only some of {whole}",
                        remedy="relax one of them",
                    ),
                )


def _cohort_file(study: Study, model: Model) -> Found:
    given = study.population.cohort
    if given is None:
        return
    try:
        Profiles.read(given.file, model)
    except CohortError as error:
        for problem in error.problems:
            row = f" in row {problem.line}" if problem.line else ""
            message = f"the cohort file {given.file} cannot be used{row}: {problem.message}"
            yield ("population", "cohort"), problem.at(message=message, line=None, column=None)
