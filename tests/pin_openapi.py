"""Write the API's description to tests/openapi.json, and what is made of it: `python -m tests.pin_openapi`."""

from __future__ import annotations

from pathlib import Path

from clients.generator import pin
from kit.settings import Settings
from wsgi import create_app

PINNED = Path(__file__).with_name("openapi.json")


def described() -> str:
    """The description as it is served; no engine is asked for it."""
    app = create_app(Settings(database_url="postgresql://nobody/", redis_url="redis://nobody", secret_key="0" * 64))
    answer = app.test_client().get("/openapi.json")
    assert answer.status_code == 200, answer.text
    return answer.text + "\n"


if __name__ == "__main__":
    text = described()
    PINNED.write_text(text, "utf-8")
    pin.write(text)
