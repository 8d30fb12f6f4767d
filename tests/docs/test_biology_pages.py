"""The pages of the biology hold everything that the model's files hold."""

from __future__ import annotations

import re

import pytest

from opiome import load_model
from opiome.report import biology_pages
from opiome.report._latex import Writer, equation
from opiome.report._markdown import linked, table


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("biology")
    biology_pages(folder, model)
    return folder


@pytest.fixture(scope="module")
def pages(folder):
    return {page.stem: page.read_text(encoding="utf-8") for page in folder.glob("*.md")}


def test_one_page_per_mechanism_and_a_way_to_each(pages, model):
    mechanisms = set(model.mechanisms["id"])
    assert set(pages) == mechanisms | {"index", "edges", "drugs", "numbers"}
    for name in (*mechanisms, "edges", "drugs", "numbers"):
        assert re.search(rf"^{name}$", pages["index"], re.MULTILINE), name


def test_every_statement_is_an_equation(pages, model):
    for row in model.mechanisms.iter_rows(named=True):
        own = model.equations.filter(mechanism=row["id"])
        written = sum(kind != "text" for kind in own["kind"])
        assert pages[row["id"]].count("\n$$\n") // 2 + pages[row["id"]].startswith("$$") == written, row["id"]


def test_every_number_stands_on_one_page(pages, model):
    text = "\n".join(pages.values())
    rows = model.draft.tables["parameters"].frame()
    missing = [name for name in rows["id"].unique() if f"`{name}`" not in text]
    assert not missing
    for row in rows.filter(mechanism="pain").iter_rows(named=True):
        assert f"{row['value']:g}" in pages["pain"]


def test_every_edge_is_on_the_page_of_edges_and_on_that_of_a_mechanism(pages, model):
    mechanisms = "\n".join(pages[name] for name in model.mechanisms["id"])
    for edge in model.edges["id"]:
        assert f"`{edge}`" in pages["edges"], edge
        assert f"`{edge}`" in mechanisms, edge


def test_every_drug_and_quantity(pages, model):
    for row in model.drugs.iter_rows(named=True):
        assert row["drug"].lower() in pages["drugs"].lower()
    for quantity in model.pharmacology["quantity"].unique():
        assert f"`{quantity}`" in pages["drugs"], quantity


def test_pages_that_do_not_change_are_left_alone_and_old_ones_go(folder, model):
    stray = folder / "phlogiston.md"
    stray.write_text("# Phlogiston\n", encoding="utf-8")
    before = {page: page.stat().st_mtime_ns for page in folder.glob("*.md") if page != stray}
    biology_pages(folder, model)
    assert not stray.exists()
    assert {page: page.stat().st_mtime_ns for page in folder.glob("*.md")} == before


# -- formulas --

PLAIN = Writer(
    frozenset({"right", "opioid"}), frozenset({"right_water", "opioid_KA"}), lambda name: name == "gain"
)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("a + b*c", r"\text{a} + \text{b} \cdot \text{c}"),
        ("a - (b - c)", r"\text{a} - \left(\text{b} - \text{c}\right)"),
        ("a/b/c", r"\frac{\text{a}}{\text{b} \cdot \text{c}}"),
        ("a*b/c*d", r"\frac{\text{a} \cdot \text{b}}{\text{c}} \cdot \text{d}"),
        ("a/(b/c)", r"\frac{\text{a}}{\frac{\text{b}}{\text{c}}}"),
        ("(a + b)^2", r"{\left(\text{a} + \text{b}\right)}^{2}"),
        ("-a", r"- \text{a}"),
        ("gain*ln(a)", r"\textit{gain} \cdot \ln\!\left(\text{a}\right)"),
        ("sqrt(a)", r"\sqrt{\text{a}}"),
        ("1e-6*a", r"10^{-6} \cdot \text{a}"),
        ("edge_opioid_motility", r"\gamma_{\text{opioid motility}}"),
        ("right_water", r"\text{water}_{\text{right}}"),
        ("right_of_way", r"\text{right of way}"),
        ("opioid_KA", r"K_{\text{A},\text{opioid}}"),
        ("{seg}_water", r"\text{water}_{\textit{seg}}"),
        ("plasma_lps_baseline", r"\text{plasma LPS}_{\text{0}}"),
    ],
)
def test_formulas_read_as_they_are_meant(formula, expected):
    assert PLAIN.formula(formula).text == expected


def test_a_long_sum_breaks_between_its_terms():
    names = [f"quite_a_long_name_number_{i}" for i in range(9)]
    tex = equation(PLAIN, "rate", "x", " + ".join(names))
    lines = tex.splitlines()
    assert lines[0] == r"\begin{aligned}"
    assert len(lines) > 3
    assert all(line.startswith(r"& \quad {} +") for line in lines[2:-1])
    assert tex.count("{") == tex.count("}")


def test_what_cannot_be_read_is_refused():
    with pytest.raises(ValueError, match="syntax error"):
        PLAIN.formula("a +* b")


def test_sources_become_links():
    told = linked("Kang 2017 doi:10.1038/srep42658; PMID 8612393; PMC1995596, and <b>nobody</b>")
    assert "(<https://doi.org/10.1038/srep42658>)" in told
    assert "(https://pubmed.ncbi.nlm.nih.gov/8612393/)" in told
    assert "(https://pmc.ncbi.nlm.nih.gov/articles/PMC1995596/)" in told
    assert "<b>" not in told.replace(r"\<b\>", "")
    assert "(<https://doi.org/10.1111/bcp.12756>)" in linked("doi:10.1111/bcp.12756: ka 4.56/h")


def test_tables_leave_empty_columns_out():
    assert table(["A", "B"], [["1", ""], ["2", ""]]) == "| A |\n| --- |\n| 1 |\n| 2 |"
