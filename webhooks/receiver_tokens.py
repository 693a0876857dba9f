"""Access tokens for receivers: asked for with client credentials (RFC 6749 §4.4), and what counts as an answer."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import quote_plus, urlencode

from webhooks.authentication import OAuth2
from webhooks.connections import LARGEST_RESPONSE_BYTES, Answer, Limit
from webhooks.once import Key, Once

MOST = 10_000
LIFETIME_S = 300.0  # of one whose server does not say
LEAST_KEPT_S, MOST_KEPT_S = 5.0, 3600.0
EARLIER_S = 30.0  # than its server says, it is not used any more: messages take time, and clocks differ
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")


class NoToken(Exception):
    """There is no token: `answer` is the attempt's, in words of ours."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.error)
        self.answer = answer


@dataclass(frozen=True)
class Token:
    """An access token, and the monotonic times since and until when it is used."""

    text: str = field(repr=False)
    got_s: float
    until_s: float

    @property
    def is_over(self) -> bool:
        """Whether another one is needed."""
        return time.monotonic() >= self.until_s

    @property
    def header(self) -> dict[str, str]:
        """What a message carries it in (RFC 6750 §2.1)."""
        return {"Authorization": f"Bearer {self.text}"}


class Tokens:
    """The tokens of endpoints, each asked for once with `post`, which tells by its Answer what came of it.

    `proxy_s` is how long it may take beyond its limit to see whether our own proxy is there.
    """

    def __init__(self, post: Callable[..., Awaitable[Answer]], *, proxy_s: float) -> None:
        self._post = post
        self._proxy_s = proxy_s
        self._known: Once[Token] = Once(most=MOST)

    async def get(self, key: Key, asked: OAuth2, limit: Limit) -> Token:
        """The token of before while it lives, or a new one; raises NoToken."""
        fetch, began_s = partial(self._fetch, asked, limit.total_s), time.monotonic()
        try:
            async with asyncio.timeout(limit.left_s + self._proxy_s):
                token = await self._known.get(key, fetch)
                if token.got_s < began_s and token.is_over:
                    self.drop(key, token)
                    token = await self._known.get(key, fetch)
                return token
        except TimeoutError:
            raise none(Answer(), limit.said) from None

    def drop(self, key: Key, token: Token) -> None:
        """Use `token` no more."""
        self._known.drop(key, token)

    async def close(self) -> None:
        """Wait for no more of them."""
        await self._known.close()

    async def _fetch(self, asked: OAuth2, timeout_s: float) -> Token:
        # With all of an attempt's time: others may wait for it that have as much.
        body, headers = request(asked)
        return token_in(await self._post(asked.token_url, body=body, headers=headers, limit=Limit.of(timeout_s)))


def request(asked: OAuth2) -> tuple[bytes, dict[str, str]]:
    """The body and the headers of a request for a token."""
    more = {"scope": asked.scope, "audience": asked.audience, "resource": asked.resource}
    form = {"grant_type": "client_credentials", **{name: said for name, said in more.items() if said is not None}}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if asked.client_authentication == "post":
        form |= {"client_id": asked.client_id, "client_secret": asked.client_secret}
    else:  # RFC 6749 §2.3.1: each form-encoded first
        said = f"{quote_plus(asked.client_id)}:{quote_plus(asked.client_secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(said.encode()).decode()
    return urlencode(form).encode(), headers


def token_in(answer: Answer) -> Token:
    """The token that `answer` gives; raises NoToken. Nothing that the server said is told."""
    if not answer.succeeded:
        raise none(answer, answer.error or str(answer.status))
    if len(answer.body) >= LARGEST_RESPONSE_BYTES:
        raise none(answer, "its answer is too large")
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise none(answer, "its answer is not JSON") from None
    if not isinstance(said, dict):
        raise none(answer, "its answer is not a JSON object")
    if str(said.get("token_type")).lower() != "bearer":
        raise none(answer, "its token_type is not Bearer")
    text = said.get("access_token")
    if not isinstance(text, str) or not _TOKEN.fullmatch(text):
        raise none(answer, "its access_token is not visible ASCII of up to 8192 characters")
    got_s = time.monotonic()
    return Token(text, got_s, got_s + _kept_s(said.get("expires_in")))


def _kept_s(expires_in: object) -> float:
    """How long a token is used that lives for `expires_in` seconds."""
    try:
        lifetime_s = float(expires_in) if isinstance(expires_in, int | float | str) else LIFETIME_S
    except (ValueError, OverflowError):
        lifetime_s = LIFETIME_S
    if math.isnan(lifetime_s):
        lifetime_s = LIFETIME_S
    return min(max(lifetime_s - EARLIER_S, LEAST_KEPT_S), MOST_KEPT_S)


def none(answer: Answer, why: str) -> NoToken:
    """There is no token, since `why`: what an attempt at the receiver came to, which was never asked."""
    said = f"the token endpoint did not give a token: {why}"
    return NoToken(Answer(error=said, retry_after=answer.retry_after, is_ours=answer.is_ours))
