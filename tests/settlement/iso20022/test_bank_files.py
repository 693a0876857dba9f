"""Files from outside that are damaged or meant to do damage: one refusal, in little time and memory."""

from __future__ import annotations

import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from settlement.iso20022 import bank_files, camt, pain002
from settlement.iso20022.bank_files import MalformedBankFile
from tests.settlement.iso20022.messages import CAMT_053, camt053, details, entry, transaction

ROOT = Path(__file__).parents[3]
OLD = CAMT_053.replace(".08", ".02")
GOOD = camt053(entry(details=details(transaction()))).getvalue()
BOMB = "".join(
    ['<!DOCTYPE Document [<!ENTITY e0 "ha">', *(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10)), "]>"]
)
BOMB_IN_AN_ATTRIBUTE = f'{BOMB}<Document x="&e9;">'


def old(file: bytes) -> bytes:
    """The same in a version that we have no schema of."""
    return file.replace(CAMT_053.encode(), OLD.encode())


def refused(file: bytes | BytesIO) -> str:
    with pytest.raises(MalformedBankFile) as caught:
        list(camt.read(BytesIO(file) if isinstance(file, bytes) else file))
    return caught.value.detail


@pytest.mark.parametrize(
    "prolog",
    [
        "<!DOCTYPE Document>",
        '<!DOCTYPE Document SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE Document [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE Document [<!ENTITY % x SYSTEM "file:///etc/hostname"> %x;]>',
        '<!DOCTYPE Document [<!ATTLIST Document added CDATA "x">]>',
        BOMB,
        BOMB_IN_AN_ATTRIBUTE,
        "<!-- first --><?pi x?>" + BOMB,
    ],
)
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16"])
def test_a_document_type_is_refused_before_anything_in_it_is_done(prolog: str, encoding: str) -> None:
    text = camt053(entry("&e9;"), prolog=prolog).read().decode().replace('"UTF-8"', f'"{encoding}"')
    began = time.perf_counter()
    assert "document type" in refused(text.encode(encoding))
    with pytest.raises(MalformedBankFile, match="document type"):
        list(pain002.read(BytesIO(text.encode(encoding))))
    assert time.perf_counter() - began < 1


def test_a_document_type_that_comes_in_pieces_is_refused() -> None:
    class Slow(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(7)

    assert "document type" in refused(Slow(camt053(prolog=BOMB).getvalue()))


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (b"", "No message"),
        (b" \n ", "No message|damaged"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
        (b'{"Document": {}}', "damaged"),
        (b"<html><body>Please sign in</body></html>", "holds html/body"),
        (b"<Document><BkToCstmrStmt/></Document>", "not Document"),
        (b"<Document xmlns='x'><FIToFICstmrCdtTrf/></Document>", "holds Document/FIToFICstmrCdtTrf"),
        (b"<Document xmlns='x'></Document>", "No message"),
        (b"<Document xmlns='x'><BkToCstmrStmt xmlns='y'/></Document>", "holds Document/BkToCstmrStmt"),
        (GOOD + b"x", "damaged"),
        (GOOD + GOOD, "damaged"),
        (GOOD.replace(b"E2E-1", b"&undefined;"), "damaged"),
        (GOOD.replace(b"E2E-1", b"\x00"), "damaged"),
        (GOOD.replace(b"E2E-1", "Ромашка".encode("cp1251")), "damaged"),
        (GOOD.replace(b'"UTF-8"', b'"nonsense"'), "damaged"),
        (GOOD.replace(b'"UTF-8"', b'"UTF-16"'), "damaged|No message"),
        (b"<!--" + b"x" * 70_000 + b"-->" + GOOD[39:], "No message"),
        (GOOD.replace(b"<Ntry>", b"<x>" * 300 + b"<Ntry>"), "damaged"),
    ],
)
def test_what_is_no_bank_file_or_a_damaged_one_is_refused_with_the_reason(file: bytes, why: str) -> None:
    for one in (file, old(file)):
        assert any(part in refused(one) for part in why.split("|")), refused(one)


def test_a_file_that_ends_too_early_is_refused_wherever_that_is() -> None:
    for file in (GOOD, old(GOOD)):
        for length in range(len(file)):
            refused(file[:length])


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.binary(max_size=3)), min_size=1, max_size=4))
@example([(0, b"\xff\xfe")])
@example([(0, b"\xef\xbb\xbf<")])
def test_whatever_happens_to_a_file_it_is_read_or_refused(changes: list[tuple[int, bytes]]) -> None:
    file = GOOD
    for place, change in changes:
        file = file[:place] + change + file[place + 1 :]
    try:
        read = list(camt.read(BytesIO(file)))
    except MalformedBankFile as error:
        said = error.detail
    else:
        said = ""
        assert 1 <= len(read) <= 3
    assert len(said) < 500
    assert "{" not in said


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "windows-1251"])
def test_other_encodings_are_read_where_the_file_says_which(encoding: str) -> None:
    text = GOOD.decode().replace("E2E-1", "Ромашка").replace("UTF-8", encoding.removesuffix("-sig"))
    assert list(camt.read(BytesIO(text.encode(encoding))))[1].end_to_end_id == "Ромашка"


def test_a_file_is_bounded() -> None:
    list(camt.read(BytesIO(GOOD), largest_bytes=len(GOOD)))
    with pytest.raises(MalformedBankFile, match=f"larger than {len(GOOD) - 1:,} bytes"):
        list(camt.read(BytesIO(GOOD), largest_bytes=len(GOOD) - 1))


def test_an_element_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    many = entry(details="<x/>" * 100_000)
    assert "is no" not in str(list(camt.read(camt053(many, namespace=OLD))))
    monkeypatch.setattr(bank_files, "LARGEST_ELEMENT_BYTES", 200_000)
    assert "One element of the file is larger than 200,000 bytes" in refused(camt053(many, namespace=OLD))
    small = [entry(details=details(*[transaction("0.00")] * 3000))] * 3
    assert len(list(camt.read(camt053(*small, namespace=OLD)))) == 9001  # more than that in all


def test_a_text_is_bounded_by_the_parser() -> None:
    assert "damaged" in refused(camt053(entry(details=f"<x>{'y' * 11_000_000}</x>"), namespace=OLD))


MEMORY = """
import resource, sys
from settlement.iso20022 import camt
from tests.settlement.iso20022.messages import camt053, details, entry, transaction

entries, per_entry = int(sys.argv[1]), int(sys.argv[2])
head, tail = camt053("|").read().split(b"|")
one = entry(details=details(*[transaction()] * per_entry)).encode()

class Endless:
    left = entries
    parts = [head]
    def read(self, size):
        if self.parts:
            return self.parts.pop()
        if self.left:
            taken = min(self.left, max(1, 60000 // len(one)))
            self.left -= taken
            if not self.left:
                self.parts.append(tail)
            return one * taken
        return b""

assert sum(1 for _ in camt.read(Endless())) == 1 + entries * per_entry
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("per_entry", [1, 1000])
def test_memory_is_flat_in_entries_and_in_their_transactions(per_entry: int) -> None:
    def peak_kb(transactions: int) -> int:
        numbers = str(transactions // per_entry), str(per_entry)
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, *numbers], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    assert peak_kb(10_000) < peak_kb(1_000) + 4_000  # an entry that stayed would take 4 kB
