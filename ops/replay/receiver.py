"""A partner's webhook receiver: verifies with the `standardwebhooks` package, and keeps what it has seen."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

LARGEST_BODY_BYTES = 1024 * 1024


class Receiver:
    """Listens on loopback; `/<brand>` takes that brand's webhooks.

    `seen` holds the ids verified so far, this run's and those of earlier ones (kept in `journal`); an id counts once.
    """

    def __init__(self, *, port: int, journal: Path) -> None:
        self._port = port
        self._journal_path = journal
        self._secrets: dict[str, Webhook] = {}
        self.seen: set[str] = set(journal.read_text("ascii").split()) if journal.exists() else set()
        self.repeated = 0
        self.refused = 0

    def trust(self, brand: str, secret: str) -> None:
        """Take `brand`'s messages when they are signed with `secret`."""
        self._secrets[brand] = Webhook(secret)

    async def start(self) -> int:
        """Listen; returns the port. Raises OSError when it is taken."""
        app = web.Application(client_max_size=LARGEST_BODY_BYTES)
        app.router.add_post("/{brand}", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        self._journal = self._journal_path.open("a", encoding="ascii")
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()
        self._journal.close()

    async def _receive(self, request: web.Request) -> web.Response:
        verifier = self._secrets.get(request.match_info["brand"])
        body = await request.read()
        try:
            if verifier is None:
                raise WebhookVerificationError("no such brand")
            verifier.verify(body, dict(request.headers))
        except WebhookVerificationError as error:
            self.refused += 1
            return web.Response(status=400, text=str(error))
        message_id = request.headers["webhook-id"]
        if message_id in self.seen:
            self.repeated += 1
        else:
            # Written before the answer: what was acknowledged is remembered, however this process ends.
            self._journal.write(message_id + "\n")
            self._journal.flush()
            self.seen.add(message_id)
        return web.Response(status=204)
