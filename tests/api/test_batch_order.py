"""The order of a member's items in a batch, however each names the member, and batches that meet."""

from __future__ import annotations

import json
import random
import threading
from datetime import timedelta

import pytest

from api import batches
from coalition import merges
from coalition.cards import with_check_digit
from kit import clock
from tests.api.test_batch_files import hand_in, work
from tests.conftest import APPROVED, World
from tests.service import Caller

CARDS = [with_check_digit(f"7022{n:011d}") for n in range(8)]


@pytest.fixture
def grocer(caller) -> Caller:
    made = caller("greengrocer")
    for card in CARDS:
        made.post("/v1/members", {"card": card})
    return made


class Till:
    """Makes items, each with a reference of its own."""

    def __init__(self, name: str = "T") -> None:
        self._name, self._made = name, 0

    def __call__(self, kind: str, **fields: object) -> dict:
        self._made += 1
        return {"kind": kind, "reference": f"{self._name}{self._made}", **fields}


def post(caller: Caller, *items: dict, key: str | None = None) -> list[dict]:
    return caller.post("/v1/batches", {"items": list(items)}, key=key).json["data"]


def statuses(caller: Caller, *items: dict) -> list[int]:
    return [answer["status"] for answer in post(caller, *items)]


def balance(caller: Caller, card: str) -> dict:
    member = caller.post("/v1/members/lookup", {"card": card}).json["member_id"]
    return caller.get(f"/v1/members/{member}/balance").json


def soon() -> str:
    return (clock.now() + timedelta(hours=1)).isoformat()


@pytest.fixture
def till() -> Till:
    return Till()


def transaction_id(answer: dict) -> str:
    return answer["transaction"]["transaction_id"]


def test_what_a_reversed_burn_gives_back_is_spent_by_the_next_item(grocer, till) -> None:
    _, burned = post(grocer, till("earn", card=CARDS[0], points=100), till("burn", card=CARDS[0], points=100))
    undo = till("reversal", transaction_id=transaction_id(burned))
    assert statuses(grocer, undo, till("burn", card=CARDS[0], points=100)) == [201, 201]
    assert balance(grocer, CARDS[0])["available"] == 0


def test_a_file_keeps_the_order_of_its_lines_too(world: World, grocer, till) -> None:
    _, burned = post(grocer, till("earn", card=CARDS[0], points=100), till("burn", card=CARDS[0], points=100))
    undo = till("reversal", transaction_id=transaction_id(burned))
    stored = hand_in(grocer, "\n".join(map(json.dumps, (undo, till("burn", card=CARDS[0], points=100)))))
    work(world)
    assert grocer.get(f"/v1/batches/{stored.json['batch_id']}").json["posted"] == 2


def test_what_a_reversed_earn_took_is_not_spent_by_the_next_item(grocer, till) -> None:
    (earned,) = post(grocer, till("earn", card=CARDS[0], points=100))
    undo = till("reversal", transaction_id=transaction_id(earned))
    first, second = post(grocer, undo, till("burn", card=CARDS[0], points=100))
    assert (first["status"], first["transaction"]["shortfall"]) == (201, 0)
    assert second["problem"]["code"] == "insufficient_points"


def test_what_a_voided_hold_frees_is_spent_by_the_next_item(grocer, till) -> None:
    post(grocer, till("earn", card=CARDS[0], points=100))
    (held,) = post(grocer, till("hold", card=CARDS[0], points=100, expires_at=soon()))
    void = till("void", hold_id=held["transaction"]["hold_id"])
    assert statuses(grocer, void, till("burn", card=CARDS[0], points=100)) == [201, 201]


