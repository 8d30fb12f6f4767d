"""Bad input is refused with its place and a remedy, and leaves nothing behind."""

import gzip
import io
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opiome.errors import ProfileError
from opiome.microbiome import analyse, read_metadata, read_profile


def refused(match, *paths, **options):
    with pytest.raises(ProfileError, match=match) as caught:
        analyse(*paths, **options) if options else read_profile(*paths)
    return caught.value.problems


@pytest.mark.parametrize("part", [0.3, 0.7, 0.95])
def test_truncated_biom(made, write, part):
    data = made.hdf5_bytes(made.biom_table())
    (problem,) = refused("cannot be read", write("cut.biom", data[: int(len(data) * part)]))
    assert "truncated" in problem.remedy


def test_truncated_json(made, write):
    text = made.biom_table().to_json("test")
    (problem,) = refused("cannot be read", write("cut.biom", text[: len(text) // 2]))
    assert problem.line == 1
    assert problem.column
    refused("not a BIOM table", write("other.json", '{"a": 1}'))


def test_truncated_text_names_the_line(made, write):
    text = made.table()
    (problem,) = refused("cells", write("cut.tsv", text[: text.rindex("\t")]))
    assert problem.line == 8


def test_cells_that_are_no_counts(made, write):
    rows = made.table().splitlines()
    rows[2] = rows[2].replace("2500", "-3")
    rows[3] = rows[3].replace("800", "many")
    rows[4] = rows[4].replace("\t0\t", "\tNA\t")
    rows[5] = rows[5].replace("1000", "1,5")
    problems = refused("the cell is", write("bad.tsv", "\n".join(rows)))
    assert [(p.line, p.column) for p in problems] == [(3, 3), (4, 2), (5, 3), (6, 2)]
    assert problems[0].field == "Faecalibacterium, s2"
    assert all(p.remedy for p in problems)
    assert "decimal point" in problems[3].remedy


def test_negative_count_in_biom(made, write):
    from biom import Table

    counts = made.COUNTS.T.copy()
    counts[2, 1] = -5
    table = Table(counts, [t[5] for t in made.TAXA], list(made.SAMPLES))
    (problem,) = refused("the cell is -5", write("neg.biom", made.hdf5_bytes(table)))
    assert problem.field == "Bifidobacterium, s2"


@pytest.mark.parametrize("across", [True, False])
def test_duplicated_samples(made, write, across):
    if across:
        text = made.table().replace("s3", "s1", 1)
    else:
        names = "\t".join(t[5] for t in made.TAXA)
        text = f"sample\t{names}\n" + "\n".join("s1\t" + "\t".join("5" for _ in made.TAXA) for _ in range(2))
    (problem,) = refused("'s1' stands twice", write("twice.tsv", text))
    assert problem.line == (1 if across else 3)


def test_duplicated_sample_in_biom_and_in_two_files(made, write):
    text = made.biom_table().to_json("test").replace('"id": "s3"', '"id": "s1"')
    refused("s1 stands twice", write("twice.biom", text))
    first = write("s1.kreport", made.kraken(0))
    (first.parent / "b").mkdir()
    second = first.parent / "b" / "s1.kreport"
    second.write_text(made.kraken(1), encoding="utf-8")
    refused("stands in s1.kreport too", first, second)


def test_transposed_biom(made, write):
    table = made.biom_table(metadata=False).update_ids(
        {f"otu{i}": t[5] for i, t in enumerate(made.TAXA)}, axis="observation", inplace=False
    )
    (problem,) = refused("transposed", write("t.biom", made.hdf5_bytes(table.transpose())))
    assert "transpose" in problem.remedy


def test_biom_without_taxonomy(made, write):
    (problem,) = refused("no taxonomy", write("t.biom", made.hdf5_bytes(made.biom_table(metadata=False))))
    assert "taxonomy.qza" in problem.remedy


def test_table_without_taxa(write):
    (problem,) = refused(
        "neither the header nor the first column", write("x.tsv", "a\tb\tc\n1x\t3\t4\n2x\t5\t6\n")
    )
    assert problem.expected


def test_mixed_ranks(made, write):
    rows = made.table(names=[t[6] for t in made.TAXA]).splitlines()
    rows += made.table().splitlines()[1:]
    problems = refused("is the sum of 1 finer rows", write("mixed.tsv", "\n".join(rows)))
    assert problems[0].field == "Bacteroides"
    several = made.table("{:.5f}", made.FRACTIONS, [f"f__{t[4]}" for t in made.TAXA]).splitlines()
    several += made.table("{:.5f}", made.FRACTIONS).splitlines()[1:]
    refused("2 ranks", write("several.tsv", "\n".join(several)))


def test_coarse_rows_that_repeat_a_genus(made, write):
    """Bare names have no parents, but a family with exactly the numbers of a genus is that genus again."""
    text = made.table() + "Bacteroidaceae\t4000\t5000\t2000\nLachnospiraceae\t17\t12\t3\n"
    (problem,) = refused("has the numbers of Bacteroides", write("mixed.tsv", text))
    assert problem.field == "Bacteroidaceae"


def test_tables_that_hold_no_abundance(made, write):
    import numpy as np

    refused("only zeros and ones", write("pa.tsv", made.table(values=(made.COUNTS > 0).astype(float))))
    counts = np.array([[40, 30, 8, 2, 10, 7, 3], [5, 2, 15, 0, 5, 4, 1], [120, 50, 6, 12, 6, 5, 1]], float)
    for base, take in (("10", np.log10), ("2", np.log2), ("e", np.log)):
        text = made.table("{:.4f}", take(counts + 1))
        (problem,) = refused(rf"logarithms \(base {base}\)", write("log.tsv", text))
        assert "before logarithms" in problem.remedy
    read_profile(write("half.tsv", made.table("{:.4f}", counts / 7)))


def test_a_table_without_a_header_or_with_a_total(made, write):
    head, *rows = made.table().splitlines()
    (problem,) = refused("has no header", write("bare.tsv", "\n".join(rows)))
    assert problem.line == 1
    totals = "\n".join([head + "\tTotal", *(row + "\t9" for row in rows)])
    (problem,) = refused("Total stands among the samples", write("total.tsv", totals))
    assert (problem.line, problem.column) == (1, 5)


def test_metadata_column_among_the_taxa(made, write):
    names = "\t".join(["Age", *(t[5] for t in made.TAXA)])
    (problem,) = refused(
        "'Age' is no taxon", write("x.tsv", f"sample\t{names}\ns1\t61\t" + "\t".join("5" for _ in made.TAXA))
    )
    assert (problem.line, problem.column) == (1, 2)
    assert "--metadata" in problem.remedy


def test_empty_and_failed(made, write):
    refused("is empty", write("empty.tsv", ""))
    refused("holds no table", write("head.tsv", "taxon\ts1\n"))
    refused("s2 holds no abundance", write("zero.tsv", made.table(values=made.COUNTS * [[1], [0], [1]])))
    refused("cannot be read", "nowhere.tsv")
    refused("no file", *[])
    refused("not utf-8", write("latin.tsv", "taxon\ts1\nBactéroides\t5\n".encode("latin-1")))
    refused("gzip stream is broken", write("cut.gz", gzip.compress(b"x" * 1000)[:20]))


def test_compression_bombs(made, tmp_path, write):
    bomb = b"\0" * 80_000_000
    refused("unpacks to more than", write("bomb.gz", gzip.compress(bomb)))
    path = made.qza(tmp_path / "bomb.qza", "FeatureTable[Frequency]", "feature-table.biom", bomb)
    problems = refused("claims 80000000 bytes", path)
    assert "do not trust" in problems[-1].remedy


@pytest.mark.parametrize("name", ["../../evil.txt", "/etc/evil", "a/../../evil", "..\\evil", "C:\\evil"])
def test_archive_that_leaves_itself(made, tmp_path, name):
    path = made.qza(
        tmp_path / "t.qza",
        "FeatureTable[Frequency]",
        "feature-table.biom",
        made.hdf5_bytes(made.biom_table()),
        extra=[(name, "x")],
    )
    refused("points outside", path)
    assert [p.name for p in tmp_path.iterdir()] == ["t.qza"]


def test_archive_with_a_link_or_without_a_table(made, tmp_path):
    path = made.qza(tmp_path / "t.qza", "FeatureTable[Frequency]", "feature-table.biom", b"x")
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("u/data/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    refused("symbolic link", path)
    refused("without metadata.yaml", made.qza(tmp_path / "v.qza", "Visualization", "index.html", "x"))


def test_archive_with_a_corrupt_member(made, tmp_path):
    path = made.qza(
        tmp_path / "t.qza",
        "FeatureTable[Frequency]",
        "feature-table.biom",
        made.hdf5_bytes(made.biom_table()),
    )
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = b"\xff" * 40
    path.write_bytes(data)
    with pytest.raises(ProfileError):
        read_profile(path)
    (tmp_path / "cut.qza").write_bytes(bytes(data[:500]))
    refused("cannot be opened", tmp_path / "cut.qza")


def test_features_without_taxonomy(made, tmp_path, write):
    feature = made.qza(
        tmp_path / "t.qza",
        "FeatureTable[Frequency]",
        "feature-table.biom",
        made.hdf5_bytes(made.biom_table(metadata=False)),
    )
    short = "\n".join(made.taxonomy_tsv().splitlines()[:-1])
    refused("1 of 7 features have no taxonomy", feature, write("taxonomy.tsv", short))
    refused("two lineages", write("t.tsv", made.taxonomy_tsv() + "otu1\tk__Bacteria\t1\n"))
    refused("taxonomy without a table", write("t.tsv", made.taxonomy_tsv()))


def test_bracken_of_several_ranks(write):
    head = "name taxonomy_id taxonomy_lvl kraken_assigned_reads added_reads new_est_reads fraction".replace(
        " ", "\t"
    )
    rows = ["Bacteroides\t1\tG\t1\t1\t9\t0.1", "Bacteroides uniformis\t1\tS\t1\t1\t9\t0.1"]
    refused("several ranks", write("s1.bracken", "\n".join([head, *rows])))


def test_metadata_that_does_not_match(genera, write):
    profile = read_profile(genera)
    with pytest.raises(ProfileError, match="no column holds the samples"):
        read_metadata(write("m.tsv", "sample\tage\nx1\t60\nx2\t61\n"), profile)
    with pytest.raises(ProfileError, match="sample holds such as 'S1'"):
        read_metadata(write("m.tsv", "sample\tage\nS1\t60\nS2\t61\nS3\t60\n"), profile)
    told = read_metadata(write("m.csv", "sample;age\ns1;60,5\ns2;61\ns3;1,234\n"), profile)
    assert told.covariates() == {"age": [60.5, 61.0, None]}
    with pytest.raises(ProfileError, match="Did you mean 's-3'") as caught:
        read_metadata(write("m.tsv", "sample\tage\ns1\t60\ns2\t61\ns-3\t62\n"), profile)
    assert "s3 has no row" in str(caught.value)
    with pytest.raises(ProfileError, match="s2 stands twice") as caught:
        read_metadata(write("m.tsv", "sample\tage\ns1\t60\ns2\t61\ns2\t62\ns3\t60\n"), profile)
    assert caught.value.problems[0].line == 4


def test_unknown_columns_and_values(genera, write):
    told = write("m.tsv", "sample\tStudy.Group\tload\ns1\tH\t1e11\ns2\tC\t-1\ns3\tC\t2e11\n")
    refused("Did you mean 'Study.Group'", genera, metadata=told, group="Study.group")
    refused("the load of sample s2 is '-1'", genera, metadata=told, load="load")
    refused("needs --metadata", genera, group="x")
    refused("holds 1 people", genera, metadata=told, reference="Study.Group=H")


def test_a_table_that_is_not_stool(made, genera, write):
    mouth = made.table(
        names=[
            "Streptococcus",
            "Rothia",
            "Neisseria",
            "Veillonella",
            "Haemophilus",
            "Gemella",
            "Porphyromonas",
        ]
    )
    path = write("mouth.tsv", mouth)
    problems = refused("looks like a table of the mouth", path, min_depth=1)
    assert problems[0].field == "s1"
    assert analyse(path, body_site="stool").profile.samples == ("s1", "s2", "s3")
    told = write("m.tsv", "sample\tbody_site\ns1\tstool\ns2\tsaliva\ns3\tfeces\n")
    (problem,) = refused("'saliva'", genera, metadata=told)
    assert (problem.line, problem.field) == (3, "body_site")
    told = write("m.tsv", "sample\tisolation_source\ns1\tcolon biopsy\ns2\tfeces\ns3\tUBERON:feces\n")
    (problem,) = refused("'colon biopsy'", genera, metadata=told)
    assert problem.line == 2


def test_one_sample_of_another_site_makes_no_patient_unless_told_to_be_stool(made, write, tmp_path):
    names = [*(t[5] for t in made.TAXA), "Streptococcus", "Rothia", "Neisseria", "Veillonella"]
    rows = ["sample\t" + "\t".join(names)]
    gut = [4000, 3000, 800, 200, 100, 70, 30, 0, 0, 0, 0]
    mouth = [0, 20, 5, 0, 5, 1, 0, 5000, 1500, 1200, 900]
    for i, counts in enumerate([gut, gut, gut, mouth]):
        rows.append(f"s{i}\t" + "\t".join(map(str, counts)))
    table = write("one.tsv", "\n".join(rows))
    found = analyse(table)
    assert found.accepted.tolist() == [True, True, True, False]
    assert [f.sample for f in found.flags if f.flag == "not_stool_like"] == ["s3"]
    html = (found.write(tmp_path / "out") / "report.html").read_text(encoding="utf-8")
    assert "1 sample makes no patient" in html
    told = write("m.tsv", "sample\tbody_site\n" + "\n".join(f"s{i}\tstool" for i in range(4)))
    assert analyse(table, metadata=told).accepted.all()


def test_nothing_is_half_written(genera, tmp_path, monkeypatch):
    import opiome.microbiome._report as report

    found = analyse(genera)

    def fail(*_):
        raise RuntimeError("disk full")

    monkeypatch.setattr(report, "write_report", fail)
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="disk full"):
        found.write(tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_an_existing_folder_is_kept(genera, tmp_path):
    found = analyse(genera)
    out = found.write(tmp_path / "out")
    kept = (out / "cohort.parquet").read_bytes()
    with pytest.raises(ProfileError, match="the folder exists"):
        found.write(tmp_path / "out", per="person")
    assert (out / "cohort.parquet").read_bytes() == kept
    found.write(tmp_path / "out", overwrite=True)


def test_bytes_that_are_nothing(write):
    for data in (
        b"\x89HDF\r\n\x1a\n" + b"\0" * 50,
        b"PK\x03\x04" + b"\0" * 50,
        b"\xff\xfe\x00\xd8x",
        io.BytesIO(b"\0" * 99).read(),
    ):
        with pytest.raises(ProfileError):
            read_profile(write("x", data))


@pytest.mark.parametrize("name", ["indices", "indptr", "data"])
@pytest.mark.parametrize("axis", ["observation", "sample"])
def test_biom_with_indices_out_of_range(made, tmp_path, axis, name):
    """Such indices would make the sparse matrix read foreign memory."""
    import h5py

    path = tmp_path / "t.biom"
    path.write_bytes(made.hdf5_bytes(made.biom_table()))
    with h5py.File(path, "r+") as store:
        matrix = store[f"{axis}/matrix"]
        if name == "data":
            cut = matrix["data"][:-2]
            del matrix["data"]
            matrix["data"] = cut
        else:
            matrix[name][2] = 1_000_000
    refused("do not fit a table of 7 x 3", path)


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_text_is_read_or_refused_but_never_crashes(made, tmp_path, data):
    text = data.draw(st.sampled_from([made.table(), made.metaphlan(), made.kraken(0), made.taxonomy_tsv()]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        cut = data.draw(st.integers(0, 30))
        text = text[:at] + data.draw(st.text('\t\n,;"#019.-eE_|gs\0é', max_size=6)) + text[at + cut :]
    path = tmp_path / "damaged.tsv"
    path.write_text(text or "x", encoding="utf-8")
    try:
        profile = read_profile(path)
    except ProfileError as error:
        assert error.problems  # noqa: PT017 (either outcome is right)
    else:
        assert (profile.values.data >= 0).all()
