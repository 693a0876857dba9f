"""Calls: signed in, their answers as typed values, their problems raised as what they are."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote, urlencode

from coalition_client import problems
from coalition_client.connection import Connection, Reply, Request
from coalition_client.errors import OF_STATUS, Problem, UnexpectedAnswer
from coalition_client.pages import Page, Pages
from coalition_client.tokens import Tokens
from coalition_client.values import Answer, Meta, decode, encode

T = TypeVar("T")
A = TypeVar("A", bound=Answer)
UNAUTHORIZED = 401


@dataclass(frozen=True, kw_only=True)
class Call:
    """One operation of the API. With a `key` (Idempotency-Key) it can be sent again and is done once."""

    method: str
    path: str
    query: Mapping[str, Any] | None = None
    body: Any = None
    content: bytes | None = None
    content_type: str = "application/json"
    key: str | None = None
    if_match: str | None = None

    def request(self, token: str, version: str) -> Request:
        """The call as it is sent."""
        body = self.content if self.body is None else json.dumps(self.body, ensure_ascii=False).encode()
        own = {
            "Idempotency-Key": self.key,
            "If-Match": self.if_match,
            "Content-Type": self.content_type if body is not None else None,
        }
        return Request(
            method=self.method,
            target=self.path + ("?" + urlencode(self.query) if self.query else ""),
            headers={
                "Accept": "application/json",
                "Coalition-Version": version,
                "Authorization": f"Bearer {token}",
                **{name: value for name, value in own.items() if value is not None},
            },
            body=body,
            repeatable=self.method == "GET" or self.key is not None,
        )


def new_key() -> str:
    """A new Idempotency-Key."""
    return uuid.uuid4().hex


def path(template: str, **named: str) -> str:
    """`template` with every name in braces replaced by its value, escaped; raises ValueError for what is no id."""
    if {"", ".", ".."} & set(named.values()):  # these would lead to another place
        raise ValueError(f"an id is missing in {template}")
    return template.format(**{name: quote(value, safe="") for name, value in named.items()})


def query(*, dry_run: bool = False, **named: Any) -> dict[str, Any]:
    """The query of those that are given."""
    there = {name: encode(value) for name, value in named.items() if value is not None}
    return {**there, "dry_run": "true"} if dry_run else there


class Transport:
    """Makes calls; every one of them raises Problem, NoAnswer, SignInRefused or UnexpectedAnswer."""

    def __init__(self, connection: Connection, tokens: Tokens, *, version: str) -> None:
        self._connection = connection
        self._tokens = tokens
        self._version = version

    def one(self, kind: type[A], call: Call) -> A:
        """One value, with what its headers say."""
        reply = self._reply(call)
        return replace(decode(kind, reply.json()), meta=_meta(reply))

    def all(self, kind: type[T], call: Call) -> tuple[T, ...]:
        """A list that comes whole."""
        return self._page(kind, call).data

    def pages(self, kind: type[T], call: Call) -> Pages[T]:
        """A list that comes in pages; nothing is asked before it is looked at."""
        return Pages(lambda cursor: self._page(kind, replace(call, query=_further(call, cursor))))

    def done(self, call: Call) -> Meta:
        """Nothing but that it was done."""
        return _meta(self._reply(call))

    def lines(self, call: Call) -> Iterator[Any]:
        """The JSON of each line, as it comes."""
        return self._reply(call, stream=True).lines()

    def file(self, call: Call) -> Iterator[bytes]:
        """A file's bytes, as they come."""
        return self._reply(call, stream=True).parts()

    def _page(self, kind: type[T], call: Call) -> Page[T]:
        reply = self._reply(call)
        found = reply.json()
        if not isinstance(found, dict) or not isinstance(found.get("data"), list):
            raise UnexpectedAnswer("the answer is no list")
        return Page(tuple(decode(kind, one) for one in found["data"]), found.get("next_cursor"), _meta(reply))

    def _reply(self, call: Call, *, stream: bool = False) -> Reply:
        token = self._tokens.get()
        reply = self._connection.exchange(call.request(token, self._version), stream=stream)
        if reply.status == UNAUTHORIZED:
            # Revoked or too old: it was refused before anything was done, so any call may be made again, once.
            self._tokens.forget(token)
            reply = self._connection.exchange(call.request(self._tokens.get(), self._version), stream=stream)
        if not reply.is_good:
            _refuse(reply)
        return reply


def _further(call: Call, cursor: str | None) -> Mapping[str, Any] | None:
    return call.query if cursor is None else {**(call.query or {}), "cursor": cursor}


def _meta(reply: Reply) -> Meta:
    headers = reply.headers
    return Meta(
        request_id=headers.get("Request-Id", ""),
        version=headers.get("Coalition-Version", ""),
        replayed=headers.get("Idempotent-Replay") == "true",
        dry_run=headers.get("Dry-Run") == "true",
        etag=headers.get("ETag"),
    )


def _refuse(reply: Reply) -> NoReturn:
    document = reply.problem
    if document is None:
        raise UnexpectedAnswer(f"status {reply.status} without a problem document")
    kind = problems.OF_CODE.get(str(document.get("code")), OF_STATUS.get(reply.status, Problem))
    raise kind(document)
