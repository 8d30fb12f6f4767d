"""The HTML report: complete, self-contained, and true to its tables whatever is missing from them."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import polars as pl
import pytest

from opiome import report
from opiome.errors import ResultsError

TABLES = ("patients", "bands", "diary", "endpoints", "contrasts", "nodes")
VOID = {"meta", "br", "link", "img", "hr"}


class Page(HTMLParser):
    """Elements, ids, references and open tags of a page; fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.tags, self.ids, self.links, self.labelled = text, [], [], [], []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        self.links += [value for name, value in attrs if name in {"href", "src", "xlink:href", "srcset"}]
        self.labelled += given.get("aria-labelledby", "").split()

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words += data

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> does not match at {self.getpos()}"


@pytest.fixture
def render(tmp_path):
    def make(results) -> Page:
        return Page(report.html(results, tmp_path / "report.html").read_text(encoding="utf-8"))

    return make


@pytest.fixture(scope="module")
def page(tmp_path_factory, made) -> Page:
    return Page(
        report.html(made, tmp_path_factory.mktemp("page") / "report.html").read_text(encoding="utf-8")
    )


def changed(results, **tables):
    return SimpleNamespace(**{**vars(results), **tables})


def test_the_page_needs_nothing_else(page):
    assert not [tag for tag, _ in page.tags if tag in {"script", "link", "iframe", "object", "img"}]
    assert [link for link in page.links if not link.startswith("#")] == []
    assert "@import" not in page.text
    assert not re.search(r"url\((?!#)", page.text)
    assert len(page.text.encode()) < 3_000_000


def test_ids_are_unique_and_every_reference_finds_one(page):
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    wanted = (
        {link[1:] for link in page.links}
        | set(page.labelled)
        | set(re.findall(r"url\(#([^)]+)\)", page.text))
    )
    assert wanted <= set(page.ids)


def test_a_screen_reader_finds_its_way(page):
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == 1
    assert dict(page.tags)["html"]["lang"] == "en"
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    pictures = [given for tag, given in page.tags if tag == "svg" and given.get("aria-hidden") != "true"]
    assert len(pictures) >= 12
    assert all(given.get("role") == "img" and given.get("aria-labelledby") for given in pictures)
    assert all("scope" in given for tag, given in page.tags if tag == "th")
    assert tags.count("caption") == tags.count("table")


def test_the_sections_stand_in_their_order(page):
    sections = ("answer", "endpoints", "tables", "flow", "courses", "map", "evidence", "computed")
    places = [page.text.index(f'<section id="{key}"') for key in sections]
    assert places == sorted(places)
    assert "not advice for a patient" in page.text


def test_every_endpoint_shows_its_verdict_in_words(page, made):
    table = page.text[page.text.index('<section id="tables"') : page.text.index('<section id="flow"')]
    hits, misses = (sum(frame["hit"].eq(other=said).sum() for frame in (made.endpoints, made.contrasts))
                    for said in (True, False))  # fmt: skip
    assert table.count("✓ hit") == hits == 6
    assert table.count("✗ miss") == misses == 2
    assert table.count(">not published<") == 3


def test_numbers_come_from_the_tables(render, results):
    before = render(results).words
    assert before.count("50.2") == 4  # the answer, both forest plots, the table
    assert "61.7" not in before
    endpoints = results.endpoints.with_columns(
        estimate=pl.when(pl.col("estimate") == 50.2).then(61.7).otherwise("estimate")
    )
    after = render(changed(results, endpoints=endpoints)).words
    assert "50.2" not in after
    assert after.count("61.7") == 4


def test_the_same_results_give_the_same_bytes(render, results):
    assert render(results).text == render(results).text


def test_a_folder_gives_the_same_page_as_the_object(render, results, tmp_path):
    import json

    for name in TABLES:
        getattr(results, name).write_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "manifest.json").write_text(json.dumps(results.manifest), encoding="utf-8")
    assert render(tmp_path).text == render(results).text


def test_names_are_escaped_everywhere(render, results):
    evil = "<script>alert('x')</script> & $x^2$ \"q\""
    manifest = results.manifest | {"arms": {"active": {"label": evil}}}
    manifest["study"] = manifest["study"] | {"title": evil, "name": evil, "arms": {}}
    endpoints = results.endpoints.with_columns(label=pl.lit(evil), source=pl.lit(evil), unit=pl.lit("<b>"))
    made = render(changed(results, manifest=manifest, endpoints=endpoints))
    assert "<script" not in made.text
    assert "<b>%" not in made.text
    assert "&lt;script&gt;" in made.text
    assert "$x^2$" in made.text


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_table_leaves_a_page_that_says_so(render, results, name):
    text = render(changed(results, **{name: None})).text
    assert f"no table of {name}" in text or name == "diary"


