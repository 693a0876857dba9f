"""A partner's endpoint, tried: messages right and wrong are sent to it as webhooks are, and its answers checked."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from secrets import token_bytes
from typing import Any

from coalition.event_types import EVENT_TYPES
from kit import clock, ids
from kit.secrets import Keyring
from ops.certify.results import Finding, Outcome, Result, Scenario, failed, found, passed
from webhooks import signing
from webhooks.connections import Answer
from webhooks.sender import Sender
from webhooks.targets import Target

FAST_MS = 3_000
LATE = timedelta(minutes=10)
LARGE_BYTES = 200 * 1024
REPETITIONS = 3


@dataclass(frozen=True)
class Endpoint:
    """Where to send, how to sign, and by what way; with `signer` there is v1a beside v1.

    `target` is a registered endpoint: then messages come under its own headers, authenticated as it asks.
    """

    url: str
    secret: str
    sender: Sender
    signer: signing.Signer | None = None
    target: Target | None = None

    @property
    def foreign(self) -> Endpoint:
        """The same with keys of somebody else."""
        signer = self.signer and partial(Keyring(token_bytes(32)).sign, purpose="somebody else's")
        return replace(self, secret=signing.new_secret(), signer=signer)

    def signed(self, **message: Any) -> dict[str, str]:
        """The headers of a message."""
        return signing.headers([self.secret], signer=self.signer, **message)

    async def send(self, event: Mapping[str, Any], **changed: Any) -> Answer:
        """`event`, signed as it should be; `changed` are arguments of the signature that are not."""
        body = json.dumps(event).encode()
        message = {
            "message_id": event["id"],
            "timestamp": int(clock.now().timestamp()),
            "body": body,
            **changed,
        }
        return await self.post(body, self.signed(**message))

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """These bytes under these headers."""
        if self.target is not None:
            return await self.sender.post_to(self.target, body=body, headers=headers)
        return await self.sender.post(self.url, body=body, headers=headers)


Try = Callable[[Endpoint], Awaitable[Result]]


def example(kind: str = "points.earned", **changed: Any) -> dict[str, Any]:
    """An event that has not happened, about nobody: its id is new, the rest is the example of its type."""
    event = EVENT_TYPES["points.earned"].example
    event["data"] |= {"reference": "certify", **changed}
    return {**event, "id": ids.show(ids.EVENT, ids.new()), "type": kind, "timestamp": clock.now().isoformat()}


async def takes(endpoint: Endpoint) -> Result:
    """A message that is right is taken, and quickly."""
    answer = await endpoint.send(example())
    return passed([_said(answer)]) if answer.succeeded and answer.duration_ms <= FAST_MS else failed([_said(answer)])


async def takes_twice(endpoint: Endpoint) -> Result:
    """The same message again is taken as well."""
    event = example()
    return _all_taken([await endpoint.send(event) for _ in range(REPETITIONS)])


async def takes_in_any_order(endpoint: Endpoint) -> Result:
    """A member's later event before the earlier one."""
    return _all_taken([await endpoint.send(example(member_seq=number)) for number in (9, 8)])


async def takes_unknown_types(endpoint: Endpoint) -> Result:
    """An event of a type there is not yet."""
    return _all_taken([await endpoint.send(example("certify.unheard_of"))])


async def takes_new_fields(endpoint: Endpoint) -> Result:
    """An event with a field there is not yet, and large."""
    return _all_taken([await endpoint.send(example(a_field_of_tomorrow="x" * LARGE_BYTES))])


async def takes_while_secrets_change(endpoint: Endpoint) -> Result:
    """Two signatures, of which one is another secret's."""
    event = example()
    body = json.dumps(event).encode()
    right, other = (
        each.signed(message_id=event["id"], timestamp=int(clock.now().timestamp()), body=body)
        for each in (endpoint, endpoint.foreign)
    )
    both = f"{other['webhook-signature']} {right['webhook-signature']}"
    return _all_taken([await endpoint.post(body, {**right, "webhook-signature": both})])


async def rejects_foreign_signatures(endpoint: Endpoint) -> Result:
    """Signed by somebody else."""
    return _rejected(await endpoint.foreign.send(example()))


async def rejects_changed_bodies(endpoint: Endpoint) -> Result:
    """Signed for other bytes."""
    return _rejected(await endpoint.send(example(), body=json.dumps(example(points=1)).encode()))


async def rejects_old_messages(endpoint: Endpoint) -> Result:
    """Signed rightly, ten minutes ago."""
    return _rejected(await endpoint.send(example(), timestamp=int((clock.now() - LATE).timestamp())))


async def rejects_messages_from_the_future(endpoint: Endpoint) -> Result:
    """Signed rightly, for a time to come."""
    return _rejected(await endpoint.send(example(), timestamp=int((clock.now() + LATE).timestamp())))


