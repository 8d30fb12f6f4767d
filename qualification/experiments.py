"""One function per experiment; each answers one or more cases of ``cases.tsv``.

An answer is ``(value, low, high)``: the model's value and its 90 % predictive interval at the published n
(equal to the value where a rule needs none). For a rule of direction it is the share of virtual people, 0-1,
in whom the stated sign holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from bench import DAY, WEEK, Bench, interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opiome.cohort import Cohort

    Answer = tuple[float, float, float]
    Experiment = Callable[[Bench], Iterator[tuple[str, Answer]]]

EXPERIMENTS: list[Experiment] = []
NEVER = 1e6


def experiment(function: Experiment) -> Experiment:
    """Put an experiment on the list."""
    EXPERIMENTS.append(function)
    return function


def one(value: float) -> Answer:
    """An answer without an interval of its own."""
    return float(value), float(value), float(value)


def share(condition: np.ndarray) -> Answer:
    """The share of people in whom something holds."""
    return one(float(np.mean(condition)))


@experiment
def untreated(bench: Bench) -> Iterator[tuple[str, Answer]]:
    days = np.array([0.0, 12 * WEEK])
    found = bench.run(bench.healthy, [], days)
    weekly = found["bm_rate"][:, 0] * WEEK
    yield "untreated_bm_3_21", interval(100.0 * ((weekly >= 3) & (weekly <= 21)), 200, "mean")
    yield "untreated_bm_below_3", interval(100.0 * (weekly < 3), 200, "mean")
    counts, edges = np.histogram(weekly, bins=np.arange(0.5, 30.5))
    yield "untreated_bm_7", one(edges[np.argmax(counts)] + 0.5)
    yield "untreated_whole_gut", one(np.median(found["whole_gut_transit"][:, 0]))
    yield "untreated_colorectal", one(np.median(found["colonic_transit"][:, 0]))
    made = {
        a: found[f"right_{a}_made"][:, 0] + found[f"left_{a}_made"][:, 0]
        for a in ("acetate", "propionate", "butyrate")
    }
    yield "untreated_scfa_acetate", one(np.median(100 * made["acetate"] / sum(made.values())))
    fall = (found["right_scfa"] > found["left_scfa"]) & (found["left_scfa"] > found["rectosigmoid_scfa"])
    yield "untreated_scfa_gradient", share(fall[:, 0])
    lps = found["plasma_lps"][:, 0]
    yield "untreated_lps_median", one(np.median(lps))
    yield "untreated_lps_iqr", one(100 * np.mean((lps > 1.17) & (lps < 3.45)))
    gut = [
        name for name in found if name not in {"nrs", "pain", "nociception", "tumour", "death_hazard", "cd8"}
    ]
    gut = [name for name in gut if not name.startswith(("tumour", "chemo", "ici"))]
    drift = [np.max(np.abs(found[k][:, 1] - found[k][:, 0]) / (np.abs(found[k][:, 0]) + 1e-6)) for k in gut]
    yield "untreated_drift", one(100 * max(drift))


@experiment
def oxycodone(bench: Bench) -> Iterator[tuple[str, Answer]]:
    day5 = np.arange(5, 6, 0.125) * DAY
    base = bench.run(bench.healthy, [], [0.0])
    taken = bench.run(bench.healthy, ["oxycodone CR 15 mg every 12 h"], day5)
    names = {"whole_gut": "whole_gut_transit", "colorectal": "colonic_transit"}
    names |= {"right": "right_transit", "rectosigmoid": "rectosigmoid_transit"}
    for case, name in names.items():
        ratio = taken[name].mean(axis=1) / base[name][:, 0]
        yield f"oxycodone_{case}", interval(ratio, 25)
    rise = 100 * (taken["right_volume"].mean(axis=1) / base["right_volume"][:, 0] - 1)
    yield "oxycodone_right_volume", interval(rise, 25, "mean")
    both = bench.run(bench.healthy, ["oxycodone CR 15 mg every 12 h", "naloxegol 25 mg daily"], day5)
    ratio = both["colonic_transit"].mean(axis=1) / taken["colonic_transit"].mean(axis=1)
    yield "naloxegol_colorectal", one(np.median(ratio))
    change = 100 * (both["analgesia"].mean(axis=1) / taken["analgesia"].mean(axis=1) - 1)
    yield "naloxegol_analgesia", one(np.median(change))


OPIOIDS = {
    30: [
        "oxycodone CR 10 mg every 12 h",
        "hydromorphone CR 3 mg every 12 h",
        "tapentadol CR 37.5 mg every 12 h",
    ],
    60: [
        *(
            "oxycodone CR 20 mg every 12 h",
            "hydromorphone CR 6 mg every 12 h",
            "fentanyl patch 25 ug/h every 72 h",
        ),
        *("tapentadol CR 75 mg every 12 h", "buprenorphine patch 35 ug/h every 72 h"),
    ],
    200: [
        "oxycodone CR 66.7 mg every 12 h",
        "hydromorphone CR 20 mg every 12 h",
        "fentanyl patch 83 ug/h every 72 h",
    ],
}


@experiment
def equianalgesia(bench: Bench) -> Iterator[tuple[str, Answer]]:
    hours = np.arange(11, 14, 0.125) * DAY
    worst = 0.0
    for dose, others in OPIOIDS.items():
        morphine = bench.run(bench.patients, [f"morphine CR {dose / 2:g} mg every 12 h"], hours)["nrs"].mean(
            axis=1
        )
        for text in others:
            other = bench.run(bench.patients, [text], hours)["nrs"].mean(axis=1)
            worst = max(worst, abs(float(np.median(other) - np.median(morphine))))
    yield "equianalgesia", one(worst)


@experiment
def constipation_by_opioid(bench: Bench) -> Iterator[tuple[str, Answer]]:
    """Constipation as an adverse effect: of the people who did not have it before the opioid.

    In the 32 cohorts of the meta-analysis nobody had had chemotherapy for 30 days, treatment was 15 days or
    longer, and adverse effects were graded by the criteria of the WHO (Yang 2010, methods).
    """
    few = _few(bench, bench.no_chemotherapy, np.arange(8, 15, 0.25) * DAY)
    before = bench.run(bench.no_chemotherapy, [], [0.0])["bm_rate"][:, 0] * WEEK < 3
    morphine, fentanyl = few("morphine CR 30 mg every 12 h"), few("fentanyl patch 25 ug/h every 72 h")
    yield "fentanyl_constipation", one(fentanyl[~before].mean() / max(morphine[~before].mean(), 1e-9))
    few = _few(bench, bench.patients, np.arange(21, 28, 0.25) * DAY)
    oxycodone, tapentadol = few("oxycodone CR 20 mg every 12 h"), few("tapentadol CR 75 mg every 12 h")
    yield "tapentadol_constipation", one(float(tapentadol.mean() < oxycodone.mean()))


def _few(bench: Bench, people: Cohort, hours: np.ndarray) -> Callable[[str], np.ndarray]:
    """Who has fewer than 3 movements a week over the hours, on a regimen."""
    return lambda text: bench.run(people, [text], hours)["bm_rate"].mean(axis=1) * WEEK < 3


@experiment
def tolerance(bench: Bench) -> Iterator[tuple[str, Answer]]:
    hours = np.array([4, 6, 8]) * WEEK
    steady = bench.run(bench.patients, ["morphine CR 30 mg every 12 h"], hours)["tolerance"]
    yield "tolerance_weekly", one(np.median(100 * (steady[:, 2] / steady[:, 0] - 1) / 4))
    stop = ["morphine CR 30 mg every 12 h from day 1 to day 28"]
    after = np.array([28, 30, 32, 28.5, 29, 29.5, 30.5, 31, 42]) * DAY
    order = np.argsort(after)
    found = bench.run(bench.patients, stop, after[order])
    position = {float(t): int(np.flatnonzero(order == i)[0]) for i, t in enumerate(after / DAY)}
    excess = found["tolerance"] - 1
    first = excess[:, position[28]] - excess[:, position[30]]
    second = excess[:, position[30]] - excess[:, position[32]]
    yield "tolerance_two_speeds", share(first > second)
    early = found["cows"][:, [position[t] for t in (28.5, 29, 29.5, 30, 30.5, 31)]].max(axis=1)
    rises = (early > found["cows"][:, position[28]] + 1) & (found["cows"][:, position[42]] < early)
    yield "withdrawal_time", share(rises)


LAXATIVES = {
    "macrogol": "macrogol 17 g daily",
    "senna": "senna 15 mg daily",
    "bisacodyl": "bisacodyl 10 mg daily",
    "lactulose": "lactulose 20 g daily",
    "magnesium": "magnesium oxide 1 g daily",
    "docusate": "docusate 200 mg daily",
}


@experiment
def laxatives(bench: Bench) -> Iterator[tuple[str, Answer]]:
    opioid = "morphine CR 30 mg every 12 h"
    hours = np.arange(21, 28, 0.25) * DAY
    alone = bench.run(bench.patients, [opioid], hours)["bm_rate"].mean(axis=1) * WEEK
    constipated = alone < 3
    gain = {
        name: (bench.run(bench.patients, [opioid, text], hours)["bm_rate"].mean(axis=1) * WEEK - alone)[
            constipated
        ].mean()
        for name, text in LAXATIVES.items()
    }
    yield "macrogol", one(gain["macrogol"])
    yield "docusate", one(gain["docusate"])
    yield "laxatives_together", one(np.mean([gain[k] for k in gain if k != "docusate"]))
    base = ["morphine CR 30 mg every 12 h"]
    fine = 14 * DAY + np.arange(0, 97, 1.0)
    plain = bench.run(bench.patients, base, fine)
    stimulated = bench.run(bench.patients, [*base, "bisacodyl 10 mg daily from day 15 to day 15"], fine)
    yield "stimulant_onset", one(np.median(np.argmax(stimulated["propulsion"] / plain["propulsion"], axis=1)))
    osmotic = bench.run(bench.patients, [*base, "macrogol 17 g daily from day 15"], fine)
    gained = np.median(osmotic["stool_water"] - plain["stool_water"], axis=0)
    late = bench.run(bench.patients, [*base, "macrogol 17 g daily from day 15"], [35 * DAY])["stool_water"][
        :, 0
    ]
    full = np.median(late - bench.run(bench.patients, base, [35 * DAY])["stool_water"][:, 0])
    yield "osmotic_onset", one(float(np.argmax(gained >= full / 2)) if (gained >= full / 2).any() else NEVER)


@experiment
def slow_transit(bench: Bench) -> Iterator[tuple[str, Answer]]:
    people = bench.healthy
    slow = {"colonic_transit_untreated": people.parameters["colonic_transit_untreated"] * 2.0}
    at = [16 * WEEK]
    base = bench.run(people, [], at)
    found = bench.run(people, [], at, parameters=slow)
    yield "slow_transit_production", share((found["scfa_production"] > base["scfa_production"])[:, 0])
    for acid in ("acetate", "propionate", "butyrate"):
        stool = [r[f"rectosigmoid_{acid}"][:, 0] / r["rectosigmoid_volume"][:, 0] for r in (found, base)]
        yield f"slow_transit_{acid}", interval(stool[0] / stool[1], 22)


@experiment
def barrier_and_immunity(bench: Bench) -> Iterator[tuple[str, Answer]]:
    people = bench.healthy
    opioid = ["morphine CR 30 mg every 12 h"]
    months = bench.run(bench.patients, opioid, [12 * WEEK])
    before = bench.run(bench.patients, [], [12 * WEEK])
    yield "scd14", one(np.median(100 * (months["scd14"] / before["scd14"] - 1)))
    yield "chronic_il6", one(np.median(months["il6"] / before["il6"]))
    yield "cxcl1", one(np.median(100 * (months["cxcl1"] / before["cxcl1"] - 1)))
    day = bench.run(people, ["morphine CR 30 mg every 12 h"], [0.0, DAY])["permeability"]
    null = bench.run(people, opioid, [0.0, DAY], parameters={"enteric_EC50": 1e6})["permeability"]
    leaks = (day[:, 1] > 1.01 * day[:, 0]) & (np.abs(null[:, 1] / null[:, 0] - 1) < 0.01)
    yield "leak_mor_null", share(leaks)
    chemo = bench.run(
        bench.patients, ["fluorouracil 750 mg daily from day 1 to day 4"], np.arange(0, 8, 0.25) * DAY
    )
    yield "fluorouracil", one(np.median(chemo["lactulose_mannitol"].max(axis=1)))
    low, high = (_closing(bench, level) for level in (2.0, 8.0))
    yield "butyrate_peak", share(np.atleast_1d(low > high))


def _closing(bench: Bench, level: float) -> float:
    """Tight junctions of one person whose mucosal butyrate is set, four days on."""
    person = bench.typical
    flux = bench.run(person, [], [0.0])["butyrate_flux"][0, 0]
    per_flux = level / flux * float(person.parameters["healthy_butyrate_flux"][0])
    return float(
        bench.run(person, [], [96.0], parameters={"mucosal_butyrate_healthy": per_flux})["tight_junction"][
            0, 0
        ]
    )


@experiment
def endotoxin(bench: Bench) -> Iterator[tuple[str, Answer]]:
    people = bench.healthy
    weight = 70.0
    fine = np.arange(0, 12.01, 0.1)
    dose = {"CMT": "lps_blood", "AMT": 4.0 * weight * 1000.0, "TIME": 0.0}
    first = bench.run(people, [], fine, doses=[dose])
    yield "endotoxin_tnf", one(np.median(fine[np.argmax(first["tnf"], axis=1)]))
    yield "endotoxin_il6", one(np.median(fine[np.argmax(first["il6"], axis=1)]))
    twice = bench.run(people, [], fine, doses=[dose, {**dose, "TIME": 6.0}])["tnf"]
    again = twice[:, fine >= 6].max(axis=1) / first["tnf"].max(axis=1)
    yield "endotoxin_second", one(np.median(again))
    low = bench.run(people, [], [0.0, 3.0], doses=[{**dose, "AMT": 1.0 * weight * 1000.0}])["microglia"]
    yield "microglia_signal", one(np.median(100 * (low[:, 1] / low[:, 0] - 1)))


@experiment
def restoration(bench: Bench) -> Iterator[tuple[str, Answer]]:
    people = bench.healthy
    base = bench.run(people, [], [0.0])
    fed = bench.run(people, ["inulin 6.5 g daily"], [28 * DAY])
    grown = np.log10(fed["rectosigmoid_G3"][:, 0] / base["rectosigmoid_G3"][:, 0])
    yield "inulin", one(np.median(grown))
    slow = bench.run(bench.patients, ["morphine CR 10 mg every 12 h"], [28 * DAY])["bm_rate"][:, 0] * WEEK
    with_it = ["morphine CR 10 mg every 12 h", "probiotic 5e10 cfu daily"]
    helped = bench.run(bench.patients, with_it, [28 * DAY])["bm_rate"][:, 0] * WEEK
    yield "probiotic_bm", one(np.mean((helped - slow)[slow < 4]))
    hours = 14 * DAY + np.arange(0, 21, 0.25) * DAY
    left = bench.run(people, ["probiotic 5e10 cfu daily from day 1 to day 14"], hours)["probiotic"]
    gone = np.argmax(left < 0.1 * left[:, :1], axis=1) * 0.25
    yield "probiotic_washout", one(np.median(gone))


@experiment
def enteric_glia(bench: Bench) -> Iterator[tuple[str, Answer]]:
    days = np.array([1.0, 7.0]) * DAY
    opioid = ["morphine CR 30 mg every 12 h"]
    on = bench.run(bench.patients, opioid, days)["colonic_transit"]
    off = bench.run(bench.patients, opioid, days, parameters={"edge_lps_glia": 0.0})["colonic_transit"]
    shorter = (on - off) / on
    yield "cx43", share(shorter[:, 1] > 3 * np.maximum(shorter[:, 0], 0))


@experiment
def ici(bench: Bench) -> Iterator[tuple[str, Answer]]:
    therapy = ["pembrolizumab 200 mg every 3 weeks"]
    opioid = [*therapy, "morphine CR 30 mg every 12 h"]
    at = np.arange(0, 53, 4.0) * WEEK
    bacterial = {"edge_flora_ici": 0.0, "edge_flora_chemo": 0.0}
    hazard = {}
    for name, texts, gates in [
        ("on", opioid, {}),
        ("off", opioid, bacterial),
        ("on0", therapy, {}),
        ("off0", therapy, bacterial),
    ]:
        found = bench.run(bench.patients, texts, at, parameters=gates)
        hazard[name] = found["death_hazard"].mean()
        if name == "on":
            treated = found["cd8"][:, 6]
        if name == "on0":
            yield "ici_direction", share(treated < found["cd8"][:, 6])
    yield "ici_bacterial", one((hazard["on"] / hazard["on0"]) / (hazard["off"] / hazard["off0"]))
