"""Your statements. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from coalition_client.models.statements import Obligation, Statement, StatementDetail
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query


class Statements:
    """Your statements."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int | None = None) -> Pages[Statement]:
        """List your statements, newest first.

        Needs the scope `settlement:read`.
        """
        return self._transport.pages(
            Statement,
            Call(
                method="GET",
                path="/v1/statements",
                query=query(limit=limit),
            ),
        )

    def get(self, statement_id: str) -> StatementDetail:
        """Get a statement: what you receive and owe, in sums.

        Needs the scope `settlement:read`.

        statement_id: An id that begins with `stm_`.
        """
        return self._transport.one(
            StatementDetail,
            Call(
                method="GET",
                path=path("/v1/statements/{statement_id}", statement_id=statement_id),
            ),
        )

    def file(
        self,
        statement_id: str,
        *,
        format: Literal["json", "csv", "xlsx", "pdf"] | None = None,
        language: Literal["en", "ru"] | None = None,
    ) -> Iterator[bytes]:
        """Get a statement as a file: PDF, XLSX, CSV or JSON, in English or Russian.

        The same statement gives the same bytes each time.

        Needs the scope `settlement:read`.

        statement_id: An id that begins with `stm_`.
        format: `csv` and `xlsx` have every posting; `pdf` the days, and the CSV attached.
        """
        return self._transport.file(
            Call(
                method="GET",
                path=path("/v1/statements/{statement_id}/file", statement_id=statement_id),
                query=query(format=format, language=language),
            )
        )

    def obligations(self, statement_id: str, *, limit: int | None = None) -> Pages[Obligation]:
        """List what a statement is made of: who owes whom, for which day and what.

        Needs the scope `settlement:read`.

        statement_id: An id that begins with `stm_`.
        """
        return self._transport.pages(
            Obligation,
            Call(
                method="GET",
                path=path("/v1/statements/{statement_id}/obligations", statement_id=statement_id),
                query=query(limit=limit),
            ),
        )
