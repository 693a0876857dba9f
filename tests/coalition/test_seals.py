"""Who writes the database can make a chain of digests that holds, and no signature: a closed day stays what it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text

from coalition import business_days, closing, programme, seals, verify
from coalition.business_days import GENESIS
from coalition.seals import Published, UnreadableSeal
from kit import ids
from kit.secrets import Keyring
from tests.coalition import seal_recipe
from tests.conftest import NOW, World, act

A, B = ids.new(), ids.new()
DAYS = [NOW.date() + timedelta(days=n) for n in range(3)]


# As anybody would write down the rows of seals before version 4.
POSTING_LINES = text("""
    SELECT p.member_id, p.txn_id, p.seq, p.debit::text, p.credit::text, p.points, p.lot_id, p.issuer_id,
           p.partner_id, p.business_date, p.issued_on
    FROM coalition.posting p WHERE p.business_date = :day ORDER BY p.member_id, p.txn_id, p.seq
""")
TRANSACTION_LINES = text("""
    SELECT concat(t.member_id, '|', t.member_seq, '|', t.txn_id, '|', t.kind, '|', t.partner_id, '|', t.points, '|',
                  t.shortfall, '|', t.debt_repaid, '|', t.available_after, '|', t.held_after, '|', t.pending_after, '|',
                  t.debt_after, '|', t.reference, '|', t.reverses_txn_id, '|', t.hold_id, '|', t.amount_minor, '|',
                  t.currency, '|', t.points_per_unit, '|', t.minor_per_unit, '|', to_char(t.expires_on, 'YYYY-MM-DD'),
                  '|', extract(epoch FROM t.effective_at), '|', extract(epoch FROM t.booked_at), '|',
                  extract(epoch FROM t.due_at), '|', to_char(t.business_date, 'YYYY-MM-DD'), '|',
                  to_char(t.original_business_date, 'YYYY-MM-DD'), '|', t.meta)
    FROM coalition.txn t WHERE t.business_date = :day ORDER BY t.member_id, t.member_seq
""")


def close(world: World, day: date) -> business_days.Seal:
    return closing.close_day(
        world.database, act(world.keyring, now=NOW + timedelta(days=1 + (day - NOW.date()).days)), day=day
    )


@pytest.fixture
def books(world: World) -> World:
    """Three sealed days, an earn and a burn on the first."""
    member = world.member()
    world.earn(A, member, 100)
    world.burn(B, member, 40)
    for day in DAYS:
        close(world, day)
    return world


def as_owner(world: World, *statements: str) -> None:
    """Change rows as a superuser who switches the triggers off."""
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("SET session_replication_role = replica")
        for statement in statements:
            owner.execute(statement.encode())


# A burn at another partner, in every table that tells of it.
REWRITE = (
    f"UPDATE coalition.posting SET partner_id = '{A}' WHERE credit = 'redemption'",
    f"UPDATE coalition.txn SET partner_id = '{A}' WHERE kind = 'burn'",
    f"""
    UPDATE kit.event SET partner_id = '{A}', data = data || '{{"partner_id": "{A}"}}' WHERE type = 'points.burned'
    """,
)


def reseal(world: World, *, version: int = business_days.SEAL_VERSION) -> None:
    """Make the chain anew over the rows as they are, with the product's own functions and without its key."""
    previous = GENESIS
    for day in DAYS:
        with world.transaction() as session:
            made = business_days.compute_seal(session, day, previous=previous, version=version)
        with psycopg.connect(str(world.settings.database_url)) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute(
                "UPDATE coalition.sealed_day SET version = %s, postings = %s, totals = %s, digest = %s, chain = %s "
                "WHERE day = %s",
                (made.version, made.postings, json.dumps(made.totals), made.digest, made.chain, day),
            )
        previous = made.chain


def broken(world: World, *published: Published, keyring: Keyring | None = None) -> dict[str, str]:
    with world.transaction() as session:
        verify.snapshot(session)
        findings = list(verify.run(session, keyring=keyring or world.keyring, published=published))
        return {finding.invariant: finding.broken for finding in findings if finding.broken}


