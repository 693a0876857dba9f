"""Pictures: well-formed, the same bytes, whatever names there are, and nothing that a strict policy forbids."""

from __future__ import annotations

from collections import Counter
from datetime import date
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.pictures import svg
from settlement.pictures.flows import MOST_IN_SANKEY, Flow, draw
from settlement.pictures.grid import MOST as MOST_IN_MATRIX

DAY = date(2026, 3, 2)
SVG = "{http://www.w3.org/2000/svg}"
ODD = '<script>alert("1")</script> & \u0001]]> Ltd'


def flows(parties: int) -> list[Flow]:
    names = [f"Partner {n}" for n in range(parties)]
    return [
        Flow(payer, payee, 100 + 7 * m * n, "GBP")
        for n, payer in enumerate(names) for m, payee in enumerate(names) if n != m
    ]  # fmt: skip


def read(drawn: str) -> ET.Element:
    root = ET.fromstring(drawn)  # noqa: S314 -- ours
    allowed = {"svg", "title", "desc", "g", "rect", "path", "line", "text"}
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= allowed
    for one in root.iter():
        assert not {name for name in one.attrib if name == "style" or name == "class" or name.startswith("on")}
        assert "href" not in " ".join(one.attrib)
    assert root.attrib["role"] == "img"
    named = {one.attrib["id"]: one.text for one in root.iter() if "id" in one.attrib}
    assert all(named[each] for each in root.attrib["aria-labelledby"].split())
    return root


def tooltips(root: ET.Element) -> Counter:
    return Counter(one.text for one in root.iter(f"{SVG}title") if "id" not in one.attrib)


@pytest.mark.parametrize("parties", [0, 2, MOST_IN_SANKEY, MOST_IN_SANKEY + 1, MOST_IN_MATRIX])
def test_every_flow_is_drawn_once_and_the_same_flows_give_the_same_bytes(parties: int) -> None:
    there = flows(parties)
    drawn = draw(there, DAY, DAY)
    assert drawn == draw(list(reversed(there)), DAY, DAY)
    root = read(drawn)
    assert tooltips(root) == Counter(
        f"{one.payer} owes {one.payee} {one.amount_minor // 100}.{one.amount_minor % 100:02} GBP" for one in there
    )
    assert bool(list(root.iter(f"{SVG}path"))) == (0 < parties <= MOST_IN_SANKEY)


def test_more_parties_than_can_be_drawn_are_drawn_as_one_and_no_amount_is_lost() -> None:
    there = flows(MOST_IN_MATRIX + 5)
    root = read(draw(there, DAY, DAY))
    shown = [one.text or "" for one in root.iter(f"{SVG}text")]
    assert "6 others" in shown
    assert len(tooltips(root)) == MOST_IN_MATRIX * (MOST_IN_MATRIX - 1)


def test_every_currency_has_a_part_of_its_own() -> None:
    root = read(draw([Flow("A", "B", 5, "JPY"), Flow("B", "A", 7, "KWD")], DAY, DAY))
    assert set(tooltips(root)) == {"A owes B 5 JPY", "B owes A 0.007 KWD"}


@pytest.mark.parametrize("parties", [1, MOST_IN_SANKEY + 3])
def test_a_name_stays_text_whatever_it_holds(parties: int) -> None:
    there = [*flows(parties), Flow(ODD, "Partner 0", 10**15, "GBP")]
    drawn = draw(there, DAY, DAY)
    assert "<script" not in drawn
    assert any((one or "").startswith('<script>alert("1")</script> & ') for one in tooltips(read(drawn)))


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(st.dictionaries(st.tuples(names, names), st.integers(1, 10**15), max_size=12))
def test_whatever_flows_there_are_the_picture_can_be_read(amounts: dict) -> None:
    there = [Flow(payer, payee, amount, "GBP") for (payer, payee), amount in amounts.items() if payer != payee]
    root = read(draw(there, DAY, DAY))
    width, height = (float(root.attrib[name]) for name in ("width", "height"))
    for one in root.iter(f"{SVG}rect"):
        assert 0 <= float(one.attrib.get("x", 0)) <= width
        assert 0 < float(one.attrib["height"]) <= height
    assert sum(tooltips(root).values()) == len(there)


@pytest.mark.parametrize(
    ("said", "short"), [("Greengrocer", "Greengroc…"), ("Greengroce", "Greengroce"), ("本" * 9, "本本本本…")]
)
def test_a_name_that_is_too_long_ends_in_an_ellipsis(said: str, short: str) -> None:
    assert svg.shortened(said, 10) == short
