"""What may be somebody's is told by how it looks, however it is written, and masked."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import masking
from kit.masking import MASK

OURS = "mbr_01h45ytscbebyvny4gc8cr8ma2"
CARD = "7001000000178503"


@pytest.mark.parametrize(
    "value",
    ["7001000000178503", "+447700900123", "a@example.com", "7001 0000 0017 8503", "07700 900 123", "(020) 7946-0958",
     "+44 20.7946.0958", "7001-0000 00178503", "call 212 555 1234 now", "7001_0000_0017_8503", "7001,0000,0017,8503",
     "7001/0000/0017/8503", "ann＠example.com", "ann%40example.com", "ann%2540example.com", "٧٠٠١٠٠٠٠٠٠١٧٨٥٠٣",
     "７００１０００００１７８５０３", "7001\u200b0000\u200b0017\u200b8503", "tel7700900123", "http://[",
     "https://h/ 7001 0000 0017 8503 ann@example.com", "see https://h/x ann@example.com", "https://7001-0000-0017-8503.h/",
     "2026-03-02 7001000000178503", "7001-00-00 0017 8503"],
)  # fmt: skip
def test_a_text_that_looks_like_somebodys_is_masked(value: str) -> None:
    assert masking.text(value) == MASK


@pytest.mark.parametrize(
    "value",
    ["R-1001", "12 345", "2026-03-02T12:00:00+00:00", "2026-03-02 12:00:00", "2026-03-02T12:00:00.123456Z",
     "2026-03-02", OURS, "req_0123456789abcdef0123456789abcdef", "01990000-0000-7000-8000-000000000000", "GBP", ""],
)  # fmt: skip
def test_times_ids_and_short_numbers_are_shown(value: str) -> None:
    assert masking.text(value) == value


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@hooks.example.com/x?token=1#f", f"https://hooks.example.com/x?{MASK}"),
        ("https://hooks.example.com/7001000000178503/ann%40example.com", "https://hooks.example.com/…/…"),
        ("https://[2001:db8::9]:8443/in", "https://[2001:db8::9]/in"),
    ],
)
def test_of_a_url_what_names_nobody_is_shown(url: str, shown: str) -> None:
    assert masking.text(url) == shown


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/earnz", "/v1/earnz"),
        ("/v1/transactions/txn_01h45ytscbebyvny4gc8cr8ma2", "/v1/transactions/txn_01h45ytscbebyvny4gc8cr8ma2"),
        ("/v1/members/7001000000178503", "/v1/members/…"),
        ("/v1/members/+44 20 7946 0018/balance", "/v1/members/…/balance"),
        ("/v1/members/7001/0000/0017/8503", "/v1/members/…/…/…/…"),
        ("/v1/members/700/100/000/017/850", "/v1/members/…/…/…/…/…"),
        ("/v1/members/٧٠٠١٠٠٠٠٠٠١٧٨٥٠٣", "/v1/members/…"),
        ("/ann@example.com/x", "/…/x"),
        ("/ann＠example.com/x\x00", "/…/…"),
        (f"/co_at_{'k' * 43}_0badcafe", "/…"),
        ("/" + "a/" * 500, "/" + "a/" * 99 + "a"),
    ],
)
def test_a_path_is_shown_without_what_may_be_somebodys(path: str, shown: str) -> None:
    assert masking.path(path) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [("kartennummer", "kartennummer"), ("card_2", "card_2"), (CARD, MASK), (f"card{CARD}", MASK), ("a@b", MASK),
     ("имя", MASK), ("x" * 41, MASK), ("Ann Smith", MASK), ("", MASK)],
)  # fmt: skip
def test_a_fields_name_is_shown_where_it_is_one(name: str, shown: str) -> None:
    assert masking.name(name) == shown


SCRIPTS = ["0123456789", "٠١٢٣٤٥٦٧٨٩", "０１２３４５６７８９", "०१२३४५६७८९"]
BETWEEN = st.text(alphabet=" .,_-/()\u2010\u2013\u00a0\u200b", max_size=3)


@st.composite
def written(draw: st.DrawFn) -> str:
    """A card number as somebody may write it."""
    script = SCRIPTS[draw(st.integers(0, 3))]
    text = "".join(script[int(digit)] + draw(BETWEEN) for digit in CARD)
    text = draw(st.sampled_from(["", "x", "call ", "card:"])) + text + draw(st.sampled_from(["", "y", " now"]))
    return quote(text) if draw(st.booleans()) else text


@given(written())
def test_a_card_number_is_masked_however_it_is_written(text: str) -> None:
    assert masking.text(text) == MASK
    assert masking.name(text) == MASK
    assert "8503" not in masking.path(f"/v1/members/{text}")


@given(st.text())
def test_what_is_shown_of_anything_looks_like_nobodys(text: str) -> None:
    assert not masking.is_telling(masking.text(text))
    assert not masking.is_telling(masking.path(text))
    assert not masking.is_telling(masking.name(text))
