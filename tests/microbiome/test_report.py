"""The report, the command line, and the public door."""

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

import opiome.microbiome
from opiome.cli._profile import profile
from opiome.errors import ProfileError
from opiome.microbiome import analyse
from opiome.microbiome._contrasts import contrasts


def test_the_report_stands_alone_and_says_what_was_found(made, write, tmp_path):
    table, told = made.people(write)
    out = analyse(table, metadata=told, reference="group=A").write(tmp_path / "out", patients=20)
    html = (out / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|src=|href=.(?!#)|url\(", html)
    assert html.count("<svg") == 7
    assert html.count("<rect") > 48 * 6
    for word in (
        "Saccharolytic",
        "Butyrate",
        "48",
        "24 people",
        "Shannon diversity",
        "Dysbiosis index",
        "20 people drawn",
        "PERMANOVA",
        "kit",
        "Hurlbert",
    ):
        assert word in html
    assert "TOPOSCORE class" not in re.sub(r"<h2>What was measured.*", "", html, flags=re.DOTALL)


def test_names_from_files_are_escaped(made, write, tmp_path):
    text = made.table().replace("s2", "<b>&s2").replace("Bilophila", "Bilo<i>phila")
    out = analyse(write("t.tsv", text)).write(tmp_path / "out")
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "<b>&s2" not in html
    assert "<i>phila" not in html


def test_the_command(made, write, tmp_path):
    table, told = made.people(write)
    run = CliRunner().invoke(profile, [str(table), "--metadata", str(told), "--out", str(tmp_path / "out")])
    assert run.exit_code == 0, run.output
    assert "48 samples of 24 people; 100.0 % of abundance in guilds" in run.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "cohort.parquet",
        "guilds.tsv",
        "measures.tsv",
        "unmapped.tsv",
        "flags.tsv",
        "changes.parquet",
        "manifest.json",
        "report.html",
    }
    assert oct((tmp_path / "out").stat().st_mode & 0o777) == "0o755"


def test_the_command_hands_errors_on(write, tmp_path):
    run = CliRunner().invoke(profile, [str(write("x.tsv", "")), "--out", str(tmp_path / "out")])
    assert isinstance(run.exception, ProfileError)
    assert not (tmp_path / "out").exists()


AXE = """
<script>window.addEventListener("load", () => axe.run(document, {runOnly: RULES}).then((found) => {
  const out = document.createElement("pre"); out.id = "axe-found";
  out.textContent = JSON.stringify(found.violations.map((v) => [v.id, v.nodes.map((n) => n.html)]));
  document.body.appendChild(out); }))</script></body>"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


def browser():
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    axe = importlib.util.find_spec("axe_core_python")
    if found is None or axe is None or axe.origin is None:
        pytest.skip("needs Chromium and the package axe-core-python")
    return found, Path(axe.origin).with_name("axe.min.js").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_has_no_accessibility_violation(made, write, tmp_path, width):
    """axe-core, WCAG 2.1 A and AA and best practice, on a wide and on a narrow window."""
    chromium, axe = browser()
    table, told = made.people(write)
    out = analyse(table, metadata=told, group="group", reference="group=A").write(
        tmp_path / "out", patients=20
    )
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "Medians over people" in html
    script = "<script>" + axe.replace("</script>", "<\\/script>") + "</script>"
    page = write("page.html", html.replace("</body>", script + AXE.replace("RULES", json.dumps(RULES))))
    profile = f"--user-data-dir={tmp_path / 'browser'}"
    window = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},900", profile]
    seen = subprocess.run(
        [chromium, *window, "--virtual-time-budget=20000", "--dump-dom", page.as_uri()],
        capture_output=True,
        check=True,
        text=True,
        encoding="utf-8",
        timeout=150,
    ).stdout
    found = re.search(r'<pre id="axe-found">(.*?)</pre>', seen, re.DOTALL)
    assert found is not None
    assert found[1] == "[]"


def test_groups_are_compared_by_people(made, write, tmp_path):
    """Group B has twelve times the Enterobacteriaceae; two samples of one person count once."""
    table, told = made.people(write)
    found = analyse(table, metadata=told, group="group", reference="group=A")
    lines = {one.quantity: one for one in contrasts(found)}
    assert {one.reference for one in lines.values()} == {"A"}
    assert {(one.people, one.reference_people) for one in lines.values()} == {(12, 12)}
    assert min(lines.values(), key=lambda one: one.p).quantity == "G6"
    ratio = lines["G6"].effect / lines["G2"].effect
    assert ratio == pytest.approx(12, rel=0.5)
    assert all(one.q >= one.p for one in lines.values())
    out = found.write(tmp_path / "out")
    assert (out / "contrasts.tsv").read_text(encoding="utf-8").count("\n") == len(lines) + 1
    assert contrasts(analyse(table, metadata=told, group="sex")) != []
    assert contrasts(analyse(table)) == []
    assert contrasts(analyse(table, metadata=told, group="subject")) == []


def test_a_batch_that_goes_with_the_groups_is_told(made, write):
    table, told = made.people(write)
    lines = told.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines[1:]]
    text = "\n".join([lines[0] + "\tplate", *("\t".join([*row, f"run{row[3]}"]) for row in rows)])
    found = analyse(table, metadata=write("plates.tsv", text), group="group")
    effects = {effect.column: effect for effect in found.batches}
    assert effects["plate"].with_groups == pytest.approx(1.0)
    assert effects["kit"].with_groups == pytest.approx(0.0, abs=0.1)
    assert {e.with_groups for e in analyse(table, metadata=told).batches} == {None}


def test_public_names():
    assert opiome.microbiome.__all__ == [
        "GUILDS",
        "Analysis",
        "BatchEffect",
        "GuildDistribution",
        "GuildTable",
        "Metadata",
        "Profile",
        "Reference",
        "Toposcore",
        "analyse",
        "fit_distribution",
        "guild_changes",
        "guild_map",
        "map_guilds",
        "measures",
        "read_changes",
        "read_cohort",
        "read_metadata",
        "read_profile",
        "shipped_reference",
        "toposcore",
    ]
    assert all(getattr(opiome.microbiome, name) is not None for name in opiome.microbiome.__all__)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = opiome.microbiome.nothing_like_it
