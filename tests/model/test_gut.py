"""What the gut half of the shipped model does: the numbers it was tuned to and the form it must have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from opiome import cohort, engine, model, regimen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

GUILDS = tuple(f"G{i}" for i in range(1, 8))
SEGMENTS = ("right", "left", "rectosigmoid")
# what the other rooms and the pharmacology half read from the gut
INTERFACE = [
    "butyrate_flux",
    "butyrate_tone",
    "flora_signal",
    "scfa_tone",
    "flora_load",
    "flora_score",
    "akkermansia_fraction",
    "glucuronidase",
    "plasma_lps",
    "tnf",
    "il6",
    "il10",
    "bm_rate",
    "whole_gut_transit",
    "stool_water",
    "hardness",
    "completeness",
    "straining",
    "bristol",
]
MORPHINE = "morphine CR 45 mg every 12 h from day 1 to day 28"


@dataclass
class Bench:
    """The default patient, ready to be given something."""

    model: Any
    program: Any
    parameters: dict[str, NDArray[np.float64]]
    start: NDArray[np.float64]

    def run(
        self,
        times: NDArray[np.float64],
        lines: Sequence[str] = (),
        doses: Sequence[Mapping[str, Any]] = (),
        changed: Mapping[str, float] | None = None,
    ) -> dict[str, NDArray[np.float64]]:
        parameters = self.parameters | {k: np.array([v]) for k, v in (changed or {}).items()}
        tables = []
        dosings = [regimen.parse(line, self.model) for line in lines]
        if dosings:
            slots = regimen.parameters(dosings, self.model)
            parameters |= {k: np.atleast_1d(np.asarray(v, dtype=float)) for k, v in slots.items()}
            tables += [regimen.events(d, self.model, 0.0, float(times[-1])) for d in dosings]
        if doses:
            tables.append(engine.EventTable.from_rows([dict(row) for row in doses]))
        events = engine.EventTable.concat(tables) if tables else None
        ensemble = self.program.ensemble(parameters, n=1, start=self.start, events=events, rtol=1e-4)
        block = ensemble.advance(float(times[-1]), at=times)
        assert block.outcome[0] == 0, ensemble.failures
        found = dict(zip(self.program.outputs, block.values[0].T, strict=True))
        found["end"] = ensemble.states[0]
        return found

    def untreated(self, name: str) -> float:
        value = self.program.evaluate(self.start, self.parameters)[0, self.program.outputs.index(name)]
        return float(value)


@pytest.fixture(scope="module")
def bench() -> Bench:
    loaded = model.load()
    program = engine.compile(loaded.sbml)
    parameters, start, outcome = loaded.baseline(program, {})
    assert outcome[0] == 0
    return Bench(loaded, program, parameters, start)


def days(last: float, step: float = 2.0) -> NDArray[np.float64]:
    return np.arange(step, 24 * last + step / 2, step)


def on_day(values: NDArray[np.float64], times: NDArray[np.float64], day: int) -> float:
    return float(values[(times > 24 * (day - 1)) & (times <= 24 * day)].mean())


@pytest.fixture(scope="module")
def oxycodone(bench: Bench) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    times = days(7)
    return times, bench.run(times, ["oxycodone CR 15 mg every 12 h from day 1 to day 7"])


@pytest.mark.parametrize("name", INTERFACE)
def test_hands_over_its_interface_as_finite_outputs(bench: Bench, name: str) -> None:
    assert np.isfinite(bench.untreated(name))


@pytest.mark.parametrize(
    "name", ["butyrate_tone", "scfa_tone", "flora_load", "flora_score", "flora_signal", "glucuronidase"]
)
def test_relative_outputs_are_1_in_the_reference_patient(bench: Bench, name: str) -> None:
    assert bench.untreated(name) == pytest.approx(1, abs=1e-4)


def test_untreated_gut_is_that_of_healthy_adults(bench: Bench) -> None:
    value = bench.untreated
    assert 22 <= value("whole_gut_transit") <= 37
    assert 0.4 <= value("colonic_volume") <= 0.9
    assert 100 <= 24 * value("stool_output") <= 200
    assert value("bm_rate") * 168 == pytest.approx(7, rel=1e-4)
    assert value("plasma_lps") == pytest.approx(2.65)
    assert 400 <= 24 * value("scfa_production") <= 700


def test_fermentation_falls_along_the_colon_and_makes_60_20_20(bench: Bench) -> None:
    totals = [bench.untreated(f"{segment}_scfa") for segment in SEGMENTS]
    assert totals[0] > totals[1] > totals[2] or totals[0] == pytest.approx(totals[1], rel=0.1)
    assert totals == pytest.approx([123, 117, 80], rel=0.2)
    crossed = sum(bench.untreated(f"{s}_crossfeeding") for s in SEGMENTS)
    made = [
        sum(bench.untreated(f"{s}_{acid}_made") for s in SEGMENTS)
        for acid in ("acetate", "propionate", "butyrate")
    ]
    made[0] -= 2 * crossed
    assert np.array(made) / sum(made) == pytest.approx([0.6, 0.2, 0.2], abs=0.04)


def test_protein_is_fermented_more_to_the_left_and_when_transit_is_slow(bench: Bench) -> None:
    """Branched acids: 4.6 mmol/kg in the proximal, 6.3 in the distal colon; 12 g a day (Macfarlane 1992)."""

    def used(transit: float) -> list[float]:
        changed = bench.program.defaults | {"colonic_transit_untreated": transit}
        found = model.untreated(bench.model, bench.program, changed)
        parameters = changed | {k: np.ravel(v)[:1] for k, v in found.parameters.items()}
        values = dict(
            zip(bench.program.outputs, bench.program.evaluate(found.start, parameters)[0], strict=True)
        )
        return [float(values[f"{segment}_protein_use"]) for segment in SEGMENTS]

    usual, slow = used(22.0), used(44.0)
    assert usual[1] / usual[0] == pytest.approx(1.5, rel=0.1)
    assert 24 * sum(usual) == pytest.approx(12, rel=0.2)
    assert sum(slow) > 1.03 * sum(usual)


def test_ph_follows_the_empirical_line_to_the_acid_end(bench: Bench) -> None:
    values = bench.program.defaults | bench.parameters
    acids = np.array([60, 80, 100, 120, 140, 165.0])
    empty, acid, half = (float(np.ravel(values[k])[0]) for k in ("ph_empty", "ph_acid", "ph_half"))
    curve = acid + (empty - acid) / (1 + (acids / half) ** 2)
    assert curve == pytest.approx(8.02 - 0.0174 * acids, abs=0.16)
    assert bench.untreated("right_ph") == pytest.approx(5.7, abs=0.2)


def test_nobody_is_out_of_what_a_colon_can_be(bench: Bench) -> None:
    people = cohort.build(bench.model, {}, 80, seed=3, program=bench.program)
    found = bench.program.evaluate(people.start, people.parameters)
    values = dict(zip(bench.program.outputs, found.T, strict=True))
    assert not people.outcome.any()
    for segment in SEGMENTS:
        assert values[f"{segment}_scfa"].min() > 15
        assert values[f"{segment}_scfa"].max() < 220
        assert values[f"{segment}_ph"].min() > 4.7
    assert values["stool_water"].min() > 0.55
    assert values["stool_water"].max() < 0.95


@pytest.mark.parametrize(
    ("name", "ratio"),
    [
        ("whole_gut_transit", 43.9 / 22.2),
        ("colonic_transit", 38.6 / 18.6),
        ("right_transit", 9.9 / 5.7),
        ("rectosigmoid_transit", 9.0 / 2.7),
    ],
)
def test_oxycodone_slows_each_segment_as_measured(
    bench: Bench,
    oxycodone: tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]],
    name: str,
    ratio: float,
) -> None:
    times, found = oxycodone
    assert on_day(found[name], times, 6) / bench.untreated(name) == pytest.approx(ratio, rel=0.15)


def test_opioid_raises_scfa_load_and_lowers_stool_scfa_and_leaks(
    bench: Bench,
    oxycodone: tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]],
) -> None:
    times, found = oxycodone
    change = {
        k: on_day(found[k], times, 7) / bench.untreated(k)
        for k in (
            "stool_scfa",
            "flora_load",
            "plasma_lps",
            "scd14",
            "il6",
            "stool_water",
            "completeness",
            "straining",
            "hardness",
        )
    }
    assert 0.6 < change["stool_scfa"] < 0.9
    assert change["flora_load"] > 1.1
    assert 1.1 < change["plasma_lps"] < 2.5
    assert 1.03 < change["scd14"] < 1.2
    assert 1 < change["il6"] < 2.83
    assert change["stool_water"] < 1
    assert change["completeness"] < 1
    assert change["straining"] > 1
    assert change["hardness"] > 1


def test_first_strong_opioid_takes_7_movements_to_about_4_7(bench: Bench) -> None:
    times = days(14)
    found = bench.run(times, ["morphine CR 11 mg every 12 h from day 1 to day 14"])
    assert 168 * float(found["bm_rate"].mean()) == pytest.approx(4.7, rel=0.15)


def test_retained_stool_leaves_fast_when_the_block_is_lifted(bench: Bench) -> None:
    times = days(20)
    found = bench.run(
        times,
        [
            "morphine CR 65 mg every 12 h from day 1 to day 20",
            "naldemedine 0.2 mg daily from day 15 to day 20",
        ],
    )
    rate = 168 * found["bm_rate"]
    before, burst, later = (
        on_day(rate, times, 14),
        rate[(times > 337) & (times <= 343)].mean(),
        on_day(rate, times, 20),
    )
    assert burst > 1.4 * later > 2 * before


@pytest.fixture(scope="module")
def constipated(bench: Bench) -> dict[str, NDArray[np.float64]]:
    return bench.run(days(28), [MORPHINE])


@pytest.mark.parametrize(
    ("laxative", "low", "high"),
    [
        ("macrogol 17 g daily", 1.0, 2.8),
        ("lactulose 15 g twice daily", 0.8, 2.4),
        ("senna 15 mg daily", 0.8, 2.4),
        ("bisacodyl 10 mg daily", 0.8, 3.3),
        ("docusate 100 mg twice daily", -0.3, 0.3),
        ("probiotic 5e10 cfu daily", 0.3, 1.3),
    ],
)
def test_laxatives_add_movements(
    bench: Bench,
    constipated: dict[str, NDArray[np.float64]],
    laxative: str,
    low: float,
    high: float,
) -> None:
    times = days(28)
    found = bench.run(times, [MORPHINE, f"{laxative} from day 15 to day 28"])
    late = times > 24 * 21
    assert low <= 168 * (found["bm_rate"] - constipated["bm_rate"])[late].mean() <= high


def test_stimulants_act_within_hours_and_osmotics_within_days(
    bench: Bench, constipated: dict[str, NDArray[np.float64]]
) -> None:
    times = days(28)
    onset = {}
    for laxative in ("bisacodyl 10 mg once on day 15", "macrogol 17 g daily from day 15 to day 28"):
        found = bench.run(times, [MORPHINE, laxative])
        name = laxative.split()[0]
        gain = (found["motility_drive"] if name == "bisacodyl" else found["stool_water"]) - (
            constipated["motility_drive"] if name == "bisacodyl" else constipated["stool_water"]
        )
        after = times > 336
        if name == "bisacodyl":
            onset[name] = times[after][gain[after].argmax()] - 336
        else:
            onset[name] = times[after][np.argmax(gain[after] > gain[-12:].mean() / 2)] - 336
    assert 4 <= onset["bisacodyl"] <= 12
    assert 24 <= onset["macrogol"] <= 72


def test_endotoxin_bolus_peaks_in_order_and_blunts_the_next(bench: Bench) -> None:
    times = np.arange(0.1, 16.05, 0.1)
    dose = {"TIME": 0.0, "CMT": "lps_blood", "AMT": 280_000.0, "EVID": 1}
    once = bench.run(times, doses=[dose])
    again = bench.run(times, doses=[dose, {**dose, "TIME": 6.0}])
    peak = {k: times[once[k].argmax()] for k in ("tnf", "il6", "il10")}
    assert 1.4 <= peak["tnf"] <= 2.1
    assert 2.4 <= peak["il6"] <= 3.6
    assert peak["il10"] > peak["tnf"]
    assert 3755 <= once["tnf"].max() <= 7575
    assert again["tnf"][times > 6.2].max() < 0.5 * once["tnf"].max()


def test_daily_endotoxin_is_answered_less_and_less_than_at_first(bench: Bench) -> None:
    """Five daily doses of 2 ng/kg: the rise of TNF falls by 97 % and that of IL-6 by 88 % (Draisma 2009)."""
    times = np.arange(0.25, 108, 0.25)
    doses = [{"TIME": 24.0 * day, "CMT": "lps_blood", "AMT": 140_000.0, "EVID": 1} for day in range(5)]
    found = bench.run(times, doses=doses)
    for name in ("tnf", "il6"):
        rise = [
            found[name][(times > start) & (times < start + 12)].max() - bench.untreated(name)
            for start in (0.0, 96.0)
        ]
        assert rise[1] < 0.35 * rise[0]


def test_fluorouracil_opens_the_barrier(bench: Bench) -> None:
    found = bench.run(np.array([48.0]), ["fluorouracil 750 mg daily from day 1 to day 5"])
    assert bench.untreated("lactulose_mannitol") == pytest.approx(0.01, rel=0.05)
    assert 0.04 <= found["lactulose_mannitol"][0] <= 0.10


def test_butyrate_closes_most_at_2_mmol_per_l(bench: Bench) -> None:
    place = bench.program.outputs.index("butyrate_closing")
    closing = []
    for factor in (0.0, 1.0, 4.0):  # 0, 2 and 8 mmol/L at the epithelium
        states = bench.start.copy()
        for segment in SEGMENTS:
            states[0, bench.program.states.index(f"{segment}_butyrate")] *= factor
        closing.append(bench.program.evaluate(states, bench.parameters)[0, place])
    assert closing[1] > closing[2]
    assert closing[1] > closing[0]


def test_slow_transit_makes_a_little_more_acid_and_leaves_less_in_stool(bench: Bench) -> None:
    twice = 2 * bench.program.defaults["colonic_transit_untreated"]
    found = bench.run(np.array([24.0 * 112]), changed={"colonic_transit_untreated": twice})
    assert 1.0 < found["scfa_production"][0] / bench.untreated("scfa_production") < 1.1
    assert 0.55 < found["stool_scfa"][0] / bench.untreated("stool_scfa") < 0.85
    assert 1.0 < found["butyrate_flux"][0] / bench.untreated("butyrate_flux") < 1.4


def test_an_antagonist_leaves_butyrate_as_it_was_and_no_receptor_no_leak(bench: Bench) -> None:
    times = days(28)
    found = bench.run(times, [MORPHINE, "naldemedine 0.2 mg daily"])
    assert on_day(found["butyrate_tone"], times, 28) == pytest.approx(1, abs=0.12)
    day = np.array([24.0])
    leak = bench.run(day, [MORPHINE])["permeability"][0] / bench.untreated("permeability")
    without = bench.run(day, [MORPHINE], changed={"enteric_EC50": 1e6})["permeability"][0]
    assert leak > 1.05
    assert without == pytest.approx(bench.untreated("permeability"), rel=1e-3)


def test_a_transplant_speeds_a_slow_bowel_and_not_a_healthy_one(bench: Bench) -> None:
    gain = {}
    for hours in (22.0, 60.0):
        changed = {"colonic_transit_untreated": np.array([hours])}
        parameters, start, outcome = bench.model.baseline(bench.program, changed)
        assert outcome[0] == 0
        slow = Bench(bench.model, bench.program, parameters, start)
        given = slow.run(np.array([24.0 * 70]), ["FMT 50 g daily from day 1 to day 3"])
        gain[hours] = given["propulsion"][0] / slow.untreated("propulsion")
    assert 1.0 < gain[22.0] < 1.25
    assert gain[60.0] > 1.5


def test_antibiotic_cuts_the_load_and_the_flora_comes_back_in_weeks(bench: Bench) -> None:
    days_after = (4, 7, 12, 45, 90, 180)
    found = bench.run(
        np.array([24.0 * d for d in days_after]), ["amoxicillin 500 mg every 8 h from day 1 to day 5"]
    )
    load = dict(zip(days_after, found["flora_load"], strict=True))
    score = dict(zip(days_after, found["flora_score"], strict=True))
    butyrate = dict(zip(days_after, found["butyrate_tone"], strict=True))
    assert load[4] < 0.4
    assert load[12] < 0.75 < load[45] < 0.95 < load[180] < 1.001
    assert score[7] < 0.8
    assert 0.85 < score[45] < 0.97
    assert butyrate[4] < 0.5
    assert max(butyrate.values()) < 1.02
    assert found["akkermansia_fraction"].max() < 4 * bench.untreated("akkermansia_fraction")


def test_inulin_feeds_bifidobacteria(bench: Bench) -> None:
    found = bench.run(np.array([24.0 * 14]), ["inulin 8 g daily from day 1 to day 14"])
    assert np.log10(found["share_G3"][-1] / bench.untreated("share_G3")) == pytest.approx(0.14, abs=0.07)


def test_probiotic_washes_out_in_days_and_a_transplant_stays_for_months(bench: Bench) -> None:
    times = np.array([24.0 * d for d in (14, 17, 22, 28)])
    doses = [{"TIME": 0.0, "CMT": "probiotic", "AMT": 5.0, "EVID": 1, "II": 24.0, "ADDL": 13}]
    left = bench.run(times, doses=doses)["share_G3"] / bench.untreated("share_G3")
    assert left[0] > 1.05
    assert left[2] - 1 < 0.1 * (left[0] - 1)
    times = np.array([24.0 * d for d in (14, 28, 84, 168)])
    score = bench.run(times, ["FMT 50 g daily from day 2 to day 7"])["flora_score"]
    assert 1.02 < score[3] < score[2] < score[1]


def test_glial_constipation_needs_a_week(bench: Bench) -> None:
    times = days(7)
    on, off = (
        bench.run(times, [MORPHINE], changed={"edge_glia_motility": gate})["propulsion"]
        for gate in (1.0, 0.0)
    )
    assert on_day(off, times, 1) / on_day(on, times, 1) - 1 < 0.02
    assert on_day(off, times, 7) / on_day(on, times, 7) - 1 > 0.05


def test_causes_of_constipation_other_than_opioids_slow_the_bowel(bench: Bench) -> None:
    names = [p for p in bench.program.parameters if p.startswith("cause_")]
    assert len(names) == 6
    for name in names:
        found = bench.run(np.array([240.0]), changed={name: 1.0})
        assert found["bm_rate"][0] < 0.95 * bench.untreated("bm_rate"), name


def test_germ_free_gut_makes_nothing_and_stays_finite(bench: Bench) -> None:
    start = bench.start.copy()
    changed = {"ileum_immigration": 0.0}
    for segment in SEGMENTS:
        for guild in GUILDS:
            start[0, bench.program.states.index(f"{segment}_{guild}")] = 0.0
            changed[f"{segment}_{guild}_immigration"] = 0.0
    germ_free = Bench(bench.model, bench.program, bench.parameters, start)
    found = germ_free.run(np.array([24.0 * 14]), changed=changed)
    for name in ("flora_load", "flora_signal", "glucuronidase"):
        assert found[name][0] == pytest.approx(0, abs=1e-9)
    assert found["butyrate_tone"][0] < 1e-6
    assert all(np.isfinite(value).all() for value in found.values())


@pytest.mark.parametrize("factor", [0.0, 1e-6, 1e3])
def test_rates_stay_finite_far_from_health(bench: Bench, factor: float) -> None:
    assert np.isfinite(bench.program.rhs(bench.start * factor, bench.parameters)).all()


def test_nothing_happens_faster_than_a_minute(bench: Bench) -> None:
    jacobian = bench.program.jacobian(bench.start, bench.parameters)[0]
    assert np.abs(np.linalg.eigvals(jacobian)).max() < 60
