"""Each measure against a closed form, a slow twin or another program."""

import itertools

import numpy as np
import pytest

from opiome.microbiome import analyse, map_guilds, measures, read_profile, shipped_reference, toposcore
from opiome.microbiome._distances import aitchison, bray_curtis, permanova, principal_coordinates
from opiome.microbiome._logratio import ilr_inverse
from opiome.microbiome._measures import _dysbiosis, definitions
from opiome.microbiome._toposcore import akkermansia_class, score_class, topo_class


def of(path, **options):
    profile = read_profile(path)
    return measures(profile, map_guilds(profile), **options)


def test_alpha_diversity_of_an_even_community(write):
    frame = of(
        write("t.tsv", "taxon\ts1\nBacteroides\t25\nBlautia\t25\nRoseburia\t25\nEscherichia\t25\n"),
        min_depth=1,
    )
    row = frame.row(0, named=True)
    assert row["richness"] == 4
    assert row["shannon"] == pytest.approx(np.log(4))
    assert row["simpson"] == pytest.approx(0.75)
    assert row["pielou"] == pytest.approx(1.0)


def test_chao1_is_bias_corrected(write):
    frame = of(
        write("t.tsv", "taxon\ts1\nBacteroides\t25\nBlautia\t1\nRoseburia\t1\nDorea\t1\nEscherichia\t2\n"),
        min_depth=1,
    )
    assert frame["chao1"][0] == pytest.approx(5 + 3 * 2 / (2 * 2))


def test_rarefied_richness_is_the_mean_over_every_draw(write):
    counts = {"Bacteroides": 4, "Blautia": 2, "Roseburia": 1}
    other = {"Bacteroides": 3, "Blautia": 0, "Roseburia": 0}
    rows = "\n".join(f"{name}\t{n}\t{other[name]}" for name, n in counts.items())
    frame = of(write("t.tsv", "taxon\ts1\ts2\n" + rows), min_depth=1)
    reads = [name for name, n in counts.items() for _ in range(n)]
    draws = [len(set(draw)) for draw in itertools.combinations(reads, 3)]
    assert frame["richness_rarefied"][0] == pytest.approx(np.mean(draws))
    assert frame["richness_rarefied"][1] == pytest.approx(1.0)


def test_tables_of_fractions_have_no_measures_of_reads(made, write):
    frame = of(write("t.tsv", made.table("{:.6f}", made.FRACTIONS)))
    assert frame["chao1"].null_count() == frame["richness_rarefied"].null_count() == 3


def test_every_measure_has_a_definition(genera):
    assert set(of(genera).columns) - {"sample"} <= set(definitions())


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [(0.0, "zero"), (1e-9, "low"), (0.0479, "low"), (0.04799, "high"), (1.0, "high")],
)
def test_akkermansia_classes(fraction, expected):
    assert akkermansia_class(fraction) == expected


@pytest.mark.parametrize(("score", "akkermansia", "expected"), [
    (0.5351, "low", "SIG1+"), (0.5352, "low", "SIG2+"), (0.5352, "zero", "SIG1+"), (0.5352, "high", "SIG1+"),
    (0.7910, "zero", "SIG1+"), (0.7911, "zero", "SIG2+"),
])  # fmt: skip
def test_toposcore_cuts(score, akkermansia, expected):
    assert topo_class(score_class(score), akkermansia) == expected


def test_toposcore_from_every_spelling(write):
    """One unfavourable and two favourable species, as MetaPhlAn names, bins and GTDB names."""
    spellings = (
        (
            "s__Streptococcus_salivarius",
            "s__Anaerostipes_hadrus",
            "s__Blautia_wexlerae",
            "s__Bacteroides_uniformis",
        ),
        ("GGB1_SGB8007", "GGB1_SGB4540", "GGB2_SGB4837", "s__Bacteroides_uniformis"),
        ("Streptococcus salivarius", "Anaerostipes hadrus", "Blautia_A wexlerae", "Bacteroides uniformis"),
    )
    for names in spellings:
        found = toposcore(read_profile(write("t.tsv", "taxon\ts1\n" + "\n".join(f"{n}\t2.5" for n in names))))
        assert found is not None
        assert (found.n1[0], found.n2[0]) == (1, 2)
        assert found.score[0] == pytest.approx((2 / 45 - 1 / 37 + 1) / 2)


