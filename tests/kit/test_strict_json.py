"""JSON from outside: what is taken, what is refused, and where an unwritable text stands."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import strict_json
from kit.strict_json import MalformedJson, UnwritableText

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)  # halves of surrogate pairs, too
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**300), 10**300) | TEXT
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)  # fmt: skip


@given(VALUES)
def test_what_is_taken_can_be_stored_and_sent_on(value) -> None:
    raw = json.dumps(value)
    try:
        found = strict_json.loads(raw.encode())
    except UnwritableText:
        assert re.search(r"\\u(0000|d[89a-f])", raw)
        return
    assert found == json.loads(raw)
    assert "\x00" not in json.dumps(found, ensure_ascii=False).encode().decode()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "Expecting value"), (b"{", "Expecting"), (b"{} {}", "Extra data"), (b"\xff", "invalid start byte"),
        (b"\xed\xa0\x80", "can't decode"), (b'"\xed\xa0\x80"', "can't decode"), (b'"a\x00b"', "control character"),
        (b'{"points":5,"points":500}', "twice"), (b'[{"a":{"b":1,"b":1}}]', "twice"),
        (b'{"a":1,"\\u0061":2}', "twice"), (b"NaN", "NaN"), (b"[-Infinity]", "Infinity"), (b"1e999", "too large"),
        (b"-1e999", "too large"), (b"9" * 309, "too large"), (b"[" * 100_000, "deeply"),
        (b"\xef\xbb\xbf{}", "BOM"), ("{}".encode("utf-16"), "decode"),
    ],
    ids=repr,
)  # fmt: skip
def test_what_readers_differ_about_is_refused_with_a_reason(raw, reason) -> None:
    with pytest.raises(MalformedJson, match=reason):
        strict_json.loads(raw)


@pytest.mark.parametrize(
    ("raw", "pointers"),
    [
        (rb'"\ud800"', [""]), (rb'"\uDFFF"', [""]), (rb'"\u0000"', [""]), (rb'"\udc00\ud800"', [""]),
        (rb'{"a":["x",{"b/c":"\ud800"}]}', ["/a/1/b~1c"]), (rb'{"a":{"\ud800":1}}', ["/a"]),
        (rb'{"a":"\u0000","b":"\ud800"}', ["/a", "/b"]),
    ],
    ids=repr,
)  # fmt: skip
def test_text_that_cannot_be_written_again_is_pointed_at(raw, pointers) -> None:
    with pytest.raises(UnwritableText) as refused:
        strict_json.loads(raw)
    assert sorted(refused.value.pointers) == pointers


@pytest.mark.parametrize("raw", [rb'"\ud83d\ude00"', rb'"\\u0000 \\ud800"', '"😀"'.encode(), rb'"\u0001"'])
def test_whole_pairs_and_words_about_escapes_are_taken(raw) -> None:
    assert strict_json.loads(raw) == json.loads(raw)
