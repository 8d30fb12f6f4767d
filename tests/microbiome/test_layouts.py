"""The layouts in which the same table leaves spreadsheets, R, QIIME, MetaPhlAn and Kraken."""

import json

import h5py
import numpy as np
import pytest

import opiome.microbiome._read_biom as biom_reader
from opiome.errors import ProfileError
from opiome.microbiome import map_guilds, read_profile


def same(made, *paths, samples=None):
    profile = read_profile(*paths)
    guilds = map_guilds(profile)
    order = [profile.samples.index(name) for name in samples or made.SAMPLES]
    np.testing.assert_allclose(guilds.fractions[order], made.FRACTIONS, atol=2e-6)
    return profile


def refused(match, *paths):
    with pytest.raises(ProfileError, match=match) as caught:
        read_profile(*paths)
    return caught.value.problems


@pytest.mark.parametrize("layout", [
    "mark", "windows", "old mac", "utf-16", "quoted", "tabs at the end", "empty lines", "empty rows", "pipes",
])  # fmt: skip
def test_what_spreadsheets_and_systems_do_to_text(made, write, layout):
    text = made.table()
    content = {
        "mark": b"\xef\xbb\xbf" + text.encode(),
        "windows": text.replace("\n", "\r\n"),
        "old mac": text.replace("\n", "\r"),
        "utf-16": text.encode("utf-16"),
        "quoted": "\n".join(",".join(f'"{c}"' for c in row.split("\t")) for row in text.splitlines()),
        "tabs at the end": "\n".join(row + "\t\t" for row in text.splitlines()),
        "empty lines": text.replace("\n", "\n\n") + "\n\n",
        "empty rows": made.table(mark=",") + ",,,\n,,,\n",
        "pipes": made.table(names=["|".join(t[:6]) for t in made.TAXA]),
    }[layout]
    same(made, write("table.txt", content))


@pytest.mark.parametrize("mark", ["\t", ";"])
def test_decimal_commas_are_read_where_they_can_be_nothing_else(made, write, mark):
    text = made.table("{:.6f}", made.FRACTIONS, mark=mark).replace(".", ",")
    profile = same(made, write("komma.csv", text))
    assert profile.kind == "fractions"
    assert "decimal commas" in profile.notes[0]
    thousands = made.table("{:,.0f}")
    problems = refused("the cell is '4,000'", write("thousands.tsv", thousands))
    assert "nothing between thousands" in problems[0].remedy
    mixed = made.table("{:.6f}", made.FRACTIONS).replace("0.400000", "0,400000")
    refused("'0,400000'", write("mixed.tsv", mixed))


def test_text_that_is_no_table_says_what_is_missing(made, write):
    refused("has one column", write("blanks.txt", made.table(mark=" ")))
    refused("holds no table", write("hollow.csv", "taxon,s1,s2\n,,\n,,\n"))
    refused("is packed with bzip2", write("t.bz2", b"BZh91AY&SY"))
    (problem,) = refused("a sample has no name", write("anon.tsv", made.table().replace("s2", "", 1)))
    assert (problem.line, problem.column) == (1, 3)


def ranked(made, *, samples=True):
    head = ["OTU", "Kingdom", "Phylum", "Class", "Order", "Family", "Genus", "Species"]
    rows = [[f"otu{i}", *t] for i, t in enumerate(made.TAXA)]
    if samples:
        head += made.SAMPLES
        rows = [[*r, *(f"{v:.0f}" for v in made.COUNTS[:, i])] for i, r in enumerate(rows)]
    return "\n".join(",".join(row) for row in [head, *rows])


def test_a_column_for_each_rank(made, write):
    """As phyloseq and DADA2 write them: with the counts, or beside a table of features."""
    same(made, write("phyloseq.csv", ranked(made)))
    counts = made.table(names=[f"otu{i}" for i in range(len(made.TAXA))], corner="#OTU ID")
    same(made, write("features.tsv", counts), write("tax.csv", ranked(made, samples=False)))


def test_a_taxonomy_without_a_header(made, write):
    counts = made.table(names=[f"otu{i}" for i in range(len(made.TAXA))], corner="#OTU ID")
    taxonomy = "\n".join(f"otu{i}\t{made.lineage(t, '; ')}" for i, t in enumerate(made.TAXA))
    same(made, write("features.tsv", counts), write("taxonomy.txt", taxonomy))


