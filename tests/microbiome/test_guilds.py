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
    ("k__Bacteria;f__[Paraprevotellaceae];g__[Prevotella];s__", ("G1", "genus")),
    ("k__Bacteria;f__S24-7;g__;s__", ("G1", "family")),
    ("d__Bacteria;f__Lachnospiraceae;g__Ruminococcus_B;s__Ruminococcus_B gnavus", ("G2+G5", "species")),
    ("Mediterraneibacter gnavus", ("G2+G5", "species")),
    ("Segatella copri", ("G1", "genus")),
    ("Phocaeicola vulgatus", ("G1", "genus")),
    ("Cutibacterium acnes", ("G5", "genus")),
    ("Lacticaseibacillus rhamnosus", ("G3", "genus")),
    ("Thomasclavelia ramosa", ("G5", "genus")),
    ("[Clostridium] scindens", ("G7", "species")),
    ("Candidatus Methanomassiliicoccus intestinalis", ("none", "genus")),
    ("Escherichia coli str. K-12 substr. MG1655", ("G6", "genus")),
    ("Escherichia/Shigella", ("G6", "genus")),
    ("Clostridium XlVa", ("G2", "genus")),
    ("Clostridium_XVIII", ("G5", "genus")),
    ("Ruminococcus2", ("G2", "genus")),
    ("Lachnospiracea_incertae_sedis", ("G2", "family")),
    ("unclassified_Lachnospiraceae", ("G2", "family")),
    ("uncultured Faecalibacterium sp.", ("G2", "genus")),
])  # fmt: skip
def test_a_name_falls_under_its_row(name, expected):
    assert guild(name) == expected


@pytest.mark.parametrize(
    "name", ["Streptococcus phage PhiSpn_200", "Escherichia virus T4", "uncultured crAssphage"]
)
def test_a_phage_is_not_its_host(name):
    assert not parse_lineage(name).bacterial


def test_gtdb_and_greengenes_spell_a_species_alike():
    assert (
        species_key("Blautia_A_141781 wexlerae")
        == species_key("Blautia wexlerae")
        == species_key("Blautia_wexlerae")
    )
    assert species_key("Prevotella copri") != species_key("Prevotella stercorea")


def table_rows():
    text = (files("opiome.microbiome") / "taxa_guilds.tsv").read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if not line.startswith(("#", "rank\t"))]


def test_every_row_of_the_table_has_shares_a_basis_and_a_source():
    text = (files("opiome.microbiome") / "taxa_guilds.tsv").read_text(encoding="utf-8")
    version = re.search(r"# version: (\S+)", text)
    assert version
    assert guild_map().version == version[1]
    rows = table_rows()
    assert len(rows) > 700
    for rank, name, _, shares, basis, source, evidence, found, _note in rows:
        assert rank in {"species", "genus", "family"}, name
        assert _shares(shares) is not None, name
        assert basis in {"cultured", "family"}, name
        assert source.startswith("doi:10."), name
        assert evidence in {"seen", "recalled", "derived", "assumed"}, name
        assert bool(found) == (evidence != "recalled"), name
    assert {g for row in rows for g in GUILDS if g in row[3]} == set(GUILDS)


def fits(guild, found):
    """Whether what a source says of a taxon is what the head of the table asks of that guild."""
    facts = {part.strip().rsplit(" ", 1)[0] for part in found.split(";")}
    phylum = found.rsplit("; ", 1)[-1].split("/")[0]
    acids = facts & {"acetate", "succinate", "propionate", "formate", "lactate"}
    return {
        "G1": bool(facts & {"acetate", "succinate", "propionate"})
        and ("Negativicutes" in found or phylum == "Bacteroidetes" or "propionate" in facts),
        "G2": "butyrate" in facts or bool(acids & {"acetate", "formate", "lactate"}),
        "G3": bool(acids & {"acetate", "lactate"}),
        "G4": phylum.startswith("Verrucomicrobi") and "propionate" in facts,
        "G5": "Gram +" in found,
        "G6": "Gram -" in found or phylum in {"Proteobacteria", "Fusobacteria", "Campylobacterota"},
        "G7": "respiration" in found or "bile acids" in found,
    }[guild]


def test_what_the_sources_say_fits_the_guild():
    judged = {"Veillonella": {"G5"}}  # a judgement, told in its note
    judged |= {f"Eubacterium {name}": {"G5"} for name in ("biforme", "cylindroides", "dolichum")}
    seen = [row for row in table_rows() if row[6] == "seen" and row[3] != "none"]
    assert len(seen) > 300
    wrong = [
        (row[1], which, row[7])
        for row in seen
        for which in (part.split(":")[0] for part in row[3].split(";"))
        if not fits(which, row[7]) and which not in judged.get(row[1], set())
    ]
    assert wrong == []


def test_what_follows_from_a_family_has_the_shares_of_the_family():
    rows = table_rows()
    shares = {n.casefold(): r[3] for r in rows if r[0] == "family" for n in (r[1], *r[2].split("|")) if n}
    bins = guild_map().bins
    of_genus = {genus.casefold(): family for family, genus in bins.values()}
    checked = 0
    for rank, name, _, share, _, _, evidence, found, _ in rows:
        told = re.fullmatch(r"(\S+) in GTDB r207", found)
        if evidence != "derived" or rank != "genus" or not told:
            continue
        assert share == shares[told[1].casefold()], name
        assert of_genus[name.casefold()] == told[1], name
        checked += 1
    assert checked > 250
    for row in (r for r in rows if r[0] == "species" and r[7].startswith("SGB")):
        number, genus, family = re.match(r"SGB(\d+): (\S+) of (\S+) in", row[7]).groups()
        assert bins[number] == (family, genus), row[1]


def test_nine_rows_in_ten_rest_on_a_source_that_was_read():
    rows = table_rows()
    assert sum(row[6] == "recalled" for row in rows) < 0.1 * len(rows)


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
