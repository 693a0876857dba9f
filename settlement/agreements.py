"""Agreements: the contract that prices a partner's points; dated versions, as coalition.dated says."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Unpack
from uuid import UUID

from sqlalchemy import Row, text

from coalition import dated, programme
from coalition.dated import DayIsOver
from kit import audit, ids
from kit.audit import Act
from kit.db import Session
from kit.errors import Invalid, NotFound
from kit.expected_version import ExpectedVersion, check
from partners import issuing
from settlement import agreement_terms
from settlement.agreement_terms import ON_BURN, ON_EARN, REDEMPTION_PRICE, TERMS, AgreementTerms
from settlement.agreement_terms import MalformedPrice as MalformedPrice
from settlement.agreement_terms import price as price
from settlement.agreement_terms import show_price as show_price


class AgreementNotFound(NotFound):
    code = "agreement_not_found"
    title = "Agreement not found"
    description = "No agreement has this id, or it was withdrawn."
    remedy = (
        "List the partner's agreements with GET /v1/admin/partners/{partner_id}/agreements or `coalition agreement "
        "list`."
    )


class PriceMissing(Invalid):
    code = "price_missing"
    title = "Price missing"
    description = (
        "A partner's first agreement needs a redemption price. An agreement in another currency than the one before "
        "needs each amount and price that the one before has. `missing` lists them."
    )
    remedy = "Send the terms that `missing` lists as well."
    facts = ("missing",)


class ContradictoryTerms(Invalid):
    code = "contradictory_terms"
    title = "Terms contradict each other"
    description = (
        "With funding on_earn the issuer pays for each point as it is issued, so there is an issue price above 0. With "
        "on_burn it pays nothing before the burn, so the issue price and the breakage share are 0."
    )
    remedy = "Send `funding` together with the issue price and the breakage share that fit it."


@dataclass(frozen=True)
class Agreement:
    """Prices are minor units of `currency` per point, percentages from 0 to 100; what each term means: agreement_terms.

    `redemption_price_minor` is paid for each of the partner's points burned elsewhere. `version` counts a partner's
    agreements; `revision` how often this one was corrected, from 1.
    """

    agreement_id: UUID
    partner_id: UUID
    version: int
    since: date
    until: date | None
    currency: str
    redemption_price_minor: Fraction
    created_at: datetime
    revision: int = 1
    funding: str = ON_BURN
    issue_price_minor: Fraction = Fraction(0)
    fee_per_point_minor: Fraction = Fraction(0)
    fee_percent: Fraction = Fraction(0)
    fee_minimum_minor: int = 0
    breakage_share_percent: Fraction = Fraction(0)
    vat_percent: Fraction = Fraction(0)
    cycle: str = "daily"
    exposure_limit_minor: int | None = None
    deposit_minor: int = 0
    legal_name: str | None = None
    legal_address: str | None = None
    tax_id: str | None = None
    iban: str | None = None
    bic: str | None = None

    @property
    def redemption_price(self) -> str:
        """That price as its decimal."""
        return show_price(self.redemption_price_minor)

    @property
    def terms(self) -> dict[str, Any]:
        """Its terms by their names, exact numbers as their decimals."""
        return {term.name: agreement_terms.show(getattr(self, term.name)) for term in TERMS}

    @property
    def facts(self) -> dict[str, object]:
        """What it says, for the audit: nothing of who the partner is, and no term that is at its default."""
        said = {
            term.name: agreement_terms.show(getattr(self, term.name))
            for term in TERMS
            if not term.is_private and term is not REDEMPTION_PRICE and getattr(self, term.name) != term.default
        }
        return {"version": self.version, "redemption_price": self.redemption_price, "since": self.since, **said}


class AgreementChange(AgreementTerms, total=False):
    """What of an agreement is to be different; what is not named stays."""

    since: date


@dataclass(frozen=True)
class LotPrice:
    """What is paid, under an agreement's version, for each point of a lot that is burned elsewhere."""

    version: int
    currency: str
    redemption_price_minor: Fraction


VERSIONS = dated.Versions("agreement", "settlement.agreement", "agreement_id")
issuing.NEEDS["agreement"] = VERSIONS
_NAMES = ", ".join(term.name for term in TERMS)
_SELECT = f"""
    SELECT agreement_id, partner_id, version, lower(valid) AS since, upper(valid) AS until, created_at, revision,
           {_NAMES}
    FROM settlement.agreement
"""  # noqa: S608 -- names of ours


def agree(session: Session, act: Act, *, partner_id: UUID, since: date, **terms: Unpack[AgreementTerms]) -> Agreement:
    """The partner's next agreement, valid from `since`; what was valid then ends the day before.

    It holds until the next one that was made begins. Raises what `draft` does.
    """
    before, wanted = draft(session, partner_id=partner_id, since=since, now=act.now, terms=terms)
    made = _put(session, wanted)
    audit.append(session, act, "agreement.made", made, **made.facts, **_changed(before, made))
    return made


