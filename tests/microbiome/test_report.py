"""The report, the command line, and the public door."""

import re

import pytest
from click.testing import CliRunner

import opiome.microbiome
from opiome.cli._profile import profile
from opiome.errors import ProfileError
from opiome.microbiome import analyse


def test_the_report_stands_alone_and_says_what_was_found(made, write, tmp_path):
    table, told = made.people(write)
    out = analyse(table, metadata=told, reference="group=A").write(tmp_path / "out", patients=20)
    html = (out / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|src=|href=|url\(", html)
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
        "guild_map",
        "map_guilds",
        "measures",
        "read_cohort",
        "read_metadata",
        "read_profile",
        "shipped_reference",
        "toposcore",
    ]
    assert all(getattr(opiome.microbiome, name) is not None for name in opiome.microbiome.__all__)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = opiome.microbiome.nothing_like_it