def test_metadata_behind_the_lineages_of_a_bar_plot(made, write):
    head = ["index", *(made.lineage(t, ";", "dpcofg", 6) for t in made.TAXA), "age", "BodySite"]
    rows = [
        [name, *(f"{v:.1f}" for v in made.COUNTS[i]), "61", "stool"] for i, name in enumerate(made.SAMPLES)
    ]
    profile = same(made, write("level-6.csv", "\n".join(",".join(row) for row in [head, *rows])))
    assert "2 columns are no taxa and were left out (age, BodySite)" in profile.notes[0]


def test_metaphlan_without_common_ancestors_or_with_a_second_header(made, write):
    head, names, *rows = made.metaphlan(bins=False).splitlines()
    second = "#SampleID\t" + "\t".join("Metaphlan2_Analysis" for _ in made.SAMPLES)
    same(made, write("v2.tsv", "\n".join([names.replace("clade_name", "ID"), second, *rows])))
    species = [row for row in rows if "|s__" in row]
    same(made, write("species.tsv", "\n".join([head, names, *species])))


def test_viruses_of_metaphlan_are_set_apart(made, write):
    text = made.metaphlan().rstrip() + "\nk__Viruses\t6\t6\t6\nk__Viruses|p__Viruses_unclassified\t6\t6\t6\n"
    profile = same(made, write("m.tsv", text))
    np.testing.assert_allclose(profile.set_apart, 26 / 106, atol=1e-6)


def clade_counts(made, sample):
    """As ``kreport2mpa.py`` writes a report: no class for hosts, and 50 reads that stop at a genus."""
    total = made.COUNTS[sample].sum() + 50
    rows = {"d__Bacteria": total}
    for k, taxon in enumerate(made.TAXA):
        for depth in range(2, 8):
            name = made.lineage(taxon, "|", "dpcofgs", depth)
            rows[name] = rows.get(name, 0) + made.COUNTS[sample, k] + (50 if k == 0 and depth < 7 else 0)
    rows |= {"d__Eukaryota": 300, "d__Eukaryota|k__Metazoa|g__Homo|s__Homo_sapiens": 300}
    return rows


def test_kraken_in_the_style_of_metaphlan(made, write):
    singles = [
        write(f"{name}.mpa.txt", "\n".join(f"{c}\t{n:.0f}" for c, n in clade_counts(made, i).items()))
        for i, name in enumerate(made.SAMPLES)
    ]
    several = [clade_counts(made, i) for i in range(3)]
    lines = ["#Classification\t" + "\t".join(made.SAMPLES)]
    lines += [clade + "\t" + "\t".join(f"{one[clade]:.0f}" for one in several) for clade in several[0]]
    counts = made.COUNTS + np.array([50, 0, 0, 0, 0, 0, 0])
    for paths in (singles, [write("combined.txt", "\n".join(lines))]):
        profile = read_profile(*paths)
        assert profile.samples == made.SAMPLES
        np.testing.assert_allclose(profile.depth, counts.sum(axis=1))
        fractions = map_guilds(profile).fractions
        np.testing.assert_allclose(fractions, counts / counts.sum(axis=1, keepdims=True))
        np.testing.assert_allclose(profile.set_apart, 300 / (counts.sum(axis=1) + 300))


def test_kraken_reports_combined(made, write):
    reports = [[line.split("\t") for line in made.kraken(i).splitlines()] for i in range(3)]
    lines = ["#Number of Samples: 3", "#Total Number of Reads: 1"]
    lines += [f"#S{i + 1}\t{name}.kreport" for i, name in enumerate(made.SAMPLES)]
    lines.append("#perc\ttot_all\ttot_lvl\t1_all\t1_lvl\t2_all\t2_lvl\t3_all\t3_lvl\tlvl_type\ttaxid\tname")
    for rows in zip(*reports, strict=True):
        cells = [cell for row in rows for cell in row[1:3]]
        lines.append("\t".join([rows[0][0], "1", "1", *cells, *rows[0][-3:]]))
    profile = same(made, write("combined.txt", "\n".join(lines)))
    np.testing.assert_allclose(profile.depth, made.COUNTS.sum(axis=1))
    lines[-1] = lines[-1].replace("\t300\t300\t", "\t300\t-300\t", 1)
    refused("Homo sapiens has -300 reads", write("combined.txt", "\n".join(lines)))