def draft(
    session: Session, *, partner_id: UUID, since: date, now: datetime, terms: AgreementTerms
) -> tuple[Agreement | None, Agreement]:
    """The agreement before `since`, if there is one, and what `agree` would make; nothing is written.

    What is not named is taken over from the one before. Nobody else changes terms before the transaction ends. Raises
    PriceMissing, ContradictoryTerms, DayIsOver, VersionTaken.
    """
    open_day = dated.take_turn(session)
    before = _before(session, partner_id, since)
    until = dated.find_room(session, VERSIONS, partner_id=partner_id, since=since)
    version = session.scalar(
        text("SELECT coalesce(max(version), 0) + 1 FROM settlement.agreement WHERE partner_id = :partner_id"),
        {"partner_id": partner_id},
    )
    if before is None:
        if "redemption_price_minor" not in terms:
            raise PriceMissing(
                "a partner's first agreement needs a redemption price", missing=["redemption_price_minor"]
            )
        currency = programme.get(session).currency
        base = Agreement(ids.new(), partner_id, version, since, until, currency, Fraction(0), now)
        wanted = replace(base, **_exact(terms))
        _refuse_contradictions(wanted)
    else:
        base = replace(
            before, agreement_id=ids.new(), version=version, since=since, until=until, created_at=now, revision=1
        )
        wanted = with_terms(base, terms)
    if wanted.funding == ON_EARN and since < open_day:
        raise DayIsOver(
            f"funding {ON_EARN} begins on {open_day} or later: nobody paid for the points that were issued before",
            open_day=open_day,
        )
    return before, wanted


def with_terms(base: Agreement, changes: AgreementTerms) -> Agreement:
    """`base` with `changes`, not written down.

    Raises PriceMissing where what it takes over is in another currency, ContradictoryTerms.
    """
    if changes.get("currency", base.currency) != base.currency:
        missing = [
            term.name
            for term in TERMS
            if term.is_money and term.name not in changes and getattr(base, term.name) != term.default
        ]
        if missing:
            raise PriceMissing(f"in another currency, name again: {', '.join(missing)}", missing=missing)
    wanted = replace(base, **_exact(changes))
    _refuse_contradictions(wanted)
    return wanted


def without_cover(one: Agreement) -> Agreement:
    """The agreement without deposit and limit, which price nothing, and so need no amount in another currency."""
    return replace(one, deposit_minor=0, exposure_limit_minor=None)


def correct(
    session: Session,
    act: Act,
    *,
    agreement_id: UUID,
    changes: AgreementChange,
    expected_version: ExpectedVersion = None,
) -> Agreement:
    """Change an agreement that holds on no day that is over.

    Raises AgreementNotFound, DayIsOver, VersionTaken, Stale, PriceMissing, ContradictoryTerms, and TermsMissing where a
    live issuer would be without.
    """
    open_day = dated.take_turn(session)
    before = get(session, agreement_id)
    check(before.revision, expected_version)
    wanted = with_terms(before, changes)
    made = before if wanted == before else _replace(session, before, wanted, open_day=open_day)
    audit.append(session, act, "agreement.corrected", made, **made.facts, **_changed(before, made))
    return made


def _replace(session: Session, before: Agreement, wanted: Agreement, *, open_day: date) -> Agreement:
    with dated.changing(session, VERSIONS, partner_id=before.partner_id):
        dated.take_out(session, VERSIONS, version_id=before.agreement_id)
        dated.refuse_past(wanted.since, open_day=open_day)
        return _put(session, replace(wanted, revision=before.revision + 1))


def withdraw(session: Session, act: Act, *, agreement_id: UUID) -> Agreement:
    """Take back an agreement that holds on no day that is over; the one before it goes on.

    Raises AgreementNotFound, DayIsOver, and TermsMissing where a live issuer would be without.
    """
    dated.take_turn(session)
    before = get(session, agreement_id)
    with dated.changing(session, VERSIONS, partner_id=before.partner_id):
        dated.take_out(session, VERSIONS, version_id=agreement_id)
    audit.append(session, act, "agreement.withdrawn", before, **before.facts)
    return before


def get(session: Session, agreement_id: UUID) -> Agreement:
    """One agreement; raises AgreementNotFound."""
    row = session.execute(text(f"{_SELECT} WHERE agreement_id = :id"), {"id": agreement_id}).first()
    if row is None:
        raise AgreementNotFound("there is no such agreement")
    return _agreement(row)


