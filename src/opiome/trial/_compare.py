"""Endpoint and contrast tables: predictions beside what was published."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from opiome.trial._analyses import ANALYSES, contrast, usual
from opiome.trial._endpoints import answers, estimand
from opiome.trial._multiplicity import adjusted
from opiome.trial._statistics import estimate, predicted_difference, predictive
from opiome.trial._survival import predicted_ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from opiome.trial._answers import Answers
    from opiome.trial._diary import Diary
    from opiome.trial._endpoint_fields import Endpoint
    from opiome.trial._schema import Published, Study

__all__ = ["PER_HOUR", "answered", "compare", "known_of", "tables"]

PER_HOUR = {"h": 1.0, "days": 1 / 24, "weeks": 1 / 168, "months": 12 / (24 * 365.25)}
"""What a time in hours is multiplied by to have the unit of an endpoint."""
_POINTS, _RELATIVE = 5.0, 0.20  # the qualification rule: 5 percentage points or 20 %, whichever is larger


def compare(
    study: Study, diaries: Mapping[str, Diary], strata: Mapping[str, Sequence[str]] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The endpoint and the contrast tables of a study.

    Args:
        study: the study, with its endpoints and published results.
        diaries: arm name to the diaries of its patients.
        strata: arm name to the stratum of each of them; None where the randomisation had none.

    Returns:
        ``endpoints`` and ``contrasts`` as in the contracts. ``hit`` says whether the published value lies in
        the model's 90 % predictive interval at the published number of patients (``predictive_low`` to
        ``predictive_high``); ``error`` is the prediction minus the published value, to be seen against
        ``error_allowed`` (5 percentage points or 20 %, whichever is larger). ``n_effective`` is below ``n``
        where patients stand for unlike numbers of people; ``p_adjusted`` is filled in where the study says
        how several tests are taken together.
    """
    found = {endpoint.id: answered(endpoint, diaries, strata) for endpoint in study.endpoints}
    return tables(study, found)