def test_kraken_with_names_of_gtdb_and_the_new_root_of_viruses(made, write):
    letters = dict(zip("DPCOFGS", "dpcofgs", strict=True))
    for i, name in enumerate(made.SAMPLES):
        lines = []
        for line in made.kraken(i).splitlines():
            *cells, taxon = line.split("\t")
            bare = taxon.lstrip(" ")
            prefix = f"{letters[cells[-2]]}__" if cells[-2] in letters and bare != "Homo sapiens" else ""
            lines.append("\t".join([*cells, taxon[: len(taxon) - len(bare)] + prefix + bare]))
        lines += [
            "0.1\t70\t0\tR1\t10239\t  Viruses",
            "0.1\t70\t0\tK\t1\t    Heunggongvirae",
            "0.1\t70\t70\tG\t2\t      Crassvirus",
        ]
        write(f"{name}.kreport", "\n".join(lines))
    profile = same(made, *sorted(write("x", "").parent.glob("*.kreport")))
    total = made.COUNTS.sum(axis=1)
    np.testing.assert_allclose(profile.set_apart, 870 / (total + 870))


def test_dots_in_the_names_of_files_are_kept(made, write):
    paths = [write(f"P1.{i}_profile.txt", made.metaphlan(samples=(i,)).replace(
        f"clade_name\t{name}", "#clade_name\trelative_abundance"
    )) for i, name in enumerate(made.SAMPLES)]  # fmt: skip
    assert read_profile(*paths).samples == ("P1.0", "P1.1", "P1.2")


def test_json_biom_that_contradicts_itself(made, write):
    content = json.loads(made.biom_table().to_json("test"))
    for change, match in (
        ({"shape": [8, 3]}, r"shape is \[8, 3\]"),
        ({"columns": 5}, "columns is not a list"),
        ({"rows": [1, 2]}, "rows is not a list of objects"),
        ({"data": [[99, 0, 5]]}, "cannot be read"),
    ):
        refused(match, write("b.biom", content | change))
    refused("nested too deeply", write("deep.biom", '{"rows":' + "[" * 100_000))
    content["rows"][0]["metadata"] = None
    profile = read_profile(write("gap.biom", content))
    assert profile.lineages[0].rank == "unknown"


@pytest.mark.parametrize("kind", ["PresenceAbsence", "Composition", "Balance"])
def test_artefacts_without_abundance(made, tmp_path, kind):
    path = made.qza(tmp_path / "t.qza", f"FeatureTable[{kind}]", "feature-table.biom", b"\x89HDF")
    (problem,) = refused(rf"of type FeatureTable\[{kind}\]", path)
    assert problem.field == "type"


def test_a_crash_of_the_hdf5_library_is_a_refusal(made, write, monkeypatch):
    """A damaged file can make libhdf5 write to foreign memory; that must not end the program."""
    monkeypatch.setattr(biom_reader, "_CHILD", ("-c", "import os; os.abort()"))
    (problem,) = refused("broke off with status", write("t.biom", made.hdf5_bytes(made.biom_table())))
    assert "truncated" in problem.remedy
    monkeypatch.setattr(biom_reader, "_CHILD", ("-c", "import time; time.sleep(60)"))
    monkeypatch.setattr(biom_reader, "_PATIENCE_S", 0.2)
    refused("took longer", write("t.biom", made.hdf5_bytes(made.biom_table())))


def test_hdf5_that_unpacks_to_a_bomb_or_lies_elsewhere(made, tmp_path):
    path = tmp_path / "t.biom"
    path.write_bytes(made.hdf5_bytes(made.biom_table()))
    with h5py.File(path, "r+") as store:
        store.create_dataset("observation/extra", (10**11,), dtype="f8", chunks=(10**6,), compression="gzip")
    refused("unpacks to 8000", path)
    path.write_bytes(made.hdf5_bytes(made.biom_table()))
    with h5py.File(path, "r+") as store:
        del store["sample/ids"]
        store["sample/ids"] = h5py.ExternalLink("/etc/hostname", "/x")
    refused("in other files", path)
