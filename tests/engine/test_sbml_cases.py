"""SBML semantics, case by case from the specification (level 3 version 2), compared with libRoadRunner.

Each case names the section that it is about. Outputs are compared at times that no event falls on.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from opiome import engine
from opiome.errors import ModelError, UnsupportedSbmlError

# each name: the section, the model in Antimony, the outputs
CASES = {
    "one reaction": ("4.11", "species A, B; A = 3; B = 0; J: A -> B; k*A; k = 0.4", "A B"),
    "reversible reaction": (
        "4.11",
        "species A, B; A = 3; B = 1; J: A -> B; k*A - q*B; k = 0.4; q = 0.7",
        "A B",
    ),
    "stoichiometry of two": ("4.11.3", "species A, B; A = 3; B = 0; J: 2 A -> 3 B; k*A^2; k = 0.1", "A B"),
    "fractional stoichiometry": ("4.11.3", "species A, B; A = 3; B = 0; J: A -> 0.25 B; k*A; k = 0.4", "A B"),
    "modifier": (
        "4.11.4",
        "species A, B, E; A = 3; B = 0; E = 0.5; J: A -> B; k*E*A/(1 + A); k = 2",
        "A B E",
    ),
    "source and sink": ("4.11", "species A; A = 0; J: -> A; 2; K: A -> ; 0.3*A", "A"),
    "same species on both sides": ("4.11", "species A; A = 1; J: A -> 2 A; 0.3*A*(1 - A/5)", "A"),
    "boundary species": ("4.6.5", "species A, $B; A = 1; B = 4; J: B -> A; 0.2*B; K: A -> ; 0.1*A", "A B"),
    "boundary species with a rate rule": (
        "4.6.5",
        "species A, $B; A = 1; B = 4; B' = -0.1*B; J: B -> A; 0.2*B",
        "A B",
    ),
    "boundary species with an assignment": (
        "4.6.5",
        "species A, $B; A = 1; B := 2 + sin(time); J: B -> A; 0.2*B",
        "A B",
    ),
    "constant species": ("4.6.4", "const species C; species A; C = 2; A = 0; J: -> A; C*0.5", "A C"),
    "compartment of two litres": (
        "4.5",
        "compartment c = 2; species A in c, B in c; A = 3; B = 0; J: A -> B; c*0.4*A",
        "A B",
    ),
    "two compartments": (
        "4.5",
        "compartment c = 2; compartment d = 5; species A in c, B in d; A = 3; B = 0; J: A -> B; 0.4*A - 0.1*B",  # noqa: E501
        "A B",
    ),
    "substance units only": (
        "4.6.6",
        "compartment c = 4; substanceOnly species A in c; species B in c; A = 3; B = 0; J: A -> B; 0.4*A",
        "A B",
    ),
    "compartment that grows": (
        "4.5.4",
        "compartment c; c = 2; c' = 0.3; species A in c; A = 3; J: A -> ; 0.4*A",
        "A c",
    ),
    "compartment by assignment": (
        "4.5.4",
        "compartment c; c := 2 + 0.5*time; species A in c; A = 3; J: A -> ; 0.4*A",
        "A c",
    ),
    "rate rule": ("4.9.3", "x = 2; x' = -0.3*x", "x"),
    "coupled rate rules": ("4.9.3", "x = 2; y = 0; x' = y; y' = -x - 0.1*y", "x y"),
    "rate rule with the time": ("3.4.7", "x = 2; x' = cos(time) - 0.1*x", "x"),
    "assignment rule": ("4.9.2", "x = 2; x' = -0.3*x; y := x^2 + 1", "x y"),
    "assignment rules out of order": (
        "4.9.2",
        "x = 2; x' = -0.3*z; y := x^2; z := y + w; w := 0.1*x",
        "x y z w",
    ),
    "assignment rule in a rate": ("4.9.2", "x = 2; v := x/(1 + x); x' = -v", "x v"),
    "initial assignment": ("4.8", "p = 3; x = p^2 + 1; x' = -0.3*x", "x"),
    "initial assignment of a constant": ("4.8", "p = 3; q = 2*p; x = 1; x' = -q*x", "x q"),
    "initial assignment from an assignment rule": (
        "4.8",
        "p = 3; r := 2*p + x; x = 1; x' = -x; q = r; y = 0; y' = q",
        "x y",
    ),
    "initial assignment of a species": (
        "4.8",
        "compartment c = 2; species A in c; p = 1.5; A = 2*p; J: A -> ; 0.4*A",
        "A",
    ),
    "initial assignment of a compartment": (
        "4.8",
        "p = 1.5; compartment c = 2*p; species A in c; A = 4; J: A -> ; 0.4*A",
        "A c",
    ),
    "chain of initial assignments": ("4.8", "p = 3; q = r + 1; r = 2*p; x = q*r; x' = -x/q", "x"),
    "function definition": (
        "4.3",
        "function mm(s, v, k)\n v*s/(k + s)\nend\nmodel m\n x = 5; x' = -mm(x, 1.2, 0.4)\nend",
        "x",
    ),
    "nested function definitions": (
        "4.3",
        "function sq(a)\n a^2\nend\nfunction h(s)\n sq(s)/(4 + sq(s))\nend\nmodel m\n x = 5; x' = -h(x)\nend",
        "x",
    ),
    "piecewise": ("3.4", "x = 5; x' = piecewise(-1, x > 3, -0.2*x)", "x"),
    "piecewise of the time": ("3.4", "x = 0; x' = piecewise(1, time < 2.2, -0.5, time < 4.1, 0.3)", "x"),
    "logic": ("3.4", "x = 5; x' = -0.5; y := piecewise(1, x > 4 || x < 2 && !(x < 1), 0)", "x y"),
    "minimum and maximum": ("3.4", "x = 5; x' = -min(x, 1) - max(0, x - 4)", "x"),
    "powers and roots": ("3.4", "x = 5; x' = -0.2*sqrt(x) - 0.1*x^1.7 - 0.01*root(3, x); y := x^(-2)", "x y"),
    "logarithms": ("3.4", "x = 5; x' = -ln(1 + x); y := log10(x + 1) + log(3, x + 2)", "x y"),
    "trigonometry": (
        "3.4",
        "x = 0.5; x' = 0.1; y := sin(x) + tan(x) + arctan(x) + arcsin(x/9) + cosh(x) + tanh(x)",
        "x y",
    ),
    "floor, ceiling and absolute value": (
        "3.4",
        "x = -2.3; x' = 0.7; y := floor(x) + 2*ceil(x) + abs(x)",
        "y",
    ),
    "constants": ("3.4", "x = 1; x' = -pi*x/10; y := exponentiale*x", "x y"),
    "rate of a variable": ("3.4", "x = 2; x' = -0.3*x; y := rateOf(x)", "x y"),
    "rate of a species": ("3.4", "species A; A = 2; J: A -> ; 0.3*A; y := rateOf(A)", "A y"),
    "event in time": ("4.12", "x = 2; x' = -0.3*x; E: at time > 3.05: x = 5", "x"),
    "event at a state": ("4.12", "x = 5; x' = -0.3*x; E: at x < 2: x = 4", "x"),
    "event that changes a parameter": ("4.12", "k = 0.3; x = 5; x' = -k*x; E: at x < 2.5: k = 0.05", "x k"),
    "event with a delay": ("4.12.3", "x = 5; x' = -0.3*x; E: at 1.5 after x < 2.5: x = 5", "x"),
    "event with values from its trigger": (
        "4.12.1",
        "x = 5; x' = -0.3*x; E: at 1.5 after x < 2.5, fromTrigger=true: x = x + 3",
        "x",
    ),
    "event with values from its execution": (
        "4.12.1",
        "x = 5; x' = -0.3*x; E: at 1.5 after x < 2.5, fromTrigger=false: x = x + 3",
        "x",
    ),
    "event that is true at the start": ("4.12.2", "x = 5; x' = -0.3*x; E: at x > 1, t0=false: x = 7", "x"),
    "event that was true before the start": (
        "4.12.2",
        "x = 5; x' = -0.3*x; E: at x > 1, t0=true: x = 7",
        "x",
    ),
    "event that does not persist": (
        "4.12.2",
        "x = 5; x' = -1; y = 0; y' = 0; E: at 2 after (x < 3 && x > 2), persistent=false: y = 1",
        "x y",
    ),
    "event that persists": (
        "4.12.2",
        "x = 5; x' = -1; y = 0; y' = 0; E: at 2 after (x < 3 && x > 2), persistent=true: y = 1",
        "x y",
    ),
    "two events at once, by priority": (
        "4.12.4",
        "x = 1; x' = 0; E: at time > 2.05, priority=1: x = x + 1; F: at time > 2.05, priority=2: x = x*10",
        "x",
    ),
    "event that triggers another": (
        "4.12",
        "x = 1; x' = 0.5; y = 0; y' = 0; E: at x > 2: y = 3; F: at y > 1: x = 0",
        "x y",
    ),
    "two assignments at once": (
        "4.12.5",
        "x = 1; y = 2; x' = 0.1; y' = -0.1; E: at time > 2.05: x = y, y = x",
        "x y",
    ),
    "event on a species": (
        "4.12",
        "compartment c = 2; species A in c; A = 3; J: A -> ; c*0.4*A; E: at A < 1: A = 2",
        "A",
    ),
    "event on a compartment": (
        "4.12",
        "compartment c; c = 2; species A in c; A = 3; J: A -> ; 0.4*A; E: at time > 2.05: c = 4",
        "A c",
    ),
    "event that a step cannot end on": (  # the difference of two states hardly changes while time goes on
        "4.12",
        "species A, B; A = 0.01; B = 0.012; J: B -> A; 75*B^2 - 25*A^2; E: at A > B: A = 0.005, B = 0.02",
        "A B",
    ),
    "comparison of parameters in a trigger": (
        "4.12",
        "k = 1; x = 5; x' = -0.3*x; E: at x < 2 && k < 3: x = 4; F: at x > 3.5 && k > 3, t0=true: x = 9",
        "x",
    ),
    "event on the volume of a concentration with a rate rule": (
        "4.12.4",
        "compartment c; c = 2; c' = 0.1; species $A in c; A = 3; A' = 0.4; E: at time > 2.05: c = 1",
        "A c",
    ),
    "species without a reaction in a volume that changes": (
        "4.6.6",
        "compartment c; c = 2; c' = 0.3; species A in c; A = 3; species $B in c; B = 4; x := A + B",
        "A B c x",
    ),
    "rate of a concentration in a volume that changes": (
        "3.4",
        "compartment c; c = 2; c' = 0.3; species A in c; A = 3; J: A -> ; 0.4*A; y := rateOf(A)",
        "A y",
    ),
    "rate in an initial assignment": ("4.8", "x = 2; x' = -0.3*x; p = 4*rateOf(x); y = 1; y' = p", "x y p"),
    "hyperbolic functions": (
        "3.4",
        "x = 0.3; x' = 0.1; y := arcsinh(x) + arctanh(x/2) + arccosh(1 + x) + sech(x) + csch(x) + coth(x)",
        "x y",
    ),
    "inverse reciprocal functions": (
        "3.4",
        "x = 0.3; x' = 0.1; y := arcsec(1 + x) + arccsc(1 + x) + arccot(x) + arcsech(x/2) + arccoth(1 + x)",
        "x y",
    ),
    "factorial of a constant": (
        "3.4",
        "x = 0.3; x' = factorial(4) * x / 100; y := arccsch(x)",
        "x y",
    ),
    "output of a reaction rate": ("4.11.7", "species A, B; A = 3; B = 0; J: A -> B; k*A; k = 0.4", "J"),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name, sbml, roadrunner_run):
    _, text, outputs = CASES[name]
    model, names = sbml(text), outputs.split()
    times = np.array([0.0, *np.arange(0.31, 8.0, 0.473)])
    program = engine.compile(model, outputs=names)
    run = program.ensemble({}, n=1, rtol=1e-9, atol=1e-12, signed=program.states)
    mine = run.advance(8.0, at=times).values[0]
    assert run.failures == []
    species = set(re.findall(r'<species [^>]*?\bid="(\w+)"', model))
    amounts = set(re.findall(r'<species [^>]*?\bid="(\w+)"[^>]*?hasOnlySubstanceUnits="true"', model))
    theirs = roadrunner_run(model, [f"[{n}]" if n in species - amounts else n for n in names], times)
    np.testing.assert_allclose(mine[1:], theirs[1:], rtol=2e-6, atol=2e-7)


def test_initial_amount(sbml, roadrunner_run):
    model = sbml("compartment c = 4; species A in c; A = 3; J: A -> ; 0.4*A")
    model = model.replace('initialConcentration="3"', 'initialAmount="3"')
    program = engine.compile(model, outputs=["A"])
    assert program.start({})[0, 0] == 3.0
    mine = program.ensemble({}, n=1, rtol=1e-9).advance(5.0, at=[0.0, 1.0, 5.0]).values[0]
    np.testing.assert_allclose(mine, roadrunner_run(model, ["[A]"], [0.0, 1.0, 5.0]), rtol=1e-6)


def test_a_trigger_that_holds_inside_a_step(sbml):
    """sin(3 t) < 0 holds and fails again within one of the long steps that a slow state allows."""
    text = "x = 1; x' = -0.01*x; n = 0; at (sin(3*time) < 0), t0=false: n = n + 1"
    run = engine.compile(sbml(text), outputs=["n"]).ensemble({}, rtol=1e-6)
    times = np.array([1.0, 1.1, 3.1, 3.2, 5.2, 5.3, 9.0])
    values = run.advance(9.0, at=times).values[0, :, 0]
    assert np.array_equal(values, [0, 1, 1, 2, 2, 3, 4])  # from pi/3, pi, 5 pi/3, 7 pi/3 on


def test_events_at_time_zero_are_part_of_the_start(sbml):
    """Level 3: a trigger that was false before the start and holds at time 0 fires there."""
    program = engine.compile(
        sbml("x = 5; x' = 0; y := x + 1; E: at x > 1, t0=false: x = 7"), outputs=["x", "y"]
    )
    run = program.ensemble({}, n=2)
    np.testing.assert_array_equal(run.advance(1.0, at=[0.0, 0.5]).values[1], [[7.0, 8.0], [7.0, 8.0]])


def test_a_model_without_states(sbml):
    program = engine.compile(sbml("p = 3; y := p * time; E: at time > 1.5: p = 5"), outputs=["p", "y"])
    values = program.ensemble({"p": np.array([3.0, 4.0])}).advance(2.0, at=[0.0, 1.0, 2.0]).values
    np.testing.assert_allclose(values[..., 0], [[3, 3, 5], [4, 4, 5]])
    np.testing.assert_allclose(values[..., 1], [[0, 3, 10], [0, 4, 10]])


SUBMODELS = """<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"
 xmlns:comp="http://www.sbml.org/sbml/level3/version1/comp/version1" comp:required="true">
