"""The bank's answer to a payment file."""

from __future__ import annotations

import pytest

from settlement.iso20022 import pain002
from settlement.iso20022.bank_files import MalformedBankFile
from settlement.iso20022.pain002 import Status
from tests.settlement.iso20022.messages import camt053
from tests.settlement.iso20022.messages import pain002 as file

WHOLE = "<OrgnlGrpInfAndSts><OrgnlMsgId>STL-1</OrgnlMsgId><GrpSts>{}</GrpSts></OrgnlGrpInfAndSts>"
REASON = "<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>ACCOUNT</AddtlInf><AddtlInf>CLOSED</AddtlInf></StsRsnInf>"


def payment(end_to_end_id: str, status: str, reason: str = "") -> str:
    return (
        f"<TxInfAndSts><OrgnlEndToEndId>{end_to_end_id}</OrgnlEndToEndId><TxSts>{status}</TxSts>{reason}</TxInfAndSts>"
    )


def group(number: int, status: str, *payments: str) -> str:
    said = f"<PmtInfSts>{status}</PmtInfSts>" if status else ""
    return (
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>STL-1-{number}</OrgnlPmtInfId>{said}{''.join(payments)}</OrgnlPmtInfAndSts>"
    )


def test_a_file_that_was_taken_as_a_whole_has_one_status() -> None:
    assert list(pain002.read(file(WHOLE.format("ACCP")))) == [Status("STL-1", None, None, "ACCP", None, None)]


def test_groups_and_payments_have_their_own() -> None:
    body = (
        WHOLE.format("PART") + group(1, "ACSC") + group(2, "", payment("E-1", "RJCT", REASON), payment("E-2", "ACSC"))
    )
    assert list(pain002.read(file(body))) == [
        Status("STL-1", None, None, "PART", None, None),
        Status("STL-1", "STL-1-1", None, "ACSC", None, None),
        Status("STL-1", "STL-1-2", None, None, None, None),
        Status("STL-1", "STL-1-2", "E-1", "RJCT", "AC04", "ACCOUNT CLOSED"),
        Status("STL-1", "STL-1-2", "E-2", "ACSC", None, None),
    ]


def test_the_oldest_version_names_no_groups() -> None:
    reason = "<StsRsnInf><StsRsn><Prtry>Closed</Prtry></StsRsn></StsRsnInf>"
    body = WHOLE.format("RJCT") + payment("E-1", "RJCT", reason)
    old = file(body).read().replace(b"CstmrPmtStsRpt", b"pain.002.001.02")
    assert list(pain002.read(type(file(""))(old)))[1:] == [Status("STL-1", None, "E-1", "RJCT", "Closed", None)]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (WHOLE.format("RJCT").replace("STL-1", ""), "OrgnlMsgId"),
        (group(1, "ACSC"), "OrgnlMsgId"),
        (WHOLE.format("PART") + group(1, "ACSC").replace("STL-1-1", ""), "OrgnlPmtInfId"),
        (WHOLE.format("PART") + group(1, "ACSC", payment("", "RJCT")), "OrgnlEndToEndId"),
        (WHOLE.format("PART") + group(1, "", group(2, "")), "OrgnlPmtInfAndSts stands where none can be"),
    ],
)
def test_a_status_that_does_not_say_whose_it_is_is_refused(body: str, why: str) -> None:
    with pytest.raises(MalformedBankFile, match=why):
        list(pain002.read(file(body)))


def test_a_statement_is_no_answer() -> None:
    with pytest.raises(MalformedBankFile, match="Document/BkToCstmrStmt, not Document/CstmrPmtStsRpt"):
        list(pain002.read(camt053()))