def test_no_toposcore_from_genera(genera):
    assert toposcore(read_profile(genera)) is None
    assert of(genera)["toposcore"].null_count() == 3


def test_dysbiosis_is_zero_at_the_centre_of_the_reference_and_grows_away_from_it(made, write):
    reference = shipped_reference()
    centre = ilr_inverse(reference.mean[None, :])
    away = ilr_inverse(reference.mean[None, :] + 3 * np.sqrt(np.diag(reference.covariance)))
    values = np.vstack([centre, (centre + away) / 2, away])
    profile = read_profile(write("t.tsv", made.table("{:.12f}", values)))
    distance, percentile = _dysbiosis(map_guilds(profile), profile, reference, profile.samples)
    assert distance[0] == pytest.approx(0.0, abs=1e-6)
    assert distance[0] < distance[1] < distance[2]
    assert percentile[0] == pytest.approx(0.0, abs=1e-6)
    assert 0 <= percentile[1] < percentile[2] <= 100


def test_a_reference_group_leaves_its_own_members_out(made, write):
    table, told = made.people(write)
    found = analyse(table, metadata=told, reference="group=A")
    frame = found.measures
    a = np.array(found.groups) == "A"
    dysbiosis, bray = frame["dysbiosis"].to_numpy(), frame["dysbiosis_bray"].to_numpy()
    assert np.median(dysbiosis[~a]) > np.median(dysbiosis[a])
    assert np.median(bray[~a]) > np.median(bray[a])
    distances = bray_curtis(found.profile)
    who = np.array(found.subjects)
    slow = [
        np.median([distances[i, j] for j in range(len(who)) if a[j] and who[j] != who[i]])
        for i in range(len(who))
    ]
    np.testing.assert_allclose(bray, slow)


def test_batches_are_reported(made, write):
    table, told = made.people(write)
    found = analyse(table, metadata=told, batch=["group"])
    effect = {b.column: b for b in found.batches}
    assert set(effect) == {"group", "kit"}
    assert effect["group"].p <= 0.01
    assert effect["group"].r_squared > effect["kit"].r_squared


def test_permanova_agrees_with_scikit_bio(made, write):
    from skbio import DistanceMatrix
    from skbio.stats.distance import permanova as theirs

    table, told = made.people(write)
    found = analyse(table, metadata=told, group="group")
    distances = aitchison(found.profile)
    r_squared, f, p = permanova(distances, found.groups, 199)
    expected = theirs(DistanceMatrix(distances), list(found.groups), permutations=0)
    assert f == pytest.approx(expected["test statistic"])
    n, a = len(found.groups), 2
    assert r_squared == pytest.approx(1 / (1 + (n - a) / (f * (a - 1))))
    assert p == pytest.approx(1 / 200)


def test_bray_curtis_of_one_pair(write):
    distances = bray_curtis(
        read_profile(write("t.tsv", "taxon\ts1\ts2\nBacteroides\t50\t20\nBlautia\t50\t80\n"))
    )
    np.testing.assert_allclose(distances, [[0, 0.3], [0.3, 0]], atol=1e-12)


def test_principal_coordinates_keep_the_distances_of_a_triangle():
    points = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    found, share = principal_coordinates(distances)
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found[None], axis=2), distances, atol=1e-8)
    assert share.sum() == pytest.approx(1.0)
    for n in (1, 2):
        assert principal_coordinates(distances[:n, :n])[0].shape == (n, 2)


def test_a_strange_sample_is_flagged(made, write):
    table, told = made.people(write)
    lines = table.read_text(encoding="utf-8").splitlines()
    lines[5] = lines[5].split("\t")[0] + "\t10" * 5 + "\t9000\t10"
    strange = lines[5].split("\t")[0]
    found = analyse(write("strange.tsv", "\n".join(lines)), metadata=told)
    assert {(flag.sample, flag.flag) for flag in found.flags if flag.sample == strange} >= {
        (strange, "outlier"),
        (strange, "dominated"),
    }
    how_far = {flag.sample: float(flag.detail.split()[0]) for flag in found.flags if flag.flag == "outlier"}
    assert max(how_far, key=how_far.get) == strange
