"""A second wall between partners: the role their requests run as sees their own rows only; a role for reports."""

from migrations.steps import LOCK_TIMEOUT, NOT_OPEN, isolate, run, run_file

revision = "0017"
down_revision = "0016"

# Roles are the cluster's: another coalition on this server may have made them, even just now. Since PostgreSQL 16 who
# makes a role without being superuser may grant it, to itself too, but can't yet become it.
ROLES = """
DO $$ DECLARE name text; BEGIN
    FOREACH name IN ARRAY ARRAY['coalition_tenant', 'coalition_reports'] LOOP
        BEGIN
            -- Asked first, for who may create no role may still find them here.
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
    FOREACH name IN ARRAY ARRAY['coalition_service', 'coalition_tenant'] LOOP
        IF current_setting('server_version_num')::int < 160000 THEN
            IF NOT pg_has_role(current_user, name, 'MEMBER') THEN
                EXECUTE format('GRANT %I TO %I', name, current_user);
            END IF;
        ELSIF NOT pg_has_role(current_user, name, 'SET') THEN
            EXECUTE format('GRANT %I TO %I WITH SET TRUE', name, current_user);
        END IF;
    END LOOP;
END $$;
"""

_OWN = "partner_id = kit.partner()"
# Which rows are a partner's. A subquery is itself answered as that partner.
OWN = {
    "kit.event": _OWN,
    "coalition.member_identifier": f"partner_id IS NULL OR {_OWN}",
    "coalition.earning_rate": _OWN,
    # No OR: the planner would take it for a way in, and read all of a partner's transactions where there are few.
    "coalition.txn": f"CASE WHEN {_OWN} THEN true ELSE coalesce(member_id = kit.member(), false) END",
    "coalition.posting": """EXISTS (SELECT FROM coalition.txn t
        WHERE t.txn_id = posting.txn_id AND t.member_id = posting.member_id)""",
    "coalition.hold": _OWN,
    "coalition.debt": _OWN,
    "coalition.idempotency": _OWN,
    "partners.partner": _OWN,
    "partners.oauth_client": _OWN,
    "partners.staff": _OWN,
    "partners.session": _OWN,
    "partners.state_change": _OWN,
    "partners.agreement_signature": _OWN,
    "partners.brand": _OWN,
    "partners.contact": _OWN,
    "partners.location": _OWN,
    "partners.till": "EXISTS (SELECT FROM partners.location l WHERE l.location_id = till.location_id)",
    "partners.presence": _OWN,
    "partners.claim": _OWN,
    "partners.batch_file": _OWN,
    "partners.batch_part": "EXISTS (SELECT FROM partners.batch_file f WHERE f.batch_id = batch_part.batch_id)",
    "partners.test_clock": _OWN,
    "partners.fault_met": _OWN,
    "webhooks.endpoint": _OWN,
    "webhooks.delivery": "EXISTS (SELECT FROM webhooks.endpoint e WHERE e.endpoint_id = delivery.endpoint_id)",
    "webhooks.attempt": "EXISTS (SELECT FROM webhooks.delivery d WHERE d.delivery_id = attempt.delivery_id)",
    "settlement.obligation": "kit.partner() IN (payer_id, payee_id)",
    "settlement.net_position": _OWN,
    "settlement.payment": "kit.partner() IN (payer_id, payee_id)",
    "settlement.statement": _OWN,
}
# Of these a partner's request may see or lock rows, and change none; a member is enrolled in its own name only.
LOCKED = {
    "coalition.member": ("true", "enrolled_by = kit.partner()"),
    "partners.oauth_grant": (
        "EXISTS (SELECT FROM partners.oauth_client c WHERE c.client_id = oauth_grant.client_id)",
        "false",
    ),
}


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run(ROLES)
    run_file("0017_isolation.sql")
    for table, own in OWN.items():
        isolate(table, own)
    for table, (seen, made) in LOCKED.items():
        run(NOT_OPEN.format(table=table))
        run(f"""
            CREATE POLICY own_seen ON {table} FOR SELECT TO coalition_tenant USING ({seen});
            CREATE POLICY own_made ON {table} FOR INSERT TO coalition_tenant WITH CHECK ({made});
            CREATE POLICY own_locked ON {table} FOR UPDATE TO coalition_tenant USING ({seen}) WITH CHECK (false);
        """)


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    for table in (*OWN, *LOCKED):
        run(f"""
            DO $$ DECLARE policy text; BEGIN
                FOR policy IN SELECT polname FROM pg_policy WHERE polrelid = '{table}'::regclass LOOP
                    EXECUTE format('DROP POLICY %I ON {table}', policy);
                END LOOP;
            END $$;
            ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
        """)  # noqa: S608 -- names of ours
    run("""
        DROP VIEW partners.request_seen;
        DROP FUNCTION coalition.ledger_is_answered, coalition.wallet_at, coalition.count_identifiers, kit.partner,
            kit.member;
        DO $$ DECLARE room text; BEGIN
            FOREACH room IN ARRAY ARRAY['kit', 'coalition', 'partners', 'webhooks', 'settlement'] LOOP
                EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM coalition_tenant, coalition_reports', room);
                EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %I FROM coalition_tenant', room);
                EXECUTE format('REVOKE ALL ON SCHEMA %I FROM coalition_tenant, coalition_reports', room);
            END LOOP;
        END $$;
    """)
