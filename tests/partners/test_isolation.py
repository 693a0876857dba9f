"""The second wall: whatever a partner's request forgets to say, PostgreSQL shows and changes its own rows only."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from api.auth import requires
from kit import ids, logins
from kit.db import Database, Tenant
from kit.http.api import Blueprint
from kit.http.services import services
from tests.conftest import World
from tests.service import Caller, shut
from wsgi import create_app

ROOT = Path(__file__).parents[2]
ROOMS = ("kit", "coalition", "partners", "webhooks", "settlement")
NAMES_A_PARTNER = ("partner_id", "issuer_id", "payer_id", "payee_id", "party_id", "enrolled_by", "used_by")
A, B = ids.new(), ids.new()
# Tables that name a partner and are no partner's own, each with why.
SHARED = {
    "coalition.lot": "a balance counts the member's lots of all issuers",
    "coalition.member_secret": "a member's, whoever was shown its code",
    "coalition.receipt": "nobody's to read: nothing of it is granted",
    "partners.earn_stop": "nobody's to read: nothing of it is granted",
    "coalition.unfunded_issuer": "nobody's to read: nothing of it is granted",
    "settlement.outstanding": "nobody's to read: nothing of it is granted",
    "settlement.agreement": "an explanation prices the points of other issuers; no more of it is granted",
}
# Written by COPY, which row-level security forbids: nothing of it is granted but a view.
BY_VIEW = {"partners.request"}

# One row of each table that is partly a partner's: %(p)s the partner, %(u)s an id of its own, %(h)s 32 bytes.
ROWS = {
    "kit.event": """(subject_id, event_id, partner_id, type, occurred_at, data)
        VALUES (%(u)s, %(u)s, %(p)s, 'x', now(), '{}')""",
    "coalition.member": "(member_id, enrolled_by, enrolled_at) VALUES (%(u)s, %(p)s, now())",
    "coalition.member_identifier": """(kind, fingerprint, member_id, partner_id, masked)
        VALUES ('external', %(h)s, %(u)s, %(p)s, '…')""",
    "coalition.earning_rate": "VALUES (%(u)s, %(p)s, 1, 100, 'GBP', '[2026-01-01,)')",
    "coalition.txn": """(member_id, member_seq, txn_id, kind, partner_id, points, available_after, reference,
        effective_at, booked_at, business_date, original_business_date)
        VALUES (%(u)s, 1, %(u)s, 'earn', %(p)s, 1, 1, 'r', now(), now(), '2026-03-02', '2026-03-02')""",
    "coalition.posting": """VALUES (%(u)s, %(u)s, 1, 'issuance', 'wallet', 1, %(u)s, %(p)s, %(p)s, '2026-03-02',
        '2026-03-02')""",
    "coalition.hold": "(member_id, hold_id, partner_id, points, expires_at) VALUES (%(u)s, %(u)s, %(p)s, 1, now())",
    "coalition.debt": "VALUES (%(u)s, %(u)s, %(p)s, 1, 0)",
    "coalition.idempotency": """(partner_id, key, request_hash, txn_id, created_at)
        VALUES (%(p)s, 'k', %(h)s, %(u)s, now())""",
    "partners.partner": """(partner_id, code, name, is_issuer, is_redeemer, created_at)
        VALUES (%(p)s, 'p' || left(replace(%(u)s::text, '-', ''), 30), 'P', true, true, now())""",
    "settlement.partner_default": "VALUES (%(p)s, now(), 'ann', NULL, 'unpaid')",
    "settlement.partner_mapping": "VALUES (%(p)s, 1, '{}', now(), 'ann')",
    "settlement.reconciliation": """VALUES (%(u)s, %(p)s, %(h)s, 1, '2026-03-01', '2026-03-02', 0, 0, 1, 0, 1, 1, 0, 0,
        0, now(), 'ann')""",
    "settlement.reconciliation_break": """(break_id, partner_id, key, type, day, transaction_id, kind, first_seen_at,
        first_seen_in, last_seen_in, load_id, state, is_gone)
        VALUES (%(u)s, %(p)s, %(h)s, 'missing_there', '2026-03-02', %(u)s, 'earn', now(), %(u)s, %(u)s, %(u)s, 'open',
        false)""",
    "partners.oauth_client": """(client_id, partner_id, scopes, created_at)
        VALUES ('co_client_' || left(replace(%(u)s::text, '-', ''), 22), %(p)s, '{}', now())""",
    "partners.oauth_grant": """(grant_id, client_id, subject_kind, subject_id, scopes, created_at)
        VALUES (%(u)s, 'co_client_' || left(replace(%(u)s::text, '-', ''), 22), 'member', %(u)s, '{}', now())""",
    "partners.staff": """(staff_id, partner_id, email, name, role, created_at)
        VALUES (%(u)s, %(p)s, %(u)s || '@b.co', 'S', 'cashier', now())""",
    "partners.session": """(session_id, token_hash, kind, subject_id, partner_id, methods, user_agent, created_at,
        authenticated_at, last_seen_at, expires_at)
        VALUES (%(u)s, %(h)s, 'staff', %(u)s, %(p)s, '{otp}', '', now(), now(), now(), now())""",
    "partners.state_change": "VALUES (%(u)s, %(p)s, NULL, 'active', 'so', 'me', now())",
    "partners.agreement_signature": "VALUES (%(u)s, %(p)s, 'd', %(h)s, 'a', 'b', '2026-03-02', now())",
    "partners.brand": "(brand_id, partner_id, name, created_at) VALUES (%(u)s, %(p)s, %(u)s, now())",
    "partners.contact": """(contact_id, partner_id, role, name, email, created_at)
        VALUES (%(u)s, %(p)s, 'legal', 'C', 'a@b.co', now())""",
    "partners.location": """(location_id, partner_id, code, name, territory, address, status, created_at)
        VALUES (%(u)s, %(p)s, 'L', 'L', 'GB', 'here', 'open', now())""",
    "partners.till": "(till_id, location_id, code, status, created_at) VALUES (%(u)s, %(u)s, 'T', 'active', now())",
    "partners.placement": """(placement_id, partner_id, category_id, category_path, territory, valid, created_at)
        VALUES (%(u)s, %(p)s, %(u)s, 'food/', 'GB', '[2026-01-01,)', now())""",
    "partners.exclusivity": "VALUES (%(u)s, false, %(p)s, 'food/', 'GB', '[2026-01-01,)')",
    "partners.batch_file": """(batch_id, partner_id, client_id, scopes, key, content_hash, format, header, lines,
        created_at) VALUES (%(u)s, %(p)s, 'c', '{}', 'k', %(h)s, 'csv', '', 1, now())""",
    "partners.batch_part": "(batch_id, first_line, content) VALUES (%(u)s, 1, '')",
    "partners.request_seen": """(partner_id, request_id, client_id, at, method, path, status, duration_us, trace_id)
        VALUES (%(p)s, '12345678', 'c', now(), 'GET', '/', 200, 1, 't')""",
    "partners.test_clock": "VALUES (%(p)s, '1 day', now())",
    "partners.fault_met": "VALUES (%(p)s, 'k', now())",
    "partners.award_permission": "VALUES (%(u)s, %(p)s, gen_random_uuid(), 1, now())",
    "webhooks.endpoint": """(endpoint_id, partner_id, url, event_types, sealed_secret, status, created_at)
        VALUES (%(u)s, %(p)s, 'https://a.b', '{*}', '', 'enabled', now())""",
    "webhooks.delivery": """(delivery_id, endpoint_id, subject_id, event_id, position, state, due_at)
        VALUES (%(u)s, %(u)s, %(u)s, %(u)s, 1, 'pending', now())""",
    "webhooks.attempt": "(delivery_id, attempt_no, started_at, outcome) VALUES (%(u)s, 1, now(), 'unknown')",
    "webhooks.endpoint_state": "(endpoint_id) VALUES (%(u)s)",
    "webhooks.traffic": "(endpoint_id, began_at) VALUES (%(u)s, now())",
    "webhooks.replay": """(replay_id, partner_id, endpoint_id, since, until, event_types, selection, state, events,
        position, last_position, due_at, created_at)
        VALUES (%(u)s, %(p)s, %(u)s, '2026-03-01', '2026-03-02', '{*}', 'all', 'running', 1, 0, 1, now(), now())""",
    "webhooks.consumer": """(partner_id, name, event_types, position, created_at)
        VALUES (%(p)s, left(replace(%(u)s::text, '-', ''), 32), '{*}', 0, now())""",
    "webhooks.digest": """VALUES (%(p)s, '2026-03-01'::date + (random() * 100000)::int, 1, 1, 1, %(h)s, '', now())""",
    "settlement.obligation": """(obligation_id, day, payer_id, payee_id, agreement_id, currency, points, amount_minor)
        VALUES (%(u)s, '2026-03-02', %(p)s, gen_random_uuid(), %(u)s, 'GBP', 1, 1)""",
    "settlement.location_share": "VALUES (%(u)s, %(u)s, 1, 1)",
    "settlement.line": "VALUES (%(u)s, 1, %(u)s, 1, '2026-03-02', '2026-03-02', '2026-03-02', 'r', 1, 1)",
    "settlement.entry": """VALUES (%(u)s, '2026-03-02', 'promotion', %(p)s, gen_random_uuid(), 'GBP', 1, %(u)s, 'so',
        'me', now())""",
    "settlement.run_position": "VALUES (%(u)s, %(p)s, 'GBP', 0, 1)",
    "settlement.run_party": "(run_id, party_id, code, name) VALUES (%(u)s, %(p)s, 'c', 'C')",
    "settlement.run_payment": "VALUES (%(u)s, %(u)s, 1, gen_random_uuid(), %(p)s, 'GBP', 1)",
    "settlement.run_statement": "VALUES (%(u)s, %(u)s, %(p)s, %(h)s)",
    "settlement.payment_file": "VALUES (left(%(u)s::text, 30), %(u)s, %(p)s, 'C', '2026-03-02', now())",
    "settlement.instructed_party": "VALUES (%(u)s, %(p)s, 'C', 'GB33BUKB20201555555555', NULL)",
    "settlement.dispute": """VALUES (%(u)s, %(u)s, 1, %(p)s, gen_random_uuid(), 'GBP', 1, %(p)s, 'so', 'me', now(),
        '2026-03-02', %(u)s, 'k', %(h)s)""",
    "settlement.dispute_answer": "VALUES (%(u)s, 'no', 'me', now())",
    "settlement.dispute_resolution": """VALUES (%(u)s, 'upheld', 0, 'so', 'me', NULL, now(), '2026-03-02', NULL)""",
    "settlement.exposure_level": "VALUES (%(p)s, 80, now())",
    "settlement.net_position": "VALUES ('2026-03-02', %(p)s, 'GBP', 1)",
    "settlement.payment": "VALUES ('2026-03-02', %(n)s, gen_random_uuid(), %(p)s, 'GBP', 1)",
    "settlement.set_aside": "VALUES ('2026-03-02', %(p)s, gen_random_uuid(), '2026-03-02', 1, 'c')",
    "settlement.statement": "VALUES (%(u)s, '2026-03-02', %(p)s, '', %(h)s)",
}  # fmt: skip
# Where everybody may look, but not change.
SEEN_BY_ALL = {"coalition.member"}


@pytest.fixture(scope="module")
def rows(shared_world: World) -> World:
    """A coalition with one row of each table for A and one for B, all of them open to a partner's requests to try."""
    with psycopg.connect(str(shared_world.settings.database_url)) as owner:
        owner.execute("SET session_replication_role = replica")  # neither foreign keys nor triggers
        for n, partner in enumerate((A, B), start=1):
            facts = {"p": partner, "u": ids.new(), "h": secrets.token_bytes(32), "n": n}
            for table, row in ROWS.items():
                owner.execute(f"INSERT INTO {table.replace('request_seen', 'request')} {row}", facts)
        for room in ROOMS:
            owner.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {room} TO coalition_tenant")
        # What an index of exclusivity calls is looked at as any statement about them is planned.
        owner.execute("GRANT EXECUTE ON FUNCTION coalition.uuid_range(uuid, uuid) TO coalition_tenant")
        owner.execute("GRANT EXECUTE ON FUNCTION coalition.uuid_range(uuid, uuid, text) TO coalition_tenant")
    return shared_world


