"""Bacterial load: fractions become amounts, and patients get bacteria of their own mass."""

import numpy as np
import polars as pl
import pytest

from opiome.errors import ProfileError
from opiome.microbiome import analyse, read_cohort


def told(write, cells, head="load"):
    rows = [f"s{i + 1}\t{cell}" for i, cell in enumerate(cells)]
    return write("told.tsv", f"sample\t{head}\n" + "\n".join(rows))


def loads(genera, metadata, tmp_path, **options):
    out = analyse(genera, metadata=metadata, load="load", **options).write(tmp_path / "out", overwrite=True)
    return read_cohort(out / "cohort.parquet")


def test_logarithms_are_seen_and_gaps_stay_gaps(genera, write, tmp_path):
    table = loads(genera, told(write, ["11", "", "10.5"]), tmp_path)
    np.testing.assert_allclose(table["load_cells_per_g"].to_numpy()[[0, 2]], [1e11, 10**10.5])
    assert table["load_cells_per_g"].to_list()[1] is None
    guilds = pl.read_csv(tmp_path / "out" / "guilds.tsv", separator="\t")
    assert "load_cells_per_g" in guilds.columns


@pytest.mark.parametrize(("cells", "match"), [
    (["0", "1e11", "1e11"], "the load of sample s1 is '0'"),
    (["1e11", "many", "1e11"], "the load of sample s2 is 'many'"),
    (["", "", ""], "holds no load"),
    (["5000", "6000", "7000"], "--load-unit relative"),
])  # fmt: skip
def test_loads_that_cannot_be(genera, write, cells, match):
    with pytest.raises(ProfileError, match=match):
        analyse(genera, metadata=told(write, cells), load="load")


def people(made, write, factor):
    """People before and after; the load of the second half falls, and the proportions do not follow it."""
    table, _ = made.people(write, n=24)
    rows = ["sample\tsubject\tvisit\tgroup\tload"]
    for i, name in enumerate(line.split("\t")[0] for line in table.read_text("utf-8").splitlines()[1:]):
        group = "healthy" if i < 24 else "treated"
        load = 2000 if group == "healthy" or i % 2 == 0 else 2000 * factor
        rows.append(f"{name}\tp{i // 2}\t{i % 2}\t{group}\t{load}")
    return table, write("told.tsv", "\n".join(rows))


def test_relative_loads_need_a_reference_and_make_changes_of_amounts(made, write, tmp_path):
    table, metadata = people(made, write, 0.25)
    with pytest.raises(ProfileError, match="0 people of the reference group"):
        analyse(table, metadata=metadata, load="load", load_unit="relative")
    found = analyse(
        table, metadata=metadata, load="load", load_unit="relative", reference="group=healthy", min_depth=1
    )
    out = found.write(tmp_path / "out", per="person")
    cohort = read_cohort(out / "cohort.parquet")
    np.testing.assert_allclose(cohort["load_ratio"].to_numpy(), [1.0] * 12 + [0.5] * 12)
    change = pl.read_parquet(out / "changes.parquet")
    np.testing.assert_allclose(change["log2_load"].to_numpy(), [0.0] * 12 + [-2.0] * 12, atol=1e-12)
    for guild in ("G1", "G6"):
        first = change.select(pl.col(f"log2_{guild}") - pl.col("log2_G2")).to_series()
        other = change.select(pl.col(f"log2_amount_{guild}") - pl.col("log2_amount_G2")).to_series()
        np.testing.assert_allclose(first.to_numpy(), other.to_numpy(), atol=1e-9)


def profiles_with_loads(made, write, tmp_path, model):
    from opiome import cohort

    rows = ["sample\t" + "\t".join(t[5] for t in made.TAXA)]
    rows += [f"s{i + 1}\t" + "\t".join(f"{v:.0f}" for v in made.COUNTS[0]) for i in range(4)]
    metadata = told(write, ["9e10", "1.8e11", "", "4.5e12"])
    out = analyse(write("same.tsv", "\n".join(rows)), metadata=metadata, load="load").write(tmp_path / "out")
    return cohort.Profiles.read(out / "cohort.parquet", model)


def test_a_load_sets_the_mass_of_the_bacteria(made, write, tmp_path):
    """Who has no load keeps the mass drawn for them; fifty times the healthy load is unfit."""
    from opiome import model as models

    model = models.load()
    profiles = profiles_with_loads(made, write, tmp_path, model)
    np.testing.assert_allclose(profiles.loads, [1.0, 2.0, np.nan, 50.0])
    assert profiles.unfit[:3] == ("", "", "")
    assert "bacterial load of the profile outside 0.1" in profiles.unfit[3]
    drawn = {"flora_bacteria_untreated": np.array([5.0, 6.0, 7.0, 8.0, 9.0]), "illness": np.zeros(5)}
    masses = profiles.masses(np.arange(5), drawn, model)
    typical = dict(model.parameters.select("id", "value").iter_rows())["flora_bacteria_untreated"]
    expected = [typical, 2 * typical, 7.0, 50 * typical, typical]
    np.testing.assert_allclose(masses["flora_bacteria_untreated"], expected)
    assert set(masses) == {"flora_bacteria_untreated"}


@pytest.mark.slow
def test_twice_the_load_is_twice_the_flora(made, write, tmp_path):
    from opiome import cohort, engine
    from opiome import model as models

    model = models.load()
    profiles = profiles_with_loads(made, write, tmp_path, model)
    program = engine.compile(model.sbml)
    built = cohort.build(model, None, 2, 1, program=program, profiles=profiles)
    assert not built.outcome.any()
    seen = program.evaluate(built.start, built.parameters)[:, program.outputs.index("flora_load")]
    transit = built.parameters["colonic_transit_untreated"] / program.defaults["colonic_transit_healthy"]
    held = seen / transit ** program.defaults["bacteria_residence"]
    assert held[0] == pytest.approx(1.0, rel=0.15)
    assert held[1] / held[0] == pytest.approx(2.0, rel=1e-6)
