"""Four partners on three days, funded in both ways, in two currencies and with odd names: what reports are made of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from coalition import ledger, programme
from settlement import agreement_terms, agreements, approvals, entries, nightly, policies, runs
from tests.conftest import NOW, World, act, request

DAY = NOW.date()
ODD = 'Page;bound | "Books" \\ * Ltd 本'
TERMS: dict[str, dict[str, Any]] = {
    "greengrocer": {"redemption_price_minor": "0.95", "fee_percent": "2.5", "fee_per_point_minor": "0.07",
                    "vat_percent": "20", "fee_minimum_minor": 90},
    "fuelway": {"redemption_price_minor": "0.5", "funding": "on_earn", "issue_price_minor": "0.6",
                "breakage_share_percent": "30"},
    "pagebound": {"redemption_price_minor": "1", "cycle": "weekly"},
    "yenmart": {"redemption_price_minor": "1.5", "currency": "JPY"},
}  # fmt: skip


def night(world: World, n: int) -> None:
    """Settle day `n`, from 0."""
    nightly.run(world.database, act(world.keyring, now=NOW + timedelta(days=n + 1)), day=DAY + timedelta(days=n))


def agree(world: World, partner_id, since=DAY, **terms: Any) -> None:
    with world.transaction() as session:
        agreements.agree(session, act(), partner_id=partner_id, since=since, **agreement_terms.parse(terms))


def enter(world: World, kind: str, payer, payee, amount: int, reference: str) -> None:
    """Money that one party owes another; None is the coalition."""
    with world.transaction() as session:
        fund = programme.get(session).programme_id
        entries.add(
            session, act(reason="agreed"), kind=kind, payer_id=getattr(payer, "partner_id", fund),
            payee_id=getattr(payee, "partner_id", fund), currency="GBP", amount_minor=amount, reference=reference,
        )  # fmt: skip


def pay(world: World, n: int, *, until: str = "settled") -> None:
    """Let the run of day `n` be approved, instructed and settled on the day after it."""
    said = act(world.keyring, now=NOW + timedelta(days=n + 1))
    with world.transaction() as session:
        run = runs.of_day(session, DAY + timedelta(days=n))
        for state, step in (("approved", approvals.approve), ("instructed", approvals.instruct),
                            ("settled", approvals.settle)):  # fmt: skip
            step(session, said, run_id=run.run_id)
            if state == until:
                return


def trade(world: World) -> dict[str, Any]:
    """Three settled days: the first is paid, the second on its way."""
    brands = {code: world.partner(code) for code in TERMS}
    with world.transaction() as session:
        policies.put(session, act(), policies.Policy(approvals=1, legal_name="Coalition; Ltd"))
        session.execute(text("UPDATE partners.partner SET name = :name WHERE code = 'pagebound'"), {"name": ODD})
    for code, terms in TERMS.items():
        agree(world, brands[code].partner_id, **terms)
    grocer, station, books, yen = brands.values()
    member = world.member()
    world.earn(grocer.partner_id, member, 1001)
    world.burn(station.partner_id, member, 331, reference="F1")
    soon = (ledger.Award(points=77, expires_on=DAY + timedelta(days=2)),)
    world.earn(station.partner_id, world.member("7001000000130470"), None, awards=soon)
    world.earn(station.partner_id, member, 200)
    enter(world, "promotion", grocer, books, 1234, "P1")
    night(world, 0)
    pay(world, 0)
    world.earn(yen.partner_id, member, 45)
    world.burn(books.partner_id, member, 800, reference="B1")
    enter(world, "adjustment", books, None, -55, "D1")
    night(world, 1)
    pay(world, 1, until="instructed")
    burned = world.burn(grocer.partner_id, member, 20, reference="G1")
    with world.transaction() as session:
        back = ledger.Reversal(original_id=burned.transaction_id, reference="X1", points=10)
        ledger.post(session, request(grocer.partner_id), back).unwrap()
    enter(world, "adjustment", yen, station, 7, "A1")
    night(world, 2)
    return {**brands, "member": member}
