"""A request that a step of a migration came in the way of is done once more, as its sender would do it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
from flask import Flask, request
from sqlalchemy.exc import DBAPIError

from kit.db import is_between_versions
from kit.http import context


def install(app: Flask) -> None:
    """Do requests to `app` once more that began before a migration and went on behind it."""
    app.dispatch_request = partial(_dispatch, app.dispatch_request)  # type: ignore[method-assign]


def _dispatch(dispatch: Callable[[], Any]) -> Any:
    """Answer the request; what fails has kept nothing, or knows by its key what it kept: anybody may send it again."""
    try:
        return dispatch()
    except (psycopg.Error, DBAPIError) as error:
        if not (is_between_versions(error) and _can_be_read_again()):
            raise
        return dispatch()


def _can_be_read_again() -> bool:
    """Whether there is no body, or we have it as JSON: a stream that was read in part would be another one."""
    return not request.content_length or context.current().body is not None
