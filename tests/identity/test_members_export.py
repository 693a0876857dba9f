"""What a member's export leaves out is named here, column by column; a new one can't be forgotten."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from identity import members_export
from kit import ids
from tests.conftest import NOW, World, act

# Where a table's rows stand in the export, and what of them doesn't: keys of ours, and what would sign in or find.
WHERE = {
    "coalition.member": None,
    "coalition.wallet": None,
    "coalition.txn": "transactions",
    "coalition.posting": "postings",
    "coalition.lot": "lots",
    "coalition.hold": "holds",
    "coalition.debt": "debts",
    "coalition.member_identifier": "identifiers",
}
CALLED = {
    ("coalition.txn", "txn_id"): "transaction_id",
    ("coalition.txn", "reverses_txn_id"): "reverses_transaction_id",
    ("coalition.txn", "location_id"): "location",
    ("coalition.posting", "txn_id"): "transaction_id",
    ("coalition.lot", "txn_id"): "transaction_id",
    ("coalition.lot", "issuer_id"): "partner_id",
    ("coalition.lot", "origin_id"): "origin_lot_id",
    ("coalition.debt", "txn_id"): "transaction_id",
    ("coalition.member", "enrolled_by"): "partner_id",
    ("coalition.member_identifier", "sealed"): "value",
}
OURS = {
    ("coalition.wallet", "version"),
    ("coalition.member_identifier", "fingerprint"),
}


def test_every_column_about_a_member_is_handed_out(world: World) -> None:
    partner, member = world.partner("grocer"), world.member()
    earned = world.earn(partner.partner_id, member, 50)
    world.burn(partner.partner_id, member, 20)
    with world.transaction() as session:
        held = members_export.everything(session, act(world.keyring), member_id=member)
        columns = session.execute(
            text("""
                SELECT table_schema || '.' || table_name, column_name FROM information_schema.columns
                WHERE table_schema || '.' || table_name = ANY (:tables)
            """),
            {"tables": list(WHERE)},
        ).all()
    for table, column in columns:
        if (table, column) in OURS or (column == "member_id" and WHERE[table]):
            continue
        part = held if WHERE[table] is None else next(iter(held[WHERE[table]]), None)
        if part is not None:
            assert CALLED.get((table, column), column) in part, (table, column)
    assert [one["member_seq"] for one in held["transactions"]] == [1, 2]
    assert {one["transaction_id"] for one in held["postings"]} >= {ids.show(ids.TRANSACTION, earned.transaction_id)}
    assert sum(one["points"] for one in held["postings"] if one["credit"] == "wallet") == 50


def test_sign_ins_are_handed_out_without_what_signs_in(world: World) -> None:
    member = world.member()
    with world.transaction() as session:
        session.execute(
            text("""
                INSERT INTO partners.session (session_id, token_hash, kind, subject_id, methods, user_agent, created_at,
                    authenticated_at, last_seen_at, expires_at)
                VALUES (:id, :hash, 'member', :member, ARRAY['otp'], 'Firefox', :now, :now, :now, :end)
            """),
            {"id": ids.new(), "hash": b"h" * 32, "member": member, "now": NOW, "end": NOW + timedelta(days=1)},
        )
        held = members_export.everything(session, act(world.keyring), member_id=member)
    [seen] = held["sessions"]
    assert (seen["user_agent"], seen["methods"]) == ("Firefox", ["otp"])
    assert "token_hash" not in seen
    assert held["passkeys"] == []
