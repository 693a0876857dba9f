"""Write the API's description to tests/openapi.json, and what is made of it: `python -m tests.pin_openapi`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clients.generator import pin
from clients.generator.description import spelled_out
from kit.secrets import Keyring
from kit.settings import Settings
from tests import pin_events
from wsgi import create_app

PINNED = Path(__file__).with_name("openapi.json")


def described() -> str:
    """The description as it is served; no engine is asked for it."""
    app = create_app(
        Settings(database_url="postgresql://nobody/", redis_url="redis://nobody", secret_key="0" * 64),
        Keyring(bytes(32)),
    )
    answer = app.test_client().get("/openapi.json")
    assert answer.status_code == 200, answer.text
    return answer.text + "\n"


def pinned() -> dict[str, Any]:
    """The description as it was reviewed, with all that its operations share in its places."""
    return spelled_out(json.loads(PINNED.read_text("utf-8")))


if __name__ == "__main__":
    text = described()
    PINNED.write_text(text, "utf-8")
    pin.write(text)
    pin_events.pin()
