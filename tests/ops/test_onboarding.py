"""A sandbox partner that is made just as the day closes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg

from coalition import business_days, programme
from ops import onboarding
from tests.conftest import NOW, World, act, until_somebody_waits


def test_a_new_partner_who_comes_at_midnight_and_the_close_both_come_through(world: World) -> None:
    def come() -> onboarding.Onboarded:
        with world.transaction() as session:
            desk = onboarding.Desk(session, programme.get(session), act(reason="a trial"))
            return onboarding.onboard(desk, name="Corner Grocer", code="corner")

    def close() -> bool:
        with world.transaction() as session:
            return business_days.close(session, day=NOW.date(), now=NOW + timedelta(days=1))

    with ThreadPoolExecutor(2) as pool:
        with psycopg.connect(str(world.settings.database_url)) as owner:
            # The new partner has its terms, and stops before the first of its members, who gets points.
            owner.execute("LOCK TABLE coalition.member IN SHARE MODE")
            coming = pool.submit(come)
            until_somebody_waits(world)
            closing = pool.submit(close)
            until_somebody_waits(world, how_many=2)
            owner.rollback()
        assert closing.result(30)
        assert [member.points for member in coming.result(30).members] == [5_000, 5_000, 0]