def tables(
    study: Study, answers_of: Mapping[str, Mapping[str, Answers]]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same tables from the answers of each arm, by endpoint and arm."""
    import polars as pl

    published = {(item.endpoint, item.arm): item for item in study.published if item.against is None}
    differences = {(item.endpoint, item.arm): item for item in study.published if item.against is not None}
    rows, contrasts = [], []
    reference = study.reference_arm
    for endpoint in study.endpoints:
        found = answers_of[endpoint.id]
        for arm, answer in found.items():
            rows.append(_endpoint_row(study, endpoint, arm, answer, published.get((endpoint.id, arm))))
        contrasts += [
            _contrast_row(study, endpoint, (arm, reference), found, published)
            | _difference(study, endpoint, (arm, reference), found, differences.get((endpoint.id, arm)))
            for arm in found
            if arm != reference
        ]
    _take_together(study, contrasts)
    return pl.DataFrame(rows, schema=_schema(_ENDPOINTS)), pl.DataFrame(contrasts, schema=_schema(_CONTRASTS))


def answered(
    endpoint: Endpoint, diaries: Mapping[str, Diary], strata: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Answers]:
    """The answers of every arm, with what the analysis needs to know of each patient."""
    plain = {arm: answers(diary, endpoint) for arm, diary in diaries.items()}
    return known_of(plain, {arm: diary.weights for arm, diary in diaries.items()}, strata)


def known_of(
    plain: Mapping[str, Answers],
    weights: Mapping[str, NDArray[np.float64]],
    strata: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Answers]:
    """Answers by arm with the stratum and the weight of each patient."""
    numbers = {
        name: k for k, name in enumerate(sorted({name for own in (strata or {}).values() for name in own}))
    }
    even = all(_even(own) for own in weights.values())
    found = {}
    for arm, own in plain.items():
        stratum = None
        if strata is not None and len(numbers) > 1:
            stratum = np.array([numbers[name] for name in strata[arm]], dtype=np.int64)
        found[arm] = replace(own, stratum=stratum, weights=None if even else weights[arm])
    return found


def _even(weights: NDArray[np.float64]) -> bool:
    return not len(weights) or bool((weights == weights[0]).all())


def _take_together(study: Study, contrasts: list[dict[str, object]]) -> None:
    """Adjusted p values, where the study says which tests are taken together."""
    rule = study.multiplicity
    if rule is None:
        return
    order = [name for family in rule.families for name in family] or rule.endpoints
    tested = {
        f"{row['endpoint']} {row['arm']}": row for row in contrasts if not order or row["endpoint"] in order
    }
    families = [
        [name for name, row in tested.items() if row["endpoint"] in family] for family in rule.families
    ]
    p = {name: math.nan if row.get("p") is None else float(str(row["p"])) for name, row in tested.items()}
    for name, value in adjusted(p, rule.method, families).items():
        tested[name]["p_adjusted"] = value


_ENDPOINTS = (
    "endpoint:s label:s arm:s kind:s estimand:s unit:s estimate low high n:i n_effective"
    " published published_low published_high published_n:i source:s role:s hit:b"
    " predictive_low predictive_high error error_allowed primary:b"
)
_CONTRASTS = (
    "endpoint:s label:s arm:s reference:s measure:s analysis:s unit:s estimate low high p p_adjusted"
    " published source:s role:s hit:b predictive_low predictive_high error"
)


def _schema(text: str) -> dict[str, pl.DataType]:
    import polars as pl

    types = {"s": pl.String(), "i": pl.Int64(), "b": pl.Boolean(), "": pl.Float64()}
    parts = [part.partition(":") for part in text.split()]
    return {name: types[kind] for name, _, kind in parts}


def _scale(endpoint: Endpoint, answer: Answers) -> float:
    if answer.kind == "time":
        return PER_HOUR.get(endpoint.unit, 1.0)
    return 100.0 if answer.kind == "proportion" and endpoint.unit == "%" else 1.0


def _known(value: float) -> float | None:
    """The number for a table, where what is not finite (no interval, median not reached) is empty."""
    return value if math.isfinite(value) else None


def _endpoint_row(
    study: Study, endpoint: Endpoint, arm: str, answer: Answers, published: Published | None
) -> dict[str, object]:
    scale = _scale(endpoint, answer)
    own = estimate(answer)
    row: dict[str, object] = {
        "endpoint": endpoint.id,
        "label": endpoint.label,
        "arm": arm,
        "kind": answer.kind,
        "estimand": estimand(endpoint),
        "unit": endpoint.unit,
        "estimate": _known(scale * own.value),
        "low": _known(scale * own.low),
        "high": _known(scale * own.high),
        "n": own.n,
        "n_effective": own.effective,
        "primary": endpoint.primary,
    }
    if published is None:
        return row
    low, high = (scale * limit for limit in predictive(answer, published.n or own.n))
    allowed = _RELATIVE * abs(published.value)
    return row | {
        "published": published.value,
        "published_low": published.low,
        "published_high": published.high,
        "published_n": published.n,
        "source": study.sources.get(published.source, published.source),
        "role": published.role,
        "hit": low <= published.value <= high,
        "predictive_low": _known(low),
        "predictive_high": _known(high),
        "error": _known(scale * own.value - published.value),
        "error_allowed": max(_POINTS, allowed) if endpoint.unit == "%" else allowed,
    }


def _contrast_row(
    study: Study,
    endpoint: Endpoint,
    arms: tuple[str, str],
    found: Mapping[str, Answers],
    published: Mapping[tuple[str, str], Published],
) -> dict[str, object]:
    arm, reference = arms
    name = endpoint.analysis or usual(found[arm].kind)
    own = contrast(found[arm], found[reference], endpoint.analysis)
    ratio = own.measure == "hazard ratio"
    scale = 1.0 if ratio else _scale(endpoint, found[arm])
    row: dict[str, object] = {
        "endpoint": endpoint.id,
        "label": endpoint.label,
        "arm": arm,
        "reference": reference,
        "measure": own.measure,
        "analysis": ANALYSES[name].label,
        "unit": "" if ratio else endpoint.unit,
        "estimate": _known(scale * own.value),
        "low": _known(scale * own.low),
        "high": _known(scale * own.high),
        "p": _known(own.p),
    }
    both = [published.get((endpoint.id, name)) for name in arms]
    if both[0] is None or both[1] is None or ratio:
        return row
    sizes = [item.n or len(found[name].values) for item, name in zip(both, arms, strict=True) if item]
    difference = both[0].value - both[1].value
    low, high = predicted_difference(found[arm], found[reference], *sizes)
    return row | {
        "published": difference,
        "source": study.sources.get(both[0].source, both[0].source),
        "role": both[0].role,
        "hit": low * scale <= difference <= high * scale if math.isfinite(low) else None,
        "predictive_low": _known(low * scale),
        "predictive_high": _known(high * scale),
        "error": _known(scale * own.value - difference),
    }


def _difference(
    study: Study,
    endpoint: Endpoint,
    arms: tuple[str, str],
    found: Mapping[str, Answers],
    published: Published | None,
) -> dict[str, object]:
    """The columns of a contrast whose difference itself was published."""
    if published is None:
        return {}
    sides = [found[name] for name in arms]
    scale = _scale(endpoint, sides[0])
    sizes = [
        given or len(side.values)
        for given, side in zip((published.n, published.n_against), sides, strict=True)
    ]
    own = contrast(sides[0], sides[1], endpoint.analysis)
    if own.measure == "hazard ratio":
        scale, (low, high) = 1.0, predicted_ratio(sides[0], sides[1], *sizes)
    else:
        low, high = (scale * limit for limit in predicted_difference(sides[0], sides[1], *sizes))
    return {
        "published": published.value,
        "source": study.sources.get(published.source, published.source),
        "role": published.role,
        "hit": low <= published.value <= high if math.isfinite(low) else None,
        "predictive_low": _known(low),
        "predictive_high": _known(high),
        "error": _known(scale * own.value - published.value),
    }
