"""The rules of a study that look at the diary, and the conditions in them, each with its path in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opiome.trial._fields import Condition
    from opiome.trial._protocol_fields import DiaryRule, Titration
    from opiome.trial._schema import Study
    from opiome.trial._yaml import Steps

__all__ = ["conditions", "every_rule", "titrations"]


def titrations(study: Study) -> Iterator[tuple[Steps, Titration]]:
    """Every rule that changes doses by steps: that of all arms and those of single arms."""
    if study.rules.titration is not None:
        yield ("rules", "titration"), study.rules.titration
    for name, arm in study.arms.items():
        if arm.titration is not None:
            yield ("arms", name, "titration"), arm.titration


def every_rule(study: Study) -> Iterator[tuple[Steps, DiaryRule]]:
    """Every rule that looks at the diary, with its path."""
    rules = study.rules
    yield from titrations(study)
    if rules.rotation is not None:
        yield ("rules", "rotation"), rules.rotation
    for i, added in enumerate(rules.add):
        yield ("rules", "add", i), added
    for i, stop in enumerate(rules.stop):
        yield ("rules", "stop", i), stop


def conditions(study: Study) -> Iterator[tuple[Steps, Condition]]:
    """Every condition on the diary, with its path: of entry, of leaving and of the rules."""
    rules = study.rules
    for i, test in enumerate(study.population.entry):
        yield ("population", "entry", i), test
    for i, driver in enumerate(study.dropout.drivers):
        yield ("dropout", "drivers", i, "when"), driver.when
    for path, titration in titrations(study):
        for i, step in enumerate(titration.steps):
            yield (*path, "steps", i, "when"), step.when
    if rules.rotation is not None:
        for i, trigger in enumerate(rules.rotation.triggers):
            yield ("rules", "rotation", "triggers", i, "when"), trigger.when
    for i, added in enumerate(rules.add):
        yield ("rules", "add", i, "when"), added.when
    for i, stop in enumerate(rules.stop):
        yield ("rules", "stop", i, "when"), stop.when
