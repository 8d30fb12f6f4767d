"""The page and the picture of the knock-outs say what the frame says."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import polars as pl

HERE = Path(__file__).parents[2] / "qualification"
sys.path.insert(0, str(HERE))

import knockout_picture  # noqa: E402
import knockouts  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
NODES = {"N1": "Opioid", "N2": "Colon"}


def row(edge, rank, moved, endpoint="responder"):
    change, low, high = moved
    about = {"from": "N1", "to": "N2", "sign": "-", "grade": "B", "contested": "no", "n": 10, "moved": 3}
    values = {"before": 40.0, "after": 40.0 + change, "change": change, "low": low, "high": high}
    names = {"endpoint": endpoint, "label": endpoint, "arm": "a", "reference": "b", "edge": edge}
    return {**names, **about, **values, "rank": rank, "unit": "%", "kind": "proportion"}


ROWS = [
    row("strong_one", 1, (-30.0, -40.0, -20.0)),
    row("weak_one", 2, (4.0, 1.0, 7.0)),
    row("idle", 3, (1.0, -2.0, 4.0)),
]


def test_the_page_counts_the_arrows_and_lists_all_of_them():
    text = knockouts.page(pl.DataFrame(ROWS), NODES, "Model m.")
    assert "each of the 3 arrows" in text
    assert "2 of them move" in text
    assert "| 1 | **strong one** | Opioid | Colon | B | 40 | 10 | -30 (-40 to -20) | 3 |" in text
    assert "| 3 | idle |" in text


def test_the_picture_shows_the_arrows_that_move_something_the_strongest_first():
    root = ET.fromstring(knockout_picture.picture(ROWS, NODES))  # noqa: S314 - written by us
    words = [item.text for item in root.iter(f"{SVG}text")]
    assert words.index("strong one") < words.index("weak one")
    assert "idle" not in words
    strong, weak = root.iter(f"{SVG}circle")
    left, wide = knockout_picture.LEFT, knockout_picture.WIDE
    assert float(strong.get("cx")) == round(left + wide * 25.0 / 150.0, 1)
    assert float(weak.get("cx")) == round(left + wide * 110.0 / 150.0, 1)
    assert not list(root.iter(f"{SVG}path"))


def test_an_interval_that_leaves_the_axis_ends_in_an_arrow():
    beyond = row("wide_one", 1, (50.0, 10.0, 60.0))  # 125 to 250 % of the effect
    root = ET.fromstring(knockout_picture.picture([*ROWS, beyond], NODES))  # noqa: S314 - written by us
    words = [item.text for item in root.iter(f"{SVG}text")]
    assert "200" in words
    assert "250" not in words
    assert len(list(root.iter(f"{SVG}path"))) == 1


def test_a_difference_below_zero_keeps_its_share():
    times = [row("delay", 1, (10.0, 4.0, 16.0), "first_sbm") | {"before": -40.0, "after": -30.0}]
    assert knockout_picture._share(times[0]) == (75.0, 60.0, 90.0)
