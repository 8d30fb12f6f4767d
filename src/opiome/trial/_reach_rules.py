"""What a study declares and what then never comes about: it would look like a result, and be none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opiome import regimen
from opiome.errors import DoseError, Problem
from opiome.trial._conditions import conditions, every_rule, titrations
from opiome.trial._endpoint_fields import DIARY_QUANTITIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opiome.model import Model
    from opiome.trial._endpoint_fields import Endpoint
    from opiome.trial._fields import Condition
    from opiome.trial._protocol_fields import Titration
    from opiome.trial._schema import Study
    from opiome.trial._yaml import Steps

    Found = Iterator[tuple[Steps, Problem]]

__all__ = [
    "low_ceiling",
    "missing_items",
    "never_met",
    "never_seen",
    "whole_days",
    "window_problem",
    "without_opioid",
]

_DAY = 24.0
_SCALES = {
    "bristol": (1.0, 7.0),
    "bfi": (0.0, 100.0),
    "pac_sym": (0.0, 4.0),
    "pac_qol": (0.0, 4.0),
    "nrs": (0.0, 10.0),
    "nausea": (0.0, 10.0),
    "sedation": (0.0, 10.0),
    "cows": (0.0, 48.0),
    "delirium_per_week": (0.0, 7.0),
    "rome_items": (0.0, 6.0),
    "progressed": (0.0, 1.0),
}
_AT_ENTRY = "an item of the run-in diary; a dose of the background is a condition of 'eligibility'"
_FROM_RANDOMISATION = frozenset(
    {"nausea", "sedation", "delirium_per_week", "cows", "breakthrough_per_day", "rescue_opioid_per_day"}
    | {"ome", "ome_rise", "rotations", "progressed"}
)
"""What the diary holds from randomisation on only."""


def whole_days(study: Study) -> Found:
    """A diary is kept day by day."""
    for name in ("run_in", "treatment"):
        hours = getattr(study, name).duration
        if hours % _DAY:
            problem = Problem(f"{hours:g} h is not a whole number of days", expected="days or weeks")
            yield (name, "duration"), problem


def never_seen(study: Study) -> Found:
    """Rules that look at nothing: rules are looked at from the second day of treatment to the last."""
    last = study.treatment.duration - _DAY
    seen = [visit for visit in study.visits if _DAY <= visit < study.treatment.duration]
    for path, rule in every_rule(study):
        if rule.every is not None and rule.every > last:
            yield (
                (*path, "every"),
                Problem(
                    "the rule is never looked at: its first time is after the last morning of treatment",
                    expected=f"at most {last / _DAY:g} days",
                ),
            )
        elif rule.every is None and study.visits and not seen:
            yield (
                path,
                Problem(
                    "the rule is never looked at: no visit lies between the second morning and the last",
                    expected="a visit within treatment, or 'every' beside the rule (every: 2 days)",
                ),
            )
        if "arms" in rule.model_fields_set and not rule.arms:
            yield (
                (*path, "arms"),
                Problem("no arm has the rule", expected="names of arms", remedy="remove it for all arms"),
            )


def never_met(study: Study) -> Found:
    """Conditions off the scale of their quantity, and steps that those before them leave nothing."""
    odds = study.indication.odds if study.indication else ()
    at_entry: list[tuple[Steps, Condition]] = [(("strata", i), test) for i, test in enumerate(study.strata)]
    at_entry += [(("indication", "odds", i, "when"), item.when) for i, item in enumerate(odds)]
    of_diary = [one for one in at_entry if one[1].quantity in DIARY_QUANTITIES]
    for path, test in (*conditions(study), *of_diary):
        low, high = _SCALES.get(test.quantity, (0.0, float("inf")))
        if not _some_between(test, low, high):
            scale = f"{low:g} to {high:g}" if high < float("inf") else "0 and above"
            yield path, Problem(f"'{test}' never holds", expected=f"{test.quantity} is {scale}")
    for i, test in enumerate(study.population.entry):
        if test.quantity in _FROM_RANDOMISATION:
            what = f"'{test.quantity}' is not known before randomisation"
            yield ("population", "entry", i), Problem(what, expected=_AT_ENTRY)
    for path, test in at_entry:
        if test.quantity in _FROM_RANDOMISATION - {"ome"}:
            what = f"'{test.quantity}' is not known before randomisation"
            yield path, Problem(what, expected="a covariate, 'ome' or an item of the run-in diary")
        elif test.quantity == "ome" and study.background.opioid is None:
            what = "'ome' is the dose of the background opioid, and there is none"
            yield path, Problem(what, remedy="leave the condition out")
    yield from _never_taken(study)


def _never_taken(study: Study) -> Found:
    """Steps of a titration that those before them leave nothing."""
    for path, rule in titrations(study):
        for i, step in enumerate(rule.steps):
            if step.change == 0:
                what = "the step changes nothing"
                yield (
                    (*path, "steps", i, "change"),
                    Problem(what, expected="a change up or down, in per cent"),
                )
            before = next((one for one in rule.steps[:i] if _holds_wherever(one.when, step.when)), None)
            if before is not None:
                what = f"the step is never taken: wherever '{step.when}' holds, '{before.when}' did before it"
                yield (*path, "steps", i), Problem(what, expected="the stricter condition first")


def _some_between(test: Condition, low: float, high: float) -> bool:
    """Whether a value of a scale can meet the condition."""
    ends = [low, high, *(limit for _, limit in test.tests if low <= limit <= high)]
    middles = [(one + other) / 2 for one in ends for other in ends if max(one, other) < float("inf")]
    return any(test.holds(value) for value in (*ends, *middles))


def _holds_wherever(wide: Condition, narrow: Condition) -> bool:
    """Whether one condition holds wherever the other does, judged at and beside all their limits."""
    if wide.quantity != narrow.quantity:
        return False
    limits = [limit for _, limit in (*wide.tests, *narrow.tests)]
    beside = [limit + shift for limit in limits for shift in (-1e-6, 0.0, 1e-6)]
    probes = [*beside, min(limits) - 1.0, max(limits) + 1.0]
    return all(wide.holds(value) for value in probes if narrow.holds(value))


def missing_items(study: Study) -> Found:
    """Endpoints and conditions that ask for something that nobody in this study can do or write down."""
    rules = study.rules
    there: dict[str, tuple[object, str, str]] = {
        "rescue_per_week": (rules.rescue_laxative, "rescue laxative", "add 'rules.rescue_laxative'"),
        "rescue_opioid_per_day": (rules.rescue_opioid, "rescue opioid", "add 'rules.rescue_opioid'"),
        "rescue_opioid": (rules.rescue_opioid, "rescue opioid", "add 'rules.rescue_opioid'"),
        "rotations": (rules.rotation, "change of opioid", "add 'rules.rotation'"),
        "rotated": (rules.rotation, "change of opioid", "add 'rules.rotation'"),
        "added": (rules.add, "added drug", "add 'rules.add'"),
        "stopped": ([rule for rule in rules.stop if rule.stop != "trial"], "rule that stops a drug",
                    "add 'rules.stop'"),
    }  # fmt: skip
    for i, endpoint in enumerate(study.endpoints):
        for key in ("quantity", "score", "event"):
            name = getattr(endpoint.params, key, None)
            if name in there and not there[name][0]:
                _, what, remedy = there[name]
                yield (
                    ("endpoints", i, "params", key),
                    Problem(
                        f"'{endpoint.id}' asks for '{name}', and the protocol has no {what}",
                        remedy=f"{remedy}, or judge something else",
                    ),
                )
    for path, test in conditions(study):
        if test.quantity in there and not there[test.quantity][0]:
            _, what, remedy = there[test.quantity]
            problem = Problem(f"'{test}' is asked, and the protocol has no {what}", remedy=remedy)
            yield path, problem


def without_opioid(study: Study, model: Model) -> Found:
    """Rules for opioids in arms in which nobody takes one at stated times."""
    opioid, other = study.background.opioid, study.background.other
    before = [*([choice.regimen for choice in opioid.choices] if opioid else []), *other]
    with_one = {
        name
        for name, arm in study.arms.items()
        if _any_opioid([*arm.regimen, *(before if arm.keep_background else ())], model)
    }
    rules = study.rules
    asked: list[tuple[Steps, Iterable[str]]] = []
    for path, titration in titrations(study):
        asked.append((path, _titrated(study, path, titration)))
    asked += [(("rules", "rotation"), rules.rotation.arms or study.arms)] if rules.rotation else []
    asked += [(("rules", "rescue_opioid"), study.arms)] if rules.rescue_opioid else []
    asked += [
        (("rules", "stop", i), rule.arms or study.arms)
        for i, rule in enumerate(rules.stop)
        if rule.stop == "opioid"
    ]
    for path, arms in asked:
        if not with_one & set(arms):
            who = "nobody who has it" if with_one else "nobody"
            yield (
                path,
                Problem(
                    f"the rule does nothing: {who} takes an opioid at stated times",
                    expected="an opioid in the background or in an arm that has the rule",
                ),
            )


def low_ceiling(study: Study, model: Model) -> Found:
    """Titrations whose ceiling lies below every first dose, so that nobody is ever raised."""
    for path, rule in titrations(study):
        arms = [name for name in _titrated(study, path, rule) if name in study.arms]
        least = [dose for name in arms if (dose := _least_dose(study, name, model)) is not None]
        if (
            rule.ceiling is not None
            and least
            and rule.ceiling < min(least)
            and any(s.change > 0 for s in rule.steps)
        ):
            yield (
                (*path, "ceiling"),
                Problem(
                    f"nobody is ever raised: the first dose is worth {min(least):g} mg a day or more, above"
                    f" the ceiling of {rule.ceiling:g}",
                    expected="mg of oral morphine equivalent a day, above the first dose",
                ),
            )


def _least_dose(study: Study, name: str, model: Model) -> float | None:
    """The smallest first dose of an arm, mg of oral morphine equivalent a day; None where it is not known."""
    arm, opioid = study.arms[name], study.background.opioid
    choices = [choice.regimen for choice in opioid.choices] if opioid and arm.keep_background else []
    total = 0.0
    try:
        total += sum(_worth(text, model) for text in (*arm.regimen, *study.background.other))
        own = [dosing for dosing in (regimen.parse(text, model) for text in choices) if not dosing.is_open]
        given = [regimen.morphine_equivalent(dosing, model) for dosing in own]
    except DoseError:
        return None
    if len(own) < len(choices):
        lower = opioid.ome.lower if opioid and opioid.ome is not None else None
        given.append(lower or 0.0)
    return total + min(given, default=0.0) or None


def _worth(text: str, model: Model) -> float:
    """The morphine equivalent of a regimen that is taken from the first day on."""
    dosing = regimen.parse(text, model)
    return regimen.morphine_equivalent(dosing, model) if dosing.first_day == 1 else 0.0


def _titrated(study: Study, path: Steps, rule: Titration) -> list[str]:
    """Arms that follow a titration: its own, or those without one (a name of no arm is told elsewhere)."""
    if path[0] == "arms":
        return [str(path[1])]
    names = rule.arms or study.arms
    return [name for name in names if name not in study.arms or study.arms[name].titration is None]


def _any_opioid(texts: Iterable[str], model: Model) -> bool:
    for text in texts:
        try:
            dosing = regimen.parse(text, model)
        except DoseError:
            return True  # what it is meant to be is said elsewhere
        product = dosing.product
        if product is not None and product.drug_class == "opioid" and dosing.is_active:
            return True
    return False


def window_problem(endpoint: Endpoint) -> Problem | None:
    """Why the window of an endpoint is not what its rule judges."""
    window = endpoint.window
    if window is not None and endpoint.rule in {"any_within", "after_doses"}:
        return Problem(f"'{endpoint.rule}' counts from the first dose and has no window", remedy="remove it")
    if window is not None and window.start > 0 and endpoint.rule in {"time_to_first", "survival"}:
        return Problem(
            f"'{endpoint.rule}' counts from randomisation, and '{window.text}' begins later",
            expected=f"a window that begins with the first day, such as days 1-{window.days[-1]}",
        )
    return None
