"""The verdict of `make chaos`: it has to see a loss."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from benchmarks.chaos_receiver import Message, Moods, Trusted
from benchmarks.webhook_chaos import Outcome, compare
from kit import clock
from kit.secrets import Keyring
from webhooks import signing


def outcome(*, told: set[str], taken: dict[str, int], pending: frozenset[str] = frozenset(), **cut: int) -> Outcome:
    compared = compare(told=told, pending=set(pending), taken=taken, cut=cut)
    return Outcome(
        **vars(compared),
        seconds=1.0,
        kills=1,
        in_flight_at_kills=2,
        receiver_did={},
        attempts=1,
        given_up=0,
        unsigned=0,
    )


def test_what_was_taken_once_or_again_within_what_was_in_flight_is_good() -> None:
    assert outcome(told={"a", "b"}, taken={"a": 1, "b": 1}).is_good
    assert outcome(told={"a", "b"}, taken={"a": 2, "b": 2}).is_good
    cut = outcome(told={"a", "b"}, taken={"a": 3, "b": 2}, a=2)
    assert (cut.twice_by_cut_answers, cut.twice_by_kills, cut.is_good) == (2, 1, True)


def test_a_loss_an_invention_what_waits_for_ever_and_too_many_copies_are_not() -> None:
    lost = outcome(told={"a", "b"}, taken={"a": 1})
    assert (lost.lost, lost.is_good) == (1, False)
    invented = outcome(told={"a"}, taken={"a": 1, "b": 1})
    assert (invented.unheard_of, invented.is_good) == (1, False)
    waits = outcome(told={"a", "b"}, taken={"a": 1}, pending=frozenset("b"))
    assert (waits.lost, waits.pending, waits.is_good) == (0, 1, False)
    assert not outcome(told={"a"}, taken={"a": 4}).is_good
    assert not replace(outcome(told={"a"}, taken={"a": 1}), unsigned=1).is_good


def test_its_receiver_sees_who_did_not_sign_a_message() -> None:
    keyring, secret, body = Keyring(b"r" * 32), signing.new_secret(), b'{"id":"evt_1"}'
    signer = partial(keyring.sign, purpose="its own")
    at = int(clock.now().timestamp())
    both, one = (
        signing.headers([secret], signer=by, message_id="evt_1", timestamp=at, body=body) for by in (signer, None)
    )
    trusted = Trusted(secret, keyring.public_key(purpose="its own").hex())
    assert trusted.signed(Message("/", both, body))
    assert Trusted(secret).signed(Message("/", one, body))
    assert not trusted.signed(Message("/", one, body))
    assert not trusted.signed(Message("/", both, body + b" "))
    assert not Trusted(signing.new_secret()).signed(Message("/", one, body))
    other = Trusted(secret, Keyring(b"s" * 32).public_key(purpose="its own").hex())
    assert not other.signed(Message("/", both, body))


def test_a_receiver_that_could_never_take_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 1"):
        Moods(seed=1, refused=1.0)