@pytest.mark.parametrize("name", TABLES)
def test_an_empty_table_leaves_a_page(render, results, name):
    assert render(changed(results, **{name: getattr(results, name).clear()})).open == []


@pytest.mark.parametrize("name", TABLES)
def test_columns_may_be_missing(render, results, name):
    frame = getattr(results, name)
    for some in (frame[:, ::2], frame[:, 1::2]):
        assert render(changed(results, **{name: some})).open == []


@pytest.mark.parametrize("name", TABLES)
def test_numbers_may_be_nan(render, results, name):
    frame = getattr(results, name)
    floats = [column for column, dtype in frame.schema.items() if dtype.is_float()]
    made = render(
        changed(results, **{name: frame.with_columns(pl.lit(float("nan")).alias(c) for c in floats)})
    )
    assert not re.search(r"\b(nan|inf|None)\b", made.words)
    assert "nan" not in "".join(re.findall(r' d="[^"]*"', made.text))


def test_an_arm_may_be_empty(render, results):
    text = render(changed(results, patients=results.patients.filter(pl.col("arm") == "active"))).text
    assert "nobody was allocated" in text


def test_one_arm_is_enough(render, results):
    one = {name: getattr(results, name).filter(pl.col("arm") == "active") for name in TABLES}
    manifest = results.manifest | {"arms": {"active": {"label": "only arm"}}}
    manifest["study"] = manifest["study"] | {"arms": {}}
    text = render(changed(results, manifest=manifest, **one | {"contrasts": results.contrasts.clear()})).text
    assert "only arm" in text
    assert "against placebo" not in text
    assert "60 enrolled" in text


def test_many_arms_are_split_over_maps(render, results):
    nodes = pl.concat([results.nodes.with_columns(arm=pl.lit(f"arm {k}")) for k in range(5)])
    assert (
        len([key for key in render(changed(results, nodes=nodes)).ids if re.fullmatch(r"map\d+-title", key)])
        == 3
    )


def test_without_published_values_nothing_is_called_a_hit(render, results):
    columns = ("published", "published_n", "source", "role", "hit", "error")
    drop = [pl.lit(None).alias(column) for column in columns]
    contrasts = results.contrasts.with_columns(pl.lit(None).alias(c) for c in ("published", "source", "hit"))
    text = render(changed(results, endpoints=results.endpoints.with_columns(drop), contrasts=contrasts)).text
    assert "nothing in them was compared with a trial" in text
    assert "✓" not in text
    assert "✗" not in text


def test_no_manifest_still_gives_a_page(render, results):
    assert "The results hold no manifest" in render(changed(results, manifest=None)).text


def test_the_map_tells_the_change_of_every_arm(page):
    assert "Opioid at mu receptors: antagonist 0.2 mg daily ×0.27; placebo ×0.88" in page.text


def test_all_that_is_wrong_with_a_folder_is_told_at_once(tmp_path):
    (tmp_path / "bands.parquet").write_bytes(b"not parquet")
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(ResultsError) as caught:
        report.html(tmp_path, tmp_path / "report.html")
    assert len(caught.value.problems) == 2
    assert not (tmp_path / "report.html").exists()


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ResultsError, match="no such result folder"):
        report.html(tmp_path / "nowhere", tmp_path / "report.html")


def test_what_is_no_result_is_told(tmp_path):
    with pytest.raises(ResultsError, match="no result table"):
        report.html(tmp_path, tmp_path / "report.html")
    with pytest.raises(ResultsError, match="no result table"):
        report.html(3, tmp_path / "report.html")


def test_a_report_that_cannot_be_written_is_told(results, tmp_path):
    with pytest.raises(ResultsError, match="cannot be written"):
        report.html(results, tmp_path / "no folder" / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_the_public_names():
    assert report.__all__ == [
        "biology_pages",
        "design_html",
        "design_summary",
        "html",
        "knockout_html",
        "knockout_summary",
        "picture",
        "summary",
        "validation_page",
        "validation_picture",
    ]
    assert all(callable(getattr(report, name)) for name in report.__all__)


def test_results_of_another_model_are_told(results, tmp_path):
    for sha256, told in (("9f2c" * 16, False), ("0" * 64, True)):
        written = report.html(results, tmp_path / "report.html", model=SimpleNamespace(sha256=sha256))
        assert ("another version of the model" in written.read_text(encoding="utf-8")) is told
