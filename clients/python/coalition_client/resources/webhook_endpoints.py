"""Where we send your events. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from coalition_client.models.webhook_endpoints import Authentication, Endpoint, EndpointTest, EndpointWithHealth, Stats
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import Meta, Null, given


class WebhookEndpoints:
    """Where we send your events."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> tuple[Endpoint, ...]:
        """List your endpoints.

        Needs the scope `webhooks:write`.
        """
        return self._transport.all(
            Endpoint,
            Call(
                method="GET",
                path="/v1/webhook-endpoints",
            ),
        )

    def register(
        self,
        *,
        url: str,
        filter: Mapping[str, Any] | Null | None = None,
        body: Literal["full", "thin"] | None = None,
        ordering: Literal["none", "member", "strict"] | None = None,
        on_exhausted: Literal["skip", "hold"] | None = None,
        batch_size: int | None = None,
        retry_delays_s: Sequence[int] | Null | None = None,
        rate_per_s: int | Null | None = None,
        timeout_s: int | Null | None = None,
        signatures: Sequence[Literal["v1", "v1a"]] | None = None,
        headers: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        authentication: Authentication | Null | None = None,
        event_types: Sequence[str] | None = None,
        dry_run: bool = False,
    ) -> Endpoint:
        """Register an endpoint. Keep the secret: we show it only this once.

        Needs the scope `webhooks:write`.

        filter: Send only events that match: fields and values, or operators such as `$gte`, `$in`, `$prefix`, `$or`
            and `$not`.
        body: `thin` bodies have only ids; you fetch the rest, and no personal data is sent.
        ordering: `none` sends each event as soon as possible, `member` each member's events one after the other,
            `strict` all of them one after the other.
        on_exhausted: When an ordered event fails for the last time: `skip` it, or `hold` what comes after it.
        batch_size: How many events one message may have. Above 1 only with the ordering `strict`.
        retry_delays_s: Seconds to wait after each failed attempt. null: our own schedule.
        rate_per_s: At most so many messages a second. null: as many as you take.
        timeout_s: Seconds in which your whole answer has to be here. null: our own limit.
        signatures: How we sign: `v1` with the endpoint's secret, `v1a` with a key that we have for you alone. Its
            public part is at the endpoint's `keys_url`.
        headers: Headers to send with each message, such as Authorization. We keep the values encrypted and never
            show them again. A change replaces all of them.
        metadata: What you want to remember about the endpoint. We do nothing with it.
        """
        return self._transport.one(
            Endpoint,
            Call(
                method="POST",
                path="/v1/webhook-endpoints",
                query=query(dry_run=dry_run),
                body=given(
                    filter=filter,
                    body=body,
                    ordering=ordering,
                    on_exhausted=on_exhausted,
                    batch_size=batch_size,
                    retry_delays_s=retry_delays_s,
                    rate_per_s=rate_per_s,
                    timeout_s=timeout_s,
                    signatures=signatures,
                    headers=headers,
                    metadata=metadata,
                    authentication=authentication,
                    url=url,
                    event_types=event_types,
                ),
            ),
        )

    def get(self, endpoint_id: str) -> EndpointWithHealth:
        """Get one of your endpoints, and how it does now.

        Needs the scope `webhooks:write`.

        endpoint_id: An id that begins with `ep_`.
        """
        return self._transport.one(
            EndpointWithHealth,
            Call(
                method="GET",
                path=path("/v1/webhook-endpoints/{endpoint_id}", endpoint_id=endpoint_id),
            ),
        )

    def change(
        self,
        endpoint_id: str,
        *,
        if_match: str,
        filter: Mapping[str, Any] | Null | None = None,
        body: Literal["full", "thin"] | None = None,
        ordering: Literal["none", "member", "strict"] | None = None,
        on_exhausted: Literal["skip", "hold"] | None = None,
        batch_size: int | None = None,
        retry_delays_s: Sequence[int] | Null | None = None,
        rate_per_s: int | Null | None = None,
        timeout_s: int | Null | None = None,
        signatures: Sequence[Literal["v1", "v1a"]] | None = None,
        headers: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        authentication: Authentication | Null | None = None,
        url: str | None = None,
        event_types: Sequence[str] | None = None,
        status: Literal["enabled", "paused", "disabled"] | None = None,
        dry_run: bool = False,
    ) -> Endpoint:
        """Change an endpoint. We keep the events of a paused or disabled one until you enable it again.

        Needs the scope `webhooks:write`.

        endpoint_id: An id that begins with `ep_`.
        filter: Send only events that match: fields and values, or operators such as `$gte`, `$in`, `$prefix`, `$or`
            and `$not`.
        body: `thin` bodies have only ids; you fetch the rest, and no personal data is sent.
        ordering: `none` sends each event as soon as possible, `member` each member's events one after the other,
            `strict` all of them one after the other.
        on_exhausted: When an ordered event fails for the last time: `skip` it, or `hold` what comes after it.
        batch_size: How many events one message may have. Above 1 only with the ordering `strict`.
        retry_delays_s: Seconds to wait after each failed attempt. null: our own schedule.
        rate_per_s: At most so many messages a second. null: as many as you take.
        timeout_s: Seconds in which your whole answer has to be here. null: our own limit.
        signatures: How we sign: `v1` with the endpoint's secret, `v1a` with a key that we have for you alone. Its
            public part is at the endpoint's `keys_url`.
        headers: Headers to send with each message, such as Authorization. We keep the values encrypted and never
            show them again. A change replaces all of them.
        metadata: What you want to remember about the endpoint. We do nothing with it.
        """
        return self._transport.one(
            Endpoint,
            Call(
                method="PATCH",
                path=path("/v1/webhook-endpoints/{endpoint_id}", endpoint_id=endpoint_id),
                query=query(dry_run=dry_run),
                body=given(
                    filter=filter,
                    body=body,
                    ordering=ordering,
                    on_exhausted=on_exhausted,
                    batch_size=batch_size,
                    retry_delays_s=retry_delays_s,
                    rate_per_s=rate_per_s,
                    timeout_s=timeout_s,
                    signatures=signatures,
                    headers=headers,
                    metadata=metadata,
                    authentication=authentication,
                    url=url,
                    event_types=event_types,
                    status=status,
                ),
                if_match=if_match,
            ),
        )

    def remove(self, endpoint_id: str, *, dry_run: bool = False) -> Meta:
        """Remove an endpoint for good. We send it nothing more. To stop it for a while, pause it.

        Needs the scope `webhooks:write`.

        endpoint_id: An id that begins with `ep_`.
        """
        return self._transport.done(
            Call(
                method="DELETE",
                path=path("/v1/webhook-endpoints/{endpoint_id}", endpoint_id=endpoint_id),
                query=query(dry_run=dry_run),
            )
        )

    def pause(self, endpoint_id: str, *, dry_run: bool = False) -> Endpoint:
        """Pause an endpoint. We keep its events and send nothing until you resume it.

        Needs the scope `webhooks:write`.

        endpoint_id: An id that begins with `ep_`.
        """
        return self._transport.one(
            Endpoint,
            Call(
                method="POST",
                path=path("/v1/webhook-endpoints/{endpoint_id}/pause", endpoint_id=endpoint_id),
                query=query(dry_run=dry_run),
            ),
        )

    def resume(self, endpoint_id: str, *, dry_run: bool = False) -> Endpoint:
        """Resume a paused endpoint. We send what it missed, after what happens now.

        Needs the scope `webhooks:write`.

        endpoint_id: An id that begins with `ep_`.
        """
        return self._transport.one(
            Endpoint,
            Call(
                method="POST",
                path=path("/v1/webhook-endpoints/{endpoint_id}/resume", endpoint_id=endpoint_id),
                query=query(dry_run=dry_run),
            ),
        )

    def enable(self, endpoint_id: str, *, dry_run: bool = False) -> Endpoint:
        """Enable an endpoint. We send what it missed, after what happens now.

        Needs the scope `webhooks:write`.

        endpoint_id: An id that begins with `ep_`.
        """
        return self._transport.one(
            Endpoint,
            Call(
                method="POST",
                path=path("/v1/webhook-endpoints/{endpoint_id}/enable", endpoint_id=endpoint_id),
                query=query(dry_run=dry_run),
            ),
        )

    def disable(self, endpoint_id: str, *, dry_run: bool = False) -> Endpoint:
        """Disable an endpoint. We keep its events and send nothing until you enable it.

        Needs the scope `webhooks:write`.

        endpoint_id: An id that begins with `ep_`.
        """
        return self._transport.one(
            Endpoint,
            Call(
                method="POST",
                path=path("/v1/webhook-endpoints/{endpoint_id}/disable", endpoint_id=endpoint_id),
                query=query(dry_run=dry_run),
            ),
        )

    def rotate(
        self, endpoint_id: str, *, grace_s: int | None = None, secret: str | None = None, dry_run: bool = False
    ) -> Endpoint:
        """Give an endpoint a new secret. Keep it: we show it only this once. Both sign until the grace period ends.

        Needs the scope `webhooks:write`.

        endpoint_id: An id that begins with `ep_`.
        grace_s: For how many seconds we sign with the former secret as well. 0: not at all.
        secret: A secret of your own: `whsec_` and the base64 of 24 to 64 random bytes.
        """
        return self._transport.one(
            Endpoint,
            Call(
                method="POST",
                path=path("/v1/webhook-endpoints/{endpoint_id}/rotate", endpoint_id=endpoint_id),
                query=query(dry_run=dry_run),
                body=given(grace_s=grace_s, secret=secret),
            ),
        )

    def test(self, endpoint_id: str, *, dry_run: bool = False) -> EndpointTest:
        """Send a test event to an endpoint: `webhook_endpoint.test`, to this one only.

        Needs the scope `webhooks:write`.

        endpoint_id: An id that begins with `ep_`.
        """
        return self._transport.one(
            EndpointTest,
            Call(
                method="POST",
                path=path("/v1/webhook-endpoints/{endpoint_id}/test", endpoint_id=endpoint_id),
                query=query(dry_run=dry_run),
            ),
        )

    def stats(
        self,
        endpoint_id: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        bucket: Literal["5m", "hour", "day"] | None = None,
    ) -> Stats:
        """Count the attempts to reach an endpoint, by time: how many ended how, and how fast.

        Needs the scope `webhooks:write`.

        endpoint_id: An id that begins with `ep_`.
        since: A day before `until`, if you leave it out
        until: Now, if you leave it out
        """
        return self._transport.one(
            Stats,
            Call(
                method="GET",
                path=path("/v1/webhook-endpoints/{endpoint_id}/stats", endpoint_id=endpoint_id),
                query=query(since=since, until=until, bucket=bucket),
            ),
        )
