"""Endpoint and contrast tables: predictions beside what was published."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from opiome.trial._endpoints import RULES, answers
from opiome.trial._analyses import contrast
from opiome.trial._statistics import estimate, predicted_difference, predictive

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from opiome.trial._diary import Diary
    from opiome.trial._endpoint_fields import Endpoint
    from opiome.trial._endpoints import Answers
    from opiome.trial._schema import Published, Study

__all__ = ["compare"]

_POINTS, _RELATIVE = 5.0, 0.20  # the qualification rule: 5 percentage points or 20 %, whichever is larger


def compare(study: Study, diaries: Mapping[str, Diary]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The endpoint and the contrast tables of a study.

    Args:
        study: the study, with its endpoints and published results.
        diaries: arm name to the diaries of its patients.

    Returns:
        ``endpoints`` and ``contrasts`` as in the contracts. ``hit`` says whether the published value lies in
        the model's 90 % predictive interval at the published number of patients (``predictive_low`` to
        ``predictive_high``); ``error`` is the prediction minus the published value, to be seen against
        ``error_allowed`` (5 percentage points or 20 %, whichever is larger).
    """
    import polars as pl

    published = {(item.endpoint, item.arm): item for item in study.published if item.against is None}
    differences = {(item.endpoint, item.arm): item for item in study.published if item.against is not None}
    rows, contrasts = [], []
    reference = study.reference_arm
    for endpoint in study.endpoints:
        found = {arm: answers(diary, endpoint) for arm, diary in diaries.items()}
        for arm, answer in found.items():
            rows.append(_endpoint_row(study, endpoint, arm, answer, published.get((endpoint.id, arm))))
        contrasts += [
            _contrast_row(study, endpoint, (arm, reference), found, published)
            | _difference(study, endpoint, (arm, reference), found, differences.get((endpoint.id, arm)))
            for arm in found
            if arm != reference
        ]
    return pl.DataFrame(rows, schema=_schema(_ENDPOINTS)), pl.DataFrame(contrasts, schema=_schema(_CONTRASTS))


_ENDPOINTS = (
    "endpoint:s label:s arm:s kind:s estimand:s unit:s estimate low high n:i"
    " published published_low published_high published_n:i source:s role:s hit:b"
    " predictive_low predictive_high error error_allowed primary:b"
)
_CONTRASTS = (
    "endpoint:s label:s arm:s reference:s measure:s unit:s estimate low high p"
    " published source:s role:s hit:b predictive_low predictive_high error"
)


def _schema(text: str) -> dict[str, pl.DataType]:
    import polars as pl

    types = {"s": pl.String(), "i": pl.Int64(), "b": pl.Boolean(), "": pl.Float64()}
    parts = [part.partition(":") for part in text.split()]
    return {name: types[kind] for name, _, kind in parts}


def _scale(endpoint: Endpoint, answer: Answers) -> float:
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
        "estimand": RULES[endpoint.rule].estimand,
        "unit": endpoint.unit,
        "estimate": _known(scale * own.value),
        "low": _known(scale * own.low),
        "high": _known(scale * own.high),
        "n": own.n,
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
    scale = _scale(endpoint, found[arm])
    own = contrast(found[arm], found[reference])
    row: dict[str, object] = {
        "endpoint": endpoint.id,
        "label": endpoint.label,
        "arm": arm,
        "reference": reference,
        "measure": own.measure,
        "unit": endpoint.unit,
        "estimate": _known(scale * own.value),
        "low": _known(scale * own.low),
        "high": _known(scale * own.high),
        "p": _known(own.p),
    }
    both = [published.get((endpoint.id, name)) for name in arms]
    if both[0] is None or both[1] is None:
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
    low, high = (scale * limit for limit in predicted_difference(sides[0], sides[1], *sizes))
    return {
        "published": published.value,
        "source": study.sources.get(published.source, published.source),
        "role": published.role,
        "hit": low <= published.value <= high if math.isfinite(low) else None,
        "predictive_low": _known(low),
        "predictive_high": _known(high),
        "error": _known(scale * contrast(*sides).value - published.value),
    }
