"""The favourable and unfavourable species of Derosa et al. (Cell 2024): classes, survival, recount."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from _markdown import ROUNDING, Row, table

from opiome.microbiome import read_profile, toposcore
from opiome.microbiome._toposcore import (
    akkermansia_class,
    listed_bins,
    score,
    score_class,
    topo_class,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from opiome.microbiome import Profile, Toposcore

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SPECIES_TABLE = "toposcore/DS6_longitudinal_microbiome_data.csv"
EXPECTED = {
    "class": "1.80 (1.21 to 2.68)",
    "progression": "1.34 (0.99 to 1.81)",
    "slope": "0.91 (0.81 to 1.03)",
    "zero": "1.77 (1.13 to 2.76)",
    "high": "2.25 (1.24 to 4.09)",
    "antibiotics": "1.39 (0.83 to 2.30)",
}


def clinical() -> pl.DataFrame:
    """The 499 patients, with numbers as numbers and the Akkermansia class in lower case."""
    frame = pl.read_csv(DATA / "toposcore/DS1_oncology_clinical_data_DiscValid.csv", infer_schema_length=0)
    numeric = ["N_SIGB1", "N_SIGB2", "SCORE", "OS", "Death", "PFS", "PD", "ECOGPS", "Akkermansia_muciniphila"]
    return frame.with_columns(
        *(pl.col(name).cast(pl.Float64, strict=False) for name in numeric),
        pl.col("AKK_TRICHO").str.to_lowercase().alias("akkermansia"),
    )


def is_value(frame: pl.DataFrame, column: str, value: str) -> NDArray[np.float64]:
    """A column as 1 where it has this value, else 0."""
    return (frame[column] == value).to_numpy().astype(np.float64)


def cox(frame: pl.DataFrame, time: str, event: str, **columns: NDArray[np.float64]) -> dict[str, str]:
    """Cox regression by lifelines: the hazard ratio of each column with its 95 % interval."""
    import pandas as pd
    from lifelines import CoxPHFitter

    data = pd.DataFrame(
        {"time": frame[time].to_numpy(), "event": frame[event].to_numpy(), **columns}
    ).dropna()
    summary = CoxPHFitter().fit(data, "time", "event").summary
    keys = ("exp(coef)", "exp(coef) lower 95%", "exp(coef) upper 95%")
    found = {name: [float(summary.loc[name, key]) for key in keys] for name in columns}
    return {name: f"{a:.2f} ({low:.2f} to {high:.2f})" for name, (a, low, high) in found.items()}


def same(ours: str, expected: str) -> bool:
    """Whether two printed results are the same to the last digit, give or take one."""
    a, b = ([float(cell.strip("()")) for cell in text.split() if cell != "to"] for text in (ours, expected))
    return all(abs(x - y) <= ROUNDING for x, y in zip(a, b, strict=True))


def median_survival(frame: pl.DataFrame) -> str:
    """Median overall survival in months by Kaplan and Meier."""
    from lifelines import KaplanMeierFitter

    fit = KaplanMeierFitter().fit(frame["OS"].to_numpy(), frame["Death"].to_numpy())
    return f"{float(fit.median_survival_time_):.1f}"


def published_classes(everyone: pl.DataFrame) -> list[Row]:
    """Scores and classes again from the published counts."""
    known = everyone.filter(pl.col("N_SIGB1").is_not_null(), pl.col("akkermansia").is_not_null())
    ours = score(known["N_SIGB1"].to_numpy(), known["N_SIGB2"].to_numpy())
    off = float(np.nanmax(np.abs(ours - known["SCORE"].to_numpy())))
    classes = [score_class(value) for value in ours]
    calls = [topo_class(c, a) for c, a in zip(classes, known["akkermansia"], strict=True)]
    right = sum(a == b for a, b in zip(classes, known["SIGCAT"], strict=True))
    called = sum(
        {"SIG1+": "NR", "SIG2+": "R"}[a] == b for a, b in zip(calls, known["PRED_TOPO"], strict=True)
    )
    n = known.height
    return [
        Row("Score from the published counts, largest difference", str(n), f"{off:.4f}", "0", off < 1e-3),
        Row(
            "Class (SIG1, Gray, SIG2) from the published counts", str(n), f"{right} alike", "all", right == n
        ),
        Row(
            "Call (SIG1+, SIG2+) with the *Akkermansia* class", str(n), f"{called} alike", "all", called == n
        ),
    ]


def survival(everyone: pl.DataFrame) -> tuple[list[Row], str]:
    """What class, score, Akkermansia and antibiotics say about survival, outside the discovery cohort."""
    from lifelines.statistics import logrank_test
    from scipy.stats import mannwhitneyu

    valid = everyone.filter(pl.col("Cohort") != "Disc", pl.col("OS").is_not_null())
    classed = valid.filter(pl.col("PRED_TOPO").is_in(["R", "NR"]))
    a, b = (classed.filter(pl.col("PRED_TOPO") == call) for call in ("NR", "R"))
    test = logrank_test(a["OS"].to_numpy(), b["OS"].to_numpy(), a["Death"].to_numpy(), b["Death"].to_numpy())
    n = str(classed.height)
    rows: list[Row] = []

    def ratio(what: str, ours: str, key: str, n: str) -> None:
        rows.append(Row(f"{what} (Cox HR)", n, ours, EXPECTED[key], same(ours, EXPECTED[key])))

    ratio(
        "Death, SIG1+ against SIG2+",
        cox(classed, "OS", "Death", x=is_value(classed, "PRED_TOPO", "NR"))["x"],
        "class",
        n,
    )
    rows.append(Row("The same, log-rank p", n, f"{test.p_value:.4f}", "0.004 (Cox)", test.p_value < 0.01))
    medians = f"{median_survival(a)} and {median_survival(b)} months"
    rows.append(
        Row(
            "Median survival, SIG1+ and SIG2+",
            n,
            medians,
            "15.4 and 41.8 months",
            medians.startswith("15.4 and 41.8"),
        )
    )
    followed = classed.filter(pl.col("PFS").is_not_null(), pl.col("PD").is_not_null())
    hazard = cox(followed, "PFS", "PD", x=is_value(followed, "PRED_TOPO", "NR"))["x"]
    ratio("Progression, SIG1+ against SIG2+", hazard, "progression", str(followed.height))
    scored = valid.filter(pl.col("SCORE").is_not_null())
    slope = cox(scored, "OS", "Death", x=scored["SCORE"].to_numpy() * 10.0)["x"]
    ratio("Death per 0.1 of the score", slope, "slope", str(scored.height))
    known = valid.filter(pl.col("akkermansia").is_in(["zero", "low", "high"]))
    shape = cox(known, "OS", "Death", **{k: is_value(known, "akkermansia", k) for k in ("zero", "high")})
    for k, ours in shape.items():
        ratio(f"Death, *Akkermansia* {k} against low", ours, k, str(known.height))
    by_class = [median_survival(known.filter(pl.col("akkermansia") == k)) for k in ("zero", "low", "high")]
    rows.append(
        Row(
            "Inverted U: median survival with *Akkermansia* zero / low / high",
            str(known.height),
            " / ".join(by_class) + " months",
            "16.0 / 41.8 / 17.9 months",
            float(by_class[0]) < float(by_class[1]) > float(by_class[2]),
        )
    )
    treated, spared = (scored.filter(pl.col("ATB") == answer)["SCORE"].to_numpy() for answer in ("yes", "no"))
    difference = treated.mean() - spared.mean()
    p = mannwhitneyu(treated, spared).pvalue
    rows.append(
        Row(
            f"Score after antibiotics, difference of means (Mann-Whitney p {p:.4f})",
            f"{len(treated)} and {len(spared)}",
            f"{difference:.2f}",
            "-0.13",
            abs(difference + 0.13) <= ROUNDING,
        )
    )
    ratio(
        "Death after antibiotics",
        cox(valid, "OS", "Death", x=is_value(valid, "ATB", "yes"))["x"],
        "antibiotics",
        str(valid.height),
    )
    both = classed.filter(pl.col("ECOGPS").is_not_null())
    adjusted = cox(
        both,
        "OS",
        "Death",
        x=is_value(both, "PRED_TOPO", "NR"),
        antibiotics=is_value(both, "ATB", "yes"),
        ecog=(both["ECOGPS"] >= 2).to_numpy().astype(np.float64),
    )["x"]
    return rows, f"{adjusted}, n = {both.height}"


def rarest(
    profile: Profile, row: int, names: Sequence[str], seen: NDArray[np.bool_], how_many: int
) -> list[tuple[float, str]]:
    """The least abundant detected species of a list in one sample: percentages and names."""
    column = {name: i for i, name in enumerate(profile.taxonomy)}
    present = [name for name, here in zip(names, seen, strict=True) if here]
    return sorted((100.0 * float(profile.fractions[row, column[name]]), name) for name in present)[:how_many]


def cause(found: Toposcore, i: int, published: str, stated: float) -> str:
    """Why the call of sample ``i`` is not the published one: species of several bins, or *Akkermansia*.

    The list names some species by several bins; a count of bins and a count of species names differ where
    only another bin is there.
    """
    bins = listed_bins()
    several = [
        name
        for name, here in zip(found.names["SIG1"], found.present["SIG1"][i], strict=True)
        if here and bins[name] > 1
    ]
    for drop in range(len(several) + 1):
        value = float(score(np.array(found.n1[i] - drop), np.array(found.n2[i])))
        call = topo_class(score_class(value), akkermansia_class(stated / 100.0))
        if call != published:
            continue
        if drop:
            names = " and ".join(several[:drop]).replace("_", " ")
            return f"as published ({call}, score {value:.3f}) without {names}, listed by several bins"
        return f"as published ({call}) with the published *Akkermansia*, {stated:g} %"
    return "not explained"


def recount(everyone: pl.DataFrame) -> tuple[list[Row], dict[str, str]]:
    """Scores from species for the patients whose samples are in the longitudinal table."""
    profile = read_profile(DATA / SPECIES_TABLE)
    found = toposcore(profile)
    if found is None:
        raise SystemExit("The species table names no species.")
    frame = everyone.filter(pl.col("N_SIGB1").is_not_null(), pl.col("Group").is_in(profile.samples))
    index = [profile.samples.index(name) for name in frame["Group"]]
    more = {
        "SIG1": found.n1[index] - frame["N_SIGB1"].to_numpy(),
        "SIG2": found.n2[index] - frame["N_SIGB2"].to_numpy(),
    }
    calls = [{"SIG1+": "NR", "SIG2+": "R"}[found.call[i]] for i in index]
    alike = [a == b for a, b in zip(calls, frame["PRED_TOPO"], strict=True)]
    exact = (more["SIG1"] == 0) & (more["SIG2"] == 0)
    close = (np.abs(more["SIG1"]) <= 1) & (np.abs(more["SIG2"]) <= 1)
    cohort = frame["Cohort"].to_numpy()
    disc, prospective, valid = (cohort == name for name in ("Disc", "NSCLC Prosp", "Valid"))
    akkermansia = profile.fractions[index, profile.taxonomy.index("Akkermansia_muciniphila")] * 100.0
    akkermansia = np.asarray(
        akkermansia.todense() if hasattr(akkermansia, "todense") else akkermansia
    ).ravel()
    stated = frame["Akkermansia_muciniphila"].to_numpy()
    shown = (akkermansia > 0) & (stated > 0)
    quotient = stated[shown & ~prospective] / akkermansia[shown & ~prospective]
    lines, shares, differ = [], [], []
    for k, i in enumerate(index):
        if not alike[k]:
            differ.append(
                f"{frame['Group'][k]} (score {frame['SCORE'][k]:.3f} published, {found.score[i]:.3f} here;"
                f" *Akkermansia* {stated[k]:g} % published, {akkermansia[k]:.3f} % here): "
                + cause(found, i, {"NR": "SIG1+", "R": "SIG2+"}[frame["PRED_TOPO"][k]], stated[k])
            )
        if exact[k]:
            continue
        extra = [
            x
            for which in more
            for x in rarest(profile, i, found.names[which], found.present[which][i], int(more[which][k]))
        ]
        shares += [share for share, _ in extra]
        lines.append(
            (
                frame["Group"][k],
                cohort[k],
                f"{frame['N_SIGB1'][k]:.0f} / {frame['N_SIGB2'][k]:.0f}",
                f"{found.n1[i]} / {found.n2[i]}",
                f"{frame['SCORE'][k]:.3f}",
                f"{found.score[i]:.3f}",
                "yes" if alike[k] else "**no**",
                "; ".join(f"{name.replace('_', ' ')} {share:.2g} %" for share, name in extra),
            )
        )
    older = ~prospective
    has = found.present["SIG1"][index, found.names["SIG1"].index("Hungatella_hathewayi")]
    rows = [
        Row(
            "Discovery samples within one species on both lists",
            str(disc.sum()),
            str(close[disc].sum()),
            "19",
            close[disc].sum() == 19,
        ),
        Row(
            "Prospective samples with exactly the published counts",
            str(prospective.sum()),
            str(exact[prospective].sum()),
            str(prospective.sum()),
            bool(exact[prospective].all()),
        ),
        Row("Validation samples within one species on both lists", str(valid.sum()), str(close[valid].sum())),
        Row("The same call (SIG1+ or SIG2+)", str(len(index)), str(sum(alike)), str(len(index)), all(alike)),
        Row(
            "Other calls, explained by species of several bins or *Akkermansia*",
            str(len(differ)),
            str(sum("not explained" not in line for line in differ)),
            str(len(differ)),
            all("not explained" not in line for line in differ),
        ),
    ]
    words = {
        "both": str(len(index)),
        "exact": str(exact.sum()),
        "close": str(close.sum()),
        "most1": f"{more['SIG1'].max():.0f}",
        "most2": f"{more['SIG2'].max():.0f}",
        "akk_low": f"{quotient.min():.3f}",
        "akk_high": f"{quotient.max():.3f}",
        "rarest": f"{np.median(shares):.2g}",
        "with_h": f"{100 * (more['SIG1'][older & has] > 0).mean():.0f}",
        "without_h": f"{100 * (more['SIG1'][older & ~has] > 0).mean():.0f}",
        "calls": "; ".join(differ) + ".",
        "detail": table(
            lines,
            (
                "sample",
                "cohort",
                "published SIG1 / SIG2",
                "recount",
                "published score",
                "score",
                "same call",
                "rarest listed species, as many as differ",
            ),
        ),
    }
    if any(values.min() < 0 for values in more.values()) or not exact[prospective].all():
        raise SystemExit(
            "The recount no longer supports what microbiome_page.md says about it: correct the words."
        )
    return rows, words
