"""What a balance over HTTP is measured against: a bare Flask route with one indexed query; `bare_route:application`.

The same server, threads and database, and no authentication, validation, description or log.
"""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, jsonify
from sqlalchemy import text

from kit import ids, settings
from kit.db import Database
from kit.supervisor import exit_with_parent

_BALANCE = text("SELECT available FROM coalition.wallet WHERE member_id = :member_id")


def application() -> Flask:
    """The app, on the database of the environment."""
    chosen = settings.from_environment(os.environ)
    exit_with_parent()
    database = Database(str(chosen.database_url), pool_size=chosen.web_threads)
    app = Flask(__name__)

    @app.get("/balance/<member_id>")
    def balance(member_id: str) -> Any:
        with database.transaction() as session, ids.seen_by(ids.OUR_OWN):
            return jsonify(available=session.scalar(_BALANCE, {"member_id": ids.parse(ids.MEMBER, member_id)}))

    return app
