"""Of what was sent only that is kept which stands in a harmless field of ours and looks like nobody's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity import redaction
from identity.redaction import Kept

FIELDS = {
    "points": Kept.VALUE, "effective_at": Kept.VALUE, "items": Kept.INNER, "amount": Kept.INNER, "minor": Kept.VALUE,
    "reference": Kept.REFERENCE,
}  # fmt: skip
MASK = redaction.MASK


@pytest.mark.parametrize(
    "name",
    ["pincode", "apikey", "nachname", "PINCODE", "userpin", "memberpin", "sessionid", "kartennummer", "gebdat", "Auth",
     "firstname", "zip", "customerName", "jwt", "note", "crad", "card", "pin"],
)  # fmt: skip
def test_what_stands_in_another_field_is_masked_whatever_it_is_called(name: str) -> None:
    for value in ("Ann", 7, True, ["Ann"], {"points": 7}):
        assert redaction.redact({name: value}, FIELDS) == {name: MASK}
    assert redaction.redact({name: None}, FIELDS) == {name: None}


@pytest.mark.parametrize(
    ("value", "kept"),
    [(12, 12), (True, True), (None, None), (7700900123, MASK), (7001000000178503, MASK), (7700900123.5, MASK),
     ("soon", "soon"), ("Anna Schmidt, Bergstr. 4", MASK), ("pin 4711", MASK), ("secret-Token_AbCdEf", MASK),
     ("2026-03-02T12:00:00+00:00", "2026-03-02T12:00:00+00:00"), ("txn_01h45ytscbebyvny4gc8cr8ma2",) * 2,
     ("7001_0000_0017_8503", MASK), ("https://h/ ann@example.com", MASK), ([1, "a@b"], [1, MASK]),
     ({"points": 1}, MASK), (["x", {"points": 1}], ["x", MASK])],
)  # fmt: skip
def test_a_field_of_ours_is_kept_unless_what_stands_in_it_looks_like_somebodys(value: Any, kept: Any) -> None:
    assert redaction.redact({"points": value}, FIELDS) == {"points": kept}


def test_a_reference_is_kept_as_long_as_it_is_one() -> None:
    assert redaction.redact({"reference": "2026112800010007"}, FIELDS) == {"reference": "2026112800010007"}
    assert redaction.redact({"reference": "ann@example.com"}, FIELDS) == {"reference": MASK}


def test_what_holds_fields_is_kept_without_values_of_its_own() -> None:
    sent = {"items": [{"points": 1, "amount": {"minor": 5, "x": "Ann"}}, "Ann", 7], "amount": "Ann"}
    assert redaction.redact(sent, FIELDS) == {
        "items": [{"points": 1, "amount": {"minor": 5, "x": MASK}}, MASK, MASK], "amount": MASK,
    }  # fmt: skip
    assert redaction.redact("Ann", FIELDS) == MASK


def test_pointers_of_an_answer_name_nobody() -> None:
    answer = {
        "code": "x",
        "errors": [{"pointer": f"/items/0/{name}", "detail": "d"} for name in ("points", "a@b", "7" * 16)],
    }
    shown = redaction.redact_answer(answer, FIELDS)
    assert [error["pointer"] for error in shown["errors"]] == [
        "/items/0/points",
        f"/items/0/{MASK}",
        f"/items/0/{MASK}",
    ]
    assert redaction.redact_answer({"code": "x"}, FIELDS) == {"code": "x"}


SECRET = "Ann Elizabeth Smith"
JSON = st.recursive(
    st.just(SECRET) | st.integers() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["card", "pin", "items", "amount", "nachname", SECRET]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_nothing_of_a_person_is_kept_wherever_it_stands(sent: Any) -> None:
    assert SECRET not in redaction.as_json(redaction.redact(sent, FIELDS))
