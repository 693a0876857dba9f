"""Who may have how many attempts in flight: by endpoint, by partner, and in a lane of the slow ones."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kit import clock, ids
from tests.conftest import World
from tests.webhooks.test_pump import register
from webhooks import places, queue
from webhooks.fan_out import fan_out
from webhooks.places import Places
from webhooks.queue import Claim

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


@given(st.integers(1, 50), st.lists(st.floats(0.0, 3.0), max_size=80))
def test_no_more_begins_than_the_rate_and_a_seconds_worth_at_once(rate: int, pauses: list[float]) -> None:
    known, endpoint, partner, now_s, began = Places(), ids.new(), ids.new(), 0.0, 0
    for pause_s in pauses:
        now_s += pause_s
        free = known.free([], now_s=now_s).of_endpoint.get(endpoint, places.AT_FIRST)
        for _ in range(min(free, rate)):
            known.began(endpoint_id=endpoint, partner_id=partner, rate_per_s=rate, now_s=now_s)
            known.answered(endpoint, took_ms=QUICK, succeeded=True)
            began += 1
        assert began <= rate * (now_s + 1)


def test_a_partners_endpoints_together_keep_to_its_rate() -> None:
    known, partner = Places(partner_rate_per_s=3), ids.new()
    for _ in range(3):
        known.began(endpoint_id=ids.new(), partner_id=partner, rate_per_s=None, now_s=10.0)
    assert known.free([], now_s=10.0).of_partner[partner] == 0
    assert known.free([], now_s=10.5).of_partner[partner] == 1
    assert known.free([], now_s=60.0).of_partner[partner] == 3


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
        return queue.claim(session, now=clock.now(), free=free)


def test_a_partners_endpoints_together_leave_most_places_to_others(world: World) -> None:
    ids_ = backlog(world, ["many", "other"], endpoints=20, events=8)
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
        hanging = queue.claim(session, now=clock.now(), free=known.free([]))
    for claim in hanging:
        if claim.partner_id != ids_["dd"]:
            known.answered(claim.endpoint_id, took_ms=SLOW, succeeded=False)
    again = claimed(world, known, [])
    by_partner = Counter(claim.partner_id for claim in again)
    assert sum(by_partner[ids_[code]] for code in ("aa", "bb", "cc")) == places.SLOW_IN_ALL
    assert by_partner[ids_["dd"]] == 12  # what is left of its three events each
    assert max(Counter(claim.endpoint_id for claim in again).values()) == 1
