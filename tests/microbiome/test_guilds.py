"""The mapping table, and what it does with names."""

import re
from importlib.resources import files

import numpy as np
import pytest

from opiome.microbiome import GUILDS, guild_map, map_guilds, read_profile
from opiome.microbiome._guilds import _shares
from opiome.microbiome._lineage import parse_lineage, species_key


def guild(name):
    row = guild_map().find(parse_lineage(name))
    return (row.guild, row.rank) if row else None


@pytest.mark.parametrize(("name", "expected"), [
    ("g__Bacteroides", ("G1", "genus")),
    ("d__Bacteria;p__Bacteroidota;c__B;o__B;f__Bacteroidaceae;g__Phocaeicola", ("G1", "genus")),
    ("k__Bacteria; p__Firmicutes; f__Ruminococcaceae; g__Faecalibacterium; s__prausnitzii", ("G2", "genus")),
    ("D_0__Bacteria;D_1__Firmicutes;D_4__Lachnospiraceae;D_5__[Eubacterium] hallii group", ("G2", "genus")),
    ("d__Bacteria;f__Lachnospiraceae;g__Blautia_A_141781;s__Blautia_A_141781 wexlerae", ("G2", "genus")),
    ("g__[Ruminococcus]_gnavus_group", ("G2+G5", "genus")),
    ("Ruminococcus gnavus", ("G2+G5", "species")),
    ("[Ruminococcus] torques", ("G2", "genus")),
    ("Eubacterium rectale", ("G2", "species")),
    ("s__Clostridium_scindens", ("G7", "species")),
    ("g__Escherichia-Shigella", ("G6", "genus")),
    ("g__Prevotella_9", ("G1", "genus")),
    ("Candidatus_Cibiobacter_qucibialis", ("G2", "genus")),
    ("GGB9633_SGB15091", ("G2", "genus")),
    ("k__Bacteria|p__F|c__C|o__O|f__X|g__GGB9633|s__GGB9633_SGB15091|t__SGB15091", ("G2", "genus")),
    ("f__Lachnospiraceae;g__;s__", ("G2", "family")),
    ("f__Enterobacteriaceae;g__uncultured", ("G6", "family")),
    ("Lachnospiraceae_bacterium", ("G2", "family")),
    ("f__Christensenellaceae;g__Christensenellaceae R-7 group", ("G2", "genus")),
    ("f__Coriobacteriaceae;g__Collinsella", ("G3", "genus")),
    ("f__Lactobacillaceae;g__Limosilactobacillus", ("G3", "genus")),
    ("g__Methanobrevibacter", ("none", "genus")),
    ("g__Thisgenusdoesnotexist", None),
    ("o__Clostridiales;f__;g__", None),
    ("Clostridia_bacterium", None),
])  # fmt: skip
def test_a_name_falls_under_its_row(name, expected):
    assert guild(name) == expected


def test_gtdb_and_greengenes_spell_a_species_alike():
    assert (
        species_key("Blautia_A_141781 wexlerae")
        == species_key("Blautia wexlerae")
        == species_key("Blautia_wexlerae")
    )
    assert species_key("Prevotella copri") != species_key("Prevotella stercorea")


def test_every_row_of_the_table_has_shares_a_basis_and_a_source():
    text = (files("opiome.microbiome") / "taxa_guilds.tsv").read_text(encoding="utf-8")
    version = re.search(r"# version: (\S+)", text)
    assert version
    assert guild_map().version == version[1]
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith(("#", "rank\t"))]
    assert len(rows) > 700
    for rank, name, _, shares, basis, source, evidence, _note in rows:
        assert rank in {"species", "genus", "family"}, name
        assert _shares(shares) is not None, name
        assert basis in {"cultured", "family"}, name
        assert source.startswith("doi:10."), name
        assert evidence in {"seen", "recalled", "derived", "assumed"}, name
    assert {g for row in rows for g in GUILDS if g in row[3]} == set(GUILDS)


@pytest.mark.parametrize("shares", ["G1:0.5", "G8:1", "G1:0.5;G2:0.6", "", "G1", "all"])
def test_bad_shares_are_seen(shares):
    assert _shares(shares) is None


def test_members_named_by_the_model_map_to_their_guild():
    """Members that the model's guild table names are in that guild here too."""
    lines = (files("opiome.model") / "guilds.tsv").read_text(encoding="utf-8").splitlines()
    members = {line.split("\t")[0]: line.split("\t")[2].split(";") for line in lines[1:]}
    only_a_part = {"Eggerthella", "Enterocloster"}  # the other part counts in another guild
    for which, names in members.items():
        for name in names:
            place = guild(f"f__{name};g__;s__" if name.endswith("aceae") else name)
            if name == "Verrucomicrobia":
                assert place is None, "no phylum has a row"
            else:
                assert place is not None, name
                assert which in place[0] if name in only_a_part else place[0] == which, name


def test_no_clostridia_are_left_in_the_guild_of_bifidobacteria():
    """The model's G3 is Bifidobacterium and Lactobacillus; other acetate formers go with butyrate formers."""
    rows = {name: row.guild for (rank, name), row in guild_map().rows.items() if rank == "family"}
    mine = {name for name, guild in rows.items() if "G3" in guild}
    assert mine == {
        "atopobiaceae", "bifidobacteriaceae", "coriobacteriaceae", "lactobacillaceae", "leuconostocaceae",
    }  # fmt: skip


def test_nothing_is_dropped_and_there_is_no_guild_for_the_rest(made, write):
    rows = made.table().splitlines()
    rows += [
        "Thisgenusdoesnotexist\t1000\t0\t3000",
        "f__Lachnospiraceae\t0\t500\t0",
        "Methanobrevibacter\t10\t0\t0",
    ]
    profile = read_profile(write("t.tsv", "\n".join(rows)))
    guilds = map_guilds(profile)
    unmapped = guilds.unmapped()
    assert unmapped["taxon"].to_list() == ["Thisgenusdoesnotexist", "Methanobrevibacter"]
    assert unmapped["reason"].to_list()[0] == "not in the table"
    lost = np.array([1010 / 11010, 0, 3000 / 13000])
    np.testing.assert_allclose(1 - guilds.mapped, lost, atol=1e-12)
    np.testing.assert_allclose(guilds.by_level["family"], [0, 500 / 10500, 0])
    np.testing.assert_allclose(guilds.mapped_at_genus + guilds.by_level["family"], guilds.mapped)
    np.testing.assert_allclose(guilds.composition.sum(axis=1), 1.0)
    np.testing.assert_allclose(guilds.taxa["mean"].sum(), 1.0)


def test_hosts_and_fungi_are_in_no_guild(write):
    text = "taxon\ts1\nd__Bacteria;g__Bacteroides\t90\nd__Eukaryota;g__Bacteroides\t10\n"
    guilds = map_guilds(read_profile(write("t.tsv", text)))
    assert guilds.mapped[0] == pytest.approx(0.9)
    assert guilds.unmapped()["reason"].to_list() == ["not a bacterium"]