def test_books_that_nobody_touched_are_clean(books: World) -> None:
    assert broken(books) == {}


def test_a_day_rewritten_with_its_whole_chain_is_found_by_its_signature(books: World) -> None:
    as_owner(books, *REWRITE)
    reseal(books)
    assert broken(books) == {verify.SIGNATURES: f"{DAYS[2]}: sealed with another chain than was signed"}


@pytest.mark.parametrize("version", [2, 3, 4])
def test_taking_the_signatures_away_helps_nobody(books: World, version: int) -> None:
    as_owner(books, *REWRITE, "DELETE FROM coalition.seal_signature")
    reseal(books, version=version)
    for n in range(3, 5):  # nights that follow sign their own day, and vouch for none before
        close(books, NOW.date() + timedelta(days=n))
    assert list(broken(books)) == [verify.SIGNATURES]
    assert broken(books)[verify.SIGNATURES].startswith(f"{DAYS[0]}: its seal is not signed")


def test_a_signature_under_another_key_is_none(books: World) -> None:
    forger = Keyring(bytes(32))
    as_owner(books, *REWRITE, "DELETE FROM coalition.seal_signature")
    reseal(books)
    with books.transaction() as session:
        last = business_days.last_sealed(session)
        seals.sign(session, day=last.day, chain=last.chain, now=NOW, keyring=forger, adopts=True)
    assert list(broken(books)) == [verify.SIGNATURES]
    # Put in the place of ours, it does not hold.
    as_owner(
        books,
        f"UPDATE coalition.seal_signature SET public_key = '\\x{books.keyring.public_key(purpose='seals').hex()}'",
    )
    assert broken(books)[verify.SIGNATURES] == f"{DAYS[2]}: sealed with another chain than was signed"


def test_a_signature_of_one_day_is_none_for_another_nor_for_all_before(books: World) -> None:
    as_owner(
        books,
        "UPDATE coalition.seal_signature SET adopts = true WHERE day = (SELECT max(day) FROM coalition.sealed_day)",
    )
    assert list(broken(books)) == [verify.SIGNATURES]


def test_a_signature_is_of_this_coalition_only(books: World) -> None:
    as_owner(books, "UPDATE coalition.programme SET programme_id = gen_random_uuid()")
    assert list(broken(books)) == [verify.SIGNATURES]


@pytest.mark.parametrize("what", ["closed_at", "sealed_at"])
def test_when_a_day_was_closed_and_sealed_can_not_be_changed(books: World, what: str) -> None:
    as_owner(books, f"UPDATE coalition.sealed_day SET {what} = {what} + interval '1 second' WHERE day = '{DAYS[1]}'")
    assert broken(books)


def test_an_open_day_that_was_closed_before_is_found(books: World) -> None:
    as_owner(books, "UPDATE coalition.programme SET open_day = open_day - 1")
    assert list(broken(books)) == [verify.SEALS]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_seals_of_older_versions_stay_verifiable_and_are_adopted_once(books: World, version: int) -> None:
    as_owner(books, "DELETE FROM coalition.seal_signature")
    reseal(books, version=version)
    assert list(broken(books)) == [verify.SIGNATURES]
    adopt(books, books.keyring)
    assert broken(books) == {}
    close(books, DAYS[2] + timedelta(days=1))
    assert broken(books) == {}
    as_owner(books, *REWRITE)
    reseal(books, version=version)
    assert verify.SIGNATURES in broken(books)


def test_books_signed_under_another_key_are_adopted_under_this_one(books: World) -> None:
    changed = replace(books, keyring=Keyring(bytes(range(32))))
    assert list(broken(changed)) == [verify.SIGNATURES]
    close(changed, DAYS[2] + timedelta(days=1))
    assert list(broken(changed)) == [verify.SIGNATURES]
    adopt(changed, changed.keyring)
    assert broken(changed) == {}


