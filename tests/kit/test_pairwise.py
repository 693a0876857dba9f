"""Members' ids as partners see them: one to one for each, unlike for any two, and nobody else's way back."""

from __future__ import annotations

import json
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from kit import ids, outbox, pairwise
from kit.secrets import Keyring
from tests.conftest import NOW

KEYS = st.binary(min_size=32, max_size=32).map(Keyring)
UUIDS = st.integers(0, 2**128 - 1).map(lambda number: UUID(int=number))
KEYRING, PARTNER, OTHER = Keyring(b"k" * 32), UUID(int=1), UUID(int=2)


@given(keyring=KEYS, partner=UUIDS, member=UUIDS)
def test_what_is_shown_is_read_back_and_what_is_read_is_shown(keyring, partner, member) -> None:
    view = pairwise.view_of(keyring, partner)
    assert view.inner(view.outer(member)) == member
    assert view.outer(view.inner(member)) == member
    with ids.seen_by(view):
        shown = ids.show(ids.MEMBER, member)
        assert ids.parse(ids.MEMBER, shown) == member
    with ids.seen_by(ids.OUR_OWN):
        assert ids.parse(ids.MEMBER, shown) == view.outer(member)


@given(members=st.sets(UUIDS, min_size=2, max_size=50))
def test_no_two_members_are_one_to_a_partner_nor_is_one_the_same_to_two(members) -> None:
    shown = [{pairwise.view_of(KEYRING, partner).outer(member) for member in members} for partner in (PARTNER, OTHER)]
    assert len(shown[0]) == len(shown[1]) == len(members)
    assert not shown[0] & shown[1]
    assert not (shown[0] | shown[1]) & members


def test_it_is_one_block_of_aes_under_a_key_of_the_partners_own() -> None:
    """By the standards, not by our own code: FIPS 197 and RFC 5869."""
    purpose = f"member ids of {PARTNER}".encode()
    key = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(KEYRING.root)
    member = ids.new()
    by_hand = Cipher(algorithms.AES256(key), modes.ECB()).encryptor().update(member.bytes)  # noqa: S305
    assert pairwise.view_of(KEYRING, PARTNER).outer(member).bytes == by_hand


def test_ids_that_follow_each_other_in_time_are_shown_without_their_order() -> None:
    view = pairwise.view_of(KEYRING, PARTNER)
    shown = [view.outer(UUID(int=number)) for number in range(200)]
    assert shown != sorted(shown)
    assert len({one.bytes[:2] for one in shown}) > 190


def test_only_members_are_shown_in_another_way() -> None:
    value = ids.new()
    with ids.seen_by(ids.OUR_OWN):
        plain = {prefix: ids.show(prefix, value) for prefix in set(ids.PREFIX_OF_FIELD.values())}
    with ids.seen_by(pairwise.view_of(KEYRING, PARTNER)):
        seen = {prefix: ids.show(prefix, value) for prefix in plain}
        fields = ids.show_fields({"member_id": str(value), "transaction_id": str(value)})
    assert [prefix for prefix in plain if plain[prefix] != seen[prefix]] == [ids.MEMBER]
    assert fields == {"member_id": seen[ids.MEMBER], "transaction_id": plain[ids.TRANSACTION]}


def shows_nothing(value: UUID) -> bool:
    """Whether no member's id is shown or read here, while those of other kinds are."""
    for refused in (
        lambda: ids.show(ids.MEMBER, value),
        lambda: ids.parse(ids.MEMBER, ids.show_our_own(value)),
        lambda: ids.parse(ids.MEMBER, "nonsense"),
        lambda: ids.show_fields({"points": 5, "member_id": str(value)}),
        lambda: ids.show_fields({"moved": [{"merged_into": value}]}),
    ):
        with pytest.raises(ids.NoView):
            refused()
    return ids.parse(ids.LOT, ids.show(ids.LOT, value)) == value


def test_outside_of_any_view_members_are_neither_shown_nor_read() -> None:
    # In a thread of its own, as nothing did before it.
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(shows_nothing, ids.new()).result()


def test_a_view_ends_where_it_was_taken_and_is_no_other_threads() -> None:
    value = ids.new()
    plain, there = ids.show_our_own(value), []

    def fail() -> None:
        with ids.seen_by(pairwise.view_of(KEYRING, PARTNER)):
            with ids.seen_by(ids.OUR_OWN):
                assert ids.show(ids.MEMBER, value) == plain
            with ids.seen_by(None):
                assert shows_nothing(value)
            assert ids.show(ids.MEMBER, value) != plain == ids.show_our_own(value)
            thread = threading.Thread(target=lambda: there.append(shows_nothing(value)))
            thread.start()
            thread.join()
            raise ZeroDivisionError

    def whole() -> bool:
        with pytest.raises(ZeroDivisionError):
            fail()
        return shows_nothing(value)

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(whole).result()
    assert there == [True]


def test_many_threads_at_once_get_what_one_gets() -> None:
    members, views = [ids.new() for _ in range(500)], [pairwise.view_of(KEYRING, UUID(int=n)) for n in range(8)]
    expected = [[view.outer(member) for member in members] for view in views]

    def work(number: int) -> bool:
        view = views[number % 8]
        return [view.outer(member) for member in members] == expected[number % 8]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(64)))


def test_more_partners_than_are_kept_are_served_too() -> None:
    keyring = Keyring(secrets.token_bytes(32))
    member = ids.new()
    for number in range(5_000):
        view = pairwise.view_of(keyring, UUID(int=number))
        assert view.inner(view.outer(member)) == member


def test_a_block_has_sixteen_bytes() -> None:
    for wrong in (b"", b"x" * 15, b"x" * 17, b"x" * 32):
        with pytest.raises(ValueError, match="16 bytes"):
            KEYRING.permute(wrong, purpose="x")
        with pytest.raises(ValueError, match="16 bytes"):
            KEYRING.unpermute(wrong, purpose="x")


def test_an_event_names_the_member_as_its_partner_does() -> None:
    member, view = ids.new(), pairwise.view_of(KEYRING, PARTNER)
    event = {"event_id": ids.new(), "type_": "x", "occurred_at": NOW, "data": {"member_id": str(member)}}
    told = json.loads(outbox.freeze(**event, view=view))["data"]["member_id"]
    with ids.seen_by(ids.OUR_OWN):
        assert ids.parse(ids.MEMBER, told) == view.outer(member)