@pytest.fixture(scope="module")
def shared(rows: World) -> Iterator[Database]:
    """What a web process has."""
    database = logins.tenant_database(rows.settings, pool_size=2)
    yield database
    database.close()


def count(database: Database, table: str) -> int:
    with database.transaction() as session:
        return session.scalar(text(f"SELECT count(*) FROM {table}")) or 0


@pytest.mark.parametrize("table", ROWS)
def test_a_statement_that_forgets_the_partner_finds_its_rows_only(rows: World, shared: Database, table) -> None:
    assert count(rows.database, table) >= 2, "the service sees all"
    each = 2 if table in SEEN_BY_ALL else 1
    assert [count(shared.of(Tenant(partner)), table) for partner in (A, B, ids.new())] == [
        each, each, 2 if table in SEEN_BY_ALL else 0,
    ]  # fmt: skip


@pytest.mark.parametrize("table", sorted(ROWS.keys() - SEEN_BY_ALL))
def test_a_statement_for_nobody_finds_no_partners_rows(shared: Database, table) -> None:
    with shared.statements() as session:
        assert session.scalar(text("SELECT current_user")) == "coalition_tenant"
        assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0


@pytest.mark.parametrize("table", sorted(ROWS.keys() - {"partners.request_seen"}))
def test_a_change_that_forgets_the_partner_changes_its_rows_only(shared: Database, table) -> None:
    column = {"coalition.member": "erased_at", "partners.oauth_grant": "revoked_at"}.get(table)
    if column:
        for change in (f"UPDATE {table} SET {column} = now()", f"DELETE FROM {table}"):
            with shared.of(Tenant(A)).trial() as session:
                try:
                    assert session.execute(text(change)).rowcount == 0
                except ProgrammingError as error:
                    assert "row-level security" in str(error)  # noqa: PT017 -- either is a wall
        return
    try:
        with shared.of(Tenant(A)).trial() as session:
            assert session.execute(text(f"DELETE FROM {table}")).rowcount == 1
    except DBAPIError as error:
        assert re.search("append-only|stays|foreign key", str(error))  # noqa: PT017 -- its own row, kept by something else


