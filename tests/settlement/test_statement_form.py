"""A statement's file is read only as it is written: what says the same in other bytes is refused, too."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import ids
from settlement import statement_form
from settlement.statement_form import Line, NotInForm

DAYS = st.dates()
NUMBERS = st.integers(-(2**63), 2**63 - 1)
REFERENCES = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=64)
LINES = st.builds(Line, st.just(0), st.binary(min_size=16, max_size=16), NUMBERS, DAYS, DAYS, DAYS, REFERENCES, NUMBERS,
                  NUMBERS)  # fmt: skip


def line(reference: str, points: int = 3, *, n: int = 1) -> Line:
    day = date(2026, 3, 2)
    return Line(n, UUID(int=n).bytes, n, day, day, day, reference, points, points)


def terms(owed: list[list[Line]], **more: object) -> dict[str, object]:
    digests = [{"lines_digest": statement_form.lines_digest(lines).hex()} for lines in owed]
    return {"statement": statement_form.FORM, "name": 'Ä "b" €\u2028', "obligations": digests, **more}


def file_of(owed: list[list[Line]], **more: object) -> bytes:
    lines = ((place, each) for place, some in enumerate(owed) for each in some)
    return "".join(statement_form.written(terms(owed, **more), lines)).encode()


def read(content: bytes) -> dict[str, object]:
    file = io.BytesIO(content)
    found = statement_form.read_terms(file)
    statement_form.check_lines(file, found)
    return found


OWED = [[line("A", n=1), line("B|1", -3, n=2)], [], [line("C", n=3)]]
FILE = file_of(OWED)


@given(st.lists(st.lists(LINES, max_size=3), max_size=4))
def test_what_is_written_is_read_and_is_json(owed: list[list[Line]]) -> None:
    content = file_of(owed)
    assert read(content) == terms(owed)
    said = json.loads(content)
    assert said["content_hash"] == statement_form.content_hash(terms(owed)).hex()
    assert [each["reference"] for each in said["lines"]] == [each.reference for some in owed for each in some]


def test_the_first_line_begins_with_the_bytes_that_are_hashed() -> None:
    head = FILE.partition(b"\n")[0]
    assert head.rpartition(b',"content_hash"')[0] + b"}" == statement_form.canonical(terms(OWED)).encode()


def test_an_obligation_of_before_lines_were_kept_has_no_digest_and_no_line() -> None:
    old = {"obligations": [{"lines_digest": None}]}
    assert read("".join(statement_form.written(old, [])).encode()) == old
    with pytest.raises(NotInForm, match="the lines of obligation 0 are not those"):
        read("".join(statement_form.written(old, [(0, line("A"))])).encode())


def test_one_changed_byte_anywhere_is_refused() -> None:
    assert read(FILE)
    for at in range(len(FILE)):
        for bit in range(8):
            with pytest.raises(NotInForm):
                read(FILE[:at] + bytes([FILE[at] ^ 1 << bit]) + FILE[at + 1 :])
        for changed in (FILE[:at], FILE[:at] + FILE[at + 1 :], FILE[:at] + b" " + FILE[at:]):
            with pytest.raises(NotInForm):
                read(changed)


HEAD, FIRST, SECOND, THIRD, END = FILE.splitlines(keepends=True)
SAME_IN_OTHER_BYTES = {
    "swapped lines": HEAD + SECOND + FIRST + THIRD + END,
    "swapped obligations": HEAD + THIRD[:-1] + b",\n" + FIRST + SECOND[:-2] + b"\n" + END,
    "a line twice": HEAD + FIRST + FIRST + SECOND + THIRD + END,
    "no line": HEAD + END,
    "the last line is missing": HEAD + FIRST + SECOND[:-2] + b"\n" + END,
    "a comma at the end": HEAD + FIRST + SECOND + THIRD[:-1] + b",\n" + END,
    "no comma between": HEAD + FIRST[:-2] + b"\n" + SECOND + THIRD + END,
    "another end of lines": FILE.replace(b"\n", b"\r\n"),
    "something behind": FILE + b" ",
    "itself again": FILE + FILE,
    "a line of another obligation": FILE.replace(b'"obligation":2', b'"obligation":1'),
    "a line of no obligation": FILE.replace(b'"obligation":2', b'"obligation":3'),
    "a line of an obligation below": FILE.replace(b'"obligation":0', b'"obligation":-1'),
    "a number as text": FILE.replace(b'"seq":1', b'"seq":"1"'),
    "a number as a fraction": FILE.replace(b'"points":3', b'"points":3.0'),
    "a number as an exponent": FILE.replace(b'"points":3', b'"points":3e0'),
    "a truth as a number": FILE.replace(b'"obligation":0', b'"obligation":false'),
    "an unknown number": FILE.replace(b'"points":3', b'"points":NaN'),
    "a number of too many digits": FILE.replace(b'"points":3', b'"points":' + b"3" * 4000),
    "a text as a list": FILE.replace(b'"reference":"A"', b'"reference":["A"]'),
    "an escape": FILE.replace(b'"reference":"A"', b'"reference":"\\u0041"'),
    "half a character": FILE.replace(b'"reference":"A"', b'"reference":"\\ud800"'),
    "a day in another form": FILE.replace(b'"concerns":"2026-03-02"', b'"concerns":"20260302"'),
    "a day as a number": FILE.replace(b'"concerns":"2026-03-02"', b'"concerns":20260302'),
    "an id in capitals": FILE.replace(b"txn_0000000000000000000000000", b"TXN_0000000000000000000000000"),
    "an id with another digit of the same value": FILE.replace(b"txn_0000", b"txn_000O"),
    "another field": FILE.replace(b'"seq":1', b'"seq":1,"sum":1'),
    "a field twice": FILE.replace(b'"seq":1', b'"seq":2,"seq":1'),
    "fields in another order": FILE.replace(b'"reference":"A","seq":1', b'"seq":1,"reference":"A"'),
    "a field of the terms twice": b'{"name":"x",' + HEAD[1:] + FIRST + SECOND + THIRD + END,
    "terms in another order": FILE.replace(b'"name":', b'"statement":"coalition.settlement/2","name":', 1).replace(
        b',"statement":"coalition.settlement/2","content_hash"', b',"content_hash"'
    ),
    "another encoding": FILE.decode().encode("utf-16"),
    "a mark of its encoding": b"\xef\xbb\xbf" + FILE,
    "a list": b"[" + FILE + b"]",
    "too deep": b"[" * 100_000,
    "nothing": b"",
}


@pytest.mark.parametrize("what", SAME_IN_OTHER_BYTES)
def test_what_says_the_same_in_other_bytes_is_refused(what: str) -> None:
    assert SAME_IN_OTHER_BYTES[what] != FILE
    with pytest.raises(NotInForm):
        read(SAME_IN_OTHER_BYTES[what])


def test_two_lines_can_not_be_told_as_one() -> None:
    """Hashed, a line ends with a line feed: one within a reference would make two of one, or one of two."""
    two = [line("A", n=1), line("B", n=2)]
    told = f"A\n{UUID(int=2)}|2|2026-03-02|2026-03-02|2026-03-02|3|3|B"
    assert statement_form.lines_digest([line(told, n=1)]) == statement_form.lines_digest(two)
    with pytest.raises(NotInForm, match="a line that is not in the form"):
        read("".join(statement_form.written(terms([two]), [(0, line(told, n=1))])).encode())


def test_terms_that_name_fields_of_the_file_are_refused() -> None:
    with pytest.raises(NotInForm):
        read(file_of(OWED, content_hash="00" * 32))
    with pytest.raises(NotInForm, match="no obligations"):
        read("".join(statement_form.written({"statement": "x"}, [])).encode())


def test_a_file_is_read_a_line_at_a_time(tmp_path) -> None:
    def lines() -> Iterator[Line]:
        for n in range(1, 20_001):
            yield Line(n, ids.new().bytes, 1, date(2026, 3, 2), date(2026, 3, 2), date(2026, 3, 2), "x" * 64, n, n)

    owed = list(lines())
    path = tmp_path / "statement.json"
    path.write_bytes(file_of([owed]))
    del owed
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            found = statement_form.read_terms(file)
            statement_form.check_lines(file, found)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 5_000_000
    assert peak < 500_000
