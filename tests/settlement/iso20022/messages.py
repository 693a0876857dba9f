"""Bank files for tests, put together from the parts that a test is about."""

from __future__ import annotations

from io import BytesIO

CAMT_053 = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
CAMT_054 = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"
ACCOUNT = "DE89370400440532013000"
BALANCES = "".join(
    f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>{amount}</Amt>"
    f"<CdtDbtInd>{direction}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    for code, amount, direction, day in (
        ("OPBD", "100.00", "CRDT", "2026-11-27"),
        ("CLBD", "12.34", "DBIT", "2026-11-28"),
    )
)


def entry(amount: str = "12.34", direction: str = "CRDT", *, currency: str = "EUR", details: str = "") -> str:
    """One booking; `details` is what stands behind its code."""
    return (
        f"<Ntry><NtryRef>N-1</NtryRef><Amt Ccy='{currency}'>{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>"
        "<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-28</Dt></BookgDt>"
        "<ValDt><DtTm>2026-11-29T23:30:00+03:00</DtTm></ValDt><AcctSvcrRef>B-1</AcctSvcrRef>"
        f"<BkTxCd><Prtry><Cd>166</Cd></Prtry></BkTxCd>{details}</Ntry>"
    )


def transaction(amount: str | None = "12.34", *, end_to_end_id: str = "E2E-1", more: str = "") -> str:
    """The details of one payment, whose counterparty pays or is paid."""
    stated = "" if amount is None else f"<Amt Ccy='EUR'>{amount}</Amt>"
    return f"<TxDtls><Refs><EndToEndId>{end_to_end_id}</EndToEndId></Refs>{stated}{more}</TxDtls>"


def details(*parts: str) -> str:
    return f"<NtryDtls>{''.join(parts)}</NtryDtls>"


def camt053(*entries: str, namespace: str = CAMT_053, currency: str = "<Ccy>EUR</Ccy>", prolog: str = "") -> BytesIO:
    return BytesIO(
        f'<?xml version="1.0" encoding="UTF-8"?>\n{prolog}<Document xmlns="{namespace}"><BkToCstmrStmt><GrpHdr>'
        "<MsgId>M-1</MsgId><CreDtTm>2026-11-29T06:00:00Z</CreDtTm></GrpHdr><Stmt><Id>S-1</Id><ElctrncSeqNb>231"
        f"</ElctrncSeqNb><Acct><Id><IBAN>{ACCOUNT}</IBAN></Id>{currency}</Acct>{BALANCES}\n{''.join(entries)}"
        "</Stmt></BkToCstmrStmt></Document>".encode()
    )


def camt054(*entries: str) -> BytesIO:
    return BytesIO(
        f'<Document xmlns="{CAMT_054}"><BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>M-2</MsgId>'
        "<CreDtTm>2026-11-29T06:00:00Z</CreDtTm></GrpHdr><Ntfctn><Id>N-2</Id><CreDtTm>2026-11-29T06:00:00Z</CreDtTm>"
        f"<Acct><Id><IBAN>{ACCOUNT}</IBAN></Id></Acct>{''.join(entries)}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
        "".encode()
    )


def pain002(body: str) -> BytesIO:
    return BytesIO(
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt><GrpHdr><MsgId>R-1</MsgId>'
        f"<CreDtTm>2026-11-29T06:00:00Z</CreDtTm></GrpHdr>{body}</CstmrPmtStsRpt></Document>".encode()
    )
