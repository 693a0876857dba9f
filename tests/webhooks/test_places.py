"""Who may have how many attempts in flight: by endpoint, by partner, and in a lane of the slow ones."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from kit import clock, ids
from tests.conftest import World
from tests.webhooks.test_pump import register
from webhooks import deliveries, places
from webhooks.deliveries import Claim
from webhooks.fan_out import fan_out
from webhooks.places import Places

QUICK, SLOW = 20, places.SLOW_MS


def learned(endpoint: UUID, *answers: tuple[int, bool]) -> int:
    known = Places()
    for took_ms, succeeded in answers:
        known.answered(endpoint, took_ms=took_ms, succeeded=succeeded)
    return known.free([]).of_endpoint.get(endpoint, places.AT_FIRST)


def test_quick_answers_double_the_places_and_slow_ones_halve_them() -> None:
    endpoint = ids.new()
    assert learned(endpoint) == places.AT_FIRST
    assert learned(endpoint, (QUICK, True)) == 2 * places.AT_FIRST
    assert learned(endpoint, *[(QUICK, True)] * 9) == places.OF_ENDPOINT
    assert learned(endpoint, *[(QUICK, True)] * 9, (SLOW, True)) == places.OF_ENDPOINT // 2
    assert learned(endpoint, *[(SLOW, False)] * 9) == 1
    assert learned(endpoint, (QUICK, False)) == places.AT_FIRST


def test_whoever_is_quick_again_leaves_the_slow_lane() -> None:
    endpoint, known = ids.new(), Places()
    known.answered(endpoint, took_ms=SLOW, succeeded=False)
    assert known.free([(endpoint, ids.new())]).of_slow == places.SLOW_IN_ALL - 1
    known.answered(endpoint, took_ms=QUICK, succeeded=True)
    assert known.free([(endpoint, ids.new())]).slow == frozenset()


def backlog(world: World, codes: list[str], *, endpoints: int, events: int) -> dict[str, UUID]:
    """Partners with as many endpoints each, and as many events for each of them."""
    partners = {code: world.partner(code) for code in codes}
    member = world.member()
    for code, partner in partners.items():
        for n in range(endpoints):
            register(world, partner, f"https://{code}.example/{n}", ["points.*"])
        for _ in range(events):
            world.earn(partner.partner_id, member, 1)
    with world.transaction() as session:
        while fan_out(session, now=clock.now(), keyring=world.keyring):
            pass
    return {code: partner.partner_id for code, partner in partners.items()}


def claimed(world: World, known: Places, in_flight: list[Claim]) -> list[Claim]:
    with world.transaction() as session:
        free = known.free((claim.endpoint_id, claim.partner_id) for claim in in_flight)
        return deliveries.claim(session, now=clock.now(), free=free)


def test_a_partners_endpoints_together_leave_most_places_to_others(world: World) -> None:
    ids_ = backlog(world, ["many", "other"], endpoints=20, events=6)
    known, in_flight = Places(), []
    for _ in range(5):
        in_flight += claimed(world, known, in_flight)
    by_partner = Counter(claim.partner_id for claim in in_flight)
    assert by_partner == dict.fromkeys(ids_.values(), 20 * places.AT_FIRST)
    for claim in in_flight:
        known.answered(claim.endpoint_id, took_ms=QUICK, succeeded=True)
        known.answered(claim.endpoint_id, took_ms=QUICK, succeeded=True)
    for _ in range(5):
        in_flight += claimed(world, known, in_flight)
    by_partner = Counter(claim.partner_id for claim in in_flight)
    assert by_partner == dict.fromkeys(ids_.values(), places.OF_PARTNER)


def test_endpoints_that_never_answer_share_a_lane_whoever_owns_them(world: World) -> None:
    ids_ = backlog(world, ["aa", "bb", "cc", "dd"], endpoints=12, events=3)
    known = Places()
    with world.transaction() as session:
        hanging = deliveries.claim(session, now=clock.now(), free=known.free([]))
    for claim in hanging:
        if claim.partner_id != ids_["dd"]:
            known.answered(claim.endpoint_id, took_ms=SLOW, succeeded=False)
    again = claimed(world, known, [])
    by_partner = Counter(claim.partner_id for claim in again)
    assert sum(by_partner[ids_[code]] for code in ("aa", "bb", "cc")) == places.SLOW_IN_ALL
    assert by_partner[ids_["dd"]] == 12  # what is left of its three events each
    assert max(Counter(claim.endpoint_id for claim in again).values()) == 1
