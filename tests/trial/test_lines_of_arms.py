"""Lines of a study that could be read as another treatment than the one that was meant are refused."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from opiome.model._draft import read_draft
from opiome.model._model import Model
from opiome.trial import lint, load_study
from opiome.trial._therapy import Therapy

ARM = "[naldemedine 0.2 mg daily]"
LINES = [
    (ARM, "[naldemedine 0.2 mg daily, bisacodyl 10 mg as needed]", "would never be taken"),
    (ARM, "[naldemedine 0.2 mg daily from day 15]", "begins after treatment"),
    (ARM, "[naldemedine 0.2 mg daily, stop tramadol on day 3]", "nobody takes tramadol"),
    (ARM, "[naldemedine 0.2 mg daily, naldemedine 0.2 mg daily]", "is given twice"),
    ("bisacodyl 10 mg as needed", "morphine IR 5 mg as needed", "relieves no constipation"),
    ("value: 71.1,", "value: 171.1,", "171.1 % of patients"),
]


@pytest.mark.parametrize(("old", "new", "words"), LINES, ids=[line[2] for line in LINES])
def test_a_line_without_effect_is_refused(tmp_path, old, new, words):
    text = (resources.files("opiome") / "studies" / "compose-4.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "changed.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    (problem,) = lint(path)
    assert words in problem.message
    assert problem.line == text[: text.index(old)].count("\n") + 1


def test_what_some_patients_arrive_on_can_be_stopped(tmp_path):
    text = (resources.files("opiome") / "studies" / "compose-4.yaml").read_text(encoding="utf-8")
    path = tmp_path / "changed.yaml"
    path.write_text(text.replace(ARM, "[naldemedine 0.2 mg daily, stop senna on day 3]"), encoding="utf-8")
    assert not lint(path)


def test_what_is_left_of_a_drug_that_was_replaced_stays_that_drug(tmp_path):
    """A dose of morphine in the depot must not turn into as many nmol of fentanyl."""
    text = (resources.files("opiome") / "studies" / "first-opioid.yaml").read_text(encoding="utf-8")
    opioid = "  opioid: {choices: [{weight: 1, regimen: morphine CR 30 mg every 12 h}]}\n"
    text = text.replace("  duration: 4 weeks", f"{opioid}  duration: 4 weeks", 1).replace(
        "regimen: [morphine CR 11 mg every 12 h]",
        "keep_background: false\n    regimen: [fentanyl patch 25 ug/h every 72 h]",
    )
    path = tmp_path / "rotation.yaml"
    path.write_text(text, encoding="utf-8")
    model = Model("", read_draft(None, "human"))
    therapy = Therapy(load_study(path, model), model, 1)
    patients = np.arange(2)
    (line,) = therapy.assigned(therapy.draw(patients), "morphine")
    slots = therapy._slots(therapy.opioids[0], [], "morphine")
    assert slots == {("morphine", "CR"): "opioid", ("fentanyl", "TD"): "rescue"}
    assert {row["CMT"] for row in line.rows} == {"rescue_depot"}
