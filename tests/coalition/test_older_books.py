"""Books kept by the version before lots knew which earn issued them: after the migration they are clean."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import text

from coalition import verify
from kit import ids, schema
from tests.conftest import NOW, World

A, B = ids.new(), ids.new()
OLD = NOW - timedelta(days=728)  # earned then, points expire on 4 March 2026
CARDS = ("7001000000178503", "7001000000130470", "7001000000171789")


def post(owner: psycopg.Connection[Any], kind: str, partner: UUID, **fields: Any) -> UUID:
    """Let the ledger's function of that version do it; the transaction's id."""
    asked = {"kind": kind, "partner_id": partner, "txn_id": ids.new(), "event_id": ids.new(), "now": NOW, **fields}
    asked.setdefault("reference", secrets.token_hex(8))
    (said,) = owner.execute(
        "SELECT o.refusal FROM coalition.ledger_post(jsonb_populate_record(NULL::coalition.request, %s)) o",
        [Jsonb(asked, dumps=partial(json.dumps, default=str))],
    ).fetchall()
    assert said == (None,)
    return asked["txn_id"]


def test_lots_that_merges_and_returns_made_before_are_told_their_origin(world: World) -> None:
    url = str(world.settings.database_url)
    first, second, third = (world.member(card) for card in CARDS)
    schema.downgrade(url, to="0028")
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as owner:
        earned = post(owner, "earn", A, member_id=first, points=100, effective_at=OLD)
        post(owner, "earn", B, member_id=first, points=50)
        spent = post(owner, "burn", B, member_id=first, points=120)
        merge = {"event_id": str(ids.new())}
        post(owner, "merge", A, member_id=first, original_id=second, meta={**merge, "txn_id": str(ids.new())})
        post(owner, "reversal", B, original_id=spent, points=110)  # to whom it was merged into
        merge = {"event_id": str(ids.new())}
        post(owner, "merge", A, member_id=second, original_id=third, meta={**merge, "txn_id": str(ids.new())})
        # The whole lot lives on when a point of it comes back after its expiry.
        kept = post(owner, "earn", A, member_id=third, points=30, effective_at=OLD)
        burned = post(owner, "burn", A, member_id=third, points=10)
        for n in range(4):
            owner.execute("SELECT coalition.ledger_close_day(%s, %s)", (NOW.date() + timedelta(days=n), NOW))
        post(owner, "reversal", A, original_id=burned, points=1)
    schema.migrate(url)
    with world.transaction() as session:
        verify.snapshot(session)
        assert [finding for finding in verify.run(session) if finding.broken] == []
        lots = session.execute(text("SELECT lot_id, origin_id, expires_on FROM coalition.lot")).all()
    assert {lot.origin_id for lot in lots if lot.origin_id} >= {earned}
    assert any(lot.lot_id == kept and lot.expires_on > NOW.date() + timedelta(days=10) for lot in lots)
