"""Your settlements. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.settlement_runs import Run, RunDetail
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query


class SettlementRuns:
    """Your settlements."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int | None = None) -> Pages[Run]:
        """List the settlement runs that you have a statement of, newest first.

        Needs the scope `settlement:read`.
        """
        return self._transport.pages(
            Run,
            Call(
                method="GET",
                path="/v1/settlement-runs",
                query=query(limit=limit),
            ),
        )

    def get(self, run_id: str) -> RunDetail:
        """Get a settlement run: what you receive or owe, and who pays whom.

        Needs the scope `settlement:read`.

        run_id: An id that begins with `srn_`.
        """
        return self._transport.one(
            RunDetail,
            Call(
                method="GET",
                path=path("/v1/settlement-runs/{run_id}", run_id=run_id),
            ),
        )