def test_a_merged_members_returns_keep_their_place_among_the_others(world: World, grocer, till) -> None:
    _, burned = post(grocer, till("earn", card=CARDS[0], points=100), till("burn", card=CARDS[0], points=100))
    away, into = (
        grocer.inner(grocer.post("/v1/members/lookup", {"card": card}).json["member_id"]) for card in CARDS[:2]
    )
    with world.transaction() as session:
        merges.merge(session, APPROVED, member_id=away, into=into, reference="m").unwrap()
    undo = till("reversal", transaction_id=transaction_id(burned))
    for_card = till("burn", card=CARDS[1], points=100)
    assert statuses(grocer, undo, for_card) == [201, 201]


def some_items(chance: random.Random, till: Till, card: str, before: list[dict]) -> list[dict]:
    """A dozen items of one member, of all kinds: half of them name what was posted before, not the card."""
    _, burned, held, earned = before
    return [
        chance.choice(
            [
                lambda: till("earn", card=card, points=chance.randint(1, 60)),
                lambda: till("burn", card=card, points=chance.randint(1, 120)),
                lambda: till("reversal", transaction_id=transaction_id(burned), points=chance.randint(1, 40)),
                lambda: till("reversal", transaction_id=transaction_id(earned), points=chance.randint(1, 40)),
                lambda: till("return", transactions=chance.sample([whole(earned), whole(burned)], k=2)),
                lambda: till("void", hold_id=held["transaction"]["hold_id"]),
                lambda: till("capture", hold_id=held["transaction"]["hold_id"], points=chance.randint(1, 90)),
            ]
        )()
        for _ in range(12)
    ]


def prepare(caller: Caller, till: Till, card: str) -> list[dict]:
    return post(
        caller,
        till("earn", card=card, points=200),
        till("burn", card=card, points=80),
        till("hold", card=card, points=90, expires_at=soon()),
        till("earn", card=card, points=50),
    )


@pytest.mark.parametrize("seed", range(6))
def test_a_batch_comes_to_what_its_items_come_to_one_by_one(grocer, seed) -> None:
    outcomes = []
    for name, cards in (("A", CARDS[:3]), ("B", CARDS[3:6])):
        chance, till = random.Random(seed), Till(name)
        before = {card: prepare(grocer, till, card) for card in cards}
        mixed = [item for card in cards for item in some_items(chance, till, card, before[card])]
        chance.shuffle(mixed)
        answers = post(grocer, *mixed) if name == "A" else [post(grocer, item)[0] for item in mixed]
        told = [(a["status"], a.get("problem", {}).get("code"), moved(a)) for a in answers]
        outcomes.append((told, [balance(grocer, card)["available"] for card in cards]))
    assert outcomes[0] == outcomes[1]


def whole(answer: dict) -> dict:
    return {"transaction_id": transaction_id(answer)}


def moved(answer: dict) -> list[tuple[int, int]]:
    found = answer.get("returned", {}).get("transactions") or [answer["transaction"]] if "problem" not in answer else []
    return [(each["points"], each["available_after"]) for each in found]


def test_batches_that_name_the_same_members_by_all_they_can_never_meet_in_a_deadlock(grocer, monkeypatch) -> None:
    monkeypatch.setattr(batches, "TRIES", 1)  # a deadlock is not tried again, and seen
    till, chance = Till("P"), random.Random(38)
    before = {card: prepare(grocer, till, card) for card in CARDS}
    mixed = []
    for n in range(8):
        mine = Till(f"Q{n}-")
        mixed.append([item for card in CARDS for item in some_items(chance, mine, card, before[card])])
        chance.shuffle(mixed[n])
    start, answers = threading.Barrier(len(mixed)), {}

    def send(n: int) -> None:
        sender = Caller(grocer.http.application.test_client(), grocer.token, grocer.partner_id)
        start.wait()
        for again in range(3):
            path, body = f"/v1/batches?dry_run={str(again < 2).lower()}", {"items": mixed[n]}
            answers[n, again] = sender.post(path, body, key=f"batch-{n}").status_code

    threads = [threading.Thread(target=send, args=(n,)) for n in range(len(mixed))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers.values()) == {200}
    assert len(answers) == 3 * len(mixed)
