"""What the rules of a protocol must satisfy beyond the schema: what they look at, when, what they give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opiome import regimen
from opiome.errors import DoseError, Problem, nearest
from opiome.trial._conditions import conditions, every_rule
from opiome.trial._endpoint_fields import DIARY_QUANTITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from opiome.model import Model
    from opiome.regimen import Dosing
    from opiome.trial._schema import Study
    from opiome.trial._yaml import Steps

    Found = Iterator[tuple[Steps, Problem]]

__all__ = ["ignored_share", "protocol_problems", "regimen_problems", "unseen"]

_DAY = 24.0
_RESERVED = frozenset({"death", "dropout"})


def regimen_problems(path: Steps, text: str, dosing: Dosing) -> Iterator[Problem]:
    """What is wrong with a regimen at its place in the file, beyond how it is written."""
    rule = _REGIMENS.get(path[1]) if path[0] == "rules" else None
    if dosing.as_needed and path[:2] not in _AS_NEEDED:
        yield Problem(
            f"'{text}' would never be taken: nothing says when it is needed",
            expected="a frequency; only 'rescue_laxative' and 'rescue_opioid' of the rules are as needed",
        )
    elif rule is not None:
        yield from rule(text, dosing)


def _is_opioid(dosing: Dosing) -> bool:
    return dosing.product is not None and dosing.product.drug_class == "opioid"


def _rescue_laxative(text: str, dosing: Dosing) -> Iterator[Problem]:
    if dosing.is_active and not dosing.as_needed:
        yield Problem(f"'{text}' is not as needed", expected="'... as needed'")
    if _is_opioid(dosing):
        yield Problem(f"{dosing.drug} is an opioid and relieves no constipation", expected="a laxative")
    yield from _own_days(text, dosing)


def _rescue_opioid(text: str, dosing: Dosing) -> Iterator[Problem]:
    if not _is_opioid(dosing):
        yield Problem(f"'{text}' is no opioid", expected="such as 'morphine IR as needed'")
    elif not dosing.as_needed:
        yield Problem(f"'{text}' is not as needed", expected="'... as needed'")
    if dosing.dose is not None:
        yield Problem(
            f"'{text}' has a dose, and 'share' gives it",
            expected="a regimen without a dose",
            remedy="remove the dose, or set 'least' and 'most' to what it is worth",
        )
    product = dosing.product
    if product is not None and _is_opioid(dosing) and (product.mode == "rate" or not product.slots):
        yield Problem(
            f"{product.title} cannot relieve an episode of pain",
            expected="an opioid of one molecule that is taken as a single dose (morphine IR as needed)",
        )
    yield from _own_days(text, dosing)


def _rotation(text: str, dosing: Dosing) -> Iterator[Problem]:
    if not _is_opioid(dosing):
        yield Problem(f"'{text}' is no opioid", expected="an opioid at stated times")
    elif dosing.product is not None and not dosing.product.slots:
        yield Problem(
            f"nobody can be changed to {dosing.drug} by a rule: it takes two places in the body",
            expected="an opioid of one molecule",
            remedy="make it an arm of its own",
        )
    yield from _own_days(text, dosing)


def _own_days(text: str, dosing: Dosing) -> Iterator[Problem]:
    if dosing.first_day != 1 or dosing.last_day is not None:
        yield Problem(
            f"'{text}' has days of its own, and the rule says when it is taken", remedy="remove them"
        )


def _add(text: str, dosing: Dosing) -> Iterator[Problem]:
    if not dosing.is_active:
        yield Problem(f"'{text}' adds nothing", expected="a drug with a dose (naldemedine 0.2 mg daily)")
    yield from _own_days(text, dosing)
    if _is_opioid(dosing):
        yield Problem(f"'{text}' adds an opioid", expected="any other drug", remedy="use 'rules.rotation'")


_AS_NEEDED = {("rules", "rescue_laxative"), ("rules", "rescue_opioid")}
_REGIMENS: Mapping[str | int, Callable[[str, Dosing], Iterator[Problem]]] = {
    "rescue_laxative": _rescue_laxative,
    "rescue_opioid": _rescue_opioid,
    "rotation": _rotation,
    "add": _add,
}


def protocol_problems(study: Study) -> Found:
    """What is wrong with the rules themselves: when they look, at what, for which arms."""
    rules = study.rules
    for path, rule in every_rule(study):
        if rule.every is None and not study.visits:
            yield (
                path,
                Problem(
                    "the rule is never looked at: the study has no visits",
                    expected="'visits', or 'every' beside the rule (every: 2 days)",
                ),
            )
        for key in ("over", "every"):
            hours = getattr(rule, key)
            if hours is not None and hours % _DAY:
                yield (*path, key), Problem(f"{hours:g} h is not a whole number of days", expected="days")
        if path[0] == "arms" and rule.arms:
            yield (*path, "arms"), Problem("the rule is that of its own arm", remedy="leave 'arms' out")
            continue
        for i, arm in enumerate(rule.arms):
            if arm not in study.arms:
                near = nearest(arm, study.arms)
                yield (
                    (*path, "arms", i),
                    Problem(
                        f"unknown arm '{arm}'",
                        expected=f"one of {', '.join(study.arms)}",
                        remedy=f"did you mean '{near}'?" if near else None,
                    ),
                )
            elif path == ("rules", "titration") and study.arms[arm].titration is not None:
                what = f"'{arm}' has a titration of its own, which stands in place of this one"
                yield (*path, "arms", i), Problem(what, remedy="leave one of the two out")
    yield from _taken_twice(study)
    yield from _reasons(study)
    rescue = rules.rescue_opioid
    if rescue is not None and rescue.least > rescue.most:
        yield (
            ("rules", "rescue_opioid", "least"),
            Problem("'least' is above 'most': no dose is left", expected=f"at most {rescue.most:g}"),
        )


def _taken_twice(study: Study) -> Found:
    for i, added in enumerate(study.rules.add):
        for name in added.arms or tuple(study.arms):
            if name in study.arms and added.regimen in study.arms[name].regimen:
                yield (
                    ("rules", "add", i, "regimen"),
                    Problem(
                        f"the arm '{name}' takes '{added.regimen}' already, and would take it twice",
                        remedy="name the arms that have the rule ('arms')",
                    ),
                )


def _reasons(study: Study) -> Found:
    for i, stop in enumerate(study.rules.stop):
        if stop.reason in _RESERVED:
            yield (
                ("rules", "stop", i, "reason"),
                Problem(
                    f"'{stop.reason}' is what the table of patients says of others who left",
                    expected="a reason of its own",
                ),
            )


def unseen(study: Study, model: Model) -> Found:
    """Conditions on what the clinic cannot see, or what is not judged from a diary."""
    observables = set(model.observables["id"])
    covariates = set(model.covariates["id"])
    for path, test in conditions(study):
        name = test.quantity
        if name in DIARY_QUANTITIES:
            continue
        near = nearest(name, DIARY_QUANTITIES)
        if name in observables:
            what = f"'{name}' is a variable of the model, which the clinic cannot see"
        elif name in covariates:
            what = f"'{name}' is a covariate, and this condition looks at the diary"
        else:
            what = f"unknown diary quantity '{name}'"
        yield (
            path,
            Problem(
                what,
                expected=f"one of {', '.join(DIARY_QUANTITIES)}",
                remedy=_remedy(path, name in covariates, near),
            ),
        )


def _remedy(path: Steps, is_covariate: bool, near: str | None) -> str | None:  # noqa: FBT001  # a private step
    if is_covariate and path[:2] == ("population", "entry"):
        return "write it under 'population.eligibility'"
    return f"did you mean '{near}'?" if near else None


def ignored_share(study: Study, model: Model) -> Found:
    """A share of the equianalgesic dose beside opioids that all have a dose of their own."""
    rule = study.rules.rotation
    if rule is None or "share" not in rule.model_fields_set:
        return
    try:
        fixed = [text for text in rule.to if not regimen.parse(text, model).is_open]
    except DoseError:
        return  # said elsewhere
    for text in fixed:
        yield (
            ("rules", "rotation", "to", rule.to.index(text)),
            Problem(
                f"'{text}' has a dose, and 'share' gives it",
                expected="a regimen without a dose",
                remedy="remove the dose, or 'share' where every opioid has a dose",
            ),
        )
