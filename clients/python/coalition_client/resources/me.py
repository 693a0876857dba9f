"""The member who gave an app its consent. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import datetime

from coalition_client.models.me import MyTransaction
from coalition_client.models.members import Balance
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, query


class Me:
    """The member who gave an app its consent."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def balance(self, *, at: datetime | None = None) -> Balance:
        """Get what the member can spend, how much of it the app's brand issued, and when it expires. With `at`, get it
        for that time.

        Needs the scope `balance:read`.

        at: Get what the wallet held at this time. If you leave it out: now.
        """
        return self._transport.one(
            Balance,
            Call(
                method="GET",
                path="/v1/me/balance",
                query=query(at=at),
            ),
        )

    def history(self, *, limit: int | None = None) -> Pages[MyTransaction]:
        """List where the member's points came from and went to, at all partners, newest first.

        Needs the scope `history:read`.
        """
        return self._transport.pages(
            MyTransaction,
            Call(
                method="GET",
                path="/v1/me/transactions",
                query=query(limit=limit),
            ),
        )