def test_nothing_is_made_in_another_partners_name(shared: Database) -> None:
    with_partner = [table for table, row in ROWS.items() if "%(p)s" in row and table != "partners.request_seen"]
    assert len(with_partner) > 20
    facts = {"p": B, "u": ids.new(), "h": secrets.token_bytes(32), "n": 9}
    for table in with_partner:
        insert = f"INSERT INTO {table} {ROWS[table]}"
        # The constraint of exclusivity has a function that isn't granted either, met first as the plan is made.
        either = "row-level security|permission denied for function uuid_range"
        refused = pytest.raises(psycopg.errors.InsufficientPrivilege, match=either)
        with refused, shared.of(Tenant(A)).transaction() as session:
            session.connection.driver_connection.execute(insert, facts)


def test_a_members_app_sees_what_the_member_did_elsewhere(shared: Database) -> None:
    with shared.of(Tenant(A)).transaction() as session:
        member = session.scalar(text("SELECT member_id FROM coalition.txn"))
    assert count(shared.of(Tenant(B, member)), "coalition.txn") == 2
    assert count(shared.of(Tenant(B, ids.new())), "coalition.txn") == 1


def test_every_table_that_names_a_partner_has_a_wall_or_a_reason(world: World) -> None:
    with psycopg.connect(str(world.settings.database_url)) as owner:
        naming = owner.execute(
            """
            SELECT DISTINCT c.oid::regclass::text, c.relrowsecurity, EXISTS (
                SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND 'coalition_tenant'::regrole = ANY (p.polroles)),
                has_any_column_privilege('coalition_tenant', c.oid, 'SELECT, INSERT, UPDATE')
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relkind = 'r' AND c.relnamespace = ANY (%s::regnamespace[]) AND a.attname = ANY (%s)
            """,
            [list(ROOMS), list(NAMES_A_PARTNER)],
        ).fetchall()
        walled = owner.execute(
            "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relrowsecurity AND c.relkind = 'r'"
        ).fetchall()
    open_ = {table for table, secured, has_policy, _ in naming if not (secured and has_policy)}
    assert open_ == SHARED.keys() | BY_VIEW
    assert not any(granted for table, _, _, granted in naming if table in BY_VIEW)
    tried = {table.replace("request_seen", "request") for table in ROWS} - BY_VIEW
    assert {table for (table,) in walled} == tried, "every wall is tried here"


