"""Write the API's description to tests/openapi.json: `.venv/bin/python -m tests.pin_openapi`."""

from __future__ import annotations

from pathlib import Path

from kit.settings import Settings
from wsgi import create_app

PINNED = Path(__file__).with_name("openapi.json")


def described() -> str:
    """The description as it is served; no engine is asked for it."""
    app = create_app(Settings(database_url="postgresql://nobody/", redis_url="redis://nobody", secret_key="0" * 64))
    return app.test_client().get("/openapi.json").text + "\n"


if __name__ == "__main__":
    PINNED.write_text(described(), "utf-8")
