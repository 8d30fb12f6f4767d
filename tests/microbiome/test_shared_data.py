"""The public data sets beside the checkout: read unaided, placed in guilds, published findings."""

import polars as pl
import pytest

from opiome.microbiome import analyse, map_guilds, read_metadata, read_profile, shipped_reference, toposcore
from opiome.microbiome._measures import reference_from
from opiome.microbiome._toposcore import score, score_class, topo_class

TABLES = {
    "american_gut/ag-fecal.biom": ("BIOM", "counts", 1),
    "american_gut/AmericanGutMetaphlanWGS.biom": ("BIOM", "fractions", 4),
    "toposcore/metaphlan4_example.tsv": ("MetaPhlAn", "fractions", 5),
    "toposcore/DS6_longitudinal_microbiome_data.csv": ("plain table", "fractions", 97),
    "mars_ibs_2020/genera.counts.tsv": ("plain table", "counts", 444),
}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_read_unaided_and_placed(shared, name):
    profile = read_profile(shared / name)
    assert (profile.format, profile.kind, len(profile.samples)) == TABLES[name]
    guilds = map_guilds(profile)
    assert guilds.mapped.mean() >= 0.9
    if name != "american_gut/ag-fecal.biom":
        assert guilds.mapped_at_genus.mean() >= 0.9
        return
    # This 16S table names no genus for 31 % of its reads; of those that it names, nearly all are placed.
    named = profile.fractions @ [float(bool(lineage.genus)) for lineage in profile.lineages]
    assert guilds.mapped_at_genus[0] / named[0] >= 0.95


@pytest.mark.parametrize("name", TABLES)
def test_the_whole_way_works_on_every_table(shared, name, tmp_path):
    metadata = shared / "mars_ibs_2020/metadata.tsv" if name.startswith("mars") else None
    out = analyse(shared / name, metadata=metadata).write(tmp_path / "out")
    assert (out / "report.html").stat().st_size > 10_000


def published(shared):
    frame = pl.read_csv(shared / "toposcore/DS1_oncology_clinical_data_DiscValid.csv", infer_schema_length=0)
    known = frame.filter(pl.col("N_SIGB1").is_not_null(), ~pl.col("N_SIGB1").is_in(["", "NaN", "NA"]))
    return known.with_columns(
        pl.col("N_SIGB1", "N_SIGB2").cast(pl.Int64), pl.col("SCORE").cast(pl.Float64, strict=False)
    )


def test_published_counts_give_the_published_scores_and_classes(shared):
    frame = published(shared).filter(pl.col("AKK_TRICHO").is_not_null(), pl.col("SCORE").is_not_null())
    ours = score(frame["N_SIGB1"].to_numpy(), frame["N_SIGB2"].to_numpy())
    assert abs(ours - frame["SCORE"].to_numpy()).max() < 1e-3
    wrong = 0
    for value, akkermansia, category, call in zip(
        ours, frame["AKK_TRICHO"], frame["SIGCAT"], frame["PRED_TOPO"], strict=True
    ):
        mine = score_class(value)
        called = {"SIG1+": "NR", "SIG2+": "R"}[topo_class(mine, akkermansia.casefold())]
        wrong += (mine != category) or (called != call)
    assert wrong == 0


def test_counts_from_species_match_the_published_ones(shared):
    """19 of the 26 discovery samples within one species of both lists; never fewer species than published."""
    profile = read_profile(shared / "toposcore/DS6_longitudinal_microbiome_data.csv")
    found = toposcore(profile)
    assert found is not None
    both = published(shared).filter(pl.col("Group").is_in(profile.samples))
    rows = [profile.samples.index(name) for name in both["Group"]]
    d1 = found.n1[rows] - both["N_SIGB1"].to_numpy()
    d2 = found.n2[rows] - both["N_SIGB2"].to_numpy()
    close = (abs(d1) <= 1) & (abs(d2) <= 1)
    cohort = both["Cohort"].to_numpy()
    assert close[cohort == "Disc"].sum() == 19
    assert ((d1 == 0) & (d2 == 0))[cohort == "NSCLC Prosp"].all()
    assert d1.min() >= 0
    assert d2.min() >= 0


def test_the_shipped_reference_is_that_of_the_healthy_people(shared):
    profile = read_profile(shared / "mars_ibs_2020/genera.counts.tsv")
    told = read_metadata(shared / "mars_ibs_2020/metadata.tsv", profile)
    healthy = [cell == "H" for cell in told.column("Study.Group")]
    subjects = [cell or "" for cell in told.column("Subject")]
    import numpy as np

    made = reference_from(map_guilds(profile), profile, np.array(healthy), subjects, "H")
    shipped = shipped_reference()
    assert made.n == shipped.n == 24
    np.testing.assert_allclose(shipped.mean, made.mean, atol=1e-6)
    np.testing.assert_allclose(shipped.covariance, made.covariance, atol=1e-6)