EDGES = sorted(path for room in ("api", "console", "kit/http") for path in (ROOT / room).rglob("*.py"))


def test_only_what_is_listed_is_one_statement_without_a_partner() -> None:
    """The ledger's functions, which are told whose posting it is, and balances, which are the member's."""
    found = {}
    for path in EDGES:
        calls = set(re.findall(r"\.(posting|asking)\(\)", path.read_text("utf-8")))
        if calls and path.name != "services.py":
            found[str(path.relative_to(ROOT))] = calls
    assert found == {
        "api/postings.py": {"posting"},
        "api/balances.py": {"asking"},
    }


def test_no_route_uses_the_services_own_database() -> None:
    routes = [path for path in EDGES if "api" in path.parts and not path.name.startswith("batch")]
    users = {path.name for path in routes if re.search(r"\.database\b", path.read_text("utf-8"))}
    # What is written behind answers; the origins of all apps; and the last in the sandbox only.
    assert users == {"admission.py", "browser_apps.py", "test_clock.py"}


@pytest.fixture
def forgetful(world: World) -> Iterator[Any]:
    """The API with a route that forgets who asks, in every way a route can."""
    made = Blueprint("forgetful", __name__, url_prefix="/v1/forgetful")

    @made.get("/<way>")
    @requires(made, "transactions:read")
    def forget(way: str) -> Any:
        with getattr(services(), way)() as session:
            return {"references": session.scalars(text("SELECT reference FROM coalition.txn")).all()}

    app = create_app(world.settings)
    app.register_blueprint(made)
    yield app
    shut(app)


