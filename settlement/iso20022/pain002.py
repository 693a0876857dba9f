"""The bank's answer to a payment file, pain.002 of any version: status of the whole, its groups and its payments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from settlement.iso20022.bank_files import LARGEST_FILE_BYTES, MalformedBankFile, events
from settlement.iso20022.fields import Fields

_FILE, _GROUP, _PAYMENT = "OrgnlGrpInfAndSts", "OrgnlPmtInfAndSts", "TxInfAndSts"
MESSAGES = ("CstmrPmtStsRpt", "pain.002.001.02")
_PARENTS = {_FILE: MESSAGES, _GROUP: MESSAGES, _PAYMENT: (_GROUP, *MESSAGES)}


@dataclass(frozen=True)
class Status:
    """What the bank says of the file `message_id`, of one group in it, or of one payment of a group.

    A group has a `payment_information_id`, a payment an `end_to_end_id` too. `status` is a code: ACCP, ACSC, ACSP,
    ACWC, ACTC, PART, PDNG, RCVD, RJCT and others; None where only what it belongs to has one. `reason` is the first
    code that was given (AC04 …), `information` all words.
    """

    message_id: str
    payment_information_id: str | None
    end_to_end_id: str | None
    status: str | None
    reason: str | None
    information: str | None


def read(file: BinaryIO, *, largest_bytes: int = LARGEST_FILE_BYTES) -> Iterator[Status]:
    """The file's status, and of each group its own and behind it those of its payments.

    Only when all were taken is it known that the file is whole: work with them in one transaction. Raises
    MalformedBankFile.
    """
    message_id: str | None = None
    group_id: str | None = None
    is_told = True
    for event, name, element in events(file, messages=MESSAGES, parents=_PARENTS, largest_bytes=largest_bytes):
        found = Fields(element)
        if name == _GROUP and event == "start":
            is_told = False
        elif not is_told and found.name == _GROUP:  # its payments begin in it, or it has none
            is_told, group_id = True, found.text("OrgnlPmtInfId")
            yield _status(found, message_id, group_id, "PmtInfSts")
        if event == "end" and name == _FILE:
            message_id = found.text("OrgnlMsgId")
            yield _status(found, message_id, None, "GrpSts")
        elif event == "end" and name == _PAYMENT:
            yield _status(found, message_id, group_id, "TxSts")
        elif event == "end":
            group_id = None


def _status(element: Fields, message_id: str | None, group_id: str | None, path: str) -> Status:
    if not message_id:
        raise MalformedBankFile("The file does not name the payment file that it answers (OrgnlMsgId).")
    end_to_end_id = element.text("OrgnlEndToEndId")
    if path == "TxSts" and not end_to_end_id:
        raise MalformedBankFile("A payment's status does not say whose it is (OrgnlEndToEndId).")
    if path == "PmtInfSts" and not group_id:
        raise MalformedBankFile("A group's status does not say whose it is (OrgnlPmtInfId).")
    reasons = "StsRsnInf/Rsn/Cd", "StsRsnInf/Rsn/Prtry", "StsRsnInf/StsRsn/Cd", "StsRsnInf/StsRsn/Prtry"
    return Status(
        message_id=message_id,
        payment_information_id=group_id,
        end_to_end_id=end_to_end_id,
        status=element.text(path),
        reason=element.first_text(*reasons),
        information=" ".join(element.texts("StsRsnInf/AddtlInf")) or None,
    )
