"""What is known of a request: one frozen value for each, replaced and never changed."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path

import pytest
from flask import Flask

from kit.http import context
from kit.http.context import Context

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Known:
    """Something of a room's own."""

    name: str = "nobody"
    count: int = 0


def test_more_is_known_by_replacing_and_only_while_the_request_lasts() -> None:
    app, of_room = Flask("x"), Context("room", Known)
    with app.test_request_context("/"):
        first = of_room.get()
        assert first is of_room.get()
        of_room.change(name="ann")
        of_room.change(count=2)
        assert (first, of_room.get()) == (Known(), Known("ann", 2))
        with pytest.raises(TypeError):
            of_room.change(nothing_of_the_kind=1)
        with pytest.raises(FrozenInstanceError):
            of_room.get().name = "ben"
    with app.test_request_context("/"):
        assert of_room.get() == Known()


def test_two_rooms_know_nothing_of_each_other() -> None:
    app, one, other = Flask("x"), Context("one", Known), Context("other", Known)
    with app.test_request_context("/"):
        one.change(name="ann")
        context.change(problem={"code": "x"})
        assert (other.get(), one.get().name, context.current().problem) == (Known(), "ann", {"code": "x"})


def test_nothing_else_is_kept_in_flasks_g() -> None:
    rooms = [path for room in ("kit", "api", "console") for path in (ROOT / room).rglob("*.py")]
    using = [path for path in rooms if re.search(r"^from flask import .*\bg\b", path.read_text("utf-8"), re.MULTILINE)]
    assert [path.relative_to(ROOT).as_posix() for path in using] == ["kit/http/context.py"]
