"""Errors say where, what was expected and what to do; all problems at once."""

from opiome import errors


def test_a_problem_is_one_paragraph():
    problem = errors.Problem(
        "unknown drug 'morfine'",
        file="a.yaml",
        line=3,
        column=7,
        field="arms.a",
        expected="a drug of the model",
        remedy="did you mean 'morphine'?",
    )
    assert str(problem) == (
        "a.yaml:3:7: arms.a: unknown drug 'morfine'; expected a drug of the model. Did you mean 'morphine'?"
    )


def test_an_input_error_holds_every_problem():
    error = errors.StudyError([errors.Problem("one"), errors.Problem("two")])
    assert str(error) == "one.\ntwo."
    assert error.exit_code == 2
    assert isinstance(error, ValueError)


def test_nearest_ignores_case_and_gives_up_on_strangers():
    assert errors.nearest("Morfine", ["morphine", "oxycodone"]) == "morphine"
    assert errors.nearest("zzz", ["morphine", "oxycodone"]) is None
