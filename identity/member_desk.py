"""Whom the coalition's desk means by what is at hand, and what it is shown of them; every look is audited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeAlias
from uuid import UUID

from coalition import identifiers, member_accounts, members
from kit import audit, ids, pairwise
from kit.audit import Act
from kit.db import Session
from kit.errors import Invalid
from partners import accounts

RECEIPT = "receipt"
Begin: TypeAlias = Callable[[], AbstractContextManager[Session]]
BY = (*identifiers.KIND_OF_FIELD, RECEIPT)
# These are one partner's, so it has to be said whose.
OF_PARTNER = ("external_id", RECEIPT)


class PartnerMissing(Invalid):
    code = "partner_missing"
    title = "Partner missing"
    description = "A receipt or an external id belongs to one partner. Name the partner too."
    remedy = (
        "Repeat the search with `partner_id` in the request, or with the partner's code first in `coalition member "
        "find`."
    )


def find(session: Session, act: Act, wanted: Mapping[str, str], *, partner_id: UUID | None) -> list[dict[str, Any]]:
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
        found = [members.find(session, identifier, act.keyring).member_id]
    heads = [member_accounts.head(session, each) for each in found]
    for each in found:
        _write_down(session, act, each, by=by, partner_id=partner_id)
    return heads


def by_member_id(session: Session, act: Act, given: str, *, partner_id: UUID, is_ours: bool) -> UUID:
    """The member whom the partner calls `given`, or (`is_ours`) we do; raises MalformedId, MemberNotFound."""
    with ids.seen_by(ids.OUR_OWN if is_ours else pairwise.view_of(act.keyring, partner_id)):
        found = members.by_id(session, ids.parse(ids.MEMBER, given)).member_id
    _write_down(session, act, found, by="member_id", partner_id=partner_id)
    return found


def _write_down(session: Session, act: Act, member_id: UUID, *, by: str, partner_id: UUID | None) -> None:
    facts = {"partner": ids.show(ids.PARTNER, partner_id)} if partner_id else {}
    audit.append(session, act, "member.found", ids.show_our_own(member_id), by=by, **facts)


def show(writing: Begin, reading: Begin, act: Act, member_id: UUID) -> dict[str, Any]:
    """One member, at one instant and once it is written down who looked. Raises MemberNotFound."""
    return _look(writing, reading, act, "member.shown", member_id, member_accounts.show)


def explain(writing: Begin, reading: Begin, act: Act, member_id: UUID) -> dict[str, Any]:
    """What each of its balances is made of, in the same way. Raises MemberNotFound, MemberMerged."""
    return _look(writing, reading, act, "member.explained", member_id, member_accounts.explain)


def _look(
    writing: Begin, reading: Begin, act: Act, action: str, member_id: UUID, read: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    with writing() as session:
        member_accounts.head(session, member_id)
        audit.append(session, act, action, ids.show_our_own(member_id))
    with reading() as session:
        member_accounts.snapshot(session)
        found: dict[str, Any] = named(session, read(session, member_id))
    return found


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
