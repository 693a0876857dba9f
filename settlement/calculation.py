"""From what moved on a closed day to who owes whom: obligations, nets, payments, statements. No writing here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from hashlib import sha256
from itertools import groupby
from typing import Any
from uuid import UUID

from coalition.business_days import Flow, FlowLine, Seal
from kit import ids
from partners.accounts import Partner
from settlement import netting
from settlement.agreements import Agreement, PriceBook, show_price
from settlement.set_aside import SetAside


@dataclass(frozen=True)
class Obligation:
    """What `payer_id` owes `payee_id` for its points burned there under one agreement; negative when returns outweigh.

    `amount_minor` is the exact sum rounded once.
    """

    payer_id: UUID
    payee_id: UUID
    agreement: Agreement
    points: int
    amount_minor: int


@dataclass(frozen=True)
class Payment:
    """One transfer that settles net positions: `payer_id` pays `payee_id`."""

    payer_id: UUID
    payee_id: UUID
    currency: str
    amount_minor: int


@dataclass(frozen=True)
class Calculation:
    """A day's settlement, complete; `nets` are by (partner, currency), what it receives, and add up to zero.

    `left_out` could not be priced, `taken_in` was left out of an earlier day and can be now.
    """

    day: date
    seal: Seal
    obligations: list[Obligation]
    nets: dict[tuple[UUID, str], int]
    payments: list[Payment]
    left_out: list[SetAside] = field(default_factory=list)
    taken_in: list[SetAside] = field(default_factory=list)
    statements: dict[UUID, bytes] = field(default_factory=dict)

    def content_hash(self) -> bytes:
        """SHA-256 over all statements: the same closed day gives the same 32 bytes, for ever."""
        digest = sha256()
        for partner_id in sorted(self.statements):
            digest.update(partner_id.bytes + sha256(self.statements[partner_id]).digest())
        return digest.digest()


def obligations(flows: Iterable[Flow], book: PriceBook) -> list[Obligation]:
    """Priced, added up exactly, and rounded once per payer, payee and agreement; a partner owes itself nothing."""
    points: dict[tuple[UUID, UUID, UUID], int] = {}
    agreements: dict[UUID, Agreement] = {}
    for flow in flows:
        if flow.issuer_id == flow.redeemer_id:
            continue
        agreement = book.find(flow.issuer_id, flow.issued_on)
        agreements[agreement.agreement_id] = agreement
        key = (flow.issuer_id, flow.redeemer_id, agreement.agreement_id)
        points[key] = points.get(key, 0) + flow.points
    return [
        Obligation(payer, payee, agreements[aid], n, netting.rounded(n * agreements[aid].redemption_price_minor))
        for (payer, payee, aid), n in sorted(points.items())
    ]


def set_off(owed: list[Obligation]) -> tuple[dict[tuple[UUID, str], int], list[Payment]]:
    """Net positions by partner and currency, and the payments that settle them."""
    nets: dict[tuple[UUID, str], int] = {}
    made: list[Payment] = []
    for currency in sorted({o.agreement.currency for o in owed}):
        of_currency = [(o.payer_id, o.payee_id, o.amount_minor) for o in owed if o.agreement.currency == currency]
        positions = netting.net_positions(of_currency)
        nets |= {(partner, currency): amount for partner, amount in sorted(positions.items())}
        order = {partner: partner.int for partner in positions}
        made += [Payment(payer, payee, currency, n) for payer, payee, n in netting.payments(positions, order)]
    return nets, made


def lines(
    flow_lines: Iterable[FlowLine], owed: list[Obligation], book: PriceBook
) -> Iterator[tuple[FlowLine, Obligation, int]]:
    """Every line with its obligation and its whole part of it; the parts of an obligation add up to it exactly.

    `flow_lines` come sorted by issuer, redeemer and issue day, so one obligation's lines are in memory at a time.
    """
    by_key = {(o.payer_id, o.payee_id, o.agreement.agreement_id): o for o in owed}

    def key(line: FlowLine) -> tuple[UUID, UUID, UUID]:
        return line.issuer_id, line.redeemer_id, book.find(line.issuer_id, line.issued_on).agreement_id

    crossing = (line for line in flow_lines if line.issuer_id != line.redeemer_id)
    for obligation_key, group in groupby(crossing, key):
        obligation = by_key[obligation_key]
        found = list(group)
        shares = [line.points * obligation.agreement.redemption_price_minor for line in found]
        parts = netting.apportion(obligation.amount_minor, [Fraction(share) for share in shares])
        for line, part in zip(found, parts, strict=True):
            yield line, obligation, part


def calculate(
    *,
    seal: Seal,
    flows: Iterable[Flow],
    flow_lines: Iterable[FlowLine],
    book: PriceBook,
    partners: list[Partner],
    left_out: list[SetAside],
    taken_in: list[SetAside],
) -> Calculation:
    """The whole settlement of a sealed day, with a statement for every partner.

    `flows` and `flow_lines` are what it prices: without what is left out, with what is taken in. Raises
    AgreementMissing for what has no price and is not left out.
    """
    owed = obligations(flows, book)
    nets, made = set_off(owed)
    result = Calculation(seal.day, seal, owed, nets, made, left_out, taken_in)
    gathered: dict[UUID, list[str]] = {partner.partner_id: [] for partner in partners}
    names = {partner.partner_id: partner for partner in partners}
    for line, obligation, part in lines(flow_lines, owed, book):
        shown = json.dumps(_line(line, obligation, part, names, seal.day), ensure_ascii=False)
        gathered[line.issuer_id].append(shown)
        gathered[line.redeemer_id].append(shown)
    for partner in partners:
        result.statements[partner.partner_id] = _statement(result, partner, names, gathered[partner.partner_id])
    return result


def _line(line: FlowLine, obligation: Obligation, part: int, names: dict[UUID, Partner], day: date) -> dict[str, Any]:
    earlier = {} if line.day == day else {"day": line.day.isoformat()}
    return {
        **earlier,
        "payer": names[line.issuer_id].code,
        "payee": names[line.redeemer_id].code,
        "transaction_id": ids.show(ids.TRANSACTION, line.transaction_id),
        "reference": line.reference,
        "issued_on": line.issued_on.isoformat(),
        "agreement_version": obligation.agreement.version,
        "points": line.points,
        "amount_minor": part,
        "currency": obligation.agreement.currency,
    }


def _statement(result: Calculation, partner: Partner, names: dict[UUID, Partner], own_lines: list[str]) -> bytes:
    mine = [o for o in result.obligations if partner.partner_id in (o.payer_id, o.payee_id)]
    body: dict[str, Any] = {
        "statement": "coalition.settlement/1",
        "day": result.day.isoformat(),
        "partner": partner.code,
        "seal": {
            "postings": result.seal.postings,
            "digest": result.seal.digest.hex(),
            "chain": result.seal.chain.hex(),
        },
        "net": [
            {"currency": currency, "amount_minor": amount}
            for (partner_id, currency), amount in result.nets.items()
            if partner_id == partner.partner_id
        ],
        "payments": [
            {
                "payer": names[p.payer_id].code,
                "payee": names[p.payee_id].code,
                "currency": p.currency,
                "amount_minor": p.amount_minor,
            }
            for p in result.payments
            if partner.partner_id in (p.payer_id, p.payee_id)
        ],
        "obligations": [
            {
                "payer": names[o.payer_id].code,
                "payee": names[o.payee_id].code,
                "agreement_version": o.agreement.version,
                "redemption_price_minor": show_price(o.agreement.redemption_price_minor),
                "currency": o.agreement.currency,
                "points": o.points,
                "amount_minor": o.amount_minor,
            }
            for o in mine
        ],
    }
    mine_left = [one for one in result.left_out if partner.partner_id in (one.payer_id, one.payee_id)]
    if mine_left:
        body["set_aside"] = [
            {
                "payer": names[one.payer_id].code,
                "payee": names[one.payee_id].code,
                "issued_on": one.issued_on.isoformat(),
                "points": one.points,
                "code": one.code,
            }
            for one in mine_left
        ]
    # The lines were encoded once for both their partners; one stands on a line of the file.
    head, separator = json.dumps(body, ensure_ascii=False)[:-1], ",\n"
    return f'{head}, "lines": [\n{separator.join(own_lines)}\n]}}\n'.encode()
