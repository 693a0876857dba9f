"""Structured logs on standard error: one line an event, `name=value` pairs or JSON. Never a secret, token or card."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from kit import ids

_QUIET = ("authlib", "rq", "aiohttp.access", "alembic")  # their debug lines name tokens and secrets


class _Formatter(logging.Formatter):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        if self._as_json:
            return json.dumps(facts, ensure_ascii=False, default=str)
        traceback = facts.pop("traceback", None)
        at, level, logger, event = (facts.pop(name) for name in ("at", "level", "logger", "event"))
        line = " ".join([at, level, logger, event, *(f"{k}={_plain(v)}" for k, v in facts.items())])
        return f"{line}\n{traceback}" if traceback else line


def _plain(value: Any) -> str:
    shown = str(value)
    return shown if shown.isprintable() and " " not in shown else json.dumps(shown)


def configure(log_format: str) -> None:
    """Send all logging of this process to standard error as `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(as_json=log_format == "json"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def event(logger: logging.Logger, what: str, *, level: int = logging.INFO, **facts: Any) -> None:
    """Log `what` with its facts; ids in them are shown as people see them, by the names of their fields.

    Members' are our own, whoever asks: the logs are the operator's.
    """
    if logger.isEnabledFor(level):
        with ids.seen_by(ids.OUR_OWN):
            shown = {name: _shown(name, value) for name, value in facts.items()}
        logger.log(level, what, extra={"facts": shown})


def _shown(name: str, value: Any) -> Any:
    prefix = ids.PREFIX_OF_FIELD.get(name)
    return ids.show(prefix, value) if prefix and isinstance(value, UUID) else value


def relayed(part: str, line: str) -> str:
    """A line that the program `part` wrote, as one JSON object: its own where it is one, otherwise an event."""
    try:
        facts = json.loads(line)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        facts = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": "info", "event": line}
    return json.dumps({"part": part, **facts}, ensure_ascii=False)