def of_partner(session: Session, *, partner_id: UUID, after: UUID, limit: int) -> list[Agreement]:
    """A partner's agreements behind `after`, past, present and to come, in the order they were made."""
    rows = session.execute(
        text(f"{_SELECT} WHERE partner_id = :partner_id AND agreement_id > :after ORDER BY agreement_id LIMIT :limit"),
        {"partner_id": partner_id, "after": after, "limit": limit},
    )
    return [_agreement(row) for row in rows]


def everything(session: Session) -> list[Agreement]:
    """All agreements, by partner and version; not for a partner's request, which may not read all of their terms."""
    return [_agreement(row) for row in session.execute(text(f"{_SELECT} ORDER BY partner_id, version"))]


def in_force(session: Session, day: date) -> dict[UUID, Agreement]:
    """Each partner's agreement of `day`, by partner."""
    rows = session.execute(text(f"{_SELECT} WHERE valid @> CAST(:day AS date)"), {"day": day})
    return {found.partner_id: found for found in map(_agreement, rows)}


def lot_prices(session: Session, lots: Collection[tuple[UUID, date]]) -> dict[tuple[UUID, date], LotPrice]:
    """The prices of lots, each by its issuer and the day it was issued; without those whose issuer had no agreement."""
    rows = session.execute(
        text("""
            SELECT lot.issuer_id, lot.issued_on, a.version, a.currency, a.redemption_price_minor
            FROM unnest(CAST(:issuers AS uuid[]), CAST(:days AS date[])) AS lot (issuer_id, issued_on)
            JOIN settlement.agreement a ON a.partner_id = lot.issuer_id AND a.valid @> lot.issued_on
        """),
        {"issuers": [issuer for issuer, _ in lots], "days": [day for _, day in lots]},
    )
    return {
        (row.issuer_id, row.issued_on): LotPrice(row.version, row.currency, Fraction(row.redemption_price_minor))
        for row in rows
    }


def _before(session: Session, partner_id: UUID, since: date) -> Agreement | None:
    row = session.execute(
        text(f"""
            {_SELECT} WHERE partner_id = :partner_id AND lower(valid) <= :since ORDER BY lower(valid) DESC LIMIT 1
        """),
        {"partner_id": partner_id, "since": since},
    ).first()
    return None if row is None else _agreement(row)


def _agreement(row: Row[Any]) -> Agreement:
    return Agreement(**{name: agreement_terms.exact(value) for name, value in row._asdict().items()})


def _exact(terms: AgreementTerms) -> dict[str, Any]:
    return {name: agreement_terms.exact(value) for name, value in terms.items()}


def _refuse_contradictions(wanted: Agreement) -> None:
    if wanted.funding == ON_EARN and not wanted.issue_price_minor:
        raise ContradictoryTerms(f"with funding {ON_EARN} the issue price is above 0")
    if wanted.funding == ON_BURN and (wanted.issue_price_minor or wanted.breakage_share_percent):
        raise ContradictoryTerms(f"with funding {ON_BURN} the issue price and the breakage share are 0")


def _changed(before: Agreement | None, made: Agreement) -> dict[str, list[str]]:
    """The names of the terms that are no longer what they were, also of those whose values the audit never holds."""
    names = [
        term.name
        for term in TERMS
        if getattr(made, term.name) != (term.default if before is None else getattr(before, term.name))
    ]
    return {"changed": names} if names else {}


def _put(session: Session, wanted: Agreement) -> Agreement:
    until = dated.make_room(session, VERSIONS, partner_id=wanted.partner_id, since=wanted.since)
    made = replace(wanted, until=until)
    session.execute(
        text(f"""
            INSERT INTO settlement.agreement
                (agreement_id, partner_id, version, valid, created_at, revision, agreed_on, {_NAMES})
            VALUES (:agreement_id, :partner_id, :version, daterange(CAST(:since AS date), CAST(:until AS date)),
                    :created_at, :revision, :agreed_on, {", ".join(f":{term.name}" for term in TERMS)})
        """),  # noqa: S608 -- names of ours, values bound
        {name: agreement_terms.stored(value) for name, value in vars(made).items()}
        | {"agreed_on": programme.get(session).open_day},
    )
    return made


class PriceBook:
    """Which agreement priced a lot: the one its issuer had on the day it was issued."""

    def __init__(self, agreements: list[Agreement]) -> None:
        self._found: dict[tuple[UUID, date], Agreement | None] = {}
        self._of_partner: dict[UUID, list[Agreement]] = {}
        for agreement in agreements:
            self._of_partner.setdefault(agreement.partner_id, []).append(agreement)

    def look_up(self, partner_id: UUID, day: date) -> Agreement | None:
        """The agreement of `partner_id` on `day`, if it has one."""
        key = partner_id, day
        if key not in self._found:
            held = (one for one in self._of_partner.get(partner_id, ()) if one.since <= day)
            self._found[key] = next((one for one in held if one.until is None or day < one.until), None)
        return self._found[key]
