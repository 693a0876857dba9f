"""Wakeups: a word through Redis that there is work in the database. A lost one costs time and nothing else."""

from __future__ import annotations

import logging
import time

import redis

from kit import logs
from kit.secrets import Keyring

SOCKET_TIMEOUT_S = 0.25
SILENCE_AFTER_FAILURE_S = 1.0
AT_MOST_EVERY_S = 0.02

log = logging.getLogger(__name__)


def channel(keyring: Keyring) -> str:
    """What one coalition's wakeups are called in Redis, so that two on one server don't wake each other."""
    return f"coalition:{keyring.fingerprint(purpose='wakeup', value='').hex()[:16]}:wakeup"


class Wakeup:
    """Notifies at most every 20 ms per process, and not at all for a second after Redis failed to answer."""

    def __init__(self, redis_url: str, *, channel: str) -> None:
        self._channel = channel
        self._client = redis.Redis.from_url(
            redis_url, socket_timeout=SOCKET_TIMEOUT_S, socket_connect_timeout=SOCKET_TIMEOUT_S
        )
        self._silent_until = 0.0

    def notify(self) -> None:
        """Tell the pump to look now; never raises, since the pump looks by itself before long."""
        now = time.monotonic()
        if now < self._silent_until:
            return
        self._silent_until = now + AT_MOST_EVERY_S
        try:
            self._client.publish(self._channel, b"")
        except (redis.RedisError, OSError) as error:
            self._silent_until = now + SILENCE_AFTER_FAILURE_S
            logs.event(log, "redis does not answer", level=logging.WARNING, error=type(error).__name__)

    def is_answering(self) -> bool:
        """Whether Redis answers a ping."""
        try:
            return bool(self._client.ping())
        except (redis.RedisError, OSError):
            return False

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()
