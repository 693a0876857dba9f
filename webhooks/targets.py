"""What the pump knows of endpoints it sends to: loaded when they change, not with every claim."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit.db import Session


@dataclass(frozen=True)
class Target:
    """An endpoint as the sender needs it. Without `retry_delays_s` and `timeout_s` it has everybody's."""

    endpoint_id: UUID
    partner_id: UUID
    version: int
    url: str
    sealed_secret: bytes
    former_sealed_secret: bytes | None = None
    former_until: datetime | None = None
    sealed_headers: bytes | None = None
    sealed_authentication: bytes | None = None
    body: str = "full"
    batch_size: int = 1
    on_exhausted: str = "skip"
    retry_delays_s: tuple[int, ...] | None = None
    rate_per_s: int | None = None
    timeout_s: int | None = None
    signatures: tuple[str, ...] = ("v1",)

    def sealed_secrets(self, now: datetime) -> list[bytes]:
        """The secrets that its messages are signed with at `now`, the newest first."""
        if "v1" not in self.signatures:
            return []
        if self.former_sealed_secret is None or self.former_until is None or now >= self.former_until:
            return [self.sealed_secret]
        return [self.sealed_secret, self.former_sealed_secret]


_COLUMNS = ", ".join(field.name for field in fields(Target))


class Targets:
    """The endpoints that were sent to lately, each as it was at its version."""

    def __init__(self) -> None:
        self._known: dict[UUID, Target] = {}

    def __getitem__(self, endpoint_id: UUID) -> Target:
        """One that was ensured."""
        return self._known[endpoint_id]

    def ensure(self, session: Session, wanted: Collection[tuple[UUID, int]]) -> None:
        """Load what is missing of endpoints, each with the version it has to have at least."""
        missing = {
            endpoint_id
            for endpoint_id, version in wanted
            if endpoint_id not in self._known or self._known[endpoint_id].version < version
        }
        if not missing:
            return
        rows = session.execute(
            text(f"SELECT {_COLUMNS} FROM webhooks.endpoint WHERE endpoint_id = ANY(:ids)"),  # noqa: S608 -- our names
            {"ids": list(missing)},
        )
        for row in rows:
            said = row._asdict()
            said["sealed_secret"] = bytes(said["sealed_secret"])
            said["signatures"] = tuple(said["signatures"])
            if said["retry_delays_s"] is not None:
                said["retry_delays_s"] = tuple(said["retry_delays_s"])
            self._known[row.endpoint_id] = Target(**said)
