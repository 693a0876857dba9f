"""bank_statement: reading a bank statement of 200,000 entries, each with one payment, checked against its schema.

The reference is a bare walk over the same bytes by the same parser, without a schema, that empties each entry: what
reading it as a stream costs at least. The statement is made as it is read, and the memory that stays is measured.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from typing import BinaryIO, cast

from lxml import etree

from benchmarks.figures import Figure, Run
from benchmarks.harness import BenchmarkError, Harness, report
from settlement.iso20022 import camt, validation

ENTRIES = 200_000
_NAMESPACE = f"{validation.NAMESPACE}camt.053.001.08"
_BALANCE = (
    "<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>"
    "<Dt><Dt>2026-11-28</Dt></Dt></Bal>"
)
_HEAD = (
    f"<Document xmlns='{_NAMESPACE}'><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId><CreDtTm>2026-11-29T06:00:00Z</CreDtTm>"
    f"</GrpHdr><Stmt><Id>S</Id><Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct>{_BALANCE}"
)
_ENTRY = (
    "<Ntry><Amt Ccy='EUR'>12.34</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-28</Dt>"
    "</BookgDt><BkTxCd/><NtryDtls><TxDtls><Refs><EndToEndId>E2E-1</EndToEndId></Refs><Amt Ccy='EUR'>12.34</Amt>"
    "<RltdPties><Dbtr><Pty><Nm>Grocer</Nm></Pty></Dbtr><DbtrAcct><Id><IBAN>FR1420041010050500013M02606</IBAN></Id>"
    "</DbtrAcct></RltdPties><RmtInf><Ustrd>Settlement 2026-11-27</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>\n"
)
_TAIL = "</Stmt></BkToCstmrStmt></Document>"


class _Statement:
    """The file, made piece by piece."""

    def __init__(self, entries: int) -> None:
        self._pieces = self._made(entries)

    def read(self, _: int = -1, /) -> bytes:
        return next(self._pieces, b"")

    @staticmethod
    def _made(entries: int) -> Iterator[bytes]:
        yield _HEAD.encode()
        for _ in range(entries // 100):
            yield _ENTRY.encode() * 100
        yield _TAIL.encode()


def statement(harness: Harness) -> Figure:
    """Entries per second."""
    return Figure(
        "bank_statement",
        f"entries of a camt.053 of {ENTRIES:,}, validated",
        "a bare walk by lxml",
        [_run() for _ in range(harness.runs)],
    )


def _run() -> Run:
    began, before_kb = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = sum(1 for _ in camt.read(cast(BinaryIO, _Statement(ENTRIES))))
    took, grown_kb = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    began = time.perf_counter()
    walked = _walk()
    walk_took = time.perf_counter() - began
    if read != walked + 1 or walked != ENTRIES:
        raise BenchmarkError(f"{read} of {ENTRIES} entries were read, {walked} walked over")
    report(
        f"  {ENTRIES / took:,.0f} entries a second, a bare walk {walked / walk_took:,.0f}, {grown_kb:,} kB more memory"
    )
    return Run(ENTRIES, took, walked, walk_took, {"grown_kb": grown_kb})


def _walk() -> int:
    walked, file = 0, _Statement(ENTRIES)
    parser = etree.XMLPullParser(tag=f"{{{_NAMESPACE}}}Ntry")
    while chunk := file.read():
        parser.feed(chunk)
        for _, element in parser.read_events():
            walked += 1
            element.clear()
            while element.getprevious() is not None and (parent := element.getparent()) is not None:
                del parent[0]
    return walked
