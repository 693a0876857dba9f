"""A partner's program as partners write it: signs in with OAuth, posts with keys, tries until it has an answer."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp

from kit.errors import Conflict, Unavailable

GIVE_UP_AFTER_S = 120.0
FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 1.0
REQUEST_TIMEOUT_S = 30.0


class Refused(Conflict):
    code = "api_refused"
    title = "Refused by the API"
    description = "The API refused the request. `problem_code` is the code of the problem."
    remedy = (
        "Look up `problem_code` under /problems and do what its page says, then run the command again. What a replay "
        "posted already is not posted twice."
    )
    facts = ("problem_code",)

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail", "")), problem_code=str(problem.get("code", "")))
        self.problem_code = str(problem.get("code", ""))


class NoAnswer(Unavailable):
    code = "no_answer"
    title = "No answer"
    description = "The coalition did not answer for two minutes."
    remedy = (
        "See whether the coalition still runs, and what its log says, then run the command again. What a replay "
        "posted already is not posted twice."
    )


class PartnerClient:
    """The API as one OAuth client sees it."""

    def __init__(self, http: aiohttp.ClientSession, *, url: str, client_id: str, client_secret: str) -> None:
        self._http = http
        self._url = url
        self._credentials = {"Authorization": aiohttp.encode_basic_auth(client_id, client_secret)}
        self._token: str | None = None
        self._signing_in = asyncio.Lock()

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """The JSON at `path`; raises Refused, NoAnswer."""
        return await self._call("GET", path, params=query)

    async def post(self, path: str, body: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
        """Post `body`, under the Idempotency-Key `key` where points move; raises Refused, NoAnswer."""
        return await self._call("POST", path, json=body, headers={"Idempotency-Key": key} if key else {})

    async def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Change what is at `path`, whatever state it is in; raises Refused, NoAnswer."""
        return await self._call("PATCH", path, json=body, headers={"If-Match": "*"})

    async def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        deadline = time.monotonic() + GIVE_UP_AFTER_S
        wait_s = FIRST_WAIT_S
        while time.monotonic() < deadline:
            try:
                status, body = await self._once(method, path, **options)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError):  # the last: an answer that isn't JSON
                status, body = 0, {}
            if 200 <= status < 300:
                return body
            if status == 401:
                self._token = None
            elif status and status != 429 and not body.get("retryable"):
                raise Refused(body)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
        raise NoAnswer(f"no answer from {self._url}{path} for {GIVE_UP_AFTER_S:.0f} s")

    async def _once(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        token = await self._sign_in()
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        async with self._http.request(method, self._url + path, headers=headers, **options) as response:
            return response.status, await response.json(content_type=None)

    async def _sign_in(self) -> str:
        async with self._signing_in:
            if self._token is None:
                form = {"grant_type": "client_credentials"}
                async with self._http.post(
                    self._url + "/oauth/token", data=form, headers=self._credentials
                ) as response:
                    answer = await response.json(content_type=None)
                    if response.status in (400, 401):
                        raise Refused({"code": answer.get("error"), "detail": answer.get("error_description")})
                    if response.status != 200:
                        raise aiohttp.ClientError(f"token endpoint answered {response.status}")
                    self._token = str(answer["access_token"])
            return self._token


def open_http(*, connections: int) -> aiohttp.ClientSession:
    """The HTTP connections all partners' clients share."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
        trust_env=False,
    )
