"""Every format gives the same guilds from the same bacteria."""

import gzip

import numpy as np
import pytest

from opiome.microbiome import map_guilds, read_profile


def check(made, paths, rows=(0, 1, 2)):
    profile = read_profile(*paths)
    assert sorted(profile.samples) == sorted(made.SAMPLES[i] for i in rows)
    guilds = map_guilds(profile)
    order = [profile.samples.index(made.SAMPLES[i]) for i in rows]
    np.testing.assert_allclose(guilds.fractions[order], made.FRACTIONS[list(rows)], atol=2e-7)
    return profile


def test_plain_genera_in_rows(made, genera):
    assert check(made, [genera]).kind == "counts"


@pytest.mark.parametrize("mark", ["\t", ",", ";"])
def test_plain_genera_in_columns(made, write, mark):
    names = [t[5] for t in made.TAXA]
    rows = [mark.join(["sample", *names])]
    rows += [
        mark.join([s, *(f"{v:.6f}" for v in row)])
        for s, row in zip(made.SAMPLES, made.FRACTIONS, strict=True)
    ]
    assert check(made, [write("across.csv", "\n".join(rows))]).kind == "fractions"


@pytest.mark.parametrize("names", ["species", "silva", "gtdb", "greengenes2", "metaphlan"])
def test_spellings(made, write, names):
    spelled = {
        "species": [t[6] for t in made.TAXA],
        "silva": [";".join(f"D_{i}__{n}" for i, n in enumerate(t[:6])) for t in made.TAXA],
        "gtdb": [made.lineage(t, ";", "dpcofgs") for t in made.TAXA],
        "greengenes2": [
            f"d__{t[0]}; p__{t[1]}_A_123456; c__{t[2]}; o__{t[3]}; f__{t[4]}; g__{t[5]}_A_141781"
            for t in made.TAXA
        ],
        "metaphlan": [f"s__{t[6].replace(' ', '_')}" for t in made.TAXA],
    }[names]
    check(made, [write("table.tsv", made.table(names=spelled))])


def test_otu_table_with_a_taxonomy_column(made, write):
    rows = ["# Constructed from biom file", "#OTU ID\t" + "\t".join(made.SAMPLES) + "\ttaxonomy"]
    for i, taxon in enumerate(made.TAXA):
        cells = "\t".join(f"{v:.1f}" for v in made.COUNTS[:, i])
        rows.append(f"{i + 100}\t{cells}\t{'; '.join(made.lineage(taxon, '|').split('|'))}")
    check(made, [write("otu.txt", "\n".join(rows))])


def test_biom_2_and_its_gzip(made, write):
    data = made.hdf5_bytes(made.biom_table())
    check(made, [write("table.anything", data)])
    check(made, [write("table.gz", gzip.compress(data))])


def test_biom_1(made, write):
    check(made, [write("table.biom", made.biom_table().to_json("test"))])


@pytest.mark.parametrize("as_archive", [True, False])
def test_qza_with_its_taxonomy_in_any_order(made, tmp_path, write, as_archive):
    feature = made.qza(
        tmp_path / "table.qza",
        "FeatureTable[Frequency]",
        "feature-table.biom",
        made.hdf5_bytes(made.biom_table(metadata=False)),
    )
    taxa = write("taxonomy.tsv", made.taxonomy_tsv())
    if as_archive:
        taxa = made.qza(
            tmp_path / "taxonomy.qza", "FeatureData[Taxonomy]", "taxonomy.tsv", made.taxonomy_tsv()
        )
    check(made, [feature, taxa])
    check(made, [taxa, feature])


def test_qza_that_holds_biom_1(made, tmp_path):
    text = made.biom_table().to_json("test").encode()
    check(made, [made.qza(tmp_path / "t.qza", "FeatureTable[Frequency]", "feature-table.biom", text)])


@pytest.mark.parametrize("bins", [True, False])
def test_metaphlan_merged(made, write, bins):
    profile = check(made, [write("merged.txt", made.metaphlan(bins=bins))])
    np.testing.assert_allclose(profile.set_apart, 0.2, atol=1e-6)


def test_metaphlan_singles(made, write):
    paths = []
    for i, sample in enumerate(made.SAMPLES):
        text = made.metaphlan(samples=(i,)).replace(
            "clade_name\t" + sample, "#clade_name\tNCBI_tax_id\trelative_abundance\tadditional_species"
        )
        head, *rows = text.splitlines()
        body = [rows[0]] + [r.split("\t")[0] + "\t2|976\t" + r.split("\t")[1] + "\t" for r in rows[1:]]
        paths.append(write(f"{sample}.txt", "\n".join([head, "#SampleID\tMetaphlan_Analysis", *body])))
    assert check(made, paths).format == "MetaPhlAn"


@pytest.mark.parametrize("columns", [6, 8])
def test_kraken_reports(made, write, columns):
    profile = check(
        made, [write(f"{s}.kreport.txt", made.kraken(i, columns)) for i, s in enumerate(made.SAMPLES)]
    )
    np.testing.assert_allclose(profile.depth, made.COUNTS.sum(axis=1))
    np.testing.assert_allclose(profile.set_apart, 800 / (made.COUNTS.sum(axis=1) + 800))


def test_bracken_single_and_combined(made, write):
    head = "name taxonomy_id taxonomy_lvl kraken_assigned_reads added_reads new_est_reads fraction".replace(
        " ", "\t"
    )
    paths = []
    for i, sample in enumerate(made.SAMPLES):
        rows = [f"{t[6]}\t{k}\tS\t1\t1\t{made.COUNTS[i, k]:.0f}\t0.1" for k, t in enumerate(made.TAXA)]
        paths.append(
            write(f"{sample}.bracken", "\n".join([head, *rows, "Homo sapiens\t9606\tS\t1\t1\t100\t0.1"]))
        )
    assert check(made, paths).set_apart.min() > 0
    head = "name\ttaxonomy_id\ttaxonomy_lvl\t" + "\t".join(
        f"{s}.bracken_num\t{s}.bracken_frac" for s in made.SAMPLES
    )
    rows = [
        f"{t[6]}\t{k}\tS\t" + "\t".join(f"{made.COUNTS[i, k]:.0f}\t0.1" for i in range(3))
        for k, t in enumerate(made.TAXA)
    ]
    check(made, [write("combined.txt", "\n".join([head, *rows]))])


def test_r_table_without_a_corner_and_repeated_taxa(made, write):
    text = made.table(corner="taxon").replace("taxon\t", "", 1)
    check(made, [write("r.txt", text)])
    rows = made.table().splitlines()
    rows.append("Bacteroides\t0\t0\t0")
    profile = check(made, [write("twice.tsv", "\n".join(rows))])
    assert "were added" in profile.notes[0]


def test_what_a_biom_holds_is_asked_of_its_content_not_its_name(made, write):
    check(made, [write("table.csv", made.hdf5_bytes(made.biom_table()))])
    check(made, [write("table.biom", made.table())])