def adopt(world: World, keyring: Keyring) -> None:
    with world.transaction() as session:
        last = business_days.last_sealed(session)
        seals.sign(session, day=last.day, chain=last.chain, now=NOW, keyring=keyring, adopts=True)


def test_the_books_are_compared_with_what_was_published(books: World) -> None:
    with books.transaction() as session:
        kept = [Published(day, business_days.find_seal(session, day).chain) for day in DAYS]
    assert broken(books, *kept) == {}
    never = Published(DAYS[2] + timedelta(days=1), bytes(32))
    assert list(broken(books, *kept, never)) == [verify.PUBLISHED]
    assert list(broken(books, Published(DAYS[0], bytes(32)))) == [verify.PUBLISHED]
    # With the key, too, the end of the books can be taken away and made anew: what was published says so.
    as_owner(
        books,
        "DELETE FROM coalition.seal_signature",
        "UPDATE coalition.sealed_day SET sealed_at = NULL, chain = NULL",
        *REWRITE,
    )
    for day in DAYS:
        close(books, day)
    assert broken(books) == {}
    assert list(broken(books, kept[2])) == [verify.PUBLISHED]


def test_a_published_seal_is_read_from_an_argument_a_statement_or_the_commands_json(tmp_path) -> None:
    chain = hashlib.sha256(b"x").hexdigest()
    for name, body in {
        "s": {"day": "2026-03-02", "seal": {"chain": chain}},
        "j": {"day": "2026-03-02", "chain": chain},
    }.items():
        (tmp_path / name).write_text(json.dumps(body))
    for given in (f"2026-03-02:{chain}", str(tmp_path / "s"), str(tmp_path / "j")):
        assert seals.published(given) == Published(date(2026, 3, 2), bytes.fromhex(chain))


@pytest.mark.parametrize("given", ["", "2026-03-02:ab", "2026-02-30:" + "a" * 64, "/", "/no/such/file", "{tmp}"])
def test_what_is_no_seal_is_refused_in_one_line(tmp_path, given: str) -> None:
    for n, body in enumerate(
        ["[]", "{}", '{"day": 5, "chain": []}', "nothing", '{"day": "2026-03-02", "chain": "zz"}']
    ):
        (tmp_path / str(n)).write_text(body)
        with pytest.raises(UnreadableSeal):
            seals.published(given.replace("{tmp}", str(tmp_path / str(n))))


def test_a_stranger_computes_the_chain_from_the_rows_and_checks_the_signature(books: World) -> None:
    """The recipe of docs/seals.md, from plain values."""
    previous = bytes(32)
    for day in DAYS:
        with books.transaction() as session:
            postings = session.execute(seal_recipe.POSTINGS, {"day": day}).all()
            digest = seal_recipe.digest(session, day)
            found = business_days.find_seal(session, day)
            (signature,) = seals.of_day(session, day)
            programme_id = programme.get(session).programme_id
            closed_at = business_days.closed_at(session, day)
        head = [4, closed_at.isoformat(timespec="microseconds")]
        content = [*head, str(day), len(postings), totals_of(postings), digest.hex()]
        previous = hashlib.sha256(previous + json.dumps(content, separators=(",", ":")).encode()).digest()
        assert found.chain == previous
        signed = seals.signed_text(programme_id, day, previous, signature.signed_at, adopts=False)
        key = Ed25519PublicKey.from_public_bytes(bytes(signature.public_key))
        key.verify(bytes(signature.signature), signed.encode())


def totals_of(postings: Sequence[Any]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for row in postings:
        account = f"{row.debit}>{row.credit}:{row.issuer_id}"
        totals[account] = totals.get(account, 0) + row.points
    return dict(sorted(totals.items()))


def test_a_stranger_computes_a_seal_of_version_3_from_lines(books: World) -> None:
    """As docs/seals.md says of earlier versions."""
    day = DAYS[0]
    with books.transaction() as session:
        postings = session.execute(POSTING_LINES, {"day": day}).all()
        transactions = list(session.scalars(TRANSACTION_LINES, {"day": day}))
        closed_at = business_days.closed_at(session, day)
        found = business_days.compute_seal(session, day, previous=GENESIS, version=3)
    lines = ["|".join(map(str, row)) for row in postings] + transactions
    digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode())
    head = [3, closed_at.isoformat(timespec="microseconds")]
    content = [*head, str(day), len(postings), totals_of(postings), digest.hexdigest()]
    assert found.chain == hashlib.sha256(GENESIS + json.dumps(content, separators=(",", ":")).encode()).digest()