<model id="two"><comp:listOfSubmodels>
<comp:submodel comp:id="a" comp:modelRef="one"/><comp:submodel comp:id="b" comp:modelRef="one"/>
</comp:listOfSubmodels></model>
<comp:listOfModelDefinitions><comp:modelDefinition id="one">
<listOfParameters>
<parameter id="x" value="2" constant="false"/><parameter id="k" value="0.5" constant="true"/>
</listOfParameters><listOfRules><rateRule variable="x"><math xmlns="http://www.w3.org/1998/Math/MathML">
<apply><times/><apply><minus/><ci>k</ci></apply><ci>x</ci></apply></math></rateRule></listOfRules>
</comp:modelDefinition></comp:listOfModelDefinitions></sbml>"""


LEVEL_2 = """<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4"><model id="older">
<listOfCompartments><compartment id="c" size="2"/></listOfCompartments>
<listOfSpecies><species id="A" compartment="c" initialAmount="3"/>
<species id="B" compartment="c" initialAmount="0"/></listOfSpecies>
<listOfParameters><parameter id="n" value="3"/></listOfParameters><listOfReactions><reaction id="J">
<listOfReactants><speciesReference species="A"/></listOfReactants>
<listOfProducts><speciesReference species="B"><stoichiometryMath>
<math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><cn>2</cn><ci>n</ci></apply></math>
</stoichiometryMath></speciesReference></listOfProducts><kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML">
<apply><times/><ci>c</ci><ci>k</ci><ci>A</ci></apply></math><listOfParameters><parameter id="k" value="0.5"/>
</listOfParameters></kineticLaw></reaction></listOfReactions></model></sbml>"""


def test_level_2_with_a_formula_for_the_stoichiometry():
    program = engine.compile(LEVEL_2, outputs=["A", "B"])
    values = program.ensemble({"n": np.array([3.0, 0.5])}, rtol=1e-9).advance(2.0, at=[2.0]).values[:, 0]
    left = 1.5 * np.exp(-1.0)  # a concentration
    np.testing.assert_allclose(values, [[left, 6 * (1.5 - left)], [left, 1.5 - left]], rtol=1e-7)


def test_submodels_are_flattened():
    program = engine.compile(SUBMODELS, outputs=["a__x", "b__x"])
    values = program.ensemble({"b__k": 1.0}, n=1, rtol=1e-9).advance(2.0, at=[2.0]).values[0, 0]
    np.testing.assert_allclose(values, [2 * np.exp(-1.0), 2 * np.exp(-2.0)], rtol=1e-7)


def test_submodels_in_other_files_are_refused():
    text = SUBMODELS.replace("<comp:listOfModelDefinitions>", "<comp:listOfExternalModelDefinitions>")
    text = re.sub(r"<comp:modelDefinition .*</comp:modelDefinition>", "", text, flags=re.DOTALL)
    text = text.replace(
        "</comp:listOfModelDefinitions>",
        '<comp:externalModelDefinition comp:id="one" comp:source="elsewhere.xml"/>'
        "</comp:listOfExternalModelDefinitions>",
    )
    with pytest.raises((UnsupportedSbmlError, ModelError), match=r"comp|elsewhere"):
        engine.compile(text)


def test_what_has_no_mathematics_says_nothing(sbml):
    """Level 3 version 2 lets a rule, an assignment, a trigger, a delay or a priority be without a formula."""
    text = sbml("x = 3; x' = -x; p = 4; E: at 2 after x < 2, priority=1: p = 5; F: at x < 1: p = 9")
    text = text.replace("level3/version1/core", "level3/version2/core").replace(
        'version="1"', 'version="2"', 1
    )
    text = re.sub(r"<delay>.*?</delay>", "<delay/>", text, flags=re.DOTALL)
    text = re.sub(r"<priority>.*?</priority>", "<priority/>", text, flags=re.DOTALL)
    begin = text.index('<event id="F"')
    text = text[:begin] + re.sub(r"<math.*?</math>", "", text[begin:], count=1, flags=re.DOTALL)
    program = engine.compile(text, outputs=["p"])
    values = program.ensemble({}, n=1).advance(3.0, at=[0.3, 0.5, 3.0]).values[0, :, 0]
    np.testing.assert_array_equal(values, [4.0, 5.0, 5.0])


def test_a_short_switch_in_time_is_not_jumped_over(sbml):
    program = engine.compile(sbml("x = 0; x' = piecewise(1, time > 50 && time < 50.001, 0)"), outputs=["x"])
    value = program.ensemble({}, n=1).advance(100.0, at=[100.0]).values[0, 0, 0]
    assert value == pytest.approx(1e-3, rel=1e-5)


def test_there_are_enough_cases():
    assert len(CASES) >= 40


def test_local_parameters_shadow_global_ones(sbml, roadrunner_run):
    model = sbml("species A, B; A = 3; B = 0; J: A -> B; k*A; k = 0.4")
    model = model.replace(
        "</kineticLaw>",
        '<listOfLocalParameters><localParameter id="k" value="0.9"/></listOfLocalParameters></kineticLaw>',
    )
    program = engine.compile(model, outputs=["A", "B"])
    assert program.defaults["J_k"] == 0.9
    mine = program.ensemble({}, n=1, rtol=1e-9).advance(5.0, at=[1.0, 5.0]).values[0]
    np.testing.assert_allclose(mine, roadrunner_run(model, ["[A]", "[B]"], [0.0, 1.0, 5.0])[1:], rtol=1e-6)
    faster = program.ensemble({"J_k": 2.0}, n=1, rtol=1e-9).advance(1.0, at=[1.0]).values[0, 0]
    np.testing.assert_allclose(faster, [3 * np.exp(-2.0), 3 - 3 * np.exp(-2.0)], rtol=1e-7)


def test_conversion_factor(sbml, roadrunner_run):
    model = sbml("species A, B; A = 3; B = 0; J: A -> B; k*A; k = 0.4; f = 2.5")
    model = re.sub(r'(<species id="B")', r'\1 conversionFactor="f"', model)
    program = engine.compile(model, outputs=["A", "B"])
    mine = program.ensemble({}, n=1, rtol=1e-9).advance(5.0, at=[1.0, 5.0]).values[0]
    np.testing.assert_allclose(mine, roadrunner_run(model, ["[A]", "[B]"], [0.0, 1.0, 5.0])[1:], rtol=1e-6)
