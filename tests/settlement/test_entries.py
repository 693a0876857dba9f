"""Money entries made by hand: of which kinds they are, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from settlement import entries
from settlement.entries import EntryRefused
from tests.conftest import World, act
from tests.service import terminal

__all__ = ["terminal"]


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"kind": "dispute"}, "an entry is one of promotion, adjustment"),
        ({"kind": "fee"}, "an entry is one of promotion, adjustment"),
        ({"amount_minor": 0}, "the amount is a whole number"),
        ({"amount_minor": 10**15 + 1}, "the amount is a whole number"),
        ({"currency": "XXX"}, "'XXX' is not a currency"),
    ],
)
def test_an_entry_by_hand_that_is_none_is_refused(world: World, wrong: dict[str, Any], fault: str) -> None:
    payer, payee = world.partner("grocer").partner_id, world.partner("fuel").partner_id
    said: dict[str, Any] = {"kind": "adjustment", "currency": "GBP", "amount_minor": 5, "reference": "A1", **wrong}
    with world.transaction() as session, pytest.raises(EntryRefused, match=fault):
        entries.add(session, act(reason="agreed"), payer_id=payer, payee_id=payee, **said)
    assert world.count("settlement.entry") == 0


def test_the_terminal_makes_no_entry_that_looks_like_a_dispute(world: World, terminal: Any) -> None:
    world.partner("grocer")
    words = ("grocer", "coalition", 5, "--reference", "A1", "--reason", "agreed")
    refused = terminal("settlement", "entry", "add", "dispute", *words)
    assert (refused.exit_code, "'promotion', 'adjustment'" in refused.output) == (2, True)
    assert terminal("settlement", "entry", "add", "adjustment", *words).exit_code == 0
    assert world.count("settlement.entry") == 1