def test_a_route_that_forgets_the_partner_answers_with_its_rows_only(world: World, forgetful, caller) -> None:
    grocer, baker = caller("greengrocer"), caller("baker")
    member = world.member()
    for partner in (grocer, baker):
        world.earn(partner.partner_id, member, 5, reference=f"of {partner.partner_id}")
    http = forgetful.test_client()
    for partner in (grocer, baker):
        asking = Caller(http, partner.token, partner.partner_id)
        for way, seen in (("reading", 1), ("writing", 1), ("posting", 0), ("asking", 0)):
            found = asking.get(f"/v1/forgetful/{way}").json["references"]
            assert found == [f"of {partner.partner_id}"] * seen, way


SECRET = re.compile(r"secret|hash|sealed(?!_at)|fingerprint|token|jwks|pin_|digest|chain|masked|seed|challenge|key")
PERSONAL = re.compile(
    r"email|phone|signatory|made_by|reason|content|meta|user_agent|sent|answer|response|(?<!\.)url|iban|bic"
)
# Proofs that anybody may check, and days of the programme.
ALLOWED = {"coalition.sealed_day.digest", "coalition.sealed_day.chain", "settlement.settled_day.content_hash",
           "settlement.statement.content_hash", "settlement.run_statement.content_hash", "settlement.run.content_hash",
           "settlement.obligation.lines_digest",
           "webhooks.delivery.ordering_key", "webhooks.endpoint.status_reason",
           "webhooks.replay.sent_again", "webhooks.digest.ids_hash"}  # fmt: skip


def test_reports_read_what_was_posted_and_owed_and_no_secrets(world: World) -> None:
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("SET ROLE coalition_reports")
        readable = owner.execute(
            """
            SELECT c.oid::regclass || '.' || a.attname, has_column_privilege(c.oid, a.attnum, 'INSERT, UPDATE'),
                   has_table_privilege(c.oid, 'DELETE, TRUNCATE')
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped
            WHERE c.relkind IN ('r', 'v') AND c.relnamespace = ANY (%s::regnamespace[])
              AND has_schema_privilege(c.relnamespace, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
            """,
            [list(ROOMS)],
        ).fetchall()
        owner.execute("SELECT sum(points) FROM coalition.posting")
        owner.execute("SELECT * FROM settlement.statement")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("SELECT * FROM partners.staff")
    names = {name for name, _, _ in readable}
    assert {"coalition.txn.points", "settlement.payment.amount_minor", "partners.partner.name"} <= names
    assert {name for name in names if SECRET.search(name.rpartition(".")[2])} <= ALLOWED
    assert [name for name in names if PERSONAL.search(name.rpartition(".")[2]) and name not in ALLOWED] == []
    assert not any(writes or deletes for _, writes, deletes in readable)
