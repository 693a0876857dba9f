"""What only a whole coalition shows: many tills at one wallet, and a file whose worker is killed."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import random
import time
from collections import Counter

import aiohttp
import psutil
import pytest

from tests.e2e.conftest import Place, wait_for

CARD = "7001000000178503"
POINTS = 7


class Partner:
    """A partner's program, over HTTP."""

    def __init__(self, place: Place, code: str) -> None:
        self.url = f"http://127.0.0.1:{place.variables['COALITION_HTTP_PORT']}"
        assert place.run("partner", "create", code, "--rate", "1", "--price", "1")[0] == 0
        made = json.loads(place.run("client", "create", code, "--json")[1])
        self._credentials = aiohttp.encode_basic_auth(made["client_id"], made["client_secret"])
        self._headers: dict[str, str] = {}

    async def sign_in(self, http: aiohttp.ClientSession) -> None:
        form = {"grant_type": "client_credentials"}
        async with http.post(
            f"{self.url}/oauth/token", data=form, headers={"Authorization": self._credentials}
        ) as answer:
            self._headers = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}

    async def post(self, http: aiohttp.ClientSession, path: str, body: object, key: str) -> tuple[int, dict]:
        headers = {**self._headers, "Idempotency-Key": key}
        async with http.post(f"{self.url}/v1{path}", json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def hand_in(self, http: aiohttp.ClientSession, lines: list[str], key: str) -> str:
        headers = {**self._headers, "Idempotency-Key": key, "Content-Type": "application/jsonl"}
        async with http.post(
            f"{self.url}/v1/batches/files", data=io.BytesIO("\n".join(lines).encode()), headers=headers
        ) as answer:
            return (await answer.json())["batch_id"]

    async def get(self, http: aiohttp.ClientSession, path: str) -> str:
        async with http.get(f"{self.url}/v1{path}", headers=self._headers) as answer:
            return await answer.text()


@pytest.fixture
def running(place):
    """A coalition that is up, its supervisor, and a partner of it."""
    here = place("here")
    with here.up() as up:
        yield here, up, Partner(here, "greengrocer")


def test_two_thousand_burns_at_once_empty_a_wallet_exactly(running) -> None:
    place, _, grocer = running
    enough = 1_500
    assert place.run("programme", "--no-pin-limit")[0] == 0

    async def main() -> tuple[Counter, str]:
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as http:
            await grocer.sign_in(http)
            _, member = await grocer.post(http, "/members", {"card": CARD}, "member")
            earned, _ = await grocer.post(
                http, "/earns", {"card": CARD, "points": enough * POINTS, "reference": "stock"}, "stock"
            )
            assert earned == 201

            async def burn(number: int) -> str:
                body = {"card": CARD, "points": POINTS, "reference": f"B-{number}"}
                status, answer = await grocer.post(http, "/burns", body, f"burn-{number}")
                if status == 503 or random.random() < 0.05:  # what a till does that has got no answer
                    again, answer = await grocer.post(http, "/burns", body, f"burn-{number}")
                    assert status in (503, again)
                    status = again
                return f"{status} {answer.get('code', '')}".strip()

            outcomes = Counter(await asyncio.gather(*(burn(number) for number in range(2_000))))
            return outcomes, await grocer.get(http, f"/members/{member['member_id']}/balance")

    outcomes, balance = asyncio.run(main())
    assert outcomes == {"201": enough, "409 insufficient_points": 500}
    assert json.loads(balance)["available"] == 0
    assert "clean" in place.run("ledger", "verify")[1]


def test_a_file_whose_worker_is_killed_again_and_again_is_posted_once(running) -> None:
    place, up, grocer = running
    lines = [
        json.dumps({"kind": "earn", "card": CARD, "points": POINTS, "reference": f"F-{number}"})
        for number in range(1, 8_001)
    ]

    async def main() -> tuple[list[dict], list[dict], str]:
        async with aiohttp.ClientSession(trust_env=False) as http:
            await grocer.sign_in(http)
            _, member = await grocer.post(http, "/members", {"card": CARD}, "member")
            shown, batch_id, kills = {}, "", 0
            for key in ("first", "second", "third"):
                batch_id = await grocer.hand_in(http, lines, key)
                at = 0
                while (shown := json.loads(await grocer.get(http, f"/batches/{batch_id}")))["status"] != "finished":
                    if shown["done"] > at and kills < 4:
                        at, kills = shown["done"], kills + _kill_job(up, number=kills)
                    await asyncio.sleep(0.05)
            answers = await grocer.get(http, f"/batches/{batch_id}/results")
            assert kills == 4
            return (
                shown,
                [json.loads(line) for line in answers.splitlines()],
                await grocer.get(http, f"/members/{member['member_id']}/balance"),
            )

    began = time.monotonic()
    shown, answers, balance = asyncio.run(main())
    assert time.monotonic() - began < 120
    assert (shown["done"], shown["posted"], shown["replayed"], shown["refused"]) == (8_000, 0, 8_000, 0)
    assert [answer["item"] for answer in answers] == list(range(1, 8_001))
    assert [answer["transaction"]["reference"] for answer in answers] == [f"F-{n}" for n in range(1, 8_001)]
    assert json.loads(balance)["available"] == 8_000 * POINTS
    assert "clean" in place.run("ledger", "verify")[1]


def _kill_job(up: psutil.Process, *, number: int) -> int:
    """Kill the job that posts files, or every other time its worker with it; whether there was one."""
    for child in up.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "ops.worker batches" in " ".join(child.cmdline()):
                for job in child.children():
                    job.kill()
                    if number % 2:
                        child.kill()
                        wait_for(lambda gone=child: not gone.is_running())
                    return 1
    return 0
