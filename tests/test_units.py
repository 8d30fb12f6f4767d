"""Quantities as people write them."""

import pytest

from opiome import errors, units


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("30 mg", "g", 0.03),
        ("25 ug/h", "mg/h", 0.025),
        ("25 mcg/h", "mg/h", 0.025),
        ("0.2mg", "ug", 200.0),
        ("1e3 µg", "mg", 1),
    ],
)
def test_a_quantity_is_converted(text, unit, value):
    assert units.quantity(text).to(unit) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("text", "value"), [("2 weeks", 336), ("12 h", 12), ("3 d", 72), ("30 min", 0.5)])
def test_durations_are_hours(text, value):
    assert units.hours(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["12", "12 mg", "soon", "", "3 4 h", "1__0 h!"])
def test_what_is_not_a_duration_is_refused(text):
    with pytest.raises(errors.InputError):
        units.hours(text)


def test_an_unknown_unit_names_the_nearest():
    with pytest.raises(errors.InputError, match="Did you mean 'week'"):
        units.quantity("3 weesk")


def test_mass_becomes_amount_by_the_molar_mass():
    assert units.nanomoles(units.quantity("285.34 mg"), 285.34) == pytest.approx(1e6)
    assert units.nanomoles(units.quantity("2 umol"), None) == pytest.approx(2000)
    with pytest.raises(errors.InputError, match="molar mass"):
        units.nanomoles(units.quantity("1 mg"), None)
    with pytest.raises(errors.InputError, match="not an amount"):
        units.nanomoles(units.quantity("1 h"), 100)


def test_the_wrong_dimension_is_refused():
    with pytest.raises(errors.InputError, match="cannot be expressed"):
        units.quantity("1 mg").to("hour")