async def rejects_unsigned(endpoint: Endpoint) -> Result:
    """Not signed at all."""
    return _rejected(await endpoint.post(json.dumps(example()).encode(), {}))


SIGN = (
    "Compute HMAC-SHA-256 over `id.timestamp.body` with the bytes as they arrived. Compare in constant time. Of `v1a`, "
    "verify Ed25519 with the keys at `keys_url`. Answer 400."
)
CLOCK = "Compare `webhook-timestamp` with your clock. Allow five minutes either way."
SCENARIOS: tuple[Scenario[Try], ...] = (
    Scenario(
        "takes",
        "The endpoint accepts a message quickly",
        "Events reach you, and we send none again because you were slow.",
        f"Answer 2xx within {FAST_MS} ms: store the message, answer, and do the work afterwards.",
        takes,
    ),
    Scenario(
        "takes_twice",
        "The endpoint accepts the same message twice",
        "We send each webhook at least once. A second time is not an error and does nothing twice.",
        "Remember the `webhook-id`s you have seen. Answer 2xx to them and do nothing.",
        takes_twice,
    ),
    Scenario(
        "takes_in_any_order",
        "The endpoint accepts messages in any order",
        "An event that we retry arrives after later events.",
        "Do not refuse an early event. `member_seq` gives the order, and the API gives the present state.",
        takes_in_any_order,
    ),
    Scenario(
        "takes_unknown_types",
        "The endpoint accepts an event of an unknown type",
        "New kinds of events do not block the kinds you know.",
        "Answer 2xx to types you do not know, and ignore them.",
        takes_unknown_types,
    ),
    Scenario(
        "takes_new_fields",
        "The endpoint accepts a large event with an unknown field",
        "Events can get new fields within a version.",
        f"Ignore fields you do not know, and accept bodies of {LARGE_BYTES // 1024} KiB.",
        takes_new_fields,
    ),
    Scenario(
        "takes_while_secrets_change",
        "One valid signature among several is enough",
        "You can change the secret while events keep arriving.",
        "`webhook-signature` is a list separated by spaces. Accept the message if one signature is valid.",
        takes_while_secrets_change,
    ),
    Scenario(
        "rejects_foreign_signatures",
        "The endpoint rejects a message signed by somebody else",
        "Nobody else can tell you that points were spent.",
        SIGN,
        rejects_foreign_signatures,
    ),
    Scenario(
        "rejects_changed_bodies",
        "The endpoint rejects a changed message",
        "Nobody can change the amount.",
        SIGN,
        rejects_changed_bodies,
    ),
    Scenario(
        "rejects_old_messages",
        "The endpoint rejects a message that is ten minutes old",
        "Nobody can replay a message they recorded.",
        CLOCK,
        rejects_old_messages,
    ),
    Scenario(
        "rejects_messages_from_the_future",
        "The endpoint rejects a message from ten minutes ahead",
        "Nobody can keep a message and use it later.",
        CLOCK,
        rejects_messages_from_the_future,
    ),
    Scenario(
        "rejects_unsigned",
        "The endpoint rejects a message without a signature",
        "Nobody can get around the signature by leaving the headers out.",
        SIGN,
        rejects_unsigned,
    ),
)


# Whoever lets one of these through believes anybody.
FORGERIES = frozenset({"rejects_foreign_signatures", "rejects_changed_bodies", "rejects_unsigned"})
CLOCKS = frozenset({"rejects_old_messages", "rejects_messages_from_the_future"})


def grade(findings: Sequence[Finding]) -> str:
    """One letter for all of it.

    A: everything is right. B: one thing is wrong that costs no safety. C: several are. D: the time of a message is not
    checked. F: forgeries are taken, or what is right is not.
    """
    wrong = {one.code for one in findings if one.result.outcome != Outcome.PASSED}
    if wrong & FORGERIES or "takes" in wrong:
        return "F"
    if wrong & CLOCKS:
        return "D"
    return "A" if not wrong else "B" if len(wrong) == 1 else "C"


async def try_out(endpoint: Endpoint) -> list[Finding]:
    """Every scenario, one after the other, and what it came to."""
    return [found(scenario, await scenario.how(endpoint)) for scenario in SCENARIOS]


def unseen() -> list[Finding]:
    """Every scenario, where there is no endpoint to try."""
    return [found(scenario, Result(Outcome.NOT_SEEN)) for scenario in SCENARIOS]


def _all_taken(answers: list[Answer]) -> Result:
    said = [_said(answer) for answer in answers]
    return passed(said) if all(answer.succeeded for answer in answers) else failed(said)


def _rejected(answer: Answer) -> Result:
    is_rejected = answer.error is None and 400 <= (answer.status or 0) < 500
    return passed([_said(answer)]) if is_rejected else failed([_said(answer)])


def _said(answer: Answer) -> str:
    return f"{answer.error or answer.status} after {answer.duration_ms} ms"
