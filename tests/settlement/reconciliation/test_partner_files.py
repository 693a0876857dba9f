"""Files that partners really send: each is read as its mapping says, or refused in one sentence that names the line."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import CoalitionError
from settlement.reconciliation import mappings, partner_files
from settlement.reconciliation.lines import Line, Reader
from settlement.reconciliation.partner_files import MalformedPartnerFile, PartnerFileTooLarge

CSV: dict[str, Any] = {
    "fields": {"reference": "Чек", "day": "Дата", "points": "Баллы"}, "constants": {"kind": "earn"},
}  # fmt: skip
JSONL: dict[str, Any] = {
    "format": "jsonl",
    "fields": {
        "reference": "sale.no", "day": "at", "kind": "type", "points": "points", "amount": "sale.total",
        "currency": "sale.currency", "store": "store",
    },
    "kinds": {"SALE": "earn", "VOID": None},
}  # fmt: skip
HEAD = "Чек;Дата;Баллы"
JSON_LINE = '{"sale": {"no": "A1", "total": 12.50, "currency": "GBP"}, "at": "2026-03-02", "type": "SALE", "points": 5}'


def read(content: bytes, said: dict[str, Any], *, most_lines: int = 1_000) -> list[Line]:
    reader = Reader(mappings.parse(said), ZoneInfo("Europe/London"))
    return list(reader.read(io.BytesIO(content), most_lines=most_lines))


def written(text: str, encoding: str = "utf-8") -> bytes:
    return text.encode(encoding)


def semicolons(**more: Any) -> dict[str, Any]:
    return {**CSV, "delimiter": ";", **more}


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"), ("cp1251", "cp1251"), ("koi8-r", "koi8-r"), ("iso-8859-5", "iso-8859-5"),
    ],
)  # fmt: skip
def test_a_file_is_read_in_the_encoding_that_its_mapping_says(encoding: str, declared: str) -> None:
    (line,) = read(written(f"{HEAD}\nA1;2026-03-02;5\n", encoding), semicolons(encoding=declared))
    assert (line.number, line.reference, line.points, str(line.day)) == (2, "A1", 5, "2026-03-02")


@pytest.mark.parametrize(
    ("encoding", "declared", "said"),
    [
        ("cp1251", "utf-8", "not in utf-8"),
        ("utf-16", "utf-8", "begins with the mark of UTF-16"),
        ("utf-16-le", "utf-8", "there is a NUL; the encoding may be another"),
        ("utf-8-sig", "cp1251", "begins with the mark of UTF-8"),
        ("utf-8-sig", "utf-16", "begins with the mark of UTF-8"),
        ("utf-8", "cp1251", "is missing"),
        ("cp1251", "utf-16-le", "line 1"),
    ],
)  # fmt: skip
def test_a_file_in_another_encoding_is_refused(encoding: str, declared: str, said: str) -> None:
    with pytest.raises(MalformedPartnerFile, match=said):
        read(written(f"{HEAD}\nA1;2026-03-02;5\n", encoding), semicolons(encoding=declared))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("\n", "the first line is empty"),
        ("Чек;Дата\nA1;2026-03-02\n", "line 1: the header 'Баллы' is missing; there are: Чек, Дата"),
        ("Чек;Дата;Баллы;Чек\n", "line 1: the header 'Чек' stands there twice"),
        (f"{HEAD}{';x' * 200}\n", "line 1: there are more than 200 columns"),
        (f"{HEAD}\nA1;2026-03-02\n", "line 2: there are 2 cells under 3 headers"),
        (f"{HEAD}\nA1;2026-03-02;5;6\n", "line 2: there are 4 cells under 3 headers"),
        (f"{HEAD}\nA1;2026-03-02;5\nA\x002;2026-03-02;5\n", "line 3: there is a NUL"),
        (f"{HEAD}\nA1;2026-03-02;\n", "line 2: there are no points"),
        (f"{HEAD}\n;2026-03-02;5\n", "line 2: there is neither a reference nor a member"),
        (f"{HEAD}\nA1;;5\n", "line 2: there is no day"),
        (f"{HEAD}\nA1;2.3.2026;5\n", "line 2: '2.3.2026' is no day or time"),
        (f"{HEAD}\nA1;2026-02-30;5\n", "line 2: '2026-02-30' is no day"),
        (f"{HEAD}\nA1;0001-01-01T00:00:00+14:00;5\n", "is no day or time"),
        (f"{HEAD}\nA1;2026-03-02;five\n", "line 2: points: 'five' is not a number"),
        (f"{HEAD}\nA1;2026-03-02;=1+1\n", "line 2: points: '=1[+]1' is not a number"),
        (f"{HEAD}\nA1;2026-03-02;-5\n", "line 2: points: '-5' is negative"),
        (f"{HEAD}\nA1;2026-03-02;5.5\n", "line 2: points: '5.5' is not a whole number"),
        (f"{HEAD}\nA1;2026-03-02;٥\n", "is not a number"),
        (f"{HEAD}\nA1;2026-03-02;9999999999999999\n", "is more than"),
        (f"{HEAD}\nA1;2026-03-02;{'9' * 500}\n", "is not a number"),
        (f"{HEAD}\n{'A' * 201};2026-03-02;5\n", "line 2: reference is longer than 200"),
        (f"{HEAD}\n{'A' * 1001};2026-03-02;5\n", "line 2: reference is longer than 1000"),
        (f"{HEAD}\n{'A' * 70_000};2026-03-02;5\n", "line 2: this is longer than 65536"),
        (f'{HEAD}\n"A1;2026-03-02;5\n', "line 2: this is no CSV"),
        (f'{HEAD}\n"A1"x;2026-03-02;5\n', "line 2: this is no CSV"),
        (f'{HEAD}\n"A' + "\n" * 200 + '";2026-03-02;5\n', "line 2: this goes on over more than 100 lines"),
        (f'{HEAD}\n"A\n1";2026-03-02;5\n', "characters that cannot be printed"),
    ],
)  # fmt: skip
def test_a_line_that_says_nothing_we_know_is_refused_by_its_number(text: str, said: str) -> None:
    with pytest.raises(MalformedPartnerFile, match=said):
        read(written(text), semicolons())


def test_a_file_with_more_lines_than_are_wanted_is_refused() -> None:
    content = written(HEAD + "\nA1;2026-03-02;5" * 4)
    assert len(read(content, semicolons(), most_lines=4)) == 4
    with pytest.raises(PartnerFileTooLarge, match="more than 3 lines"):
        read(content, semicolons(), most_lines=3)


def test_a_file_with_more_bytes_than_are_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partner_files, "LARGEST_BYTES", 10)
    with pytest.raises(PartnerFileTooLarge, match="more than 10 bytes"):
        partner_files.sha256(io.BytesIO(b"x" * 11))


def test_a_formula_is_text_like_any_other() -> None:
    (line,) = read(written(f"{HEAD}\n=HYPERLINK(1);2026-03-02;5\n"), semicolons())
    assert line.reference == "=HYPERLINK(1)"


def test_blank_lines_are_passed_over_and_a_last_line_needs_no_end() -> None:
    found = read(written(f"{HEAD}\r\n\r\nA1;2026-03-02;5\r\n\r\nA2;2026-03-02;5"), semicolons())
    assert [one.number for one in found] == [3, 5]


@pytest.mark.parametrize(
    ("form", "zone", "day", "found"),
    [
        ("iso", None, "2026-07-01T23:30:00", "2026-07-01"),
        ("iso", None, "2026-07-01T23:30:00Z", "2026-07-02"),
        ("iso", "UTC", "2026-07-01 23:30", "2026-07-02"),
        ("iso", "UTC", "2026-07-01", "2026-07-01"),
        ("%d.%m.%Y", "Asia/Tokyo", "01.07.2026", "2026-07-01"),
        ("%d.%m.%Y %H:%M", "Asia/Tokyo", "01.07.2026 05:00", "2026-06-30"),
        ("%d/%m/%y %H:%M %z", None, "01/07/26 23:30 -0500", "2026-07-02"),
    ],
)  # fmt: skip
def test_a_time_belongs_to_the_business_day_of_the_coalition(form: str, zone: str | None, day: str, found: str) -> None:
    said = semicolons(date_format=form, **({"time_zone": zone} if zone else {}))
    (line,) = read(written(f"{HEAD}\nA1;{day};5\n"), said)
    assert str(line.day) == found


@pytest.mark.parametrize(
    ("written_as", "more", "minor"),
    [
        ("1234.56", {}, 123456),
        ("1234", {}, 123400),
        ("1234.500", {}, 123450),
        ("1.234,56", {"decimal_separator": ",", "thousands_separator": "."}, 123456),
        ("1 234,5", {"decimal_separator": ",", "thousands_separator": " "}, 123450),
        ("1\u00a0234,5", {"decimal_separator": ",", "thousands_separator": "\u00a0"}, 123450),
        ("1\u202f234,5", {"decimal_separator": ",", "thousands_separator": "\u202f"}, 123450),
        ("-12.30", {}, 1230),
        ("1234", {"amounts_in": "minor"}, 1234),
    ],
)  # fmt: skip
def test_an_amount_is_read_to_the_minor_unit(written_as: str, more: dict[str, Any], minor: int) -> None:
    said = semicolons(
        fields={**CSV["fields"], "amount": "Сумма"}, constants={"kind": "earn", "currency": "GBP"}, **more
    )
    (line,) = read(written(f"{HEAD};Сумма\nA1;2026-03-02;5;{written_as}\n"), said)
    assert (line.amount_minor, line.currency) == (minor, "GBP")


def test_points_have_the_space_between_thousands_that_the_mapping_says_and_a_reference_has_not() -> None:
    said = semicolons(thousands_separator="\u202f")
    (line,) = read(written(f"{HEAD}\nA1;2026-03-02;1\u202f234\n"), said)
    assert line.points == 1234
    for text in ("A\u202f1;2026-03-02;5", "A1;2026-03-02;1\u00a0234"):
        with pytest.raises(MalformedPartnerFile, match="characters that cannot be printed"):
            read(written(f"{HEAD}\n{text}\n"), said)


@pytest.mark.parametrize("amount", ["1.234", "1,5", "1e5", "NaN", "0x10", "1.5.5", "12.3O"])
def test_an_amount_that_is_none_is_refused(amount: str) -> None:
    said = semicolons(fields={**CSV["fields"], "amount": "Сумма"}, constants={"kind": "earn", "currency": "GBP"})
    with pytest.raises(MalformedPartnerFile, match="line 2: amount"):
        read(written(f'{HEAD};Сумма\nA1;2026-03-02;5;"{amount}"\n'), said)


def test_lines_of_json_are_read_down_to_nested_fields_and_by_what_their_kinds_mean() -> None:
    void = JSON_LINE.replace("SALE", "VOID")
    lines = read(written(f"{JSON_LINE}\n\n{void}\n{JSON_LINE.replace('12.50', '1.25e1')}\n"), JSONL)
    assert [(one.number, one.kind, one.reference, one.amount_minor) for one in lines] == [
        (1, "earn", "A1", 1250), (4, "earn", "A1", 1250),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n\n", "the file is empty"),
        ("[]", "line 1: this is no JSON object"),
        ("{", "line 1: this is no JSON"),
        ("[" * 100_00, "line 1: this is no JSON"),
        ('{"a": 1, "a": 2}', "a name stands in an object twice"),
        (JSON_LINE.replace('"A1"', '{"x": 1}'), "line 1: sale.no: this is neither text nor a number"),
        (JSON_LINE.replace('{"no": "A1", "total": 12.50, "currency": "GBP"}', '"x"'), "sale.no: there is no object"),
        (JSON_LINE.replace('"points": 5', '"points": true'), "points: this is neither"),
        (JSON_LINE.replace('"points": 5', '"points": [5]'), "points: this is neither"),
        (JSON_LINE.replace('"points": 5', '"points": null'), "there are no points"),
        (JSON_LINE.replace('"points": 5', '"points": NaN'), "NaN is no number"),
        (JSON_LINE.replace('"points": 5', '"points": 1e999999999'), "more than 30 digits"),
        (JSON_LINE.replace('"points": 5', f'"points": {"9" * 5000}'), "this is no JSON"),
        (JSON_LINE.replace('"points": 5', '"points": 1e9999999999999999999'), "a number has an exponent without"),
        (JSON_LINE.replace("SALE", "GIFT"), "does not say what the kind 'GIFT' is"),
        (JSON_LINE.replace("GBP", "GBX"), "currency: 'GBX' is none of ISO 4217"),
        (JSON_LINE.replace('"A1"', '"A\\u0000"'), "characters that cannot be printed"),
        (JSON_LINE.replace('"A1"', '"\\ud800"'), "characters that cannot be printed"),
    ],
)  # fmt: skip
def test_a_line_of_json_that_is_not_as_the_mapping_says_is_refused(text: str, said: str) -> None:
    with pytest.raises(MalformedPartnerFile, match=said):
        read(written(text), JSONL)


MAPPINGS = [semicolons(), semicolons(encoding="utf-16"), semicolons(encoding="cp1251"), JSONL]


@given(
    content=st.binary(max_size=200) | st.text(max_size=100).map(str.encode),
    said=st.sampled_from(MAPPINGS),
    with_head=st.booleans(),
)
def test_whatever_comes_is_read_or_refused_in_one_of_our_own_errors(
    content: bytes, said: dict[str, Any], with_head: bool
) -> None:
    head = f"{HEAD}\n".encode(said.get("encoding", "utf-8")) if with_head else b""
    with suppress(CoalitionError):
        read(head + content, said)
