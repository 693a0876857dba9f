"""Whom the coalition's desk means by what is at hand; every look is audited by the edge it comes through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from coalition import identifiers, member_accounts, members
from kit import ids
from kit.db import Session
from kit.errors import Invalid
from kit.secrets import Keyring
from partners import accounts

RECEIPT = "receipt"
BY = (*identifiers.KIND_OF_FIELD, RECEIPT)
# These are one partner's, so it has to be said whose.
OF_PARTNER = ("external_id", RECEIPT)


class PartnerMissing(Invalid):
    """A receipt and an external id are a partner's own: name the partner."""

    code = "partner_missing"
    title = "Partner missing"


def find(
    session: Session, wanted: Mapping[str, str], *, partner_id: UUID | None, keyring: Keyring
) -> list[dict[str, Any]]:
    """The members that the one of BY in `wanted` names, each as `member_accounts.show` has it, but for its parts.

    Raises MemberNotFound, PartnerMissing, and like `identifiers.parse`.
    """
    ((by, value),) = wanted.items()
    if by in OF_PARTNER and partner_id is None:
        raise PartnerMissing(f"whose {by} is it? name the partner")
    if by == RECEIPT and partner_id is not None:
        found = member_accounts.by_receipt(session, reference=value, partner_id=partner_id)
    else:
        kind = identifiers.KIND_OF_FIELD[by]
        identifier = identifiers.parse(kind, value, partner_id=partner_id or UUID(int=0))
        found = [members.find(session, identifier, keyring).member_id]
    return [member_accounts.head(session, each) for each in found]


def named(session: Session, data: Any) -> Any:
    """`data` with the codes of the partners it names beside their ids."""
    codes: dict[str, str] = {}

    def code_of(shown: str) -> str | None:
        if shown not in codes:
            codes[shown] = _code(session, shown)
        return codes[shown] or None

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(each) for each in value]
        if not isinstance(value, dict):
            return value
        walked = {name: walk(each) for name, each in value.items()}
        if "partner_id" in walked:
            walked["partner_code"] = walked["partner_id"] and code_of(walked["partner_id"])
        return walked

    return walk(data)


def _code(session: Session, shown: str) -> str:
    try:
        return accounts.by_id(session, ids.parse(ids.PARTNER, shown)).code
    except accounts.PartnerNotFound:
        return ""