EVERY_FIELD = """
    UPDATE coalition.txn SET reference = 'Кофе|1', currency = 'GBP', points_per_unit = 1.50, minor_per_unit = 100,
           due_at = '2026-03-09 11:22:33.123456+03', hold_id = gen_random_uuid(), reverses_txn_id = gen_random_uuid(),
           meta = '{"reason": "день", "by": null}', expires_on = '1999-12-31', amount_minor = -5
"""


@pytest.mark.parametrize(
    "settings",
    [
        "timezone = 'Asia/Kathmandu'", "datestyle = 'German, DMY'", "client_encoding = 'KOI8R'",
        "bytea_output = 'escape'", "extra_float_digits = -3",
    ],
)  # fmt: skip
def test_the_digest_is_the_same_whatever_the_settings_of_the_database(books: World, settings: str) -> None:
    as_owner(books, EVERY_FIELD)
    with books.transaction() as session:
        written = seal_recipe.digest(session, DAYS[0])
        session.execute(text(f"SET LOCAL {settings}"))
        assert business_days.compute_seal(session, DAYS[0], previous=GENESIS).digest == written


EACH_CHANGE = [
    *(f"posting SET {change}" for change in (
        "txn_id = gen_random_uuid()", "seq = seq + 1", "member_id = gen_random_uuid()", "debit = 'merge'",
        "credit = 'pending'", "points = points + 1", "lot_id = gen_random_uuid()", "issuer_id = gen_random_uuid()",
        "partner_id = gen_random_uuid()", "business_date = business_date + 1", "issued_on = issued_on + 1",
    )),
    *(f"txn SET {change}" for change in (
        "txn_id = gen_random_uuid()", "member_id = gen_random_uuid()", "member_seq = member_seq + 9", "kind = 'vest'",
        "partner_id = gen_random_uuid()", "points = points + 1", "shortfall = 1", "debt_repaid = 1",
        "available_after = 1", "held_after = 1", "pending_after = 1", "debt_after = 1", "reference = reference || 'x'",
        "reverses_txn_id = gen_random_uuid()", "hold_id = gen_random_uuid()", "amount_minor = 77",
        "currency = ''", "points_per_unit = 7", "minor_per_unit = 7", "expires_on = '2031-01-01'",
        "effective_at = effective_at + interval '1 microsecond'", "booked_at = booked_at + interval '1 microsecond'",
        "due_at = now()", "business_date = business_date + 1", "original_business_date = original_business_date - 1",
        "meta = '{}'",
    )),
]  # fmt: skip


def test_a_change_of_any_column_of_a_sealed_row_gives_another_digest(books: World) -> None:
    with psycopg.connect(str(books.settings.database_url)) as owner:
        columns = owner.execute(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = 'coalition' AND table_name IN ('posting', 'txn')"
        ).fetchall()
    sealed = set(columns) - {("txn", "location_id")}  # that is in the statements' lines
    assert {tuple(change.split(" ")[:3:2]) for change in EACH_CHANGE} == sealed
    with books.transaction() as session:
        kept = business_days.find_seal(session, DAYS[0]).digest
    for change in EACH_CHANGE:
        with suppress(ZeroDivisionError), books.transaction() as session:
            session.execute(text("SET LOCAL ROLE NONE"))
            session.execute(text("SET LOCAL session_replication_role = replica"))
            session.execute(text(f"UPDATE coalition.{change} WHERE business_date = '{DAYS[0]}'"))
            found = business_days.compute_seal(session, DAYS[0], previous=GENESIS).digest
            assert found != kept, change
            raise ZeroDivisionError  # leave the books as they were
