"""A partner's endpoint, tried: messages right and wrong are sent to it as webhooks are, and its answers judged."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from console.certify.verdicts import Finding, Outcome, Scenario, Verdict, failed, found, passed
from kit import clock, ids
from webhooks import signing
from webhooks.event_types import EVENT_TYPES
from webhooks.sender import Answer, Sender

FAST_MS = 3_000
OLD = timedelta(hours=1)
LARGE_BYTES = 200 * 1024
REPETITIONS = 3


@dataclass(frozen=True)
class Endpoint:
    """Where to send, how to sign, and by what way."""

    url: str
    secret: str
    sender: Sender

    async def send(self, event: Mapping[str, Any], **changed: Any) -> Answer:
        """`event`, signed as it should be; `changed` are arguments of the signature that are not."""
        body = json.dumps(event).encode()
        signed = {
            "secret": self.secret,
            "message_id": event["id"],
            "timestamp": int(clock.now().timestamp()),
            "body": body,
            **changed,
        }
        return await self.post(body, signing.headers(**signed))

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """These bytes under these headers."""
        return await self.sender.post(self.url, body=body, headers=headers)


Try = Callable[[Endpoint], Awaitable[Verdict]]


def example(kind: str = "points.earned", **changed: Any) -> dict[str, Any]:
    """An event that has not happened, about nobody: its id is new, the rest is the example of its type."""
    event = EVENT_TYPES["points.earned"].example
    event["data"] |= {"reference": "certify", **changed}
    return {**event, "id": ids.show(ids.EVENT, ids.new()), "type": kind, "timestamp": clock.now().isoformat()}


async def takes(endpoint: Endpoint) -> Verdict:
    """A message that is right is taken, and quickly."""
    answer = await endpoint.send(example())
    return passed([_said(answer)]) if answer.succeeded and answer.duration_ms <= FAST_MS else failed([_said(answer)])


async def takes_twice(endpoint: Endpoint) -> Verdict:
    """The same message again is taken as well."""
    event = example()
    return _all_taken([await endpoint.send(event) for _ in range(REPETITIONS)])


async def takes_in_any_order(endpoint: Endpoint) -> Verdict:
    """A member's later event before the earlier one."""
    return _all_taken([await endpoint.send(example(member_seq=number)) for number in (9, 8)])


async def takes_unknown_types(endpoint: Endpoint) -> Verdict:
    """An event of a type there is not yet."""
    return _all_taken([await endpoint.send(example("certify.unheard_of"))])


async def takes_new_fields(endpoint: Endpoint) -> Verdict:
    """An event with a field there is not yet, and large."""
    return _all_taken([await endpoint.send(example(a_field_of_tomorrow="x" * LARGE_BYTES))])


async def takes_while_secrets_change(endpoint: Endpoint) -> Verdict:
    """Two signatures, of which one is another secret's."""
    event = example()
    body = json.dumps(event).encode()
    right, other = (
        signing.headers(secret=secret, message_id=event["id"], timestamp=int(clock.now().timestamp()), body=body)
        for secret in (endpoint.secret, signing.new_secret())
    )
    both = f"{other['webhook-signature']} {right['webhook-signature']}"
    return _all_taken([await endpoint.post(body, {**right, "webhook-signature": both})])


async def rejects_foreign_signatures(endpoint: Endpoint) -> Verdict:
    """Signed by somebody else."""
    return _rejected(await endpoint.send(example(), secret=signing.new_secret()))


async def rejects_changed_bodies(endpoint: Endpoint) -> Verdict:
    """Signed for other bytes."""
    return _rejected(await endpoint.send(example(), body=json.dumps(example(points=1)).encode()))


async def rejects_old_messages(endpoint: Endpoint) -> Verdict:
    """Signed rightly, an hour ago."""
    return _rejected(await endpoint.send(example(), timestamp=int((clock.now() - OLD).timestamp())))


async def rejects_unsigned(endpoint: Endpoint) -> Verdict:
    """Not signed at all."""
    return _rejected(await endpoint.post(json.dumps(example()).encode(), {}))


SIGN = (
    "Compute HMAC-SHA-256 over `id.timestamp.body` with the bytes as they came, compare in constant time, answer 400."
)
SCENARIOS: tuple[Scenario[Try], ...] = (
    Scenario(
        "takes",
        "A message is taken, and quickly",
        "Events reach you, and none is sent again because you were slow.",
        f"Answer 2xx within {FAST_MS} ms: write the message down, answer, and do the work afterwards.",
        takes,
    ),
    Scenario(
        "takes_twice",
        "The same message again is taken without harm",
        "Webhooks come at least once: a second time is no error and does nothing twice.",
        "Keep the `webhook-id`s you have seen, answer 2xx to those, and do nothing.",
        takes_twice,
    ),
    Scenario(
        "takes_in_any_order",
        "Messages are taken in any order",
        "An event that was tried again comes after later ones.",
        "Don't refuse what comes early: `member_seq` tells the order, the API what holds now.",
        takes_in_any_order,
    ),
    Scenario(
        "takes_unknown_types",
        "An event of an unknown type is taken",
        "New kinds of events don't stop the ones you know.",
        "Answer 2xx to types you don't know, and leave them alone.",
        takes_unknown_types,
    ),
    Scenario(
        "takes_new_fields",
        "A large event with an unknown field is taken",
        "Events may grow within a version.",
        f"Leave fields alone that you don't know, and take bodies of {LARGE_BYTES // 1024} KiB.",
        takes_new_fields,
    ),
    Scenario(
        "takes_while_secrets_change",
        "One right signature of several is enough",
        "A secret can be changed while events go on coming.",
        "`webhook-signature` is a list parted by spaces: take the message if one of them is right.",
        takes_while_secrets_change,
    ),
    Scenario(
        "rejects_foreign_signatures",
        "A message signed by somebody else is rejected",
        "Nobody else can tell you that points were spent.",
        SIGN,
        rejects_foreign_signatures,
    ),
    Scenario(
        "rejects_changed_bodies",
        "A message that was changed on its way is rejected",
        "Nobody can change the amount.",
        SIGN,
        rejects_changed_bodies,
    ),
    Scenario(
        "rejects_old_messages",
        "A message of an hour ago is rejected",
        "A message that somebody kept can't be played again.",
        "Compare `webhook-timestamp` with your clock: five minutes are allowed either way.",
        rejects_old_messages,
    ),
    Scenario(
        "rejects_unsigned",
        "A message without a signature is rejected",
        "Leaving the headers out is no way around them.",
        SIGN,
        rejects_unsigned,
    ),
)


async def try_out(endpoint: Endpoint) -> list[Finding]:
    """Every scenario, one after the other, and what it came to."""
    return [found(scenario, await scenario.how(endpoint)) for scenario in SCENARIOS]


def unseen() -> list[Finding]:
    """Every scenario, where there is no endpoint to try."""
    return [found(scenario, Verdict(Outcome.NOT_SEEN)) for scenario in SCENARIOS]


def _all_taken(answers: list[Answer]) -> Verdict:
    said = [_said(answer) for answer in answers]
    return passed(said) if all(answer.succeeded for answer in answers) else failed(said)


def _rejected(answer: Answer) -> Verdict:
    is_rejected = answer.error is None and 400 <= (answer.status or 0) < 500
    return passed([_said(answer)]) if is_rejected else failed([_said(answer)])


def _said(answer: Answer) -> str:
    return f"{answer.error or answer.status} after {answer.duration_ms} ms"
